"""Scored pools: the unasked samples of a campaign under one version, as lean columns.

A million rows pass through here on their way to the selection, so nothing is made a row of
Python objects that can be a column of numbers: logits are parsed a chunk at a time.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from operator import itemgetter

import numpy as np
import numpy.typing as npt
from django.db.models import Exists, F, OuterRef, QuerySet, TextField, Value
from django.db.models.functions import Cast

from annotation.models import Campaign, CampaignLanguage
from annotation.models.samples import SampleQuerySet
from learning.actions.cutting import stand_in
from learning.models import ModelVersion, NearDuplicate, Prediction, Temperature

CHUNK = 10_000
# Hexadecimal digits of a text's digest that are enough to tell ten million apart.
DIGITS = 32

# By language and digest, for the texts that are nearly the same as others.
Groups = Mapping[tuple[int, str], str]
# Id, language, digest, dialect, logits as JSON, and whether they are those of the version before.
Row = tuple[int, int, str, str, str, bool]


@dataclass(frozen=True, eq=False)
class ScoredPool:
    """N samples: their ids, places of their languages, logits N x K, groups and dialects.

    Samples of one group are one question; ``dialects`` is empty if no sample has one.
    """

    samples: npt.NDArray[np.int64]
    languages: npt.NDArray[np.int64]
    logits: npt.NDArray[np.float64]
    groups: tuple[str, ...]
    dialects: tuple[str, ...]


def scored_pool(
    samples: SampleQuerySet,
    *,
    version: ModelVersion,
    languages: Sequence[CampaignLanguage],
    near: Groups,
) -> ScoredPool:
    """Read what the version thinks of some samples, in order of their ids.

    While it is still scoring, the version before it stands in for it where it has not yet been:
    what is likely to be asked is scored first, so of the others only the random arm asks, and
    that must be able to draw any sample.
    """
    place = {home.language_id: at for at, home in enumerate(languages)}
    fresh = Prediction.objects.filter(version=version, sample__in=samples)
    found = _Columns(place, near)
    rows, older = _rows(fresh, place), stand_in(version)
    if older:
        seen = Prediction.objects.filter(version=version, sample=OuterRef("sample"))
        stale = Prediction.objects.filter(~Exists(seen), version=older, sample__in=samples)
        found.scales = _scales(version, older=older, place=place)
        rows = merge(rows, _rows(stale, place, stale=True), key=itemgetter(0))
    for chunk in batched(rows, CHUNK):
        found.take(chunk)
    return found.pool()


def _rows(
    predictions: "QuerySet[Prediction]", place: Mapping[int, int], *, stale: bool = False
) -> Iterator[Row]:
    rows = (
        predictions.filter(sample__language__in=list(place))
        .order_by("sample_id")
        # As text: a chunk is parsed at once, which is quicker than row by row.
        .annotate(told=Cast(F("logits"), TextField()), stale=Value(stale))
        .values_list(
            "sample_id", "sample__language", "sample__digest", "sample__dialect", "told", "stale"
        )
    )
    found: Iterator[Row] = rows.iterator(chunk_size=CHUNK)
    return found


def _scales(
    version: ModelVersion, *, older: ModelVersion, place: Mapping[int, int]
) -> npt.NDArray[np.float64]:
    """Return, by place, what turns older logits into such as the newer temperature is for."""
    scales = np.ones(len(place))
    fitted = Temperature.objects.filter(version__in=(version, older), language__in=list(place))
    for one, language, value in fitted.values_list("version", "language", "value"):
        scales[place[language]] *= value if one == version.pk else 1.0 / value
    return scales


def near_groups(campaign: Campaign, languages: Iterable[CampaignLanguage]) -> Groups:
    """Return the group of every text that counts as one with others, if the campaign wants that."""
    if campaign.near_duplicates is None:
        return {}
    rows = NearDuplicate.objects.filter(home__in=list(languages))
    return {
        (language, digest): group[:DIGITS]
        for language, digest, group in rows.values_list("home__language", "digest", "group")
    }


def group_of(language: int, digest: str, *, near: Groups) -> str:
    """Return the name under which a text, and all that count as one with it, is asked."""
    return near.get((language, digest)) or digest[:DIGITS]


class _Columns:
    """Columns that grow a chunk at a time."""

    def __init__(self, place: Mapping[int, int], near: Groups) -> None:
        self.place, self.near = place, near
        self.samples: list[npt.NDArray[np.int64]] = []
        self.languages: list[npt.NDArray[np.int64]] = []
        self.logits: list[npt.NDArray[np.float64]] = []
        self.groups: list[str] = []
        self.dialects: list[str] = []
        self.scales: npt.NDArray[np.float64] = np.ones(len(place))

    def take(self, rows: Sequence[Row]) -> None:
        samples, tongues, digests, dialects, told, stale = zip(*rows, strict=True)
        self.samples.append(np.array(samples, dtype=np.int64))
        homes = np.array([self.place[tongue] for tongue in tongues], dtype=np.int64)
        self.languages.append(homes)
        logits = np.array(json.loads(f"[{','.join(told)}]"), dtype=np.float64)
        logits[np.array(stale)] *= self.scales[homes[np.array(stale)], None]
        self.logits.append(logits)
        texts = zip(tongues, digests, strict=True)
        self.groups += [group_of(tongue, digest, near=self.near) for tongue, digest in texts]
        self.dialects += dialects

    def pool(self) -> ScoredPool:
        none = np.zeros(0, dtype=np.int64)
        return ScoredPool(
            samples=np.concatenate([none, *self.samples]),
            languages=np.concatenate([none, *self.languages]),
            logits=np.concatenate(self.logits) if self.logits else np.zeros((0, 1)),
            groups=tuple(self.groups),
            dialects=tuple(self.dialects) if any(self.dialects) else (),
        )


def batched(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    """Cut rows into lists; itertools has this from Python 3.12 on."""
    left = iter(rows)
    while chunk := list(islice(left, size)):
        yield chunk
