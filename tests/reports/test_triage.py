"""Triage: most urgent first, decided by whom it concerns, merged by eye, two people for secrets."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation.actions.reports import following, merging, originals, timers, triage
from annotation.actions.reports.alike import candidates
from annotation.actions.reports.intake import Telling, receive
from annotation.actions.reports.queue import ranked
from annotation.actions.reports.table import Actor, votes_of
from annotation.actions.reports.transitions import StepError, broken_link
from annotation.models import (
    Campaign,
    Language,
    Membership,
    Report,
    ReportEvent,
    ReportState,
    User,
)
from tests.make import make_annotator, make_campaign, make_language, make_user

pytestmark = pytest.mark.django_db
State, By = ReportState, ReportEvent.By
TEXT = "Xam naa ko bu baax te du ma ko fàtte"


@pytest.fixture
def campaign() -> Campaign:
    return make_campaign(slug="here", languages=("wo", "qu"))


@pytest.fixture
def wolof(campaign: Campaign) -> Language:
    return make_language("wo")


@pytest.fixture
def lead(campaign: Campaign, wolof: Language) -> User:
    user = make_user("lead")
    Membership.objects.create(user=user, campaign=campaign, language=wolof, role="coordinator")
    return user


def tell(campaign: Campaign, text: str = TEXT, **over: Any) -> Report:
    now, user = over.pop("now", timezone.now()), over.pop("user", None)
    fields = {"text": text, "tag": "wo", "reasons": ["meaning"]} | over
    key = f"{text}{over}{Report.objects.count()}"
    got = receive(
        campaign, telling=Telling(**fields), key=key, client=f"c{key}"[:64], now=now, user=user
    )
    timers.tend(now)
    got.report.refresh_from_db()
    return got.report


def seen_wrong(report: Report) -> None:
    report.reproductions.create(
        version_number=1, version_digest="d", label="admin", still_wrong=True, at=timezone.now()
    )


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_the_worst_the_most_told_and_the_oldest_come_first(
    campaign: Campaign, wolof: Language
) -> None:
    now = timezone.now()
    old = tell(campaign, "bu yàgg", now=now - timedelta(days=6))
    mild = tell(campaign, "bu woyof", reasons=["layout"], severity="annoying")
    worst = tell(campaign, "bu bon", reasons=["unsafe"])
    often = tell(campaign, "bu bari")
    for n in range(3):
        tell(campaign, "bu bari", expected=f"{n}", severity="wrong")
    for one in (worst, often):  # newcomers' weigh little before
        triage.look_at(one, actor=Actor(ReportEvent.By.COORDINATOR, make_user(f"of {one.pk}")))
    assert often.reporters == 4
    rows = [one.report for one in ranked(campaign, language=wolof, now=now)]
    assert rows == [worst, often, old, mild]


def test_speakers_decide_two_and_two_and_nobody_about_their_own(campaign: Campaign) -> None:
    awa, ibou, inti = (
        make_annotator(n, t).user for n, t in (("awa", "wo"), ("ibou", "wo"), ("inti", "qu"))
    )
    own = tell(campaign, user=awa)
    seen_wrong(own)
    for stranger in (awa, inti):
        with pytest.raises(StepError):
            triage.vote(own, voter=stranger, verdict="yes", now=timezone.now())
    triage.vote(own, voter=ibou, verdict="yes", now=timezone.now())
    triage.vote(own, voter=ibou, verdict="yes", now=timezone.now())
    assert (own.state, votes_of(own)["yes"]) == (State.AWAITING_TRIAGE, 1)
    third = make_annotator("penda", "wo").user
    triage.vote(own, voter=third, verdict="yes", now=timezone.now())
    assert own.state == State.CONFIRMED
    other = tell(campaign, "leneen")
    for voter in (ibou, third):
        triage.vote(other, voter=voter, verdict="no", now=timezone.now())
    assert (other.state, other.log.last().reason) == (State.CLOSED_NOT_A_DEFECT, "right")
    following.appeal(other, now=timezone.now())
    assert other.state == State.AWAITING_TRIAGE


def test_nothing_is_confirmed_that_the_model_was_not_seen_to_do(
    campaign: Campaign, lead: User
) -> None:
    report = tell(campaign, reasons=["unsafe"])
    actor = Actor(By.COORDINATOR, lead)
    with pytest.raises(StepError):
        triage.confirm(report, actor=actor, now=timezone.now())
    seen_wrong(report)
    triage.confirm(report, actor=actor, now=timezone.now())
    assert report.state == State.CONFIRMED


def test_what_is_alike_is_put_together_by_eye_and_taken_apart_again(
    campaign: Campaign, lead: User
) -> None:
    first = tell(campaign)
    second = tell(campaign, f"{TEXT}!", reasons=["idiom"])
    far = tell(campaign, "Dama xiif lool tey", reasons=["idiom"])
    assert [one.report for one in candidates(second)] == [first]
    quechua = tell(campaign, TEXT, tag="qu")
    assert candidates(quechua) == []
    office = signed_in(lead)
    act = reverse("report_act", args=["here", "wo", second.pk])
    office.post(act, {"act": "merge", "into": first.pk})
    second.refresh_from_db()
    assert second.state == State.AWAITING_TRIAGE  # nobody has looked at both
    office.get(reverse("report_detail", args=["here", "wo", second.pk]))
    office.post(act, {"act": "merge", "into": first.pk})
    second.refresh_from_db()
    first.refresh_from_db()
    assert (second.duplicate_of, first.reporters) == (first, 2)
    third = merging.merge
    merging.look_at_both(far, first, user=lead, now=timezone.now())
    third(far, into=first, actor=Actor(By.COORDINATOR, lead), now=timezone.now())
    with pytest.raises(StepError):
        third(quechua, into=first, actor=Actor(By.COORDINATOR, lead), now=timezone.now())
    office.post(act, {"act": "unmerge"})
    second.refresh_from_db()
    first.refresh_from_db()
    assert (second.state, second.duplicate_of, first.reporters) == (State.AWAITING_TRIAGE, None, 2)
    following.withdraw(first, now=timezone.now())
    far.refresh_from_db()
    assert (far.state, far.duplicate_of) == (State.AWAITING_TRIAGE, None)


def test_the_same_words_of_many_newcomers_within_an_hour_raise_nothing(
    campaign: Campaign, wolof: Language
) -> None:
    now = timezone.now()
    alone = tell(campaign, "bu kenn wax")
    brigade = [
        tell(campaign, "bu ñépp wax", expected="dates", reasons=[r])
        for r in ("meaning", "idiom", "dialect", "script")
    ]
    assert all(Report.objects.get(pk=one.pk).frozen for one in brigade[:1])
    rows = {one.report.pk: one.priority for one in ranked(campaign, language=wolof, now=now)}
    assert rows[brigade[0].pk] == pytest.approx(rows[alone.pk], rel=0.01)


def test_what_was_masked_is_read_by_two_people_who_both_ask(campaign: Campaign, lead: User) -> None:
    report = tell(campaign, "woo ma +221 77 123 45 67")
    other, now = make_user("other"), timezone.now()
    assert originals.standing(report, user=lead, now=now).texts == ()
    for _ in range(2):
        originals.ask_for(report, user=lead, now=now)
    assert originals.standing(report, user=lead, now=now).texts == ()
    originals.ask_for(report, user=other, now=now)
    assert "+221 77" in originals.standing(report, user=lead, now=now).texts[0]
    third = originals.standing(report, user=make_user("third"), now=now)
    assert (third.exists, third.texts) == (True, ())
    timers.tend(now + timedelta(days=91))
    assert not originals.standing(report, user=lead, now=now).exists


def test_harm_is_kept_off_until_a_day_and_the_report_stays_open(
    campaign: Campaign, lead: User
) -> None:
    report = tell(campaign, reasons=["unsafe"])
    office = signed_in(lead)
    act = reverse("report_act", args=["here", "wo", report.pk])
    office.post(act, {"act": "keep_off", "days": "91", "note": "harm"})
    assert triage.standing_workarounds(campaign, now=timezone.now()) == []
    office.post(act, {"act": "keep_off", "days": "30", "note": "harm"})
    assert triage.standing_workarounds(campaign, now=timezone.now()) == [report]
    later = timezone.now() + timedelta(days=31)
    assert triage.standing_workarounds(campaign, now=later) == []
    report.refresh_from_db()
    assert report.is_open


def test_the_coordinator_walks_a_report_by_the_pages(campaign: Campaign, lead: User) -> None:
    report = tell(campaign)
    office = signed_in(lead)
    queue = office.get(reverse("reports_queue", args=["here", "wo"])).content.decode()
    assert TEXT[:20] in queue
    page = office.get(reverse("report_detail", args=["here", "wo", report.pk])).content.decode()
    assert TEXT in page
    act = reverse("report_act", args=["here", "wo", report.pk])
    for told, state in (
        ({"act": "confirm"}, State.AWAITING_TRIAGE),  # not seen, nobody agrees
        ({"act": "quarantine"}, State.QUARANTINED),
        ({"act": "let_through"}, State.AWAITING_TRIAGE),
        ({"act": "close", "to": "closed_fixed"}, State.AWAITING_TRIAGE),
        (
            {"act": "close", "to": "closed_out_of_scope", "note": "baal nu"},
            State.CLOSED_OUT_OF_SCOPE,
        ),
    ):
        office.post(act, told)
        report.refresh_from_db()
        assert report.state == state, told
    assert report.public_note == "baal nu"
    assert broken_link(report) == 0
    assert office.get(reverse("reports_queue", args=["here", "qu"])).status_code == 403
    assert (
        signed_in(make_annotator("awa", "wo").user)
        .get(reverse("report_detail", args=["here", "wo", report.pk]))
        .status_code
        == 403
    )


def test_a_language_that_takes_no_part_waits_until_somebody_places_it(campaign: Campaign) -> None:
    report = tell(campaign, tag="Pulaar")
    admin = make_user("admin")
    Membership.objects.create(user=admin, campaign=campaign, role="admin")
    office = signed_in(admin)
    assert "Pulaar" in office.get(reverse("reports_overview", args=["here"])).content.decode()
    office.post(reverse("reports_door", args=["here"]), {"report": report.pk, "tag": "qu"})
    report.refresh_from_db()
    assert (report.language.tag, report.tag) == ("qu", "Pulaar")


def test_nobody_waits_for_ever(campaign: Campaign) -> None:
    report, now = tell(campaign), timezone.now()
    timers.tend(now + timedelta(days=8))
    report.refresh_from_db()
    assert (report.state, report.log.last().reason) == (State.AWAITING_TRIAGE, "overdue")
    timers.tend(now + timedelta(days=100))
    report.refresh_from_db()
    assert report.state == State.AWAITING_TRIAGE
    timers.tend(now + timedelta(days=181))
    report.refresh_from_db()
    assert (report.state, report.log.last().reason) == (State.CLOSED_WONT_FIX, "no_reader")


def test_a_clock_that_is_put_back_puts_off_nothing_for_long(campaign: Campaign, lead: User) -> None:
    report, now = tell(campaign), timezone.now()
    for _ in range(8):
        actor = Actor(By.COORDINATOR, lead)
        triage.ask_back(report, question="which_word", actor=actor, now=now + timedelta(days=31))
        following.answer(report, text="the second", now=now)
    moments = list(report.log.order_by("number").values_list("at", flat=True))
    assert moments == sorted(moments)
    report.refresh_from_db()
    assert report.due_at is not None
    assert report.due_at <= now + timedelta(days=31 + 7)
    assert not broken_link(report)
