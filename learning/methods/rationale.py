"""Rationale: why a sample is asked, in one sentence that the people of a campaign can read."""

from collections.abc import Sequence
from dataclasses import dataclass

MOST = 300
NAME = 60
# What a sentence is put together from, in English; pages say the same in their reader's language.
WHERE = "%(language)s quota %(rank)s of %(got)s"
AUDIT = "drawn at random from %(texts)s texts, so that quality can be measured"
AGAIN = "asked once more, since its answers leave doubt"
AGAIN_BETWEEN = "asked once more, since its answers leave doubt between %(best)s and %(second)s"
TORN = "torn between %(best)s and %(second)s, %(points)s points apart"
SURE = "sure of %(best)s, the only label"
FAR = "far from what was asked so far"
CLOSE = "close to what was asked so far"
DEBT = "makes up for earlier rounds"
EQUAL = "stands for %(number)s equal texts"
GOLD = "%(language)s: a known answer, to learn how far answers can be relied on"


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
    quota = {"language": where[:NAME], "rank": reasons.rank, "got": reasons.got}
    parts = [WHERE % quota, _why(reasons)]
    if reasons.slot != "audit" and reasons.distance is not None and reasons.usual is not None:
        parts.append(_how_far(reasons.distance, usual=reasons.usual))
    if reasons.slot == "debt":
        parts.append(DEBT)
    if reasons.equal > 1:
        parts.append(EQUAL % {"number": reasons.equal})
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
    named = {"best": best, "second": second}
    if reasons.slot == "audit":
        return AUDIT % {"texts": reasons.texts}
    if reasons.slot == "relabel":
        return AGAIN_BETWEEN % named if second else AGAIN
    if second and reasons.apart is not None:
        return TORN % (named | {"points": f"{100 * reasons.apart:.1f}"})
    return SURE % named


def _how_far(distance: float, *, usual: float) -> str:
    """Compare with how far known samples are from one another: cosines have no scale of their own."""
    if distance > 1.25 * usual:
        return FAR
    return CLOSE if distance < 0.75 * usual else ""
