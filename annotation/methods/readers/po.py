"""Gettext PO: the translations are the texts, one entry at a time.

polib reads a whole file into memory, so the file is cut into entries here, and polib is given
one entry after the other. What a row is called is the line on which its entry begins.
"""

import hashlib
import re
from collections.abc import Iterator
from typing import BinaryIO

import polib

from annotation.methods.readers.lines import Line, numbered_lines
from annotation.methods.readers.rows import (
    MOST_CHARACTERS_PER_ROW,
    Row,
    UnreadableFileError,
    Wanted,
)

_LONGEST_ID = 200
_CHARSET = re.compile(r"charset=([\w.:-]+)")
_BEGINS = re.compile(r"#(?!~)|(#~\s*)?(msgctxt|msgid)\s")
_STRING = r'"(?:[^"\\]|\\.)*"'
_PART = re.compile(rf"(?:(?:msgctxt|msgid|msgid_plural|msgstr(?:\[\d\])?)\s*)?{_STRING}")
_UTF8 = frozenset({"utf-8", "utf8", "ascii", "us-ascii", "charset"})


class _Lines(str):
    """polib splits by whatever Unicode calls a line end; a translation may hold those."""

    __slots__ = ()

    def splitlines(self, keepends: bool = False) -> list[str]:
        """Split where gettext does; nobody asks to keep the ends."""
        return re.split(r"\r\n|\r|\n", self)


def read_po(stream: BinaryIO, wanted: Wanted) -> Iterator[Row]:
    """Yield one row for each translated entry; fuzzy, obsolete and untranslated ones are skipped.

    The text is the translation, of plural forms the last one, which is the general one; all
    forms, the message and its comments are kept in ``meta``. Message and context make the id and
    the group, so that translations of one message into several languages are known as such.

    >>> import io
    >>> file = io.BytesIO(b'msgid ""\\nmsgstr "Language: wo\\\\n"\\n\\nmsgid "Save"\\nmsgstr "Denc"\\n')
    >>> [(row.number, row.values["text"], row.values["language"]) for row in read_po(file, Wanted())]
    [(4, 'Denc', 'wo')]
    """
    language, found = "", False
    for first, last, text in _entries(stream):
        found = True
        if text is None:
            problem = f"is longer than {MOST_CHARACTERS_PER_ROW:,} characters"
            yield Row(first, last.position, problem=problem)
            continue
        parsed, problem = _parse(text, first=first)
        if parsed is None:
            yield Row(first, last.position, problem=f"is not a PO entry: {problem}")
            continue
        if parsed.metadata:
            language = _language(parsed.metadata, before=language)
        for entry in parsed:
            yield _row(entry, first=first, position=last.position, language=language)
    if not found:
        raise UnreadableFileError("The file holds no PO entry (msgid and msgstr).")


def _parse(text: str, *, first: int) -> tuple[polib.POFile | None, str]:
    """polib is lenient where a quote is missing and would cut the text; this is not."""
    for number, line in enumerate(_Lines(text).splitlines(), first):
        part = line.strip()
        if part and not part.startswith("#") and not _PART.fullmatch(part):
            return None, f"line {number} is neither a keyword with a quoted text nor a comment"
    try:
        parsed = polib.pofile(_Lines(text))
    except (OSError, ValueError, IndexError) as error:
        return None, str(error)[:150]
    complete = parsed.metadata or len(parsed) == 1
    return (parsed, "") if complete else (None, "msgid and msgstr belong together")


def _row(entry: polib.POEntry, *, first: int, position: int, language: str) -> Row:
    skipped = _reason_to_skip(entry)
    if skipped:
        return Row(first, position, skipped=skipped)
    # An empty context is one, too: gettext tells "" from none.
    there = entry.msgctxt is not None
    name = f"{entry.msgctxt}\x04{entry.msgid}" if there else entry.msgid
    if len(name) > _LONGEST_ID:
        name = "sha256:" + hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    values: dict[str, object] = {
        "text": _forms(entry)[-1],
        "id": name,
        "group": name,
        "meta": _meta(entry),
    }
    if language:
        values["language"] = language
    return Row(first, position, values)


def _reason_to_skip(entry: polib.POEntry) -> str:
    if entry.obsolete:
        return "obsolete"
    if entry.fuzzy:
        return "fuzzy"
    return "" if _forms(entry) else "untranslated"


def _forms(entry: polib.POEntry) -> list[str]:
    plural = [entry.msgstr_plural[number] for number in sorted(entry.msgstr_plural)]
    return [form for form in (plural or [entry.msgstr]) if form.strip()]


def _meta(entry: polib.POEntry) -> dict[str, object]:
    meta = {
        "msgid": entry.msgid,
        "msgid_plural": entry.msgid_plural,
        "msgctxt": entry.msgctxt,
        "plurals": _forms(entry) if entry.msgstr_plural else [],
        "translator_comment": entry.tcomment,
        "comment": entry.comment,
        "occurrences": [":".join(filter(None, place)) for place in entry.occurrences],
        "flags": entry.flags,
    }
    return {key: value for key, value in meta.items() if value or (key, value) == ("msgctxt", "")}


def _language(metadata: dict[str, str], *, before: str) -> str:
    charset = _CHARSET.search(metadata.get("Content-Type", ""))
    if charset and charset[1].casefold() not in _UTF8:
        raise UnreadableFileError(
            f"The header declares the encoding {charset[1]}. "
            "Convert the file first: msgconv --to-code=UTF-8 FILE > FILE.po"
        )
    return metadata.get("Language", "").strip().replace("_", "-") or before


def _entries(stream: BinaryIO) -> Iterator[tuple[int, Line, str | None]]:
    """Cut the file where a blank line ends an entry, or where the next one begins without."""
    lines: list[Line] = []
    size, translated = 0, False
    for line in numbered_lines(stream):
        text = (line.text if line.text is not None else "?").strip()
        if lines and (not text or (translated and _BEGINS.match(text))):
            yield from _cut(lines, size)
            lines, size, translated = [], 0, False
        if not text:
            continue
        size += MOST_CHARACTERS_PER_ROW + 1 if line.text is None else len(line.text)
        # What is too long is refused anyway; only where it begins and ends is still of interest.
        lines = [*lines[:1], line] if size > MOST_CHARACTERS_PER_ROW else [*lines, line]
        translated = translated or text.startswith(("msgstr", "#~ msgstr"))
    if lines:
        yield from _cut(lines, size)


def _cut(lines: list[Line], size: int) -> Iterator[tuple[int, Line, str | None]]:
    if size > MOST_CHARACTERS_PER_ROW:
        yield lines[0].number, lines[-1], None
        return
    text = "".join(line.text or "" for line in lines)
    if any(mark in text for mark in ("msgid", "msgstr")) or not text.lstrip().startswith("#"):
        yield lines[0].number, lines[-1], text
