"""What people say after the first word: an appeal goes to a third speaker, a fix can turn out to be none."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation.actions.reports import following, timers, triage
from annotation.actions.reports.intake import Telling, receive
from annotation.actions.reports.transitions import StepError, hash_of
from annotation.models import Campaign, Report, ReportEvent, ReportState, User
from learning.actions.report_reproducing import asked_of
from learning.models import Deployment, ModelVersion
from tests.make import make_annotator, make_campaign, make_language
from training.models import RegressionCase, ReportCase, Verification

pytestmark = pytest.mark.django_db
State = ReportState


@pytest.fixture
def campaign() -> Campaign:
    return make_campaign(slug="here", languages=("wo",))


def tell(campaign: Campaign) -> Report:
    told = Telling(text="Xam naa ko bu baax", tag="wo", consent_test=True, severity="annoying")
    got = receive(campaign, telling=told, key="k", client="c", now=timezone.now())
    timers.tend(timezone.now())
    got.report.refresh_from_db()
    return got.report


def seen(report: Report, **over: Any) -> None:
    told = {"version_number": 1, "version_digest": "d", "label": "admin", "still_wrong": True}
    report.reproductions.create(**(told | over), at=timezone.now())


def speaker(name: str) -> User:
    return make_annotator(name, "wo").user


def says(report: Report, user: User, verdict: str) -> None:
    """By the page, which asks what there is to ask just now."""
    client = Client()
    client.force_login(user)
    there = reverse("report_votes", args=["here", "wo"])
    assert f'name="report" value="{report.pk}"' in client.get(there).content.decode()
    client.post(there, {"report": report.pk, "verdict": verdict})
    report.refresh_from_db()


@pytest.mark.parametrize(
    ("word", "state"), [("yes", State.CONFIRMED), ("no", State.CLOSED_NOT_A_DEFECT)]
)
def test_an_appeal_is_decided_by_a_third_speaker_alone(
    campaign: Campaign, word: str, state: str
) -> None:
    awa, ibou, penda = map(speaker, ("awa", "ibou", "penda"))
    report = tell(campaign)
    seen(report)
    for user in (awa, ibou):
        says(report, user, "no")
    assert report.state == State.CLOSED_NOT_A_DEFECT
    following.appeal(report, now=timezone.now())
    with pytest.raises(StepError):
        triage.vote(report, voter=awa, verdict="no", now=timezone.now())
    assert report.state == State.AWAITING_TRIAGE
    says(report, penda, "unsure")
    assert report.state == State.AWAITING_TRIAGE
    # Whoever cannot tell decides nothing; the next one does.
    says(report, speaker("demba"), word)
    assert report.state == state
    if state == State.CLOSED_NOT_A_DEFECT:
        with pytest.raises(StepError):
            following.appeal(report, now=timezone.now())


def released(report: Report) -> None:
    """The whole way to a release that is proven."""
    campaign = report.campaign
    version = campaign.model_versions.get()
    case = RegressionCase.objects.create(
        campaign=campaign, language=make_language("wo"), text="case", digest="c"
    )
    ReportCase.objects.create(report=report, case=case)
    Verification.objects.create(
        report=report,
        version=version,
        against=version,
        state="passed",
        cases_hold=True,
        opened_at=timezone.now(),
    )
    # What lies between is gone through by other tests.
    for to in (
        *(State.COLLECTING, State.TRAINING, State.VERIFYING),
        *(State.FIX_PENDING_RELEASE, State.RELEASED),
    ):
        _force(report, to)


def _force(report: Report, to: str) -> None:
    """A step that nothing but the database looks at."""
    report.refresh_from_db()
    event = ReportEvent(
        report=report,
        number=report.events + 1,
        from_state=report.state,
        to_state=to,
        by="system",
        at=timezone.now() - timedelta(minutes=5),
        previous=report.last_hash,
    )
    event.hash = hash_of(event)
    event.save(force_insert=True)
    report.refresh_from_db()


def test_a_fix_of_which_two_say_that_it_is_none_opens_its_report_again_and_worse(
    campaign: Campaign,
) -> None:
    version = ModelVersion.objects.create(
        campaign=campaign, number=1, digest="d" * 64, network="tiny", path="-"
    )
    Deployment.objects.create(campaign=campaign, number=1, version=version, kind="initial")
    awa, ibou = map(speaker, ("awa", "ibou"))
    report = tell(campaign)
    seen(report, version_digest="old")
    # What serves was not asked yet: the database confirms nothing on an older version's word.
    for user in (awa, ibou):
        says(report, user, "yes")
    assert report.state == State.AWAITING_TRIAGE
    with pytest.raises(IntegrityError, match="before what serves now"), transaction.atomic():
        _force(report, State.CONFIRMED)
    seen(report, version_digest=version.digest)
    triage.follow_votes(report, now=timezone.now())
    released(report)
    assert report.severity == 1
    shown = reverse("report_votes", args=["here", "wo"])
    page = Client()
    page.force_login(awa)
    assert f'value="{report.pk}"' not in page.get(shown).content.decode()
    assert not Report.objects.filter(asked_of()).exists()
    following.say_if_better(report, verdict="no", now=timezone.now())
    assert report.state == State.RELEASED  # one voice, and not a speaker's
    assert Report.objects.filter(asked_of()).exists()  # what serves is asked what it says now
    assert "Is it better now?" in page.get(shown).content.decode()
    says(report, awa, "no")
    assert (report.state, report.log.last().reason) == (State.REOPENED, "people_say_no")
    assert (report.severity, report.attempts) == (2, 3)
