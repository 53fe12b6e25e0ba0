"""The page of whoever looks after a language: what is disputed, unfit, waiting and owed."""

import csv
import re
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation.actions.hours import work_done
from annotation.actions.invitations import invite, open_invitation
from annotation.actions.objections import note_objections
from annotation.errors import InvalidInputError
from annotation.models import (
    Adjudication,
    Annotation,
    Annotator,
    Campaign,
    Consensus,
    Consent,
    Item,
    Membership,
    Objection,
    Role,
    Sample,
)
from tests.annotation.test_consensus import answer
from tests.annotation.test_disputes import refit_all
from tests.make import make_annotator, make_campaign, make_language, make_sample, make_user

pytestmark = pytest.mark.django_db
HERE = ["speech", "wo"]
# Headings, buttons, and the names of columns and fields.
SAID = r"<(?:h[1-6]|button|th|label|legend|caption)\b[^>]*>([^<]*[a-zA-Z]{3}[^<]*)<"


@pytest.fixture
def campaign() -> Campaign:
    return make_campaign(slug="speech", status=Campaign.Status.RUNNING)


@pytest.fixture
def team() -> list[Annotator]:
    return [make_annotator(name, "wo") for name in ("awa", "ibou")]


@pytest.fixture
def torn(campaign: Campaign, team: list[Annotator]) -> Sample:
    sample = make_sample(campaign, text="Ndax <b>lii</b> bees la?")
    answer(sample, team[0], "dates", note="A day is named.")
    answer(sample, team[1], "admin")
    sample.items.update(state=Item.State.ANSWERED, wanted=2)
    refit_all(campaign)
    return sample


@pytest.fixture
def coordinator(campaign: Campaign) -> Client:
    user = make_user("coumba")
    Membership.objects.create(
        user=user, campaign=campaign, language=make_language("wo"), role=Role.COORDINATOR
    )
    client = Client()
    client.force_login(user)
    return client


def page(client: Client) -> str:
    response = client.get(reverse("language_desk", args=HERE))
    assert response.status_code == 200
    return response.content.decode()


def said_on(text: str) -> set[str]:
    return set(re.findall(SAID, re.split("</?main", text)[1]))


def post(client: Client, name: str, pk: int, **data: str) -> str:
    response = client.post(reverse(name, args=[*HERE, pk]), data, follow=True)
    assert response.status_code == 200
    return response.content.decode()


def test_the_page_speaks_the_coordinators_language(coordinator: Client, torn: Sample) -> None:
    english = said_on(page(coordinator))
    assert len(english) > 12
    for tag in ("ar", "es", "fr", "sw"):
        coordinator.cookies[settings.LANGUAGE_COOKIE_NAME] = tag
        assert english & said_on(page(coordinator)) == set(), tag
        said = post(coordinator, "dispute_decide", torn.pk, label="dates", reason=" ")
        assert "A decision needs a reason." not in said


def test_a_coordinator_sees_who_said_what_and_why_and_decides(
    coordinator: Client, campaign: Campaign, torn: Sample
) -> None:
    text = page(coordinator)
    assert "Ndax &lt;b&gt;lii&lt;/b&gt; bees la?" in text
    assert "A day is named." in text
    said = post(coordinator, "dispute_decide", torn.pk, label="dates", reason="It is a day.")
    assert "Decided" in said
    refit_all(campaign)
    assert Consensus.objects.get(sample=torn).label.key == "dates"
    assert "It is a day." in page(coordinator)
    post(coordinator, "dispute_undo", Adjudication.objects.get().pk)
    refit_all(campaign)
    assert Consensus.objects.get(sample=torn).disputed


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"reason": "So."}, "Choose the answer that is right"),
        ({"label": "nonsense", "reason": "So."}, "Choose the answer that is right"),
        ({"label": "dates", "reason": " "}, "needs a reason"),
    ],
)
def test_half_a_decision_is_none(
    coordinator: Client, torn: Sample, data: dict[str, str], told: str
) -> None:
    assert told in post(coordinator, "dispute_decide", torn.pk, **data)
    assert not Adjudication.objects.exists()


def test_a_coordinator_decides_nothing_in_another_language(
    coordinator: Client, campaign: Campaign
) -> None:
    there = ["speech", "qu"]
    foreign = make_sample(campaign, "qu")
    assert coordinator.get(reverse("language_desk", args=there)).status_code == 403
    for name in ("dispute_decide", "objection_decide", "dispute_undo"):
        assert coordinator.post(reverse(name, args=[*there, foreign.pk])).status_code == 403
    # Nor by the back door of their own language.
    address = reverse("dispute_decide", args=[*HERE, foreign.pk])
    assert coordinator.post(address, {"label": "dates", "reason": "So."}).status_code == 404


@pytest.mark.parametrize(
    ("flag", "decision", "state"),
    [
        ("offensive", {"decision": "keep", "why": "A proverb."}, Objection.State.KEPT),
        ("unclear", {"decision": "set_aside"}, Objection.State.SET_ASIDE),
        ("other_dialect", {"decision": "dialect", "why": "Lebu"}, Objection.State.KEPT),
        ("unclear", {"decision": "burn"}, Objection.State.OPEN),
    ],
)
def test_an_objection_is_decided(
    coordinator: Client,
    campaign: Campaign,
    team: list[Annotator],
    flag: str,
    decision: dict[str, str],
    state: str,
) -> None:
    sample = make_sample(campaign, text="Lii lan la")
    answer(sample, team[0], "dates", state=Annotation.State.SKIPPED, label=None, flag=flag)
    note_objections(sample.pk, now=timezone.now())
    assert "Lii lan la" in page(coordinator)
    objection = Objection.objects.get()
    post(coordinator, "objection_decide", objection.pk, **decision)
    objection.refresh_from_db()
    assert objection.state == state
    post(coordinator, "objection_decide", objection.pk, decision="open")
    objection.refresh_from_db()
    assert objection.state == Objection.State.OPEN


def test_who_has_not_agreed_or_does_not_any_more_is_named(
    coordinator: Client, campaign: Campaign, team: list[Annotator]
) -> None:
    wo = make_language("wo")
    Consent.objects.filter(user=team[0].user).update(ended_at=timezone.now())
    ticket = invite(campaign, name="Binta", languages=[wo], actor=None)
    open_invitation(ticket.invitation, now=timezone.now())
    gone = make_annotator("gone", "wo", active=False)
    Consent.objects.filter(user=gone.user).delete()
    waits = page(coordinator).partition('id="people"')[2].partition('id="hours"')[0]
    assert waits.count("has not agreed") == 2
    assert "<bdi>awa</bdi>" in waits.lower()
    assert "<bdi>Binta</bdi>" in waits
    assert "ibou" not in waits.lower()


def test_an_empty_language_says_that_nothing_waits(coordinator: Client) -> None:
    text = page(coordinator)
    for told in ("Nothing waits for a decision", "Nobody objects", "Nobody waits", "Nobody has"):
        assert told in text


def test_hours_count_every_kind_of_work_and_no_lunch(
    coordinator: Client, campaign: Campaign, team: list[Annotator]
) -> None:
    awa = team[0]
    awa.user.name = "=HYPERLINK(1)"
    awa.user.save()
    for seconds in (30.0, 7200.0, None):
        answer(make_sample(campaign), awa, "dates", lead_seconds=seconds)
    flagged = {"state": Annotation.State.SKIPPED, "label": None, "flag": "unclear"}
    answer(make_sample(campaign), awa, "dates", lead_seconds=60.0, **flagged)
    gone = answer(make_sample(campaign), awa, "dates", lead_seconds=60.0)
    Annotation.objects.filter(pk=gone.pk).update(state=Annotation.State.DELETED)
    today = timezone.localdate()
    address = reverse("hours_csv", args=HERE)
    response = coordinator.get(address, {"since": today, "until": today})
    rows = list(csv.DictReader(StringIO(response.getvalue().decode("utf-8-sig"))))
    assert len(rows) == 1
    row = rows[0]
    assert (row["items"], row["answered"], row["flagged"]) == ("4", "3", "1")
    assert float(row["hours"]) == pytest.approx((30 + 300 + 60) / 3600, abs=0.006)
    assert row["items_without_time"] == "1"
    assert row["name"] == "'=HYPERLINK(1)"


def test_a_day_is_counted_once_whatever_the_span(campaign: Campaign, team: list[Annotator]) -> None:
    home = campaign.languages.get(language__tag="wo")
    given = answer(make_sample(campaign), team[0], "dates")
    noon = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)
    Annotation.objects.filter(pk=given.pk).update(given_at=noon)
    day = timezone.localtime(noon).date()
    one = timedelta(days=1)
    assert [work.items for work in work_done(home, since=day, until=day)] == [1]
    assert work_done(home, since=day + one, until=day + one) == []
    assert work_done(home, since=day - one, until=day - one) == []
    today = timezone.localdate()
    Annotation.objects.filter(pk=given.pk).update(given_at=timezone.now() + 2 * one)
    assert [work.items for work in work_done(home, since=today, until=today)] == [1]
    assert work_done(home, since=today + one, until=today + 3 * one) == []


def test_a_text_that_was_answered_at_both_desks_is_paid_once(
    campaign: Campaign, team: list[Annotator]
) -> None:
    sample = make_sample(campaign)
    first = answer(sample, team[0], "dates", lead_seconds=60.0)
    answer(sample, team[0], "admin", lead_seconds=100.0)
    answer(sample, team[1], "dates", lead_seconds=10.0)
    home, today = first.item.campaign_language, timezone.localdate()
    done = work_done(home, since=today, until=today)
    assert [(work.items, work.seconds) for work in done] == [(1, 60.0), (1, 10.0)]
    Annotation.objects.filter(pk=first.pk).update(state=Annotation.State.DELETED)
    done = work_done(home, since=today, until=today)
    assert [(work.items, work.seconds) for work in done] == [(1, 100.0), (1, 10.0)]


@pytest.mark.parametrize(
    ("since", "until", "told"),
    [
        ("2026-01-02", "2026-01-01", "before the first"),
        ("2001-01-01", "2026-01-01", "three years"),
        ("yesterday", "2026-01-01", "is no day"),
    ],
)
def test_a_span_that_makes_no_sense_is_refused(
    coordinator: Client, since: str, until: str, told: str
) -> None:
    address = reverse("hours_csv", args=HERE)
    response = coordinator.get(address, {"since": since, "until": until}, follow=True)
    assert told in response.content.decode()


def test_an_impossible_span_is_an_error(campaign: Campaign) -> None:
    home = campaign.languages.get(language__tag="wo")
    today = timezone.localdate()
    with pytest.raises(InvalidInputError):
        work_done(home, since=today, until=today - timedelta(days=1))
