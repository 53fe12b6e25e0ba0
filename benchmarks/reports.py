"""Reports: random walks, duplicates, proofs of fixes, and a flood.

``python -m benchmarks.reports [--quick] [--walks N] [--data FOLDER]``: each part in an installation of its own,
which is thrown away. *Walks*: whoever may does whatever there is to do, in any order, and every invariant is
looked at after each walk; SQLite, and PostgreSQL where ``--database`` names one. *Duplicates*: real texts of ten
scripts, told again with some letters changed; is the first telling among the five likest, and how often is a text
that nobody told before said to be like another? *Proofs*: how often a model passes that has memorised one sentence,
and one that is truly better. *Flood*: ten thousand reports from fifty addresses, and a few others meanwhile.
``--quick`` does less of everything and writes nothing.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.report import write

CHANGED = (0.1, 0.2, 0.3)
SAME = 0.5


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
    parser.add_argument("--walks", type=int, default=0, help="random walks a database")
    parser.add_argument("--flood", type=int, default=0, help="reports of the flood")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--database", default="", help="a PostgreSQL to walk in, too")
    parser.add_argument("--only", nargs="*", default=["proofs", "duplicates", "walks", "flood"])
    options = parser.parse_args()
    rows: list[Told] = []
    parts = {
        "proofs": lambda: proofs(runs=200 if options.quick else 2_000),
        "duplicates": lambda: duplicates(options.data, quick=options.quick),
        "walks": lambda: walks(
            options.walks or (40 if options.quick else 20_000), options.database
        ),
        "flood": lambda: flood(options.flood or (1_000 if options.quick else 10_000)),
    }
    for name in options.only:
        found = parts[name]()
        for row in found:
            met = {True: "yes", False: "NO", None: ""}[row.met]
            bar = "" if row.bar is None else f"{'<=' if row.less else '>='} {row.bar:g}"
            print(f"{row.part:<12}{row.what:<70}{row.value:>12.4g}  {bar:<10}{met}", flush=True)
        rows += found
    if not options.quick:
        write("reports", rows, notes=[f"2 shared cores; parts: {', '.join(options.only)}"])


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


def duplicates(data: Path, *, quick: bool) -> list[Told]:
    """Recall at five of what was told again, per script, and what is wrongly said to be alike."""
    import numpy as np

    from annotation.methods.grams import Grams

    rng = random.Random(11)
    rows: list[Told] = []
    for script, texts in _by_script(data).items():
        rng.shuffle(texts)
        half = len(texts) // 2
        known, strange = texts[:half], texts[half:]
        if len(known) < 50:
            continue
        index = Grams(known, rare=True)
        signs = sorted({sign for text in known for sign in text if not sign.isspace()})
        asked = range(min(len(known), 100 if quick else 400))
        for share in CHANGED:
            hits = sum(
                at
                in [
                    found
                    for found, _ in index.nearest(_noisy(known[at], share, signs, rng), most=5)
                ]
                for at in asked
            )
            rows.append(
                Told(
                    "duplicates",
                    f"{script}: recall at 5, {share:.0%} of letters changed",
                    hits / len(asked),
                )
            )
        tops = [
            index.nearest(text, most=1)[0][1] for text in strange[: len(asked)] if text not in known
        ]
        wrong = float(np.mean([top >= SAME for top in tops]))
        rows.append(
            Told("duplicates", f"{script}: strange texts said to be alike (cosine {SAME})", wrong)
        )
    return rows + _query_time(data, size=10_000 if quick else 100_000)


def _query_time(data: Path, *, size: int) -> list[Told]:
    from annotation.methods.grams import Grams

    rng = random.Random(3)
    texts = [text for some in _by_script(data).values() for text in some]
    words = [text.split() or [text] for text in texts]
    made = [
        " ".join(rng.sample(one, len(one)) if len(one) > 2 else one) + f" {n}"
        for n, one in enumerate(rng.choices(words, k=size))
    ]
    began = time.process_time()
    index = Grams(made, rare=True)
    built = time.process_time() - began
    asked = rng.sample(made, 100)
    began = time.process_time()
    for text in asked:
        index.nearest(text, most=5)
    each = (time.process_time() - began) / len(asked)
    return [
        Told("duplicates", f"CPU seconds to index {size:,} real texts", built),
        Told("duplicates", f"CPU milliseconds a query among {size:,}", 1000 * each, 20.0, True),
    ]


def _by_script(data: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for file in sorted((data / "topic/sib200").glob("*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            found.setdefault(row["script"], []).append(row["text"])
    return {script: list(dict.fromkeys(texts)) for script, texts in found.items()}


def _noisy(text: str, share: float, signs: Sequence[str], rng: random.Random) -> str:
    """Change, drop or double a share of the letters, each by chance."""
    told = []
    for sign in text:
        if sign.isspace() or rng.random() >= share:
            told.append(sign)
        else:
            told.append(rng.choice(("", sign * 2, rng.choice(signs))))
    return "".join(told)


def walks(number: int, database: str) -> list[Told]:
    """Walk in a database of its own; a broken invariant ends the run with its walk."""
    rows = []
    for name, url in (("SQLite", ""), *((("PostgreSQL", database),) if database else ())):
        told = _apart("walk", str(number), database=url)
        rows += [
            Told("walks", f"{name}: walks in which every invariant held", told["walks"], number),
            Told(
                "walks",
                f"{name}: steps of the table that were taken, of {told['rules']}",
                told["seen"],
            ),
            Told(
                "walks", f"{name}: CPU milliseconds a walk", 1000 * told["seconds"] / told["walks"]
            ),
        ]
    return rows


def flood(number: int) -> list[Told]:
    """Ten thousand by the API from fifty addresses; others come in, and priority does not move."""
    told = _apart("flood", str(number))
    return [
        Told("flood", f"of {number:,} reports from 50 addresses taken in", told["taken"]),
        Told("flood", "refused with 429", told["refused"]),
        Told("flood", "of 20 honest reports from elsewhere taken in", told["honest"], 20),
        Told("flood", "pages that others asked for meanwhile and got", told["pages"], 1.0),
        Told("flood", "CPU milliseconds a report of the flood", told["each_ms"]),
        Told(
            "flood",
            "priority of the flooded text over that of one honest report",
            told["priority"],
            1.01,
            True,
        ),
    ]


def _apart(role: str, *words: str, database: str = "") -> dict[str, Any]:
    """Run a part in a process with an installation of its own."""
    import subprocess

    with tempfile.TemporaryDirectory() as place:
        own = {
            "VERNACULAR_VAR_DIR": place,
            "VERNACULAR_DATABASE_URL": database,
            "VERNACULAR_LOG_LEVEL": "CRITICAL",
        }
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.reports_apart", role, *words],
            env=os.environ | own,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    return dict(json.loads(done.stdout.splitlines()[-1]))


if __name__ == "__main__":
    main()
