"""Whatever the kind of question, a visitor may try the model, say that it is wrong, and be followed."""

from typing import Any

import numpy as np
import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation.actions.reports import timers
from annotation.actions.reports.intake import Telling, receive
from annotation.methods.spans import units
from annotation.models import Campaign, PublicDoor, Report, Reproduction
from learning.actions import trying
from learning.actions.report_reproducing import reproduce, reproduce_due
from learning.models import Deployment, ModelVersion, Trial
from tests.make import make_campaign, make_user
from training.actions.comparing import labels_said
from training.actions.report_collecting import draft_case
from training.actions.report_verifying import cases_of
from training.models import RegressionCase, ReportCase

pytestmark = pytest.mark.django_db
SAID = "Awa dem na Dakar"


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("learning.views.trials.soon", lambda *_, **__: None)
    monkeypatch.setattr("learning.views.trials.PATIENCE_S", 0)


def marks(text: str) -> Any:
    """The first word is of the second label, B-ACCOUNTS; all others are outside."""
    logits = np.tile([6.0, 0, 0, 0, 0, 0, 0], (len(units(text)), 1))
    logits[0] = [0.0, 0, 0, 6, 0, 0, 0]
    return logits


def serving(objective: str, monkeypatch: pytest.MonkeyPatch) -> Campaign:
    campaign = make_campaign(slug="here", objective=objective)
    PublicDoor.objects.create(campaign=campaign, open=True)
    version = ModelVersion.objects.create(
        campaign=campaign,
        number=3,
        digest="d" * 64,
        network="tiny",
        path="-",
        manifest={"labels": ["admin", "accounts", "dates"]},
    )
    Deployment.objects.create(campaign=campaign, number=1, version=version, kind="initial")
    told = {
        "spans": lambda *_, texts, **__: [marks(text) for text in texts],
        "several": lambda *_, texts, **__: np.array([[3.0, -4.0, 2.0]] * len(texts)),
    }
    monkeypatch.setattr("learning.inference.logits_of", told[objective])
    return campaign


def tried(client: Client) -> str:
    page = client.post(reverse("try", args=["here"]), {"language": "wo", "text": SAID})
    trying.answer_trial(Trial.objects.get().pk, now=timezone.now())
    return str(client.get(page.url).content.decode())


def told(campaign: Campaign, **over: Any) -> Report:
    fields = {"text": SAID, "tag": "wo", "consent_test": True, "reasons": ["meaning"]} | over
    telling = Telling(**fields)
    got = receive(campaign, telling=telling, key=str(over), client=str(over), now=timezone.now())
    timers.tend(timezone.now())
    first = not Reproduction.objects.exists()
    assert reproduce_due(now=timezone.now()) == first
    if not first:  # the very text again is one more voice, and nobody has to look at it
        reproduce(got.report, version=campaign.model_versions.get(), now=timezone.now())
    got.report.refresh_from_db()
    return got.report


@pytest.mark.parametrize(
    ("kind", "shown", "wrong", "right"),
    [
        ("spans", ["Awa</span>", "Accounts"], '[[0, 3, "accounts"]]', '[[0, 3, "dates"]]'),
        ("several", ["Admin", "Dates"], "dates|admin", "accounts"),
    ],
)
def test_answers_that_are_composed_are_tried_reported_and_seen_again(
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    shown: list[str],
    wrong: str,
    right: str,
) -> None:
    campaign = serving(kind, monkeypatch)
    page = tried(client)
    assert all(words in page for words in shown)
    assert "This is wrong" in page
    key = Trial.objects.get().answer["label"]
    assert f'name="output" value="{key}"' in page
    for output, expected, still in ((key, "", True), (wrong, "", True), ("", right, True)):
        report = told(campaign, output=output, expected=expected)
        seen = report.reproductions.get()
        assert (seen.label, seen.still_wrong) == (key, still), output
        assert shown[-1] in seen.said
    assert not told(campaign, output=right).reproductions.get().still_wrong
    assert not told(campaign, expected=wrong).reproductions.get().still_wrong


@pytest.mark.parametrize(
    ("kind", "fields", "right"),
    [
        ("spans", {"a.words.accounts": "Awa"}, True),
        ("spans", {"a.words.dates": "Awa"}, False),
        ("several", {"a.labels": ["dates", "admin"]}, True),
        ("several", {"a.labels": ["none:"]}, False),
    ],
)
def test_a_case_of_a_composed_answer_is_written_by_people_and_put_to_versions(
    client: Client, monkeypatch: pytest.MonkeyPatch, kind: str, fields: Any, right: bool
) -> None:
    campaign = serving(kind, monkeypatch)
    report = told(campaign, output="?")
    # Of one label any other would do; here nobody can list what would be right.
    assert draft_case(report, now=timezone.now()) is None
    client.force_login(make_user("noor", staff=True, is_superuser=True))
    there = reverse("report_case", args=["here", "wo", report.pk])
    assert client.get(there).status_code == 200
    client.post(there, {"text": "Awa ak Inti"})
    assert not RegressionCase.objects.exists()
    client.post(there, {"text": "Awa ak Inti", **fields})
    assert ReportCase.objects.get(report=report).case.text == "Awa ak Inti"
    version = campaign.model_versions.get()
    ((_, said, held),) = cases_of(report, version=version)
    assert held == right
    (one, other) = labels_said(version, texts=["Awa ak Inti", "Inti ak Awa"], tags=["wo"] * 2)
    assert (one.key, one.value is not None) == (said, True)
    assert (one == other) == (kind == "several")
