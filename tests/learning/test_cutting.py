"""Cutting: what is likely to be asked is scored first, everything exactly once."""

import numpy as np
import pytest

from annotation.models import Sample
from learning.actions import cutting, scored
from learning.actions.cutting import cut
from learning.actions.pools import active_languages
from learning.actions.scored import scored_chunks
from learning.actions.scoring import (
    likely_scored,
    open_scoring,
    reclaim_shards,
    score_shard,
    scoring_done,
)
from learning.actions.versions import initial_version
from learning.models import Prediction, ScoringShard, Temperature
from tests.learning.scored import NOW, score
from tests.learning.test_embeddings import other_version
from tests.make import make_campaign, make_gold, make_item, make_language, make_sample

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_networks")]


@pytest.fixture(autouse=True)
def small_work(small_shards, monkeypatch) -> None:
    monkeypatch.setattr(cutting, "LIKELY", 1)
    monkeypatch.setattr(cutting, "LEAST_LIKELY", 4)
    monkeypatch.setattr(cutting, "LIKELY_SHARD", 3)


def campaign_with(samples: int):
    campaign = make_campaign(items_per_round=4)
    for number in range(samples):
        make_sample(campaign, ("wo", "qu")[number % 2], text=f"word {number}")
    return campaign


def test_after_a_promotion_the_hardest_of_each_language_come_first(tmp_path) -> None:
    campaign = campaign_with(40)
    first = initial_version(campaign)
    score(first)
    asked = make_item(campaign.samples.order_by("pk")[7]).sample
    gold = make_gold(campaign, "wo", text="gold").sample
    hardest = {
        pk
        for tag in ("wo", "qu")
        for pk in first.predictions.filter(sample__language__tag=tag, sample__items=None)
        .order_by("margin")
        .values_list("sample_id", flat=True)[:4]
    }
    second = other_version(campaign, tmp_path)
    scoring = open_scoring(second, now=NOW)
    likely = scoring.shards.filter(likely=True)
    named = [pk for ids in likely.values_list("sample_ids", flat=True) for pk in ids]
    assert set(named) == {*hardest, asked.pk, gold.pk}
    assert [len(shard.sample_ids) for shard in likely] == [3, 3, 3, 1]
    assert reclaim_shards(scoring, now=NOW)[:4] == list(likely.values_list("pk", flat=True))
    assert scoring.samples_total == 41
    assert sum(scoring.shards.values_list("samples", flat=True)) == 41
    assert scoring.previous == first


def test_round_may_choose_when_the_likely_are_scored_and_the_rest_follows(tmp_path) -> None:
    campaign = campaign_with(40)
    score(initial_version(campaign))
    second = other_version(campaign, tmp_path)
    likely = cut(second, previous=campaign.model_versions.get(number=1))[0]
    score(second, most=len(likely) - 1)
    assert not likely_scored(second)
    rest = list(ScoringShard.objects.filter(scoring__version=second, status="queued"))
    score_shard(rest[0].pk, now=lambda: NOW)
    assert rest[0].likely
    assert likely_scored(second)
    assert not scoring_done(second)
    for shard in rest[1:]:
        score_shard(shard.pk, now=lambda: NOW)
    assert scoring_done(second)
    assert second.predictions.count() == 40


def test_version_before_stands_in_until_all_is_scored(tmp_path, monkeypatch) -> None:
    """The random arm may draw whatever is in the pool, so nothing may be missing from it."""
    campaign = campaign_with(40)
    first = initial_version(campaign)
    score(first)
    second = other_version(campaign, tmp_path)
    qu = make_language("qu")
    Temperature.objects.create(version=first, language=qu, value=2.0, gold=50)
    Temperature.objects.create(version=second, language=qu, value=3.0, gold=50)
    likely = cut(second, previous=first)[0]
    score(second, most=len(likely))
    fresh = dict(second.predictions.values_list("sample_id", "logits"))
    assert 0 < len(fresh) < 40
    languages = active_languages(campaign)

    def pool():
        chunks = list(scored_chunks(campaign, version=second, languages=languages))
        parts = zip(*((chunk.ids, chunk.logits) for chunk in chunks), strict=True)
        return [np.concatenate(part) for part in parts]

    for page in (10_000, 7, 1):
        monkeypatch.setattr(scored, "PAGE", page)
        samples, logits = pool()
        assert samples.tolist() == sorted(campaign.samples.values_list("pk", flat=True))
    for row in first.predictions.select_related("sample"):
        at = samples.tolist().index(row.sample_id)
        scale = 1.5 if row.sample.language == qu else 1.0
        expected = fresh.get(row.sample_id, np.array(row.logits) * scale)
        np.testing.assert_allclose(logits[at], expected, rtol=1e-12)
    for shard in ScoringShard.objects.filter(scoring__version=second, status="queued"):
        score_shard(shard.pk, now=lambda: NOW)
    samples, logits = pool()
    now = dict(second.predictions.values_list("sample_id", "logits"))
    assert logits.tolist() == [now[pk] for pk in samples.tolist()]


def test_slice_leaves_the_likely_to_their_own_shards_even_if_it_is_first() -> None:
    version = initial_version(campaign_with(20))
    scoring = open_scoring(version, now=NOW)
    last_first = list(scoring.shards.order_by("likely", "first_id"))
    assert not last_first[0].likely
    done = [score_shard(shard.pk, now=lambda: NOW) for shard in last_first]
    assert [shard.samples for shard in done] == [shard.samples for shard in last_first]
    assert sum(shard.samples for shard in done) == 20
    assert sum(len(Prediction.objects.filter(shard=shard)) for shard in done) == 20


def test_before_any_version_has_seen_them_a_random_few_come_first() -> None:
    campaign = campaign_with(60)
    version = initial_version(campaign)
    likely, rest = cut(version, previous=None)
    first = [pk for part in likely for pk in part.ids]
    languages = Sample.objects.filter(pk__in=first).values_list("language__tag", flat=True)
    assert sorted(languages) == ["qu"] * 4 + ["wo"] * 4
    assert first != list(campaign.samples.order_by("pk").values_list("pk", flat=True)[:8])
    assert sum(part.count for part in rest) == 52
    campaign.seed = 1
    campaign.save()
    version.refresh_from_db()
    assert [pk for part in cut(version, previous=None)[0] for pk in part.ids] != first


def test_what_no_longer_serves_is_not_scored_any_further(tmp_path) -> None:
    campaign = campaign_with(30)
    first = initial_version(campaign)
    scoring = score(first, most=2)
    second = other_version(campaign, tmp_path)
    score(second)
    scoring.refresh_from_db()
    assert scoring.status == "stopped"
    left = scoring.shards.filter(status="queued").first()
    assert score_shard(left.pk, now=lambda: NOW).status == "queued"
    assert scoring_done(second)
    assert not likely_scored(first)
    before = first.predictions.count()
    score(first)  # a rollback goes on where it stopped
    assert scoring_done(first)
    assert before < first.predictions.count() == 30
