"""Guidelines: their paragraphs, what a new version changes, and which paragraph speaks of what.

A paragraph is what blank lines set apart. It is addressed by its number within a version, which
is part of every address, since numbers move when a paragraph is put in between.
"""

import re
import unicodedata
from collections.abc import Sequence


def paragraphs(guideline: str) -> list[str]:
    """Return a guideline's paragraphs: what blank lines set apart.

    >>> paragraphs("One.\\nStill one.\\n\\n\\nTwo.\\n")
    ['One.\\nStill one.', 'Two.']
    """
    return [part.strip() for part in re.split(r"\n\s*\n", guideline) if part.strip()]


def changed(before: str, after: str) -> list[int]:
    """Return the numbers of the later text's paragraphs that the earlier one does not have.

    Spaces, line breaks and how accents are written change nothing; a paragraph that was only
    moved has not changed.

    >>> changed("One word.\\n\\nTwo.", "Two.\\n\\nOne  word.\\n\\nThree.")
    [2]
    """
    known = {_plain(part) for part in paragraphs(before)}
    return [n for n, part in enumerate(paragraphs(after)) if _plain(part) not in known]


def speaks_of(paragraph: str, name: str) -> bool:
    """Tell whether a paragraph names a label, as a word of its own where words have borders.

    >>> speaks_of("Joy is said lightly.", "joy"), speaks_of("Sharks know nothing", "ha")
    (True, False)
    """
    # Where words have no spaces between them a border of words would never be found.
    word = re.escape(_plain(name))
    bordered = rf"(?<!\w){word}(?!\w)" if name.isascii() else word
    return bool(word) and re.search(bordered, _plain(paragraph)) is not None


def paragraph_on(places: Sequence[str], *, true: str, said: str) -> int | None:
    """Return the first paragraph that tells two labels apart, or else that names the true one.

    >>> paragraph_on(["All.", "Joy is warm.", "Joy is not anger."], true="joy", said="anger")
    2
    """
    named = [(speaks_of(place, true), speaks_of(place, said)) for place in places]
    both = next((number for number, both in enumerate(named) if all(both)), None)
    if both is not None:
        return both
    return next((number for number, (of_true, _) in enumerate(named) if of_true), None)


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())
