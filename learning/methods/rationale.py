"""Rationale: why a sample is asked, in one sentence that the people of a campaign can read."""

from collections.abc import Sequence
from dataclasses import dataclass

MOST = 300
NAME = 60


@dataclass(frozen=True)
class Reasons:
    """What is known of a pick: everything that its sentence is put together from.

    ``doubt`` are the names of the two likeliest labels (the second is empty where there is only
    one), ``apart`` the gap between them; ``distance`` is 1 minus the cosine to the nearest known
    sample and ``usual`` what that distance is among the known ones themselves.
    """

    language: str
    rank: int
    got: int
    slot: str
    doubt: Sequence[str] = ("", "")
    apart: float | None = None
    texts: int = 0
    equal: int = 1
    distance: float | None = None
    usual: float | None = None
    dialect: str = ""


def sentence(reasons: Reasons) -> str:
    """Say in one sentence why the sample is asked; at most 300 characters.

    >>> sentence(Reasons("Buginese", 12, 40, "weight", doubt=("Sports", "Politics"), apart=0.031,
    ...                  distance=0.4, usual=0.2))
    'Buginese quota 12 of 40; torn between Sports and Politics, 3.1 points apart; far from what was asked so far.'
    >>> sentence(Reasons("Wolof", 1, 9, "audit", texts=300))
    'Wolof quota 1 of 9; drawn at random from 300 texts, so that quality can be measured.'
    """
    where = f"{reasons.language} ({reasons.dialect})" if reasons.dialect else reasons.language
    parts = [f"{where[:NAME]} quota {reasons.rank} of {reasons.got}", _why(reasons)]
    if reasons.slot != "audit" and reasons.distance is not None and reasons.usual is not None:
        parts.append(_how_far(reasons.distance, usual=reasons.usual))
    if reasons.slot == "debt":
        parts.append("makes up for earlier rounds")
    if reasons.equal > 1:
        parts.append(f"stands for {reasons.equal} equal texts")
    return f"{'; '.join(part for part in parts if part)[: MOST - 1]}."


def with_distance(told: str, *, distance: float, usual: float | None) -> str:
    """Add to a sentence how far its sample is from what was asked, where that is remarkable.

    >>> with_distance("Wolof quota 1 of 9; sure of dates.", distance=0.5, usual=0.1)
    'Wolof quota 1 of 9; sure of dates; far from what was asked so far.'
    """
    far = _how_far(distance, usual=usual) if usual is not None else ""
    return f"{told.removesuffix('.')}; {far}."[:MOST] if far else told


def _why(reasons: Reasons) -> str:
    best, second = (name[:NAME] for name in reasons.doubt)
    if reasons.slot == "audit":
        return f"drawn at random from {reasons.texts} texts, so that quality can be measured"
    if reasons.slot == "relabel":
        between = f" between {best} and {second}" if second else ""
        return f"asked once more, since its answers leave doubt{between}"
    if second and reasons.apart is not None:
        return f"torn between {best} and {second}, {100 * reasons.apart:.1f} points apart"
    return f"sure of {best}, the only label"


def _how_far(distance: float, *, usual: float) -> str:
    """Compare with how far known samples are from one another: cosines have no scale of their own."""
    if distance > 1.25 * usual:
        return "far from what was asked so far"
    return "close to what was asked so far" if distance < 0.75 * usual else ""
