"""Whom the session lets through, and how soon drift is seen: ``python -m benchmarks.qualification``.

Sessions and charts are run answer by answer through the product's own state; beside them stands
what they are known to give (the column ``peer``), and the exact operating curve. Then the time of
Krippendorff's alpha over a million answers, and the width of its interval. ``--quick`` runs a
tenth and writes nothing.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from statistics import fmean

import numpy as np

from annotation.methods.agreement import Ints, agreement
from annotation.methods.drift import (
    SURPRISE_LIMIT,
    Chart,
    Floats,
    gold_step,
    run_length,
    surprise,
    surprise_step,
    without,
)
from annotation.methods.qualification import Course, Decision, Rules, State, course
from benchmarks import figures, report
from benchmarks.figures import Figure, mean_of

RUNS = 4_000
# True accuracy: mean answers, accepted, undecided, as known from 4,000 runs of another program.
KNOWN: dict[float, tuple[float, float, float | None]] = {
    0.50: (12.5, 0.003, None),
    0.60: (19.5, 0.037, None),
    0.70: (27.4, 0.238, 0.35),
    0.80: (25.0, 0.722, 0.208),
    0.90: (16.1, 0.991, None),
    0.95: (13.0, 1.000, None),
}
KNOWN_CHARTS = {2: (73, 12), 3: (271, 20), 4: (783, 28)}
KNOWN_WIDTHS = {30: 0.38, 60: 0.26, 120: 0.19, 250: 0.13, 500: 0.09}
CLASSES = 3


def sessions(right: float, *, rules: Rules, runs: int, rng: np.random.Generator) -> list[State]:
    """Let so many people of one accuracy through a session."""
    ended = []
    for answers in rng.random((runs, rules.cap)) < right:
        state = State()
        for answer in answers:
            state = state.after(bool(answer), rules=rules)
            if state.decision != Decision.OPEN:
                break
        ended.append(state)
    return ended


def operating_curve(runs: int) -> list[Figure]:
    """Hold simulated sessions against the known curve, and against the exact one."""
    rng, rules = np.random.default_rng(0), Rules()
    found: list[Figure] = []
    apart: list[float] = []
    for right, (answers, accepted, undecided) in KNOWN.items():
        ended = sessions(right, rules=rules, runs=runs, rng=rng)
        share = {end: [float(state.decision == end) for state in ended] for end in Decision}
        asked = [float(state.asked) for state in ended]
        found += [
            Figure(f"answers, true {right:.2f}", **mean_of(asked), peer=answers),
            Figure(
                f"qualified, true {right:.2f}", **mean_of(share[Decision.QUALIFIED]), peer=accepted
            ),
            Figure(
                f"supervised, true {right:.2f}",
                **mean_of(share[Decision.SUPERVISED]),
                peer=undecided,
            ),
        ]
        exact = course(right, rules=rules)
        apart.append(abs(fmean(share[Decision.QUALIFIED]) - accepted))
        apart.append(abs(exact.qualified - accepted))
        if undecided is not None:
            apart.append(abs(fmean(share[Decision.SUPERVISED]) - undecided))
            apart.append(abs(exact.supervised - undecided))
    # Two shares of 4,000 runs each are within .03 of each other, were there twelve of them.
    worst = "largest distance of a share from the known one"
    return [*found, Figure(worst, max(apart), bar=0.03, less=True)]


def by_chance() -> dict[str, dict[str, Course]]:
    """The exact course for questions in which guessing is right in a half, a third, a fifth."""
    return {
        f"{chance:.2f}": {
            f"{adjusted:.2f}": course(adjusted, rules=Rules(chance=chance))
            for adjusted in (0.0, *KNOWN)
        }
        for chance in (0.0, 1 / 5, 1 / 3, 1 / 2)
    }


def length(steps: Iterator[float], *, limit: float) -> float:
    """How many answers a chart takes to its alarm."""
    chart = Chart()
    while not chart.alarmed:
        chart = chart.after(next(steps), limit=limit)
    return float(chart.seen)


def gold_charts(runs: int) -> list[Figure]:
    """Time to a false alarm and to detection on hidden gold, .85 to .65."""
    rng = np.random.default_rng(1)
    found: list[Figure] = []
    apart: list[float] = []
    for limit, known in KNOWN_CHARTS.items():
        for right, peer, what in zip(
            (0.85, 0.65), known, ("false alarm", "detection"), strict=True
        ):
            steps = answers_of(right, rng=rng)
            lengths = [length(steps, limit=limit) for _ in range(runs)]
            found.append(Figure(f"gold items to {what}, h={limit}", **mean_of(lengths), peer=peer))
            apart.append(abs(run_length(right, limit=limit) / fmean(lengths) - 1))
    worst = "largest distance of the exact lengths from the simulated"
    return [*found, Figure(worst, max(apart), bar=0.05, less=True)]


def answers_of(right: float, *, rng: np.random.Generator) -> Iterator[float]:
    """Endless steps of the gold chart for somebody of one accuracy."""
    steps = gold_step(True), gold_step(False)
    while True:
        for one in rng.random(10_000) < right:
            yield steps[0] if one else steps[1]


def surprise_charts(runs: int) -> list[Figure]:
    """Overlapped answers to a false alarm and to detection, beside one or two others at .85."""
    rng, found = np.random.default_rng(2), []
    for right, what in (
        (0.85, "false alarm"),
        (0.75, "detection of .75"),
        (0.65, "detection of .65"),
    ):
        steps = surprises_of(right, rng=rng)
        lengths = [length(steps, limit=SURPRISE_LIMIT) for _ in range(runs)]
        found.append(Figure(f"overlapped answers to {what}", **mean_of(lengths)))
    return found


def surprises_of(right: float, *, rng: np.random.Generator) -> Iterator[float]:
    """Endless steps of the surprise chart for somebody who was known to be right in 85 %."""
    known = np.full((CLASSES, CLASSES), 0.15 / (CLASSES - 1))
    np.fill_diagonal(known, 0.85)
    size = 10_000
    same = np.broadcast_to(known, (size, CLASSES, CLASSES))
    while True:
        truth = rng.integers(0, CLASSES, size)
        posterior: Floats = np.ones((size, CLASSES))
        for share in (1.0, 0.5):
            said = said_by(truth, right=0.85, rng=rng)
            posterior *= np.where((rng.random(size) < share)[:, None], known[:, said].T, 1.0)
        own = said_by(truth, right=right, rng=rng)
        posterior *= known[:, own].T
        posterior /= posterior.sum(axis=1, keepdims=True)
        others = without(posterior, confusion=same, label=own)
        for one in surprise(others, confusion=same, label=own):
            yield surprise_step(float(one))


def said_by(truth: Ints, *, right: float, rng: np.random.Generator) -> Ints:
    """What somebody says who is right so often, and wrong in any way alike."""
    wrong = (truth + rng.integers(1, CLASSES, len(truth))) % CLASSES
    return np.asarray(np.where(rng.random(len(truth)) < right, truth, wrong))


def widths(runs: int) -> list[Figure]:
    """Mean width of alpha's interval: three people, each right in 87.5 %, three even classes."""
    rng, found = np.random.default_rng(3), []
    for items, known in KNOWN_WIDTHS.items():
        each, values = [], []
        for _ in range(runs):
            truth = rng.integers(0, CLASSES, items)
            label = np.concatenate([said_by(truth, right=0.875, rng=rng) for _ in range(3)])
            person = np.repeat(np.arange(3), items)
            item = np.tile(np.arange(items), 3)
            one = agreement(item, person=person, label=label, labels=CLASSES, rng=rng).alpha
            if one.value is not None and one.low is not None and one.high is not None:
                each.append(one.high - one.low)
                values.append(one.value)
        row = f"width of alpha's interval, {items} items (mean alpha {fmean(values):.2f})"
        found.append(Figure(row, **mean_of(each), peer=known))
    return found


def speed(times: int) -> Figure:
    """CPU seconds of all three measures and 1,000 draws over a million answers."""
    rng = np.random.default_rng(4)
    item = np.repeat(np.arange(333_400), 3)
    label = np.where(rng.random(len(item)) < 0.7, item % 5, rng.integers(0, 5, len(item)))
    person = rng.integers(0, 300, len(item)) * 3 + np.tile(np.arange(3), 333_400)
    order = rng.permutation(len(item))
    item, person, label = item[order], person[order], label[order]
    seconds = []
    for _ in range(times):
        began = time.process_time()
        agreement(item, person=person, label=label, labels=5, rng=rng)
        seconds.append(time.process_time() - began)
    ends = {"low": min(seconds), "high": max(seconds)}
    row = "CPU s for 1,000,200 answers in any order, with intervals"
    return Figure(row, float(np.median(seconds)), bar=0.5, less=True, **ends)


def main() -> None:
    """Run all of it, show it, and write it down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the runs; writes nothing")
    quick = parser.parse_args().quick
    runs = RUNS // 10 if quick else RUNS
    parts: tuple[Callable[[], list[Figure]], ...] = (
        lambda: operating_curve(runs),
        lambda: gold_charts(runs),
        lambda: surprise_charts(runs // 10),
        lambda: widths(runs // 20),
        lambda: [speed(5)],
    )
    rows = []
    for part in parts:
        rows += part()
        print(figures.table(rows[-1:]), flush=True)
    print(figures.table(rows))
    exact = {
        chance: {right: vars(one) for right, one in curve.items()}
        for chance, curve in by_chance().items()
    }
    for chance, curve in exact.items():
        for right, one in curve.items():
            shown = "  ".join(f"{name} {value:.3f}" for name, value in one.items())
            print(f"exact, chance {chance}, adjusted {right}: {shown}")
    if not quick:
        print(report.write("qualification", rows, exact=exact))


if __name__ == "__main__":
    main()
