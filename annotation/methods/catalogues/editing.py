"""Editing: which lines of the file a change replaces, and by what."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from annotation.methods.catalogues.parts import Catalogue, Entry, Line
from annotation.methods.catalogues.strings import Style, columns, quoted

_WIDTH = Style().width
_STRING = re.compile(r'\s*(?:msg[\w\[\]]+[ \t]*)?"((?:[^"\\]|\\.)*)"[ \t]*')
_BEGINS = re.compile(r"([ \t]*)(msg\w+(?:\[\d+\])?)([ \t]*)")
_BREAK_INSIDE = re.compile(r"\\n(?=.)")


class Edit(NamedTuple):
    """Lines to put in the place of others; of two at one place the lower rank comes first."""

    first: int
    last: int
    rank: int
    texts: tuple[str, ...]


def edited(catalogue: Catalogue, edits: Iterable[tuple[Entry, Edit]]) -> bytes:
    """Return the file with these lines in place; new lines end as those of their entry do."""
    raws = [line.raw for line in catalogue.lines]
    # A last line without an end gets one for the time being, so that lines can follow it.
    ended = bool(catalogue.lines[-1].end)
    raws[-1] += b"" if ended else b"\n"
    pieces, upto = [catalogue.mark], 0
    for entry, edit in sorted(edits, key=lambda pair: pair[1]):
        end = catalogue.lines[entry.layout.keyword].end or b"\n"
        pieces += raws[upto : edit.first]
        pieces += [text.encode(catalogue.charset) + end for text in edit.texts]
        upto = max(upto, edit.last)
    data = b"".join([*pieces, *raws[upto:]])
    return data if ended else data.removesuffix(b"\n").removesuffix(b"\r")


def style_of(catalogue: Catalogue) -> Style:
    """Return how the file lays strings out: as most of its long or many-lined ones are laid out.

    >>> from annotation.methods.catalogues.reading import read_catalogue
    >>> words = "word " * 20
    >>> style_of(read_catalogue(f'msgid "{words}"\\nmsgstr ""\\n'.encode()))
    Style(width=0, by_lines=True)
    """
    folded = unfolded = split = unsplit = 0
    for begin, end in _strings(catalogue):
        held = [line.text or "" for line in catalogue.lines[begin:end]]
        if len(held) == 1 and len(held[0]) < _WIDTH // 2 and "\\n" not in held[0]:
            continue  # most are short, and tell nothing
        pieces = [found[1] for text in held if (found := _STRING.fullmatch(text))]
        filled = [piece for piece in pieces if piece]
        folded += any(not piece.endswith("\\n") for piece in filled[:-1])
        unfolded += any(map(_could_be_folded, held))
        split += sum(piece.endswith("\\n") for piece in filled[:-1])
        unsplit += sum(bool(_BREAK_INSIDE.search(piece)) for piece in filled)
    return Style(0 if unfolded > folded else _WIDTH, by_lines=unsplit <= split)


def _could_be_folded(text: str) -> bool:
    wide = 2 * len(text) > _WIDTH + 1 and columns(text) > _WIDTH + 1
    return wide and " " in text[10:_WIDTH]


def _strings(catalogue: Catalogue) -> Iterator[tuple[int, int]]:
    for entry in catalogue.entries:
        if not entry.is_header:
            yield entry.layout.msgid
            yield from entry.layout.forms


def comment_edits(entry: Entry, comment: str) -> Iterator[Edit]:
    """Yield the lines of a translator's comment, after those there are, unless it is there."""
    wanted = [text.rstrip() for text in comment.split("\n")] if comment else []
    there = [text.rstrip() for text in entry.comments]
    if any(there[place : place + len(wanted)] == wanted for place in range(len(there) + 1)):
        return
    layout = entry.layout
    own = [place for place in layout.comments if place >= layout.first]
    place = own[-1] + 1 if own else layout.first
    yield Edit(place, place, 0, tuple(f"# {text}".rstrip() for text in wanted))


def fuzzy_edits(entry: Entry, fuzzy: bool | None, *, lines: Sequence[Line]) -> Iterator[Edit]:
    """Yield what sets or clears the flag; other flags keep their place and their blanks."""
    layout = entry.layout
    if fuzzy is None or fuzzy == entry.fuzzy:
        return
    if fuzzy and not layout.flags:
        place = min((*layout.previous, layout.keyword))
        yield Edit(place, place, 1, ("#, fuzzy",))
    elif fuzzy:
        place = layout.flags[0]
        before, sign, told = (lines[place].text or "").partition("#,")
        yield Edit(place, place + 1, 1, (f"{before}{sign} fuzzy,{told}",))
    else:
        for place in layout.flags:
            yield from _without_fuzzy(place, lines[place].text or "")
        yield from (Edit(place, place + 1, 1, ()) for place in layout.previous)


def _without_fuzzy(place: int, text: str) -> Iterator[Edit]:
    before, sign, told = text.partition("#,")
    flags = told.split(",")
    kept = [flag for flag in flags if flag.strip() != "fuzzy"]
    if kept != flags:
        rest = f"{before}{sign}{','.join(kept)}"
        yield Edit(place, place + 1, 1, (rest,) if any(map(str.strip, kept)) else ())


def form_edits(
    entry: Entry, forms: Mapping[int, str], *, lines: Sequence[Line], style: Style
) -> Iterator[Edit]:
    """Yield the lines of translations that are other than those there, or new plural forms."""
    there = entry.layout.forms
    added: list[str] = []
    for number, text in sorted(forms.items()):
        if number >= len(there):
            added += _form(number, text, model=lines[there[-1][0]], style=style)
        elif text != entry.forms[number]:
            first, last = there[number]
            yield Edit(first, last, 1, _form(number, text, model=lines[first], style=style))
    if added:
        yield Edit(there[-1][1], there[-1][1], 2, tuple(added))


def _form(number: int, text: str, *, model: Line, style: Style) -> tuple[str, ...]:
    """Write a translation as another line is written: its keyword, and the blanks around it."""
    begins = _BEGINS.match(model.text or "")
    indent, keyword, blanks = begins.groups() if begins else ("", "msgstr", " ")
    keyword = keyword if keyword == "msgstr" else f"msgstr[{number}]"
    before = f"{indent}{keyword}{blanks or ' '}"
    first, *rest = quoted(text, before=before, style=style)
    return before + first, *rest
