"""Phrases: sentences that are kept as they were first said, and said again in other words.

What a loop writes down beside its rows it says once, in English, from a pattern and values. Whoever
reads it later gets the values back by the same pattern, and says them in the reader's language.
"""

import re
from functools import lru_cache


def values_of(told: str, *, pattern: str) -> dict[str, str] | None:
    """Return the values that a pattern was filled with; None if the text is of another pattern.

    >>> values_of("torn between A and B", pattern="torn between %(best)s and %(second)s")
    {'best': 'A', 'second': 'B'}
    >>> values_of("sure of A", pattern="torn between %(best)s and %(second)s") is None
    True
    """
    found = _expression(pattern).fullmatch(told)
    return found.groupdict() if found else None


@lru_cache(maxsize=128)
def _expression(pattern: str) -> re.Pattern[str]:
    escaped = re.escape(pattern)
    return re.compile(re.sub(r"%\\\((\w+)\\\)s", r"(?P<\1>.+?)", escaped), re.DOTALL)
