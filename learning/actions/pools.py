"""Pools: what of a campaign could be asked now, as the selection wants to have it."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from django.db.models import Count, Exists, OuterRef, Q

from annotation.models import Annotator, Campaign, CampaignLanguage, Sample
from annotation.models.samples import SampleQuerySet
from learning.actions.scoring import spoilt_for
from learning.methods.quotas import Quota, QuotaPolicy, Standing, allot
from learning.methods.requests import LanguageState, SelectionRequest
from learning.models import (
    ModelVersion,
    Prediction,
    QuotaAccount,
    Round,
    StopDecision,
    Temperature,
)


@dataclass(frozen=True)
class QuotaRow:
    """A line of the preview: what a language would get if the round were drawn now."""

    tag: str
    name: str
    samples: int
    texts: int
    debt: float
    quota: Quota


def preview_quota(
    campaign: Campaign, *, languages: Sequence[CampaignLanguage] | None = None, seed: int = 0
) -> list[QuotaRow]:
    """Return what each language would get now, by counting only; nothing is written.

    Campaign and languages may carry values that were not saved: then it is what those would do.
    The seed of a round breaks ties as that round will.
    """
    languages = active_languages(campaign) if languages is None else list(languages)
    counts = _counts(campaign)
    accounts = accounts_of(languages)
    capacities = _capacities(languages)
    standings = [
        Standing(
            tag=home.language.tag,
            samples=counts[home.language_id][0],
            texts=counts[home.language_id][1],
            capacity=capacities[home.pk],
            debt=accounts[home.pk].debt,
            owed=accounts[home.pk].owed,
            audit_carry=accounts[home.pk].audit_carry,
        )
        for home in languages
    ]
    policy = policy_of(campaign)
    quotas = allot(standings, batch=campaign.items_per_round, policy=policy, seed=seed)
    by_tag = {quota.tag: quota for quota in quotas}
    return [
        QuotaRow(
            tag=home.language.tag,
            name=home.language.name,
            samples=standing.samples,
            texts=standing.texts,
            debt=standing.debt + standing.owed,
            quota=by_tag[home.language.tag],
        )
        for home, standing in zip(languages, standings, strict=True)
    ]


def request_of(round_: Round) -> SelectionRequest:
    """Return the question that the round puts: all unasked samples that its version has scored.

    A sample that equals gold, or one that was asked, is never asked: the first would teach the
    answers of the examination, the second teaches nothing.
    """
    campaign, version = round_.campaign, round_.version
    languages = active_languages(campaign)
    position = {home.language_id: i for i, home in enumerate(languages)}
    rows = (
        Prediction.objects.filter(
            version=version, sample__in=unasked(campaign), sample__language__in=list(position)
        )
        .values_list("sample_id", "sample__language_id", "sample__digest", "logits")
        .order_by("sample_id")
    )
    ids, homes, digests, logits = [], [], [], []
    for pk, language, digest, row in rows.iterator(chunk_size=5_000):
        ids.append(str(pk))
        homes.append(position[language])
        digests.append(digest)
        logits.append(row)
    return SelectionRequest(
        item_ids=tuple(ids),
        language=np.array(homes, dtype=np.int64),
        languages=_states(languages, version=version),
        labels=label_keys(version),
        batch=campaign.items_per_round,
        seed=round_.seed,
        logits=np.array(logits, dtype=np.float64),
        dup_group=tuple(digests),
        strategy=round_.strategy,
        quota=policy_of(campaign),
        model_version=version.digest,
    )


def unasked(campaign: Campaign) -> SampleQuerySet:
    """Return the campaign's samples that were never put to the desk."""
    return Sample.objects.unasked().filter(campaign=campaign)


def askable(campaign: Campaign, *, version: ModelVersion) -> SampleQuerySet:
    """Return what a round under the version could ask, once it is scored.

    That is every unasked sample of a language that takes part and has people to answer, but
    copies of gold or of what was asked, and what the version has no answer for.
    """
    languages = active_languages(campaign)
    capacities = _capacities(languages)
    answering = [home.language_id for home in languages if capacities[home.pk] != 0]
    return _fresh(campaign).filter(language__in=answering).exclude(pk__in=spoilt_for(version))


def active_languages(campaign: Campaign) -> list[CampaignLanguage]:
    """Return the languages that take part now, in order of tag; those that stopped do not."""
    going_on = campaign.languages.filter(active=True).exclude(
        pk__in=StopDecision.objects.stopped(campaign)
    )
    return list(going_on.select_related("language").order_by("language__tag"))


def label_keys(version: ModelVersion) -> tuple[str, ...]:
    """Return the keys of the labels that the version knows, in the order of its outputs."""
    named = version.manifest.get("labels")
    keys = named or version.campaign.labels.order_by("position").values_list("key", flat=True)
    return tuple(keys)


def policy_of(campaign: Campaign) -> QuotaPolicy:
    """Return the quota as the campaign sets it."""
    return QuotaPolicy(floor=campaign.floor_per_language, audit_share=float(campaign.audit_share))


def accounts_of(languages: Iterable[CampaignLanguage]) -> dict[int, QuotaAccount]:
    """Return the ledger by campaign language; one who has no account yet is owed nothing."""
    found = {
        account.campaign_language_id: account
        for account in QuotaAccount.objects.filter(campaign_language__in=list(languages))
    }
    return {
        home.pk: found.get(home.pk) or QuotaAccount(campaign_language=home) for home in languages
    }


def _states(
    languages: list[CampaignLanguage], *, version: ModelVersion
) -> tuple[LanguageState, ...]:
    temperatures = dict(
        Temperature.objects.filter(version=version).values_list("language_id", "value")
    )
    known = known_digests(version.campaign)
    accounts = accounts_of(languages)
    capacities = _capacities(languages)
    return tuple(
        LanguageState(
            tag=home.language.tag,
            temperature=temperatures.get(home.language_id, 1.0),
            debt=accounts[home.pk].debt,
            owed=accounts[home.pk].owed,
            audit_carry=accounts[home.pk].audit_carry,
            capacity=capacities[home.pk],
            asked=frozenset(known[home.language_id]),
        )
        for home in languages
    )


def _capacities(languages: list[CampaignLanguage]) -> dict[int, int | None]:
    """Return, by campaign language, how many items its people can take; None is any number.

    A language without people takes none, lest the round wait for them. While no language has
    any, all are served, so that there is work when the first people come.
    """
    tongues = [home.language_id for home in languages]
    peopled = set(
        Annotator.objects.filter(language__in=tongues, active=True).values_list(
            "language_id", flat=True
        )
    )
    return {
        home.pk: 0 if peopled and home.language_id not in peopled else None for home in languages
    }


def known_digests(campaign: Campaign) -> dict[int, set[str]]:
    """Return, by language, the digests of texts that are gold or were asked."""
    rows = Sample.objects.filter(campaign=campaign).filter(
        Q(gold__isnull=False) | Q(items__isnull=False)
    )
    known: dict[int, set[str]] = defaultdict(set)
    for language, digest in rows.values_list("language_id", "digest").distinct():
        known[language].add(digest)
    return known


def _counts(campaign: Campaign) -> dict[int, tuple[int, int]]:
    """Return, by language, how many samples could be asked, and how many distinct texts."""
    rows = (
        _fresh(campaign)
        .order_by()
        .values("language_id")
        .annotate(samples=Count("pk"), texts=Count("digest", distinct=True))
    )
    counts = {row["language_id"]: (row["samples"], row["texts"]) for row in rows}
    return defaultdict(lambda: (0, 0), counts)


def _fresh(campaign: Campaign) -> SampleQuerySet:
    """Return unasked samples of which no copy in the language is gold or was asked."""
    known = Sample.objects.filter(
        Q(gold__isnull=False) | Q(items__isnull=False),
        campaign=campaign,
        language=OuterRef("language"),
        digest=OuterRef("digest"),
    )
    return unasked(campaign).filter(~Exists(known))
