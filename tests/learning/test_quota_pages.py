"""The quota's page: tried first, saved on request, undone; only for those who lead."""

from typing import Any

import pytest
from django.test import Client

from annotation.models import Campaign
from learning.actions.pools import preview_quota
from learning.actions.quota_settings import KNOBS
from learning.models import QuotaChange
from tests.make import make_annotator, make_campaign, make_sample, make_user

pytestmark = pytest.mark.django_db
HERE = "/campaigns/moods/quota/"


@pytest.fixture
def campaign() -> Campaign:
    campaign = make_campaign(slug="moods", items_per_round=20, floor_per_language=2)
    for tag, count in (("wo", 30), ("qu", 30)):
        for number in range(count):
            make_sample(campaign, tag, text=f"{tag} {number}")
    return campaign


@pytest.fixture
def noor(client: Client) -> Client:
    client.force_login(make_user("noor", staff=True))
    return client


def sent(campaign: Campaign, **over: Any) -> dict[str, Any]:
    """The form as it would be sent back, with some fields changed."""
    plain = {knob: getattr(campaign, knob) for knob in KNOBS if knob != "strategy_mix"}
    fields = {knob: "" if value is None else value for knob, value in plain.items()}
    fields |= {"active-wo": "on", "active-qu": "on", "seen": "0"}
    return {name: value for name, value in (fields | over).items() if value is not None}


def page_of(client: Client, data: dict[str, Any] | None = None, *, status: int = 200) -> str:
    answer = client.post(HERE, data, follow=True) if data else client.get(HERE)
    assert answer.status_code == status
    return str(answer.content.decode())


def test_trying_shows_both_sides_and_saves_nothing(noor: Client, campaign: Campaign) -> None:
    assert "As things are: 20 items, 20 answers" in page_of(noor)
    over = {"items_per_round": 9, "answers_per_item": 2, "active-qu": None, "try": "1"}
    page = page_of(noor, sent(campaign, **over))
    assert "Tried, not saved: 9 items instead of 20, 18 answers instead of 20." in page
    assert 'value="9"' in page
    campaign.refresh_from_db()
    assert campaign.items_per_round == 20
    assert campaign.languages.filter(active=True).count() == 2
    assert not QuotaChange.objects.exists()


def test_saving_is_what_was_tried_and_the_change_is_shown_with_its_undo(
    noor: Client, campaign: Campaign
) -> None:
    over = {"items_per_round": 9, "most_per_round-wo": 5, "save": "1"}
    page = page_of(noor, sent(campaign, **over))
    assert "The quota is set." in page
    change = QuotaChange.objects.get()
    assert (change.actor.username, change.after) == ("noor", {"items_per_round": 9})
    campaign.refresh_from_db()
    assert sum(row.quota.got for row in preview_quota(campaign)) == 9
    assert "items per round</bdi>: <bdi>20</bdi> → <bdi>9</bdi>" in page
    assert "wo most items per round</bdi>: <bdi>none</bdi> → <bdi>5</bdi>" in page
    undone = noor.post(f"{HERE}1/undo/", follow=True).content.decode()
    assert "The change is taken back." in undone
    assert "Takes change 1 back." in undone
    campaign.refresh_from_db()
    assert campaign.items_per_round == 20
    assert "no such last change" in noor.post(f"{HERE}1/undo/", follow=True).content.decode()
    assert QuotaChange.objects.count() == 2


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("audit_share", "0.01", "greater than or equal to 0.1"),
        ("audit_share", "", "required"),
        ("items_per_round", "x", "whole number"),
        ("strategy", "guess", "not one of the available choices"),
        ("strategy_mix", "margin 0.5", "Line 1 is not strategy = share"),
        ("strategy_mix", "margin = 0.5", "sum to 1"),
        ("slope_trust", "0.9", "less than or equal to 0.5"),
        ("most_per_round-wo", "-1", "greater than or equal to 0"),
    ],
)
def test_what_is_wrong_is_said_at_the_field(
    field: str, value: str, words: str, noor: Client, campaign: Campaign
) -> None:
    answer = noor.post(HERE, sent(campaign, **{field: value, "save": "1"}))
    assert answer.status_code == 422
    assert words in str(answer.context["form"].errors[field])
    assert not QuotaChange.objects.exists()


def test_an_older_page_does_not_overwrite_what_somebody_set_since(
    noor: Client, campaign: Campaign
) -> None:
    page_of(noor, sent(campaign, items_per_round=9, save="1"))
    stale = page_of(noor, sent(campaign, floor_per_language=7, save="1"))
    assert "Somebody changed the quota since you opened this page." in stale
    campaign.refresh_from_db()
    assert (campaign.items_per_round, campaign.floor_per_language) == (9, 2)


def test_who_does_not_lead_neither_sees_nor_sets_it(client: Client, campaign: Campaign) -> None:
    data = sent(campaign, items_per_round=9, save="1")
    for there in (HERE, f"{HERE}1/undo/"):
        assert client.post(there, data)["Location"].startswith("/sign-in/")
    client.force_login(make_annotator("awa", "wo").user)
    assert client.get(HERE).status_code == 403
    assert client.post(HERE, data).status_code == 403
    assert client.post(f"{HERE}1/undo/").status_code == 403
    campaign.refresh_from_db()
    assert campaign.items_per_round == 20


def test_floors_that_a_round_cannot_pay_are_named(noor: Client, campaign: Campaign) -> None:
    page = page_of(noor, sent(campaign, floor_per_language=11, **{"try": "1"}))
    assert "no language has a floor" in page
    page = page_of(noor, sent(campaign, items_per_round=100, **{"try": "1"}))
    assert "40 items fewer than a round should have" in page
