"""What ratings and preferences recover of what was planted: ``python -m benchmarks.judgements``.

Made-up judges with biases, tastes and drift (:mod:`benchmarks.judges_made`). Beside ours in the
same run: plain means and shares of wins, the choix, evalica and girth libraries (in the peers'
environment), and Tango's test as if choices were independent. *Inside* is the share of planted
numbers that their 95 % intervals hold, *off* how far that share is from .95. ``--quick`` takes a
few seeds and writes nothing.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from scipy.special import stdtrit
from scipy.stats import spearmanr

from annotation.methods import preferences, ratings
from annotation.methods.duels import Duel
from annotation.methods.judgements import Floats
from annotation.methods.ratings import ordinal_agreement
from benchmarks import report
from benchmarks.figures import Figure, mean_of, table
from benchmarks.judges_made import raters_choose, raters_duel, raters_rate
from benchmarks.peers import ROOT, peer_python
from training.methods.judged import non_inferior, win_share
from training.methods.paired import tango_interval, tango_z

Ask = Callable[[str, dict[str, Any]], dict[str, Any]]
MARGIN, SHARE = 0.05, 0.45
NORMAL = 1.6448536269514722
NOTES = (
    "Rank correlation is Spearman's, mean over seeds with Student's interval; bar .9 at 300.",
    "The bar of an interval is that 93 to 97 % of planted numbers lie inside: off by at most .02.",
    "`peer` is the best of the plainer ways and libraries in that row's kind, in the same run.",
)


@contextmanager
def other_libraries() -> Iterator[Ask]:
    """Start the peers' side and return what asks it; the answer has ``cpu`` as well."""
    command = [str(peer_python()), "-W", "ignore", "-m", "benchmarks.judgements_peer"]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        ) as process,
    ):
        lines, said = process.stdin, process.stdout
        assert lines is not None
        assert said is not None

        def ask(method: str, columns: dict[str, Any]) -> dict[str, Any]:
            np.savez(Path(folder) / "told.npz", **columns)
            print(json.dumps({"folder": folder, "method": method}), file=lines, flush=True)
            answer = said.readline()
            if not answer:
                raise RuntimeError(f"the other libraries ended while they were asked for {method}")
            with np.load(Path(folder) / "found.npz") as found:
                return {**{name: found[name] for name in found}, **json.loads(answer)}

        yield ask


@dataclass
class Tally:
    """What each way found over the seeds: rank correlation, share inside."""

    alike: dict[str, list[float]] = field(default_factory=dict)
    inside: dict[str, list[float]] = field(default_factory=dict)

    def add(
        self, way: str, planted: Floats, found: Floats, ends: tuple[Floats, Floats] | None = None
    ) -> None:
        """Hold one seed's numbers against what was planted."""
        self.alike.setdefault(way, []).append(float(spearmanr(planted, found).statistic))
        if ends is not None:
            held = (ends[0] <= planted) & (planted <= ends[1])
            self.inside.setdefault(way, []).append(float(held.mean()))

    def figures(self, name: str, *, bar: float | None) -> list[Figure]:
        """Lay out one case: ours first, with the best other way beside it."""
        ours = self.alike["ours"]
        others = {way: each for way, each in self.alike.items() if way != "ours"}
        best = max(float(np.mean(each)) for each in others.values() if len(each) == len(ours))
        row = f"{name}: rank correlation"
        found = [Figure(f"{row}, ours", **mean_of(ours), peer=best, bar=bar)]
        for way, each in others.items():
            found.append(Figure(f"{row}, {way}", **mean_of(each)))
            # What takes long saw the first seeds only; ours on those stands beside it.
            if len(each) < len(ours):
                same = mean_of(ours[: len(each)])
                found.append(
                    Figure(f"{row}, ours on {way}'s seeds", **same, peer=float(np.mean(each)))
                )
        for way, each in self.inside.items():
            own = way == "ours"
            found.append(Figure(f"{name}: inside, {way}", **mean_of(each)))
            off = abs(float(np.mean(each)) - 0.95)
            if own:
                found.append(Figure(f"{name}: off, {way}", off, bar=0.02, less=True))
        return found


def choices(ask: Ask, *, seeds: int) -> list[Figure]:
    """Recover writers' strengths from 300 choices (and 100, and 1,000)."""
    cases: dict[str, tuple[dict[str, Any], bool]] = {
        "300 choices, 8 writers spread evenly, 8 raters": ({"even": True}, True),
        "300 choices, 8 writers drawn, 8 raters": ({}, True),
        "300 choices, 2 of 8 raters at random": ({"even": True, "random": 2}, True),
        "300 choices, 3 raters": ({"even": True, "raters": 3}, True),
        "100 choices, 8 raters": ({"even": True, "choices": 100}, False),
        "1,000 choices, 8 raters": ({"even": True, "choices": 1000}, True),
    }
    found = []
    for name, (over, judged) in cases.items():
        tally = Tally()
        for seed in range(seeds):
            planted, told = raters_choose(seed, **over)
            fit = preferences.fit(told)
            value, low, high = fit.strength.T
            tally.add("ours", planted, value, (low, high))
            tally.add("share of wins", planted, _win_shares(told))
            if seed < seeds // 20:  # a bootstrap each takes long
                columns = {n: getattr(told, n) for n in ("first", "second", "outcome", "writers")}
                tally.add("choix", planted, ask("choix", columns)["strength"])
                other = ask("evalica", columns)
                tally.add("evalica", planted, other["strength"], (other["low"], other["high"]))
        found += tally.figures(name, bar=0.9 if judged else None)
    return found


def _win_shares(told: preferences.Choices) -> Floats:
    won = np.bincount(told.first, (1 + told.outcome) / 2, told.writers)
    won = won + np.bincount(told.second, (1 - told.outcome) / 2, told.writers)
    met = np.bincount(told.first, minlength=told.writers)
    met = met + np.bincount(told.second, minlength=told.writers)
    return np.asarray((won + 0.5) / (met + 1))


def grades(ask: Ask, *, seeds: int) -> list[Figure]:
    """Recover texts' quality and raters' severity from 300 ratings."""
    cases: dict[str, tuple[dict[str, Any], bool]] = {
        "300 ratings, 75 texts, 4 of 8 raters each": ({}, True),
        "300 ratings, strict and lenient raters": ({"severity": 0.6, "drift": 0.15}, True),
        "300 ratings, 1 of 8 raters at random": ({"random": 1}, True),
        "300 ratings, 3 raters of 100 texts": ({"raters": 3, "items": 100, "each": 3}, False),
        "300 ratings, one a text": ({"items": 300, "each": 1}, False),
    }
    found = []
    for name, (over, judged) in cases.items():
        tally, strict = Tally(), []
        errors: dict[str, list[float]] = {"ours": [], "mean": []}
        for seed in range(seeds):
            planted, severity, told = raters_rate(seed, **over)
            fit = ratings.fit(told)
            value, low, high = fit.quality.T
            mean, ends = _means(told)
            tally.add("ours", planted, value, (low, high))
            tally.add("mean", planted, mean, ends)
            tally.add("median", planted, _medians(told))
            for way, each in (("ours", value), ("mean", mean)):
                errors[way].append(float(np.sqrt(((each - planted) ** 2).mean())))
            course = fit.course
            held = (course[..., 1] <= severity) & (severity <= course[..., 2])
            strict.append(float(held.mean()))
            if seed < max(seeds // 20, 1) and over.get("each") != 1:
                columns = {n: getattr(told, n) for n in ("item", "rater", "rating")}
                sizes = {"items": told.items, "raters": told.raters}
                tally.add("girth", planted, ask("girth", columns | sizes)["quality"])
        found += tally.figures(name, bar=0.9 if judged else None)
        ours, plain = mean_of(errors["ours"]), float(np.mean(errors["mean"]))
        row = f"{name}: error in grades (bar: the mean's)"
        found.append(Figure(row, **ours, peer=plain, bar=plain, less=True))
        found.append(Figure(f"{name}: severities inside", **mean_of(strict)))
    return found


def _means(told: ratings.Ratings) -> tuple[Floats, tuple[Floats, Floats]]:
    """Plain means with Student's intervals, from the ratings of each text alone."""
    count = np.bincount(told.item, minlength=told.items)
    mean = np.bincount(told.item, told.rating, told.items) / count
    square = np.bincount(told.item, told.rating**2, told.items) / count - mean**2
    freedom = np.maximum(count - 1, 1)
    half = stdtrit(freedom, 0.975) * np.sqrt(np.maximum(square, 0) / freedom)
    return mean, (mean - half, mean + half)


def _medians(told: ratings.Ratings) -> Floats:
    order = np.argsort(told.item, kind="stable")
    ends = np.bincount(told.item, minlength=told.items).cumsum()[:-1]
    return np.array([np.median(each) for each in np.split(told.rating[order], ends)])


def gate(*, seeds: int) -> list[Figure]:
    """Let candidates through that are worse by exactly the margin, or as good as the champion."""
    found = []
    for raters, taste in ((5, 0.0), (5, 0.05), (10, 0.05), (20, 0.1), (3, 0.05)):
        name = f"gate, {raters} raters, tastes {taste:.2f}"
        ways = ("passed", "plain", "inside", "plainly", "equal")
        seen: dict[str, list[float]] = {way: [] for way in ways}
        for seed in range(seeds):

            def made(share: float, at: int = seed, who: int = raters, lean: float = taste) -> Duel:
                return raters_duel(
                    at, items=150, each=min(who, 4), raters=who, taste=lean, share=share
                )

            told = made(SHARE)
            share = win_share(told)
            seen["inside"].append(float(share.low <= SHARE <= share.high))
            seen["passed"].append(float(non_inferior(told, margin=MARGIN).verdict == "PASS"))
            wins, losses = (int((told.outcome == side).sum()) for side in (1, -1))
            size = len(told.outcome)
            z = tango_z(wins, broken=losses, items=size, margin=2 * MARGIN)
            seen["plain"].append(float(z > NORMAL))
            low, high = tango_interval(wins, broken=losses, items=size, level=0.95)
            seen["plainly"].append(float((1 + low) / 2 <= SHARE <= (1 + high) / 2))
            good = non_inferior(made(0.5), margin=MARGIN)
            seen["equal"].append(float(good.verdict == "PASS"))
        # At a risk of 5 %, chance alone brings the share of 1,000 runs to .062 once in twenty.
        rows = [
            Figure(
                f"{name}: worse by the margin yet passed",
                **mean_of(seen["passed"]),
                peer=float(np.mean(seen["plain"])),
                bar=0.065,
                less=True,
            ),
            Figure(
                f"{name}: inside", **mean_of(seen["inside"]), peer=float(np.mean(seen["plainly"]))
            ),
            Figure(f"{name}: off", abs(float(np.mean(seen["inside"])) - 0.95), bar=0.02, less=True),
            Figure(f"{name}: as good and passed", **mean_of(seen["equal"])),
        ]
        found += rows
    return found


def agreed(ask: Ask) -> list[Figure]:
    """Hold our ordinal alpha against evalica's."""
    _, _, told = raters_rate(0)
    found = ordinal_agreement(told, rng=np.random.default_rng(0))
    columns = {name: getattr(told, name) for name in ("item", "rater", "rating")}
    theirs = float(ask("alpha", columns)["alpha"])
    ours = found.alpha.value or 0.0
    return [
        Figure("ordinal alpha", ours, theirs, low=found.alpha.low, high=found.alpha.high),
        Figure("ordinal alpha: apart from evalica's", abs(ours - theirs), bar=1e-9, less=True),
    ]


def speed(ask: Ask, *, items: int) -> list[Figure]:
    """CPU seconds of one fit, ours and the nearest library's."""
    _, _, told = raters_rate(0, items=items, raters=20)
    _, chosen = raters_choose(0, choices=4 * items, raters=20)
    columns = {name: getattr(chosen, name) for name in ("first", "second", "outcome", "writers")}
    rated = {name: getattr(told, name) for name in ("item", "rater", "rating", "items", "raters")}
    rows: Sequence[tuple[str, Callable[[], object], float]] = (
        (
            f"{4 * items:,} choices: CPU s",
            lambda: preferences.fit(chosen),
            ask("evalica", columns)["cpu"],
        ),
        (f"{4 * items:,} ratings: CPU s", lambda: ratings.fit(told), ask("girth", rated)["cpu"]),
    )
    found = []
    for row, run, theirs in rows:
        start = time.process_time()
        run()
        found.append(Figure(row, time.process_time() - start, theirs, less=True))
    return found


def main() -> None:
    """Run everything, print the table and write it down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few seeds, nothing written")
    quick = parser.parse_args().quick
    with other_libraries() as ask:
        figures = choices(ask, seeds=20 if quick else 160)
        figures += grades(ask, seeds=4 if quick else 40)
        figures += gate(seeds=40 if quick else 1000)
        figures += agreed(ask)
        figures += speed(ask, items=75 if quick else 500)
    print(table(figures))
    if not quick:
        print(report.write("judgements", figures, notes=NOTES))


if __name__ == "__main__":
    main()
