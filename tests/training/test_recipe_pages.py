"""The page of a recipe: every setting with its meaning, set and taken back, with who did it."""

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from annotation.errors import ConflictError
from annotation.models import Campaign, User
from tests.make import make_campaign, make_user
from tests.training.pages import text_of
from training.actions.recipe_words import GROUPS
from training.actions.recipes import set_recipe, undo_recipe
from training.methods.recipes import Recipe

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign() -> Campaign:
    return make_campaign()


@pytest.fixture
def lead() -> User:
    return make_user("noor", staff=True)


@pytest.fixture
def noor(client: Client, lead: User) -> Client:
    client.force_login(lead)
    return client


def page(campaign: Campaign) -> str:
    return reverse("recipe", args=[campaign.slug])


def test_every_setting_has_a_field_a_meaning_and_what_it_is_as_usual(
    noor: Client, campaign: Campaign
) -> None:
    named = [name for _, meanings in GROUPS for name in meanings]
    assert sorted(named) == sorted(Recipe.knobs())
    told = text_of(noor, page(campaign))
    for name in named:
        assert f'name="{name}"' in told, name
    assert 'placeholder="as usual: 0.001"' in told
    assert "as usual: update" in told
    assert 'placeholder="as usual: 0.3"' in told
    # What a method is made of is what is usual under it.
    set_recipe(campaign, changes={"method": "der++"})
    assert 'placeholder="as usual: 0.1"' in text_of(noor, page(campaign))


def test_what_is_set_is_kept_with_who_did_it_and_can_be_taken_back(
    noor: Client, lead: User, campaign: Campaign
) -> None:
    answer = noor.post(page(campaign), {"seen": 0, "method": "er", "epochs": "3"}, follow=True)
    campaign.refresh_from_db()
    assert campaign.recipe == {"method": "er", "epochs": 3}
    told = answer.content.decode()
    assert "The recipe is set" in told
    assert "Noor" in told
    call_command("set_recipe", campaign.slug, "epochs=", "lr=0.1")
    told = text_of(noor, page(campaign))
    assert "the command line" in told
    late = noor.post(page(campaign), {"seen": 1, "epochs": "9"}, follow=True)
    assert "Somebody has changed the recipe" in late.content.decode()
    noor.post(reverse("recipe_undo", args=[campaign.slug, 2]))
    campaign.refresh_from_db()
    assert campaign.recipe == {"method": "er", "epochs": 3}
    assert [change.actor for change in campaign.recipe_changes.all()] == [lead, None, lead]
    with pytest.raises(ConflictError, match="not the newest"):
        undo_recipe(campaign, number=2, actor=lead)
    set_recipe(campaign, changes={"epochs": 3})
    assert campaign.recipe_changes.count() == 3


def test_what_cannot_be_trained_by_is_said_where_it_stands_and_nothing_is_lost(
    noor: Client, campaign: Campaign
) -> None:
    wrong = {"seen": 0, "epochs": "many", "rank": "0", "lr": "inf", "memory": "200"}
    answer = noor.post(page(campaign), wrong)
    told = answer.content.decode()
    assert answer.status_code == 422
    for words in ("epochs cannot be", "It goes from 1 to 1024", "lr cannot be"):
        assert words in told
    assert 'value="200"' in told
    answer = noor.post(page(campaign), {"seen": 0, "epoch": "3"})
    assert "no setting called epoch. Known are: method, lr," in answer.content.decode()
    both = noor.post(page(campaign), {"seen": 0, "method": "ewc", "shard": "1"})
    assert "needs whole weights" in both.content.decode()
    campaign.refresh_from_db()
    assert campaign.recipe == {}
    assert not campaign.recipe_changes.exists()
