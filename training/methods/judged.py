"""The people's gate: is what a candidate writes preferred no less than what the champion writes?

Native speakers choose blindly between the two, side by side. Non-inferiority is Tango's (1998)
score test on wins and losses (:mod:`training.methods.paired`), on as many choices as those of
few raters on shared texts are worth (:mod:`annotation.methods.duels`), with Student's quantile
at their degrees of freedom. In simulations of 2 to 20 raters a candidate that is worse by
exactly the margin passes in at most 6.5 % of cases at a risk of 5 %, and intervals of 95 %
cover 93 to 98 %. Each language is judged by itself; harm is to be corrected over languages by
:func:`training.methods.paired.holm` before it counts.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr, chdtri, ndtr, ndtri, stdtr, stdtrit

from annotation.methods.duels import Duel, Worth, worth
from training.methods.findings import Decision, Finding
from training.methods.paired import ALPHA, POWER, tango_interval, tango_z

MARGIN = 0.05
LEVEL = 0.95
LEAST_RATERS = 2
# So lopsided are sides drawn by lot only once in a million.
LOPSIDED = 1e-6
MOST = 1 << 20


@dataclass(frozen=True)
class Share:
    """How often the candidate is preferred, ties half, with its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Judged:
    """The verdict in one language, its win share, the finding behind it, and what is missing.

    ``harm_p`` is the one-sided p of "preferred no less"; ``missing`` how many more choices by the
    same raters would let an equal candidate pass, 0 where there are enough, None where no number
    would do, or nothing is asked for.
    """

    verdict: Decision
    share: Share
    harm_p: float
    missing: int | None
    finding: Finding


def win_share(duel: Duel, *, level: float = LEVEL) -> Share:
    """Return how often the candidate is preferred, with an interval that honours clusters.

    >>> sides = [True, False] * 40
    >>> found = win_share(Duel.of([1, 1, 0, -1] * 20, rater=[0, 1, 2, 3, 4] * 16,
    ...                           item=range(80), first=sides))
    >>> round(found.value, 3), round(found.low, 2), round(found.high, 2)
    (0.625, 0.49, 0.74)
    """
    return _share(worth(duel), level=level)


def _share(told: Worth, *, level: float) -> Share:
    if not told.choices:
        return Share(0.5, 0.0, 1.0)
    # Tango's interval asks for a normal level: that whose quantile is Student's.
    student = float(stdtrit(told.freedom, 0.5 + level / 2))
    low, high = tango_interval(
        told.wins, broken=told.losses, items=told.size, level=2 * float(ndtr(student)) - 1
    )
    return Share((1 + told.difference) / 2, (1 + low) / 2, (1 + high) / 2)


def non_inferior(
    duel: Duel,
    *,
    margin: float = MARGIN,
    alpha: float = ALPHA,
    least_raters: int = LEAST_RATERS,
) -> Judged:
    """Judge one language: PASS, HOLD, BLOCK where harm is shown, VOID where nothing can be told.

    ``margin`` is how far the win share may lie below a half.

    >>> sides = [True, False] * 200
    >>> duel = Duel.of([1, -1, 0, 1, -1, 1, 0, 1] * 50, rater=[0, 1, 2, 3, 4] * 80,
    ...                item=range(400), first=sides)
    >>> judged = non_inferior(duel)
    >>> judged.verdict, round(judged.share.value, 3)
    ('PASS', 0.625)
    """
    told = worth(duel)
    share = _share(told, level=1 - 2 * alpha)
    lopsided = _lopsided(duel)
    if lopsided:
        numbers = {"margin": margin, "choices": float(told.choices)}
        return Judged("VOID", share, 1.0, None, Finding("people", False, lopsided, numbers))
    against = tango_z(told.wins, broken=told.losses, items=told.size, margin=2 * margin)
    worse = tango_z(told.wins, broken=told.losses, items=told.size, margin=0.0)
    harm_p = float(stdtr(told.freedom, worse))
    holds = told.raters >= least_raters and float(stdtr(told.freedom, -against)) < alpha
    missing = None if holds else _missing(told, margin=margin, alpha=alpha)
    numbers = _numbers(told, share, margin=margin, harm_p=harm_p)
    verdict: Decision = "PASS" if holds else "BLOCK" if harm_p < alpha else "HOLD"
    if told.raters < least_raters:
        verdict = "HOLD"
    sentence = _sentence(verdict, told, share, margin=margin, missing=missing, least=least_raters)
    return Judged(verdict, share, harm_p, missing, Finding("people", holds, sentence, numbers))


def _lopsided(duel: Duel) -> str:
    """Say why the comparison was no blind one, if it was not."""
    number, first = len(duel.first), int(duel.first.sum())
    if not number:
        return "Nobody has compared the candidate's texts with the champion's."
    fewer = min(first, number - first)
    if 2 * float(bdtr(fewer, number, 0.5)) < LOPSIDED:
        return (
            f"The candidate stood first in {first} of {number} choices: sides were not drawn by"
            " lot, so nothing can be told from them."
        )
    return ""


def _numbers(told: Worth, share: Share, *, margin: float, harm_p: float) -> dict[str, float]:
    return {
        "share": share.value,
        "low": share.low,
        "high": share.high,
        "margin": margin,
        "p": harm_p,
        "choices": float(told.choices),
        "worth": told.size,
        "raters": float(told.raters),
        "effect": told.effect,
    }


def _sentence(
    verdict: Decision, told: Worth, share: Share, *, margin: float, missing: int | None, least: int
) -> str:
    said = (
        f"{told.choices} choices by {told.raters} raters prefer the candidate in"
        f" {share.value:.0%} of cases, ties half (between {share.low:.0%} and {share.high:.0%})"
    )
    limit = f"{0.5 - margin:.0%}"
    if verdict == "PASS":
        return f"Not worse: {said}, all above {limit}."
    if verdict == "BLOCK":
        return f"Harm: {said}, fewer than half."
    if told.raters < least:
        return f"Not shown: {said}; it takes {least} raters or more to speak for others."
    if missing is None:
        return f"Not shown: {said}; raters differ too much, so more raters are needed."
    if not missing:
        return f"Not shown: {said}; choices are enough, it is the candidate that falls short."
    return f"Not shown: {said}, which reaches below {limit}; about {missing} more choices tell."


def _missing(told: Worth, *, margin: float, alpha: float) -> int | None:
    """How many more choices tell if the candidate is as good as the champion, by these raters."""
    needed = comparisons_needed(
        margin,
        raters=max(told.raters, 2),
        ties=min(told.ties / told.size, 0.95),
        between=told.between,
        alpha=alpha,
    )
    return None if needed is None else max(needed - told.choices, 0)


def comparisons_needed(
    margin: float = MARGIN,
    *,
    raters: int,
    ties: float = 0.3,
    between: float = 0.0,
    alpha: float = ALPHA,
    power: float = POWER,
) -> int | None:
    """Return how many choices show that an equal candidate is not worse, with that power.

    ``ties`` is their share, ``between`` the share of a choice's variance that lies between
    raters. None where no number does: then only more raters help.

    >>> comparisons_needed(0.05, raters=5), comparisons_needed(0.05, raters=5, ties=0.6)
    (680, 389)
    >>> comparisons_needed(0.05, raters=5, between=0.02)
    >>> comparisons_needed(0.05, raters=20, between=0.02)
    857
    """
    if not (0 < margin < 0.5 and 0 <= ties < 1 and 0 <= between <= 1 and raters > 1):
        raise ValueError(
            "margin must lie between 0 and 0.5, ties and between between 0 and 1, and two raters"
            " or more must choose"
        )

    def enough(number: int) -> bool:
        alone = (1 - ties) / number
        between_too = 1 - between + number * between / raters
        chance = _chance(
            alone, between_too, number=number, raters=raters, margin=margin, alpha=alpha
        )
        return chance >= power

    # Fewer would not do even if every choice were a tie.
    low = math.floor(float(ndtri(1 - alpha)) ** 2 * (1 - 2 * margin) / (2 * margin))
    high = low + 1
    while not enough(high):
        low, high = high, 2 * high
        if high > MOST:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _chance(
    alone: float, effect: float, *, number: int, raters: int, margin: float, alpha: float
) -> float:
    """How likely an equal candidate passes, given the variance of choices and its true effect.

    The gate must estimate how far raters differ: over all that it may come to find.
    """
    places = (np.arange(40) + 0.5) / 40
    seen = alone * effect * chdtri(raters - 1, places) / (raters - 1)
    both = np.maximum(seen, alone)
    freedom = both**2 / (seen**2 / (raters - 1) + (both - seen) ** 2 / number)
    reach = stdtrit(freedom, 1 - alpha) * np.sqrt(both)
    return float(ndtr((2 * margin - reach) / math.sqrt(alone * effect)).mean())
