"""Care for gold: rules and worked examples, items that look leaked, and retiring them."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from annotation.errors import ConflictError, InvalidInputError
from annotation.methods.leaks import Suspicion, suspect
from annotation.models import (
    Annotation,
    CampaignLanguage,
    GoldItem,
    GoldRetirement,
    Item,
    Label,
    LabelRule,
    SessionAnswer,
    User,
    WorkedExample,
)


@dataclass(frozen=True)
class Doubtful:
    """A gold item with what is odd about it, and what people object."""

    gold: GoldItem
    shown: int
    suspicion: Suspicion
    other: Label | None
    objections: tuple[str, ...]


def set_rule(
    home: CampaignLanguage, *, label: Label, text: str, actor: User | None = None
) -> LabelRule | None:
    """Say when a label is the right one; an empty text takes the rule away."""
    if label.campaign_id != home.campaign_id:
        raise InvalidInputError(_("That label is another campaign's."))
    if not text.strip():
        LabelRule.objects.filter(campaign_language=home, label=label).delete()
        return None
    values = {"text": text.strip()[:2000], "updated_by": actor}
    return LabelRule.objects.update_or_create(campaign_language=home, label=label, defaults=values)[
        0
    ]


@transaction.atomic
def make_example(gold: GoldItem, *, explanation: str, actor: User | None = None) -> WorkedExample:
    """Show a gold item to everybody with its answer and why; from now on nobody is tested on it."""
    locked = GoldItem.objects.select_for_update().get(pk=gold.pk)
    home = _home_of(gold)
    if not explanation.strip():
        raise InvalidInputError(_("Write why this is the right label: that is what teaches."))
    if locked.retired_at is not None:
        raise ConflictError(_("This item is retired: choose another."))
    values = {"explanation": explanation.strip()[:2000], "campaign_language": home}
    return WorkedExample.objects.update_or_create(
        gold=gold, defaults=values, create_defaults=values | {"created_by": actor}
    )[0]


@transaction.atomic
def retire_gold(
    gold: GoldItem, *, reason: str, now: datetime, actor: User | None = None
) -> GoldItem:
    """Ask, show and judge nothing by a gold item any more; the first reason stands."""
    locked = GoldItem.objects.select_for_update().get(pk=gold.pk)
    if not reason.strip():
        raise InvalidInputError(_("Say why: whoever looks later wants to know."))
    if locked.retired_at is None:
        locked.retired_at = now
        locked.save(update_fields=["retired_at"])
        GoldRetirement.objects.create(gold=locked, reason=reason.strip()[:300], actor=actor)
    return locked


def doubtful_gold(home: CampaignLanguage) -> list[Doubtful]:
    """Gold that looks leaked or wrong, or that somebody objects to, the oddest first."""
    said, shown, objections = _heard(home)
    labels = {label.pk: label for label in Label.everything.filter(campaign=home.campaign_id)}
    found = []
    for gold in GoldItem.objects.filter(pk__in=shown, retired_at=None).select_related(
        "sample", "label"
    ):
        suspicion = suspect(said[gold.pk], true=gold.label_id, shown=shown[gold.pk])
        if suspicion or objections[gold.pk]:
            other = labels.get(suspicion.other) if suspicion.other is not None else None
            found.append(
                Doubtful(gold, shown[gold.pk], suspicion, other, tuple(objections[gold.pk]))
            )
    return sorted(found, key=lambda one: (-len(one.objections), -one.shown, one.gold.pk))


def _heard(
    home: CampaignLanguage,
) -> tuple[dict[int, list[int]], dict[int, int], dict[int, list[str]]]:
    """By gold item: first answers oldest first, how often it was shown, and what is objected."""
    rows: list[tuple[datetime, int, int, int | None, str]] = [
        (at, gold, person, said, objection)
        for at, gold, person, said, objection in SessionAnswer.objects.filter(
            session__campaign_language=home
        ).values_list("shown_at", "gold", "session__annotator", "label", "objection")
    ]
    hidden = Annotation.objects.filter(
        item__campaign_language=home, item__kind=Item.Kind.GOLD, item__sample__gold__isnull=False
    ).values_list("created_at", "item__sample__gold", "annotator", "label")
    rows += [(at, gold, person, said, "") for at, gold, person, said in hidden]
    said_of: dict[int, list[int]] = defaultdict(list)
    shown: dict[int, int] = defaultdict(int)
    objections: dict[int, list[str]] = defaultdict(list)
    first: set[tuple[int, int]] = set()
    for _at, gold, person, said, objection in sorted(rows, key=lambda row: row[0]):
        shown[gold] += 1
        if objection:
            objections[gold].append(objection)
        if said is not None and (gold, person) not in first:
            first.add((gold, person))
            said_of[gold].append(said)
    return said_of, shown, objections


def _home_of(gold: GoldItem) -> CampaignLanguage:
    return CampaignLanguage.objects.get(
        campaign=gold.sample.campaign_id, language=gold.sample.language_id
    )
