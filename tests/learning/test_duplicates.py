"""Near-duplicates of a pool: found once all is scored, kept by text, searched again when it grew."""

from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest
import torch

from learning.actions import duplicates
from learning.actions.duplicates import due_searches, find_duplicates, open_searches, worth_waiting
from learning.actions.scoring import open_scoring
from learning.actions.versions import initial_version, register_version
from learning.models import DuplicateSearch, EmbeddingShard, NearDuplicate
from tests.learning.scored import NOW, score
from tests.learning.tiny import TinyNetwork
from tests.make import LABELS, make_campaign, make_sample

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_networks", "small_shards")]
ORCHARD = "the old man plants an apple tree behind the house"


def scored(texts, tag: str = "wo", **over):
    campaign = make_campaign(near_duplicates=Decimal("0.995"), **over)
    samples = [make_sample(campaign, tag, text=text) for text in texts]
    version = initial_version(campaign)
    score(version)
    return version, samples


def search(version) -> None:
    open_searches(version)
    for pk in due_searches(version, now=NOW):
        find_duplicates(pk, now=lambda: NOW)


def groups(version) -> set[frozenset[str]]:
    found: dict[str, set[str]] = {}
    for row in NearDuplicate.objects.filter(home__campaign=version.campaign):
        found.setdefault(row.group, set()).add(row.digest)
    assert all(name == min(digests) for name, digests in found.items())
    return {frozenset(digests) for digests in found.values()}


def words(number: int) -> str:
    rng = np.random.default_rng(number)
    return "".join(chr(97 + n) for n in rng.integers(0, 26, 30))


def test_alike_texts_are_one_group_wherever_they_lie() -> None:
    texts = [words(n) for n in range(28)]
    texts[3], texts[25], texts[26] = ORCHARD, ORCHARD + ".", ORCHARD
    version, samples = scored(texts)
    search(version)
    assert groups(version) == {frozenset({samples[3].digest, samples[25].digest})}
    done = DuplicateSearch.objects.get(language__tag="wo")
    assert (done.status, done.groups, done.texts, done.embeddings) == ("done", 1, 2, 28)


def test_texts_that_only_the_network_takes_for_alike_are_not(monkeypatch) -> None:
    embed = TinyNetwork.embed
    monkeypatch.setattr(TinyNetwork, "embed", lambda self, batch: embed(self, batch) / 1000 + 1)
    version, samples = scored([*(words(n) for n in range(30)), ORCHARD, ORCHARD + "!"])
    search(version)
    assert groups(version) == {frozenset({samples[30].digest, samples[31].digest})}


def test_other_languages_are_other_worlds() -> None:
    version, _ = scored([ORCHARD])
    make_sample(version.campaign, "qu", text=ORCHARD + ".")
    score(version)
    search(version)
    assert groups(version) == set()


def test_what_is_added_is_searched_again_and_nothing_else() -> None:
    version, samples = scored([ORCHARD, words(1)])
    search(version)
    assert groups(version) == set()
    open_searches(version)
    assert due_searches(version, now=NOW) == []
    late = make_sample(version.campaign, "wo", text=ORCHARD + "?")
    open_searches(version)
    assert due_searches(version, now=NOW) == []  # it is not scored yet
    score(version)
    search(version)
    assert groups(version) == {frozenset({samples[0].digest, late.digest})}


def test_promotion_that_leaves_the_embeddings_alone_has_nothing_searched_again(
    tmp_path, monkeypatch
) -> None:
    """What a network learns may leave its representation as it was, bit for bit."""
    scale = 1.0

    def counted(_, batch) -> torch.Tensor:
        return scale * torch.stack(
            [torch.bincount(row, minlength=65) for row in batch["slots"] + 1]
        )

    monkeypatch.setattr(TinyNetwork, "embed", counted)
    version, samples = scored([ORCHARD, ORCHARD + ".", words(1)])
    search(version)
    searched: list[int] = []
    real = duplicates._groups
    monkeypatch.setattr(duplicates, "_groups", lambda one: searched.append(one.pk) or real(one))
    for seed, scale in ((1, 1.0), (2, 2.0)):
        folder = tmp_path / str(seed)
        folder.mkdir()
        TinyNetwork(LABELS, seed=seed).save(folder)
        newer = register_version(
            version.campaign, folder=folder, network="tiny", base=None, manifest={}
        )
        score(newer)
        search(newer)
        assert bool(searched) is (scale != 1)
        assert groups(newer) == {frozenset({samples[0].digest, samples[1].digest})}
        done = DuplicateSearch.objects.get(version=newer, language__tag="wo")
        assert (done.status, done.groups, done.texts) == ("done", 1, 2)
    searched.clear()
    newer.campaign.near_duplicates = Decimal("0.999")
    search(newer)
    assert searched  # another threshold is another question


@pytest.mark.parametrize("why", ["no wish", "no embeddings", "not scored"])
def test_nothing_is_searched_without_a_wish_embeddings_and_a_scored_pool(why, small_shards) -> None:
    version, _ = scored([ORCHARD])
    if why == "no wish":
        version.campaign.near_duplicates = None
    elif why == "no embeddings":
        small_shards.embeddings = False
    else:
        make_sample(version.campaign, "wo", text="late")
        open_scoring(version, now=NOW)
    open_searches(version)
    assert not DuplicateSearch.objects.exists()


def test_search_is_done_by_one_and_a_lost_worker_is_replaced(monkeypatch) -> None:
    version, _ = scored([ORCHARD, ORCHARD + "."])
    open_searches(version)
    pk = DuplicateSearch.objects.get(language__tag="wo").pk
    real, seen = duplicates._groups, []

    def slow(found):
        seen.append(due_searches(version, now=NOW))
        if len(seen) == 1:
            raise KeyboardInterrupt
        return real(found)

    monkeypatch.setattr(duplicates, "_groups", slow)
    with pytest.raises(KeyboardInterrupt):
        find_duplicates(pk, now=lambda: NOW)
    assert pk not in seen[0]
    assert find_duplicates(pk, now=lambda: NOW).status == "running"
    later = NOW + timedelta(hours=1)
    assert pk in due_searches(version, now=later)
    assert find_duplicates(pk, now=lambda: later).status == "done"
    assert len(groups(version)) == 1


def test_search_that_fails_three_times_holds_up_no_round(monkeypatch) -> None:
    version, _ = scored([ORCHARD])
    open_searches(version)
    assert worth_waiting(version)

    def broken(_):
        raise MemoryError("no more")

    monkeypatch.setattr(duplicates, "_groups", broken)
    for _ in range(3):
        for pk in due_searches(version, now=NOW):
            with pytest.raises(MemoryError):
                find_duplicates(pk, now=lambda: NOW)
    assert due_searches(version, now=NOW) == []
    assert not worth_waiting(version)
    assert "no more" in DuplicateSearch.objects.first().error


def test_damaged_embeddings_are_made_again_and_searched_then() -> None:
    from learning.errors import EmbeddingsError
    from learning.gateways import embeddings as files

    version, _ = scored([ORCHARD, ORCHARD + ".", words(1)])
    (files.embeddings_dir() / EmbeddingShard.objects.get().path).write_bytes(b"")
    open_searches(version)
    with pytest.raises(EmbeddingsError):
        search(version)
    score(version)
    search(version)
    assert len(groups(version)) == 1
