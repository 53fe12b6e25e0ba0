"""Where opinions are asked for, nobody is accused of having one."""

import pytest
from django.core.management import call_command

from annotation.actions.consensus import refit
from annotation.actions.watching import watch
from annotation.models import Campaign, CampaignLanguage, Concern, DriftChart, DriftPoint, Item
from tests.annotation.calibrating import NOW, answer, make_home
from tests.make import make_annotator, make_item, make_sample

pytestmark = pytest.mark.django_db


def differ(home: CampaignLanguage, *, texts: int) -> None:
    """Three people: two of one opinion, and one of another."""
    people = [make_annotator(name) for name in ("awa", "inti", "sam")]
    for number in range(texts):
        item = make_item(make_sample(home.campaign), state=Item.State.ANSWERED)
        agreed, other = ("admin", "dates")[number % 2], ("dates", "admin")[number % 2]
        for who, key in zip(people, (other, agreed, agreed), strict=True):
            answer(item, who, key)
    refit(home.campaign, language=home.language, now=NOW)


def test_an_opinion_of_ones_own_is_no_alarm() -> None:
    home = make_home(gold=3, subjective=True)
    differ(home, texts=30)
    assert watch(home, now=NOW).surprise == 0
    assert not DriftChart.objects.exists()
    assert not Concern.objects.exists()


def test_charts_are_emptied_when_a_campaign_comes_to_ask_for_opinions() -> None:
    home = make_home(gold=3)
    differ(home, texts=4)
    assert watch(home, now=NOW).surprise == 12
    Campaign.objects.update(subjective=True)
    home = CampaignLanguage.objects.get()
    assert watch(home, now=NOW).removed == 12
    assert not DriftPoint.objects.exists()
    # And shares that a refit has left are no posterior when it goes back, either.
    refit(home.campaign, language=home.language, now=NOW)
    Campaign.objects.update(subjective=False)
    home = CampaignLanguage.objects.get()
    assert watch(home, now=NOW).surprise == 0
    refit(home.campaign, language=home.language, now=NOW)
    assert watch(home, now=NOW).surprise == 12


def test_the_command_makes_a_campaign_of_opinions() -> None:
    told = ["opinions", "--question", "Is it rude?", "--label", "yes=Yes", "--label", "no=No"]
    call_command("create_campaign", *told, "--set", "subjective=true", "--set", "most_answers=7")
    campaign = Campaign.objects.get()
    assert (campaign.subjective, campaign.most_answers) == (True, 7)
