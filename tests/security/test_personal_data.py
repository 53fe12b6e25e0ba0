"""Personal data: listed, given and taken away, whole; and nothing of ours is kept for ever unasked."""

import ast
import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from annotation.actions.keys import create_key, key_of
from annotation.actions.personal_data import erase, held
from annotation.actions.reports.intake import Telling, receive
from annotation.actions.retention import forget_what_is_over
from annotation.errors import VernacularError
from annotation.models import (
    Annotation,
    AuditEntry,
    LinkMiss,
    Report,
    ReportContact,
    ReportMessage,
    ReportVote,
    User,
)
from config.bootstrap import ROOT
from tests.make import make_annotator, make_campaign, make_item, make_sample, make_user
from training.actions.ended_consents import people_to_honour


@pytest.fixture
def awa() -> User:
    person = make_annotator("awa", dialect="Ndar").user
    User.objects.filter(pk=person.pk).update(name="Awa Ndiaye", letters_to="awa@example.org")
    item = make_item(make_sample(make_campaign(languages=("wo",))))
    Annotation.objects.create(
        item=item, annotator=person.annotators.get(), desk_annotation_id=1, state="answered",
        label=item.campaign_language.campaign.labels.first(), note="my cousin",
    )  # fmt: skip
    person.refresh_from_db()
    return person


@pytest.mark.django_db
def test_all_that_is_held_of_a_person_is_listed_and_given(awa: User, tmp_path: Path) -> None:
    found = held(awa)
    assert found["annotation_annotation.annotator"] == 1
    assert found["annotation_consent.user"] == 1
    call_command("personal_data", "awa", export=tmp_path / "awa.json")
    told = json.loads((tmp_path / "awa.json").read_text())
    assert (told["account"]["name"], told["account"]["letters_to"]) == (
        "Awa Ndiaye",
        "awa@example.org",
    )
    assert "my cousin" in json.dumps(told["gave"])
    assert (tmp_path / "awa.json").stat().st_mode & 0o077 == 0
    for wrong in ({"export": tmp_path / "awa.json"}, {"erase": True}):
        with pytest.raises(CommandError):
            call_command("personal_data", "awa", **wrong)


@pytest.mark.django_db
def test_erasing_leaves_nobody_and_no_way_in(awa: User) -> None:
    client = Client()
    client.force_login(awa)
    secret = create_key(awa, name="script", scopes=["read"])[1]
    erase(awa, actor=None, now=timezone.now())
    erase(User.objects.get(pk=awa.pk), actor=None, now=timezone.now())
    left = User.objects.get(pk=awa.pk)
    assert (left.username, left.name, left.letters_to) == (f"erased-{awa.pk}", "", "")
    assert client.get("/me/").status_code == 302
    assert key_of(secret, now=timezone.now()) is None
    assert [one.user for one in people_to_honour()] == [left]  # whose answers go with the next tick
    assert left.annotators.get().dialect == ""
    assert AuditEntry.objects.filter(action="person_erased").count() == 2
    with pytest.raises(VernacularError):
        erase(make_user("noor", staff=True), actor=None, now=timezone.now())


@pytest.mark.django_db
def test_reports_are_given_too_and_taken_back_when_somebody_is_erased(
    awa: User, tmp_path: Path
) -> None:
    here, now = make_campaign(slug="here", languages=("wo",)), timezone.now()
    telling = Telling(text="Nanga def?", tag="wo", reasons=["meaning"], contact="awa@example.org")
    own = receive(here, telling=telling, key="a", client="a", now=now, user=awa).report
    others = receive(here, telling=Telling(text="Naka", tag="wo"), key="b", client="b", now=now)
    ReportMessage.objects.create(report=own, kind="question", text="not hers", at=now)
    ReportMessage.objects.create(report=own, kind="answer", text="from Ndar", at=now)
    vote = {"verdict": "no", "note": "my aunt", "at": now}
    ReportVote.objects.create(report=others.report, voter=awa, **vote)
    call_command("personal_data", "awa", export=tmp_path / "awa.json")
    gave = json.loads((tmp_path / "awa.json").read_text())["gave"]
    given = [(one["kind"], one["text"], one["note"]) for one in gave if "report" in one["kind"]]
    assert given == [
        ("report", "Nanga def?", ""),
        ("report message", "", "from Ndar"),
        ("report vote", "", "my aunt"),
    ]
    assert "awa@example.org" in json.dumps([one for one in gave if one["kind"] == "report"])
    erase(awa, actor=None, now=now)
    own.refresh_from_db()
    assert (own.state, own.user, own.input_text) == ("withdrawn", None, "")
    assert not ReportContact.objects.exists()
    assert not ReportMessage.objects.exists()
    assert Report.objects.get(pk=others.report.pk).input_text == "Naka"
    assert ReportVote.objects.get().note == ""


@pytest.mark.django_db
def test_what_is_over_is_forgotten() -> None:
    now = timezone.now()
    Session.objects.create(session_key="old", session_data="x", expire_date=now - timedelta(1))
    Session.objects.create(session_key="new", session_data="x", expire_date=now + timedelta(1))
    LinkMiss.objects.create(origin="x", created_at=now - timedelta(days=2))
    assert forget_what_is_over(now) == 2
    assert [one.session_key for one in Session.objects.all()] == ["new"]


# Each of these runs what it reads, or fetches what it is told to run.
DANGEROUS = re.compile(
    r"import (?:pickle|dill|marshal|shelve)\b|pickle\.loads?\(|joblib\.load|torch\.load\(|yaml\.load\("
    r"|allow_pickle=True|trust_remote_code\"?\s*[:=]\s*True|(?<![\w.])(?:eval|exec)\(|shell=True"
    r"|ET\.(?:parse|fromstring|XML)\(|xml\.(?:dom|sax)"
)
# Tensors alone come of it: nothing else is unpacked.
ALLOWED = "weights_only=True"


def test_nothing_of_ours_runs_what_it_reads() -> None:
    ours = ("annotation", "config", "learning", "training")
    found = [
        f"{file}: {line.strip()}"
        for app in ours
        for file in (ROOT / app).rglob("*.py")
        for line in file.read_text().splitlines()
        if DANGEROUS.search(line) and ALLOWED not in line
    ]
    assert found == []


def test_weights_are_tensors_alone_wherever_a_checkpoint_is_opened() -> None:
    opened = [
        (call, ast.unparse(call.func), {one.arg: one.value for one in call.keywords})
        for file in (ROOT / "learning").rglob("*.py")
        for call in ast.walk(ast.parse(file.read_text()))
        if isinstance(call, ast.Call)
        and re.fullmatch(r"\w+\.from_pretrained", ast.unparse(call.func))
    ]
    networks = [
        one for one in opened if one[1].split(".")[0] not in ("AutoConfig", "AutoTokenizer")
    ]
    assert len(networks) >= 3
    for call, _, told in networks:
        assert ast.unparse(told["use_safetensors"]) == "True", ast.unparse(call)
    # Said there, or by the options that are handed on.
    assert not [
        ast.unparse(one[0]) for one in opened if not {"trust_remote_code", None} & {*one[2]}
    ]
