"""Tables that grow to millions: found by their indexes, and migrated without standing still."""

import importlib
import io
import json
import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.apps import apps
from django.db import connection, migrations
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from annotation.actions.handouts import hand_out
from annotation.actions.imports import run_import
from annotation.actions.intake import sweep
from annotation.actions.keys import create_key
from annotation.actions.nudges import forget_old_nudges, note_nudge, note_refusal
from annotation.actions.together import take_answers
from annotation.actions.uploads import queue_import
from annotation.models import CampaignLanguage, Scope
from config.env import ROOT
from tests.annotation.owing import owe, push
from tests.fakes import FakeLabelingDesk
from tests.make import make_annotator, make_campaign, make_item, make_sample, make_user

BIG = {
    *("sample", "item", "annotation", "annotationrevision", "answernumber", "reservation"),
    *("deskevent", "quarantinedanswer", "refusedrow", "prediction", "learnedanswer", "snapshotrow"),
}
TABLES = {
    one._meta.db_table
    for app in ("annotation", "learning", "training")
    for one in apps.get_app_config(app).get_models()
    if one._meta.model_name in BIG
}


def whole_reads(sql: str) -> set[str]:
    """The big tables that the database would read from one end to the other to answer."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            steps = [str(row[3]) for row in cursor.fetchall()]
            scans = {step.split()[1] for step in steps if step.startswith("SCAN")}
            also = re.findall(r'"(\w+)" ([UT]\d+)\b', sql)
            names = {table for table, alias in also if alias in scans} | scans
            names &= TABLES
        else:
            # Where it may choose, it reads a small table whole: only where it must does it now.
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}")
            (told,) = cursor.fetchone()
            told = json.loads(told) if isinstance(told, str) else told
            nodes = list(_nodes(told[0]["Plan"]))
            names = {n["Relation Name"] for n in nodes if n["Node Type"] == "Seq Scan"} & TABLES
    return names


def _nodes(plan: dict) -> Iterator[dict]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from _nodes(below)


@pytest.fixture
def hot(settings) -> list[str]:
    """Everything that was asked while people, programs and the desk did what they do all day."""
    settings.ENV = settings.ENV.model_copy(update={"webhook_secret": "s"})
    campaign = make_campaign(languages=("wo",), status="running")
    home = CampaignLanguage.objects.select_related("campaign", "language").get(campaign=campaign)
    awa, now, desk = make_annotator(), timezone.now(), FakeLabelingDesk()
    for _ in range(3):
        make_item(make_sample(campaign))
    key = create_key(make_user(staff=True), name="k", scopes=list(Scope.values))[1]
    program = Client(headers={"authorization": f"Bearer {key}"})
    told = "id,text,language,licence\n" + "".join(f"n{n},new {n},wo,CC0-1.0\n" for n in range(3))
    job = queue_import(campaign, file=io.BytesIO(told.encode()), filename="a.csv")
    with CaptureQueriesContext(connection) as seen:
        leases = hand_out(awa, home=home, with_desk=False, now=now).leases
        given = [{"item": str(one.item.uid), "label": "admin"} for one in leases]
        take_answers(awa, home=home, told=given, now=now)
        note_nudge(home.pk, action="A", now=now)
        note_refusal(home.pk, detail="wrong", now=now)
        forget_old_nudges(now=now + timedelta(days=30))
        run_import(job.pk, now=timezone.now)
        owe(home)
        push(home, desk)
        sweep(home, desk=desk, now=now)
        for list_ in ("items", "answers"):
            for more in ("", "&language=wo"):
                address = f"/api/v1/campaigns/{campaign.slug}/{list_}?after=1{more}"
                assert program.get(address).status_code == 200
    asked = [one["sql"] for one in seen.captured_queries]
    return [sql for sql in asked if sql.split()[0].strip("(") in ("SELECT", "UPDATE", "DELETE")]


@pytest.mark.django_db
def test_nothing_that_is_asked_all_day_reads_a_big_table_whole(hot: list[str]) -> None:
    assert len(hot) > 60
    read = {sql: tables for sql in hot if (tables := whole_reads(sql))}
    assert not read, "\n\n".join(f"{tables}: {sql}" for sql, tables in read.items())


# What is older ran before there were millions, or on nobody's tables yet.
BASELINE = {"annotation": 36, "learning": 16, "training": 23}
# An operation that keeps everybody waiting, and why it may here: (app, migration) to the reason.
EXCUSED: dict[tuple[str, str], str] = {}


def standing_still(migration: type[migrations.Migration], *, app: str) -> list[str]:
    """Operations that hold a big table while they read all of it."""
    found = []
    for operation in migration.operations:
        named = getattr(operation, "model_name", "") or ""
        field = getattr(operation, "field", None)
        indexed = field is not None and (field.unique or field.db_index or field.is_relation)
        gently = type(operation).__name__.endswith("Gently")
        kinds = (migrations.AddConstraint, migrations.AlterField)
        slow = isinstance(operation, kinds) or (
            isinstance(operation, migrations.AddIndex) and not gently
        )
        slow = slow or (isinstance(operation, migrations.AddField) and indexed)
        if slow and named.lower() in BIG:
            found.append(f"{app}: {operation.describe()}")
        if gently and migration.atomic:
            found.append(f"{app}: {operation.describe()} in a migration that is atomic")
    return found


def test_no_new_migration_holds_a_big_table_while_it_reads_it() -> None:
    found = []
    for app, baseline in BASELINE.items():
        for path in sorted((ROOT / app / "migrations").glob("0*.py")):
            if int(path.stem[:4]) > baseline and (app, path.stem) not in EXCUSED:
                made = importlib.import_module(f"{app}.migrations.{path.stem}").Migration
                found += standing_still(made, app=f"{app} {path.stem}")
    assert not found, "Use annotation.migrations._gently, or say why not in EXCUSED: " + str(found)


# Lists that are counted and paged by number, and what keeps each of them short.
NUMBERED = {
    "annotation/views/queue.py": "what is open: at most a slice a language",
    "annotation/views/people.py": "the people of a campaign",
    "annotation/views/coordination.py": "disputes of one language that nobody more is asked about",
    "learning/views/rounds.py": "the picks of one round",
    "training/views/runs.py": "the runs of a campaign",
    "training/views/versions.py": "the versions of a campaign",
    "training/views/cases.py": "regression cases, each made by a person or a report",
    "training/views/case_pages.py": "regression cases of one language",
    "training/views/parity.py": "the languages of a campaign",
    "training/views/campaigns.py": "the languages of a campaign",
}


def test_lists_that_may_grow_to_millions_are_paged_by_key() -> None:
    paged = {
        str(path.relative_to(ROOT))
        for app in ("annotation", "learning", "training")
        for path in (ROOT / app).rglob("*.py")
        if re.search(r"\bPaginator\(", path.read_text())
    }
    assert paged <= NUMBERED.keys(), "Use annotation.views.steps, or say what keeps the list short."
