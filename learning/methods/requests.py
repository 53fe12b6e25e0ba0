"""The question put to the selection, and its answer: plain rows, JSON in and out, no pickles.

Fields may be added, always with a default; none changes its meaning.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from learning.methods.quotas import QuotaPolicy

Floats = npt.NDArray[np.float64]
Slot = Literal["floor", "weight", "debt", "audit"]


@dataclass(frozen=True)
class LanguageState:
    """What the selection must know of one language beside its samples.

    ``temperature`` makes its probabilities honest; the ledger (``debt``, ``owed``,
    ``audit_carry``), ``capacity``, ``slope`` and ``cost`` are those of
    :class:`learning.methods.quotas.Standing`. ``asked`` holds the duplicate groups of which a
    member was asked already or must never be, such as gold.
    """

    tag: str
    temperature: float = 1.0
    debt: float = 0.0
    owed: float = 0.0
    audit_carry: float = 0.0
    capacity: int | None = None
    slope: float | None = None
    cost: float = 1.0
    asked: frozenset[str] = frozenset()


@dataclass(frozen=True, eq=False)
class SelectionRequest:
    """A pool of N samples under one model version, and what is wanted from it.

    Shapes: ``item_ids`` N names, unique; ``language`` N positions in ``languages``; either
    ``logits`` or ``probabilities`` N x K, columns in the order of ``labels``; ``dup_group`` N
    names, equal ones mean the same text (empty: every sample is its own); ``embeddings`` N x d
    or None. ``leased`` ids are at a desk now. ``known_ids`` and ``known_embeddings`` (M x d)
    are samples asked before, ``known_language`` their languages; they tell how far a pick is
    from them. Equal requests give equal batches, in whatever order the samples come.
    """

    item_ids: tuple[str, ...]
    language: npt.NDArray[np.int64]
    languages: tuple[LanguageState, ...]
    labels: tuple[str, ...]
    batch: int
    seed: int
    logits: Floats | None = None
    probabilities: Floats | None = None
    dup_group: tuple[str, ...] = ()
    leased: frozenset[str] = frozenset()
    strategy: str = "margin"
    quota: QuotaPolicy = field(default_factory=QuotaPolicy)
    model_version: str = ""
    embeddings: Floats | None = None
    known_ids: tuple[str, ...] = ()
    known_language: npt.NDArray[np.int64] | None = None
    known_embeddings: Floats | None = None

    def __post_init__(self) -> None:
        """Bring arrays to one type and refuse shapes that do not fit together."""
        for name, kind in _ARRAYS.items():
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, np.asarray(value, dtype=kind))
        for name in ("logits", "probabilities"):
            if not self.item_ids and getattr(self, name) is not None:
                object.__setattr__(self, name, np.zeros((0, len(self.labels))))
        _check_shapes(self)

    @property
    def rows(self) -> Floats:
        """The N x K numbers, logits or probabilities."""
        rows = self.probabilities if self.logits is None else self.logits
        assert rows is not None  # noqa: S101 - _check_shapes has refused everything else
        return rows

    @cached_property
    def order(self) -> npt.NDArray[np.intp]:
        """The positions of the samples in order of id: the order everything is computed in."""
        return np.array(
            sorted(range(len(self.item_ids)), key=self.item_ids.__getitem__), dtype=np.intp
        )

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all that can influence the batch; the order of samples cannot."""
        header = {
            "batch": self.batch,
            "labels": self.labels,
            "languages": [_plain(s) for s in sorted(self.languages, key=lambda s: s.tag)],
            "leased": sorted(self.leased),
            "model_version": self.model_version,
            "numbers": "probabilities" if self.logits is None else "logits",
            "quota": asdict(self.quota),
            "seed": self.seed,
            "strategy": self.strategy,
        }
        digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
        tags = [s.tag for s in self.languages]
        for at in self.order:
            group = self.dup_group[at] if self.dup_group else ""
            row = [self.item_ids[at], tags[self.language[at]], group]
            digest.update(json.dumps(row).encode())
            digest.update(self.rows[at].tobytes())
            if self.embeddings is not None:
                digest.update(self.embeddings[at].tobytes())
        if self.known_language is not None and self.known_embeddings is not None:
            for at in sorted(range(len(self.known_ids)), key=self.known_ids.__getitem__):
                digest.update(
                    json.dumps([self.known_ids[at], tags[self.known_language[at]]]).encode()
                )
                digest.update(self.known_embeddings[at].tobytes())
        return digest.hexdigest()

    def as_json(self) -> dict[str, Any]:
        """Return the request as plain lists and numbers; NaN and infinity survive as text."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        plain |= {name: _numbers(plain[name]) for name in _ARRAYS}
        return plain | {
            "leased": sorted(self.leased),
            "quota": asdict(self.quota),
            "languages": [_plain(state) for state in self.languages],
            **{name: list(plain[name]) for name in _NAMES},
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> "SelectionRequest":
        """Bring a request back.

        >>> state = LanguageState("wo")
        >>> request = SelectionRequest(("a",), [0], (state,), ("x", "y"), 1, 0, logits=[[0.1, np.nan]])
        >>> SelectionRequest.from_json(request.as_json()).digest == request.digest
        True
        """
        states = [
            LanguageState(**{**state, "asked": frozenset(state.get("asked", ()))})
            for state in plain["languages"]
        ]
        arrays: dict[str, Any] = {
            name: None if plain.get(name) is None else np.array(plain[name], dtype=kind)
            for name, kind in _ARRAYS.items()
        }
        names = {name: tuple(plain.get(name, ())) for name in _NAMES}
        rest = dict(plain) | arrays | names
        rest |= {"languages": tuple(states), "leased": frozenset(plain.get("leased", ()))}
        return cls(**(rest | {"quota": QuotaPolicy(**plain.get("quota", {}))}))


@dataclass(frozen=True)
class Selected:
    """One pick. ``rank`` 1 is asked first in its language; ``percentile`` is the share of the
    language's pool that is less certain; ``duplicates`` are the ids that it stands for;
    ``propensity`` is defined in :func:`learning.methods.selection.propensities`.
    """

    item_id: str
    rank: int
    language: str
    strategy: str
    slot: Slot
    uncertainty: float
    percentile: float
    margin: float
    confidence: float
    best_label: str
    second_label: str
    duplicates: tuple[str, ...]
    propensity: float
    rationale: str
    nearest_id: str = ""
    nearest_distance: float | None = None


@dataclass(frozen=True)
class LanguageOutcome:
    """What a language was due and got, and what is carried to the next round.

    ``target`` is exact, without carried rounding; ``texts`` could be asked, of ``samples``.
    """

    language: str
    target: float
    got: int
    audit: int
    capped_by: str
    samples: int
    texts: int
    debt_before: float
    debt_after: float
    owed_before: float
    owed_after: float
    audit_carry_after: float


@dataclass(frozen=True)
class Rejected:
    """A sample that was left out by name: nan, inf, bad_sum, zero_vector, leased or asked."""

    item_id: str
    reason: str


@dataclass(frozen=True)
class SelectionBatch:
    """The answer: what to ask, in order; never padded. ``shortfall`` is what the pool lacked."""

    items: tuple[Selected, ...]
    languages: tuple[LanguageOutcome, ...]
    shortfall: int
    shortfall_reasons: tuple[str, ...]
    rejected: tuple[Rejected, ...]
    strategy: str
    seed: int
    request_digest: str
    model_version: str = ""

    def as_text(self) -> str:
        """Return the batch as JSON; the same request gives the same bytes."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_text(cls, text: str) -> "SelectionBatch":
        """Bring a batch back."""
        plain = json.loads(text)
        items = [
            Selected(**{**row, "duplicates": tuple(row["duplicates"])}) for row in plain["items"]
        ]
        return cls(
            **plain
            | {
                "items": tuple(items),
                "languages": tuple(LanguageOutcome(**row) for row in plain["languages"]),
                "rejected": tuple(Rejected(**row) for row in plain["rejected"]),
                "shortfall_reasons": tuple(plain["shortfall_reasons"]),
            }
        )


_ARRAYS: Mapping[str, type] = {
    "language": np.int64,
    "logits": np.float64,
    "probabilities": np.float64,
    "embeddings": np.float64,
    "known_language": np.int64,
    "known_embeddings": np.float64,
}
_NAMES = ("item_ids", "labels", "dup_group", "known_ids")


def _plain(state: LanguageState) -> dict[str, Any]:
    return asdict(state) | {"asked": sorted(state.asked)}


def _numbers(array: npt.NDArray[Any] | None) -> Any:
    if array is None:
        return None
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        return [[x if np.isfinite(x) else str(x) for x in row] for row in array.tolist()]
    return array.tolist()


def _check_shapes(request: SelectionRequest) -> None:
    count, tags = len(request.item_ids), [state.tag for state in request.languages]
    if (request.logits is None) == (request.probabilities is None):
        raise ValueError("give either logits or probabilities")
    known = len(request.known_ids)
    fits = {
        "labels and numbers": request.rows.shape == (count, len(request.labels)),
        "language of each sample": request.language.shape == (count,),
        "dup_group": len(request.dup_group) in (0, count),
        "embeddings": request.embeddings is None or len(request.embeddings) == count,
        "known samples": (request.known_embeddings is None and not known)
        or (
            request.known_embeddings is not None
            and request.known_language is not None
            and request.embeddings is not None
            and request.known_embeddings.shape == (known, request.embeddings.shape[1])
            and request.known_language.shape == (known,)
        ),
        "at least one label": bool(request.labels),
        "unique item ids": len(set(request.item_ids)) == count,
        "unique language tags": len(set(tags)) == len(tags),
        "batch of 0 or more": request.batch >= 0,
        "language positions": not count
        or (request.language.min() >= 0 and request.language.max() < len(tags)),
    }
    wrong = [name for name, fine in fits.items() if not fine]
    if wrong:
        raise ValueError(f"the request does not fit together: {', '.join(wrong)}")
