"""Sides: which of two outputs people see first is drawn, so that no system always stands there.

The lot is a function of the texts and the language alone: a file that comes in twice, or with its
columns the other way round, gives the same order, and nobody can guess it from the systems' names. The source is one of
the texts: of two systems that often write the same two things, none stands always first.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from annotation.methods.texts import normalise

FIRST, SECOND = "first", "second"
SYSTEM_A, SYSTEM_B = "system_a", "system_b"


def is_turned(one: str, other: str, *, language: str, source: str = "") -> bool:
    """Return whether the second of two texts is shown first, given what both were made from.

    >>> is_turned("Na nga def?", "Jamm nga am?", language="wo")
    False
    >>> is_turned("Jamm nga am?", "Na nga def?", language="wo")
    True
    >>> lots = [is_turned(f"text {n}", f"other {n}", language="wo") for n in range(1000)]
    >>> lots.count(True)
    471
    >>> lots = [is_turned("Yes", "No", language="en", source=f"{n} + 1 > 1?") for n in range(1000)]
    >>> lots.count(True)
    485
    """
    low, high = sorted((normalise(one), normalise(other)))
    told = f"side: {language}\0{low}\0{high}" + (f"\0{normalise(source)}" if source else "")
    drawn = hashlib.sha256(told.encode("utf-8", "surrogatepass"))
    turned = bool(drawn.digest()[0] & 1)
    return turned == (normalise(one) == low)


def sided(meta: Mapping[str, Any], *, turned: bool) -> dict[str, Any]:
    """Return what is noted of a comparison: which system wrote what is shown first and second.

    >>> sided({"system_a": "old", "system_b": "new", "topic": "rain"}, turned=True)
    {'topic': 'rain', 'first': 'new', 'second': 'old'}
    """
    rest = {name: value for name, value in meta.items() if name not in (SYSTEM_A, SYSTEM_B)}
    told = [str(meta.get(name) or "").strip() for name in (SYSTEM_A, SYSTEM_B)]
    first, second = reversed(told) if turned else told
    return rest | {name: system for name, system in ((FIRST, first), (SECOND, second)) if system}


def of_the_file(label: str, *, turned: bool) -> str:
    """Return a known answer as it is once the sides are drawn.

    >>> of_the_file("first", turned=True), of_the_file("tie", turned=True)
    ('second', 'tie')
    """
    return {FIRST: SECOND, SECOND: FIRST}.get(label, label) if turned else label
