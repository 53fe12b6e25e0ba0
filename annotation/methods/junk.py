"""Junk: how much a text looks like advertising or like a hand on the keyboard, from 0 to 1.

A coarse sum of signs that hold in any script. It never closes a report: what looks like junk is
looked at by a moderator first.
"""

from itertools import pairwise

import regex

JUNK = 0.9
_LINK = regex.compile(r"(?:https?://|www\.)\S+", regex.IGNORECASE)
_LETTERS = regex.compile(r"[\p{L}\p{M}]")
MOST_LINKS = 3
FEW_LETTERS = 0.3
LONG_RUN = 12


def junk(text: str) -> float:
    """Return how much a text looks like junk.

    >>> junk("Na nga def? Maa ngi fi rekk."), junk("")
    (0.0, 0.0)
    >>> junk("BUY http://a.example http://b.example http://c.example") >= JUNK
    True
    >>> junk("a" * 60) >= JUNK, junk("!?!?!?!?!?!?!?!?!?!?!?") >= JUNK
    (True, True)
    """
    if len(text) < LONG_RUN:
        return 0.0
    links = len(_LINK.findall(text))
    words = text.casefold().split()
    # A text of many words that are nearly all the same.
    repeats = 1 - len(set(words)) / len(words) if len(words) >= LONG_RUN else 0.0
    letters = len(_LETTERS.findall(text)) / len(text)
    signs = [
        min(1.0, links / MOST_LINKS),
        1.0 if letters < FEW_LETTERS else 0.0,
        1.0 if _longest_run(text) >= 2 * LONG_RUN else 0.0,
        1.0 if repeats > 0.8 else 0.0,
    ]
    return round(max(signs), 3)


def _longest_run(text: str) -> int:
    best = run = 1
    for one, other in pairwise(text):
        run = run + 1 if one == other and not one.isspace() else 1
        best = max(best, run)
    return best
