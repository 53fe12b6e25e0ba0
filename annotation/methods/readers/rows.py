"""Rows: what every reader hands on, and how a file's columns become our fields."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

FIELDS = (
    "text",
    "second",
    "third",
    "language",
    "id",
    "label",
    "spans",
    "split",
    "source",
    "licence",
    "origin",
    "dialect",
    "group",
)
# Longer than the longest text, so that a text a little too long still is one row, and refused.
MOST_CHARACTERS_PER_ROW = 1_000_000
MOST_COLUMNS = 1_000


class UnreadableFileError(ValueError):
    """The file as a whole cannot be read; the message says where and what to do."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its number, how far the file is read, and values, a problem, or why to skip it."""

    number: int
    position: int
    values: Mapping[str, object] = field(default_factory=dict)
    field: str = ""
    problem: str = ""
    skipped: str = ""


@dataclass(frozen=True)
class Wanted:
    """Which column holds which field, and what holds where a file is silent.

    >>> wanted = Wanted(columns={"text": "body", "id": "key", "group": "key"})
    >>> wanted.fields_of("body"), wanted.fields_of("key"), wanted.fields_of("text")
    (('text',), ('id', 'group'), ())
    >>> wanted.fields_of("label"), wanted.fields_of("meta.year"), wanted.fields_of("other")
    (('label',), ('meta.year',), ())
    >>> Wanted(usual={"source": "second"}).fields_of("source")
    ('second',)
    >>> Wanted(without=("label",)).fields_of("label")
    ()
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)
    # What a kind of question calls its columns, and which field each fills.
    usual: Mapping[str, str] = field(default_factory=dict)
    # Fields that stay empty though the file fills them.
    without: Sequence[str] = ()

    def fields_of(self, column: str) -> tuple[str, ...]:
        """Return the fields that a column of the file fills."""
        return tuple(one for one in self._filled(column) if one not in self.without)

    def _filled(self, column: str) -> tuple[str, ...]:
        told = tuple(ours for ours, theirs in self.columns.items() if theirs == column)
        if told or column in self.columns:
            return told
        if (ours := self.usual.get(column)) and ours not in self.columns:
            return (ours,)
        known = column in FIELDS or column == "meta" or column.startswith("meta.")
        return (column,) if known else ()

    def columns_to_fields(self, header: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Return the useful columns of a header; raise if one is missing that no default mends.

        >>> Wanted().columns_to_fields(["Text ", "language", "licence", "notes"])
        {'Text ': ('text',), 'language': ('language',), 'licence': ('licence',)}
        """
        if len(header) > MOST_COLUMNS:
            raise UnreadableFileError(
                f"The file has {len(header):,} columns; the most is {MOST_COLUMNS:,}."
                " Keep those that are wanted."
            )
        alike = self._names_unlike(header)
        found = {
            column: self.fields_of(column) or self.fields_of(alike.get(_plain(column), ""))
            for column in header
        }
        useful = {column: fields for column, fields in found.items() if fields}
        filled = {ours for fields in useful.values() for ours in fields}
        for ours, theirs in self.columns.items():
            if ours not in filled:
                raise UnreadableFileError(f"There is no column {theirs!r}. {_seen(header)}")
        for ours in ("text", "language", "licence"):
            if ours not in filled and (ours == "text" or ours not in self.defaults):
                raise UnreadableFileError(_missing(ours, header))
        return useful

    def _names_unlike(self, header: Sequence[str]) -> dict[str, str]:
        """The names asked for that no column has as spelled, by what they are but for case."""
        ours = (name for name in (*self.usual, *FIELDS) if name not in self.columns)
        asked = [*self.columns.values(), *ours]
        there = set(header)
        return {_plain(name): name for name in reversed(asked) if name not in there}


def _plain(name: str) -> str:
    """A name without the blanks around it, in one case."""
    return name.strip().casefold()


def _missing(ours: str, header: Sequence[str]) -> str:
    remedy = f"Say which one it is: column {ours}=NAME"
    if ours != "text":
        example = {"language": "wo", "licence": "CC0-1.0"}[ours]
        remedy += f"; or give all rows the same: default {ours}={example}"
    return f"There is no column {ours!r}. {_seen(header)} {remedy}."


def _seen(header: Sequence[str]) -> str:
    names = ", ".join(repr(name[:40]) for name in header[:20])
    return f"The file has the columns {names}{' …' if len(header) > 20 else ''}."
