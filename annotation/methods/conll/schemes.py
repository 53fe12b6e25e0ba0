"""Schemes: how tags of tokens say where a span begins and ends.

IOB1 is that of Ramshaw and Marcus, "Text chunking using transformation-based learning" (1995);
IOB2 begins every span with B; IOBES tells single tokens and ends too (BILOU and BMEWO are the same
by other letters). ``tags`` is none: each token has its own tag, like a part of speech.
"""

from collections.abc import Sequence
from typing import NamedTuple

SCHEMES = ("iob2", "iob1", "iobes", "tags")
_LETTERS = {
    "iob2": dict(zip("BI", "BI", strict=True)),
    "iob1": dict(zip("BI", "BI", strict=True)),
    "iobes": dict(zip("BIESLUMW", "BIESESIS", strict=True)),
}
_NONE = ("O", "_", "")


class TagError(ValueError):
    """A tag that does not fit those around it: which one of them, and what to do."""

    def __init__(self, place: int, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.place = place
        self.remedy = remedy


class Stretch(NamedTuple):
    """The tokens from the first to the last, both included, that are of one class."""

    first: int
    last: int
    label: str


def stretches(tags: Sequence[str], *, scheme: str = "iob2", strict: bool = True) -> list[Stretch]:
    """Return the spans that tags say; not strict, what continues nothing begins a span.

    >>> stretches(["B-PER", "I-PER", "O", "B-LOC", "B-LOC"])
    [Stretch(first=0, last=1, label='PER'), Stretch(first=3, last=3, label='LOC'), \
Stretch(first=4, last=4, label='LOC')]
    >>> stretches(["I-PER", "I-PER", "B-PER"], scheme="iob1")
    [Stretch(first=0, last=1, label='PER'), Stretch(first=2, last=2, label='PER')]
    >>> stretches(["S-PER", "B-LOC", "E-LOC"], scheme="iobes")
    [Stretch(first=0, last=0, label='PER'), Stretch(first=1, last=2, label='LOC')]
    >>> stretches(["DET", "_", "NOUN"], scheme="tags")
    [Stretch(first=0, last=0, label='DET'), Stretch(first=2, last=2, label='NOUN')]
    """
    if scheme == "tags":
        return [Stretch(place, place, tag) for place, tag in enumerate(tags) if tag not in _NONE]
    told = [_parted(place, tag, scheme) for place, tag in enumerate(tags)]
    if strict and scheme != "iob1":
        _check(told, tags, closed=scheme == "iobes")
    found: list[Stretch] = []
    open_label = ""
    for place, (letter, label) in enumerate(told):
        if not letter:
            open_label = ""
            continue
        if letter in "IE" and open_label == label:
            found[-1] = found[-1]._replace(last=place)
        else:
            found.append(Stretch(place, place, label))
        open_label = "" if letter in "ES" else label
    return found


def _parted(place: int, tag: str, scheme: str) -> tuple[str, str]:
    if tag in _NONE:
        return "", ""
    letter, dash, label = tag.partition("-")
    known = _LETTERS[scheme]
    if not dash or not label or letter not in known:
        raise TagError(
            place,
            f"{tag[:60]!r} is no tag of {scheme.upper()}",
            f"Write O or one of {', '.join(known)}, a hyphen and a label, like B-PER;"
            " or say which scheme the file has.",
        )
    return known[letter], label


def _check(told: Sequence[tuple[str, str]], tags: Sequence[str], *, closed: bool) -> None:
    """Raise where a tag continues or ends nothing, or, if spans are closed, where one is not."""
    is_open, label_before = False, ""
    for place, (letter, label) in enumerate(told):
        continues = letter in ("I", "E")
        if continues and not (is_open and label == label_before):
            before = f"after {tags[place - 1]!r}" if place else "at the beginning"
            raise TagError(
                place,
                f"{tags[place]!r} continues nothing, {before}",
                f"Begin the span with B-{label}; or read the file as IOB1, or not strictly.",
            )
        if closed and is_open and not continues:
            raise _unclosed(place - 1, tags)
        is_open, label_before = letter in ("B", "I"), label
    if closed and is_open:
        raise _unclosed(len(tags) - 1, tags)


def _unclosed(place: int, tags: Sequence[str]) -> TagError:
    label = tags[place].partition("-")[2]
    return TagError(
        place,
        f"the span that {tags[place]!r} belongs to has no end",
        f"End it with E-{label}, or write S-{label} for a single token; or read it not strictly.",
    )


def iob2(count: int, found: Sequence[Stretch]) -> list[str]:
    """Return the tags of so many tokens.

    >>> iob2(3, [Stretch(1, 2, "LOC")])
    ['O', 'B-LOC', 'I-LOC']
    """
    tags = ["O"] * count
    for first, last, label in found:
        tags[first : last + 1] = [f"B-{label}", *([f"I-{label}"] * (last - first))]
    return tags
