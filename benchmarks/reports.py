"""Reports: random walks, duplicates, proofs of fixes, and a flood.

``python -m benchmarks.reports [--quick] [--only PART …] [--data FOLDER] [--keep FOLDER]``. *Walks*: whoever may
does whatever there is to do, in any order, drawn by Hypothesis, and every invariant is looked at after each walk; and
two processes race for the same reports; on SQLite and PostgreSQL. They take hours: each call goes on for ``--seconds``
from where ``--keep`` holds that it was left. *Duplicates*: real texts told again in many ways; is the first telling among the
five likest, by letters, by embeddings, by both, and how often is a text that nobody told before said to be like
another? *Proofs*: how often a model passes that has memorised one sentence, and one that is truly better.
*Flood*: ten thousand reports from fifty addresses at a real server, and others meanwhile. Rows of parts that are not run
stay as they were written. ``--quick`` does less of everything and writes nothing.
"""

import argparse
import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.report import RESULTS, write

PARTS = ("proofs", "duplicates", "speed", "walks", "flood")


@dataclass(frozen=True)
class Told:
    """One figure of one part."""

    part: str
    what: str
    value: float
    bar: float | None = None
    less: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the bar is reached; nothing where there is none."""
        if self.bar is None:
            return None
        return self.value <= self.bar if self.less else self.value >= self.bar

    def record(self) -> dict[str, Any]:
        """Return the figure as it is written down."""
        return {**asdict(self), "value": round(self.value, 5), "met": self.met}


def main() -> None:
    """Do all of it, or a little of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything, writes nothing")
    parser.add_argument("--walks", type=int, default=20_000, help="random walks a database")
    parser.add_argument("--seconds", type=float, default=3600, help="of walking a database, now")
    parser.add_argument("--keep", type=Path, default=Path("var/report-walks"))
    parser.add_argument(
        "--asked", type=int, default=60, help="texts told again, a language and way"
    )
    parser.add_argument("--flood", type=int, default=0, help="reports of the flood")
    parser.add_argument("--flood-seconds", type=float, default=60)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--only", nargs="*", default=PARTS)
    options = parser.parse_args()
    quick = options.quick
    parts = {
        "proofs": lambda: proofs(runs=200 if quick else 2_000),
        "duplicates": lambda: duplicates(options.data, asked=10 if quick else options.asked),
        "speed": lambda: speed(options.data, size=10_000 if quick else 100_000),
        "walks": lambda: walks(
            options.walks, options.keep, seconds=20 if quick else options.seconds
        ),
        "flood": lambda: flood(
            options.flood or (300 if quick else 10_000), 10 if quick else options.flood_seconds
        ),
    }
    for name in options.only:
        found = parts[name]()
        for row in found:
            met = {True: "yes", False: "NO", None: ""}[row.met]
            bar = "" if row.bar is None else f"{'<=' if row.less else '>='} {row.bar:g}"
            print(f"{row.part:<12}{row.what:<75}{row.value:>12.4g}  {bar:<10}{met}", flush=True)
        if not quick:
            write("reports", [*_others(name), *found], notes=["2 shared cores, no GPU"])


@dataclass(frozen=True)
class Before:
    """A row that was written before."""

    told: dict[str, Any]

    def record(self) -> dict[str, Any]:
        """Return it as it was."""
        return self.told


def _others(part: str) -> list[Any]:
    """Return the rows of the other parts as they were written last."""
    path = RESULTS / "reports.json"
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.exists() else []
    return [Before(row) for row in rows if row["part"] != part]


def proofs(*, runs: int) -> list[Told]:
    """How often fixes pass by people who err on one answer in twenty."""
    import numpy as np

    from training.methods.mended import power

    rng = np.random.default_rng(7)
    kinds = (
        ("memorised one sentence, old right on .2", 0.2, 0.2, 0.05, True),
        ("memorised one sentence, old right on .5", 0.5, 0.5, 0.05, True),
        ("memorised one sentence, old right on .8", 0.8, 0.8, 0.05, True),
        ("truly better, .2 to .8", 0.2, 0.8, 0.9, False),
        ("truly better, .4 to .9", 0.4, 0.9, 0.9, False),
        ("a little better, .6 to .75", 0.6, 0.75, None, False),
    )
    return [
        Told(
            "proofs",
            f"passes: {name}, {probes} probes",
            power(probes=probes, old_right=old, new_right=new, mistakes=0.05, rng=rng, runs=runs),
            bar if probes == 20 else None,
            less,
        )
        for probes in (20, 40)
        for name, old, new, bar, less in kinds
    ]


def duplicates(data: Path, *, asked: int) -> list[Told]:
    """Recall of what was told again, per script, and what is wrongly said to be alike."""
    from benchmarks.reports_alike import duplicates as measured

    return [Told("duplicates", *one) for one in measured(data, asked=asked)]


def speed(data: Path, *, size: int) -> list[Told]:
    """What it costs to find what is alike among very many."""
    from benchmarks.reports_alike import speed as measured

    return [Told("speed", *one) for one in measured(data, size=size)]


def walks(number: int, kept: Path, *, seconds: float) -> list[Told]:
    """Walk and race in databases of their own; a broken invariant ends the run with its walk."""
    rows = []
    for name in ("sqlite", "postgres"):
        if seconds:
            words = (str(kept), "--database", name, "--walks", str(number))
            _apart("benchmarks.reports_walks", *words, "--seconds", str(seconds))
        path = kept / f"walks-{name}.json"
        if not path.exists():
            continue
        told = json.loads(path.read_text(encoding="utf-8"))
        done, raced = max(told["walks"], 1), told["races"]
        steps = f"{name}: steps of the table that were taken, of {told['rules']}"
        rows += [
            Told("walks", f"{name}: walks in which every invariant held", told["walks"], number),
            Told("walks", steps, len(told["steps"])),
            Told("walks", f"{name}: CPU milliseconds a walk", 1000 * told["seconds"] / done),
            Told("walks", f"{name}: races of two processes after which all held", raced),
            Told("walks", f"{name}: deeds of these", told["deeds"]),
            Told("walks", f"{name}: of these refused, as what came too late is", told["refused"]),
        ]
    return rows


def flood(number: int, seconds: float) -> list[Told]:
    """Very many by the API from fifty addresses at a real server; others come in meanwhile."""
    told = _apart("benchmarks.reports_flood", str(number), str(seconds))
    return [
        Told(
            "flood",
            f"seconds that {told['sent']:,} reports from 50 addresses took",
            told["seconds"],
            seconds + 1,
            True,
        ),
        Told("flood", "of these answered", told["answered"], told["sent"]),
        Told("flood", "taken in", told["taken"]),
        Told("flood", "refused, with the time to come again", told["refused"]),
        Told("flood", "refused as no report, the very same, or without the form", told["other"]),
        Told(
            "flood",
            f"of {told['visits']} visitors: form, report and secret page went through",
            told["through"],
            told["visits"],
        ),
        Told("flood", "share of their reports that are there afterwards", told["kept"], 1),
        Told("flood", "of these held back while the burst lasted", told["held"]),
        Told("flood", "share that waits for speakers after it, by itself", told["out"], 1),
        Told("flood", "ms of an answer to a visitor before the flood, median", told["quiet_ms"]),
        Told("flood", "ms of an answer to a visitor during it, median", told["median_ms"]),
        Told("flood", "ms of an answer to a visitor during it, 95 %", told["p95_ms"], 1000, True),
        Told(
            "flood",
            "CPU ms of the server for each report sent, visitors with it",
            1000 * told["server_cpu_seconds"] / told["sent"],
            2,
            True,
        ),
        Told(
            "flood",
            "CPU ms of the flood's own client for each",
            1000 * told["client_cpu_seconds"] / told["sent"],
        ),
        Told("flood", "reports whose priority numbers have raised", told["raised"], 0, True),
        Told(
            "flood",
            "priority of the flooded text over that of one honest report",
            told["priority"],
            1.01,
            True,
        ),
    ]


def _apart(module: str, *words: str) -> dict[str, Any]:
    """Run a part in a process with an installation of its own."""
    done = subprocess.run(
        [sys.executable, "-m", module, *words], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    return dict(json.loads(done.stdout.splitlines()[-1]))


if __name__ == "__main__":
    main()
