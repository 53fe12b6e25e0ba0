"""All chunks of :mod:`benchmarks.chaos` as one result: by kind of fault, by part, by what went on."""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.chaos_faults import BAR_S, FATES, PHASES
from benchmarks.report import write

WANTED = 200


@dataclass(frozen=True)
class Group:
    """Faults of one kind: how many, how quickly all went on, whether health said so."""

    row: str
    faults: int
    median_s: float
    slowest_s: float
    said: int
    unsaid: int
    met: bool

    def record(self) -> dict[str, Any]:
        """Return the row as it is written down."""
        return asdict(self)


def group(row: str, faults: Sequence[dict[str, Any]]) -> Group:
    """One row of the table."""
    times = [one["recovered_s"] for one in faults]
    return Group(
        row=row,
        faults=len(faults),
        median_s=round(float(np.median(times)), 1),
        slowest_s=round(max(times), 1),
        said=sum(one["said"] is True for one in faults),
        unsaid=sum(one["said"] is False for one in faults),
        met=all(one["met"] for one in faults),
    )


def unseen(faults: Sequence[dict[str, Any]]) -> Iterator[str]:
    """What was never suffered: a kind at a part, or anything during a phase."""
    seen = {(one["part"], one["kind"]) for one in faults}
    yield from (f"{part} {kind}" for part, kind in sorted({*FATES} - seen))
    phases = {phase for one in faults for phase in one["during"]}
    yield from (f"during {phase}" for phase in sorted({*PHASES} - phases))


def gathered(folder: Path) -> int:
    """Write the result and say it; 0 if every bar is met."""
    chunks = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    faults = [one for chunk in chunks for one in chunk["faults"]]
    wrong = [line for chunk in chunks for line in chunk["wrong"]]
    totals: dict[str, int] = defaultdict(int)
    for chunk in chunks:
        for name, number in chunk["counts"].items():
            totals[name] += number
    by: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in faults:
        by[f"kind: {one['kind']}"].append(one)
        by[f"part: {one['part']}"].append(one)
        for phase in one["during"] or ["nothing else"]:
            by[f"during: {phase}"].append(one)
    if not faults:
        print(f"There is no chunk in {folder}.")
        return 1
    rows = [group("all", faults), *(group(name, by[name]) for name in sorted(by))]
    for row in rows:
        print(
            f"{row.row:<24} {row.faults:4}  median {row.median_s:5.1f} s  slowest {row.slowest_s:5.1f} s"
            f"  said {row.said:3}  not said {row.unsaid:3}  {'met' if row.met else 'NOT MET'}"
        )
    print(f"wrong: {len(wrong)}", *wrong, sep="\n  ")
    print(dict(totals))
    never = list(unseen(faults))
    print("never:", *(never or ["nothing"]), sep="\n  ")
    bars = {
        f"{WANTED} faults": len(faults) >= WANTED,
        f"every one back in {BAR_S:.0f} s, and said where it can be": rows[0].met,
        "nothing lost, double or mixed": not wrong,
        "every kind to every part, every phase": not never,
    }
    print(*(f"{'met' if so else 'NOT MET':<8} {bar}" for bar, so in bars.items()), sep="\n")
    met = all(bars.values())
    told: dict[str, Any] = {
        "wrong": wrong,
        "never": never,
        "counts": dict(totals),
        "chunks": len(chunks),
    }
    write("chaos", rows, **told, bars=bars, met=met)
    return 0 if met else 1
