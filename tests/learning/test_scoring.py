"""Scoring: everything once, whatever dies."""

import errno
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from annotation.models import Sample, SampleImport
from learning import inference
from learning.actions import scoring as actions
from learning.actions.scoring import (
    open_scoring,
    reclaim_shards,
    retry_failed_shards,
    score_shard,
    scoring_done,
    unscored,
)
from learning.actions.versions import initial_version
from learning.errors import ScoringError
from learning.gateways.embeddings import embeddings_dir
from learning.inference import logits_of
from learning.models import Prediction, Scoring, ScoringShard, Temperature
from learning.networks.runtimes import Answers
from tests.learning.scored import embedded
from tests.make import make_campaign, make_gold, make_language, make_sample

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_networks")]
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Clock:
    """Time that moves when told."""

    def __init__(self) -> None:
        self.time = NOW

    def __call__(self) -> datetime:
        return self.time

    def later(self, seconds: float) -> datetime:
        self.time += timedelta(seconds=seconds)
        return self.time


@pytest.fixture(autouse=True)
def small_work(small_shards, monkeypatch) -> None:
    monkeypatch.setattr("learning.networks.packing.MOST_TEXTS", 4)


def campaign_with(samples: int):
    campaign = make_campaign()
    for number in range(samples):
        make_sample(campaign, ("wo", "qu")[number % 2], text=f"word {number}")
    return campaign, initial_version(campaign)


def score_all(version, now=NOW) -> Scoring:
    scoring = open_scoring(version, now=now)
    for pk in reclaim_shards(scoring, now=now):
        score_shard(pk, now=lambda: now)
    scoring.refresh_from_db()
    return scoring


def test_every_ready_sample_of_an_active_language_is_scored_once() -> None:
    campaign, version = campaign_with(23)
    make_gold(campaign, "wo", text="gold")
    waiting = SampleImport.objects.create(
        campaign=campaign, filename="f", path="p", format="csv", status="running"
    )
    unready = make_sample(campaign, "wo", text="not yet", sample_import=waiting)
    resting = make_sample(campaign, "ace", text="inactive language")
    make_sample(make_campaign(), "wo", text="elsewhere")
    scoring = score_all(version)
    assert [s.samples for s in scoring.shards.all()] == [10, 10, 4]
    assert (scoring.status, scoring.samples_total) == ("done", 24)
    assert scoring_done(version)
    assert version.predictions.count() == 24
    assert not Prediction.objects.filter(sample__in=[unready, resting]).exists()


def test_prediction_says_what_the_network_said() -> None:
    _, version = campaign_with(6)
    Temperature.objects.create(version=version, language=make_language("qu"), value=2.0, gold=50)
    score_all(version)
    for prediction in Prediction.objects.select_related("sample__language"):
        tag = prediction.sample.language.tag
        fresh = logits_of(version, texts=[prediction.sample.text], languages=[tag])[0]
        np.testing.assert_allclose(prediction.logits, fresh, rtol=1e-5)
        assert all(float(f"{x:.6g}") == x for x in prediction.logits)
        p = np.exp(np.array(prediction.logits) / (2.0 if tag == "qu" else 1.0))
        p = np.sort(p / p.sum())
        assert prediction.margin == pytest.approx(p[-1] - p[-2], abs=1e-9)
        assert prediction.label_position == int(np.argmax(fresh))


def test_second_opening_covers_what_came_meanwhile_and_nothing_twice() -> None:
    campaign, version = campaign_with(5)
    scoring = open_scoring(version, now=NOW)
    assert open_scoring(version, now=NOW) == scoring
    assert not scoring_done(version)
    score_all(version)
    assert open_scoring(version, now=NOW) == scoring
    late = make_sample(campaign, "wo", text="late")
    again = score_all(version)
    assert again != scoring
    assert (again.samples_total, again.status) == (1, "done")
    assert Prediction.objects.filter(sample=late).count() == 1


def test_empty_pool_is_done_at_once() -> None:
    version = initial_version(make_campaign())
    assert not scoring_done(version)
    assert open_scoring(version, now=NOW).status == "done"
    assert scoring_done(version)


def meddle(monkeypatch, act) -> list[int]:
    """Have ``act`` called before every batch, with how many there were in all."""
    real, seen = inference.answers_of, []

    def answers_of(*args, **kwargs):
        for part in real(*args, **kwargs):
            seen.append(len(part.rows))
            act(len(seen))
            yield part

    monkeypatch.setattr(inference, "answers_of", answers_of)
    return seen


def test_shard_is_claimed_by_one_and_done_work_is_left_alone(monkeypatch) -> None:
    _, version = campaign_with(5)
    (pk,) = reclaim_shards(open_scoring(version, now=NOW), now=NOW)
    states = []
    batches = meddle(monkeypatch, lambda _: states.append(score_shard(pk, now=lambda: NOW).status))
    assert score_shard(pk, now=lambda: NOW).attempts == 1
    assert states == ["running", "running"]
    assert score_shard(pk, now=lambda: NOW).attempts == 1
    assert batches == [4, 1]
    assert version.predictions.count() == 5


def test_lost_worker_costs_one_shard(monkeypatch) -> None:
    _, version = campaign_with(30)
    scoring = open_scoring(version, now=NOW)
    clock = Clock()
    first, *rest = reclaim_shards(scoring, now=clock())

    def die(batch):
        if batch == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        meddle(patch, die)
        with pytest.raises(KeyboardInterrupt):
            score_shard(first, now=clock)
    assert ScoringShard.objects.get(pk=first).status == "running"
    assert not version.predictions.exists()
    for pk in rest:
        score_shard(pk, now=clock)
    kept = set(version.predictions.values_list("pk", flat=True))
    assert len(kept) == 20
    assert reclaim_shards(scoring, now=clock()) == []
    assert reclaim_shards(scoring, now=clock.later(61)) == [first]
    assert reclaim_shards(scoring, now=clock()) == []
    score_shard(first, now=clock)
    assert kept < set(version.predictions.values_list("pk", flat=True))
    assert version.predictions.count() == 30
    assert scoring_done(version)


def test_worker_that_lost_its_lease_stops_and_leaves_nothing_behind(monkeypatch) -> None:
    _, version = campaign_with(10)
    clock = Clock()
    (pk,) = reclaim_shards(open_scoring(version, now=clock()), now=clock())

    def sleep(batch):
        if batch == 1:
            clock.later(61)
            score_shard(pk, now=clock)

    batches = meddle(monkeypatch, sleep)
    shard = score_shard(pk, now=clock)
    assert (shard.status, shard.attempts) == ("done", 2)
    assert version.predictions.count() == 10
    assert batches == [4, 4, 4, 2]
    assert embedded(version) == 10


def test_worker_that_was_overtaken_at_the_very_end_commits_nothing(monkeypatch) -> None:
    _, version = campaign_with(3)
    clock = Clock()
    (pk,) = reclaim_shards(open_scoring(version, now=clock()), now=clock())
    real, overtaken = actions._write, []

    def late(*args, **kwargs):
        written = real(*args, **kwargs)
        if not overtaken:
            overtaken.append(written.path)
            clock.later(61)
            score_shard(pk, now=clock)
        return written

    monkeypatch.setattr(actions, "_write", late)
    assert score_shard(pk, now=clock).attempts == 2
    assert embedded(version) == 3
    assert not (embeddings_dir() / overtaken[0]).exists()


def test_failure_is_told_and_after_five_attempts_final_until_somebody_retries(monkeypatch) -> None:
    _, version = campaign_with(3)
    clock = Clock()
    scoring = open_scoring(version, now=clock())

    def broken(*args, **kwargs):
        raise RuntimeError("out of memory")

    real = inference.answers_of
    monkeypatch.setattr(inference, "answers_of", broken)
    for _ in range(5):
        (pk,) = reclaim_shards(scoring, now=clock())
        with pytest.raises(RuntimeError):
            score_shard(pk, now=clock)
        assert reclaim_shards(scoring, now=clock()) == []
        clock.later(61)
    shard = scoring.shards.get()
    assert (shard.status, shard.attempts) == ("failed", 5)
    assert "out of memory" in shard.error
    assert reclaim_shards(scoring, now=clock()) == []
    assert not scoring_done(version)
    monkeypatch.setattr(inference, "answers_of", real)
    assert retry_failed_shards(scoring) == 1
    (pk,) = reclaim_shards(scoring, now=clock())
    assert score_shard(pk, now=clock).error == ""
    assert scoring_done(version)


def test_a_full_disk_costs_no_attempt(monkeypatch) -> None:
    _, version = campaign_with(3)
    clock = Clock()
    scoring = open_scoring(version, now=clock())

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patched:
        patched.setattr(inference, "answers_of", full)
        for _ in range(7):
            (pk,) = reclaim_shards(scoring, now=clock())
            with pytest.raises(OSError, match="full"):
                score_shard(pk, now=clock)
            clock.later(61)
    (pk,) = reclaim_shards(scoring, now=clock())
    assert (score_shard(pk, now=clock).status, scoring_done(version)) == ("done", True)


def test_worker_killed_five_times_fails_the_shard_with_a_word() -> None:
    _, version = campaign_with(3)
    scoring = open_scoring(version, now=NOW)
    scoring.shards.update(status="running", attempts=5, lease_until=NOW - timedelta(seconds=1))
    assert reclaim_shards(scoring, now=NOW) == []
    shard = scoring.shards.get()
    assert shard.status == "failed"
    assert "lost 5 times" in shard.error


def test_worker_killed_between_its_last_shard_and_the_scoring_leaves_nothing_open() -> None:
    _, version = campaign_with(3)
    scoring = score_all(version)
    Scoring.objects.update(status="running", finished_at=None)
    assert reclaim_shards(scoring, now=NOW) == []
    scoring.refresh_from_db()
    assert (scoring.status, scoring.finished_at) == ("done", NOW)
    assert scoring_done(version)


def test_only_so_many_shards_are_given_out_at_once(monkeypatch) -> None:
    monkeypatch.setattr(actions, "GIVEN_OUT", 2)
    _, version = campaign_with(45)
    scoring = open_scoring(version, now=NOW)
    given = reclaim_shards(scoring, now=NOW)
    assert len(given) == 2
    assert reclaim_shards(scoring, now=NOW) == []
    score_shard(given[0], now=lambda: NOW)
    assert len(reclaim_shards(scoring, now=NOW)) == 1


def answer_with(monkeypatch, number) -> None:
    """Have the network answer every text with what ``number`` makes of it."""

    def answers_of(version, *, texts, languages, runtime):
        logits = np.array([[number(text)] * 3 for text in texts], dtype=np.float32)
        yield Answers(np.arange(len(texts)), logits, np.ones((len(texts), 2), np.float32))

    monkeypatch.setattr(inference, "answers_of", answers_of)


def test_numbers_that_are_none_are_named_and_the_rest_served(monkeypatch) -> None:
    _, version = campaign_with(4)
    broken = Sample.objects.order_by("pk")[1]

    answer_with(monkeypatch, lambda text: np.nan if text == broken.text else 1.0)
    scoring = score_all(version)
    assert version.predictions.count() == 3
    assert str(broken.pk) in scoring.shards.get().error
    assert scoring.shards.get().spoilt == [broken.pk]
    assert not unscored(version).exists()
    assert open_scoring(version, now=NOW) == scoring
    assert scoring_done(version)


def test_one_late_text_that_cannot_be_answered_accuses_nobody(monkeypatch) -> None:
    campaign, version = campaign_with(4)
    score_all(version)
    make_sample(campaign, "wo", text="poison")
    answer_with(monkeypatch, lambda text: np.nan)
    assert score_all(version).status == "done"
    assert scoring_done(version)


def test_network_without_any_finite_answer_fails_the_shard(monkeypatch) -> None:
    _, version = campaign_with(9)
    answer_with(monkeypatch, lambda text: np.inf)
    with pytest.raises(ScoringError, match="not finite"):
        score_all(version)
    assert not version.predictions.exists()
