"""Tables as files for a spreadsheet: streamed, nothing in them runs, and read as UTF-8 everywhere."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.http import StreamingHttpResponse

from annotation.methods.cells import inert

# Without it some spreadsheets take UTF-8 for the encoding of their country.
MARK = "\ufeff"


class Echo:
    """What a csv writer writes to when each line goes straight out."""

    def write(self, line: str) -> str:
        """Give the line back to whoever wrote it."""
        return line


def spreadsheet(
    name: str, *, head: Sequence[str], rows: Iterable[Sequence[Any]]
) -> StreamingHttpResponse:
    """Answer with a table as CSV under a file's name, row by row."""
    return StreamingHttpResponse(
        _lines(head, rows),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )


def _lines(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    writer = csv.writer(Echo())
    yield MARK + writer.writerow(head)
    for row in rows:
        yield writer.writerow([inert(cell) if isinstance(cell, str) else cell for cell in row])
