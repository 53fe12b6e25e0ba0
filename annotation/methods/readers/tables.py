"""Tables: CSV and TSV, with quotes that may hold line ends, and quotes that never close."""

import csv
from collections import Counter, deque
from collections.abc import Iterator
from typing import BinaryIO

from annotation.methods.readers.lines import Line, numbered_lines
from annotation.methods.readers.rows import (
    MOST_CHARACTERS_PER_ROW,
    Row,
    UnreadableFileError,
    Wanted,
)

# The module's own limit is about the longest text we take; ours must see it to refuse it.
csv.field_size_limit(2 * MOST_CHARACTERS_PER_ROW)


class _RowTooLongError(Exception):
    """A record goes on and on: a quote that never closes, or a line without end."""


class _Lines(Iterator[str]):
    """Lines for the csv module, remembered for the record at hand so that they can be given again."""

    def __init__(self, stream: BinaryIO) -> None:
        self._source = numbered_lines(stream)
        self._again: deque[Line] = deque()
        self.taken: list[Line] = []
        self._size = 0
        self.position = 0

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._source)
        self.taken.append(line)
        self.position = max(self.position, line.position)
        self._size += len(line.text or "")
        if line.text is None or self._size > MOST_CHARACTERS_PER_ROW:
            raise _RowTooLongError
        return line.text

    def begin(self) -> None:
        """Forget the record before."""
        self.taken, self._size = [], 0

    def give_again(self) -> None:
        """Give every line after the record's first one a second time."""
        self._again.extendleft(reversed(self.taken[1:]))


def read_csv(stream: BinaryIO, wanted: Wanted) -> Iterator[Row]:
    """Yield rows of comma- or semicolon-separated values; the header is row 1, as in spreadsheets.

    A quote that never closes costs its own row: reading goes on at the next line.

    >>> import io
    >>> file = io.BytesIO(b'text,licence,language\\n"two\\nlines",CC0-1.0,wo\\nshort\\n')
    >>> [(row.number, row.problem) for row in read_csv(file, Wanted())]
    [(2, ''), (3, 'has 1 column; the header has 3')]
    """
    return _read(stream, wanted, delimiter="")


def read_tsv(stream: BinaryIO, wanted: Wanted) -> Iterator[Row]:
    """Yield rows of tab-separated values; quotes that make no sense are taken as they stand."""
    return _read(stream, wanted, delimiter="\t")


def _read(stream: BinaryIO, wanted: Wanted, *, delimiter: str) -> Iterator[Row]:
    lines = _Lines(stream)
    header, delimiter = _header(lines, delimiter)
    places = [
        (header.index(column), fields)
        for column, fields in wanted.columns_to_fields(header).items()
    ]
    number = 1
    for cells, problem in _records(lines, delimiter, width=len(header)):
        number += 1
        if problem:
            yield Row(number, lines.position, problem=problem)
        elif cells:
            values = {ours: cells[place] for place, fields in places for ours in fields}
            yield Row(number, lines.position, values)


def _header(lines: _Lines, delimiter: str) -> tuple[list[str], str]:
    try:
        first = next(lines, "")
    except _RowTooLongError:
        first = ""
    if not first.strip():
        raise UnreadableFileError("The file is empty, or its first line is: it must name columns.")
    lines.give_again()
    semicolons = ";" in first and "," not in first
    delimiter = delimiter or (";" if semicolons else ",")
    try:
        header = next(csv.reader([first], delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise UnreadableFileError(f"The first line does not name columns: {error}.") from error
    counts = Counter(header)
    twice = next((name for name, count in counts.items() if name.strip() and count > 1), "")
    if twice:
        raise UnreadableFileError(f"The column {twice!r} is there twice. Rename one of them.")
    return header, delimiter


def _records(lines: _Lines, delimiter: str, *, width: int) -> Iterator[tuple[list[str], str]]:
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        lines.begin()
        try:
            cells, problem = next(reader), ""
        except StopIteration:
            return
        except _RowTooLongError:
            cells, problem = _recover(lines, delimiter, why="")
        except csv.Error as error:
            cells, problem = _recover(lines, delimiter, why=str(error))
        if cells and len(cells) != width:
            problem = f"has {_columns(len(cells))}; the header has {width}"
        yield cells, problem


def _recover(lines: _Lines, delimiter: str, *, why: str) -> tuple[list[str], str]:
    """Say what is wrong with the record and go back to the line after its first."""
    first = lines.taken[0].text if lines.taken else None
    several = len(lines.taken) > 1
    lines.give_again()
    if delimiter == "\t" and first is not None:
        return first.rstrip("\r\n").split("\t"), ""
    if first is None or (not why and not several):
        return [], f"is longer than {MOST_CHARACTERS_PER_ROW:,} characters"
    if not why or "unexpected end" in why or several:
        return [], 'has a quote (") that is never closed'
    return [], f"is not a CSV row: {why}"


def _columns(count: int) -> str:
    return "1 column" if count == 1 else f"{count} columns"
