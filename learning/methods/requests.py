"""The question put to the selection: plain rows, JSON in and out, no pickles.

Fields may be added, always with a default; none changes its meaning.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from learning.methods.digests import rows_digest
from learning.methods.lots import Lots, hashes
from learning.methods.quotas import QuotaPolicy

if TYPE_CHECKING:
    from learning.methods.candidates import Sieved

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class LanguageState:
    """What the selection must know of one language beside its samples.

    ``temperature`` makes its probabilities honest; the ledger (``debt``, ``owed``,
    ``audit_carry``), ``capacity``, ``limit``, ``slope`` and ``cost`` are those of
    :class:`learning.methods.quotas.Standing`. ``asked`` holds the duplicate groups of which a
    member was asked already or must never be, such as gold. ``name`` is for people.
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
    limit: int | None = None
    name: str = ""


@dataclass(frozen=True)
class Doubtful:
    """An answered sample that might be asked once more; the highest ``doubt`` goes first."""

    item_id: str
    language: str
    doubt: float
    best_label: str = ""
    second_label: str = ""


@dataclass(frozen=True, eq=False)
class SelectionRequest:
    """A pool of N samples under one model version, and what is wanted from it.

    Shapes: ``item_ids`` N names, unique; ``language`` N positions in ``languages``; either
    ``logits`` or ``probabilities`` N x K, columns in the order of ``labels``; ``dup_group`` N
    names, equal ones mean the same text (empty: every sample is its own); ``embeddings`` N x d
    or None; ``mc`` N x T x K opinions; ``surprise`` N x S surprise vectors; ``cost_seconds`` N;
    ``given`` N uncertainties of the caller's own (strategy ``given``); ``dialect`` N names, for
    people. Opinions and surprise are dear: ``mc_ids`` and ``surprise_ids`` may name the samples,
    in the order of the rows, of which there are any; empty: all. ``leased`` ids are at a
    desk now. ``known_ids`` and ``known_embeddings`` (M x d) are samples asked before,
    ``known_language`` their languages, ``known_labels`` positions of their labels (-1: none),
    ``known_probabilities`` M x K. ``mix`` maps strategies to shares that sum to 1 and takes the
    place of ``strategy``. From ``near_duplicates`` (a cosine) on two texts count as one.
    ``relabel`` may take ``relabel_share`` of a language's items. ``sieved`` tells what a pool is
    like of which the request holds only what may be asked (:mod:`learning.methods.sieve`). Arrays of 16, 32 or 64 bits
    stay as they are, memory-mapped ones on disk. Equal requests give equal batches, in whatever
    order the samples come.
    """

    item_ids: tuple[str, ...]
    language: Ints
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
    known_language: Ints | None = None
    known_embeddings: Floats | None = None
    mc: Floats | None = None
    mc_ids: tuple[str, ...] = ()
    surprise: Floats | None = None
    surprise_ids: tuple[str, ...] = ()
    cost_seconds: Floats | None = None
    given: Floats | None = None
    dialect: tuple[str, ...] = ()
    known_labels: Ints | None = None
    known_probabilities: Floats | None = None
    mix: Mapping[str, float] = field(default_factory=dict)
    near_duplicates: float | None = None
    relabel: tuple[Doubtful, ...] = ()
    relabel_share: float = 0.0
    label_names: tuple[str, ...] = ()
    sieved: "Sieved | None" = None

    def __post_init__(self) -> None:
        """Bring arrays to a type of numbers and refuse what does not fit together."""
        for name in (*_INTS, *_FLOATS):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, _array(getattr(self, name), floats=name in _FLOATS))
        for name in ("logits", "probabilities"):
            if not self.item_ids and getattr(self, name) is not None:
                object.__setattr__(self, name, np.zeros((0, len(self.labels))))
        _check_shapes(self)
        _check_knobs(self)

    @property
    def rows(self) -> Floats:
        """The N x K numbers, logits or probabilities."""
        rows = self.probabilities if self.logits is None else self.logits
        assert rows is not None  # noqa: S101 - _check_shapes has refused everything else
        return rows

    @cached_property
    def keys(self) -> Lots:
        """A hash of every id."""
        return hashes(self.item_ids)

    @cached_property
    def groups(self) -> Lots:
        """A hash of every duplicate group; without groups, of every id."""
        return hashes(self.dup_group) if self.dup_group else self.keys

    @cached_property
    def order(self) -> npt.NDArray[np.intp]:
        """The positions of the samples in the order everything is computed in: that of the hashes.

        Should two hashes agree, which takes billions of samples, the ids themselves decide.
        """
        order = np.argsort(self.keys, kind="stable")
        inorder = self.keys[order]
        if (inorder[1:] == inorder[:-1]).any():
            return np.array(sorted(order, key=lambda at: (self.keys[at], self.item_ids[at])))
        return np.asarray(order)

    def rows_told(self, name: str) -> npt.NDArray[np.intp]:
        """Return, for every sample, its row in one of the arrays; -1 for one that it leaves out."""
        ids = getattr(self, f"{name}_ids", ())
        if not ids:
            return np.arange(len(self.item_ids))
        keys = hashes(ids)
        order = np.argsort(keys, kind="stable")
        place = np.searchsorted(keys[order], self.keys)
        place[place == len(order)] = 0
        found = order[place]
        return np.where(keys[found] == self.keys, found, -1)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all that can influence the batch; the order of samples cannot."""
        header = {name: getattr(self, name) for name in _PLAIN} | {
            "languages": [_plain(s) for s in sorted(self.languages, key=lambda s: s.tag)],
            "leased": sorted(self.leased),
            "quota": asdict(self.quota),
            "mix": sorted(self.mix.items()),
            "relabel": sorted(tuple(asdict(one).values()) for one in self.relabel),
            "numbers": "probabilities" if self.logits is None else "logits",
        }
        tags = hashes([state.tag for state in self.languages])
        pool: list[tuple[str, npt.NDArray[Any] | None]]
        known: list[tuple[str, npt.NDArray[Any] | None]]
        pool = [("language", tags[self.language] if self.item_ids else None)]
        pool += [("group", self.groups if self.dup_group else None)]
        pool += [("dialect", hashes(self.dialect or ("",) * len(self.item_ids)))]
        some = [name for name in _SOME if getattr(self, f"{name}_ids")]
        pool += [
            (n, getattr(self, n)) for n in _FLOATS if not n.startswith("known") and n not in some
        ]
        known = [("language", None if self.known_language is None else tags[self.known_language])]
        known += [("labels", self.known_labels)]
        known += [(name, getattr(self, name)) for name in _FLOATS if name.startswith("known")]
        whole = self.sieved
        header["pool"] = rows_digest(self.keys, pool) if whole is None else whole.digest
        header["known"] = rows_digest(hashes(self.known_ids), known)
        for name in some:
            ids = hashes(getattr(self, f"{name}_ids"))
            header[name] = rows_digest(ids, [(name, getattr(self, name))])
        return hashlib.sha256(json.dumps(header, sort_keys=True).encode()).hexdigest()

    def as_json(self) -> dict[str, Any]:
        """Return the request as plain lists and numbers; NaN and infinity survive as text."""
        if self.sieved is not None:
            raise ValueError("a sieved request is not all of its pool: write down the whole one")
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        arrays = {name: plain[name] for name in (*_INTS, *_FLOATS)}
        plain |= {name: _numbers(array) for name, array in arrays.items()}
        return plain | {
            "types": {n: array.dtype.name for n, array in arrays.items() if array is not None},
            "leased": sorted(self.leased),
            "quota": asdict(self.quota),
            "mix": dict(self.mix),
            "relabel": [asdict(one) for one in self.relabel],
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
        types = plain.get("types", {})
        kinds = dict.fromkeys(_INTS, "int64") | dict.fromkeys(_FLOATS, "float64") | types
        arrays: dict[str, Any] = {
            name: None if plain.get(name) is None else np.array(plain[name], dtype=kind)
            for name, kind in kinds.items()
        }
        names = {name: tuple(plain.get(name, ())) for name in _NAMES}
        rest = {name: value for name, value in plain.items() if name != "types"} | arrays | names
        rest |= {"languages": tuple(states), "leased": frozenset(plain.get("leased", ()))}
        rest |= {"relabel": tuple(Doubtful(**one) for one in plain.get("relabel", ()))}
        return cls(**(rest | {"quota": QuotaPolicy(**plain.get("quota", {}))}))


_INTS = ("language", "known_language", "known_labels")
_FLOATS = (
    "logits",
    "probabilities",
    "embeddings",
    "mc",
    "surprise",
    "cost_seconds",
    "given",
    "known_embeddings",
    "known_probabilities",
)
# Arrays that may know some samples only, named by the field of the same name and ``_ids``.
_SOME = ("mc", "surprise")
_NAMES = (
    "item_ids",
    "labels",
    "dup_group",
    "known_ids",
    "dialect",
    "label_names",
    "mc_ids",
    "surprise_ids",
)
_PLAIN = (
    "batch",
    "labels",
    "label_names",
    "seed",
    "strategy",
    "model_version",
    "near_duplicates",
    "relabel_share",
)


def _array(value: Any, *, floats: bool) -> npt.NDArray[Any]:
    """Return numbers as an array, uncopied if they are one of a fitting type."""
    if not floats:
        return np.asarray(value, dtype=np.int64)
    found = np.asarray(value)
    fits = found.dtype in (np.float16, np.float32, np.float64)
    return found if fits else found.astype(np.float64)


def _plain(state: LanguageState) -> dict[str, Any]:
    return asdict(state) | {"asked": sorted(state.asked)}


def _numbers(array: npt.NDArray[Any] | None) -> Any:
    if array is None:
        return None
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        return _spelt(array.tolist())
    return array.tolist()


def _spelt(value: Any) -> Any:
    if isinstance(value, list):
        return [_spelt(one) for one in value]
    return value if np.isfinite(value) else str(value)


def _check_shapes(request: SelectionRequest) -> None:
    count, known, tags = len(request.item_ids), len(request.known_ids), request.languages
    if (request.logits is None) == (request.probabilities is None):
        raise ValueError("give either logits or probabilities")

    def rows(name: str, *, of: int, axes: int, last: int | None = None) -> bool:
        array = getattr(request, name)
        fits = array is None or (
            array.ndim == axes and len(array) == of and 0 not in array.shape[1:]
        )
        return fits and (array is None or last is None or array.shape[-1] == last)

    width = None if request.embeddings is None else request.embeddings.shape[-1]
    several = (request.known_language, request.known_embeddings)
    fits = {
        "labels and numbers": request.rows.shape == (count, len(request.labels)),
        "language of each sample": request.language.shape == (count,),
        "dup_group": len(request.dup_group) in (0, count),
        "dialect": len(request.dialect) in (0, count),
        "embeddings": rows("embeddings", of=count, axes=2),
        "mc": rows("mc", of=len(request.mc_ids) or count, axes=3, last=len(request.labels)),
        "surprise": rows("surprise", of=len(request.surprise_ids) or count, axes=2),
        "ids of opinions and surprise": all(
            not ids or (len(set(ids)) == len(ids) and getattr(request, name) is not None)
            for name in _SOME
            for ids in [getattr(request, f"{name}_ids")]
        ),
        "cost_seconds": rows("cost_seconds", of=count, axes=1),
        "given uncertainties": rows("given", of=count, axes=1),
        "known samples": rows("known_language", of=known, axes=1)
        and rows("known_embeddings", of=known, axes=2, last=width)
        and (not known or all(one is not None for one in several))
        and (request.known_embeddings is None or width is not None),
        "known labels": rows("known_labels", of=known, axes=1),
        "known probabilities": rows(
            "known_probabilities", of=known, axes=2, last=len(request.labels)
        ),
        "at least one label": bool(request.labels),
        "label names": len(request.label_names) in (0, len(request.labels)),
        "unique item ids": len(np.unique(request.keys)) == count
        or len(set(request.item_ids)) == count,
        "unique language tags": len({state.tag for state in tags}) == len(tags),
        "batch of 0 or more": request.batch >= 0,
        "language positions": not count
        or (request.language.min() >= 0 and request.language.max() < len(tags)),
    }
    if wrong := [name for name, fine in fits.items() if not fine]:
        raise ValueError(f"the request does not fit together: {', '.join(wrong)}")


def _check_knobs(request: SelectionRequest) -> None:
    shares = list(request.mix.values())
    if shares and (min(shares) <= 0 or abs(sum(shares) - 1) > 1e-6):
        raise ValueError(
            f"the shares of the mixture must be above 0 and sum to 1, not {sum(shares):g}"
        )
    if request.near_duplicates is not None:
        if not 0 < request.near_duplicates <= 1:
            raise ValueError("near_duplicates is a cosine above 0 and up to 1")
        if request.embeddings is None:
            raise ValueError("near_duplicates needs embeddings: give embeddings, N x d")
    if not 0 <= request.relabel_share <= 0.5:
        raise ValueError("relabel_share lies in [0, 0.5]")
    tags = {state.tag for state in request.languages}
    if strange := sorted({one.language for one in request.relabel} - tags):
        raise ValueError(f"relabel names {strange[0]!r}, which is no language of the request")
