"""Whoever looks after people and answers, too, is neither tested on what they saw nor their own judge."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation.actions.concerns import decide_concern
from annotation.actions.consensus import refit
from annotation.actions.exposures import exposures, glance, knows_the_answer, told_people
from annotation.actions.gold_care import retire_gold
from annotation.actions.groups import open_group, put_side_by_side
from annotation.actions.sessions import begin_session
from annotation.actions.watching import watch
from annotation.errors import ConflictError
from annotation.models import (
    Annotator,
    CampaignLanguage,
    Concern,
    DriftChart,
    GoldGlance,
    GoldItem,
    Membership,
    Reliability,
    Role,
)
from tests.annotation.calibrating import NOW, answer, ask_gold, make_home
from tests.make import make_annotator, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def home() -> CampaignLanguage:
    return make_home(gold=36)


@pytest.fixture
def awa(home: CampaignLanguage) -> Annotator:
    """A coordinator who answers in the language as well."""
    awa = make_annotator()
    Membership.objects.create(
        user=awa.user, campaign=home.campaign, language=home.language, role=Role.COORDINATOR
    )
    return awa


def signed_in(who: Annotator) -> Client:
    client = Client()
    client.force_login(who.user)
    return client


def at(name: str, home: CampaignLanguage, *more: object) -> str:
    return reverse(name, args=(home.campaign.slug, home.language.tag, *more))


def concern_of(home: CampaignLanguage, who: Annotator) -> Concern:
    chart = DriftChart.objects.create(
        annotator=who, campaign_language=home, kind="gold", limit=3, began_at=NOW, alarmed=True
    )
    return Concern.objects.create(
        annotator=who, campaign_language=home, kind="gold", chart=chart, opened_at=NOW
    )


def test_gold_is_shown_to_who_answers_only_when_asked_for_and_counts_as_seen(
    home: CampaignLanguage, awa: Annotator
) -> None:
    client, there = signed_in(awa), at("calibration_language", home)
    assert "gold 3 of" not in client.get(there).content.decode()
    assert exposures(awa, home).total() == 0
    for _ in range(2):
        assert "gold 3 of" in client.get(there + "?gold=show").content.decode()
    seen = set(GoldGlance.objects.values_list("gold__sample", flat=True))
    assert len(seen) == 30
    assert set(exposures(awa, home).values()) == {1}
    assert knows_the_answer(awa, home) == seen
    assert set(told_people(home)) == seen
    # Tested on the six that are left, and on nothing that was on the page.
    plan = begin_session(awa, home, kind="qualify", now=NOW).plan
    assert len(plan) == 6
    assert not seen & set(GoldItem.objects.filter(pk__in=plan).values_list("sample", flat=True))


def test_who_only_looks_after_people_sees_gold_at_once(home: CampaignLanguage) -> None:
    client = Client()
    client.force_login(make_user(staff=True))
    assert "gold 3 of" in client.get(at("calibration_language", home)).content.decode()


def test_known_answers_side_by_side_are_seen_by_who_leads_the_session(
    home: CampaignLanguage, awa: Annotator
) -> None:
    people = [make_annotator("inti"), make_annotator("sam")]
    group = open_group(home, title="W", members=people, number=2, disputed=False)
    client, there = signed_in(awa), at("group", home, group.pk)
    client.get(there)
    assert exposures(awa, home).total() == 0
    put_side_by_side(group)
    first, other = GoldItem.objects.filter(sample__in=group.texts.values("sample"))
    retire_gold(other, reason="Wrong.", now=NOW)
    assert client.get(there).content.decode().count("Known answer") == 1
    assert exposures(awa, home) == {first.pk: 1}


def test_answers_to_gold_that_was_seen_measure_nobody(
    home: CampaignLanguage, awa: Annotator
) -> None:
    before, after = GoldItem.objects.order_by("pk")[:2]
    answer(ask_gold(home, before), awa, before.label.key)
    glance(awa.user, golds=[before, after], now=timezone.now())
    given = timezone.now() + timedelta(minutes=1)
    item = ask_gold(home, after)
    for who in (awa, make_annotator("inti")):
        answer(item, who, after.label.key, created_at=given)
    refit(home.campaign, language=home.language, now=NOW)
    counted = {one.annotator.user.username: one.gold_answers for one in Reliability.objects.all()}
    assert counted == {"awa": 1, "inti": 1}
    watch(home, now=NOW)
    assert [chart.annotator.user.username for chart in DriftChart.objects.all()] == ["inti"]


def test_nobody_decides_a_note_about_themselves(home: CampaignLanguage, awa: Annotator) -> None:
    note, client = concern_of(home, awa), signed_in(awa)
    with pytest.raises(ConflictError, match="somebody else decides"):
        decide_concern(note, outcome="well", remark="", actor=awa.user, now=NOW)
    client.post(at("concern_decide", home, note.pk), {"outcome": "well"})
    note.refresh_from_db()
    assert note.closed_at is None
    own = client.get(at("calibration_person", home, awa.pk)).content.decode()
    assert 'name="outcome"' not in own
    assert "This note is about you" in own
    inti = make_annotator("inti")
    concern_of(home, inti)
    other = client.get(at("calibration_person", home, inti.pk)).content.decode()
    assert 'name="outcome"' in other
