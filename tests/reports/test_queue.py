"""The queue: page by page by key, filtered, several at once with a look before and a way back."""

import re
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation.actions.reports import queue, timers
from annotation.actions.reports.intake import Telling, receive
from annotation.models import (
    AuditEntry,
    Campaign,
    Membership,
    Report,
    ReportLetter,
    ReportState,
    User,
)
from tests.make import make_campaign, make_language, make_user

pytestmark = pytest.mark.django_db
State = ReportState


@pytest.fixture
def campaign() -> Campaign:
    return make_campaign(slug="here", languages=("wo", "qu"))


@pytest.fixture
def office(campaign: Campaign) -> Client:
    return signed_in(coordinator("lead", campaign))


def coordinator(name: str, campaign: Campaign) -> User:
    user = make_user(name)
    Membership.objects.create(
        user=user, campaign=campaign, language=make_language("wo"), role="coordinator"
    )
    return user


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def tell(campaign: Campaign, text: str, **over: Any) -> Report:
    now = over.pop("now", timezone.now())
    fields = {"text": text, "tag": "wo", "reasons": ["meaning"]} | over
    got = receive(campaign, telling=Telling(**fields), key=text, client=text, now=now)
    timers.tend(now)
    got.report.refresh_from_db()
    return got.report


def several(office: Client, act: str, *reports: Report, **more: str) -> Any:
    told = {"act": act, "report": [one.pk for one in reports], "view": "tab=triage"} | more
    return office.post(reverse("reports_several", args=["here"]), told)


def test_every_report_is_on_one_page_however_urgent_others_grow(
    campaign: Campaign, office: Client
) -> None:
    now, wolof = timezone.now(), [make_language("wo")]
    made = [
        tell(
            campaign, f"wax {n}", now=now - timedelta(hours=n), reasons=["unsafe", "idiom"][n % 2 :]
        )
        for n in range(7)
    ]
    seen, after, moment = [], "", now
    while True:
        page = queue.page_of(
            campaign, languages=wolof, tab="triage", severity=None, after=after, now=moment, size=2
        )
        seen += [one.report.pk for one in page.rows]
        if len(seen) == 2:  # what was shown goes meanwhile, and days pass: the walk goes on
            Report.objects.filter(pk=seen[0]).update(language=make_language("qu"))
        after, moment = page.after, moment + timedelta(days=2)
        if not after:
            break
    whole = queue.ranked(campaign, language=wolof[0], now=now)
    assert sorted(seen) == [one.pk for one in made]
    assert seen[1:] == [one.report.pk for one in whole]
    assert queue.page_of(
        campaign, languages=wolof, tab="triage", severity=4, after="no~key", now=now
    ).there == sum(one.severity == 4 for one in Report.objects.filter(language=wolof[0]))


def test_a_page_of_thousands_costs_no_more_queries_than_one_of_few(
    campaign: Campaign, office: Client, django_assert_max_num_queries: Any
) -> None:
    tell(campaign, "bu njëkk")
    for n in range(12):
        tell(campaign, f"wax {n}")
    with django_assert_max_num_queries(20):
        page = office.get(reverse("reports_queue", args=["here", "wo"])).content.decode()
    assert page.count('name="report"') == 13


def test_several_are_looked_at_first_then_done_then_taken_back(
    campaign: Campaign, office: Client
) -> None:
    one, two = tell(campaign, "benn", contact="sam@example.org"), tell(campaign, "ñaar")
    asked = tell(campaign, "ñett")
    several(office, "ask:which_word", asked, sure="1")
    shown = several(office, "close:closed_wont_fix", one, two, asked).content.decode()
    assert "It can be done to 2 reports" in shown
    assert AuditEntry.objects.count() == 1  # a look is nothing that was done
    assert {x.state for x in Report.objects.all()} == {State.AWAITING_TRIAGE, State.NEEDS_INFO}
    answer = several(office, "close:closed_wont_fix", one, two, asked, sure="1")
    states = dict(Report.objects.values_list("pk", "state"))
    assert [states[x.pk] for x in (one, two, asked)] == [
        State.CLOSED_WONT_FIX,
        State.CLOSED_WONT_FIX,
        State.NEEDS_INFO,
    ]
    letter = ReportLetter.objects.get(report=one, event__to_state=State.CLOSED_WONT_FIX)
    page = office.get(answer.url).content.decode()
    back = re.search(r'name="back" value="([^"]+)"', page)
    assert back is not None
    office.post(reverse("reports_several", args=["here"]), {"back": back[1]})
    named = AuditEntry.objects.order_by("pk").values_list("named", flat=True)
    assert [(entry["act"], entry["report"]) for entry in named] == [
        ("ask:which_word", [asked.pk]),
        ("close:closed_wont_fix", [one.pk, two.pk]),
        ("back", [one.pk, two.pk]),
    ]
    assert set(Report.objects.filter(pk__in=(one.pk, two.pk)).values_list("state", flat=True)) == {
        State.AWAITING_TRIAGE
    }
    letter.refresh_from_db()
    assert letter.state == ReportLetter.State.DROPPED  # nobody hears of a slip
    contact = one.contact
    contact.refresh_from_db()
    assert contact.expires_at is None


def test_a_way_back_is_nobody_elses_and_ends_when_something_followed(
    campaign: Campaign, office: Client
) -> None:
    report = tell(campaign, "benn")
    back = unquote(several(office, "quarantine", report, sure="1").url.split("back=")[1])
    other = signed_in(coordinator("other", campaign))
    other.post(reverse("reports_several", args=["here"]), {"back": back})
    report.refresh_from_db()
    assert report.state == State.QUARANTINED
    several(office, "let_through", report, sure="1")
    several(office, "quarantine", report, sure="1")
    office.post(reverse("reports_several", args=["here"]), {"back": back})
    report.refresh_from_db()
    assert report.state == State.QUARANTINED


def test_nobody_touches_reports_of_a_language_that_is_not_theirs(
    campaign: Campaign, office: Client
) -> None:
    foreign = tell(campaign, "huk", tag="qu")
    several(office, "quarantine", foreign, sure="1")
    foreign.refresh_from_db()
    assert foreign.state == State.AWAITING_TRIAGE
    page = office.get(reverse("reports_every", args=["here"]), {"language": "qu"}).content.decode()
    assert "huk" not in page


def test_one_step_on_a_reports_own_page_is_undone_there(campaign: Campaign, office: Client) -> None:
    first, second = tell(campaign, "xam naa ko bu baax"), tell(campaign, "xam naa ko bu baax!")
    there = reverse("report_detail", args=["here", "wo", second.pk])
    act = reverse("report_act", args=["here", "wo", second.pk])
    office.get(there)
    answer = office.post(act, {"act": "merge", "into": first.pk})
    second.refresh_from_db()
    assert second.state == State.MERGED
    page = office.get(answer.url).content.decode()
    back = re.search(r'name="back" value="([^"]+)"', page)
    assert back is not None
    office.post(act, {"back": back[1]})
    second.refresh_from_db()
    assert (second.state, second.duplicate_of) == (State.AWAITING_TRIAGE, None)
