"""Cutting: which samples a version still has to score, in which shards, and in which order.

What is likely to be asked next comes first: in each language the samples that the version
before found hardest to tell, and of those that no version has seen a random few. With them come
gold and whatever was asked, since the desk and the consensus look at these. The next round
waits for no more than that; all else follows in order of id.
"""

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from django.conf import settings
from django.db.models import Exists, OuterRef, Q, Subquery

from annotation.models import Sample
from annotation.models.samples import SampleQuerySet
from learning.methods.lots import lots
from learning.models import ModelVersion, Prediction, Scoring, ScoringShard

# In each language so many times what a round asks in all; at least this many.
LIKELY = 10
LEAST_LIKELY = 500
# Small enough that several workers share them, and the first is soon done.
LIKELY_SHARD = 250
AT_ONCE = 10_000


@dataclass
class Slice:
    """A shard to be: samples by name, or all from first to last but for the likely ones."""

    first: int
    last: int
    count: int
    ids: list[int] = field(default_factory=list)


def unscored(version: ModelVersion) -> SampleQuerySet:
    """Return the samples that the version should have a prediction for, and has not."""
    languages = version.campaign.languages.filter(active=True).values("language")
    known = Prediction.objects.filter(version=version, sample=OuterRef("pk"))
    return (
        Sample.objects.ready()
        .filter(~Exists(known), campaign=version.campaign_id, language__in=languages)
        .exclude(pk__in=spoilt_for(version))
        .order_by("pk")
    )


def spoilt_for(version: ModelVersion) -> set[int]:
    """Return samples that the version cannot answer: trying again gives the same."""
    shards = ScoringShard.objects.filter(scoring__version=version).exclude(spoilt=[])
    return {pk for found in shards.values_list("spoilt", flat=True) for pk in found}


def previous_version(version: ModelVersion) -> ModelVersion | None:
    """Return the version that was the last to score all of the campaign's pool, but for this."""
    done = Scoring.objects.filter(campaign=version.campaign_id, status=Scoring.Status.DONE)
    last = done.exclude(version=version).select_related("version").order_by("-created_at").first()
    return last.version if last else None


def stand_in(version: ModelVersion) -> ModelVersion | None:
    """Return the version whose predictions serve where this one has not yet scored."""
    running = version.scorings.filter(status=Scoring.Status.RUNNING).select_related("previous")
    work = running.first()
    return work.previous if work else None


def cut(version: ModelVersion, *, previous: ModelVersion | None) -> tuple[list[Slice], list[Slice]]:
    """Return the likely shards and the others; one pass over the pool, however large."""
    size = max(1, settings.ENV.scoring_shard)
    first = _First(version)
    rest: list[Slice] = []
    for rows in _in_chunks(version, previous):
        first.see(rows)
        for pk, *_ in rows:
            if not rest or rest[-1].count == size:
                rest.append(Slice(pk, pk, 0))
            rest[-1].last, rest[-1].count = pk, rest[-1].count + 1
    likely = first.ids()
    starts = [part.first for part in rest]
    for place in np.searchsorted(starts, likely, side="right") - 1 if rest else ():
        rest[place].count -= 1
    step = min(size, LIKELY_SHARD)
    named = [likely[at : at + step] for at in range(0, len(likely), step)]
    return (
        [Slice(ids[0], ids[-1], len(ids), ids) for ids in named],
        [part for part in rest if part.count],
    )


class _First:
    """Keeps, while the pool passes by, what is to be scored first; no more than that."""

    def __init__(self, version: ModelVersion) -> None:
        campaign = version.campaign
        known = Sample.objects.filter(Q(gold__isnull=False) | Q(items__isnull=False))
        self._looked_at = set(known.filter(campaign=campaign).values_list("pk", flat=True))
        self._most = max(LEAST_LIKELY, LIKELY * campaign.items_per_round)
        self._seed = campaign.seed
        self._found: list[int] = []
        # By language: the hardest seen before, and those never seen that drew the lowest lots.
        self._hard: dict[int, list[tuple[float, int]]] = defaultdict(list)
        self._new: dict[int, list[tuple[float, int]]] = defaultdict(list)

    def see(self, rows: list[tuple[int, int, float | None]]) -> None:
        """Look at (id, language, margin under the version before or None)."""
        draws = lots([str(pk) for pk, *_ in rows], seed=self._seed, purpose="scored first")
        for (pk, language, margin), lot in zip(rows, draws.tolist(), strict=True):
            if pk in self._looked_at:
                self._found.append(pk)
            elif margin is None:
                self._keep(self._new[language], -lot, pk)
            else:
                self._keep(self._hard[language], -margin, pk)

    def ids(self) -> list[int]:
        """Return what comes first, in order of id."""
        heaps = [*self._hard.values(), *self._new.values()]
        return sorted([*self._found, *(pk for heap in heaps for _, pk in heap)])

    def _keep(self, heap: list[tuple[float, int]], rank: float, pk: int) -> None:
        if len(heap) < self._most:
            heapq.heappush(heap, (rank, pk))
        elif rank > heap[0][0]:
            heapq.heapreplace(heap, (rank, pk))


def _in_chunks(
    version: ModelVersion, previous: ModelVersion | None
) -> Iterator[list[tuple[int, int, float | None]]]:
    before = Prediction.objects.filter(version=previous, sample=OuterRef("pk"))
    rows: Iterable[tuple[int, int, float | None]] = (
        unscored(version)
        .annotate(before=Subquery(before.values("margin")[:1]))
        .values_list("pk", "language_id", "before")
        .iterator(chunk_size=AT_ONCE)
    )
    chunk: list[tuple[int, int, float | None]] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == AT_ONCE:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
