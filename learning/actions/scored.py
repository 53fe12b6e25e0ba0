"""Scored pools: the unasked samples of a campaign under one version, as lean columns.

A million rows pass through here on their way to the selection, so nothing is made a row of
Python objects that can be a column of numbers: logits are parsed a chunk at a time.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt
from django.db.models import F, TextField
from django.db.models.functions import Cast

from annotation.models import Campaign, CampaignLanguage
from annotation.models.samples import SampleQuerySet
from learning.models import ModelVersion, NearDuplicate, Prediction

CHUNK = 10_000
# Hexadecimal digits of a text's digest that are enough to tell ten million apart.
DIGITS = 32

# By language and digest, for the texts that are nearly the same as others.
Groups = Mapping[tuple[int, str], str]
Row = tuple[int, int, str, str, str]


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
    """Read what the version thinks of some samples, in order of their ids."""
    place = {home.language_id: at for at, home in enumerate(languages)}
    rows = (
        Prediction.objects.filter(version=version, sample__in=samples)
        .filter(sample__language__in=list(place))
        .order_by("sample_id")
        # As text: a chunk is parsed at once, which is quicker than row by row.
        .annotate(told=Cast(F("logits"), TextField()))
        .values_list("sample_id", "sample__language", "sample__digest", "sample__dialect", "told")
    )
    found = _Columns(place, near)
    for chunk in batched(rows.iterator(chunk_size=CHUNK), CHUNK):
        found.take(chunk)
    return found.pool()


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

    def take(self, rows: Sequence[Row]) -> None:
        samples, tongues, digests, dialects, told = zip(*rows, strict=True)
        self.samples.append(np.array(samples, dtype=np.int64))
        self.languages.append(np.array([self.place[tongue] for tongue in tongues], dtype=np.int64))
        self.logits.append(np.array(json.loads(f"[{','.join(told)}]"), dtype=np.float64))
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
