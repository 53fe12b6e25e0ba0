"""Slices: how far accuracy on some texts is from accuracy on others, or on the same ones changed.

Shapes: N texts, a boolean each.
"""

import math
from collections.abc import Iterable, Mapping

import numpy as np

from annotation.methods.charts import Estimate
from learning.methods.metrics import wilson
from training.methods.findings import BoolArray
from training.methods.paired import discordance, tango_interval

LEVEL = 0.95
SEVERAL = "mul"


def is_switched(meta: Mapping[str, object]) -> bool:
    """Return whether a text is noted to be in several languages: of its words, or as a whole.

    >>> is_switched({"languages": ["wo", "fr", "", "wo"]}), is_switched({"languages": ["wo", "und"]})
    (True, False)
    >>> is_switched({"language": "mul"}), is_switched({"languages": "wo fr"}), is_switched({})
    (True, True, False)
    """
    told = meta.get("languages")
    words: Iterable[object] = told.split() if isinstance(told, str) else told or ()  # type: ignore[assignment]
    named = {str(one).casefold() for one in words if one}
    return (
        SEVERAL in named
        or str(meta.get("language", "")).casefold() == SEVERAL
        or len(named - {"und", "zxx"}) > 1
    )


def changed_by(right: BoolArray, *, before: BoolArray) -> Estimate:
    """Return the difference on the same texts, after and before they were changed.

    >>> before = np.array([True] * 80 + [False] * 20)
    >>> after = np.array([True] * 60 + [False] * 40)
    >>> found = changed_by(after, before=before)
    >>> round(found.value, 2), round(found.low, 2), round(found.high, 2)
    (-0.2, -0.29, -0.13)
    """
    fixed, broken = discordance(before, right)
    low, high = tango_interval(fixed, broken=broken, items=len(right), level=LEVEL)
    return Estimate(float(right.mean() - before.mean()), low, high)


def apart(some: BoolArray, *, others: BoolArray) -> Estimate:
    """Return the difference between two groups of texts (Newcombe 1998, Statistics in Medicine 17).

    >>> found = apart(np.array([True] * 56 + [False] * 14), others=np.array([True] * 48 + [False] * 32))
    >>> round(found.value, 2), round(found.low, 4), round(found.high, 4)  # his example (a)
    (0.2, 0.0524, 0.3339)
    """
    one, other = float(some.mean()), float(others.mean())
    low, high = wilson(one, items=len(some))
    under, over = wilson(other, items=len(others))
    gap = one - other
    down = math.hypot(one - low, over - other)
    up = math.hypot(high - one, other - under)
    return Estimate(gap, gap - down, gap + up)


def right_of(said: list[object], *, truth: list[object]) -> BoolArray:
    """Return which answers are the truth, whatever answers are made of."""
    return np.array([one == other for one, other in zip(said, truth, strict=True)], bool)
