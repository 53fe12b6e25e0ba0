"""Spans: which stretch of a text is of which class, in code points, and as a tag a unit.

A span never overlaps another of the same answer. Units are what is tagged: the words of the text
and, where a script writes no spaces between words, its letters with their marks. They follow from
the text alone, so people, networks and what was learned speak of the same ones.

Shapes: U units, C classes, K = 2 C + 1 tags in the order O, B-first, I-first, B-second, ...
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import regex

Ints = npt.NDArray[np.int64]

OUTSIDE = 0
# What ICU, too, can only part with a dictionary: written without spaces between words.
_UNSPACED = (
    r"\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}"
    r"\p{Script=Khmer}\p{Script=Myanmar}\p{Script=Tai_Le}\p{Script=New_Tai_Lue}\p{Script=Tai_Tham}"
    r"\p{Script=Tibetan}\p{Script=Javanese}\p{Script=Balinese}"
)
_WORD = rf"[[\p{{L}}\p{{M}}\p{{N}}]--[{_UNSPACED}]]"
_JOINED = r"[\u200c\u200d]"  # between letters joiners belong to the word, at its edge they do not
_UNIT = regex.compile(
    rf"(?V1){_WORD}+(?:{_JOINED}+{_WORD}+)*|(?:(?!\s)\X)", regex.VERSION1 | regex.UNICODE
)


class SpanError(ValueError):
    """A span that cannot be used: ``code`` and ``field`` are for programs, ``remedy`` for people."""

    def __init__(self, message: str, *, code: str, field: str, remedy: str) -> None:
        super().__init__(f"{message} {remedy}")
        self.code = code
        self.field = field
        self.remedy = remedy


@dataclass(frozen=True, order=True)
class Span:
    """The code points of a text from ``start`` up to, not including, ``end``, and their class."""

    start: int
    end: int
    label: str


def checked(
    spans: Iterable[tuple[object, object, object]],
    *,
    text: str,
    labels: Sequence[str],
    where: str = "",
) -> tuple[Span, ...]:
    """Return the spans in their order in the text, or say which one cannot be used and why.

    ``where`` names the row, and stands before every message.

    >>> checked([(7, 12, "LOC"), (0, 3, "PER")], text="Awa si Dakar", labels=["PER", "LOC"])
    (Span(start=0, end=3, label='PER'), Span(start=7, end=12, label='LOC'))
    >>> checked([(7, 13, "LOC")], text="Awa si Dakar", labels=["LOC"], where="row 2")
    Traceback (most recent call last):
    ...
    annotation.methods.spans.SpanError: row 2: spans[0].end is 13, past the end of the text, \
which has 12 characters. Count characters (code points) from 0; the end is not included.
    """
    found = [
        _one(span, place=place, text=text, labels=labels, where=where)
        for place, span in enumerate(spans)
    ]
    order = sorted(range(len(found)), key=found.__getitem__)
    for first, second in pairwise(order):
        if found[second].start < found[first].end:
            raise _refused(
                f"spans[{second}] overlaps spans[{first}]: both hold character {found[second].start}.",
                code="overlap",
                field=f"spans[{second}]",
                remedy="Keep one of them, or let one end where the other begins.",
                where=where,
            )
    return tuple(found[place] for place in order)


def _one(
    span: tuple[object, object, object],
    *,
    place: int,
    text: str,
    labels: Sequence[str],
    where: str,
) -> Span:
    start, end, label = span
    for name, number in (("start", start), ("end", end)):
        if isinstance(number, bool) or not isinstance(number, int):
            raise _refused(
                f"spans[{place}].{name} is no whole number.",
                code="no_number",
                field=f"spans[{place}].{name}",
                remedy="Count characters (code points) from 0; the end is not included.",
                where=where,
            )
        if not 0 <= number <= len(text):
            side = "before the beginning" if number < 0 else "past the end"
            raise _refused(
                f"spans[{place}].{name} is {number}, {side} of the text, which has"
                f" {len(text)} characters.",
                code="past_the_end",
                field=f"spans[{place}].{name}",
                remedy="Count characters (code points) from 0; the end is not included.",
                where=where,
            )
    if not isinstance(start, int) or not isinstance(end, int) or not text[start:end].strip():
        raise _refused(
            f"spans[{place}] from {start} to {end} holds nothing.",
            code="empty",
            field=f"spans[{place}]",
            remedy="Mark at least one character that is no space, and begin before the end.",
            where=where,
        )
    if not isinstance(label, str) or label not in labels:
        raise _refused(
            f"spans[{place}].label is {label!r}, which is not among the labels.",
            code="unknown_label",
            field=f"spans[{place}].label",
            remedy=f"There are: {', '.join(labels)}.",
            where=where,
        )
    return Span(start, end, label)


def _refused(message: str, *, code: str, field: str, remedy: str, where: str) -> SpanError:
    return SpanError(
        f"{where}: {message}" if where else message, code=code, field=field, remedy=remedy
    )


def trimmed(spans: Iterable[Span], *, text: str) -> tuple[Span, ...]:
    """Return the spans without the white space at their ends, which nobody means to mark.

    >>> trimmed([Span(0, 4, "PER")], text="Awa si Dakar")
    (Span(start=0, end=3, label='PER'),)
    """
    found = []
    for span in spans:
        held = text[span.start : span.end]
        start = span.start + len(held) - len(held.lstrip())
        found.append(Span(start, start + len(held.strip()), span.label))
    return tuple(found)


def units(text: str, *, cuts: Iterable[int] = ()) -> Ints:
    """Return where the units of a text begin and end (U x 2), cut further at ``cuts``.

    A unit is a word, or one character with its marks and joiners; white space is in none. An
    apostrophe stands alone, since as often as not a name begins behind it.

    >>> [("Yów, l'Dakar 👩🏾‍🌾"[a:b]) for a, b in units("Yów, l'Dakar 👩🏾‍🌾")]
    ['Yów', ',', 'l', "'", 'Dakar', '👩🏾\u200d🌾']
    >>> units("Senegaal", cuts=[3]).tolist()
    [[0, 3], [3, 8]]
    """
    found = np.array([match.span() for match in _UNIT.finditer(text)], np.int64).reshape(-1, 2)
    wanted = np.unique(np.fromiter(cuts, np.int64))
    if not len(wanted) or not len(found):
        return found
    inside = np.searchsorted(wanted, found[:, 1]) - np.searchsorted(wanted, found[:, 0], "right")
    if not inside.any():
        return found
    parts: list[tuple[int, int]] = []
    for (start, end), several in zip(found.tolist(), inside.tolist(), strict=True):
        between = wanted[(wanted > start) & (wanted < end)].tolist() if several else []
        parts.extend(pairwise([start, *between, end]))
    return np.array(parts, np.int64)


def tag_names(labels: Sequence[str]) -> tuple[str, ...]:
    """Return the tags of these classes, in the order in which they are numbered.

    >>> tag_names(["PER", "LOC"])
    ('O', 'B-PER', 'I-PER', 'B-LOC', 'I-LOC')
    """
    return ("O", *(f"{side}-{label}" for label in labels for side in "BI"))


def classes_of(tags: Sequence[str]) -> tuple[str, ...]:
    """Return the classes behind the tags.

    >>> classes_of(("O", "B-PER", "I-PER"))
    ('PER',)
    """
    return tuple(tag[2:] for tag in tags[1::2])


def encode(spans: Iterable[Span], *, units: Ints, labels: Sequence[str]) -> Ints:
    """Return the tag of each unit (U); a unit that is partly marked goes with whom has most of it.

    >>> text = "Awa si Dakar"
    >>> encode([Span(7, 12, "LOC")], units=units(text), labels=["PER", "LOC"]).tolist()
    [0, 0, 3]
    """
    tags: Ints = np.zeros(len(units), np.int64)
    held: Ints = np.zeros(len(units), np.int64)
    for span in sorted(spans):
        first = int(np.searchsorted(units[:, 1], span.start, "right"))
        last = int(np.searchsorted(units[:, 0], span.end, "left"))
        rows = np.arange(first, last)
        shared = np.minimum(units[rows, 1], span.end) - np.maximum(units[rows, 0], span.start)
        rows, shared = rows[shared > held[rows]], shared[shared > held[rows]]
        if len(rows):
            held[rows] = shared
            tags[rows] = 2 * labels.index(span.label) + 2
            tags[rows[0]] -= 1
    return tags


def decode(tags: Sequence[int] | Ints, *, units: Ints, labels: Sequence[str]) -> tuple[Span, ...]:
    """Return the spans that tags (U) stand for; an I that continues nothing begins a span.

    That is how conlleval and seqeval read IOB2, too.

    >>> decode([0, 4, 4, 3], units=units("a b c d"), labels=["PER", "LOC"])
    (Span(start=2, end=5, label='LOC'), Span(start=6, end=7, label='LOC'))
    """
    return tuple(
        Span(int(units[first, 0]), int(units[last, 1]), labels[label])
        for first, last, label in stretches(tags)
    )


def stretches(tags: Sequence[int] | Ints) -> list[tuple[int, int, int]]:
    """Return the first unit, the last one and the class of each span that tags (U) stand for.

    >>> stretches([0, 4, 4, 3])
    [(1, 2, 1), (3, 3, 1)]
    """
    said = np.asarray(tags, np.int64)
    of_class = (said + 1) // 2
    before = np.concatenate(([OUTSIDE], of_class[:-1]))
    begins = (of_class != OUTSIDE) & ((said % 2 == 1) | (of_class != before))
    goes_on = (of_class != OUTSIDE) & ~begins
    ends = (of_class != OUTSIDE) & ~np.concatenate((goes_on[1:], [False]))
    first, last = np.flatnonzero(begins), np.flatnonzero(ends)
    return list(zip(first.tolist(), last.tolist(), (of_class[first] - 1).tolist(), strict=True))
