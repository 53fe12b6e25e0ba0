"""Other tools: what Label Studio and the library `datasets` write comes in, and goes out to them."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from django.core.management import CommandError, call_command
from django.utils import timezone

from annotation.actions.agreed_files import FORMATS, write_agreed
from annotation.actions.choosing import label_for
from annotation.errors import ConflictError
from annotation.methods.dataset_folders import FolderError, data_files
from annotation.methods.readers import Row, UnreadableFileError, Wanted, json_lists, read_rows
from annotation.models import Campaign, Consensus, GoldItem, Sample, SampleImport
from tests.make import make_campaign, make_sample

TASKS: list[Any] = [
    {"id": 1, "data": {"text": "one"}, "annotations": []},
    {
        "id": 2,
        "data": {"text": "two", "id": "mine", "year": 2020},
        "annotations": [
            {"ground_truth": True, "result": [{"value": {"choices": ["yes"]}}]},
            {"ground_truth": True, "was_cancelled": True, "result": []},
            {"result": [{"value": {"choices": ["no"]}}]},
        ],
    },
    {
        "id": 3,
        "data": {"text": "three"},
        "annotations": [
            {"result": [{"value": {"choices": ["no", "yes"]}}]},
            {"result": [{"value": {"choices": ["no", "yes"]}}]},
        ],
    },
    {
        "id": 4,
        "data": {"text": "four"},
        "annotations": [
            {"result": [{"value": {"choices": ["no"]}}]},
            {"result": [{"value": {"choices": ["yes"]}}]},
        ],
    },
    {
        "id": 5,
        "data": {"text": "Awa si Dakar"},
        "annotations": [
            {
                "ground_truth": True,
                "result": [
                    {"value": {"start": 7, "end": 12, "labels": ["loc"]}},
                    {"value": {"start": 0, "end": 3, "labels": ["per"]}},
                ],
            }
        ],
    },
]


def read(content: Any, *, format: str = "json", **columns: str) -> list[Row]:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    wanted = Wanted(columns=columns, defaults={"language": "wo", "licence": "CC0-1.0"})
    return list(read_rows(io.BytesIO(raw), format=format, wanted=wanted))


def test_what_label_studio_exports_comes_in_with_what_somebody_declared_right() -> None:
    rows = read(b"\xef\xbb\xbf" + json.dumps(TASKS).encode())
    assert [row.number for row in rows] == [1, 2, 3, 4, 5]
    assert [row.values.get("id") for row in rows] == ["1", "mine", "3", "4", "5"]
    assert [row.values.get("label") for row in rows] == [None, "yes", None, None, None]
    assert rows[4].values["spans"] == [
        {"start": 0, "end": 3, "label": "per"},
        {"start": 7, "end": 12, "label": "loc"},
    ]
    alike = read(TASKS, label="annotations")
    assert [row.values.get("label") for row in alike] == [None, None, ["no", "yes"], None, None]


def test_a_damaged_list_is_told_where_it_breaks_and_no_object_fills_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(UnreadableFileError, match="Behind object 1 the file is not JSON"):
        read(b'[{"text": "one"}, {"text": ')
    with pytest.raises(UnreadableFileError, match="no list of objects"):
        read(b'{"text": "one"}')
    assert [row.problem for row in read([{"text": "a"}, 3, None])] == [
        "",
        *["is not a JSON object"] * 2,
    ]
    monkeypatch.setattr(json_lists, "MOST_BYTES_PER_OBJECT", 200_000)
    many = [{"text": "x" * 1000}] * 500
    assert len(read(many)) == 500
    with pytest.raises(UnreadableFileError, match="longer than 200,000 bytes"):
        read([{"text": "a"}, {"text": ["x" * 1000] * 500}])


def with_classes(path: Path, names: list[str], labels: list[int]) -> Path:
    features = {"label": {"names": names, "_type": "ClassLabel"}, "text": {"_type": "Value"}}
    told = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    table = pa.table({"text": [f"{path.stem} {n}" for n in range(len(labels))], "label": labels})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.replace_schema_metadata(told), path)
    return path


def test_classes_that_a_table_tells_by_number_are_read_by_name(tmp_path: Path) -> None:
    raw = with_classes(tmp_path / "a.parquet", ["no", "yes"], [1, 0, -1, 7]).read_bytes()
    rows = read(raw, format="parquet")
    assert [row.values["label"] for row in rows] == ["yes", "no", "", 7]


def manage(*arguments: Any) -> str:
    out = io.StringIO()
    call_command(*map(str, arguments), stdout=out, stderr=io.StringIO())
    return out.getvalue()


def hub_folder(place: Path) -> Path:
    for part, labels in (("train", [0, 1, 1]), ("validation", [1, 0]), ("test", [0])):
        with_classes(place / f"data/wo/{part}-0.parquet", ["admin", "dates"], labels)
    (place / "README.md").write_text(
        "---\nconfigs:\n- config_name: wo\n  data_files:\n"
        + "".join(
            f"  - split: {part}\n    path: data/wo/{part}-*.parquet\n"
            for part in ("train", "validation", "test")
        )
        + "---\n# Ours\n"
    )
    return place


@pytest.mark.django_db
def test_a_folder_of_a_data_set_comes_in_part_by_part(tmp_path: Path) -> None:
    campaign = make_campaign(slug="hub", languages=("wo", "qu"))
    folder = hub_folder(tmp_path / "set")
    told = manage("import_samples", "hub", folder, "--default", "licence=CC0-1.0")
    assert told.count("0 refused") == 3
    samples = Sample.objects.filter(campaign=campaign)
    assert set(samples.values_list("language__tag", flat=True)) == {"wo"}
    # What was to be learned there is what people are asked about here.
    assert samples.pool().count() == 3
    gold = GoldItem.objects.filter(sample__campaign=campaign)
    assert sorted(gold.values_list("split", "label__key")) == [
        ("dev", "admin"),
        ("dev", "dates"),
        ("gate", "admin"),
    ]


@pytest.mark.django_db
def test_a_folder_with_a_bad_file_leaves_nothing_behind(tmp_path: Path, settings: Any) -> None:
    settings.MEDIA_ROOT = tmp_path / "media"
    make_campaign(slug="hub", languages=("wo",))
    folder = hub_folder(tmp_path / "set")
    (folder / "data/wo/train-1.parquet").write_bytes(b"no table")
    with pytest.raises(CommandError, match="not Parquet"):
        manage("import_samples", "hub", folder, "--default", "licence=CC0-1.0")
    assert not SampleImport.objects.exists()
    assert list((tmp_path / "media").iterdir()) == []


def test_no_name_leads_out_of_a_folder(tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("text\na\n")
    folder = tmp_path / "set"
    folder.mkdir()
    for pattern in ("../secret.csv", "/etc/passwd", "https://example.org/a.csv", "none.csv"):
        (folder / "README.md").write_text(
            f"---\nconfigs:\n- config_name: a\n  data_files: {pattern}\n---\n"
        )
        with pytest.raises(FolderError, match=r"README\.md names"):
            data_files(folder)
    aliases = "".join(f"b{n}: &b{n} [{', '.join([f'*b{n - 1}'] * 9)}]\n" for n in range(1, 12))
    (folder / "README.md").write_text(
        f"---\nb0: &b0 [a]\n{aliases}configs:\n- config_name: *b11\n  data_files: a.csv\n---\n"
    )
    with pytest.raises(FolderError, match="no short text"):
        data_files(folder)
    (folder / "README.md").write_text("no header")
    with pytest.raises(FolderError, match="no file of data"):
        data_files(folder)
    (folder / "a.csv").symlink_to(secret)
    with pytest.raises(FolderError, match="leads out of the folder"):
        data_files(folder)
    (folder / "a.csv").unlink()
    (folder / "dev").mkdir()
    for name in ("train.csv", "dev/b.jsonl", "card.json", ".hidden.csv"):
        (folder / name).write_text("text\na\n")
    assert [(one.path.name, one.split) for one in data_files(folder)] == [
        ("train.csv", "train"),
        ("b.jsonl", "validation"),
    ]


def agree(
    campaign: Campaign, text: str, *, value: Any = None, label: str = "", **over: Any
) -> None:
    sample = make_sample(campaign, text=text, **over)
    answer = {"label": label} if value is None else {"label": label, "value": value}
    Consensus.objects.create(
        sample=sample,
        people={},
        label=label_for(campaign, answer=answer),
        confidence=0.875,
        weight=0.5,
        answers=2,
        revisions=[],
        aggregator="majority",
    )


def everything(campaign: Campaign, path: Path, format: str) -> list[Row]:
    write_agreed(campaign, path=path, format=format)
    if format != "datasets":
        columns = {"label": "annotations"} if format == "json" else {}
        return read(path.read_bytes(), format=format, **columns)
    header = yaml.safe_load((path / "README.md").read_text().split("---")[1])
    assert [one["config_name"] for one in header["configs"]] == header["language"]
    return [
        row for one in data_files(path) for row in read(one.path.read_bytes(), format="parquet")
    ]


@pytest.mark.django_db
@pytest.mark.parametrize("format", FORMATS)
def test_what_people_agree_on_reads_back_as_it_was(tmp_path: Path, format: str) -> None:
    campaign = make_campaign(slug="out", languages=("qu", "wo"))
    agree(campaign, "Ñawi\n\"q\", 'x'", label="dates", tag="qu")
    agree(campaign, "Jamm 😀", label="admin", tag="wo", external_id="w-1")
    agree(campaign, "gone", label="admin", tag="wo")
    Sample.objects.filter(text="gone").update(withdrawn_at=timezone.now())
    agree(campaign, "known", label="admin", tag="wo")
    known = Sample.objects.get(text="known")
    GoldItem.objects.create(sample=known, label=campaign.labels.get(key="admin"), split="gate")
    rows = everything(campaign, tmp_path / "out", format)
    assert [row.values["text"] for row in rows] == ["Ñawi\n\"q\", 'x'", "Jamm 😀"]
    assert [row.values["label"] for row in rows] == ["dates", "admin"]
    assert [row.values["language"] for row in rows] == ["qu", "wo"]
    assert rows[1].values["id"] == "w-1"
    with pytest.raises(ConflictError, match="is there already"):
        write_agreed(campaign, path=tmp_path / "out", format=format)


@pytest.mark.django_db
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("kind", ["several", "spans"])
def test_answers_that_are_composed_read_back_too(tmp_path: Path, format: str, kind: str) -> None:
    campaign = make_campaign(slug="out", languages=("wo",), objective=kind)
    value: list[Any] = (
        ["admin", "dates"] if kind == "several" else [[0, 3, "admin"], [7, 12, "dates"]]
    )
    agree(campaign, "Awa si Dakar", label=f"{kind}-1", value=value, tag="wo")
    agree(campaign, "=1+1", label=f"{kind}-2", value=[], tag="wo")
    rows = everything(campaign, tmp_path / "out", format)
    target = make_campaign(slug="in", languages=("wo",), objective=kind)
    lines = tmp_path / "back.jsonl"
    told = [{**row.values, "licence": "CC0-1.0", "split": "gate"} for row in rows]
    lines.write_text("".join(json.dumps(one) + "\n" for one in told))
    assert ", 0 refused" in manage("import_samples", "in", lines)
    found = {
        gold.sample.text: gold.label.value
        for gold in GoldItem.objects.filter(sample__campaign=target).select_related("label")
    }
    # A spreadsheet must not run it.
    other = "'=1+1" if format == "csv" else "=1+1"
    expected = {"Awa si Dakar": value, other: []}
    assert found == expected


@pytest.mark.django_db
def test_nothing_stays_of_a_file_that_could_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = make_campaign(slug="out", languages=("wo",))
    agree(campaign, "Jamm", label="dates", tag="wo")

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(csv.DictWriter, "writerow", full)
    with pytest.raises(CommandError, match="No space left"):
        manage("export_agreed", "out", tmp_path / "a.csv")
    assert list(tmp_path.iterdir()) == []
    assert "1 texts" in manage("export_agreed", "out", tmp_path / "a.jsonl", "--language", "wo")
    for wrong in (("nowhere", "b.csv"), ("out", "b.docx"), ("out", "b.csv", "--language", "xx")):
        with pytest.raises(CommandError):
            manage("export_agreed", wrong[0], tmp_path / wrong[1], *wrong[2:])
