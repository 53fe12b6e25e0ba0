"""Foreign files that are meant to do harm: each is refused or read as the text that it is."""

import gzip
import io
import json
import re
import tracemalloc
import zipfile

import pytest

from annotation.methods.catalogues import read_catalogue
from annotation.methods.cells import inert
from annotation.methods.readers import FORMATS, UnreadableFileError, Wanted, read_rows
from annotation.methods.readers.cleaning import Refusal, Rules, clean
from benchmarks.fuzz import KINDS, RULES, try_one
from benchmarks.fuzz_made import made
from config.env import ROOT

WANTED = Wanted(defaults={"licence": "CC0-1.0", "language": "wo"})


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_that_is_damaged_breaks_a_reader(kind: str) -> None:
    for number in range(120):
        try_one(kind, made(kind, number))


# What the fuzzer has broken: these very inputs, by number.
@pytest.mark.parametrize(
    ("kind", "number"),
    [
        *(("parquet", 608), ("parquet", 3696), ("parquet", 11845), ("parquet", 22231)),
        ("po", 463),
    ],
)
def test_what_once_broke_a_reader_does_so_no_more(kind: str, number: int) -> None:
    try_one(kind, made(kind, number))


@pytest.mark.parametrize("bracket", [b"[", b'{"a":', b'[{"a":'])
def test_a_tower_of_brackets_is_refused_before_it_fills_the_memory(bracket: bytes) -> None:
    tracemalloc.start()
    with pytest.raises(UnreadableFileError):
        list(read_rows(io.BytesIO(bracket * 20_000), format="json", wanted=WANTED))
    assert tracemalloc.get_traced_memory()[1] < 30e6
    tracemalloc.stop()


def test_a_csv_bomb_costs_its_rows_and_little_memory() -> None:
    bomb = b'text,language\n"' + b"a" * 3_000_000 + b"\n" + b'"",' * 100_000 + b"\nNanga def?,wo\n"
    tracemalloc.start()
    rows = list(read_rows(io.BytesIO(bomb), format="csv", wanted=WANTED))
    assert tracemalloc.get_traced_memory()[1] < 60e6
    tracemalloc.stop()
    assert rows[-1].values["text"] == "Nanga def?"
    assert all(row.problem for row in rows[:-1])


def test_what_is_packed_is_not_unpacked() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../bomb.csv", b"text\n" + b"0" * 10_000_000)
    for data in (gzip.compress(b"text\n" + b"0" * 10_000_000), packed.getvalue()):
        assert len(data) < 20_000
        for format in sorted({*FORMATS} - {"parquet"}):
            try:
                rows = list(read_rows(io.BytesIO(data), format=format, wanted=WANTED))
            except UnreadableFileError:
                continue
            assert all(isinstance(clean(row, RULES), Refusal) for row in rows if not row.skipped)


@pytest.mark.parametrize("format", FORMATS)
def test_entities_of_xml_are_plain_text(format: str) -> None:
    xml = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'
    try:
        rows = list(read_rows(io.BytesIO(xml), format=format, wanted=WANTED))
    except UnreadableFileError:
        rows = []
    assert all(isinstance(clean(row, RULES), Refusal) for row in rows)
    assert not read_catalogue(xml).entries


@pytest.mark.parametrize("wrong", ["\0", "\ud800", "a\0b", "\udfffx"])
def test_what_no_database_holds_is_refused_by_field_and_told_in_what_it_holds(wrong: str) -> None:
    for field in ("text", "id", "source", "licence", "label", "meta"):
        told = {"text": "Jàmm", "language": "wo"} | {
            field: {"a": wrong} if field == "meta" else wrong
        }
        file = io.BytesIO(json.dumps(told).encode())
        (row,) = read_rows(file, format="jsonl", wanted=WANTED)
        found = clean(row, RULES)
        assert isinstance(found, Refusal)
        (found.reason + found.excerpt).encode()
        assert "\0" not in found.reason + found.excerpt


# What is written by it holds numbers and tags of languages alone.
NUMBERS_ALONE = {"training/management/commands/compare.py"}


def test_whatever_writes_a_table_lets_no_cell_run() -> None:
    ours = (
        file
        for app in ("annotation", "learning", "training", "config")
        for file in (ROOT / app).rglob("*.py")
    )
    told = {str(file.relative_to(ROOT)): file.read_text() for file in ours}
    writing = {
        name for name, text in told.items() if re.search(r"csv\.(?:writer|DictWriter)\(", text)
    }
    assert {
        name for name in writing if not re.search(r"(?<!def )inert\(", told[name])
    } == NUMBERS_ALONE


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", '=HYPERLINK("x")'])
def test_no_cell_of_ours_runs_in_a_spreadsheet(cell: str) -> None:
    assert inert(cell) == f"'{cell}"
    rules = Rules.of(languages=["wo"], labels=[], defaults=WANTED.defaults)
    (row,) = read_rows(
        io.BytesIO(json.dumps({"text": f"{cell} x", "language": "wo"}).encode()),
        format="jsonl",
        wanted=WANTED,
    )
    assert not isinstance(clean(row, rules), Refusal)  # what people wrote stays what they wrote
