"""Which report is looked at first: how bad, told by how many, in how neglected a language, how old."""

import math
from collections.abc import Collection

LOW, MEDIUM, HIGH, CRITICAL = 1, 2, 3, 4
WEIGHTS = {CRITICAL: 8.0, HIGH: 4.0, MEDIUM: 2.0, LOW: 1.0}
# How bad each reason is by itself.
REASONS = {
    "unsafe": CRITICAL,
    "private": CRITICAL,
    "insult": CRITICAL,
    "meaning": MEDIUM,
    "language": HIGH,
    "missing": MEDIUM,
    "refuses": MEDIUM,
    "script": MEDIUM,
    "idiom": LOW,
    "unnatural": LOW,
    "dialect": LOW,
    "layout": LOW,
    "other": LOW,
}
MANY_REPORTERS = 5
MOST_PARITY = 4.0


def severity_of(reasons: Collection[str], *, told: str, reporters: int) -> int:
    """Return the severity, the worst that any rule says.

    >>> severity_of(["unnatural"], told="annoying", reporters=1)
    1
    >>> severity_of(["unnatural"], told="wrong", reporters=5), severity_of(["insult"], told="wrong", reporters=1)
    (3, 4)
    """
    found = max((REASONS.get(reason, LOW) for reason in reasons), default=LOW)
    said = {"harmful": HIGH, "wrong": MEDIUM}.get(told, LOW)
    many = HIGH if reporters >= MANY_REPORTERS else LOW
    return max(found, said, many)


def parity_weight(*, share: float, fair: float) -> float:
    """Return how much a language's reports weigh more since it has less than its fair share.

    Never less than 1: no language's reports are put back for having been served well.

    >>> parity_weight(share=0.5, fair=0.25), parity_weight(share=0.05, fair=0.2)
    (1.0, 4.0)
    >>> parity_weight(share=0.0, fair=0.2)
    4.0
    """
    if share <= 0:
        return MOST_PARITY
    return min(MOST_PARITY, max(1.0, fair / share))


def priority(*, severity: int, reporters: int, parity: float, waited: float, span: float) -> float:
    """Return how urgent a report is; ``waited`` out of ``span`` seconds doubles it at most.

    >>> priority(severity=4, reporters=1, parity=1.0, waited=0, span=1)
    8.0
    >>> priority(severity=1, reporters=4, parity=2.0, waited=9, span=9)
    12.0
    """
    numbers = 1 + math.log2(max(1, reporters))
    age = 1 + min(1.0, max(0.0, waited / span)) if span > 0 else 1.0
    return WEIGHTS[severity] * numbers * parity * age
