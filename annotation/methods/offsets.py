"""Offsets: where something stands in a text, counted as browsers count and as Python does.

Here, in the database and in every file we write, an offset counts code points from 0 and an end is
not included, so that ``text[start:end]`` is what was meant. Scripts in a browser count UTF-16 code
units: a letter of Adlam or an emoji is two of them (``selection``, ``String.length``). What the
light page sends goes through :class:`Utf16`.

What Label Studio sends does not: ``start`` and ``end`` of ``<Labels>`` over ``<Text>`` are code
points of the text as we sent it. Measured with 1.23.2 in Chromium, each word marked and read back
by the API: Adlam, N'Ko, Ethiopic, Arabic with marks, emoji with joiners, both directions in one
text, combining marks, U+FEFF at the start, U+0085 and U+2028, tabs and runs of spaces, HTML and
entities. Line ends count as they are, a carriage return and a line feed as two: each is a ``<br>``
there, and a ``<br>`` counts one. Read in its code, not measured: by default no selection is mended,
so a span may begin or end with white space or cut a cluster; and in ``value.text`` a line end is a
backslash and an "n", so that it is never to be compared with the text.

People see neither: what they can tell apart is the grapheme cluster of UAX 29, a letter with its
marks, an emoji with its joiners. ``regex`` knows clusters (``\\X``) and words (``\\b``) by the newest
tables of Unicode and is here anyway, so that neither ``grapheme`` nor ``pyuegc`` is needed.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import regex

from annotation.methods.spans import SpanError, units
from annotation.methods.texts import unstorable

_BEYOND = regex.compile(r"[\U00010000-\U0010FFFF]")
_CLUSTER = regex.compile(r"\X")
_BOUNDARY = regex.compile(r"\b", regex.WORD)
_LETTER = regex.compile(r"[\p{L}\p{M}\p{N}]")
_COUNT = "Count from 0; the end is not included."


class Utf16:
    """A text whose places can be told in UTF-16 code units, and be told as code points again.

    >>> text = Utf16("𞤀𞤣𞤵, Dakar")
    >>> text.code_points(8, 13), text.code_units(5, 10)
    ((5, 10), (8, 13))
    """

    def __init__(self, text: str) -> None:
        if problem := unstorable(text):
            raise SpanError(
                f"The text {problem}.", code="text", field="text", remedy="Mend the text first."
            )
        self._length = len(text)
        pairs = () if text.isascii() else _BEYOND.finditer(text)
        self._beyond = [found.start() for found in pairs]
        self._pairs = [place + number for number, place in enumerate(self._beyond)]

    def code_points(self, start: int, end: int) -> tuple[int, int]:
        """Return the code points of a stretch that is told in code units.

        >>> Utf16("👩🏾‍🌾!").code_points(0, 3)
        Traceback (most recent call last):
        ...
        annotation.methods.spans.SpanError: end is 3, in the middle of a character that is two \
code units. Count from 0; the end is not included.
        """
        most = self._length + len(self._beyond)
        _check(start, end, most=most, counted="code units")
        for name, place in (("start", start), ("end", end)):
            found = bisect_left(self._pairs, place)
            if found and self._pairs[found - 1] + 1 == place:
                raise SpanError(
                    f"{name} is {place}, in the middle of a character that is two code units.",
                    code="half_a_character",
                    field=name,
                    remedy=_COUNT,
                )
        return start - bisect_left(self._pairs, start), end - bisect_left(self._pairs, end)

    def code_units(self, start: int, end: int) -> tuple[int, int]:
        """Return the code units of a stretch that is told in code points."""
        _check(start, end, most=self._length, counted="code points")
        return start + bisect_left(self._beyond, start), end + bisect_left(self._beyond, end)


def _check(start: object, end: object, *, most: int, counted: str) -> None:
    for name, place in (("start", start), ("end", end)):
        if isinstance(place, bool) or not isinstance(place, int):
            raise SpanError(
                f"{name} is no whole number.", code="no_number", field=name, remedy=_COUNT
            )
        if not 0 <= place <= most:
            raise SpanError(
                f"{name} is {place}, but the text has {most} {counted}.",
                code="past_the_end",
                field=name,
                remedy=_COUNT,
            )


def clusters(text: str) -> list[tuple[int, int]]:
    """Return where the grapheme clusters of a text begin and end: what people call its characters.

    >>> clusters("ọ̀👩🏾‍🌾")
    [(0, 2), (2, 6)]
    """
    return [found.span() for found in _CLUSTER.finditer(text)]


def snapped(start: int, end: int, *, clusters: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Return the stretch, made as much longer as it takes to cut no cluster of its text.

    >>> snapped(0, 1, clusters=clusters("ọ̀👩🏾‍🌾")), snapped(3, 5, clusters=clusters("ọ̀👩🏾‍🌾"))
    ((0, 2), (2, 6))
    """
    if not clusters or start >= end:
        return start, end
    first = bisect_right(clusters, start, key=lambda cluster: cluster[0]) - 1
    last = bisect_left(clusters, end, key=lambda cluster: cluster[1])
    return clusters[max(first, 0)][0], clusters[min(last, len(clusters) - 1)][1]


def words(text: str) -> list[tuple[int, int]]:
    """Return the stretches of a text that one tap marks, in order: words, signs, clusters.

    A word is that of UAX 29. Where a script writes no spaces between words it takes a dictionary
    to part them, which small languages have not: there each cluster can be tapped by itself. A
    word holds whole units (``spans.units``), so what is tapped can be tagged; no white space is
    tapped but what a mark hangs on.

    >>> text = "Ma'yin 3,5 kg @Awa!"
    >>> [text[start:end] for start, end in words(text)]
    ["Ma'yin", '3,5', 'kg', '@', 'Awa', '!']
    >>> text = "ไปกิน 𞤀𞤣𞤵"
    >>> [text[start:end] for start, end in words(text)]
    ['ไ', 'ป', 'กิ', 'น', '𞤀𞤣𞤵']
    """
    boundaries = {found.start() for found in _BOUNDARY.finditer(text)}
    found: list[tuple[int, int]] = []
    lettered = False
    for start, end in _whole_units(text):
        before, lettered = lettered, bool(_LETTER.search(text, start, end))
        touches = bool(found) and found[-1][1] == start and start not in boundaries
        if touches and not (before and lettered):
            found[-1] = found[-1][0], end
        else:
            found.append((start, end))
    return found


def _whole_units(text: str) -> list[tuple[int, int]]:
    """The units of a text, joined where they share a cluster."""
    found: list[tuple[int, int]] = []
    known = clusters(text)
    for unit in units(text).tolist():
        start, end = snapped(*unit, clusters=known)
        if found and start < found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found
