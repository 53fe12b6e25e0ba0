"""Plurals: how many forms a language has, and which of them stand for a number or two only."""

import gettext
import re
from collections import Counter
from functools import lru_cache
from typing import NamedTuple

_HEADER = re.compile(r"nplurals\s*=\s*(\d{1,2})\s*;\s*plural\s*=\s*([^;]+)")
# As in gettext's msgfmt: a form that five of so many numbers take, at most, may say them in words.
_NUMBERS, _FEW = 1_000, 5


class Plurals(NamedTuple):
    """How many forms there are, none if the file does not say, and those of few numbers."""

    forms: int = 0
    rare: frozenset[int] = frozenset()


@lru_cache(maxsize=256)
def plurals_of(expression: str) -> Plurals:
    """Return what the header's ``Plural-Forms`` says.

    >>> plurals_of("nplurals=3; plural=(n==1 ? 0 : n%10>=2 && n%10<=4 ? 1 : 2);")
    Plurals(forms=3, rare=frozenset({0}))
    >>> plurals_of("nplurals=2; plural=(n > 1);").rare  # French says none and one alike
    frozenset({0})
    >>> plurals_of("nplurals=INTEGER; plural=EXPRESSION;")
    Plurals(forms=0, rare=frozenset())
    """
    found = _HEADER.search(expression)
    if not found:
        return Plurals()
    count = int(found[1])
    try:
        rule = gettext.c2py(found[2].strip())
        used = Counter(rule(number) for number in range(_NUMBERS))
    except (ValueError, ArithmeticError):
        return Plurals(count)
    return Plurals(count, frozenset(form for form, times in used.items() if times <= _FEW))
