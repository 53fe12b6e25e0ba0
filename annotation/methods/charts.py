"""Geometry of small charts: numbers in, SVG coordinates out; templates draw them.

Coordinates are percentages of the drawing (0 to 100, y downwards), so that a chart may be
stretched to any width while its words stay ordinary text around it.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A number with its interval; all ``None`` when nothing is known."""

    value: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Axis:
    """A range of round numbers with the ticks to write beside it."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def share(self, value: float) -> float:
        """Where the value lies between low (0) and high (100), held inside.

        >>> Axis(0.0, 2.0, (0.0, 1.0, 2.0)).share(0.5)
        25.0
        """
        place = 100 * (value - self.low) / (self.high - self.low)
        return round(min(100.0, max(0.0, place)), 3)


def axis(values: Iterable[float | None], *, aim: int = 4) -> Axis:
    """An axis over all finite values, ending on round numbers.

    >>> axis([0.12, 0.57]).ticks
    (0.0, 0.2, 0.4, 0.6)
    >>> axis([]).ticks
    (0.0, 0.5, 1.0)
    """
    finite = [v for v in values if v is not None and math.isfinite(v)]
    if not finite:
        return Axis(0.0, 1.0, (0.0, 0.5, 1.0))
    low, high = min(finite), max(finite)
    if math.isclose(low, high, abs_tol=1e-9):
        low, high = low - max(abs(low) * 0.1, 0.05), high + max(abs(high) * 0.1, 0.05)
    step = _round_step((high - low) / max(aim - 1, 1))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = tuple(round(k * step, 10) for k in range(first, last + 1))
    return Axis(ticks[0], ticks[-1], ticks)


def trace(points: Sequence[tuple[float, float]], *, across: Axis, up: Axis) -> str:
    """The path of a line through points ``(x, y)``.

    >>> unit = Axis(0.0, 1.0, (0.0, 1.0))
    >>> trace([(0, 0), (1, 1)], across=unit, up=unit)
    'M0.0 100.0L100.0 0.0'
    """
    places = (f"{across.share(x)} {round(100 - up.share(y), 3)}" for x, y in points)
    return "M" + "L".join(places) if points else ""


def band(points: Sequence[tuple[float, float, float]], *, across: Axis, up: Axis) -> str:
    """The outline of an interval band through points ``(x, low, high)``.

    >>> unit = Axis(0.0, 1.0, (0.0, 1.0))
    >>> band([(0, 0.25, 0.75), (1, 0.5, 1)], across=unit, up=unit)
    'M0.0 25.0L100.0 0.0L100.0 50.0L0.0 75.0Z'
    """
    upper = [(x, high) for x, _, high in points]
    lower = [(x, low) for x, low, _ in reversed(points)]
    return trace([*upper, *lower], across=across, up=up) + "Z" if points else ""


def _round_step(rough: float) -> float:
    """The smallest of 1, 2, 2.5, 5 times a power of ten that is not below ``rough``."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(f * power for f in (1.0, 2.0, 2.5, 5.0, 10.0) if f * power >= rough * (1 - 1e-9))
