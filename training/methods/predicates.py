"""Predicates: what must hold of an answer for a regression case to be green."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from annotation.methods.texts import normalise

# Of an answer that is made of labels: one of the right answers; none, or one, of some labels.
RIGHT, WITHOUT, SOME = "right", "without", "some"
# Of a text that a network wrote: holds none, or one, of some words; is in the language; refuses, or does not; as
# people rate it.
LACKS, HOLDS, LANGUAGE = "lacks", "holds", "language"
REFUSES, ANSWERS, PEOPLE = "refuses", "answers", "people"
LABELLED = (RIGHT, WITHOUT, SOME)
WRITTEN = (LACKS, HOLDS, LANGUAGE, REFUSES, ANSWERS, PEOPLE)
# These tell nothing without words, or labels, of their own.
WORDED = (WITHOUT, SOME, LACKS, HOLDS, REFUSES)
# A case that differs over seeds is asked so often, and has to be right so often.
TRIES, RIGHT_TRIES = 3, 2
# People find it good: the mean of so many at least, of five.
GOOD, RATERS = 4.0, 2


@dataclass(frozen=True)
class Seen:
    """A text that was written, which language it looks like (empty: nobody can tell), its grades."""

    text: str
    language: str = ""
    grades: tuple[int, ...] = ()


def labelled(predicate: str, *, said: str, parts: Collection[str], told: Collection[str]) -> bool:
    """Return whether an answer with the key ``said``, made of the labels ``parts``, is right.

    >>> labelled(RIGHT, said="a", parts={"a"}, told={"a", "b"})
    True
    >>> labelled(WITHOUT, said="a|b", parts={"a", "b"}, told={"b"})
    False
    >>> labelled(SOME, said="a|b", parts={"a", "b"}, told={"b", "c"})
    True
    """
    if predicate == RIGHT:
        return said in told
    common = set(parts) & set(told)
    return bool(common) if predicate == SOME else not common


def written(predicate: str, *, seen: Seen, told: Sequence[str], language: str) -> bool | None:
    """Return whether a text that was written is right; None while people have not said.

    Words are looked for as letters, without case and spacing, since many scripts put nothing between
    words. Where no machine can tell the language, people rate it. Nobody lists all ways of refusing in every language: nothing at all is one, ``told`` are others.

    >>> written(LACKS, seen=Seen("Naka nga def?"), told=["naka  NGA"], language="wo")
    False
    >>> written(ANSWERS, seen=Seen("Baal ma, mënuma"), told=["mënuma"], language="wo")
    False
    >>> written(LANGUAGE, seen=Seen("Good day", "en"), told=[], language="wo")
    False
    >>> [written(PEOPLE, seen=Seen("x", "", g), told=[], language="wo") for g in ((4,), (4, 4), (5, 2))]
    [None, True, False]
    """
    text = normalise(seen.text)
    found = any(normalise(one) in text for one in told if one.strip())
    if predicate in (LACKS, HOLDS):
        return found == (predicate == HOLDS)
    if predicate in (REFUSES, ANSWERS):
        return (found or not text) == (predicate == REFUSES)
    if predicate == LANGUAGE and seen.language and text:
        return seen.language == language
    if not text or any(normalise(one) == text for one in told):
        return False  # nothing, or the very words that were found wrong
    if len(seen.grades) < RATERS:
        return None
    return sum(seen.grades) / len(seen.grades) >= GOOD


def over_tries(found: Sequence[bool | None], *, of_three: bool) -> bool | None:
    """Return whether a case is right that was asked several times; the first time as visitors are answered.

    >>> over_tries([True, False, True], of_three=True), over_tries([True, False, True], of_three=False)
    (True, True)
    >>> over_tries([False, None, None], of_three=True) is None
    True
    """
    if not of_three:
        return found[0]
    right, open_ = sum(one is True for one in found), sum(one is None for one in found)
    if right >= RIGHT_TRIES or right + open_ < RIGHT_TRIES:
        return right >= RIGHT_TRIES
    return None
