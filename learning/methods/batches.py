"""The answer of the selection: what to ask, in order, and why; plain rows, JSON in and out."""

import json
from dataclasses import asdict, dataclass
from typing import Literal

Slot = Literal["floor", "weight", "debt", "audit", "relabel"]


@dataclass(frozen=True)
class Selected:
    """One pick. ``rank`` 1 is asked first in its language; ``percentile`` is the share of the
    language's pool that is less certain; ``duplicates`` are the ids that it stands for;
    ``propensity`` is defined in :func:`learning.methods.propensities.propensities`. ``margin``
    and ``confidence`` are None for what is asked again without a prediction.
    """

    item_id: str
    rank: int
    language: str
    strategy: str
    slot: Slot
    uncertainty: float
    percentile: float
    margin: float | None
    confidence: float | None
    best_label: str
    second_label: str
    duplicates: tuple[str, ...]
    propensity: float
    rationale: str
    nearest_id: str = ""
    nearest_distance: float | None = None
    dialect: str = ""


@dataclass(frozen=True)
class LanguageOutcome:
    """What a language was due and got, and what is carried to the next round.

    ``target`` is exact, without carried rounding; ``texts`` could be asked, of ``samples``;
    ``relabel`` of what it got asks an answered sample once more.
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
    relabel: int = 0


@dataclass(frozen=True)
class Rejected:
    """A sample that was left out by name.

    The reason is nan, inf, bad_sum, bad_cost, zero_vector, leased or asked.
    """

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
