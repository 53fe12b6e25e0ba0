"""Everybody's own page: what they did, what waits, what it became, who is named, what is theirs."""

import csv
import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from annotation.actions.own_answers import own_rows
from annotation.actions.progress import monday_of, progress_of
from annotation.models import (
    Annotation,
    AnnotationRevision,
    Concern,
    DriftChart,
    Membership,
    Standing,
    User,
)
from annotation.models import CampaignLanguage as Home
from tests.make import make_annotator, make_item, make_sample
from tests.training.giving import allow, give, learn, make_group, version

pytestmark = pytest.mark.django_db


@pytest.fixture
def home() -> Home:
    return make_group(gold=60)[0]


@pytest.fixture
def awa(home: Home) -> User:
    return User.objects.get(username="awa")


@pytest.fixture
def phone(client: Client, awa: User) -> Client:
    client.force_login(awa)
    return client


def page(phone: Client, address: str = "/me/") -> str:
    answer = phone.get(address)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_the_page_tells_of_this_week_of_all_time_and_of_what_waits(phone, awa, home) -> None:
    who = awa.annotators.get()
    for _ in range(2):
        give(who, home)
    old = give(who, home, lead_seconds=3600.0)
    Annotation.objects.filter(pk=old.pk).update(given_at=timezone.now() - timedelta(days=21))
    make_item(make_sample(home.campaign))
    told = page(phone)
    assert "<dt>This week</dt><dd>2</dd>" in told
    assert "<dt>In all</dt><dd>3</dd>" in told
    # An hour on one text counts as five minutes, as it does for payment: 2 + 5 minutes.
    assert '<dt>Hours and minutes</dt><dd><bdi class="num" dir="ltr">0:07</bdi></dd>' in told
    assert "1 text waits for you." in told
    assert told.count("<tr>") == 1 + 2, "a row for each week in which something was done"


def test_weeks_end_on_sunday_where_the_installation_is(awa, home, settings) -> None:
    who = awa.annotators.get()
    for at in ("2026-11-15T16:59", "2026-11-15T17:00", "2026-11-15T23:59"):
        given = datetime.fromisoformat(f"{at}+00:00")
        Annotation.objects.filter(pk=give(who, home).pk).update(given_at=given)
    now = datetime(2026, 11, 15, 23, 59, tzinfo=UTC)
    assert progress_of(awa, now=now)[0].week.items == 3
    settings.TIME_ZONE = "Asia/Jakarta"
    with timezone.override("Asia/Jakarta"):
        assert str(monday_of(now)) == "2026-11-16"
        assert progress_of(awa, now=now)[0].week.items == 2


def test_nobody_sees_the_work_of_others_as_theirs(phone, home) -> None:
    give(make_annotator("coumba", "wo"), home)
    assert "<dt>In all</dt><dd>0</dd>" in page(phone)


def test_the_page_says_what_the_language_gained_and_from_how_many(phone, awa, home) -> None:
    answers = [give(awa.annotators.get(), home)]
    old, new = version(home.campaign, right=20), version(home.campaign, right=50)
    learn(answers, base=old, candidate=new)
    told = page(phone)
    assert "The model has become better here since your group began" in told
    assert "Measured on the same 60 texts with a known answer." in told
    assert "1 answers of your group of 1" in told


def test_standing_and_notes_lead_to_their_pages(phone, awa, home) -> None:
    who = awa.annotators.get()
    home.campaign.calibrate = True
    home.campaign.save()
    assert "Begin with calibration" in page(phone)
    Standing.objects.create(annotator=who, campaign=home.campaign, state="supervised")
    now = timezone.now()
    chart = DriftChart.objects.create(
        annotator=who, campaign_language=home, kind="gold", limit=4.0, began_at=now
    )
    note = Concern.objects.create(
        annotator=who, campaign_language=home, kind="gold", chart=chart, opened_at=now
    )
    told = page(phone)
    assert "Your answers count, and one more person is asked" in told
    assert f"/calibrate/{home.campaign.slug}/wo/notes/{note.pk}/" in told


def test_names_are_shown_only_to_whoever_asked_and_only_as_long(client, awa, home) -> None:
    for name in ("awa", "ibou"):
        give(User.objects.get(username=name).annotators.get(), home)
    address = f"/credits/{home.campaign.slug}/"
    assert "2 people · 2 answers" in page(client, address)
    assert "Awa" not in page(client, address)
    allow(awa.annotators.get(), name_me=True)
    told = page(client, address)
    assert "Awa" in told
    assert "Ibou" not in told
    awa.consents.update(ended_at=timezone.now())
    assert "Awa" not in page(client, address)
    assert "no-store" in client.get(address).headers["Cache-Control"]
    type(home.campaign).objects.update(status="draft")
    assert client.get(address).status_code == 404


def test_everything_somebody_gave_comes_as_a_table_and_for_programs(phone, awa, home) -> None:
    who = awa.annotators.get()
    answer = give(who, home, note="=HYPERLINK(1)")
    AnnotationRevision.objects.create(
        annotation=answer, number=1, state="skipped", flag="unclear", note="before"
    )
    give(who, home, state="skipped", flag="offensive")
    give(User.objects.get(username="ibou").annotators.get(), home, note="ibou's own")
    Membership.objects.create(user=awa, campaign=home.campaign, role="annotator")
    table = phone.get("/me/everything.csv")
    assert table.streaming
    text = b"".join(table.streaming_content).decode("utf-8-sig")
    rows = list(csv.DictReader(StringIO(text)))
    told = json.loads(b"".join(phone.get("/me/everything.json").streaming_content))
    kinds = ["person", "language", "membership", "consent", "answer", "revision", "answer"]
    assert [row["kind"] for row in rows] == kinds == [row["kind"] for row in told]
    assert rows[4]["note"] == "'=HYPERLINK(1)"
    assert told[4]["note"] == "=HYPERLINK(1)"
    assert (rows[5]["flag"], rows[5]["note"]) == ("unclear", "before")
    assert rows[6]["flag"] == "offensive"
    assert told[3]["detail"]["purposes"] == ["train"]
    assert rows[4]["text"] == answer.item.sample.text
    assert "ibou" not in text


def test_a_text_that_its_owner_took_back_is_not_handed_out(awa, home) -> None:
    answer = give(awa.annotators.get(), home)
    type(answer.item.sample).objects.update(withdrawn_at=timezone.now())
    assert [row["text"] for row in own_rows(awa) if row["kind"] == "answer"] == [""]


def test_the_command_writes_the_same_file_and_over_nothing(awa, home, tmp_path: Path) -> None:
    give(awa.annotators.get(), home)
    file = tmp_path / "awa.json"
    call_command("export_answers", "awa", file)
    assert "answer" in [row["kind"] for row in json.loads(file.read_text())]
    assert file.stat().st_mode & 0o077 == 0
    for wrong in (("awa", file), ("awa", tmp_path / "awa.xls"), ("lee", tmp_path / "lee.csv")):
        with pytest.raises(CommandError):
            call_command("export_answers", *wrong)


def test_the_page_asks_the_database_no_oftener_the_more_was_answered(
    phone, awa, home, django_assert_max_num_queries
) -> None:
    for _ in range(30):
        give(awa.annotators.get(), home)
    with django_assert_max_num_queries(60):
        page(phone)
