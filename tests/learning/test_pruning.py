"""What retired versions thought of the pool goes; history, and what one would go back to, stays."""

from datetime import UTC, datetime

import pytest

from learning.actions import pruning
from learning.actions.pools import active_languages
from learning.actions.pruning import forget_retired
from learning.actions.repeats import doubtful_answers
from learning.actions.rounds import open_round
from learning.actions.scored import scored_chunks
from learning.actions.scoring import open_scoring, reclaim_shards, score_shard, scoring_done
from learning.actions.serving import deploy
from learning.actions.versions import initial_version
from learning.models import Prediction, Round, Scoring
from tests.learning.test_embeddings import other_version
from tests.make import make_campaign, make_gold, make_item, make_sample

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_networks", "small_shards")]
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
POOL, GOLD = 60, 2


def score(version, most: int = 999) -> Scoring:
    scoring = open_scoring(version, now=NOW)
    for pk in reclaim_shards(scoring, now=NOW)[:most]:
        score_shard(pk, now=lambda: NOW)
    scoring.refresh_from_db()
    return scoring


def versions(tmp_path, count: int):
    """So many versions, each deployed and then scored whole, the oldest first."""
    campaign = make_campaign()
    for number in range(POOL):
        make_sample(campaign, ("wo", "qu")[number % 2], text=f"word {number}")
    for number in range(GOLD):
        make_gold(campaign, "wo", text=f"gold {number}")
    make_item(campaign.samples.order_by("pk").first())
    found = [initial_version(campaign)]
    score(found[0])
    for seed in range(1, count):
        version = other_version(campaign, tmp_path, seed=seed)
        deploy(campaign, version=version, kind="promotion", reason="better")
        score(version)
        found.append(version)
    return campaign, found


def held(version) -> int:
    return version.predictions.count()


def test_third_version_back_keeps_only_gold_and_what_was_asked(tmp_path) -> None:
    campaign, (first, second, third) = versions(tmp_path, 3)
    assert [held(one) for one in (first, second, third)] == [GOLD + 1, POOL + GOLD, POOL + GOLD]
    kept = first.predictions.values_list("sample", flat=True)
    asked = campaign.samples.filter(items__isnull=False) | campaign.samples.exclude(gold=None)
    assert set(kept) == set(asked.values_list("pk", flat=True))
    assert first.scorings.get().status == "pruned"
    assert not scoring_done(first)
    assert forget_retired(campaign, most=999) == 0
    assert doubtful_answers(campaign, active_languages(campaign), labels=("admin",)) == ()


def test_what_is_forgotten_keeps_pace_with_what_is_scored(tmp_path, monkeypatch) -> None:
    campaign, (first, second) = versions(tmp_path, 2)
    third = other_version(campaign, tmp_path, seed=9)
    deploy(campaign, version=third, kind="promotion", reason="better")
    scoring = open_scoring(third, now=NOW)
    before = Prediction.objects.count()
    shards = reclaim_shards(scoring, now=NOW)
    score_shard(shards[0], now=lambda: NOW)
    assert Prediction.objects.count() <= before
    assert 0 < held(first) < POOL
    assert not scoring_done(first)
    # The version before stands in meanwhile, whole.
    languages = active_languages(campaign)
    chunks = scored_chunks(campaign, version=third, languages=languages)
    assert sum(len(chunk.ids) for chunk in chunks) == POOL - 1
    monkeypatch.setattr(pruning, "FEW", 7)
    for pk in shards[1:]:
        score_shard(pk, now=lambda: NOW)
    assert [held(one) for one in (first, second, third)] == [GOLD + 1, POOL + GOLD, POOL + GOLD]


def test_version_of_an_open_round_is_not_touched_however_old(tmp_path) -> None:
    campaign, (first, *_) = versions(tmp_path, 1)
    round_ = open_round(campaign, now=NOW)
    for seed in (5, 6, 7):
        version = other_version(campaign, tmp_path, seed=seed)
        deploy(campaign, version=version, kind="promotion", reason="better")
        score(version)
    assert held(first) == POOL + GOLD
    assert scoring_done(first)
    Round.objects.filter(pk=round_.pk).update(status="closed")
    assert forget_retired(campaign, most=25) == 25
    assert held(first) == POOL + GOLD - 25


def test_pruned_version_that_serves_again_is_scored_again(tmp_path) -> None:
    campaign, (first, *_) = versions(tmp_path, 3)
    deploy(campaign, version=first, kind="rollback", reason="it was better")
    scoring = score(first)
    assert scoring.status == "done"
    assert held(first) == POOL + GOLD
    assert scoring_done(first)
    languages = active_languages(campaign)
    chunks = scored_chunks(campaign, version=first, languages=languages)
    assert sum(len(chunk.ids) for chunk in chunks) == POOL - 1
