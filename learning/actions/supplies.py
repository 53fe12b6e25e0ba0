"""Supplies: what a strategy needs beside predictions, brought to the request of a round.

Embeddings lie in files, opinions and surprise in the rows of a closer look, seconds are
expected from the answers given so far. Where something cannot be had margin ranks instead, so
that nobody waits in vain, and the round says so.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from django.db.models import TextField
from django.db.models.functions import Cast, Length

from annotation.models import Annotation, CampaignLanguage, Sample
from learning.actions.asked import asked_before
from learning.actions.embeddings import Passing, gather
from learning.actions.round_words import BY_MARGIN
from learning.methods.requests import SelectionRequest
from learning.models import Look, LookedAt, Round

if TYPE_CHECKING:
    from learning.methods.sieve import Chunk

CHUNK = 10_000
# The newest answers of a language from which its reading time is taken.
NEWEST = 2_000
NO_EMBEDDINGS = "there are no stored embeddings"


def needs_of_round(round_: Round) -> set[str]:
    """Return which arrays the round's strategies cannot do without."""
    from learning.methods.strategies import needs_of  # SciPy is for workers only

    return {need for name in round_.mix or [round_.strategy] for need in needs_of(name)}


@dataclass(frozen=True)
class ColumnsOnTheWay:
    """What a pool's samples must all have for a round's strategies, added while they pass by."""

    embeddings: Passing | None = None
    seconds: "Seconds | None" = None

    @property
    def rejects(self) -> bool:
        """Whether a sample may be left out for lack of something."""
        return self.embeddings is not None

    def added(self, chunk: "Chunk") -> "Chunk":
        """Return the same samples with what is known of them."""
        if self.embeddings and len(chunk.ids):
            chunk = replace(chunk, embeddings=self.embeddings.of(chunk.ids))
        if self.seconds and len(chunk.ids):
            seconds = self.seconds.of(chunk.ids, places=chunk.languages)
            chunk = replace(chunk, cost_seconds=seconds)
        return chunk


def columns_of(round_: Round, languages: Sequence[CampaignLanguage]) -> ColumnsOnTheWay:
    """Return what the round's strategies need of every sample, as far as there is any."""
    needed = needs_of_round(round_)
    embeddings = Passing(round_.version) if "embeddings" in needed else None
    return ColumnsOnTheWay(
        embeddings=embeddings if embeddings and embeddings.width else None,
        seconds=Seconds(languages) if "cost_seconds" in needed else None,
    )


def supplied(
    plain: SelectionRequest,
    round_: Round,
    languages: Sequence[CampaignLanguage],
) -> SelectionRequest:
    """Add to the request of a round what its strategies need, or have margin rank."""
    request, needed = plain, needs_of_round(round_)
    samples = np.array(plain.item_ids if needed else (), dtype=np.int64)
    if "embeddings" in needed:
        request = _embedded(request, round_, languages, samples=samples)
    for kind in needed & set(Look.Kind.values):
        request = _looked_at(request, round_, kind=kind)
    return request if _ranks(request, round_) else _by_margin(plain)


def why_margin(round_: Round) -> str:
    """Say in a few words why margin ranked a round that wanted something else."""
    failed = round_.looks.filter(status=Look.Status.FAILED).first()
    wanted = ", ".join(sorted(round_.mix)) or round_.strategy
    told = failed.error.rstrip(".") if failed else NO_EMBEDDINGS
    return BY_MARGIN % {"wanted": wanted, "why": told}


def _by_margin(request: SelectionRequest) -> SelectionRequest:
    return replace(request, strategy="margin", mix={})


def _ranks(request: SelectionRequest, round_: Round) -> bool:
    """Whether the round's own strategies are still those of the request."""
    return (request.strategy, dict(request.mix)) == (round_.strategy, dict(round_.mix))


def _embedded(
    plain: SelectionRequest,
    round_: Round,
    languages: Sequence[CampaignLanguage],
    *,
    samples: npt.NDArray[np.int64],
) -> SelectionRequest:
    """Add where samples lie and what was asked before."""
    embeddings, missing = gather(round_.version, ids=samples.tolist())
    if len(missing) == len(samples):
        return _by_margin(plain)
    before = asked_before(round_.campaign, languages, version=round_.version, labels=plain.labels)
    return replace(
        plain,
        embeddings=embeddings,
        known_ids=tuple(map(str, before.samples)),
        known_language=before.languages,
        known_embeddings=before.embeddings,
        known_labels=before.labels,
        known_probabilities=before.probabilities,
    )


def _looked_at(plain: SelectionRequest, round_: Round, *, kind: str) -> SelectionRequest:
    """Add what a closer look has found, which is of some samples only."""
    rows = LookedAt.objects.filter(look__round=round_, look__kind=kind)
    done = rows.filter(look__status=Look.Status.DONE).order_by("sample_id")
    told = done.annotate(told=Cast("numbers", TextField())).values_list("sample_id", "told")
    pairs = list(told)
    if not pairs:
        return _by_margin(plain)
    numbers = np.array(json.loads(f"[{','.join(text for _, text in pairs)}]"), dtype=np.float32)
    found: dict[str, Any] = {kind: numbers, f"{kind}_ids": tuple(str(pk) for pk, _ in pairs)}
    return replace(plain, **found)


class Seconds:
    """How long a sample's text will take, as answers in its language tell."""

    def __init__(self, languages: Sequence[CampaignLanguage]) -> None:
        from learning.methods.reading import fit_readings

        tags = [home.language.tag for home in languages]
        fitted = fit_readings({home.language.tag: _answers(home) for home in languages})
        self._fitted = [fitted[tag] for tag in tags]

    def of(
        self, samples: npt.NDArray[np.int64], *, places: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float64]:
        """Return the seconds of some samples, told the places of their languages."""
        lengths, found = _lengths(samples), np.ones(len(samples))
        for at, fitted in enumerate(self._fitted):
            mine = places == at
            found[mine] = fitted.expected(lengths[mine])
        return found


def _answers(home: CampaignLanguage) -> tuple[list[int], list[float]]:
    """Return lengths of texts and seconds of the newest answers in a language."""
    given = (
        Annotation.objects.answered()
        .filter(item__campaign_language=home, lead_seconds__gt=0)
        .order_by("-pk")
        .annotate(letters=Length("item__sample__text"))
        .values_list("letters", "lead_seconds")[:NEWEST]
    )
    columns: dict[int, list[Any]] = defaultdict(list)
    for row in given:
        for at, value in enumerate(row):
            columns[at].append(value)
    return columns[0], columns[1]


def _lengths(samples: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return how many letters each sample's text has, in the order of the samples."""
    order = np.argsort(samples, kind="stable")
    found = np.ones(len(samples), dtype=np.int64)
    for start in range(0, len(samples), CHUNK):
        part = order[start : start + CHUNK]
        wanted = samples[part]
        near = Sample.objects.filter(pk__gte=int(wanted[0]), pk__lte=int(wanted[-1]))
        rows = near.order_by("pk").annotate(letters=Length("text")).values_list("pk", "letters")
        told = np.array(list(rows), dtype=np.int64).reshape(-1, 2)
        at = np.searchsorted(told[:, 0], wanted)
        at[at == len(told)] = 0
        here = told[at, 0] == wanted if len(told) else np.zeros(len(wanted), dtype=np.bool_)
        found[part[here]] = told[at[here], 1]
    return found
