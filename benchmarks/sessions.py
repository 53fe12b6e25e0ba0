"""Whom sessions let through at two to five labels, and the chart of an estimated habit: ``python -m benchmarks.sessions``.

Sessions run answer by answer under the rules that campaigns begin with, beside what the published
rules of `benchmarks.qualification` would do to the same people (the column ``peer``). Then the
chart of surprises as the product keeps it, where what is expected of a person is estimated from
earlier weeks; there ``peer`` is its length with confusions known exactly. ``--quick`` runs a tenth
and writes nothing.
"""

import argparse

import numpy as np

from annotation.methods.agreement import Ints
from annotation.methods.drift import (
    SURPRISE_LIMIT,
    Chart,
    Floats,
    counted,
    habit,
    surprise,
    surprise_step,
)
from annotation.methods.qualification import Decision, Rules, closing, course
from benchmarks import figures, report
from benchmarks.figures import Figure, mean_of
from benchmarks.qualification import CLASSES, said_by, sessions

RUNS = 600
CHARTS = 120


def by_labels(runs: int) -> list[Figure]:
    """Sessions as campaigns hold them, for questions of two to five labels.

    The column ``peer`` is what the published rules would do to the same people, exactly.
    """
    rng = np.random.default_rng(5)
    found = []
    for labels in (2, 3, 4, 5):
        rules = closing(Rules(chance=1 / labels, low=0.5))
        before = Rules(chance=1 / labels)
        for skill in (0.5, 0.6, 0.7, 0.8, 0.9):
            ended = sessions(rules.accuracy(skill), rules=rules, runs=runs, rng=rng)
            known = course(skill, rules=before)
            for end, peer in (
                (Decision.QUALIFIED, known.qualified),
                (Decision.SUPERVISED, known.supervised),
            ):
                share = mean_of([float(state.decision == end) for state in ended])
                bar = 0.06 if skill == 0.5 and end == Decision.QUALIFIED else None
                row = f"{labels} labels, skill {skill:.1f}: {end}"
                found.append(Figure(row, **share, peer=peer, bar=bar, less=bar is not None))
            asked = mean_of([float(state.asked) for state in ended])
            row = f"{labels} labels, skill {skill:.1f}: answers"
            found.append(Figure(row, **asked, peer=known.answers))
    return found


def estimated_charts(runs: int) -> list[Figure]:
    """The surprise chart as the product keeps it: what is expected of a person is estimated.

    A session of 20 texts, then 20 overlapped answers a week; of every week all earlier ones are
    known, fading. ``peer`` is the length with confusions known exactly.
    """
    rng, found = np.random.default_rng(6), []
    for right, after, what, peer in (
        (0.85, 0.85, "false alarm of somebody at .85", 2072),
        (0.95, 0.95, "false alarm of somebody at .95", None),
        (0.70, 0.70, "false alarm of somebody at .70", None),
        (0.85, 0.65, "detection of .65 after 12 weeks at .85", 58.2),
        (0.85, 0.75, "detection of .75 after 12 weeks at .85", 177),
    ):
        lengths = [
            estimated_length(right, after=after, steady=0 if right == after else 12, rng=rng)
            for _ in range(runs)
        ]
        found.append(Figure(f"estimated, answers to {what}", **mean_of(lengths), peer=peer))
    return found


def estimated_length(
    right: float, *, after: float, steady: int, rng: np.random.Generator, week: int = 20
) -> float:
    """Answers to the alarm, counted from the change; a false alarm before it begins anew."""
    session = rng.integers(0, CLASSES, week)
    said = said_by(session, right=right, rng=rng)
    counts = [counted(np.eye(CLASSES)[session], confusion=np.ones((CLASSES, CLASSES)), label=said)]
    chart, passed = Chart(), 0
    while passed < steady + 400:
        now = right if passed < steady else after
        days: Floats = np.arange(len(counts), 0, -1) * np.float64(7.0)
        usual = habit(np.array(counts), days=days)
        others, own = _beside_others(now, week, rng=rng)
        expected = np.broadcast_to(usual, (week, CLASSES, CLASSES))
        for one in surprise(others, confusion=expected, label=own):
            chart = chart.after(surprise_step(float(one)), limit=SURPRISE_LIMIT)
            if chart.alarmed and passed >= steady:
                return float(chart.seen)
        if chart.alarmed or passed + 1 == steady:
            # Charts begin anew after a concern; here also with the change, to count from it.
            chart = Chart()
        counts.append(counted(others, confusion=usual, label=own))
        passed += 1
    return float(chart.seen)


def _beside_others(right: float, size: int, *, rng: np.random.Generator) -> tuple[Floats, Ints]:
    """What one or two others at .85 say of so many texts, and what a person of that accuracy says."""
    known = np.full((CLASSES, CLASSES), 0.15 / (CLASSES - 1))
    np.fill_diagonal(known, 0.85)
    truth = rng.integers(0, CLASSES, size)
    others: Floats = np.ones((size, CLASSES))
    for share in (1.0, 0.5):
        said = said_by(truth, right=0.85, rng=rng)
        others *= np.where((rng.random(size) < share)[:, None], known[:, said].T, 1.0)
    return others / others.sum(axis=1, keepdims=True), said_by(truth, right=right, rng=rng)


def main() -> None:
    """Run both, show them, and write them down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the runs; writes nothing")
    part = 10 if parser.parse_args().quick else 1
    rows = [*by_labels(RUNS // part), *estimated_charts(CHARTS // part)]
    print(figures.table(rows))
    if part == 1:
        print(report.write("sessions", rows))


if __name__ == "__main__":
    main()
