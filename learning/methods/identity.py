"""Identity: what a version is, in one digest over its bytes and everything they came from."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any


def identity(
    weights: str,
    *,
    network: str,
    manifest: Mapping[str, Any],
    base: str,
    parents: Sequence[tuple[str, float]] = (),
) -> str:
    """Return SHA-256 of the digest of the bytes, the manifest, the base and the merged parents.

    ``base`` and ``parents`` are identities, so that a version's identity stands for its whole
    past. What a database may write otherwise, order of keys and 1.0 for 1, makes no difference.

    >>> one = identity("ab", network="starter", manifest={"seed": 1, "lr": 2.0}, base="")
    >>> one == identity("ab", network="starter", manifest={"lr": 2, "seed": 1}, base="")
    True
    >>> one == identity("ab", network="starter", manifest={"seed": 1, "lr": 2.0}, base="cd")
    False
    """
    facts = {
        "weights": weights,
        "network": network,
        "manifest": _plain(manifest),
        "base": base,
        "parents": sorted([parent, _plain(weight)] for parent, weight in parents),
    }
    text = json.dumps(facts, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
