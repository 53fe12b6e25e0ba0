"""Scoring as workers do it, at a time of the tests' own."""

from datetime import UTC, datetime

from learning.actions.embeddings import gather
from learning.actions.scoring import open_scoring, reclaim_shards, score_shard
from learning.models import ModelVersion, Scoring

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def score(version: ModelVersion, *, most: int | None = None) -> Scoring:
    """Score what a version has to score, all of it or so many shards."""
    scoring = open_scoring(version, now=NOW)
    while shards := reclaim_shards(scoring, now=NOW)[:most]:
        for pk in shards:
            score_shard(pk, now=lambda: NOW)
        if most is not None:
            break
    scoring.refresh_from_db()
    return scoring


def embedded(version: ModelVersion) -> int:
    """Return of how many texts of the campaign there are embeddings."""
    ids = version.campaign.samples.order_by("pk").values_list("pk", flat=True)
    return len(ids) - len(gather(version, ids=list(ids))[1])
