"""Embeddings: there whole or not at all, found again by id, made again when they are damaged."""

import numpy as np
import pytest

from learning.actions.embeddings import gather, make_again, rows_of
from learning.actions.scoring import open_scoring, reclaim_shards, score_shard, scoring_done
from learning.actions.serving import serving_version
from learning.actions.versions import initial_version, register_version
from learning.errors import EmbeddingsError
from learning.gateways import embeddings as files
from learning.inference import network_of
from learning.models import EmbeddingShard, ModelVersion
from tests.learning.scored import NOW, embedded, score
from tests.learning.tiny import TinyNetwork
from tests.make import LABELS, make_campaign, make_language, make_sample

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_networks", "small_shards")]


def campaign_with(samples: int):
    campaign = make_campaign()
    for number in range(samples):
        make_sample(campaign, ("wo", "qu")[number % 2], text=f"word {number}")
    return campaign


def other_version(campaign, place, seed: int = 1) -> ModelVersion:
    folder = place / f"other-{seed}"
    folder.mkdir()
    TinyNetwork(LABELS, seed=seed).save(folder)
    return register_version(campaign, folder=folder, network="tiny", base=None, manifest={})


def expected(version: ModelVersion, samples) -> np.ndarray:
    network = network_of(version)
    texts = [sample.text for sample in samples]
    tags = [sample.language.tag for sample in samples]
    return network.embed(network.collate(texts, tags)).numpy()


def test_what_is_kept_is_what_the_network_said_of_each_sample() -> None:
    campaign = campaign_with(23)
    version = initial_version(campaign)
    score(version)
    qu = make_language("qu")
    ids, blocks = rows_of(version, language=qu)
    assert len(blocks) == EmbeddingShard.objects.count() == 3
    assert sorted(ids) == sorted(campaign.samples.filter(language=qu).values_list("pk", flat=True))
    samples = campaign.samples.select_related("language").in_bulk(ids.tolist())
    told = np.concatenate([block[:] for block in blocks])
    assert told.dtype == np.float16
    right = expected(version, [samples[pk] for pk in ids.tolist()])
    np.testing.assert_allclose(told, right, atol=2e-3)


def test_any_samples_are_found_in_the_order_they_were_asked_for() -> None:
    campaign = campaign_with(25)
    version = initial_version(campaign)
    score(version)
    late = make_sample(campaign, "wo", text="late")
    samples = list(campaign.samples.select_related("language").order_by("pk"))
    wanted = [samples[i] for i in (24, 3, 11, 0, 12)]
    found, missing = gather(version, ids=[late.pk, *(sample.pk for sample in wanted)])
    assert missing == {late.pk}
    assert not found[0].any()
    np.testing.assert_allclose(found[1:], expected(version, wanted), atol=2e-3)
    assert gather(version, ids=[])[1] == set()


@pytest.mark.parametrize("harm", ["shorten", "change", "remove"])
def test_damaged_file_is_named_and_made_again(harm: str) -> None:
    version = initial_version(campaign_with(25))
    score(version)
    ids = list(version.campaign.samples.order_by("pk").values_list("pk", flat=True))
    before, _ = gather(version, ids=ids)
    row = EmbeddingShard.objects.order_by("pk")[1]
    path = files.embeddings_dir() / row.path
    data = path.read_bytes()
    path.unlink()
    if harm != "remove":
        path.write_bytes(data[:-1] if harm == "shorten" else data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(EmbeddingsError, match=row.path.rpartition("/")[2]):
        gather(version, ids=ids)
    assert not scoring_done(version)
    predictions = set(version.predictions.values_list("pk", flat=True))
    assert score(version).status == "done"
    after, missing = gather(version, ids=ids)
    assert not missing
    assert before.any()
    np.testing.assert_array_equal(before, after)
    assert set(version.predictions.values_list("pk", flat=True)) == predictions


def test_file_without_its_row_is_nothing(monkeypatch) -> None:
    """A worker that dies between file and rows leaves a file that nobody reads."""
    version = initial_version(campaign_with(4))

    def die(*_, **__):
        raise KeyboardInterrupt

    (pk,) = reclaim_shards(open_scoring(version, now=NOW), now=NOW)
    with monkeypatch.context() as patch:
        patch.setattr("learning.actions.embeddings.keep", die)
        with pytest.raises(KeyboardInterrupt):
            score_shard(pk, now=lambda: NOW)
    assert embedded(version) == 0
    assert not version.predictions.exists()


def test_nothing_is_kept_when_switched_off_and_all_is_made_when_switched_on(small_shards) -> None:
    campaign = campaign_with(12)
    version = initial_version(campaign)
    small_shards.embeddings = False
    score(version)
    assert not files.embeddings_dir().exists()
    assert version.predictions.count() == 12
    assert open_scoring(version, now=NOW).status == "done"
    small_shards.embeddings = True
    score(version)
    assert embedded(version) == 12
    assert version.predictions.count() == 12
    assert open_scoring(version, now=NOW).status == "done"


def folders() -> set[str]:
    return {path.name for path in files.embeddings_dir().iterdir()}


def test_only_what_serves_and_what_served_before_keeps_its_files(tmp_path) -> None:
    campaign = campaign_with(6)
    first = initial_version(campaign)
    score(first)
    second, third = other_version(campaign, tmp_path, 1), other_version(campaign, tmp_path, 2)
    score(second)
    assert folders() == {first.digest, second.digest}
    score(third)
    assert folders() == {second.digest, third.digest}
    assert not EmbeddingShard.objects.filter(version=first).exists()
    assert serving_version(campaign) == first
    score(first)  # a rollback: its predictions are there, its embeddings are made again
    assert embedded(first) == 6


def test_shard_without_anything_to_embed_is_not_asked_for_again() -> None:
    campaign = campaign_with(3)
    version = initial_version(campaign)
    scoring = score(version)
    version.predictions.all().delete()
    campaign.languages.update(active=False)
    EmbeddingShard.objects.all().delete()
    make_again(scoring)
    assert score(version).status == "done"
    assert open_scoring(version, now=NOW).status == "done"


def test_path_outside_the_storage_is_refused() -> None:
    with pytest.raises(EmbeddingsError, match="does not lie"):
        files.open_block("../secrets", digest="0")
