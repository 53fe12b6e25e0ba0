"""Identities: whether a version is still the one that was registered, and how large it is."""

from annotation.errors import ConflictError, TransientError
from learning.gateways.weights import weights_size
from learning.methods.identity import identity
from learning.models import ModelVersion


def identity_of(version: ModelVersion) -> str:
    """Return what the version's record amounts to now; its ``identity`` is what it was once."""
    parents = version.parents.values_list("parent__identity", "weight")
    return identity(
        version.digest,
        network=version.network,
        manifest=version.manifest,
        base=version.base.identity if version.base else "",
        parents=list(parents),
    )


def check_identity(version: ModelVersion) -> None:
    """Raise if the record of a version was changed since it was made."""
    if version.identity and version.identity != identity_of(version):
        raise ConflictError(
            f"The record of {version} is not the one that was written when it was made.",
            remedy="Restore the database from a backup, or serve another version.",
        )


def size_of(version: ModelVersion) -> int | None:
    """Return the bytes of a version's weights; nothing if they are not to be had now."""
    try:
        return weights_size(version.path, digest=version.digest)
    except TransientError:
        return None
