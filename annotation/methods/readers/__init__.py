"""Readers: files in, numbered rows out, one at a time and never more than a little in memory.

A reader never raises for what a row holds: the row comes out with its problem instead, and the
next one follows. It raises :class:`UnreadableFileError` where the file as a whole makes no sense.
"""

from collections.abc import Iterator
from pathlib import PurePath
from typing import BinaryIO

from annotation.methods.readers.json_lines import read_json_lines
from annotation.methods.readers.json_lists import read_json_list
from annotation.methods.readers.parquet import read_parquet
from annotation.methods.readers.po import read_po
from annotation.methods.readers.rows import FIELDS, Row, UnreadableFileError, Wanted
from annotation.methods.readers.tables import read_csv, read_tsv
from annotation.methods.readers.tagged import read_iob2, read_universal

__all__ = ["FIELDS", "FORMATS", "Row", "UnreadableFileError", "Wanted", "format_of", "read_rows"]

_READERS = {
    "csv": read_csv,
    "tsv": read_tsv,
    "jsonl": read_json_lines,
    "json": read_json_list,
    "parquet": read_parquet,
    "po": read_po,
    "conllu": read_universal,
    "iob2": read_iob2,
}
FORMATS = tuple(_READERS)
_SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".po": "po",
    ".pot": "po",
    ".conllu": "conllu",
    ".conll": "iob2",
    ".iob2": "iob2",
    ".iob": "iob2",
    ".bio": "iob2",
}


def format_of(filename: str) -> str:
    """Return the format that a file's name tells, or nothing.

    >>> format_of("Wolof.TSV"), format_of("notes.docx")
    ('tsv', '')
    """
    return _SUFFIXES.get(PurePath(filename).suffix.lower(), "")


def read_rows(stream: BinaryIO, *, format: str, wanted: Wanted) -> Iterator[Row]:
    """Yield the rows of a file in order.

    >>> import io
    >>> file = io.BytesIO(b"text,language\\nNa nga def?,wo\\n")
    >>> wanted = Wanted(defaults={"licence": "CC0-1.0"})
    >>> [row.values for row in read_rows(file, format="csv", wanted=wanted)]
    [{'text': 'Na nga def?', 'language': 'wo'}]
    """
    return _READERS[format](stream, wanted)
