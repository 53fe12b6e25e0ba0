"""Imports: what is sound comes in once, what is not is reported, whatever happens to the worker."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from annotation.actions import imports
from annotation.actions.imports import reclaim_imports, run_import
from annotation.errors import ConflictError, InvalidInputError
from annotation.methods.texts import digest
from annotation.models import GoldItem, Sample, SampleImport, Source
from tests.annotation.bringing import NOW, bring, clock, queue, refusals
from tests.make import make_campaign, make_gold, make_sample

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_folder(settings: Settings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "uploads"


def table(rows: list[list[str]]) -> str:
    return "\n".join(",".join(row) for row in rows) + "\n"


BAD = {
    17: ("", "has 2 columns; the header has 4"),
    501: ("text", "is empty"),
    502: ("language", "unknown language 'fr'; the campaign has: qu, wo"),
    1000: ("label", "unknown label 'weather'; the campaign has: admin, accounts, dates"),
    4999: ("id", "the id 'id-2' is already taken in wo"),
    5000: ("text", "holds a NUL character at position 4"),
    10001: ("", 'has a quote (") that is never closed'),
}


def ten_thousand_rows() -> str:
    rows = [["text", "language", "id", "label"]]
    rows += [[f"text number {row}", "wo", f"id-{row}", ""] for row in range(2, 10_002)]
    rows[16] = ["two", "columns"]
    rows[500][0] = '"  "'
    rows[501][1] = "fr"
    rows[999][3] = "weather"
    rows[4998][2] = "id-2"
    rows[4999][0] = "a\0b".replace("a", "abc")
    rows[10_000][0] = '"never closed'
    return table(rows)


def test_seven_bad_rows_of_ten_thousand_are_reported_and_the_others_kept() -> None:
    job = bring(make_campaign(), ten_thousand_rows())
    assert (job.status, job.rows_read, job.rows_kept, job.rows_refused) == (
        "done",
        10_000,
        9_993,
        7,
    )
    assert refusals(job) == BAD
    kept = set(Sample.objects.pool().values_list("row", flat=True))
    assert kept == set(range(2, 10_002)) - set(BAD)
    assert job.bytes_read == job.bytes_total


def test_seven_bad_rows_of_ten_thousand_keep_the_whole_file_out_if_so_wished() -> None:
    job = bring(make_campaign(), ten_thousand_rows(), on_error="refuse_all")
    assert (job.status, job.rows_kept, job.rows_refused) == ("refused", 0, 7)
    assert refusals(job) == BAD
    assert "7 rows are refused" in job.error
    assert not Sample.objects.exists()


def test_a_refused_file_comes_in_once_it_is_mended() -> None:
    campaign = make_campaign()
    bring(campaign, "text\nJamm\n\0\n", on_error="refuse_all")
    job = bring(campaign, "text\nJamm\nSalaam\n", on_error="refuse_all")
    assert (job.status, job.rows_kept) == ("done", 2)


def test_samples_are_in_no_pool_before_their_import_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    campaign, seen = make_campaign(), []
    monkeypatch.setattr(imports, "ROWS_AT_ONCE", 2)

    def look(job: SampleImport) -> None:
        seen.append((Sample.objects.count(), Sample.objects.ready().count(), job.rows_read))

    job = queue(campaign, "text\na\nb\nc\nd\n")
    run_import(job.pk, now=clock, progress=look)
    assert seen == [(2, 0, 2), (4, 0, 4)]
    assert Sample.objects.ready().count() == 4


def test_our_copy_is_removed_when_done(settings: Settings) -> None:
    job = queue(make_campaign(), "text\na\n")
    folder = Path(settings.MEDIA_ROOT)
    assert [path.name for path in folder.iterdir()] == [job.path]
    assert run_import(job.pk, now=clock).path == ""
    assert list(folder.iterdir()) == []


def test_a_lost_copy_is_said_not_waited_for(settings: Settings) -> None:
    job = queue(make_campaign(), "text\na\n")
    (Path(settings.MEDIA_ROOT) / job.path).unlink()
    done = run_import(job.pk, now=clock)
    assert (done.status, done.error) == ("failed", "Our copy of the file is gone. Import it again.")


def test_a_copy_that_cannot_be_removed_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise PermissionError("read-only")

    job = queue(make_campaign(), "text\na\n")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", forbidden)
        assert run_import(job.pk, now=clock).status == "done"
        assert reclaim_imports(NOW) == []
    job.refresh_from_db()
    assert job.path
    reclaim_imports(NOW)
    job.refresh_from_db()
    assert job.path == ""


def test_the_same_file_comes_in_once_unless_it_is_meant() -> None:
    campaign = make_campaign()
    first = bring(campaign, "text\na\n")
    with pytest.raises(ConflictError, match=f"as import {first.pk} "):
        queue(campaign, "text\na\n", "renamed.csv")
    assert queue(campaign, "text\na\n", again=True).pk != first.pk
    assert queue(make_campaign(), "text\na\n").status == "queued"


def test_a_file_of_nothing_but_a_header_is_no_success() -> None:
    job = bring(make_campaign(), "text\n")
    assert (job.status, job.error) == ("failed", "The file holds no row.")


@pytest.mark.parametrize(
    ("content", "name", "told"),
    [
        (b"", "a.csv", "empty"),
        (b"text\na\n", "a.docx", "tells no format"),
        (b"PK\x03\x04rest", "a.csv", "save the sheet as CSV"),
        (b"\x1f\x8b\x08", "a.csv", "gzip"),
        (b"body,x\na,b\n", "a.csv", "no column 'text'.*'body', 'x'.*text=NAME"),
        (b"text,text\na,b\n", "a.csv", "there twice"),
        (
            "text\nd\xe9j\xe0\nvu\xe9\n".encode("latin-1"),
            "a.csv",
            r"byte 7 \(line 2, 0xE9\).*UTF-8",
        ),
        ("text\na\n".encode("utf-32"), "a.csv", "UTF-32"),
        ("text\na\n".encode("utf-16-le"), "a.csv", "byte order mark"),
        (b'[{"text": "a"}]', "a.jsonl", "one JSON list"),
        (b"text\na\n", "a.parquet", "not Parquet"),
        (b"PAR1....", "a.csv", "is Parquet"),
        (
            b'msgid ""\nmsgstr "Content-Type: text/plain; charset=ISO-8859-1\\n"\n\nmsgid "a"\nmsgstr "b"\n',
            "a.po",
            "msgconv --to-code=UTF-8",
        ),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_at_the_door(
    settings: Settings, content: bytes, name: str, told: str
) -> None:
    with pytest.raises(InvalidInputError, match=told):
        queue(make_campaign(), content, name)
    assert not SampleImport.objects.exists()
    assert not list(Path(settings.MEDIA_ROOT).glob("*"))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"columns": {"txt": "a"}}, "no field 'txt'"),
        ({"columns": {"text": "body"}}, "no column 'body'"),
        ({"defaults": {"text": "a"}}, "no default for 'text'"),
        ({"defaults": {"language": "fr"}}, "default for language.*unknown language 'fr'"),
        ({"defaults": {}}, "no column 'language'.*default language=wo"),
        ({"defaults": {"language": "wo"}}, "no column 'licence'.*default licence=CC0-1.0"),
        ({"on_error": "ignore"}, "cannot be handled as 'ignore'"),
        ({"format": "xml"}, "no format 'xml'"),
    ],
)
def test_options_that_make_no_sense_are_refused_with_a_remedy(
    options: dict[str, Any], told: str
) -> None:
    with pytest.raises(InvalidInputError, match=told):
        queue(make_campaign(), "text\na\n", **options)


def test_a_row_without_a_licence_is_refused_and_told_why() -> None:
    job = bring(make_campaign(), "text,licence\na,\nb,CC-BY-4.0\n", defaults={"language": "wo"})
    assert refusals(job) == {2: ("licence", "has no licence; fill the column or give all rows one")}
    assert Source.objects.get().name == "a.csv"


def test_columns_are_found_under_other_names_and_meta_is_kept() -> None:
    content = "Body;Key;year;Dialect\nJamm;7;2020;Lebu\n"
    columns = {"text": "Body", "id": "Key", "group": "Key", "meta.year": "year"}
    bring(make_campaign(), content, columns=columns)
    sample = Sample.objects.get()
    assert (sample.text, sample.external_id, sample.group) == ("Jamm", "7", "7")
    assert (sample.meta, sample.dialect) == ({"year": "2020"}, "Lebu")
    assert (sample.digest, str(sample.source)) == (digest("Jamm"), "Village news (CC0-1.0)")


def test_one_source_for_each_name_and_licence() -> None:
    campaign = make_campaign()
    bring(campaign, "text,source,licence\na,News,CC0-1.0\nb,News,CC-BY-4.0\nc,News,CC0-1.0\n")
    bring(campaign, "text,source,licence\nd,News,CC0-1.0\n")
    assert Source.objects.count() == 2


FORMULA = '=HYPERLINK("http://x","y")'
HTML = "<script>alert(1)</script>&amp;"


def test_formulas_and_markup_stay_the_text_they_are() -> None:
    rows = [{"text": FORMULA}, {"text": HTML}, {"text": "{{ 7*7 }} $x %s \u202eabc"}]
    bring(make_campaign(), "\n".join(map(json.dumps, rows)), "a.jsonl")
    assert [s.text for s in Sample.objects.all()] == [row["text"] for row in rows]


def gold_rows(*rows: str) -> str:
    return "text,language,label,split,group\n" + "".join(f"{row}\n" for row in rows)


def test_a_known_answer_makes_a_gold_item_and_no_pool() -> None:
    bring(make_campaign(), gold_rows("a,wo,admin,dev,", "b,wo,Accounts,GATE,", "c,wo,,,"))
    found = GoldItem.objects.values_list("sample__text", "label__key", "split")
    assert set(found) == {("a", "admin", "dev"), ("b", "accounts", "gate")}
    assert [sample.text for sample in Sample.objects.pool()] == ["c"]


def test_the_gold_split_is_the_same_for_a_group_in_every_language_and_import() -> None:
    one, other = make_campaign(), make_campaign()
    content = gold_rows(*(f"{t} {n},{t},admin,,g{n}" for n in range(200) for t in ("wo", "qu")))
    bring(one, content)
    bring(other, content)
    splits: dict[str, set[str]] = {}
    for group, split in GoldItem.objects.values_list("sample__group", "split"):
        splits.setdefault(group, set()).add(split)
    assert all(len(found) == 1 for found in splits.values())
    assert 40 <= sum(found == {"dev"} for found in splits.values()) <= 80


@pytest.mark.parametrize(
    ("row", "field", "told"),
    [
        ("gold,wo,,,", "text", "already gold (gate) in wo; as in the pool too"),
        (" GOLD ,wo,,,", "text", "already gold (gate) in wo; as in the pool too"),
        ("gold,qu,,,", "text", "already gold (gate) in wo; as in the pool too"),
        ("gold,qu,admin,dev,", "text", "already gold (gate) in wo; as gold (dev) too"),
        ("gold,wo,dates,gate,", "text", "already gold (gate) in wo"),
        ("translated,qu,,,g", "group", "the group 'g' is already gold (gate); as in the pool"),
        (
            "translated,qu,admin,dev,g",
            "group",
            "the group 'g' is already gold (gate); as gold (dev)",
        ),
        ("pool,wo,admin,gate,", "text", "already in the pool in wo; as gold (gate) too"),
        ("pool,qu,admin,gate,", "text", "already in the pool in wo; as gold (gate) too"),
        ("other,qu,admin,gate,p", "group", "the group 'p' is already in the pool; as gold"),
        ("x,wo,,dev,", "split", "is given but no label"),
        ("x,wo,admin,test,", "split", "is 'test', not dev or gate"),
    ],
)
@pytest.mark.parametrize("same_file", [True, False])
def test_nothing_that_judges_is_asked_or_tuned_on_in_any_disguise(
    row: str, field: str, told: str, same_file: bool
) -> None:
    campaign = make_campaign()
    first = ["gold,wo,admin,gate,g", "pool,wo,,,p"]
    if same_file:
        job = bring(campaign, gold_rows(*first, row))
        number = 4
    else:
        bring(campaign, gold_rows(*first))
        job = bring(campaign, gold_rows(row))
        number = 2
    assert list(refusals(job)) == [number]
    assert refusals(job)[number][0] == field
    assert told in refusals(job)[number][1]


@pytest.mark.parametrize(
    "row", ["new,qu,admin,gate,g", "gold,qu,admin,gate,", "pool,wo,,,p", "pool,qu,,,"]
)
def test_texts_with_the_same_role_live_together(row: str) -> None:
    campaign = make_campaign()
    assert bring(campaign, gold_rows("gold,wo,admin,gate,g", "pool,wo,,,p", row)).rows_refused == 0


def test_other_campaigns_are_no_hindrance() -> None:
    make_gold(make_campaign(), text="a", group="g", external_id="1")
    job = bring(make_campaign(), "text,id,group\na,1,g\n")
    assert job.rows_refused == 0


def test_samples_that_came_without_an_import_count_too() -> None:
    campaign = make_campaign()
    make_sample(campaign, text="x", external_id="1")
    job = bring(campaign, "text,id,language\na,1,wo\nb,1,qu\n")
    assert refusals(job) == {2: ("id", "the id '1' is already taken in wo")}


def test_a_finished_campaign_takes_nothing_more() -> None:
    campaign = make_campaign(status="finished")
    with pytest.raises(ConflictError, match="is finished"):
        queue(campaign, "text\na\n")


def test_a_full_disk_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("annotation.actions.uploads.os.fsync", full)
    with pytest.raises(Exception, match=r"No space left.*Make room"):
        queue(make_campaign(), "text\na\n")


@pytest.mark.parametrize(
    ("name", "kept"),
    [("../../etc/a.csv", "a.csv"), ("C:\\x\\a.csv", "a.csv"), ("a\n\x1b.csv", "a__.csv")],
)
def test_a_file_name_is_only_a_name(name: str, kept: str) -> None:
    assert queue(make_campaign(), "text\na\n", name).filename == kept


def test_a_batch_takes_few_queries(django_assert_max_num_queries: Callable[..., Any]) -> None:
    campaign = make_campaign()
    job = queue(campaign, gold_rows(*(f"text {n},wo,,,g{n}" for n in range(400))))
    with django_assert_max_num_queries(40):
        run_import(job.pk, now=clock)
