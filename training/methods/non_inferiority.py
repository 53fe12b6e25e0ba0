"""Non-inferiority as the gate says it: a margin, a rival, and whether a candidate is shown to come near."""

import numpy as np
import scipy  # its parts come when first asked for: the web process stays light

from training.methods.findings import Finding, points
from training.methods.paired import (
    ALPHA,
    items_needed,
    tango_interval,
    tango_z,
    unchanged_items,
)
from training.methods.resampling import Resampled

# Assumed share of changed answers where no gold says how many there are.
USUAL_CHURN = 0.10


def non_inferior(
    fixed: int, *, broken: int, items: int, margin: float, alpha: float = ALPHA, rival: str
) -> Finding:
    """Is the candidate shown not to be worse than its rival by the margin (Tango)?"""
    z = tango_z(fixed, broken=broken, items=items, margin=margin)
    low, high = tango_interval(fixed, broken=broken, items=items, level=1 - 2 * alpha)
    churn = (fixed + broken) / items if items else USUAL_CHURN
    numbers = {
        "z": z,
        "p": float(scipy.special.ndtr(-z)),
        "low": low,
        "high": high,
        "margin": margin,
    }
    numbers["needed"] = items_needed(churn, margin=margin, alpha=alpha)
    return _shown(rival, bool(items and z > scipy.special.ndtri(1 - alpha)), numbers, items=items)


def resampled_non_inferior(
    found: Resampled, *, items: int, margin: float, alpha: float = ALPHA, rival: str
) -> Finding:
    """The same for a metric that was resampled; where nothing changed, items must still suffice."""
    p = found.p_not_above(-margin)
    low, high = found.bound(alpha), found.bound(1 - alpha)
    least = unchanged_items(margin, alpha=alpha)
    reach = float(scipy.special.ndtri(1 - alpha) + scipy.special.ndtri(0.8))
    needed = max(int(np.ceil(items * (found.spread * reach / margin) ** 2)), least)
    numbers = {
        "z": -float(scipy.special.ndtri(p)),
        "p": p,
        "low": low,
        "high": high,
        "margin": margin,
    }
    numbers |= {"needed": needed, "delta": found.value}
    return _shown(rival, p < alpha and items >= least, numbers, items=items)


def _shown(rival: str, holds: bool, numbers: dict[str, float], *, items: int) -> Finding:
    said = f"between {points(numbers['low'])} and {points(numbers['high'])} against {rival}"
    limit = points(-numbers["margin"])
    if not items:
        sentence = f"There is no gold to compare with {rival}."
    elif holds:
        sentence = f"Not worse: {said}, all above the margin of {limit}."
    elif numbers["low"] > -numbers["margin"]:
        sentence = f"Not shown: {said}, on too few items to tell."
    else:
        sentence = f"Not shown: {said}, which reaches below the margin of {limit}."
    return Finding(rival, holds, sentence, numbers)
