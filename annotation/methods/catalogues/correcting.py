"""Correcting: from a catalogue and what people said of its entries to the file's new bytes.

Only the lines of a changed string, flag or comment are written anew, in the file's own manner; a
change that says what the file says already writes nothing, so that the same changes twice are
the same as once.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import regex

from annotation.methods.catalogues.editing import (
    Edit,
    comment_edits,
    edited,
    form_edits,
    fuzzy_edits,
    style_of,
)
from annotation.methods.catalogues.parts import Catalogue, CatalogueError, Entry, called
from annotation.methods.catalogues.placeholders import FORMATS, misfit
from annotation.methods.catalogues.plurals import Plurals, plurals_of
from annotation.methods.catalogues.strings import Style
from annotation.methods.texts import unstorable

_CONTROL = regex.compile(r"(?![\n\t])\p{Cc}")


@dataclass(frozen=True, slots=True)
class Change:
    """What to write into the entry of a message; what is left out stays as it is.

    ``forms`` are translations by the number of their plural form, 0 where there is no plural. To
    clear ``fuzzy`` also drops what the message said before (``#|``), as other tools do: it only
    explained why the entry was fuzzy.
    """

    msgid: str
    context: str | None = None
    forms: Mapping[int, str] = field(default_factory=dict)
    fuzzy: bool | None = None
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Corrected:
    """The file's new bytes, and the changes that are not in it, each with its reason."""

    data: bytes
    refused: tuple[tuple[Change, CatalogueError], ...] = ()


def correct(catalogue: Catalogue, changes: Iterable[Change]) -> Corrected:
    """Return the file with all changes in it that can be written; of two for one form the later.

    >>> from annotation.methods.catalogues.reading import read_catalogue
    >>> catalogue = read_catalogue(b'#, fuzzy\\r\\nmsgid "Save"\\r\\nmsgstr  "Denk"')
    >>> correct(catalogue, [Change("Save", forms={0: "Denc"}, fuzzy=False)]).data
    b'msgid "Save"\\r\\nmsgstr  "Denc"'
    """
    wanted: dict[tuple[str | None, str], Change] = {}
    refused = []
    for change in changes:
        try:
            entry = checked(change, catalogue=catalogue)
        except CatalogueError as error:
            refused.append((change, error))
            continue
        before = wanted.get(entry.key)
        wanted[entry.key] = _both(before, change) if before else change
    style = style_of(catalogue) if any(change.forms for change in wanted.values()) else Style()
    edits = [
        (catalogue.living[key], edit)
        for key, change in wanted.items()
        for edit in _edits(change, catalogue.living[key], catalogue=catalogue, style=style)
    ]
    return Corrected(edited(catalogue, edits), tuple(refused))


def _edits(change: Change, entry: Entry, *, catalogue: Catalogue, style: Style) -> Iterator[Edit]:
    yield from comment_edits(entry, change.comment)
    yield from fuzzy_edits(entry, change.fuzzy, lines=catalogue.lines)
    yield from form_edits(entry, change.forms, lines=catalogue.lines, style=style)


def _both(first: Change, second: Change) -> Change:
    comments = dict.fromkeys(filter(None, (first.comment, second.comment)))
    return replace(
        second,
        forms={**first.forms, **second.forms},
        fuzzy=first.fuzzy if second.fuzzy is None else second.fuzzy,
        comment="\n".join(comments),
    )


def checked(change: Change, *, catalogue: Catalogue) -> Entry:
    """Return the entry that a change is for, or say why it cannot be written.

    >>> from annotation.methods.catalogues.reading import read_catalogue
    >>> file = b'#, c-format\\nmsgid "%d texts\\\\n"\\nmsgstr ""\\n'
    >>> checked(Change("%d texts\\n", forms={0: "bind"}), catalogue=read_catalogue(file))
    Traceback (most recent call last):
    ...
    annotation.methods.catalogues.parts.CatalogueError: line 2 (“%d texts”): msgstr does not end \
with a line break, but the source does. Let both end alike.
    """
    entry = _found(change, catalogue)
    plurals = plurals_of(catalogue.header.get("Plural-Forms", ""))
    if change.forms:
        _check_count(change, entry, plurals)
    forms = dict(change.forms)
    if change.fuzzy is False and entry.fuzzy:
        # What nobody used so far will be used: it has to fit as well.
        forms = dict(enumerate(entry.forms)) | forms
    for number, text in forms.items():
        _check_text(text, entry, number, plurals)
        _check_encoding(text, entry, _field(entry, number), catalogue)
    if change.comment:
        _check_characters(change.comment, entry, "comment")
        _check_encoding(change.comment, entry, "comment", catalogue)
    return entry


def _found(change: Change, catalogue: Catalogue) -> Entry:
    entry = catalogue.living.get((change.context, change.msgid))
    if entry is not None:
        return entry
    same = [entry for entry in catalogue.entries if entry.key == (change.context, change.msgid)]
    if same:
        what = "the header" if same[0].is_header else "obsolete (#~)"
        raise _refused(
            same[0],
            "msgid",
            f"is {what}",
            code="not_in_use",
            remedy="Correct messages that are in use.",
        )
    raise CatalogueError(
        f"{called(change.context, change.msgid)} is no message of the catalogue.",
        code="unknown_message",
        field="msgid",
        remedy="Take the file that the texts were imported from, or import the new one first.",
    )


def _check_count(change: Change, entry: Entry, plurals: Plurals) -> None:
    if entry.plural is None:
        if set(change.forms) != {0}:
            raise _refused(
                entry,
                "msgstr",
                f"has no plural, but there are forms {sorted(change.forms)}",
                code="plural_count",
                remedy="Give one translation, as form 0.",
            )
        return
    there = set(range(len(entry.forms)))
    count = plurals.forms or len(entry.forms)
    unknown = set(change.forms) - set(range(count)) - there
    missing = set(range(count)) - set(change.forms) - there
    if unknown or missing:
        what = f"no form {min(unknown)}" if unknown else f"a form {min(missing)}, too"
        raise _refused(
            entry,
            "msgstr",
            f"has {count} plural forms in this language, {what}",
            code="plural_count",
            remedy=f"Give forms 0 to {count - 1}, or mend Plural-Forms in the header.",
        )


def _check_text(text: str, entry: Entry, number: int, plurals: Plurals) -> None:
    name = _field(entry, number)
    _check_characters(text, entry, name)
    if not text.strip():
        raise _refused(
            entry, name, "is empty", code="empty", remedy="Mark the entry as fuzzy instead."
        )
    _check_line_breaks(text, entry, name)
    for format in FORMATS.keys() & set(entry.flags):
        if problem := _misfit(text, entry, number, plurals, format):
            raise _refused(
                entry,
                name,
                f"does not fit {format}: {problem}",
                code="placeholders",
                remedy="Copy the placeholders from the source, letter by letter.",
            )


def _check_line_breaks(text: str, entry: Entry, name: str) -> None:
    for side, does in (("begin", str.startswith), ("end", str.endswith)):
        wanted = does(entry.msgid, "\n")
        if does(text, "\n") != wanted:
            said = f"does not {side} with a line break, but the source does"
            unsaid = f"{side}s with a line break, but the source does not"
            raise _refused(
                entry,
                name,
                said if wanted else unsaid,
                code="line_break",
                remedy=f"Let both {side} alike.",
            )


def _misfit(text: str, entry: Entry, number: int, plurals: Plurals, format: str) -> str:
    if entry.plural is None:
        return misfit(entry.msgid, text, format=format)
    may_lack = 1 if number in plurals.rare else 0
    problem = misfit(entry.plural, text, format=format, may_lack=may_lack)
    if problem and number in plurals.rare:
        # What the source itself leaves out in the singular, a form of few numbers may, too.
        return misfit(entry.msgid, text, format=format)
    return problem


def _check_characters(text: str, entry: Entry, name: str) -> None:
    problem = unstorable(text)
    source = entry.msgid + (entry.plural or "")
    for found in () if problem else _CONTROL.finditer(text):
        if found[0] not in source or name == "comment":
            code = f"U+{ord(found[0]):04X}"
            problem = f"holds the control character {code} at position {found.start() + 1}"
            break
    if problem:
        raise _refused(entry, name, problem, code="characters", remedy="Take it out.")


def _check_encoding(text: str, entry: Entry, name: str, catalogue: Catalogue) -> None:
    try:
        text.encode(catalogue.charset)
    except UnicodeEncodeError as error:
        raise _refused(
            entry,
            name,
            f"holds {text[error.start]!r}, which the file's encoding {catalogue.charset} lacks",
            code="encoding",
            remedy="Convert the file first: msgconv --to-code=UTF-8 FILE > FILE.po",
        ) from error


def _field(entry: Entry, number: int) -> str:
    return "msgstr" if entry.plural is None else f"msgstr[{number}]"


def _refused(entry: Entry, field: str, problem: str, **told: Any) -> CatalogueError:
    return CatalogueError(f"{entry.name}: {field} {problem}.", field=field, line=entry.line, **told)
