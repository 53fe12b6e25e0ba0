"""Terms: on which each language takes part in the next round, read from stored rows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from django.db.models import Count

from annotation.methods.spans import units
from annotation.models import Annotation, Annotator, Campaign, CampaignLanguage, Sample
from annotation.objectives import spans
from learning.methods.quotas import QuotaPolicy, Standing
from learning.methods.requests import LanguageState
from learning.models import QuotaAccount, StopDecision

# The newest answers that a language's time per answer is taken from, and how few say nothing.
NEWEST_ANSWERS = 500
FEWEST_ANSWERS = 20
# Texts of a language that tell how many words its texts hold.
MEASURED = 300
# However slow a language is, it is not paid more than so often its part, nor less.
COST_BOUNDS = (0.25, 4.0)
# The gain of a stored decision is that of so many labels.
LABELS = 100


@dataclass(frozen=True)
class Terms:
    """What one language is owed, can take, costs and learns.

    ``capacity`` is what its people can take and ``limit`` what the campaign lets it have (None:
    any number); ``slope`` is the lower bound of what one more label gains, None until known.
    """

    home: CampaignLanguage
    debt: float
    owed: float
    audit_carry: float
    capacity: int | None
    limit: int | None
    slope: float | None
    cost: float

    @property
    def ledger(self) -> tuple[str, float, float, float]:
        """What must not move between a choice and its commitment."""
        return self.home.language.tag, self.debt, self.owed, self.audit_carry

    def standing(self, *, samples: int, texts: int) -> Standing:
        """Where the language stands, with so much left to ask."""
        return Standing(
            tag=self.home.language.tag,
            samples=samples,
            texts=texts,
            capacity=self.capacity,
            debt=self.debt,
            owed=self.owed,
            audit_carry=self.audit_carry,
            slope=self.slope,
            cost=self.cost,
            limit=self.limit,
        )

    def state(self, *, temperature: float, asked: Iterable[str]) -> LanguageState:
        """What the selection must know of the language."""
        return LanguageState(
            tag=self.home.language.tag,
            temperature=temperature,
            debt=self.debt,
            owed=self.owed,
            audit_carry=self.audit_carry,
            capacity=self.capacity,
            slope=self.slope,
            cost=self.cost,
            asked=frozenset(asked),
            limit=self.limit,
            name=self.home.language.name,
        )


def terms_of(campaign: Campaign, languages: Sequence[CampaignLanguage]) -> list[Terms]:
    """Return the terms of some of the campaign's languages, in their order.

    Campaign and languages may carry values that were not saved: the terms are those they mean.
    """
    accounts = accounts_of(languages)
    capacities = capacities_of(campaign, languages)
    slopes = _slopes(campaign) if campaign.slope_trust else {}
    costs = _costs(languages) if campaign.cost_exponent else {}
    return [
        Terms(
            home=home,
            debt=accounts[home.pk].debt,
            owed=accounts[home.pk].owed,
            audit_carry=accounts[home.pk].audit_carry,
            capacity=capacities[home.pk],
            limit=_limit(campaign, home),
            slope=slopes.get(home.pk),
            cost=costs.get(home.pk, 1.0),
        )
        for home in languages
    ]


def _limit(campaign: Campaign, home: CampaignLanguage) -> int | None:
    """Return the most items that a language may get a round, by number or by how many words they hold.

    Words are counted in the first texts by a number that was drawn for each when it came in.
    """
    budget = campaign.words_per_round
    if budget is None or campaign.objective != spans.NAME:
        return home.most_per_round
    unasked = Sample.objects.unasked().filter(campaign=campaign, language=home.language_id)
    texts = list(unasked.order_by("uid").values_list("text", flat=True)[:MEASURED])
    words = sum(len(units(text)) for text in texts) / max(len(texts), 1)
    most = max(1, int(budget // max(words, 1.0)))
    return most if home.most_per_round is None else min(most, home.most_per_round)


def policy_of(campaign: Campaign) -> QuotaPolicy:
    """Return the quota as the campaign sets it."""
    return QuotaPolicy(
        floor=campaign.floor_per_language,
        audit_share=float(campaign.audit_share),
        slope_trust=float(campaign.slope_trust),
        cost_exponent=float(campaign.cost_exponent),
    )


def accounts_of(languages: Iterable[CampaignLanguage]) -> dict[int, QuotaAccount]:
    """Return the ledger by campaign language; one who has no account yet is owed nothing."""
    found = {
        account.campaign_language_id: account
        for account in QuotaAccount.objects.filter(campaign_language__in=list(languages))
    }
    return {
        home.pk: found.get(home.pk) or QuotaAccount(campaign_language=home) for home in languages
    }


def capacities_of(
    campaign: Campaign, languages: Sequence[CampaignLanguage]
) -> dict[int, int | None]:
    """Return, by campaign language, how many items its people can take; None is any number.

    A language without people takes none, lest the round wait for them. While no language has
    any, all are served, so that there is work when the first people come.
    """
    people = dict(
        Annotator.objects.filter(language__in=[home.language_id for home in languages], active=True)
        .values_list("language_id")
        .annotate(Count("pk"))
    )
    if not people:
        return dict.fromkeys([home.pk for home in languages])
    return {
        home.pk: _most(people.get(home.language_id, 0), campaign=campaign) for home in languages
    }


def _most(people: int, *, campaign: Campaign) -> int | None:
    """Return how many items so many people can take, if each item needs several of their answers."""
    if not people:
        return 0
    if campaign.items_per_annotator is None:
        return None
    return people * campaign.items_per_annotator // max(1, campaign.answers_per_item)


def _slopes(campaign: Campaign) -> dict[int, float]:
    """Return the lower bound of what a label gains, where enough rounds were judged to tell."""
    newest = StopDecision.objects.newest(campaign)
    return {
        home: decision.gain_low / LABELS
        for home, decision in newest.items()
        if decision.gain_low is not None
    }


def _costs(languages: Sequence[CampaignLanguage]) -> dict[int, float]:
    """Return the usual time per answer, relative to the mean of the languages that tell it."""
    usual = {}
    for home in languages:
        newest = (
            Annotation.objects.filter(item__campaign_language=home, lead_seconds__gt=0)
            .order_by("-pk")
            .values_list("lead_seconds", flat=True)[:NEWEST_ANSWERS]
        )
        seconds = [float(value) for value in newest if value is not None]
        if len(seconds) >= FEWEST_ANSWERS:
            # The median: whoever leaves a page open overnight does not make a language dear.
            usual[home.pk] = median(seconds)
    if not usual:
        return {}
    mean, (low, high) = fmean(usual.values()), COST_BOUNDS
    return {home: min(max(value / mean, low), high) for home, value in usual.items()}
