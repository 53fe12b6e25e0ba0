"""The parts of a catalogue: lines as they came, entries as they are meant, and what is wrong."""

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from annotation.methods.texts import excerpt

_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_END = re.compile(r"\r\n|\r|\n")
_CHARSET = re.compile(rb"charset=([\w.:-]+)", re.IGNORECASE)
_HEADER = re.compile(rb'^msgid[ \t]*""', re.MULTILINE)
_BLANK = re.compile(rb"(?:\r\n|\r|\n)[ \t]*(?:\r\n|\r|\n)")
_CONVERT = "Convert the file first: msgconv --to-code=UTF-8 FILE > FILE.po"


class UnreadableCatalogueError(ValueError):
    """The file as a whole cannot be read; the message says why and what to do."""


class CatalogueError(ValueError):
    """A correction that cannot be written: ``line`` and ``field`` say where, ``remedy`` what to do."""

    def __init__(self, message: str, *, code: str, field: str, remedy: str, line: int = 0) -> None:
        super().__init__(f"{message} {remedy}")
        self.code = code
        self.field = field
        self.remedy = remedy
        self.line = line


class Problem(NamedTuple):
    """An entry that makes no sense: it stays in the file as it is and cannot be corrected."""

    line: int
    problem: str
    remedy: str


class Line(NamedTuple):
    """A line as it stands: its bytes, and its text without the end, none if undecodable."""

    raw: bytes
    text: str | None

    @property
    def end(self) -> bytes:
        """What ends the line; the last one of a file may have nothing."""
        return self.raw[len(self.raw.rstrip(b"\r\n")) :]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where an entry's parts stand, as indices of lines; ranges do not hold their end."""

    # The comments that stand with the entry, after the last blank line.
    first: int
    keyword: int
    comments: tuple[int, ...]
    flags: tuple[int, ...]
    previous: tuple[int, ...]
    msgid: tuple[int, int]
    forms: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One message: its source, its translations, and what stands around it.

    ``plural`` is none where the message has no plural; then there is one form. ``references`` are
    as written, a line each. ``previous`` holds context, msgid and plural before the last merge.
    """

    line: int
    context: str | None
    msgid: str
    plural: str | None
    forms: tuple[str, ...]
    flags: tuple[str, ...] = ()
    comments: tuple[str, ...] = ()
    extracted: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    previous: tuple[str | None, str | None, str | None] = (None, None, None)
    obsolete: bool = False
    layout: Layout = field(default=Layout(0, 0, (), (), (), (0, 0), ()), repr=False, compare=False)

    @property
    def key(self) -> tuple[str | None, str]:
        """What gettext looks the message up by."""
        return self.context, self.msgid

    @property
    def fuzzy(self) -> bool:
        """Whether somebody must look at the translation before it is used."""
        return "fuzzy" in self.flags

    @property
    def is_header(self) -> bool:
        """Whether this is no message but what the file says of itself."""
        return self.msgid == "" and self.context is None and not self.obsolete

    @property
    def name(self) -> str:
        """How to call the entry in a message to people.

        >>> Entry(7, "menu", "Save", None, ("",)).name
        'line 7 (“Save” in the context “menu”)'
        """
        return f"line {self.line} ({called(self.context, self.msgid)})"


def called(context: str | None, msgid: str) -> str:
    """Return how to call a message to people: on one line, and not too long.

    >>> called("menu", "Save\\nall")
    '“Save all” in the context “menu”'
    """
    where = f" in the context “{excerpt(context, length=60)}”" if context is not None else ""
    return f"“{excerpt(' '.join(msgid.split()), length=60)}”{where}"


@dataclass(frozen=True)
class Catalogue:
    """A PO file: its lines, which together are the file, and what they mean."""

    mark: bytes
    charset: str
    lines: tuple[Line, ...]
    entries: tuple[Entry, ...]
    problems: tuple[Problem, ...]

    @property
    def data(self) -> bytes:
        """The file, byte for byte."""
        return self.mark + b"".join(line.raw for line in self.lines)

    @cached_property
    def header(self) -> Mapping[str, str]:
        """What the file says of itself, by the names of its header's fields."""
        found = next((entry.forms[0] for entry in self.entries if entry.is_header), "")
        pairs = (line.partition(":") for line in found.split("\n"))
        return {name.strip(): value.strip() for name, colon, value in pairs if colon}

    @property
    def language(self) -> str:
        """The language tag of the translations, or nothing."""
        return self.header.get("Language", "").replace("_", "-")

    @cached_property
    def living(self) -> Mapping[tuple[str | None, str], Entry]:
        """The messages that are in use, by context and msgid; neither header nor obsolete ones."""
        found = [entry for entry in self.entries if not (entry.obsolete or entry.is_header)]
        return {entry.key: entry for entry in found}


def split_lines(data: bytes) -> tuple[bytes, str, tuple[Line, ...]]:
    """Return a file's byte order mark, its encoding and its lines.

    >>> split_lines(b'msgid "a"\\r\\nmsgstr ""')[2][0]
    Line(raw=b'msgid "a"\\r\\n', text='msgid "a"')
    """
    mark = codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b""
    data = data[len(mark) :]
    if b"\0" in data or data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise UnreadableCatalogueError(
            "The file holds zero bytes: it is UTF-16 or UTF-32, or no text at all. "
            "Save it as UTF-8; gettext reads nothing else of Unicode."
        )
    charset = "utf-8" if mark else _charset(data)
    raws = _LINE.findall(data)
    try:
        texts: list[str | None] = [*_END.split(data.decode(charset))]
    except UnicodeDecodeError:
        texts = []
    if len(texts) not in (len(raws), len(raws) + 1):  # after the last end there is one more
        texts = [_decoded(raw, charset) for raw in raws]
    return mark, charset, tuple(map(Line, raws, texts))


def _decoded(raw: bytes, charset: str) -> str | None:
    try:
        return raw.decode(charset).rstrip("\r\n")
    except UnicodeDecodeError:
        return None


def _charset(data: bytes) -> str:
    declared = _CHARSET.search(data[: _end_of_header(data)])
    name = declared[1].decode("ascii") if declared else "utf-8"
    if name.upper() == "CHARSET":  # what templates say that nobody has filled in
        return "utf-8"
    try:
        known = codecs.lookup(name)
        ascii_too = '"\\n'.encode(known.name) == b'"\\n'
    except (LookupError, UnicodeError):
        ascii_too = False
    if not ascii_too:
        raise UnreadableCatalogueError(
            f"The header declares the encoding {name[:40]}, which cannot be read here. {_CONVERT}"
        )
    return known.name


def _end_of_header(data: bytes) -> int:
    """The header is the first entry; what a message says of charsets is none of our business."""
    begins = _HEADER.search(data)
    ends = begins and _BLANK.search(data, begins.end())
    return ends.start() if ends else len(data) if begins else 0
