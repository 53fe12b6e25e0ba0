"""Mended: does a new model truly get right what was reported, or only the sentence that was told?

Unseen texts like the reported one are put to the old and to the new model, and speakers, who do not
know which is which, say which answer is right. A model that has merely memorised one sentence says
of all others what it said before: it wins nothing, and nothing but wins is a proof here.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy  # its parts come when first asked for: the web process stays light

LEAST_PROBES = 20
JUDGES = 2
ALPHA = 0.05
# Speakers find the new answers right on so many of all such texts, with 97.5 % confidence.
RIGHT = 0.80
Z = 1.959964


@dataclass(frozen=True)
class Mended:
    """What the probes amount to."""

    passed: bool
    wins: int
    losses: int
    ties: int
    right: int
    p_value: float
    right_low: float
    reasons: tuple[str, ...]


def judged(
    choices: Sequence[Sequence[tuple[bool, bool]]],
    *,
    cases_hold: bool,
    others_hold: bool = True,
    least: int = LEAST_PROBES,
) -> Mended:
    """Return whether a report is mended, from what each speaker said of each probe.

    ``choices`` has for each probe what each judge said: (old is right, new is right). A probe is won
    where more judges find only the new one right than only the old one. Passes if all cases hold,
    nothing of the language turned red, and either wins outnumber losses by the one-sided sign
    test, or the new answers are right by Wilson's lower bound, something was won, and less was lost.

    >>> fixed = [[(False, True)] * 2] * 6 + [[(True, True)] * 2] * 14
    >>> judged(fixed, cases_hold=True).passed
    True
    >>> same = [[(False, False)] * 2] * 6 + [[(True, True)] * 2] * 14
    >>> judged(same, cases_hold=True).passed, judged(fixed, cases_hold=False).passed
    (False, False)
    """
    leans = [sum(new - old for old, new in said) for said in choices]
    wins, losses = sum(one > 0 for one in leans), sum(one < 0 for one in leans)
    right = sum(bool(said) and all(new for _, new in said) for said in choices)
    p_value = float(scipy.special.bdtrc(wins - 1, wins + losses, 0.5)) if wins else 1.0
    low = wilson_low(right, len(choices))
    reasons = []
    if len(choices) < least:
        reasons.append(f"{len(choices)} of {least} unseen texts were compared.")
    if not cases_hold:
        reasons.append("A regression case of the report is not right.")
    if not others_hold:
        reasons.append("Another case of the language has turned wrong.")
    if not (p_value <= ALPHA or (low >= RIGHT and wins > losses)):
        reasons.append(
            f"Speakers prefer the new answer {wins} times and the old one {losses} times, and find"
            f" the new one right on {right} of {len(choices)}: that shows nothing mended."
        )
    return Mended(
        not reasons,
        wins,
        losses,
        len(choices) - wins - losses,
        right,
        p_value,
        low,
        tuple(reasons),
    )


def wilson_low(right: int, items: int) -> float:
    """Return Wilson's lower 97.5 % bound of a share.

    >>> [round(wilson_low(*pair), 2) for pair in ((20, 20), (19, 20), (37, 40))]
    [0.84, 0.76, 0.8]
    """
    if not items:
        return 0.0
    share, z2 = right / items, Z**2
    middle = share + z2 / (2 * items)
    half = Z * math.sqrt(share * (1 - share) / items + z2 / (4 * items**2))
    return max(0.0, (middle - half) / (1 + z2 / items))


def power(
    *,
    probes: int,
    old_right: float,
    new_right: float,
    mistakes: float,
    rng: np.random.Generator,
    runs: int = 1000,
) -> float:
    """Return how often a new model passes that is right on a share of such texts, by simulation.

    Each judge errs by themselves with probability ``mistakes`` on each of the two answers.

    >>> generator = np.random.default_rng(0)
    >>> power(probes=20, old_right=0.3, new_right=0.3, mistakes=0.0, rng=generator, runs=50)
    0.0
    """
    passed = 0
    for _ in range(runs):
        draw = rng.random(probes)
        # The same texts are hard for both: what the old one gets right the better one does too.
        truth = np.stack([draw < old_right, draw < new_right], axis=1)
        said = truth[:, None, :] ^ (rng.random((probes, JUDGES, 2)) < mistakes)
        # Where both say the same word, a judge cannot find one right and the other wrong.
        same = truth[:, 0] == truth[:, 1]
        said[same, :, 1] = said[same, :, 0]
        rows = [[(bool(old), bool(new)) for old, new in one] for one in said]
        passed += judged(rows, cases_hold=True, least=probes).passed
    return passed / runs
