"""Strategies as people choose them: all there are, what they need, and what cannot be had."""

from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from annotation.models import Campaign
from learning.actions.quota_settings import KnobError, propose, set_quota
from learning.actions.strategy_names import SUPPLIED, offered_strategies, strategy_groups
from learning.methods.selection import select
from learning.methods.strategies import BATCHES, UNCERTAINTIES, needs_of
from tests.learning.pools_made import rich
from tests.make import make_campaign, make_sample, make_user

NEW = "/campaigns/new/"
FIRST = {"title": "Mood", "question": "How?", "labels": "good\nbad", "languages": "wo\nqu"}
BUDGET = {
    "items_per_round": "40",
    "floor_per_language": "4",
    "answers_per_item": "2",
    "train_when_answered": "0.9",
    "audit_share": "0.10",
    "gold_share": "0.10",
    "margin": "0.03",
    "network": "starter",
    "seed": "1",
    "opinion_passes": "10",
    "step": "guidelines",
}


@pytest.fixture
def noor(client: Client, db: Any) -> Client:
    client.force_login(make_user("noor", staff=True))
    return client


@pytest.mark.parametrize("name", offered_strategies())
def test_whatever_is_offered_can_be_chosen_by(name: str) -> None:
    assert set(needs_of(name)) <= set(SUPPLIED)
    assert len(name) <= Campaign._meta.get_field("strategy").max_length
    assert len(select(rich(strategy=name)).items) == 20


def test_nothing_but_the_callers_own_uncertainties_is_missing_from_the_list() -> None:
    assert {*UNCERTAINTIES, *BATCHES} - set(offered_strategies()) == {"given"}
    assert len(set(offered_strategies())) == len(offered_strategies())
    assert strategy_groups()["surprise"] == ["alps"]


def test_both_forms_say_what_strategies_need_and_what_ranks_without(
    noor: Client, settings: Any
) -> None:
    make_campaign(slug="moods")
    for address in (NEW, "/campaigns/moods/quota/"):
        page = noor.get(address).content.decode()
        assert '<optgroup label="From stored embeddings; where there are none: margin">' in page
        assert '<optgroup label="From several passes; where all agree: margin">' in page
        assert page.count('<option value="batch_bald">') == 2
        settings.ENV = settings.ENV.model_copy(update={"embeddings": False})
        assert "which are not stored here" in noor.get(address).content.decode()
        settings.ENV = settings.ENV.model_copy(update={"embeddings": True})


def test_campaign_is_made_with_its_way_to_choose(noor: Client) -> None:
    over = {"strategy": "bald", "cold_start": "typiclust", "opinion_passes": "6"}
    noor.post(NEW, FIRST | BUDGET | over)
    made = Campaign.objects.get()
    assert (made.strategy, made.cold_start, made.opinion_passes) == ("bald", "typiclust", 6)


@pytest.mark.parametrize(
    ("over", "field", "words"),
    [
        ({"cold_start": "alps"}, "cold_start", "masked-language head, and the starter has none"),
        ({"strategy": "guess"}, "strategy", "not one of the available choices"),
        ({"opinion_passes": "1"}, "opinion_passes", "greater than or equal to 2"),
    ],
)
def test_what_the_network_cannot_do_is_said_at_the_field(
    noor: Client, over: dict[str, str], field: str, words: str
) -> None:
    answer = noor.post(NEW, FIRST | BUDGET | {"strategy": "margin"} | over)
    assert answer.status_code == 422
    assert words in str(answer.context["form"].errors[field])
    assert not Campaign.objects.exists()


@pytest.mark.django_db
def test_quota_refuses_surprise_for_the_starter_and_takes_it_for_an_encoder() -> None:
    campaign = make_campaign(slug="moods", network="starter")
    make_sample(campaign, "wo")
    for values in ({"cold_start": "alps"}, {"strategy_mix": {"alps": 0.5, "margin": 0.5}}):
        with pytest.raises(KnobError, match="the starter has none") as told:
            propose(campaign, values=values)
        assert told.value.knob in values
    Campaign.objects.update(network="xlm-roberta-base")
    campaign.refresh_from_db()
    set_quota(campaign, values={"cold_start": "alps", "opinion_passes": 5})
    call_command("set_quota", "moods", "--cold-start", "none")
    campaign.refresh_from_db()
    assert (campaign.cold_start, campaign.opinion_passes) == ("", 5)
    with pytest.raises(CommandError, match="no strategy guess"):
        call_command("set_quota", "moods", "--cold-start", "guess")
