"""Selection against other libraries: ``python -m benchmarks.selection [--quick]``.

Speed and memory of what picks samples, on synthetic embeddings (clusters of unit length) that all
libraries get alike. Every measurement is a process of its own with one thread; seconds are CPU
seconds, user and system, medians of five runs; memory is the peak above the loaded data. ``floor``
is a plain way of computing the same exactly, written in :mod:`benchmarks.selection_work`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import report
from benchmarks.peers import ROOT, peer_python

WIDE = 384
LABELLED = 100
PICKS = 100
CAP_GB = 12
RUNS = 5
SLOW_RUNS = 3
STEP = 50_000
NOTES = (
    "CPU seconds of one thread (user and system), medians of 5 runs, ours and the peer in turn;"
    " scikit-activeml's TypiClust 3 runs, what runs out of memory once.",
    "Synthetic data: no claim about which strategy labels better.",
    "Where less is better the ratio is the peer's (or the limit) by ours; a bar of 0.5 against a"
    " floor reads: at most twice the floor.",
    f"BADGE's peers ran under a limit of {CAP_GB} GB of data.",
)


@dataclass(frozen=True)
class Size:
    """How large the cases are."""

    pool: int
    large: int
    stream: int
    runs: int
    slow_runs: int

    @property
    def short(self) -> str:
        """Name the pool."""
        return said(self.pool)

    def bar(self, wanted: float) -> float | None:
        """Return a bar that was set for 100k samples; a smaller pool has none."""
        return wanted if self.pool >= 100_000 else None


def said(count: int) -> str:
    """Write a count as people say it."""
    return f"{count // 10**6}M" if count >= 10**6 else f"{count // 1000}k"


@dataclass(frozen=True)
class Run:
    """What one process measured."""

    picks: tuple[int, ...]
    cpu: float
    extra_mb: float
    failed: str


def embed(folder: Path, count: int, *, classes: int) -> Path:
    """Write clusters of unit length, probabilities that a linear head gives, and who is labelled."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    middles = rng.standard_normal((5 * classes, WIDE), dtype=np.float32)
    head = 6 * rng.standard_normal((WIDE, classes), dtype=np.float32)
    kind: Any = np.lib.format.open_memmap
    rows = kind(folder / "embeddings.npy", mode="w+", dtype=np.float32, shape=(count, WIDE))
    chances = kind(
        folder / "probabilities.npy", mode="w+", dtype=np.float32, shape=(count, classes)
    )
    for start in range(0, count, STEP):
        part = slice(start, min(start + STEP, count))
        some = middles[rng.integers(len(middles), size=part.stop - start)]
        some += 1.2 * rng.standard_normal(some.shape, dtype=np.float32)
        some /= np.linalg.norm(some, axis=1, keepdims=True)
        rows[part], chances[part] = some, softly(some @ head)
    np.save(folder / "labelled.npy", np.sort(rng.choice(count, size=LABELLED, replace=False)))
    return folder


def softly(logits: Any) -> Any:
    """Turn logits into probabilities."""
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def doubts(folder: Path, count: int, *, classes: int = 3) -> Path:
    """Write probabilities alone, as an array and as a raw file."""
    folder.mkdir()
    rng = np.random.default_rng(1)
    rows = softly(2 * rng.standard_normal((count, classes), dtype=np.float32))
    np.save(folder / "probabilities.npy", rows)
    rows.tofile(folder / "probabilities.f32")
    return folder


def measure(
    library: str, strategy: str, folder: Path, *, count: int = PICKS, cap_gb: float | None = None
) -> Run:
    """Run one process and read what it measured."""
    inside = library in ("ours", "floor")
    python = Path(sys.executable) if inside else peer_python()
    asked = {
        "library": library,
        "strategy": strategy,
        "folder": str(folder),
        "count": count,
        "seed": 0,
        "cap_gb": cap_gb,
    }
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    done = subprocess.run(
        [str(python), str(ROOT / "benchmarks/selection_work.py"), json.dumps(asked)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | one | {"PYTHONPATH": str(ROOT) if inside else ""},
    )
    if done.returncode:
        sys.exit(f"{library} {strategy} failed:\n{done.stderr[-2000:]}")
    said_last = json.loads(done.stdout.splitlines()[-1])
    return Run(**said_last | {"picks": tuple(said_last["picks"])})


def in_turn(
    first: tuple[str, str], second: tuple[str, str], folder: Path, *, runs: int, count: int = PICKS
) -> tuple[list[Run], list[Run]]:
    """Measure two by turns, so that whatever else the machine does hits both."""
    found: tuple[list[Run], list[Run]] = ([], [])
    for _ in range(runs):
        for (library, strategy), into in zip((first, second), found, strict=True):
            into.append(measure(library, strategy, folder, count=count))
    return found


def cpu_row(
    name: str, ours: Sequence[Run], peer: Sequence[Run], *, bar: float | None
) -> report.Row:
    """Compare CPU seconds."""
    mine, theirs = ([run.cpu for run in side] for side in (ours, peer))
    ratios = [b / a for a, b in zip(mine, theirs, strict=True)]
    return report.Row(
        row=f"{name}: CPU s",
        ours=float(np.median(mine)),
        peer=float(np.median(theirs)),
        bar=bar,
        spread=float(max(abs(ratio - np.median(ratios)) for ratio in ratios)),
        less=True,
    )


def limit_row(name: str, ours: float, limit: float) -> report.Row:
    """Compare with a limit."""
    return report.Row(row=name, ours=ours, peer=limit, bar=1.0, less=True)


def extra(runs: Sequence[Run]) -> float:
    """Return the median of what was needed beside the data, in MB."""
    return float(np.median([run.extra_mb for run in runs]))


def agreement(name: str, ours: Run, peer: Run) -> report.Row:
    """Count places at which both have picked the same."""
    same = sum(a == b for a, b in zip(ours.picks, peer.picks, strict=True))
    return report.Row(row=f"{name}: same picks in order", ours=same, peer=len(peer.picks), bar=1.0)


def k_center(folder: Path, size: Size) -> list[report.Row]:
    """AL-1: against scikit-activeml's core-set."""
    name = f"k-center {size.short} x {WIDE}, {PICKS} picks"
    ours, peer = in_turn(
        ("ours", "k-center"), ("scikit-activeml", "k-center"), folder, runs=size.runs
    )
    return [
        cpu_row(f"{name}, by scikit-activeml", ours, peer, bar=size.bar(20.0)),
        agreement(name, ours[0], peer[0]),
        limit_row(f"{name}: extra MB, limit 25", extra(ours), 25.0),
        report.Row(
            row=f"{name}: extra MB, by scikit-activeml",
            ours=extra(ours),
            peer=extra(peer),
            bar=None,
            less=True,
        ),
    ]


def large_k_center(folder: Path, size: Size) -> list[report.Row]:
    """AL-2: in passes over the data, each the CPU seconds of one matrix-vector product."""
    name = f"k-center {said(size.large)} x {WIDE}, {PICKS} picks"
    ours, once = in_turn(("ours", "k-center"), ("floor", "one pass"), folder, runs=size.runs)
    passes = np.median([run.cpu for run in ours]) / np.median([run.cpu for run in once])
    data_mb = size.large * WIDE * 4 / 1e6
    return [
        limit_row(f"{name}: passes over the data, limit 30", float(passes), 30.0),
        limit_row(f"{name}: extra MB, limit a tenth of the data", extra(ours), data_mb / 10),
    ]


def badge(folder: Path, size: Size, *, quick: bool) -> tuple[list[report.Row], dict[str, str]]:
    """AL-3: against the floor, and how the peers end under a limit."""
    name = f"BADGE {size.short} x 20 classes, {PICKS} picks"
    ours, plain = in_turn(("ours", "BADGE"), ("floor", "BADGE"), folder, runs=size.runs)
    rows = [
        cpu_row(f"{name}, by the plain floor", ours, plain, bar=0.5),
        limit_row(f"{name}: extra MB, limit 64", extra(ours), 64.0),
        report.Row(
            row=f"{name}: distinct picks",
            ours=len(set(ours[0].picks)),
            peer=PICKS,
            bar=1.0,
        ),
    ]
    peers = () if quick else ("scikit-activeml", "small-text")
    runs = {library: measure(library, "BADGE", folder, cap_gb=CAP_GB) for library in peers}
    ends = {
        library: run.failed or f"{run.cpu:.1f} CPU s, {run.extra_mb:.0f} MB"
        for library, run in runs.items()
    }
    if runs:
        out = sum(bool(run.failed) for run in runs.values())
        rows.append(
            report.Row(
                row=f"{name}: peers that ran out under {CAP_GB} GB", ours=out, peer=2, bar=1.0
            )
        )
    return rows, ends


def typiclust(folder: Path, size: Size) -> list[report.Row]:
    """TypiClust against scikit-activeml's."""
    name = f"TypiClust {size.short} x {WIDE}, {PICKS} picks"
    ours, peer = in_turn(
        ("ours", "TypiClust"), ("scikit-activeml", "TypiClust"), folder, runs=size.slow_runs
    )
    return [
        cpu_row(f"{name}, by scikit-activeml", ours, peer, bar=size.bar(10.0)),
        report.Row(
            row=f"{name}: distinct picks", ours=len(set(ours[0].picks)), peer=PICKS, bar=1.0
        ),
        report.Row(
            row=f"{name}: extra MB, by scikit-activeml",
            ours=extra(ours),
            peer=extra(peer),
            bar=None,
            less=True,
        ),
    ]


def margin(folder: Path, size: Size) -> list[report.Row]:
    """AL-4: from disk against the floor, in memory against modAL."""
    stream = doubts(folder / "stream", size.stream)
    name = f"margin, top 1000 of {said(size.stream)} x 3 from disk"
    ours, plain = in_turn(
        ("ours", "margin from disk"),
        ("floor", "margin from disk"),
        stream,
        runs=size.runs,
        count=1000,
    )
    rows = [
        cpu_row(f"{name}, by the plain floor", ours, plain, bar=0.5),
        limit_row(f"{name}: extra MB, limit 64", extra(ours), 64.0),
    ]
    for count, classes in ((100_000, 3), (100_000, 20), (1_000_000, 3)):
        case = doubts(folder / f"doubts-{count}-{classes}", count, classes=classes)
        ours, peer = in_turn(("ours", "margin"), ("modAL", "margin"), case, runs=size.runs)
        where = f"margin, top {PICKS} of {said(count)} x {classes} in memory, by modAL"
        rows.append(cpu_row(where, ours, peer, bar=1.0))
    return rows


def main() -> None:
    """Measure every case, print the table and write it down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small, once, nothing written")
    quick = parser.parse_args().quick
    size = (
        Size(20_000, 100_000, 1_000_000, 1, 1)
        if quick
        else Size(100_000, 1_000_000, 10_000_000, RUNS, SLOW_RUNS)
    )
    rows: list[report.Row] = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        pool = embed(folder / "pool", size.pool, classes=20)
        rows += told(k_center(pool, size))
        found, ends = badge(pool, size, quick=quick)
        rows += told(found)
        rows += told(typiclust(pool, size))
        rows += told(large_k_center(embed(folder / "large", size.large, classes=3), size))
        rows += told(margin(folder, size))
    print(report.table(rows), *(f"{name}: {end}" for name, end in ends.items()), sep="\n")
    if not quick:
        print(report.write("selection", rows, notes=NOTES, badge_under_limit=ends))


def told(rows: list[report.Row]) -> list[report.Row]:
    """Print rows as soon as they are there."""
    print(*report.table(rows).splitlines()[1:], sep="\n", flush=True)
    return rows


if __name__ == "__main__":
    main()
