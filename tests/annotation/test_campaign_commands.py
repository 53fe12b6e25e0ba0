"""Commands: a newcomer gets a campaign going, and every mistake is told with its remedy."""

import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from annotation.actions.imports import run_import
from annotation.management.commands.create_campaign import HELP
from annotation.models import Campaign, Sample, SampleImport, User
from config.env import ROOT
from tests import template
from tests.make import make_campaign, make_gold, make_item, make_sample

NOW = datetime(2026, 5, 4, tzinfo=UTC)


def manage(*arguments: str) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def write(path: Path, content: str) -> str:
    path.write_text(content, encoding="utf-8")
    return str(path)


TEXTS = "text,label,split\nJamm rekk,,\nNa nga def,,\nWaaw,yes,gate\nDéedéet,no,dev\n"


@pytest.mark.django_db
def test_a_newcomers_first_campaign(tmp_path: Path) -> None:
    guideline = write(tmp_path / "wo.txt", "Tànnal li mu wax.")
    told = manage(
        "create_campaign", "peace", "--question", "Is it peace?", "--label", "yes=Yes",
        "--label", "no=No", "--language", "wo", "--guideline", f"wo={guideline}",
    )  # fmt: skip
    assert "import_samples peace FILE" in told
    with pytest.raises(CommandError, match="no sample to ask about: import some"):
        manage("run_campaign", "peace")
    file = write(tmp_path / "texts.csv", TEXTS + "x,maybe,\n")
    told = manage("import_samples", "peace", file, "--default", "licence=CC0-1.0", "language=wo")
    assert "row 6: label: unknown label 'maybe'; the campaign has: yes, no" in told
    assert "5 rows read, 4 kept, 1 refused." in told
    assert "is running" in manage("run_campaign", "peace")
    assert "peace" in manage("list_campaigns")
    assert "running" in manage("list_campaigns")
    (told_to_programs,) = json.loads(manage("list_campaigns", "--json"))
    assert told_to_programs["campaign"] == "peace"
    assert (told_to_programs["status"], told_to_programs["samples"]) == ("running", 4)
    assert "is paused" in manage("pause_campaign", "peace")
    assert "is finished" in manage("pause_campaign", "peace", "--finish")
    with pytest.raises(CommandError, match="is finished and cannot become running"):
        manage("run_campaign", "peace")


@pytest.mark.django_db
def test_a_campaign_without_a_short_name_is_called_after_its_title() -> None:
    manage("create_campaign", "--title", "Mood of reviews", "--question", "?", "--label", "a=A")
    assert Campaign.objects.get().slug == "mood-of-reviews"


@pytest.mark.django_db
def test_no_password_goes_to_whoever_listens_where_label_studio_would(settings: Settings) -> None:
    settings.ENV = settings.ENV.model_copy(update={"label_studio_url": ""})
    make_campaign(languages=("wo",))
    with pytest.raises(CommandError, match="Label Studio does not run: start"):
        manage("add_annotator", "awa", "wo")
    assert not User.objects.filter(username="awa").exists()


@pytest.mark.django_db
def test_the_example_in_the_help_works(tmp_path: Path) -> None:
    example = HELP.split("campaign.toml\n\n", 1)[1]
    path = write(tmp_path / "campaign.toml", "\n".join(line[2:] for line in example.splitlines()))
    manage("create_campaign", "--from", path)
    campaign = Campaign.objects.get(slug="health-topics")
    assert campaign.items_per_round == 60
    assert campaign.labels.get(key="malaria").name_in("wo") == "Sibiru"
    assert campaign.languages.get(language__tag="wo").guidelines.get().text == "Tànnal li ..."
    adlam = campaign.languages.get(language__tag="ff-Adlm").language
    assert (adlam.name, adlam.script, adlam.direction) == ("Fulfulde", "Adlm", "rtl")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["create_campaign"], "needs a short name"),
        (["create_campaign", "a"], "needs a question"),
        (["create_campaign", "a", "--question", "?", "--label", "yes"], "form KEY=VALUE"),
        (["create_campaign", "a", "--question", "?", "--language", "zz-"], "not a language tag"),
        (["create_campaign", "a", "--question", "?", "--set", "gold=1"], "no setting 'gold'"),
        (["create_campaign", "a", "--question", "?", "--guideline", "wo=no.txt"], "Cannot read no"),
        (["create_campaign", "--from", "none.toml"], "Cannot read none.toml: No such file"),
        (["import_samples", "nope", "a.csv"], "no campaign 'nope'. There are: none yet"),
        (["run_campaign", "nope"], "list_campaigns"),
        (["pause_campaign", "nope"], "list_campaigns"),
        (["inspect_campaign", "nope"], "list_campaigns"),
        (["add_annotator", "awa", "wo"], "no language 'wo'; there are: none yet"),
    ],
)
def test_mistakes_are_told_with_their_remedy(arguments: list[str], told: str) -> None:
    with pytest.raises(CommandError, match=told):
        manage(*arguments)
    assert not Campaign.objects.exists()
    assert not User.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["none.csv"], "Cannot read none.csv: No such file"),
        ([], "Say which file"),
        (["FILE", "--column", "text"], "form FIELD=VALUE"),
        (["FILE", "--default", "language=fr"], "unknown language 'fr'"),
        (["FILE", "--default", "language=wo"], "default licence=CC0-1.0"),
        (["--resume", "9"], "has no import 9; it has: none"),
    ],
)
def test_mistakes_of_imports_are_told_with_their_remedy(
    tmp_path: Path, arguments: list[str], told: str
) -> None:
    slug = make_campaign().slug
    file = write(tmp_path / "a.csv", "text\na\n")
    with pytest.raises(CommandError, match=told):
        manage("import_samples", slug, *(file if one == "FILE" else one for one in arguments))
    assert not SampleImport.objects.exists()


@pytest.mark.django_db
def test_a_refused_file_ends_in_an_error_that_lists_the_rows(tmp_path: Path) -> None:
    slug = make_campaign(labels=("yes", "no")).slug
    file = write(tmp_path / "a.csv", TEXTS + ",,\n")
    defaults = ["--default", "licence=CC0-1.0", "language=wo"]
    with pytest.raises(CommandError, match="1 row is refused, and so is the whole file"):
        manage("import_samples", slug, file, *defaults, "--refuse-all")
    assert not Sample.objects.exists()
    manage("import_samples", slug, file, *defaults)
    with pytest.raises(CommandError, match="This very file came in as import"):
        manage("import_samples", slug, file, *defaults)


@pytest.mark.django_db
def test_a_queued_import_is_left_to_workers(tmp_path: Path) -> None:
    slug = make_campaign().slug
    file = write(tmp_path / "a.csv", "text\na\n")
    arguments = ["--default", "licence=CC0-1.0", "language=wo", "--queue"]
    assert "is queued" in manage("import_samples", slug, file, *arguments)
    job = SampleImport.objects.get()
    assert (job.status, Sample.objects.count()) == ("queued", 0)
    assert "1 rows read, 1 kept" in manage("import_samples", slug, "--resume", str(job.pk))


@pytest.mark.django_db
def test_a_campaign_is_inspected_by_people_and_programs(tmp_path: Path) -> None:
    campaign = make_campaign(labels=("yes", "no"))
    make_gold(campaign, "wo", label="yes", split="dev")
    make_gold(campaign, "wo", label="no", split="gate")
    make_item(make_sample(campaign, "wo"), state="pushed")
    make_item(make_sample(campaign, "wo"), state="answered")
    make_sample(campaign, "qu")
    lines = manage("inspect_campaign", campaign.slug).splitlines()
    rows = {line.split()[0]: line.split()[1:] for line in lines if line.split()}
    assert rows["wo"] == ["0", "2", "1", "1", "2", "1", "0"]
    assert rows["all"] == ["0", "3", "1", "1", "2", "1", "0"]
    found: dict[str, Any] = json.loads(manage("inspect_campaign", campaign.slug, "--json"))
    assert found["status"] == "draft"
    assert {one["language"]: one["pool"] for one in found["languages"]} == {"wo": 2, "qu": 1}
    assert found["last_gate"] is None


def run_manage(var: Path, *arguments: str) -> "subprocess.Popen[bytes]":
    environment = os.environ | {
        "VERNACULAR_VAR_DIR": str(var),
        "VERNACULAR_DATABASE_URL": "",
        "VERNACULAR_REDIS_URL": "",
        "VERNACULAR_LEASE_SECONDS": "1",
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    command = [sys.executable, "-m", "django", *arguments]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def finish(var: Path, *arguments: str) -> str:
    process = run_manage(var, *arguments)
    out = process.communicate(timeout=240)[0].decode()
    assert process.returncode == 0, out
    return out


def ask(var: Path, question: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(var / "vernacular.sqlite3", timeout=20)) as connection:
        return connection.execute(question).fetchall()


def test_kill_9_in_the_middle_of_an_import_loses_nothing_and_doubles_nothing(
    tmp_path: Path,
) -> None:
    """A real process on a real database file, killed twice while it writes."""
    total = 8_000
    bad = set(range(5, total, 499))
    texts = "".join(f"text {row},{'xx' if row in bad else 'wo'}\n" for row in range(2, total + 2))
    file = write(tmp_path / "a.csv", "text,language\n" + texts)

    template.place(tmp_path / template.NAME)
    finish(
        tmp_path, "create_campaign", "c", "--question", "?", "--label", "a=A", "--language", "wo"
    )
    arguments = ["import_samples", "c", file, "--default", "licence=CC0-1.0"]
    reached = 0
    for _ in range(2):
        worker = run_manage(tmp_path, *arguments)
        deadline = time.monotonic() + 120
        while (rows := ask(tmp_path, "SELECT id, last_row FROM annotation_sampleimport")) == [] or (
            rows[0][1] <= reached
        ):
            assert worker.poll() is None, worker.communicate()[0].decode()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        worker.send_signal(signal.SIGKILL)
        worker.communicate(timeout=120)
        ((number, reached),) = ask(tmp_path, "SELECT id, last_row FROM annotation_sampleimport")
        assert 1 < reached < total, "it was killed in the middle"
        time.sleep(1.1)  # The lease of the dead worker runs out.
        arguments = ["import_samples", "c", "--resume", str(number)]
    assert f"{total:,} rows read, {total - len(bad):,} kept, {len(bad)} refused" in finish(
        tmp_path, *arguments
    )
    kept = [row for (row,) in ask(tmp_path, "SELECT row FROM annotation_sample ORDER BY row")]
    told = [row for (row,) in ask(tmp_path, "SELECT row FROM annotation_refusedrow ORDER BY row")]
    assert set(told) == bad
    assert len(told) == len(bad)
    assert kept == [row for row in range(2, total + 2) if row not in bad]


@pytest.mark.django_db
def test_an_unknown_import_is_told() -> None:
    with pytest.raises(Exception, match="no import 7"):
        run_import(7, now=lambda: NOW)
