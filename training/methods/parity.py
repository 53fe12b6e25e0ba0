"""Parity: does the worst language fall further behind the mean of all?"""

from collections.abc import Sequence

import numpy as np

from training.methods.findings import Comparison, Finding, points
from training.methods.paired import ALPHA

PARITY_MARGIN = 0.02


def parity(
    comparisons: Sequence[Comparison],
    *,
    rng: np.random.Generator,
    alpha: float = ALPHA,
    draws: int = 2000,
) -> Finding:
    """Does the worst language fall further behind the mean? Decisive if the campaign says so.

    Items are drawn with replacement, language by language; all that counts of an item is which of
    the two versions got it right, so a draw is one of how many items fall into each of four cells.
    """
    judged = [c for c in comparisons if c.groups]
    if len(judged) < 2:
        return Finding("parity", True, "Parity needs gold in two languages at least.")
    drawn = np.empty((draws + 1, 2, len(judged)))
    for column, comparison in enumerate(judged):
        items = len(comparison.groups)
        cell = 2 * comparison.old.right.astype(np.int64) + comparison.new.right
        seen = np.bincount(cell, minlength=4)
        cells = np.vstack([seen, rng.multinomial(items, seen / items, draws)])
        drawn[:, 0, column] = (cells[:, 2] + cells[:, 3]) / items
        drawn[:, 1, column] = (cells[:, 1] + cells[:, 3]) / items
    gap = drawn.mean(axis=2) - drawn.min(axis=2)
    change = gap[:, 1] - gap[:, 0]
    bound = float(np.quantile(change[1:], 1 - alpha))
    sentence = (
        f"The worst language is {points(float(gap[0, 1])).lstrip('+')} below the mean; "
        f"that gap changed by {points(float(change[0]))} (at most {points(bound)})."
    )
    numbers = {"gap": float(gap[0, 1]), "change": float(change[0]), "bound": bound}
    return Finding("parity", bound <= PARITY_MARGIN, sentence, numbers)
