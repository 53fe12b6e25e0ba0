"""Agreement: how far the people of each language, under one guideline, in one week, agree."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from django.db.models import Q
from django.db.models.functions import Length
from django.utils import timezone

from annotation.actions.kept_numbers import Count, numbers_of
from annotation.methods.agreement import ENOUGH, Agreement, Floats, Ints, agreement
from annotation.methods.charts import Estimate
from annotation.methods.span_agreement import Marked, span_agreement
from annotation.models import Annotation, Campaign, CampaignLanguage, Label, Language, Sample
from annotation.objectives import objective, spans

State = Annotation.State
# The plain labels of a campaign in their order, key by number.
Keys = Mapping[int, str]

AGREEMENT = "agreement"
# So many of the newest answers are looked at, which keeps the page quick.
NEWEST = 20_000
# From so many on they are measured by a worker, for that takes longer than a look may.
MANY_ANSWERS = 2_000
# And so many of the newest guidelines and weeks of a language.
FINER = 4


@dataclass(frozen=True)
class Group:
    """A language: what its people agree on, and how often they gave no class (``skipped``)."""

    language: Language
    found: Agreement
    skipped: int
    guidelines: list["Part"] = field(default_factory=list)
    weeks: list["Part"] = field(default_factory=list)


@dataclass(frozen=True)
class Part:
    """Answers of one language under one guideline (its version) or in one week (2026-W47)."""

    name: str
    found: Agreement


@dataclass(frozen=True)
class Findings:
    """Agreement by language; ``cut`` if there are more ``answers`` than were looked at.

    ``at`` tells when it was measured, where that was not this moment.
    """

    groups: list[Group]
    cut: bool
    answers: int = 0
    at: datetime | None = None
    enough: int = ENOUGH


@dataclass(frozen=True)
class _Said:
    sample: int
    person: int
    label: int
    guideline: str
    week: str


def known_agreement(
    campaign: Campaign, *, homes: Iterable[CampaignLanguage], now: datetime
) -> Findings:
    """What :func:`measure_agreement` says, or said lately where there are many answers."""
    numbers = numbers_of([campaign], name=AGREEMENT, count=count_agreement, now=now)[campaign.pk]
    told = {home: rest for home, *rest in numbers.value["groups"]}
    groups = [_group(home.language, *told[home.pk]) for home in homes if home.pk in told]
    return Findings(groups, cut=numbers.value["cut"], at=numbers.at)


def count_agreement(campaigns: Sequence[Campaign]) -> dict[int, Count]:
    """Measure agreement for :func:`known_agreement`, of all languages."""
    return {campaign.pk: _count(campaign) for campaign in campaigns}


def _count(campaign: Campaign) -> Count:
    homes = list(campaign.languages.select_related("language"))
    found = measure_agreement(campaign, homes=homes)
    groups = [
        [home.pk, asdict(group.found), group.skipped, *map(_plain, (group.guidelines, group.weeks))]
        for home, group in zip(homes, found.groups, strict=True)
    ]
    return Count({"cut": found.cut, "groups": groups}, costly=found.answers >= MANY_ANSWERS)


def _plain(parts: Iterable[Part]) -> list[Any]:
    return [[part.name, asdict(part.found)] for part in parts]


def _group(
    language: Language, found: Any, skipped: int, guidelines: list[Any], weeks: list[Any]
) -> Group:
    parts = ([Part(name, _whole(told)) for name, told in rows] for rows in (guidelines, weeks))
    return Group(language, _whole(found), skipped, *parts)


def _whole(told: dict[str, Any]) -> Agreement:
    ends = {name: Estimate(**told[name]) for name in ("raw", "alpha", "ac1")}
    return Agreement(told["items"], told["double"], **ends)


def measure_agreement(
    campaign: Campaign, *, homes: Iterable[CampaignLanguage], newest: int = NEWEST
) -> Findings:
    """Say how far people agree, from the newest answer of each active person on each sample.

    Two answers belong to a guideline's version if both were given under it, and to a week if
    both came in it; parts with too few are left out. Nothing is written; asked again, it says
    the same.
    """
    said, skipped, seen = _newest(campaign, newest=newest)
    # Read once: every part of every language is measured by the same labels.
    keys = _label_keys(campaign)
    groups = []
    for home in homes:
        mine = said[home.pk]
        whole = _measured(mine, campaign=campaign, keys=keys)
        told: dict[str, Any] = {"whole": whole, "campaign": campaign, "keys": keys}
        guidelines, weeks = (_parts(mine, by=by, **told) for by in ("guideline", "week"))
        groups.append(Group(home.language, whole, skipped[home.pk], guidelines, weeks))
    return Findings(groups, cut=seen >= newest, answers=seen)


def _newest(
    campaign: Campaign, *, newest: int
) -> tuple[dict[int, list[_Said]], dict[int, int], int]:
    """Answers with a class by language, how many have none, and how many were looked at."""
    rows = list(
        Annotation.objects.filter(
            item__campaign_language__campaign=campaign,
            annotator__active=True,
        )
        .filter(Q(state=State.ANSWERED, label__isnull=False) | Q(state=State.SKIPPED))
        .order_by("-pk")
        .values_list(
            "item__campaign_language_id",
            "item__sample_id",
            "annotator_id",
            "state",
            "label",
            "guideline_version",
            "created_at",
            "desk_updated_at",
            "pk",
        )[:newest]
    )
    # The order in which a refit takes them: a later answer stands for an earlier one.
    last = {(row[1], row[2]): row for row in sorted(rows, key=lambda row: row[7:])}
    said: dict[int, list[_Said]] = defaultdict(list)
    skipped: dict[int, int] = defaultdict(int)
    for home, sample, person, state, position, guideline, created, *_ in last.values():
        if state == State.SKIPPED:
            skipped[home] += 1
            continue
        year, week, _day = timezone.localtime(created).isocalendar()
        said[home].append(_Said(sample, person, position, str(guideline), f"{year}-W{week:02d}"))
    return said, skipped, len(rows)


def _label_keys(campaign: Campaign) -> Keys:
    """Return the campaign's plain labels in their order, key by number."""
    return dict(campaign.labels.order_by("position").values_list("pk", "key"))


def _parts(
    said: list[_Said], *, by: str, whole: Agreement, campaign: Campaign, keys: Keys
) -> list[Part]:
    """The newest parts in which enough was answered twice; one that is all there is, is the whole."""
    apart: dict[str, list[_Said]] = defaultdict(list)
    for one in said:
        apart[getattr(one, by)].append(one)
    newest = sorted(apart, key=lambda name: (len(name), name), reverse=True)[:FINER]
    if len(apart) == 1:
        return [Part(name, whole) for name in newest if whole.enough]
    parts = [Part(name, _measured(apart[name], campaign=campaign, keys=keys)) for name in newest]
    return [part for part in parts if part.found.enough]


def _measured(said: list[_Said], *, campaign: Campaign, keys: Keys) -> Agreement:
    rows = [(one.sample, one.person, one.label) for one in said]
    item, person, label = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    return agreement_of(campaign, item=item, person=person, label=label, keys=keys)


def agreement_of(
    campaign: Campaign, *, item: Ints, person: Ints, label: Ints, keys: Keys | None = None
) -> Agreement:
    """Say how far people agree from columns of items, people and labels' numbers.

    Answers that are composed differ as far as their kind says: sets by Passonneau's MASI; where it
    says nothing they are equal or not. Of marks alpha is that for unitising, and in the place of
    AC1, which counts whole answers, stands the F1 of whole marks. Items are samples.
    """
    kind = objective(campaign.objective)
    keys = _label_keys(campaign) if keys is None else keys
    if campaign.objective == spans.NAME:
        return _on_marks(keys, item=item, person=person, label=label)
    apart: Floats | None = None
    if kind.PLAIN:
        known = list(keys)
    else:
        known = np.unique(label).tolist()
        told = dict(Label.everything.filter(pk__in=known).values_list("pk", "value"))
        if hasattr(kind, "apart") and known:
            apart = kind.apart([told[pk] for pk in known])
    place = {pk: at for at, pk in enumerate(known)}
    if len(known) < 2:
        apart = None
    return agreement(
        item,
        person=person,
        label=np.array([place[pk] for pk in label.tolist()], np.int64),
        labels=max(len(known), 2),
        # The same page twice shall show the same interval.
        rng=np.random.default_rng(0),
        ordinal=kind.ORDERED,
        apart=apart,
    )


def _on_marks(keys: Keys, *, item: Ints, person: Ints, label: Ints) -> Agreement:
    told = dict(Label.everything.filter(pk__in=set(label.tolist())).values_list("pk", "value"))
    samples, text = np.unique(item, return_inverse=True)
    lengths = dict(
        Sample.objects.filter(pk__in=samples.tolist())
        .annotate(length=Length("text"))
        .values_list("pk", "length")
    )
    found = span_agreement(
        Marked(
            text=text.astype(np.int64),
            person=person,
            spans=[spans.spans_of(told[pk]) for pk in label.tolist()],
            lengths=np.array([lengths[pk] for pk in samples.tolist()], np.int64),
        ),
        labels=list(keys.values()),
        rng=np.random.default_rng(0),
    )
    return Agreement(found.texts, found.double, raw=found.same, alpha=found.alpha, ac1=found.f1)
