"""Tests on paired answers: the same gold items under two models.

With ``b`` items that the old model missed and the new one solves ("fixed"), ``c`` items the
other way round ("broken") and ``n`` items in all, the difference is ``(b - c) / n``. Harm is
the exact one-sided test of McNemar (1947), corrected over languages by Holm (1979).
Non-inferiority is the score test of Tango (1998, Statistics in Medicine 17), whose inversion
is also the interval of the difference.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import scipy  # its parts come when first asked for: the web process stays light

BoolArray = npt.NDArray[np.bool_]

ALPHA = 0.05
POWER = 0.8


def discordance(old: BoolArray, new: BoolArray) -> tuple[int, int]:
    """Count what was fixed and what was broken on the same items.

    >>> discordance(np.array([1, 1, 0, 0], bool), np.array([1, 0, 1, 1], bool))
    (2, 1)
    """
    if old.shape != new.shape:
        raise ValueError("both versions must have answered the same items")
    return int((~old & new).sum()), int((old & ~new).sum())


def harm_p(fixed: int, *, broken: int) -> float:
    """Exact one-sided McNemar: how likely so much more broken than fixed is, if nothing changed.

    >>> round(harm_p(2, broken=8), 7)  # (45 + 10 + 1) / 1024
    0.0546875
    """
    return float(scipy.special.bdtrc(broken - 1, fixed + broken, 0.5))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for several looks at once; below alpha after this counts.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def tango_z(fixed: float, *, broken: float, items: float, margin: float) -> float:
    """Score statistic against "the new model is worse by ``margin`` or more"; high is good.

    >>> round(tango_z(10, broken=10, items=100, margin=0.0), 6)
    0.0
    >>> round(tango_z(12, broken=5, items=100, margin=0.0), 4) == round(7 / 17**0.5, 4)
    True
    """
    if items == 0:
        return 0.0
    shift = -margin
    linear = fixed * (1 - shift) + broken * (1 - 3 * shift) - 2 * (items - fixed - broken) * shift
    root = math.sqrt(max(linear**2 + 8 * items * broken * shift * (1 - shift), 0.0))
    # The restricted maximum-likelihood share of broken items, from the quadratic it solves.
    share = max((linear + root) / (4 * items), 0.0, -shift)
    spread = items * (2 * share + shift - shift**2)
    return (fixed - broken - items * shift) / math.sqrt(max(spread, 1e-12))


def tango_interval(
    fixed: float, *, broken: float, items: float, level: float = 0.90
) -> tuple[float, float]:
    """Return the interval of the difference: every value that the score test would not reject.

    >>> low, high = tango_interval(0, broken=0, items=100)
    >>> round(low, 4), round(high, 4)  # -z² / (n + z²) and its mirror
    (-0.0263, 0.0263)
    """
    if items == 0:
        return -1.0, 1.0
    from scipy.optimize import brentq  # heavy, and the web wants it only here

    bound = float(scipy.special.ndtri(0.5 + level / 2))

    def distance(shift: float, sign: int) -> float:
        return tango_z(fixed, broken=broken, items=items, margin=-shift) - sign * bound

    def solve(sign: int) -> float:
        left, right = -1 + 1e-9, 1 - 1e-9
        if distance(left, sign) <= 0:
            return -1.0
        if distance(right, sign) >= 0:
            return 1.0
        return float(brentq(distance, left, right, args=(sign,), xtol=1e-10))

    return solve(1), solve(-1)


def items_needed(churn: float, *, margin: float, alpha: float = ALPHA) -> int:
    """Return how many gold items show non-inferiority of an equal model four times in five.

    Never fewer than what it takes when not a single answer changed.

    >>> [items_needed(d, margin=0.03) for d in (0.05, 0.10, 0.15)]
    [344, 687, 1031]
    """
    z_alpha, z_power = scipy.special.ndtri(1 - alpha), scipy.special.ndtri(POWER)
    wished = math.ceil(float(churn * (z_alpha + z_power) ** 2 / margin**2))
    return max(wished, unchanged_items(margin, alpha=alpha))


def unchanged_items(margin: float, *, alpha: float = ALPHA) -> int:
    """Return how many gold items it takes to show non-inferiority when no answer changed.

    >>> unchanged_items(0.03), unchanged_items(0.03, alpha=0.05 / 3)
    (88, 147)
    """
    return math.floor(float(scipy.special.ndtri(1 - alpha) ** 2 * (1 - margin) / margin)) + 1


def shared_risk(decision: int, *, decisions: int) -> float:
    """Return the part of the whole risk that one of several decisions on the same items may run.

    The parts fall like 1, 1/2, 1/3 … and add up to the whole (Bonferroni; alpha spending, Lan and
    DeMets 1983): early decisions keep most of their power, and a long row of them proves no more
    than one would.

    >>> [round(shared_risk(k, decisions=20), 4) for k in (1, 2, 20)]
    [0.0139, 0.0069, 0.0007]
    >>> round(sum(shared_risk(k, decisions=20) for k in range(1, 21)), 6)
    0.05
    """
    return ALPHA / decision / sum(1 / k for k in range(1, decisions + 1))


def sign_flip_p(steps: Sequence[int]) -> float:
    """Exact one-sided p of a sum of steps, if each were as likely up as down.

    The distribution of every possible sum comes from convolution; with steps of one it is
    the exact test of McNemar.

    >>> sign_flip_p([1, 1, 1, 1, -1])  # 6 of the 32 signs reach a sum of 3
    0.1875
    """
    sizes = sorted(abs(step) for step in steps)
    chances = np.ones(1)
    for size in sizes:
        wider = np.zeros(len(chances) + size)
        wider[: len(chances)] += chances / 2
        wider[size:] += chances / 2
        chances = wider
    up = sum(step for step in steps if step > 0)
    return float(min(1.0, chances[up:].sum()))
