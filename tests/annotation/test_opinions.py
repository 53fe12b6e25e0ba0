"""Where opinions are asked for, nobody is accused of having one."""

import pytest
from django.core.management import CommandError, call_command

from annotation.actions.consensus import refit
from annotation.actions.standings import set_calibration
from annotation.actions.watching import watch
from annotation.errors import InvalidInputError
from annotation.models import Campaign, CampaignLanguage, Concern, DriftChart, DriftPoint, Item
from learning.actions.quota_settings import KnobError, set_quota
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
    told += ["--opinions", "--calibrate", "--set", "most_answers=7", "--set", "qualify_cap=60"]
    with pytest.raises(CommandError, match=r"has no spread\. Set “answers per item”"):
        call_command("create_campaign", *told)
    call_command("create_campaign", *told, "--set", "answers_per_item=3")
    campaign = Campaign.objects.get()
    assert (campaign.subjective, campaign.calibrate) == (True, True)
    assert (campaign.most_answers, campaign.qualify_cap) == (7, 60)


def test_what_is_done_with_opinions_cannot_be_set_against_itself() -> None:
    campaign = make_home(gold=0, answers_per_item=3).campaign
    with pytest.raises(InvalidInputError, match="opinions from 3 people on"):
        set_calibration(
            make_home(gold=0, answers_per_item=2).campaign,
            values={"subjective": True, "most_answers": 2},
            now=NOW,
        )
    set_calibration(campaign, values={"subjective": True}, now=NOW)
    with pytest.raises(KnobError, match="one answer has no spread"):
        set_quota(campaign, values={"answers_per_item": 1})
    with pytest.raises(KnobError, match="on the page Calibration, Settings"):
        set_quota(campaign, values={"answers_per_item": 4})
    campaign.refresh_from_db()
    assert (campaign.subjective, campaign.answers_per_item) == (True, 3)
