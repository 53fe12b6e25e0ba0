"""What every benchmark writes: a table for people, a JSON file for the record."""

import json
import math
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

RESULTS = Path(__file__).parent / "results"
SAID = {True: "yes", False: "NO", None: ""}


@dataclass(frozen=True)
class Row:
    """One comparison: ours against a peer's number, and the ratio that was wanted, if any was.

    ``spread`` is the largest distance of one seed's ratio from the mean ratio. Where ``less`` is
    better the ratio is turned round, so that more of it is always better.
    """

    row: str
    ours: float
    peer: float
    bar: float | None
    spread: float = 0.0
    less: bool = False

    @property
    def ratio(self) -> float:
        """How ours stands to the peer."""
        good, bad = (self.peer, self.ours) if self.less else (self.ours, self.peer)
        return good / bad if bad else float("inf")

    @property
    def met(self) -> bool | None:
        """Whether the bar is reached; nothing where there is no bar."""
        return None if self.bar is None else self.ratio >= self.bar

    def record(self) -> dict[str, Any]:
        """Return the row as it is written down."""
        rounded = {
            name: round(value, 4) if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }
        ratio = round(self.ratio, 4) if math.isfinite(self.ratio) else None
        return {**rounded, "ratio": ratio, "met": self.met}


def table(rows: Sequence[Row]) -> str:
    """Lay rows out for a terminal."""
    width = max((len(row.row) for row in rows), default=3)
    lines = [f"{'row':<{width}}    ours    peer   ratio     bar  spread  met"]
    lines += [
        f"{row.row:<{width}}  {row.ours:6.3f}  {row.peer:6.3f}  {row.ratio:6.3f}"
        f"  {'' if row.bar is None else format(row.bar, '.3f'):>6}  {row.spread:6.3f}"
        f"  {SAID[row.met]}"
        for row in rows
    ]
    return "\n".join(lines)


def commit() -> str:
    """Return the commit the numbers belong to, if there is one."""
    found = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent,
    )
    return found.stdout.strip()


class Recorded(Protocol):
    """Anything that can be written down as a row."""

    def record(self) -> dict[str, Any]:
        """Return plain names and numbers."""


def write(name: str, rows: Sequence[Recorded], *, notes: Sequence[str] = (), **more: Any) -> Path:
    """Write ``results/<name>.json`` and return its path."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    record = {
        "benchmark": name,
        "commit": commit(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "notes": list(notes),
        "rows": [row.record() for row in rows],
        **more,
    }
    path.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path
