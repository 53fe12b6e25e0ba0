"""Weights, versions, deployments and inference."""

import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from django.db import IntegrityError, connection

from annotation.errors import ConflictError
from learning.actions.serving import deploy, serving_version
from learning.actions.versions import initial_version, register_version
from learning.errors import WeightsError
from learning.gateways.weights import digest_of, open_weights, path_of, store, weights_dir
from learning.inference import logits_of, network_logits, network_of
from learning.models import Deployment, ModelVersion
from learning.networks.packing import batches
from tests.learning.tiny import TinyNetwork
from tests.make import LABELS, make_campaign

pytestmark = pytest.mark.usefixtures("tiny_networks")


def folder_of(place: Path, seed: int = 0) -> Path:
    folder = place / f"network-{seed}"
    folder.mkdir()
    TinyNetwork(LABELS, seed=seed).save(folder)
    return folder


def test_stored_twice_is_stored_once_and_comes_back_bit_for_bit(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    digest = store(folder)
    assert store(folder) == digest
    home = open_weights(path_of(digest), digest=digest)
    assert {p.name: p.read_bytes() for p in home.iterdir()} == {
        p.name: p.read_bytes() for p in folder.iterdir()
    }
    # Beside it lies at most the lock that two who store at once wait at.
    assert [p.name for p in home.parent.iterdir() if p.suffix != ".lock"] == [digest]


def test_digest_tells_names_and_borders_of_files_apart(tmp_path: Path) -> None:
    digests = set()
    for number, files in enumerate(
        [{"a": b"bc"}, {"ab": b"c"}, {"a": b"b", "c": b""}, {"b": b"bc"}]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content)
        digests.add(digest_of(folder))
    assert len(digests) == 4


def test_damaged_missing_or_foreign_weights_are_refused(tmp_path: Path) -> None:
    digest = store(folder_of(tmp_path))
    weights = weights_dir() / path_of(digest) / "model.safetensors"
    weights.chmod(0o644)
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(WeightsError, match="not those that were stored"):
        open_weights(path_of(digest), digest=digest)
    with pytest.raises(WeightsError, match="are not in"):
        open_weights("aa/bb", digest="bb")
    for path in ("/etc", "../secrets"):
        with pytest.raises(WeightsError, match="does not lie"):
            open_weights(path, digest=digest)


def test_damaged_weights_are_replaced_when_stored_again(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    digest = store(folder)
    (weights_dir() / path_of(digest) / "model.safetensors").unlink()
    assert store(folder) == digest
    open_weights(path_of(digest), digest=digest)


def test_empty_folder_and_links_are_no_weights(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(WeightsError, match="no files"):
        store(tmp_path / "empty")
    folder = folder_of(tmp_path)
    (folder / "link").symlink_to("/etc/hostname")
    with pytest.raises(WeightsError, match="is a link"):
        store(folder)


@pytest.mark.django_db
def test_first_version_is_made_once_and_serves() -> None:
    campaign = make_campaign()
    assert serving_version(campaign) is None
    version = initial_version(campaign)
    assert initial_version(campaign) == version == serving_version(campaign)
    assert (version.number, version.manifest["labels"]) == (1, list(LABELS))
    assert Deployment.objects.get().kind == Deployment.Kind.INITIAL
    with pytest.raises(ConflictError, match="fewer than two labels"):
        initial_version(make_campaign(labels=("only",)))


@pytest.mark.django_db
def test_same_bytes_are_one_version_and_other_bytes_the_next(tmp_path: Path) -> None:
    campaign = make_campaign()
    one, two = folder_of(tmp_path, 1), folder_of(tmp_path, 2)
    make = {"network": "tiny", "base": None, "manifest": {}}
    first = register_version(campaign, folder=one, **make)
    assert register_version(campaign, folder=one, **make) == first
    assert register_version(campaign, folder=two, **make).number == 2
    assert register_version(make_campaign(), folder=one, **make).number == 1


@pytest.mark.django_db
def test_deployments_only_ever_grow_and_the_newest_serves(tmp_path: Path) -> None:
    campaign = make_campaign()
    first = initial_version(campaign)
    second = register_version(
        campaign, folder=folder_of(tmp_path, 5), network="tiny", base=first, manifest={}
    )
    for version, kind in ((second, "promotion"), (second, "promotion"), (first, "rollback")):
        deploy(campaign, version=version, kind=kind, reason="because")
        assert serving_version(campaign) == version
    rows = campaign.deployments.order_by("number").values_list("number", "version__number", "kind")
    assert list(rows) == [(1, 1, "initial"), (2, 2, "promotion"), (3, 1, "rollback")]
    with pytest.raises(ConflictError, match="another campaign"):
        deploy(make_campaign(), version=second, kind="promotion", reason="")


@pytest.mark.django_db(transaction=True)
def test_the_database_itself_refuses_to_change_what_served(tmp_path: Path) -> None:
    campaign = make_campaign()
    first = initial_version(campaign)
    rows = Deployment.objects.filter(version=first)
    with pytest.raises(IntegrityError, match="append-only"):
        rows.update(reason="it was never so")
    with pytest.raises(IntegrityError, match="append-only"):
        rows.delete()
    with pytest.raises(IntegrityError, match="append-only"), connection.cursor() as cursor:
        cursor.execute("DELETE FROM learning_deployment")
    assert rows.get().reason == "The first version."


def deploy_at_once(tmp_path: Path, how_many: int) -> list[int]:
    campaign = make_campaign()
    versions = [
        register_version(
            campaign, folder=folder_of(tmp_path, seed), network="tiny", base=None, manifest={}
        )
        for seed in range(how_many)
    ]
    start = threading.Barrier(how_many)

    def move(version: ModelVersion) -> None:
        start.wait()
        try:
            deploy(campaign, version=version, kind="promotion", reason="race")
        finally:
            connection.close()

    threads = [threading.Thread(target=move, args=(version,)) for version in versions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(campaign.deployments.values_list("number", flat=True))


@pytest.mark.django_db(transaction=True)
def test_deployments_at_once_never_share_a_number(tmp_path: Path) -> None:
    assert deploy_at_once(tmp_path, 6) == [1, 2, 3, 4, 5, 6]


@pytest.mark.django_db
def test_logits_come_in_input_order_whatever_shares_the_batch(monkeypatch) -> None:
    monkeypatch.setattr("learning.networks.packing.BUDGET", {"cpu": 64})
    version = initial_version(make_campaign())
    texts = ["x" * n + str(n) for n in (5, 60, 1, 200, 30, 7, 7, 0)]
    tags = ["wo", "qu"] * 4
    together = logits_of(version, texts=texts, languages=tags)
    alone = [
        logits_of(version, texts=[t], languages=[g])[0] for t, g in zip(texts, tags, strict=True)
    ]
    backwards = logits_of(version, texts=texts[::-1], languages=tags[::-1])[::-1]
    assert together.dtype == np.float32
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(together, backwards, atol=1e-5)
    assert logits_of(version, texts=[], languages=[]).shape == (0, 3)
    with pytest.raises(ValueError, match="language tag"):
        logits_of(version, texts=["a"], languages=[])


def test_batches_stay_in_the_budget_and_lose_nobody() -> None:
    lengths = np.random.default_rng(0).integers(0, 300, 500)
    packed = list(batches(lengths, budget=600))
    assert sorted(np.concatenate(packed)) == list(range(500))
    for rows in packed:
        assert len(rows) == 1 or lengths[rows].max() * len(rows) <= 600


@pytest.mark.django_db
def test_network_is_loaded_once_and_only_two_are_kept(tmp_path: Path) -> None:
    campaign = make_campaign()
    versions = [
        register_version(
            campaign, folder=folder_of(tmp_path, seed), network="tiny", base=None, manifest={}
        )
        for seed in range(3)
    ]
    first = network_of(versions[0])
    assert network_of(versions[0]) is first
    assert not first.module.training
    network_of(versions[1])
    network_of(versions[2])
    assert network_of(versions[0]) is not first


def test_network_in_training_stays_in_training() -> None:
    network = TinyNetwork(LABELS)
    network.module.train()
    network_logits(network, texts=["a"], languages=["wo"])
    assert network.module.training
    assert torch.is_grad_enabled()
