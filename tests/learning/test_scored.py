"""What reaches the selection of a stored pool: the same batch as if all of it lay in memory."""

from dataclasses import replace

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from annotation.models import GoldItem, Sample, SampleImport
from learning.actions import scored
from learning.actions.embeddings import gather
from learning.actions.pools import (
    active_languages,
    askable,
    plain_request,
    preview_quota,
    request_of,
)
from learning.actions.rounds import open_round
from learning.methods.selection import select
from learning.models import EmbeddingShard, NearDuplicate, Prediction, Round
from tests.learning.test_rounds import NOW, campaign_with, next_round
from tests.make import make_item, make_language, make_sample

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_networks")]


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scored, "PAGE", 17)


def in_memory(round_: Round):
    """The request of the round, put together from rows by what the rooms say of themselves."""
    languages = active_languages(round_.campaign)
    near = {(n.home.language_id, n.digest): n.group for n in NearDuplicate.objects.all()}
    rows = list(
        Prediction.objects.filter(
            version=round_.version,
            sample__in=Sample.objects.unasked().filter(campaign=round_.campaign),
            sample__language__in=[home.language for home in languages],
        ).select_related("sample")
    )
    place = {home.language_id: at for at, home in enumerate(languages)}
    texts = [(row.sample.language_id, row.sample.digest) for row in rows]
    streamed = request_of(round_)
    ids = [row.sample_id for row in rows]
    return replace(
        streamed,
        sieved=None,
        item_ids=tuple(map(str, ids)),
        language=np.array([place[row.sample.language_id] for row in rows]),
        logits=np.array([row.logits for row in rows]),
        dup_group=tuple(near.get(text, text[1])[:32] for text in texts),
        dialect=tuple(row.sample.dialect for row in rows),
        embeddings=None if streamed.embeddings is None else gather(round_.version, ids=ids)[0],
    )


def varied():
    """A campaign with copies, gold, asked, withdrawn and half-imported texts, and dialects."""
    campaign = campaign_with(near_duplicates="0.9")
    version = campaign.model_versions.get()
    mine = list(campaign.samples.filter(gold=None).order_by("pk"))
    home = campaign.languages.get(language=mine[0].language)
    for digest in (mine[0].digest, mine[1].digest):
        NearDuplicate.objects.create(home=home, digest=digest, group=mine[0].digest)
    Sample.objects.filter(pk=mine[2].pk).update(dialect="north")
    Sample.objects.filter(pk=mine[3].pk).update(withdrawn_at=timezone.now())
    coming = SampleImport.objects.create(campaign=campaign, filename="f", path="f", format="csv")
    Sample.objects.filter(pk=mine[4].pk).update(sample_import=coming)
    GoldItem.objects.create(sample=mine[5], label=campaign.labels.first())
    make_item(mine[6])
    copy = make_sample(campaign, mine[6].language.tag, text=mine[6].text)
    twin = make_sample(campaign, mine[7].language.tag, text=mine[7].text)
    for one in (copy, twin):
        Prediction.objects.create(
            sample=one, version=version, logits=[0.1, 0.2, 0.1], margin=0.1, label_position=1
        )
    return campaign, mine, copy


@pytest.mark.parametrize("strategy", ["margin", "two_stage", "entropy"])
def test_stored_pool_streams_to_the_batch_of_the_same_pool_in_memory(strategy: str) -> None:
    campaign, mine, copy = varied()
    if strategy == "two_stage":
        # Without an embedding a text cannot be laid beside others: named, and left out.
        Prediction.objects.filter(sample=mine[8]).delete()
    campaign.strategy = strategy
    campaign.save()
    round_ = open_round(campaign, now=NOW)
    batch, whole = select(request_of(round_)), in_memory(round_)
    assert batch.as_text() == select(whole).as_text()
    asked = {int(pk) for pick in batch.items for pk in (pick.item_id, *pick.duplicates)}
    assert not asked & {mine[3].pk, mine[4].pk, mine[5].pk, mine[6].pk, copy.pk}
    reasons = {row.item_id: row.reason for row in batch.rejected}
    assert reasons[str(copy.pk)] in {"asked", "zero_vector"}


def test_what_the_preview_counts_is_what_the_round_can_ask() -> None:
    campaign, _, copy = varied()
    rows = {row.tag: (row.samples, row.texts) for row in preview_quota(campaign)}
    batch = select(request_of(open_round(campaign, now=NOW)))
    assert rows == {row.language: (row.samples, row.texts) for row in batch.languages}
    assert copy not in askable(campaign, version=campaign.model_versions.get())


@pytest.mark.skipif(connection.vendor != "sqlite", reason="plans are told in SQLite's words")
def test_pool_is_counted_in_indexes_without_a_look_at_its_rows() -> None:
    """What keeps every text that it has seen, or reads every row, takes minutes at ten million."""
    campaign, mine, _ = varied()
    make_sample(campaign, text=mine[0].text)
    campaign.near_duplicates = None
    with CaptureQueriesContext(connection) as seen:
        preview_quota(campaign)
    counted = [q["sql"] for q in seen if 'COUNT("annotation_sample"."id")' in q["sql"]]
    assert len(counted) >= 3
    for sql in counted:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            plan = [row[3] for row in cursor.fetchall()]
        assert [step.split(" (")[0] for step in plan] in (
            ["SEARCH annotation_sample USING COVERING INDEX sample_by_language"],
            ["SEARCH annotation_sample USING COVERING INDEX sample_by_digest"],
        )


def test_what_an_import_brings_is_counted_when_it_is_over_and_what_is_withdrawn_never() -> None:
    campaign, mine, _ = varied()
    before = {row.tag: (row.samples, row.texts) for row in preview_quota(campaign)}
    going_on = SampleImport.objects.create(campaign=campaign, filename="a", format="csv")
    tag = mine[7].language.tag
    make_sample(campaign, tag, text="on its way", sample_import=going_on)
    make_sample(campaign, tag, text=mine[7].text, sample_import=going_on)
    make_sample(campaign, tag, text="taken back", withdrawn_at=NOW)
    assert {row.tag: (row.samples, row.texts) for row in preview_quota(campaign)} == before
    SampleImport.objects.filter(pk=going_on.pk).update(status="done")
    samples, texts = before[tag]
    now = {row.tag: (row.samples, row.texts) for row in preview_quota(campaign)}
    assert now == {**before, tag: (samples + 2, texts + 1)}


def test_pool_without_any_embedding_of_its_own_is_not_left_unasked() -> None:
    campaign, _, _ = varied()
    campaign.strategy = "k_center"
    campaign.save()
    round_ = open_round(campaign, now=NOW)
    assert EmbeddingShard.objects.exists()
    fresh = [make_sample(campaign, text=f"new {n}") for n in range(3)]
    version = campaign.model_versions.get()
    Prediction.objects.all().delete()
    for one in fresh:
        Prediction.objects.create(
            sample=one, version=version, logits=[0.1, 0.2, 0.1], margin=0.1, label_position=1
        )
    request = request_of(round_)
    assert (request.strategy, len(request.item_ids)) == ("margin", 3)


def test_language_that_joins_half_way_and_an_empty_one_are_in_the_next_round() -> None:
    campaign = campaign_with()
    next_round(campaign)
    late, empty = make_language("ug"), make_language("bug")
    for language in (late, empty):
        campaign.languages.create(language=language)
    texts = [make_sample(campaign, "ug", text=f"late {n}") for n in range(9)]
    for one in texts:
        Prediction.objects.create(
            sample=one,
            version=campaign.model_versions.get(),
            logits=[0.3, 0.2, 0.1],
            margin=0.1,
            label_position=0,
        )
    Round.objects.update(status="closed")
    batch = select(plain_request(open_round(campaign, now=NOW), active_languages(campaign)))
    got = {row.language: (row.got, row.capped_by) for row in batch.languages}
    assert got["ug"][0] > 0
    assert got["bug"] == (0, "pool")
