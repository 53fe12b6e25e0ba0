"""Newcomers: heard at once, and of no more weight than most until one of us has looked."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation.actions.reports import bulk, limits, merging, timers, triage
from annotation.actions.reports.intake import Telling, receive
from annotation.actions.reports.queue import UNSEEN, places, ranked
from annotation.actions.reports.table import SYSTEM, Actor
from annotation.actions.reports.transitions import transition
from annotation.actions.reports.weighing import unseen
from annotation.models import Campaign, Membership, Report, ReportEvent, User
from annotation.models.reports import Severity
from tests.make import make_annotator, make_campaign, make_user
from training.actions.service_times import service_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign() -> Campaign:
    return make_campaign(slug="here", languages=("wo",))


def tell(campaign: Campaign, text: str, *, reasons: tuple[str, ...] = (), **by: Any) -> Report:
    number, now = Report.objects.count(), timezone.now()
    telling = Telling(text=text, tag="wo", reasons=reasons)
    got = receive(
        campaign, telling=telling, key=f"{number}", client=f"net{number}.b", now=now, **by
    ).report
    timers.tend(now)
    got.refresh_from_db()
    return got


def line(campaign: Campaign) -> list[int]:
    rows = Report.objects.filter(campaign=campaign, state="awaiting_triage")
    return [one.pk for one in places(rows, campaign=campaign, now=timezone.now())]


@pytest.fixture
def coordinator(campaign: Campaign) -> User:
    user = make_user("noor")
    Membership.objects.create(user=user, campaign=campaign, role="coordinator")
    return user


def test_a_newcomers_grave_word_is_heard_at_once_and_urgent_once_a_speaker_has_looked(
    campaign: Campaign,
) -> None:
    awa = make_annotator("awa", "wo").user
    ours = tell(campaign, "Lii dafa xaw a baax", reasons=("meaning",), user=awa)
    theirs = tell(campaign, "Naan ndox mu tàng lool", reasons=("unsafe",))
    # Nobody is silenced: it waits for speakers, its clock is that of what harms.
    assert (theirs.state, theirs.severity) == ("awaiting_triage", Severity.CRITICAL)
    assert theirs.due_at is not None
    assert theirs.due_at < timezone.now() + timedelta(days=1)
    assert triage.may_vote(theirs, awa)
    # And nothing that it says of itself puts it before what one of us told.
    first, second = ranked(campaign, language=ours.language, now=timezone.now())
    assert (first.report, second.report) == (ours, theirs)
    assert (ours.unseen_since, UNSEEN) == (None, Severity.MEDIUM)
    home = campaign.languages.get()
    urgent = service_of([campaign], now=timezone.now())
    assert urgent[campaign.pk, home.language_id].urgent == 0
    triage.vote(theirs, voter=awa, verdict="unsure", now=timezone.now())
    assert line(campaign) == [theirs.pk, ours.pk]


def test_newcomers_who_say_the_same_count_when_somebody_has_looked_at_it(
    campaign: Campaign, coordinator: User
) -> None:
    first, *others = [tell(campaign, "Naan ndox", reasons=("meaning",)) for _ in range(3)]
    first.refresh_from_db()
    assert [one.state for one in others] == ["merged", "merged"]
    assert (first.reporters, unseen(first)) == (1, 3)
    triage.look_at(first, actor=Actor(ReportEvent.By.COORDINATOR, coordinator))
    assert (first.reporters, unseen(first)) == (3, 0)
    # Whoever comes after that look waits for the next one.
    tell(campaign, "Naan ndox", reasons=("meaning",))
    first.refresh_from_db()
    assert (first.reporters, unseen(first)) == (3, 1)
    merging.unmerge(others[0], actor=SYSTEM, now=timezone.now())
    first.refresh_from_db()
    assert first.reporters == 2


def test_nobody_sinks_a_danger_by_telling_it_first(campaign: Campaign, coordinator: User) -> None:
    awa, ibou = (make_annotator(name, "wo").user for name in ("awa", "ibou"))
    harmless = tell(campaign, "Lii dafa xaw a baax", reasons=("meaning",), user=awa)
    sunk, other = (tell(campaign, text, reasons=("unsafe",)) for text in ("Naan", "Lekk ceeb"))
    assert line(campaign) == [harmless.pk, sunk.pk, other.pk]
    # Those who count tell the very same, and it is urgent as it would have been without the first.
    for user in (awa, ibou):
        assert tell(campaign, "Naan", reasons=("unsafe",), user=user).duplicate_of == sunk
    sunk.refresh_from_db()
    assert (sunk.severity, sunk.reporters, sunk.unseen_since) == (Severity.CRITICAL, 3, None)
    assert line(campaign) == [sunk.pk, harmless.pk, other.pk]
    # Another newcomer's word vouches for nothing; one of us who puts two together saw them both.
    again = tell(campaign, "Lekk ceeb", reasons=("unsafe",))
    third = tell(campaign, "Lekk yàpp", reasons=("unsafe",))
    other.refresh_from_db()
    assert (again.duplicate_of, unseen(other)) == (other, 2)
    merging.look_at_both(third, other, user=coordinator, now=timezone.now())
    actor = Actor(ReportEvent.By.COORDINATOR, coordinator)
    merging.merge(third, into=other, actor=actor, now=timezone.now())
    other.refresh_from_db()
    assert (unseen(other), other.reporters) == (0, 3)
    assert line(campaign) == [sunk.pk, other.pk, harmless.pk]


def test_whoever_was_right_three_times_and_the_team_wait_for_nobody(
    campaign: Campaign, coordinator: User
) -> None:
    user = make_user("sam")
    for number in range(limits.TRUSTED_AFTER):
        one = tell(campaign, f"Naan ndox {number}", user=user)
        assert one.unseen_since is not None
        one.reproductions.create(
            version_number=1, version_digest="1", label="a", still_wrong=True, at=timezone.now()
        )
        lead = Actor(ReportEvent.By.COORDINATOR, coordinator)
        triage.vote(one, voter=make_annotator(f"n{number}", "wo").user, verdict="yes",
                    now=timezone.now())  # fmt: skip
        transition(one, to="confirmed", actor=lead, now=timezone.now())
    assert tell(campaign, "Naan ndox bu bees", user=user).unseen_since is None
    assert tell(campaign, "Lekk ceeb", user=coordinator).unseen_since is None
    assert tell(campaign, "Lekk yàpp", user=make_user("lee")).unseen_since is not None


def test_one_button_looks_at_a_newcomers_report_and_several_at_once(
    client: Client, campaign: Campaign, coordinator: User
) -> None:
    one, other = (tell(campaign, text, reasons=("insult",)) for text in ("Naan", "Lekk"))
    client.force_login(coordinator)
    page = client.get(reverse("report_detail", args=["here", "wo", one.pk])).content.decode()
    assert 'value="look"' in page
    act = reverse("report_act", args=["here", "wo", one.pk])
    assert client.post(act, {"act": "look"}).status_code == 302
    page = client.get(reverse("report_detail", args=["here", "wo", one.pk])).content.decode()
    assert 'value="look"' not in page
    assert line(campaign) == [one.pk, other.pk]
    actor = Actor(ReportEvent.By.COORDINATOR, coordinator)
    both = [Report.objects.get(pk=pk) for pk in (one.pk, other.pk)]
    preview = bulk.preview(both, act="look", actor=actor, now=timezone.now())
    assert [bool(each.problem) for each in preview] == [True, False]
    bulk.carry_out(both, act="look", actor=actor, now=timezone.now())
    other.refresh_from_db()
    assert other.unseen_since is None


def test_whoever_does_something_with_a_newcomers_report_has_looked_at_it(
    campaign: Campaign, coordinator: User
) -> None:
    report, follower = (tell(campaign, "Naan ndox", reasons=("unsafe",)) for _ in range(2))
    assert follower.state == "merged"
    actor = Actor(ReportEvent.By.COORDINATOR, coordinator)
    report.refresh_from_db()
    triage.ask_back(report, question="which_word", actor=actor, now=timezone.now())
    report.refresh_from_db()
    assert (unseen(report), report.reporters) == (0, 2)
    # What a timer does is nobody's look.
    other = tell(campaign, "Lekk ceeb", reasons=("unsafe",))
    timers.tend(timezone.now() + timedelta(days=2))
    other.refresh_from_db()
    assert (other.log.last().reason, unseen(other)) == ("overdue", 1)
