"""Scored samples: what of a campaign could be asked, under one version, as columns that pass by.

Ten million rows pass through here on their way to the selection, a page at a time and in order
of their ids, so that nothing grows with the pool. Nothing is made a row of Python objects that
can be a column of numbers: logits are parsed a page at once.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from django.db.models import F, Q, QuerySet, Sum, TextField
from django.db.models.functions import Cast

from annotation.models import Campaign, CampaignLanguage, GoldItem, Item, SampleImport
from learning.actions.cutting import stand_in
from learning.actions.doubts import as_classes
from learning.methods.lots import Lots, hashes, mixed
from learning.models import ModelVersion, NearDuplicate, Prediction, Scoring, Temperature

if TYPE_CHECKING:
    from learning.methods.sieve import Chunk

PAGE = 10_000
# Names in one question to the database.
FEW = 500
# Hexadecimal digits of a text's digest that are enough to tell ten million apart.
DIGITS = 32

# By language and digest, for the texts that are nearly the same as others.
Groups = Mapping[tuple[int, str], str]
Ints = npt.NDArray[np.int64]
Columns = tuple[Any, ...]


def scored_chunks(
    campaign: Campaign, *, version: ModelVersion, languages: Sequence[CampaignLanguage]
) -> Iterator["Chunk"]:
    """Yield what the version thinks of the campaign's unasked samples, in order of their ids.

    While it is still scoring, the version before it stands in for it where it has not yet been:
    what is likely to be asked is scored first, so of the others only the random arm asks, and
    that must be able to draw any sample.
    """
    from learning.methods.sieve import Chunk  # SciPy is for workers only

    place = np.full(max((home.language_id for home in languages), default=0) + 1, -1)
    place[[home.language_id for home in languages]] = np.arange(len(languages))
    spent, near, older = _spent(campaign), _Near(campaign, languages), stand_in(version)
    scales = _scales(version, older=older, languages=languages)
    for ids, tongues, digests, dialects, told, stale in _pages(campaign, version, older):
        samples, homes = np.array(ids, dtype=np.int64), np.array(tongues, dtype=np.int64)
        known = np.where(homes < len(place), homes, 0)
        places = np.where(homes < len(place), place[known], -1)
        fit = (places >= 0) & ~np.isin(samples, spent, assume_unique=True)
        logits = np.array(json.loads(f"[{','.join(told)}]"), dtype=np.float64)
        logits = as_classes(campaign, logits=logits)
        logits = np.where(np.array(stale)[:, None], logits * scales[places, None], logits)
        yield Chunk(
            ids=samples[fit],
            languages=places[fit],
            groups=near.groups(homes, digests)[fit],
            logits=logits[fit],
            dialects=np.array(dialects, dtype=object)[fit].tolist(),
        )


def expected_rows(version: ModelVersion) -> int:
    """Return about how many samples of a version will pass by."""
    both = [version, stand_in(version)]
    scorings = Scoring.objects.filter(version__in=[one for one in both if one])
    return scorings.aggregate(total=Sum("samples_total"))["total"] or 0


def _pages(
    campaign: Campaign, version: ModelVersion, older: ModelVersion | None
) -> Iterator[Columns]:
    """Yield ids, languages, digests, dialects, logits as JSON, and whether the older told them.

    Each page is a query of its own that begins where the last one ended, so that no cursor stays
    open and the database makes no copy of the pool.
    """
    after, ready = -1, ready_now(campaign, of="sample__")
    while True:
        fresh = list(_rows(version, ready, after=after))
        stale = list(_rows(older, ready, after=after)) if older else []
        # Beyond the end of a full page there may be more of its version: the next page tells.
        ends = [rows[-1][0] for rows in (fresh, stale) if len(rows) == PAGE]
        until = min(ends, default=None)
        if stale:
            yield from _merged(fresh, stale, until=until)
        elif fresh:
            yield (*zip(*fresh, strict=True), (False,) * len(fresh))
        if until is None:
            return
        after = until


def _merged(
    fresh: Sequence[Columns], stale: Sequence[Columns], *, until: int | None
) -> Iterator[Columns]:
    """Put what an older version told between what the newer has told already, up to an id."""
    seen = {row[0] for row in fresh}
    rows = [(*row, False) for row in fresh]
    rows += [(*row, True) for row in stale if row[0] not in seen]
    if rows := sorted(row for row in rows if until is None or row[0] <= until):
        yield tuple(zip(*rows, strict=True))


def _rows(version: ModelVersion, ready: Q, *, after: int) -> "QuerySet[Prediction, Any]":
    found = Prediction.objects.filter(
        ready, version=version, sample__gt=after, sample__withdrawn_at=None
    )
    return (
        found.order_by("sample_id")
        # As text: a page is parsed at once, which is quicker than row by row.
        .annotate(told=Cast(F("logits"), TextField()))
        .values_list("sample_id", "sample__language", "sample__digest", "sample__dialect", "told")[
            :PAGE
        ]
    )


def ready_now(campaign: Campaign, *, of: str = "") -> Q:
    """Leave out what an import has brought that is not over, if there is such an import.

    ``of`` leads from the rows that are asked for to their samples.
    """
    going_on = campaign.imports.exclude(status=SampleImport.Status.DONE)
    several = list(going_on.values_list("pk", flat=True))
    if not several:
        return Q()
    brought = f"{of}sample_import"
    return Q(**{brought: None}) | ~Q(**{f"{brought}__in": several})


def spent_on(campaign: Campaign) -> tuple["QuerySet[GoldItem]", "QuerySet[Item]"]:
    """Return the campaign's gold and items, found from their own side: samples are far more."""
    return (
        GoldItem.objects.filter(label__campaign=campaign),
        Item.objects.filter(campaign_language__campaign=campaign),
    )


def _spent(campaign: Campaign) -> Ints:
    """Return the samples that are gold or were asked, of which there are as many as labels."""
    rows = [spent.order_by().values_list("sample", flat=True) for spent in spent_on(campaign)]
    found = np.concatenate([np.fromiter(one.iterator(), np.int64) for one in rows])
    return np.asarray(np.unique(found))


def _scales(
    version: ModelVersion, *, older: ModelVersion | None, languages: Sequence[CampaignLanguage]
) -> npt.NDArray[np.float64]:
    """Return, by place, what turns older logits into such as the newer temperature is for."""
    scales = np.ones(len(languages) + 1)  # the last one is for languages that take no part
    place = {home.language_id: at for at, home in enumerate(languages)}
    fitted = Temperature.objects.filter(version__in=[version.pk, older.pk] if older else [])
    for one, language, value in fitted.values_list("version", "language", "value"):
        if language in place:
            scales[place[language]] *= value if one == version.pk else 1.0 / value
    return scales


def near_groups(campaign: Campaign, languages: Iterable[CampaignLanguage]) -> Groups:
    """Return the group of every text that counts as one with others, if the campaign wants that."""
    if campaign.near_duplicates is None:
        return {}
    return _named(NearDuplicate.objects.filter(home__in=list(languages)))


def asked_groups(
    campaign: Campaign,
    languages: Iterable[CampaignLanguage],
    *,
    known: Mapping[int, Collection[str]],
) -> dict[int, set[str]]:
    """Return, by language, the names under which texts were asked, told their digests."""
    found: dict[int, set[str]] = {}
    for home in languages:
        digests = sorted(known.get(home.language_id, ()))
        near: Groups = {}
        if campaign.near_duplicates is not None:
            rows = NearDuplicate.objects.filter(home=home)
            for part in batched(digests, FEW):
                near = {**near, **_named(rows.filter(digest__in=part))}
        tongue = home.language_id
        found[tongue] = {near.get((tongue, one)) or one[:DIGITS] for one in digests}
    return found


def _named(rows: "QuerySet[NearDuplicate]") -> Groups:
    return {
        (language, digest): group[:DIGITS]
        for language, digest, group in rows.values_list("home__language", "digest", "group")
    }


@dataclass(frozen=True, eq=False)
class _Names:
    """Texts, by hash and in order, and the hash of the name under which each is asked."""

    texts: Lots
    groups: Lots


class _Near:
    """Under which name each text is asked; 16 bytes for each that counts as one with others."""

    def __init__(self, campaign: Campaign, languages: Sequence[CampaignLanguage]) -> None:
        texts: list[Lots] = [np.zeros(0, dtype=np.uint64)]
        groups: list[Lots] = [np.zeros(0, dtype=np.uint64)]
        wanted = languages if campaign.near_duplicates is not None else ()
        rows = NearDuplicate.objects.filter(home__in=list(wanted)).order_by()
        named = rows.values_list("home__language", "digest", "group")
        for part in batched(named.iterator(chunk_size=PAGE), PAGE):
            tongues, digests, names = zip(*part, strict=True)
            texts.append(_texts(np.array(tongues), digests))
            groups.append(hashes([name[:DIGITS] for name in names]))
        every, order = np.concatenate(texts), np.argsort(np.concatenate(texts))
        self._names = _Names(every[order], np.concatenate(groups)[order])

    def groups(self, languages: Ints, digests: Sequence[str]) -> Lots:
        """Return the hashes of the names under which some texts are asked."""
        own = hashes([digest[:DIGITS] for digest in digests])
        names = self._names
        if not len(names.texts):
            return own
        texts = _texts(languages, digests)
        at = np.searchsorted(names.texts, texts)
        at[at == len(names.texts)] = 0
        return np.where(names.texts[at] == texts, names.groups[at], own)


def _texts(languages: Ints, digests: Sequence[str]) -> Lots:
    return mixed(hashes([*digests]) ^ mixed(languages.astype(np.uint64)))


def batched(rows: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Cut rows into lists; itertools has this from Python 3.12 on."""
    left = iter(rows)
    while chunk := list(islice(left, size)):
        yield chunk
