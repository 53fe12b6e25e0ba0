"""Pools: what of a campaign could be asked now, as the selection wants to have it."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import structlog
from django.conf import settings
from django.db.models import CharField, Count, Value
from django.db.models.functions import Cast, Concat

from annotation.models import Campaign, CampaignLanguage, Sample
from annotation.models.samples import SampleQuerySet
from annotation.objectives import spans
from learning.actions.doubts import HOLDING, of_sets
from learning.actions.repeats import doubtful_answers
from learning.actions.scored import (
    FEW,
    asked_groups,
    batched,
    expected_rows,
    near_groups,
    ready_now,
    scored_chunks,
    spent_on,
)
from learning.actions.scoring import spoilt_for
from learning.actions.supplies import ColumnsOnTheWay, columns_of, supplied
from learning.actions.terms import capacities_of, policy_of, terms_of
from learning.methods.quotas import Quota, allot
from learning.methods.requests import LanguageState, SelectionRequest
from learning.models import ModelVersion, NearDuplicate, Round, StopDecision, Temperature

log = structlog.get_logger(__name__)

# What two classes say of a text's marks (:func:`learning.methods.tagging.two_classes`).
MARKED = {"marks-as-read": "marks as read", "marks-otherwise": "other marks"}


@dataclass(frozen=True)
class QuotaRow:
    """A line of the preview: what a language would get if the round were drawn now."""

    tag: str
    name: str
    samples: int
    texts: int
    debt: float
    quota: Quota
    slope: float | None = None
    cost: float = 1.0


def preview_quota(
    campaign: Campaign, *, languages: Sequence[CampaignLanguage] | None = None, seed: int = 0
) -> list[QuotaRow]:
    """Return what each language would get now, by counting only; nothing is written.

    Campaign and languages may carry values that were not saved: then it is what those would do.
    The seed of a round breaks ties as that round will.
    """
    languages = active_languages(campaign) if languages is None else list(languages)
    counts = _counts(campaign, languages)
    terms = terms_of(campaign, languages)
    standings = [
        one.standing(samples=counts[one.home.language_id][0], texts=counts[one.home.language_id][1])
        for one in terms
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
            slope=standing.slope,
            cost=standing.cost,
        )
        for home, standing in zip(languages, standings, strict=True)
    ]


def request_of(round_: Round) -> SelectionRequest:
    """Return the question that the round puts, with all that its strategies need."""
    languages = active_languages(round_.campaign)
    return supplied(plain_request(round_, languages), round_, languages)


def plain_request(round_: Round, languages: list[CampaignLanguage]) -> SelectionRequest:
    """Return what may be asked of all unasked samples that the round's version has scored.

    A sample that equals gold, or one that was asked, is never asked: the first would teach the
    answers of the examination, the second teaches nothing. The pool streams, so that memory
    does not grow with it. Without an embedding of any sample nothing is asked for that reason.
    """
    columns = columns_of(round_, languages)
    found = _sieved(round_, languages, columns=columns)
    if not found.item_ids and columns.rejects:
        found = _sieved(round_, languages, columns=replace(columns, embeddings=None))
    if found.sieved and (reasons := Counter(one.reason for one in found.sieved.rejected)):
        log.warning("round.left_out", round_id=round_.pk, unnamed=found.sieved.unnamed, **reasons)
    return found


def _sieved(
    round_: Round, languages: list[CampaignLanguage], *, columns: ColumnsOnTheWay
) -> SelectionRequest:
    from learning.methods.sieve import Sieve  # SciPy is for workers only

    campaign, version = round_.campaign, round_.version
    sieve = Sieve(
        _question(round_, languages), expected=expected_rows(version), folder=settings.VAR_DIR
    )
    for chunk in scored_chunks(campaign, version=version, languages=languages):
        sieve.take(columns.added(chunk))
    return sieve.request()


def _question(round_: Round, languages: list[CampaignLanguage]) -> SelectionRequest:
    """Return the request without its samples."""
    campaign, version = round_.campaign, round_.version
    labels = label_keys(version)
    names = dict(campaign.labels.values_list("key", "name")) | MARKED | HOLDING
    return SelectionRequest(
        item_ids=(),
        language=np.zeros(0, dtype=np.int64),
        languages=_states(version, languages),
        labels=labels,
        label_names=tuple(names.get(key, key) for key in labels),
        batch=campaign.items_per_round,
        seed=round_.seed,
        logits=np.zeros((0, len(labels))),
        strategy=round_.strategy,
        mix=round_.mix,
        quota=policy_of(campaign),
        relabel=doubtful_answers(campaign, languages, labels=labels),
        relabel_share=float(campaign.relabel_share),
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
    capacities = capacities_of(campaign, languages)
    answering = [
        home.language_id
        for home in languages
        if capacities[home.pk] != 0 and home.most_per_round != 0
    ]
    return _fresh(campaign).filter(language__in=answering).exclude(pk__in=spoilt_for(version))


def active_languages(campaign: Campaign) -> list[CampaignLanguage]:
    """Return the languages that take part now, in order of tag; those that stopped do not."""
    going_on = campaign.languages.filter(active=True).exclude(
        pk__in=StopDecision.objects.stopped(campaign)
    )
    return list(going_on.select_related("language").order_by("language__tag"))


def label_keys(version: ModelVersion) -> tuple[str, ...]:
    """Return the keys of the labels that the version knows, in the order of its outputs.

    Of marks in texts it is only told how sure the version is of them all, as two classes; of sets
    of labels, whether the label that it doubts most holds.
    """
    if version.campaign.objective == spans.NAME:
        return tuple(MARKED)
    if of_sets(version.campaign):
        return tuple(HOLDING)
    named = version.manifest.get("labels")
    keys = named or version.campaign.labels.order_by("position").values_list("key", flat=True)
    return tuple(keys)


def _states(version: ModelVersion, languages: list[CampaignLanguage]) -> tuple[LanguageState, ...]:
    campaign = version.campaign
    temperatures = dict(
        Temperature.objects.filter(version=version).values_list("language_id", "value")
    )
    asked = asked_groups(campaign, languages, known=known_digests(campaign))
    return tuple(
        one.state(
            temperature=temperatures.get(one.home.language_id, 1.0),
            asked=asked[one.home.language_id],
        )
        for one in terms_of(campaign, languages)
    )


def known_digests(campaign: Campaign) -> dict[int, set[str]]:
    """Return, by language, the digests of texts that are gold or were asked."""
    known: dict[int, set[str]] = defaultdict(set)
    for rows in spent_on(campaign):
        texts = rows.order_by().values_list("sample__language", "sample__digest")
        for language, digest in texts.distinct():
            known[language].add(digest)
    return known


def _counts(
    campaign: Campaign, languages: Sequence[CampaignLanguage]
) -> dict[int, tuple[int, int]]:
    """Return, by language, how many samples could be asked, and how many distinct texts.

    Of ten million rows none is looked at: what is ready is counted in one index, and what occurs
    more than once is taken off in the order of another. To have the database keep every text
    that it has seen took it 20 times as long for ten times the samples.
    """
    ready = Sample.objects.filter(ready_now(campaign), campaign=campaign, withdrawn_at=None)
    ready = ready.order_by()
    samples = Counter(dict(ready.values_list("language").annotate(Count("pk"))))
    texts, known = Counter(samples), known_digests(campaign)
    per_text = ready.values_list("digest", "language").annotate(count=Count("pk"))
    for _, language, count in per_text.filter(count__gt=1).iterator():
        texts[language] -= count - 1
    for part in batched({digest for digests in known.values() for digest in digests}, FEW):
        for digest, language, count in per_text.filter(digest__in=part):
            if digest in known[language]:
                samples[language] -= count
                texts[language] -= 1
    for language, (fewer, near) in _counted_as_one(campaign, languages).items():
        samples[language] -= fewer
        texts[language] -= near
    return defaultdict(lambda: (0, 0), {one: (samples[one], texts[one]) for one in samples})


def _counted_as_one(
    campaign: Campaign, languages: Sequence[CampaignLanguage]
) -> dict[int, tuple[int, int]]:
    """Return, by language, how many samples and texts fall away as near-duplicates.

    Those near a text that is gold or was asked fall away whole; of others one text is left.
    """
    near = near_groups(campaign, languages)
    if not near:
        return {}
    known = known_digests(campaign)
    spent = {
        (language, near[language, digest])
        for language, digests in known.items()
        for digest in digests
        if (language, digest) in near
    }
    fresh = _fresh(campaign).filter(digest__in=NearDuplicate.objects.values("digest"))
    lost: dict[int, tuple[int, int]] = defaultdict(lambda: (0, 0))
    seen: set[tuple[int, str]] = set()
    per_text = fresh.order_by().values_list("language_id", "digest").annotate(Count("pk"))
    for language, digest, samples in per_text:
        group = near.get((language, digest))
        if group is None:
            continue
        asked, first = (language, group) in spent, (language, group) not in seen
        seen.add((language, group))
        before = lost[language]
        lost[language] = (before[0] + samples * asked, before[1] + (asked or not first))
    return lost


def _fresh(campaign: Campaign) -> SampleQuerySet:
    """Return unasked samples of which no copy in the language is gold or was asked.

    What is gold or was asked is listed once, and not looked for again for every sample.
    """
    named = unasked(campaign).annotate(named=_name("language_id", "digest"))
    for spent in spent_on(campaign):
        texts = spent.order_by().annotate(named=_name("sample__language_id", "sample__digest"))
        named = named.exclude(named__in=texts.values("named"))
    return named


def _name(language: str, digest: str) -> Concat:
    """Name a text of a language in one column."""
    return Concat(Cast(language, CharField()), Value(":"), digest)
