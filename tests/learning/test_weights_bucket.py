"""Weights in a bucket, spoken to over real HTTP."""

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from annotation.errors import InvalidInputError, TransientError
from config.env import Env
from learning.errors import WeightsError
from learning.gateways import weights, weights_s3
from learning.gateways.weights import (
    check_weights,
    open_weights,
    path_of,
    remove_weights,
    store,
    weights_dir,
)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A server that speaks S3, on a port of this machine."""
    import logging

    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def bucket(server: str, settings: Any, tmp_path: Path) -> Any:
    """An empty bucket that the settings name; what answers is a client of its own."""
    name = "w" + hashlib.sha256(str(tmp_path).encode()).hexdigest()[:20]
    settings.WEIGHTS_BUCKET = f"s3://{name}/models"
    settings.WEIGHTS_DIR = tmp_path / "copies"
    settings.ENV = settings.ENV.model_copy(
        update={"s3_endpoint": server, "s3_access_key": "key", "s3_secret_key": "secret"}
    )
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}
    client = boto3.client("s3", endpoint_url=server, region_name="us-east-1", **keys)
    client.create_bucket(Bucket=name)
    return boto3.resource("s3", endpoint_url=server, region_name="us-east-1", **keys).Bucket(name)


def folder_of(place: Path, content: bytes = b"weights") -> Path:
    folder = place / f"network-{content.decode()}"
    (folder / "part").mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(content)
    (folder / "part/network.json").write_text("{}")
    return folder


def held(bucket: Any) -> list[str]:
    """What is there whole: what has an index."""
    ends = ".index.json"
    names = [entry.key.rpartition("/")[2] for entry in bucket.objects.all()]
    return sorted(name.removesuffix(ends) for name in names if name.endswith(ends))


def another_machine(settings: Any, tmp_path: Path, name: str = "other") -> None:
    settings.WEIGHTS_DIR = tmp_path / name


def test_what_one_machine_stores_another_opens_bit_for_bit(bucket, settings, tmp_path) -> None:
    folder = folder_of(tmp_path)
    digest = store(folder)
    kept = {entry.key: entry.last_modified for entry in bucket.objects.all()}
    assert store(folder) == digest
    assert {entry.key: entry.last_modified for entry in bucket.objects.all()} == kept
    assert held(bucket) == [digest]
    another_machine(settings, tmp_path)
    home = open_weights(path_of(digest), digest=digest)
    assert home.is_relative_to(tmp_path / "other")
    for name in ("model.safetensors", "part/network.json"):
        assert (home / name).read_bytes() == (folder / name).read_bytes()


def test_a_copy_is_used_while_the_bucket_is_away_and_nothing_else_is(
    bucket, settings, tmp_path
) -> None:
    digest = store(folder_of(tmp_path))
    settings.ENV = settings.ENV.model_copy(update={"s3_endpoint": "http://127.0.0.1:9"})
    assert open_weights(path_of(digest), digest=digest).is_dir()
    another_machine(settings, tmp_path)
    with pytest.raises(TransientError, match="VERNACULAR_S3_ENDPOINT"):
        open_weights(path_of(digest), digest=digest)
    assert not list(weights_dir().glob("??/.arriving-*"))


def test_a_damaged_copy_is_fetched_again(bucket, tmp_path) -> None:
    digest = store(folder_of(tmp_path))
    copy = weights_dir() / path_of(digest) / "model.safetensors"
    copy.chmod(0o644)
    copy.write_bytes(b"waights")
    assert (open_weights(path_of(digest), digest=digest) / copy.name).read_bytes() == b"weights"


def test_damage_in_the_bucket_is_named_and_mended_by_whoever_has_a_copy(
    bucket, settings, tmp_path
) -> None:
    folder = folder_of(tmp_path)
    digest = store(folder)
    key = f"models/{path_of(digest)}/model.safetensors"
    bucket.put_object(Key=key, Body=b"waights")
    with pytest.raises(WeightsError, match="safetensors of the weights"):
        check_weights(path_of(digest), digest=digest)
    another_machine(settings, tmp_path)
    with pytest.raises(WeightsError, match="is not what was stored"):
        open_weights(path_of(digest), digest=digest)
    store(folder)
    another_machine(settings, tmp_path, "third")
    check_weights(path_of(digest), digest=digest)
    assert open_weights(path_of(digest), digest=digest).is_dir()


def test_an_upload_that_was_killed_is_not_there_and_the_next_one_completes_it(
    bucket, settings, tmp_path, monkeypatch
) -> None:
    folder = folder_of(tmp_path)
    upload = weights_s3.S3Bucket._upload

    def killed(self: Any, path: Path, key: str, facts: Any) -> None:
        if key.endswith("network.json"):
            raise KeyboardInterrupt
        upload(self, path, key, facts)

    monkeypatch.setattr(weights_s3.S3Bucket, "_upload", killed)
    with pytest.raises(KeyboardInterrupt):
        store(folder)
    assert len(list(bucket.objects.all())) == 1
    assert held(bucket) == []
    monkeypatch.undo()
    digest = weights.digest_of(folder)
    another_machine(settings, tmp_path)
    with pytest.raises(WeightsError, match="or not all of them"):
        open_weights(path_of(digest), digest=digest)
    another_machine(settings, tmp_path, "third")
    assert store(folder) == digest
    check_weights(path_of(digest), digest=digest)


def test_writers_and_readers_at_once_agree(bucket, settings, tmp_path) -> None:
    folder, done = folder_of(tmp_path), []
    digest = weights.digest_of(folder)
    start = threading.Barrier(6)

    def act(number: int) -> None:
        start.wait()
        store(folder)
        done.append(open_weights(path_of(digest), digest=digest))

    threads = [threading.Thread(target=act, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 6
    assert held(bucket) == [digest]


def test_copies_that_nobody_opened_for_long_make_room(bucket, settings, tmp_path) -> None:
    import os

    settings.ENV = settings.ENV.model_copy(update={"weights_copies": 2})
    digests = [store(folder_of(tmp_path, str(n).encode())) for n in range(3)]
    for age, digest in enumerate(digests[:2]):
        home = weights_dir() / path_of(digest)
        os.utime(home, (1e9 + age, 1e9 + age))
    open_weights(path_of(digests[2]), digest=digests[2])
    last = store(folder_of(tmp_path, b"last"))
    left = sorted(home.name for home in weights_dir().glob("??/*") if len(home.name) == 64)
    assert left == sorted([digests[2], last])
    assert held(bucket) == sorted([*digests, last])
    assert open_weights(path_of(digests[0]), digest=digests[0]).is_dir()


def test_removed_weights_are_gone_here_and_there(bucket, tmp_path) -> None:
    digest = store(folder_of(tmp_path))
    remove_weights(digest)
    remove_weights(digest)
    assert list(bucket.objects.all()) == []
    with pytest.raises(WeightsError, match="not in s3://"):
        open_weights(path_of(digest), digest=digest)


def test_an_index_cannot_lead_out_of_its_folder(bucket, settings, tmp_path) -> None:
    digest = store(folder_of(tmp_path))
    bucket.put_object(Key=f"models/{path_of(digest)}.index.json", Body=b'{"../../../x": [1, "00"]}')
    another_machine(settings, tmp_path)
    with pytest.raises(WeightsError, match="leads out"):
        open_weights(path_of(digest), digest=digest)


def test_a_wrong_address_or_bucket_says_which_setting(bucket, settings, tmp_path) -> None:
    settings.WEIGHTS_BUCKET = "s3://nobodys-bucket-at-all"
    with pytest.raises(WeightsError, match="VERNACULAR_S3_ACCESS_KEY"):
        store(folder_of(tmp_path))
    settings.WEIGHTS_BUCKET = "s3:///prefix"
    with pytest.raises(InvalidInputError, match="VERNACULAR_WEIGHTS"):
        store(folder_of(tmp_path, b"more"))


def test_keys_come_from_secret_files(tmp_path, monkeypatch) -> None:
    filed, told = "from a file", "from the environment"
    (tmp_path / "vernacular_s3_secret_key").write_text(f"{filed}\n")
    monkeypatch.setenv("VERNACULAR_SECRETS_DIR", str(tmp_path))
    assert Env().s3_secret_key == filed
    monkeypatch.setenv("VERNACULAR_S3_SECRET_KEY", told)
    assert Env().s3_secret_key == told
