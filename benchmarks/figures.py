"""Figures with an interval and a bar of their own, where a ratio to a peer would say little."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.stats import t as student

SAID = {True: "yes", False: "NO", None: ""}


@dataclass(frozen=True)
class Figure:
    """One number, its 95 % interval, what a peer or a plainer method gives, and what was wanted.

    ``bar`` is reached from above, or from below where ``less`` is better; ``low_bar`` is for the
    lower end of the interval.
    """

    row: str
    ours: float
    peer: float | None = None
    bar: float | None = None
    low: float | None = None
    high: float | None = None
    low_bar: float | None = None
    less: bool = False

    @property
    def met(self) -> bool | None:
        """Whether all bars are reached; nothing where there is none."""
        if self.bar is None:
            return None
        reached = self.ours <= self.bar if self.less else self.ours >= self.bar
        return reached and (self.low_bar is None or (self.low or 0.0) > self.low_bar)

    @property
    def ratio(self) -> float | None:
        """How ours stands to the peer, where there is one that is not nought."""
        return self.ours / self.peer if self.peer else None

    @property
    def spread(self) -> float | None:
        """Half the width of the interval."""
        ends = self.low, self.high
        return None if ends[0] is None or ends[1] is None else (ends[1] - ends[0]) / 2

    def record(self) -> dict[str, Any]:
        """Return the figure as it is written down."""
        rounded = {
            name: round(value, 4) if isinstance(value, float) else value
            for name, value in [
                *asdict(self).items(),
                ("ratio", self.ratio),
                ("spread", self.spread),
            ]
        }
        return {**rounded, "met": self.met}


def table(figures: Sequence[Figure]) -> str:
    """Lay figures out for a terminal."""
    width = max((len(figure.row) for figure in figures), default=3)
    lines = [f"{'row':<{width}}     ours     low    high    peer     bar  met"]
    for f in figures:
        shown = [
            format(x, "7.3f") if x is not None else " " * 7 for x in (f.low, f.high, f.peer, f.bar)
        ]
        lines.append(f"{f.row:<{width}}  {f.ours:7.3f} {' '.join(shown)}  {SAID[f.met]}")
    return "\n".join(lines)


def mean_of(values: Sequence[float]) -> dict[str, Any]:
    """Return the mean over seeds with Student's 95 % interval, as fields of a figure.

    >>> mean_of([1.0, 1.0])
    {'ours': 1.0, 'low': 1.0, 'high': 1.0}
    """
    numbers = np.asarray(values, dtype=np.float64)
    mean = float(numbers.mean())
    half = 0.0
    if len(numbers) > 1:
        spread = float(numbers.std(ddof=1)) / len(numbers) ** 0.5
        half = float(student.ppf(0.975, len(numbers) - 1)) * spread
    return {"ours": mean, "low": mean - half, "high": mean + half}
