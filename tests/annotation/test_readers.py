"""Readers: right row numbers, no crash on anything, every row kept or reported."""

import csv
import io
import json
import time
from pathlib import Path
from typing import Any

import polib
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from annotation.methods import texts
from annotation.methods.readers import FORMATS, Row, UnreadableFileError, Wanted, read_rows
from annotation.methods.readers.cleaning import CleanRow, Refusal, Rules, clean
from annotation.methods.readers.rows import MOST_CHARACTERS_PER_ROW

DEFAULTS = {"language": "wo", "licence": "CC0-1.0"}
WANTED = Wanted(defaults=DEFAULTS)
RULES = Rules.of(languages=["wo", "qu"], labels=[("yes", "Yes"), ("no", "No")], defaults=DEFAULTS)


def read(content: str | bytes, format: str = "csv", wanted: Wanted = WANTED) -> list[Row]:
    raw = content.encode() if isinstance(content, str) else content
    return list(read_rows(io.BytesIO(raw), format=format, wanted=wanted))


def told(rows: list[Row]) -> list[tuple[int, Any]]:
    return [(row.number, row.problem or row.skipped or row.values.get("text")) for row in rows]


def test_line_ends_inside_quotes_do_not_shift_row_numbers() -> None:
    rows = read('text,id\n"one\ntwo\r\nthree",1\n\nfour,2\n"fi""ve,",3\nsix\n')
    assert told(rows) == [
        (2, "one\ntwo\r\nthree"),
        (4, "four"),
        (5, 'fi"ve,'),
        (6, "has 1 column; the header has 2"),
    ]


def test_a_quote_that_never_closes_costs_one_row_only() -> None:
    rows = read('text,id\na,1\n"b,2\nc,3\n"d",4\ne,5\n')
    unclosed = 'has a quote (") that is never closed'
    assert told(rows) == [(2, "a"), (3, unclosed), (4, "c"), (5, "d"), (6, "e")]


def test_a_quote_that_stays_open_for_megabytes_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = 3 * MOST_CHARACTERS_PER_ROW // 100
    rows = read('text\n"open\n' + ("x" * 99 + "\n") * lines)
    assert rows[0].problem == 'has a quote (") that is never closed'
    assert [row.number for row in rows] == list(range(2, lines + 3))
    assert rows[1].values["text"] == "x" * 99


def test_a_line_without_end_is_one_bad_row_not_all_memory() -> None:
    rows = read("text\n" + "y" * (2 * MOST_CHARACTERS_PER_ROW + 7) + "\nz\n")
    assert told(rows) == [(2, "is longer than 1,000,000 characters"), (3, "z")]


def test_a_text_just_too_long_is_refused_by_its_length() -> None:
    long = '"' + "a\n" * 50_001 + '"'
    found = [clean(row, RULES) for row in read(f"text\n{long}\nb\n")]
    assert isinstance(found[0], Refusal)
    assert found[0].reason == "is 100,002 characters long; the most is 100,000"
    assert isinstance(found[1], CleanRow)
    assert found[1].number == 3


def test_a_header_of_very_many_columns_is_refused_at_once() -> None:
    names = ",".join(f"c{number}" for number in range(100_000))
    started = time.monotonic()
    with pytest.raises(UnreadableFileError, match="100,000 columns; the most is 1,000"):
        read(f"text,{names[: names.rindex(',')]}\na\n")
    with pytest.raises(UnreadableFileError, match="'c7' is there twice"):
        read(f"text,{names},c7\na\n")
    assert time.monotonic() - started < 5


def test_quotes_in_tabs_are_what_they_look_like() -> None:
    rows = read('text\tid\n"Hello" he said\t1\n"quoted\ttab"\t2\n"open\t3\nb\t4\n', "tsv")
    assert told(rows) == [(2, '"Hello" he said'), (3, "quoted\ttab"), (4, '"open'), (5, "b")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_with_a_mark_and_every_line_end_are_understood(encoding: str, end: str) -> None:
    content = end.join(["text", "ߒߞߏ", "𞤀𞤣𞤤𞤢𞤥", "አማርኛ"]).encode(encoding)
    assert told(read(content)) == [(2, "ߒߞߏ"), (3, "𞤀𞤣𞤤𞤢𞤥"), (4, "አማርኛ")]


def test_one_byte_that_is_not_utf8_costs_its_row_only() -> None:
    rows = [clean(row, RULES) for row in read(b"text\na\nb\xe9c\nd\n")]
    assert [type(row).__name__ for row in rows] == ["CleanRow", "Refusal", "CleanRow"]
    assert "not UTF-8" in getattr(rows[1], "reason", "")
    assert getattr(rows[1], "excerpt", "") == "b\ufffdc"


def test_half_a_utf16_character_at_the_end_is_a_problem_of_the_file() -> None:
    with pytest.raises(UnreadableFileError, match="Near byte"):
        read("text\nab\n".encode("utf-16") + b"\x41")


def test_json_lines_tell_where_they_break() -> None:
    rows = read(
        '{"text": "a"}\n{"text": \n[1]\n"x"\nnull\n\n{"text": NaN}\n{"text": "b"}\n', "jsonl"
    )
    assert told(rows) == [
        (1, "a"),
        (2, "is not JSON: Expecting value at character 9"),
        (3, "is not a JSON object but a list"),
        (4, "is not a JSON object but a string"),
        (5, "is not a JSON object but null"),
        (7, "is not JSON: NaN is no JSON number"),
        (8, "b"),
    ]


@pytest.mark.parametrize(
    ("row", "field", "reason"),
    [
        ({}, "text", "is missing"),
        ({"text": 5}, "text", "is not a text but"),
        ({"text": ["a"]}, "text", "is not a text but"),
        ({"text": " \u200b\n"}, "text", "is empty"),
        ({"text": "\ud800"}, "text", "unpaired surrogate"),
        ({"text": "a", "id": "x" * 201}, "id", "longer than 200"),
        ({"text": "a", "id": {"b": 1}}, "id", "is not a text"),
        ({"text": "a", "dialect": "\0"}, "dialect", "NUL"),
        ({"text": "a", "meta": 5}, "meta", "is not an object"),
        ({"text": "a", "meta": {"b": ["\ud800"]}}, "meta", "surrogate"),
        ({"text": "a", "meta.x": 1e999}, "meta", "infinite"),
        ({"text": "a", "meta": {"b": "c" * 20_001}}, "meta", "longer than"),
    ],
)
def test_what_cannot_be_stored_is_refused_by_field(
    row: dict[str, Any], field: str, reason: str
) -> None:
    found = clean(Row(1, 0, row), RULES)
    assert isinstance(found, Refusal)
    assert (found.field, reason in found.reason) == (field, True)


def test_deep_and_huge_json_is_no_crash() -> None:
    rows = read(
        '{"text": ' + "[" * 100_000 + "\n" + '{"text": "a", "id": ' + "9" * 5000 + "}\n", "jsonl"
    )
    assert all(isinstance(clean(row, RULES), Refusal) for row in rows)
    assert [row.number for row in rows] == [1, 2]


def parquet(path: Path, columns: dict[str, pa.Array]) -> bytes:
    pq.write_table(pa.table(columns), path, row_group_size=300)
    return path.read_bytes()


def test_parquet_streams_only_the_columns_that_are_wanted(tmp_path: Path) -> None:
    columns = {
        "body": pa.array([f"text {n}" if n != 700 else None for n in range(1, 1201)]),
        "key": pa.array(range(1200)),
        "year": pa.array([2020.5] * 1200),
        "big": pa.array([b"\xff" * 10] * 1200),
    }
    wanted = Wanted({"text": "body", "id": "key", "meta.year": "year"}, DEFAULTS)
    rows = read(parquet(tmp_path / "a", columns), "parquet", wanted)
    assert [row.number for row in rows] == list(range(1, 1201))
    found = [clean(row, RULES) for row in rows]
    assert [row.number for row in found if isinstance(row, Refusal)] == [700]
    first = found[0]
    assert isinstance(first, CleanRow)
    assert (first.text, first.external_id, first.meta) == ("text 1", "0", {"year": 2020.5})


def test_bytes_in_parquet_that_claim_to_be_text_cost_their_row_only(tmp_path: Path) -> None:
    raw = pa.array([b"good", b"b\xe9d", b"fine"], pa.binary()).view(pa.string())
    rows = read(parquet(tmp_path / "a", {"text": raw}), "parquet")
    assert told(rows) == [(1, "good"), (2, "holds byte 0xE9, which is not UTF-8"), (3, "fine")]


def test_one_long_cell_meant_many_times_costs_its_rows_and_no_memory(tmp_path: Path) -> None:
    long, places = "x" * 30_000_000, pa.array([0, 1] * 150, pa.int32())
    values = pa.DictionaryArray.from_arrays(places, pa.array([long, "fine"]))
    pq.write_table(pa.table({"text": values}), tmp_path / "a", store_schema=False)
    before = pa.total_allocated_bytes()
    rows = read((tmp_path / "a").read_bytes(), "parquet")
    problem = "has 30,000,000 bytes in the column 'text'; the most is 400,000"
    assert told(rows) == [(n, "fine" if n % 2 == 0 else problem) for n in range(1, 301)]
    assert pa.default_memory_pool().max_memory() - before < 400_000_000


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["a", None, "b" * 400_001]),
        pa.array(["a", None, "b" * 400_001], pa.large_string()),
        pa.array(["a", None, "b" * 400_001]).dictionary_encode(),
        pa.array([["a"], None, ["b" * 400_001]]),
        pa.array([{"x": "a"}, None, {"x": "b" * 400_001}]),
    ],
    ids=str,
)
def test_a_long_cell_of_any_kind_costs_its_row_only(tmp_path: Path, column: Any) -> None:
    columns = {"text": pa.array(["a", "b", "c"]), "meta": column}
    rows = read(parquet(tmp_path / "a", columns), "parquet")
    assert [bool(row.problem) for row in rows] == [False, False, True]


def test_a_damaged_parquet_says_so(tmp_path: Path) -> None:
    whole = parquet(tmp_path / "a", {"text": pa.array(["a"] * 1000)})
    with pytest.raises(UnreadableFileError, match="not readable as Parquet"):
        read(whole[: len(whole) // 2], "parquet")
    with pytest.raises(UnreadableFileError, match="no column 'text'"):
        read(parquet(tmp_path / "b", {"x": pa.array(["a"])}), "parquet")


PO = """\
# SOME TITLE
msgid ""
msgstr ""
"Language: wo\\n"
"Content-Type: text/plain; charset=UTF-8\\n"

#. for developers
# for translators
#: a.py:12 b.html:3
msgctxt "verb"
msgid "File"
msgstr "Denc"

msgid "File"
msgstr "Taxañ"

#, fuzzy
msgid "fuzzy"
msgstr "lëndëm"

msgid "empty"
msgstr ""

#, python-format
msgid "%d file"
msgid_plural "%d files"
msgstr[0] "%d taxañ"
msgstr[1] "taxañ %d yi"

msgid "broken
msgstr "x"

msgid "long "
"one"
msgstr ""
"bu \\"gudd\\"\\n"
"lool"

#~ msgid "old"
#~ msgstr "màgget"
"""


def test_po_entries_become_rows_with_what_surrounds_them() -> None:
    rows = read(PO, "po")
    assert told(rows) == [
        (7, "Denc"),
        (14, "Taxañ"),
        (17, "fuzzy"),
        (21, "untranslated"),
        (24, "taxañ %d yi"),
        (30, "is not a PO entry: line 30 is neither a keyword with a quoted text nor a comment"),
        (33, 'bu "gudd"\nlool'),
        (39, "obsolete"),
    ]
    verb, noun, plural = rows[0].values, rows[1].values, rows[4].values
    assert verb["language"] == "wo"
    assert verb["id"] != noun["id"]
    assert verb["meta"] == {
        "msgid": "File",
        "msgctxt": "verb",
        "translator_comment": "for translators",
        "comment": "for developers",
        "occurrences": ["a.py:12", "b.html:3"],
    }
    assert isinstance(plural["meta"], dict)
    assert plural["meta"]["plurals"] == ["%d taxañ", "taxañ %d yi"]
    assert plural["meta"]["msgid_plural"] == "%d files"
    assert plural["group"] == "%d file"


def test_po_messages_of_any_length_have_an_id_that_fits() -> None:
    rows = read(f'msgid "{"m" * 5000}"\nmsgstr "t"\n', "po")
    found = clean(rows[0], RULES)
    assert isinstance(found, CleanRow)
    assert (found.external_id or "").startswith("sha256:")


@given(
    st.lists(
        st.tuples(st.text(min_size=1, max_size=20), st.text(max_size=20), st.booleans()),
        max_size=6,
        unique_by=lambda entry: entry[0],
    )
)
@settings(max_examples=60, deadline=None)
def test_po_reads_as_polib_does(entries: list[tuple[str, str, bool]]) -> None:
    file = polib.POFile()
    for msgid, msgstr, fuzzy in entries:
        file.append(polib.POEntry(msgid=msgid, msgstr=msgstr, flags=["fuzzy"] if fuzzy else []))
    content = str(file).encode("utf-8", "surrogatepass")
    try:
        rows = read(content, "po")
    except UnreadableFileError:
        assert not entries
        return
    wanted = [msgstr for _, msgstr, fuzzy in entries if msgstr.strip() and not fuzzy]
    assert [row.values["text"] for row in rows if row.values] == wanted


def cells() -> st.SearchStrategy[str]:
    alphabet = st.characters(codec="utf-8", exclude_characters="\0")
    return st.text(alphabet, max_size=30)


@given(st.lists(st.tuples(cells(), cells()), max_size=12))
@settings(max_examples=150, deadline=None)
def test_what_the_csv_module_wrote_comes_back(rows: list[tuple[str, str]]) -> None:
    written = io.StringIO(newline="")
    csv.writer(written, quoting=csv.QUOTE_ALL).writerows([("text", "id"), *rows])
    found = read(written.getvalue())
    assert [(row.values["text"], row.values["id"]) for row in found] == rows
    assert [row.number for row in found] == list(range(2, len(rows) + 2))


@given(st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=9)), min_size=1, max_size=9))
@settings(max_examples=60, deadline=None)
def test_every_json_object_is_one_row(objects: list[dict[str, str]]) -> None:
    rows = read("\n".join(json.dumps(one) for one in objects), "jsonl")
    assert [row.number for row in rows] == list(range(1, len(objects) + 1))
    assert all(isinstance(clean(row, RULES), CleanRow | Refusal) for row in rows)


PIECES = st.sampled_from(
    [b'"', b"\n", b"\r", b",", b"\t", b";", b"\0", b"\xff", b"\xed\xa0\x80", b"a", b'{"text": "b"}',
     b'msgid "a"\n', b'msgstr "b"\n', b"msgstr[0]", b"msgid", b"#~ ", b"#, fuzzy\n", b"\\", b"PAR1",
     b"\xff\xfe", b"\xef\xbb\xbf", "ñ".encode(), b"[", b"{", b"text", b"=1+1", b"\xe2\x80\xa8"]
)  # fmt: skip


@given(
    st.sampled_from(FORMATS),
    st.one_of(st.binary(max_size=200), st.lists(PIECES, max_size=40).map(b"".join)),
    st.booleans(),
)
@example("csv", b'text\n"a\n"b"c\n"', False)
@example("po", b'msgid "a"\nmsgstr "b"\n\x85msgid "c"\nmsgstr "d"', False)
@example("jsonl", b'{"text": "\\ud800"}', False)
@settings(max_examples=600, deadline=None)
def test_readers_never_crash_and_every_row_is_kept_or_told(
    format: str, content: bytes, headed: bool
) -> None:
    if headed:
        content = b"text,id\n" + content
    try:
        rows = read(content, format)
    except UnreadableFileError:
        return
    numbers = [row.number for row in rows]
    assert numbers == sorted(set(numbers))
    for row in rows:
        if row.skipped:
            continue
        found = clean(row, RULES)
        assert isinstance(found, CleanRow | Refusal)
        if isinstance(found, CleanRow):
            assert texts.problem_with(found.text) == ""
            json.dumps(found.meta).encode()
        else:
            assert found.reason
            (found.reason + found.excerpt).encode()
            assert "\0" not in found.reason + found.excerpt


def test_an_empty_context_is_not_no_context():
    file = b'msgid "Save"\nmsgstr "Denc"\n\nmsgctxt ""\nmsgid "Save"\nmsgstr "Denkal"\n'
    plain, empty = (row.values for row in read_rows(io.BytesIO(file), format="po", wanted=Wanted()))
    assert (plain["id"], empty["id"]) == ("Save", "\x04Save")
    assert ("msgctxt" in plain["meta"], empty["meta"]["msgctxt"]) == (False, "")
