"""Retired gold judges nobody: not in the estimate, not in a chart, and its text is free again."""

import pytest

from annotation.actions.consensus import refit, stale_languages
from annotation.actions.disputes import adjudicate
from annotation.actions.gold_care import retire_gold
from annotation.actions.watching import watch
from annotation.models import (
    CampaignLanguage,
    Consensus,
    DriftChart,
    GoldItem,
    Item,
    Reliability,
)
from tests.annotation.calibrating import NOW, answer, ask_gold, make_home
from tests.make import make_annotator, make_user
from training.actions.gold_marks import GoldMarks

pytestmark = pytest.mark.django_db


@pytest.fixture
def home() -> CampaignLanguage:
    return make_home(gold=24)


def answered_gold(home: CampaignLanguage, *, key: str) -> GoldItem:
    """Gold that two people hold to be something else."""
    gold = GoldItem.objects.exclude(label__key=key).order_by("pk")[0]
    item = ask_gold(home, gold, state=Item.State.ANSWERED)
    for name in ("awa", "inti"):
        answer(item, make_annotator(name), key)
    refit(home.campaign, language=home.language, now=NOW)
    return gold


def test_a_text_whose_gold_is_retired_has_a_consensus_again(home: CampaignLanguage) -> None:
    gold = answered_gold(home, key="dates")
    assert not Consensus.objects.exists()
    before = Reliability.objects.get(annotator__user__username="awa")
    assert before.gold_answers == 1
    assert stale_languages(home.campaign) == []
    retire_gold(gold, reason="Wrong.", now=NOW)
    assert stale_languages(home.campaign) == [home.language]
    refit(home.campaign, language=home.language, now=NOW)
    consensus = Consensus.objects.get(sample=gold.sample)
    assert (consensus.label.key, consensus.answers) == ("dates", 2)
    after = Reliability.objects.get(annotator__user__username="awa")
    assert after.gold_answers == 0
    assert after.skill > before.skill
    # Yet no model learns what it was judged by once.
    assert gold.sample_id in GoldMarks.of(home.campaign).samples


def test_retired_gold_leaves_the_charts_and_enters_none(home: CampaignLanguage) -> None:
    gold = answered_gold(home, key="dates")
    assert watch(home, now=NOW).gold == 2
    retire_gold(gold, reason="Wrong.", now=NOW)
    seen = watch(home, now=NOW)
    assert (seen.removed, seen.gold) == (2, 0)
    assert set(DriftChart.objects.values_list("level", "seen")) == {(0.0, 0)}


def test_what_was_retired_can_be_decided_on(home: CampaignLanguage) -> None:
    gold = answered_gold(home, key="dates")
    retire_gold(gold, reason="Wrong.", now=NOW)
    label = home.campaign.labels.get(key="dates")
    noor = make_user("noor")
    adjudicate(gold.sample, label=label, reason="A day is named.", by=noor, now=NOW)
    refit(home.campaign, language=home.language, now=NOW)
    assert Consensus.objects.get(sample=gold.sample).label == label
