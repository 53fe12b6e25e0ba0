"""Exposures: which gold a person has been shown, and which they may still be asked.

A known answer is worth nothing once it is remembered. Each person sees a gold item twice at
most, whatever showed it: a session, a group session, the page of whoever looks after people, or
the daily queue, where it is hidden.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from annotation.models import (
    Annotation,
    Annotator,
    CampaignLanguage,
    GoldGlance,
    GoldItem,
    GroupText,
    Item,
    SessionAnswer,
    User,
    WorkedExample,
)

MOST_EXPOSURES = 2
# What a language wants before sessions open, and what one session wants to find unseen.
ENOUGH_GOLD = 60
ENOUGH_UNSEEN = 40


@dataclass(frozen=True)
class Supply:
    """How much gold a language has for its people; examples are known to everybody."""

    gold: int
    examples: int
    labels_without: tuple[str, ...]

    @property
    def enough(self) -> bool:
        """Whether sessions can be held without being marked provisional."""
        return self.gold >= ENOUGH_GOLD


def gold_for_people(home: CampaignLanguage) -> QuerySet[GoldItem]:
    """Gold that people may be measured on: nobody's own work, and no worked example."""
    return (
        GoldItem.objects.present(home.campaign_id, language=home.language_id)
        .filter(example=None)
        # Nobody is measured on what they made gold themselves.
        .exclude(origin=GoldItem.SPEAKERS)
        .select_related("sample", "label")
    )


def supply_of(home: CampaignLanguage) -> Supply:
    """Count a language's gold, and name the labels that none of it has."""
    there = Counter(gold_for_people(home).values_list("label_id", flat=True))
    labels = home.campaign.labels.order_by("position")
    return Supply(
        gold=sum(there.values()),
        examples=WorkedExample.objects.filter(campaign_language=home).count(),
        labels_without=tuple(label.name for label in labels if not there[label.pk]),
    )


def exposures(annotator: Annotator, home: CampaignLanguage) -> Counter[int]:
    """How often a person was shown each gold item, whatever they said of it."""
    seen = Counter(
        SessionAnswer.objects.filter(
            session__annotator=annotator, session__campaign_language=home
        ).values_list("gold_id", flat=True)
    )
    hidden = Annotation.objects.filter(
        annotator=annotator, item__campaign_language=home, item__sample__gold__isnull=False
    )
    seen.update(hidden.values_list("item__sample__gold", flat=True))
    together = GroupText.objects.filter(
        session__campaign_language=home, session__members=annotator, sample__gold__isnull=False
    )
    seen.update(together.values_list("sample__gold", flat=True))
    seen.update(_glanced_at(home).filter(user=annotator.user_id).values_list("gold", flat=True))
    return seen


def glance(user: User, *, golds: Iterable[GoldItem], now: datetime) -> None:
    """Remember that somebody was shown known answers; the first time stands."""
    GoldGlance.objects.bulk_create(
        (GoldGlance(user=user, gold=gold, shown_at=now) for gold in golds), ignore_conflicts=True
    )


def _glanced_at(home: CampaignLanguage) -> QuerySet[GoldGlance]:
    """Known answers of the language that were shown to people who look after it."""
    return GoldGlance.objects.filter(
        gold__sample__campaign=home.campaign_id, gold__sample__language=home.language_id
    )


def shown_in_sessions(home: CampaignLanguage) -> QuerySet[SessionAnswer]:
    """What sessions of the language have shown to anybody, each with its person."""
    return SessionAnswer.objects.filter(session__campaign_language=home)


def told_people(home: CampaignLanguage) -> Counter[int]:
    """How many of the active people were told a gold sample's answer, by sample."""
    told = set(
        shown_in_sessions(home)
        .filter(session__annotator__active=True)
        .values_list("gold__sample", "session__annotator")
    )
    together = GroupText.objects.filter(
        session__campaign_language=home,
        session__members__active=True,
        sample__gold__isnull=False,
    )
    told |= set(together.values_list("sample", "session__members"))
    looked_after = _glanced_at(home).filter(
        user__annotators__language=home.language_id, user__annotators__active=True
    )
    told |= set(looked_after.values_list("gold__sample", "user__annotators"))
    return Counter(sample for sample, _ in told)


def knows_the_answer(annotator: Annotator, home: CampaignLanguage) -> set[int]:
    """Samples whose known answer a person has been told: no hidden gold for them any more."""
    told = shown_in_sessions(home).filter(session__annotator=annotator)
    examples = WorkedExample.objects.filter(campaign_language=home)
    together = GroupText.objects.filter(
        session__campaign_language=home, session__members=annotator, sample__gold__isnull=False
    )
    return {
        *told.values_list("gold__sample", flat=True),
        *examples.values_list("gold__sample", flat=True),
        *together.values_list("sample", flat=True),
        *_glanced_at(home).filter(user=annotator.user_id).values_list("gold__sample", flat=True),
    }


def unseen_gold(annotator: Annotator, home: CampaignLanguage) -> list[GoldItem]:
    """Gold that a person was never shown, in the order in which sessions take it.

    The order is the same for everybody, so that sessions use up the same items and the others
    stay unseen for the daily queue; what lies at the desk already comes last.
    """
    seen = exposures(annotator, home)
    asked = set(
        Item.objects.filter(campaign_language=home, kind=Item.Kind.GOLD)
        .exclude(state=Item.State.WITHDRAWN)
        .values_list("sample", flat=True)
    )
    fresh = [gold for gold in gold_for_people(home) if not seen[gold.pk]]
    return sorted(fresh, key=lambda gold: (gold.sample_id in asked, _place(gold)))


def seen_once(annotator: Annotator, home: CampaignLanguage) -> list[GoldItem]:
    """Gold that a person was shown and may be shown again, in the same order."""
    seen = exposures(annotator, home)
    again = [gold for gold in gold_for_people(home) if 0 < seen[gold.pk] < MOST_EXPOSURES]
    return sorted(again, key=_place)


def _place(gold: GoldItem) -> str:
    return hashlib.sha256(gold.sample.uid.bytes).hexdigest()
