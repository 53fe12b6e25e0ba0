"""The shelf: files by name that belong to weights and are none, where all machines find them.

Checkpoints of a run and an optimizer's last state lie in the folder of the weights; where that is
this machine's own, since the weights live in a bucket, they are put into the bucket too. Losing
one costs time and nothing else.
"""

from pathlib import Path
from typing import Protocol

from django.conf import settings

from learning.gateways.weights import weights_dir


class Shelf(Protocol):
    """Where other machines find what this one has put there."""

    def put(self, name: str, path: Path) -> None:
        """Keep a file under a name, in place of what lay there."""

    def take(self, name: str, *, to: Path) -> bool:
        """Write what lies under a name to a path, whole or not at all; False if nothing does."""

    def names(self, start: str) -> list[str]:
        """Return the names that begin so, in order."""

    def drop(self, name: str) -> None:
        """Let go of a name; one that is not there is no error."""


def shelf_folder() -> Path:
    """Return where on this machine such files lie."""
    return weights_dir() / "beside"


def open_shelf() -> Shelf | None:
    """Return what has to be told beside the folder; None where the folder is all there is."""
    if not settings.WEIGHTS_BUCKET:
        return None
    from learning.gateways.shelf_s3 import open_bucket_shelf  # its library is not for everybody

    return open_bucket_shelf()
