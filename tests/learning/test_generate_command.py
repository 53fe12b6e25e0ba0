"""``generate``: a file of sources becomes a file of outputs, and a kill costs nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from learning.actions import generating
from learning.actions.grading import grader_of
from learning.actions.versions import initial_version
from learning.networks import writing
from tests.learning.generators import tiny_generator
from tests.make import make_campaign

ROWS = [
    {"source": "na nga def", "language": "wo", "id": "a"},
    {"source": "abc", "language": "bm"},
    {"source": 7, "language": "wo"},
    {"source": "mangi fi", "language": "qu", "source_language": "wo"},
    {"source": "jamm rek", "language": "wo"},
    {"source": " ", "language": "wo"},
    {"source": "a\0b", "language": "wo"},
    {"source": "ab " * 200, "language": "wo"},
]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_generator(tmp_path_factory.mktemp("network"), kind="m2m")


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    file = tmp_path / "sources.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS) + "{broken\n")
    return file


def run(network: Path, sources: Path, out: Path, **over: Any) -> None:
    usual = {"home": "en", "longest": 6, "samples": 2}
    call_command("generate", str(network), str(sources), str(out), **usual | over)


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_row_has_an_output_with_its_numbers_or_a_reason(
    network: Path, sources: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.jsonl"
    run(network, sources, out)
    rows = {row["row"]: row for row in read(out)}
    assert sorted(rows) == [1, 4, 5]
    assert (rows[1]["id"], rows[1]["language"], rows[1]["source"]) == ("a", "wo", "na nga def")
    for row in rows.values():
        assert row["log_probability"] < 0
        assert 0 <= row["disagreement"] <= 1
        assert len(row["drawn"]) == 2
        assert isinstance(row["output"], str)
    refused = {row["row"]: row["problem"] for row in read(tmp_path / "out.refused.jsonl")}
    assert sorted(refused) == [2, 3, 6, 7, 8, 9]
    assert "no code for the language bm" in refused[2]
    assert "is not a text" in refused[3]
    assert "is empty" in refused[6]
    assert "NUL character at position 2" in refused[7]
    assert "tokens long" in refused[8]
    assert "is not JSON" in refused[9]
    told = capsys.readouterr().out
    assert "3 outputs written" in told
    assert "6 rows refused" in told


def test_killed_at_any_byte_it_goes_on_and_ends_with_the_same_rows(
    network: Path,
    sources: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(generating.LOT, "cpu", 1)
    whole, cut = tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
    run(network, sources, whole)
    expected = whole.read_bytes()
    for size in (0, len(expected) // 2, len(expected) - 1):
        cut.write_bytes(expected[:size])
        (tmp_path / "cut.refused.jsonl").unlink(missing_ok=True)
        run(network, sources, cut)
        assert cut.read_bytes() == expected
    before = cut.stat().st_mtime_ns
    capsys.readouterr()
    monkeypatch.setattr(writing, "_generate", None)  # nothing is written anew
    run(network, sources, cut)
    assert cut.stat().st_mtime_ns == before
    assert "0 outputs written" in capsys.readouterr().out


def test_outputs_of_something_else_are_not_added_to(
    network: Path, sources: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    run(network, sources, out)
    held = out.read_bytes()
    with pytest.raises(CommandError, match=r"Row 1 .* in another way\. Give the new outputs"):
        run(network, sources, out, longest=7)
    sources.write_text(sources.read_text().replace("jamm rek", "jamm"))
    with pytest.raises(CommandError, match="Row 5"):
        run(network, sources, out)
    assert out.read_bytes() == held
    other = tmp_path / "notes.jsonl"
    other.write_text('{"text": "mine"}\n')
    with pytest.raises(CommandError, match="holds something else"):
        run(network, sources, other)
    assert other.read_text() == '{"text": "mine"}\n'


def test_tables_are_read_and_a_missing_column_is_named(network: Path, tmp_path: Path) -> None:
    table = tmp_path / "sources.csv"
    table.write_text("body,language\nna nga def,wo\n")
    with pytest.raises(CommandError, match=r"no column 'text'.*--column NAME"):
        run(network, table, tmp_path / "out.jsonl")
    run(network, table, tmp_path / "out.jsonl", column="body", code=["wo=quy_Latn"])
    assert read(tmp_path / "out.jsonl")[0]["row"] == 2
    tabs = tmp_path / "sources.tsv"
    tabs.write_text("source\nna nga def\n")
    run(network, tabs, tmp_path / "tabs.jsonl", language="wo")
    assert read(tmp_path / "tabs.jsonl")[0]["language"] == "wo"


@pytest.mark.parametrize(
    ("over", "reason"),
    [
        ({"beams": 99}, "beams cannot be 99"),
        ({"code": ["wo"]}, "not of the form TAG=CODE"),
        ({"prompt": "translate"}, "no place for the source"),
    ],
)
def test_what_is_asked_wrongly_is_said(
    over: dict[str, Any], reason: str, network: Path, sources: Path, tmp_path: Path
) -> None:
    with pytest.raises(CommandError, match=reason):
        run(network, sources, tmp_path / "out.jsonl", **over)
    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.django_db
@pytest.mark.usefixtures("tiny_networks")
def test_the_network_of_a_campaign_of_ratings_grades_what_is_written(
    network: Path, sources: Path, tmp_path: Path
) -> None:
    grades = tuple("12345")
    over: dict[str, Any] = {"languages": ("wo", "qu"), "network": "tiny"}
    campaign = make_campaign(slug="ours", labels=grades, objective="ratings", **over)
    with pytest.raises(CommandError, match="Nothing serves"):
        run(network, sources, tmp_path / "none.jsonl", grade="ours")
    initial_version(campaign)
    out = tmp_path / "out.jsonl"
    run(network, sources, out, grade="ours")
    rows = [row for row in read(out) if row["output"].strip()]
    said = ([row[name] for row in rows] for name in ("output", "source", "language"))
    assert [row["grade"] for row in rows] == pytest.approx(grader_of(campaign)(*said), abs=1e-3)
    assert all(1 < row["grade"] < 5 for row in rows)
    assert rows
    with pytest.raises(CommandError, match="asks for no ratings"):
        run(network, sources, out, grade=make_campaign(**over).slug)
