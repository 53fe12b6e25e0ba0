"""The shelf in a bucket that speaks S3, beside the weights under ``prefix/beside/``."""

from pathlib import Path

from botocore.exceptions import ClientError

from learning.gateways.weights_s3 import MISSING, TRANSFER, S3Bucket, error_code, open_bucket

BESIDE = "beside"


def open_bucket_shelf() -> "S3Shelf":
    """Return the shelf of the bucket that the settings name."""
    return S3Shelf.of(open_bucket())


class S3Shelf(S3Bucket):
    """One more prefix of the weights' bucket."""

    @classmethod
    def of(cls, bucket: S3Bucket) -> "S3Shelf":
        """Return the shelf of a bucket, over its connection."""
        return cls(bucket._client, bucket=bucket._bucket, prefix=bucket._prefix)

    def put(self, name: str, path: Path) -> None:
        """Upload the file; a name has the old content or the new one, never half of it."""
        with self._speaking(name):
            self._client.upload_file(str(path), self._bucket, self._place(name), Config=TRANSFER)

    def take(self, name: str, *, to: Path) -> bool:
        """Download beside the path, then rename."""
        arriving = to.with_name(f"{to.name}.arriving")
        to.parent.mkdir(parents=True, exist_ok=True)
        with self._speaking(name):
            try:
                self._client.download_file(
                    self._bucket, self._place(name), str(arriving), Config=TRANSFER
                )
            except ClientError as error:
                if error_code(error) in MISSING:
                    return False
                raise
        arriving.replace(to)
        return True

    def names(self, start: str) -> list[str]:
        """List what begins so."""
        home = self._place("")
        with self._speaking(start):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._place(start)
            )
            keys = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
        return sorted(key.removeprefix(home) for key in keys)

    def drop(self, name: str) -> None:
        """Delete; S3 does not mind if nothing is there."""
        with self._speaking(name):
            self._client.delete_object(Bucket=self._bucket, Key=self._place(name))

    def _place(self, name: str) -> str:
        return f"{self._prefix}/{BESIDE}/{name}" if self._prefix else f"{BESIDE}/{name}"
