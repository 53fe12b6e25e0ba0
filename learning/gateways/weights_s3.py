"""Weights in a bucket that speaks S3: Amazon's, MinIO, Ceph, Garage and their like.

The files of a digest lie under ``prefix/aa/aabb…/``. An index with the size and SHA-256 of each is
written after all of them; only what has an index is there. Files of an upload that was killed are
overwritten by the next one with the same bytes.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings

from annotation.errors import InvalidInputError, TransientError
from learning.errors import WeightsError

INDEX = "index.json"
CHUNK = 1 << 20
MISSING = {"404", "NoSuchKey", "NotFound"}
REFUSED = {"403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "NoSuchBucket"}
TIMEOUT = 20
# Threads of a transfer would outlive a worker that is told to stop.
TRANSFER = TransferConfig(use_threads=False, multipart_chunksize=32 * CHUNK)


def open_bucket() -> "S3Bucket":
    """Return the bucket that the settings name; a process keeps one connection to it."""
    env = settings.ENV
    keys = (env.s3_access_key, env.s3_secret_key)
    return _open(settings.WEIGHTS_BUCKET, env.s3_endpoint, env.s3_region, *keys)


@lru_cache(maxsize=2)
def _open(address: str, endpoint: str, region: str, access: str, secret: str) -> "S3Bucket":
    parts = urlsplit(address)
    if parts.scheme != "s3" or not parts.netloc:
        raise InvalidInputError(
            f"{address!r} is no storage for weights.",
            remedy="Set VERNACULAR_WEIGHTS to a folder or to s3://bucket/prefix.",
        )
    client = boto3.client(
        "s3",
        endpoint_url=endpoint or None,
        region_name=region,
        aws_access_key_id=access or None,
        aws_secret_access_key=secret or None,
        config=Config(
            connect_timeout=TIMEOUT,
            read_timeout=TIMEOUT,
            retries={"max_attempts": 3, "mode": "standard"},
            # Servers other than Amazon's seldom know its newer checksums; ours cover every byte.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
    return S3Bucket(client, bucket=parts.netloc, prefix=parts.path.strip("/"))


class S3Bucket:
    """One prefix of one bucket."""

    def __init__(self, client: Any, *, bucket: str, prefix: str) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix

    def keep(self, folder: Path, *, digest: str, files: list[str]) -> None:
        """Upload what is not there as it should be, then the index that makes it count."""
        wanted = {name: _facts(folder / name) for name in files}
        with self._speaking(digest):
            index = self._read_index(digest)
            for name, facts in wanted.items():
                if index.get(name) != facts or not self._has(digest, name, facts=facts):
                    self._upload(folder / name, self._key(digest, name), facts)
            if index != wanted:
                body = json.dumps(wanted, sort_keys=True).encode()
                self._client.put_object(
                    Bucket=self._bucket, Key=self._key(digest, INDEX, whole=True), Body=body
                )

    def fetch(self, digest: str, *, to: Path) -> None:
        """Download every file that the index names and check each."""
        with self._speaking(digest):
            index = self._read_index(digest)
            if not index:
                raise self._missing(digest)
            to.mkdir()
            for name, facts in index.items():
                target = _inside(to, name)
                target.parent.mkdir(parents=True, exist_ok=True)
                self._client.download_file(
                    self._bucket, self._key(digest, name), str(target), Config=TRANSFER
                )
                if _facts(target) != facts:
                    raise self._damaged(digest, name)
                target.chmod(0o444)

    def check(self, digest: str) -> None:
        """Compare length and SHA-256 of every file, as the server tells them, with the index."""
        with self._speaking(digest):
            index = self._read_index(digest)
            if not index:
                raise self._missing(digest)
            for name, facts in index.items():
                if not self._has(digest, name, facts=facts):
                    raise self._damaged(digest, name)

    def size(self, digest: str) -> int | None:
        """Add up the index."""
        with self._speaking(digest):
            index = self._read_index(digest)
        return sum(facts[0] for facts in index.values()) if index else None

    def remove(self, digest: str) -> None:
        """Delete the index first, so that half of it never counts."""
        with self._speaking(digest):
            index = self._read_index(digest)
            self._client.delete_object(
                Bucket=self._bucket, Key=self._key(digest, INDEX, whole=True)
            )
            for name in index:
                self._client.delete_object(Bucket=self._bucket, Key=self._key(digest, name))

    def _key(self, digest: str, name: str, *, whole: bool = False) -> str:
        place = f"{digest[:2]}/{digest}.{name}" if whole else f"{digest[:2]}/{digest}/{name}"
        return f"{self._prefix}/{place}" if self._prefix else place

    def _read_index(self, digest: str) -> dict[str, list[Any]]:
        try:
            found = self._client.get_object(
                Bucket=self._bucket, Key=self._key(digest, INDEX, whole=True)
            )
        except ClientError as error:
            if error_code(error) in MISSING:
                return {}
            raise
        try:
            return dict(json.loads(found["Body"].read()))
        except ValueError as error:
            raise self._damaged(digest, INDEX) from error

    def _has(self, digest: str, name: str, *, facts: list[Any]) -> bool:
        try:
            head = self._client.head_object(Bucket=self._bucket, Key=self._key(digest, name))
        except ClientError as error:
            if error_code(error) in MISSING:
                return False
            raise
        return [head["ContentLength"], head.get("Metadata", {}).get("sha256")] == facts

    def _upload(self, path: Path, key: str, facts: list[Any]) -> None:
        more = {"Metadata": {"sha256": facts[1]}}
        self._client.upload_file(str(path), self._bucket, key, ExtraArgs=more, Config=TRANSFER)

    @contextmanager
    def _speaking(self, digest: str) -> Iterator[None]:
        """Turn what the library raises into words with a remedy."""
        try:
            yield
        except ClientError as error:
            if error_code(error) in MISSING:
                raise self._missing(digest) from error
            if error_code(error) in REFUSED:
                raise WeightsError(
                    f"{self} refuses us: {error}",
                    remedy="Look at VERNACULAR_S3_ACCESS_KEY, VERNACULAR_S3_SECRET_KEY and at what"
                    " they may do in the bucket of VERNACULAR_WEIGHTS.",
                ) from error
            raise self._away(error) from error
        except (BotoCoreError, OSError) as error:
            raise self._away(error) from error

    def _away(self, error: Exception) -> TransientError:
        return TransientError(
            f"{self} does not answer as it should: {error}",
            remedy="Look whether VERNACULAR_S3_ENDPOINT is right and up; then it goes on by itself.",
        )

    def _missing(self, digest: str) -> WeightsError:
        return WeightsError(
            f"The weights {digest[:12]} are not in {self}, or not all of them.",
            remedy="Restore them from a backup, or roll back to a version that is there.",
        )

    def _damaged(self, digest: str, name: str) -> WeightsError:
        return WeightsError(
            f"{name} of the weights {digest[:12]} in {self} is not what was stored.",
            remedy="Restore it from a backup, or roll back to another version. A machine with a"
            " sound copy puts it back: manage.py check_weights --repair.",
        )

    def __str__(self) -> str:
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")


def _facts(path: Path) -> list[Any]:
    """Return length and SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(CHUNK):
            digest.update(block)
    return [path.stat().st_size, digest.hexdigest()]


def _inside(folder: Path, name: str) -> Path:
    """Return where a file goes; an index that was tampered with leads nowhere else."""
    target = (folder / name).resolve()
    if not target.is_relative_to(folder.resolve()) or target == folder.resolve():
        raise WeightsError(f"{name!r} in an index of weights leads out of their folder.")
    return target


def error_code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
