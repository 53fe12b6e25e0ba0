"""What one language may learn from the others of its campaign: two things, and nothing else.

How common labels are, and how somebody answers who knows two languages. Both come from the answers
as they stand, never from estimates that leaned on other languages themselves: a withdrawal leaves
what would have been there without the answers that it took. Both are coarse, so that an answer in
one language seldom makes another one stale. Everything is read once for a whole campaign.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from django.db.models import Count, F, Max, Q, Sum

from annotation.actions.tables import Table
from annotation.methods import aggregation, composing
from annotation.models import (
    Adjudication,
    AloneEstimate,
    Annotation,
    Annotator,
    Campaign,
    CampaignLanguage,
    GoldItem,
    Label,
)

# Steps of shares and probabilities that go from language to language, and of numbers of answers.
STEP = 0.05
LEAST = 0.01
GROWTH = 1.5
# More than there are people: an item and a person make one number of 64 bits.
PEOPLE = 2**31
# Tells two states apart among those that one language goes through: no secret depends on it.
DIGEST = 12
# The kind of question whose answers are sets of labels.
SETS = "several"

Ties = Mapping[int, Mapping[int, Sequence[tuple[int, int]]]]


@dataclass(frozen=True)
class Standings:
    """What the refits of a campaign rest on, by the number of the campaign language.

    ``own`` moves with the language's own answers, people and known answers; ``votes`` are its
    answers by label, of sets of labels K x 2: without and with each; ``ties`` lead from its people
    to (language, annotator) where else they answer. ``labels`` is how many a confusion is between.
    """

    labels: int
    own: Mapping[int, str]
    votes: Mapping[int, aggregation.Floats]
    ties: Ties
    alone: Mapping[tuple[int, int], AloneEstimate]

    @classmethod
    def of(cls, campaign: Campaign) -> "Standings":
        """Read it all, in as many queries whatever the number of languages."""
        homes = list(campaign.languages.all())
        keys = list(campaign.labels.order_by("position").values_list("key", flat=True))
        of_sets, labels = campaign.objective == SETS, len(keys)
        counted, votes = _answers(campaign, labels=labels)
        ties = _ties(campaign, homes)
        gold, decided = _gold(campaign), _decided(campaign)
        own = {
            home.pk: short(
                counted[home.pk],
                gold.get(home.language_id),
                decided.get(home.language_id),
                campaign.subjective,
                sorted(ties.get(home.pk, {})),
            )
            for home in homes
            if home.pk in counted
        }
        estimates = AloneEstimate.objects.filter(campaign_language__campaign=campaign)
        alone = {(row.campaign_language_id, row.annotator_id): row for row in estimates}
        if of_sets:
            return cls(2, own, _votes_by_set(campaign, keys=keys), ties, alone)
        return cls(labels, own, votes, ties, alone)

    def mark(self, home: CampaignLanguage) -> str:
        """Return what moves with all that a refit of the language rests on; empty without answers."""
        if home.pk not in self.own:
            return ""
        taken = [
            (person, row.confusion, row.competent) for person, row in sorted(self._taken(home))
        ]
        return f"{self.own[home.pk]}.{short(self.pool(home).round(4).tolist(), taken)}"

    def pool(self, home: CampaignLanguage) -> aggregation.Floats:
        """Return K: how common labels are in the other languages; uniform where there is none."""
        others = [row for pk, row in self.votes.items() if pk != home.pk]
        votes: aggregation.Floats = np.sum(others, axis=0) if others else np.zeros(self.labels)
        if votes.ndim == 1:
            return aggregation.class_pool(votes)
        return np.stack([aggregation.class_pool(row) for row in votes])

    def elsewhere(
        self, home: CampaignLanguage, *, people: Sequence[int]
    ) -> aggregation.Elsewhere | None:
        """Return how these people answer where else they answered most, or nothing."""
        known = dict(self._taken(home))
        if not known.keys() & set(people):
            return None
        confusion = np.full((len(people), self.labels, self.labels), np.nan)
        competent = np.full(len(people), np.nan)
        for number, annotator in enumerate(people):
            if annotator in known:
                rows = np.maximum(np.asarray(known[annotator].confusion, dtype=float), LEAST)
                confusion[number] = rows / rows.sum(axis=1, keepdims=True)
                competent[number] = known[annotator].competent
        return aggregation.Elsewhere(confusion, competent)

    def _taken(self, home: CampaignLanguage) -> Iterable[tuple[int, AloneEstimate]]:
        for person, others in self.ties.get(home.pk, {}).items():
            there = [self.alone[pair] for pair in others if pair in self.alone]
            fits = [row for row in there if len(row.confusion) == self.labels]
            if fits:
                yield person, max(fits, key=lambda row: (row.answers, row.annotator_id))


def keep_alone(home: CampaignLanguage, *, table: Table, ties: Ties) -> None:
    """Write down how the people of a language answer there, for those who answer elsewhere too."""
    wanted = set(ties.get(home.pk, {})) & set(table.people)
    ours = AloneEstimate.objects.filter(campaign_language=home)
    ours.exclude(annotator__in=wanted).delete()
    if not wanted:
        return
    fitted = aggregation.fit(table.answers)
    answers = np.bincount(table.answers.person, minlength=len(table.people))
    for number, annotator in enumerate(table.people):
        if annotator in wanted:
            ours.update_or_create(
                campaign_language=home,
                annotator_id=annotator,
                defaults={
                    "confusion": [[_stepped(p) for p in row] for row in fitted.confusion[number]],
                    "competent": _stepped(fitted.competent[number]),
                    "answers": _scale(int(answers[number])),
                },
            )


def short(*parts: object) -> str:
    """Return a short digest of what a refit rests on."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:DIGEST]


def _stepped(value: float) -> float:
    return round(round(float(value) / STEP) * STEP, 4)


def _scale(answers: int) -> int:
    """The largest of 1, 2, 3, 5, 7, 11 ... that is not above a number of answers."""
    steps = int(np.floor(np.log(max(answers, 1)) / np.log(GROWTH) + 1e-9))
    return int(GROWTH**steps)


def _answers(
    campaign: Campaign, *, labels: int
) -> tuple[dict[int, object], dict[int, aggregation.Floats]]:
    """Numbers that move with the answers of each language, and those that count by label.

    Revisions only ever grow and answers only become tombstones, so their sums cannot return
    to an earlier value; people who leave or come back move the other half. A person who answered
    an item at both desks has one vote.
    """
    vote = F("item_id") * PEOPLE + F("annotator_id")
    counts = Q(annotator__active=True, state=Annotation.State.ANSWERED)
    rows = (
        Annotation.objects.filter(item__campaign_language__campaign=campaign)
        .order_by("item__campaign_language", "label__position")
        .values_list("item__campaign_language", "label__position")
        .annotate(
            number=Count("pk"),
            edits=Sum("revision"),
            active=Count("pk", filter=Q(annotator__active=True)),
            people=Sum("annotator_id", filter=Q(annotator__active=True)),
            counting=Count(vote, filter=counts, distinct=True),
        )
    )
    moved: dict[int, list[object]] = defaultdict(list)
    votes: dict[int, aggregation.Floats] = {}
    for home, position, *numbers in rows:
        moved[home].append((position, *numbers))
        if position is not None and position < labels:
            votes.setdefault(home, np.zeros(labels))[position] += numbers[-1]
    return {pk: tuple(each) for pk, each in moved.items()}, votes


def _votes_by_set(campaign: Campaign, *, keys: Sequence[str]) -> dict[int, aggregation.Floats]:
    """How often each label was left out and chosen (K x 2), by language."""
    counts = (
        Annotation.objects.answered()
        .filter(item__campaign_language__campaign=campaign, annotator__active=True)
        .filter(label__value__isnull=False)
        .order_by()
        .values_list("item__campaign_language", "label")
        .annotate(number=Count(F("item_id") * PEOPLE + F("annotator_id"), distinct=True))
    )
    told = list(counts)
    values = dict(
        Label.everything.filter(pk__in={row[1] for row in told}).values_list("pk", "value")
    )
    votes: dict[int, aggregation.Floats] = {}
    for home, label, number in told:
        there = composing.bits_of([values[label] or ()], keys=keys)[0].astype(np.int64)
        row = votes.setdefault(home, np.zeros((len(keys), 2)))
        row[np.arange(len(keys)), there] += number
    return votes


def _gold(campaign: Campaign) -> dict[int, tuple[object, ...]]:
    """Numbers by language that move with which answers are known, and to whom."""
    asked = GoldItem.objects.filter(
        sample__campaign=campaign, sample__items__isnull=False, retired_at=None
    )
    rows = (
        asked.order_by()
        .values_list("sample__language")
        .annotate(
            number=Count("pk"),
            each=Sum(F("pk") * (F("label_id") + 1)),
            labels=Sum("label_id"),
            made_by_speakers=Sum("pk", filter=Q(origin=GoldItem.SPEAKERS)),
        )
    )
    return {language: tuple(numbers) for language, *numbers in rows}


def _decided(campaign: Campaign) -> dict[int, tuple[object, ...]]:
    """Numbers by language that move with what was adjudicated: rows are never deleted."""
    rows = (
        Adjudication.objects.filter(sample__campaign=campaign, undone_at=None)
        .order_by()
        .values_list("sample__language")
        .annotate(Count("pk"), Sum("pk"), Max("pk"))
    )
    return {language: tuple(numbers) for language, *numbers in rows}


def _ties(campaign: Campaign, homes: Sequence[CampaignLanguage]) -> Ties:
    """People who answer in several languages; few do, and only they are looked for."""
    home_of = {home.language_id: home.pk for home in homes}
    team = Annotator.objects.filter(active=True, language__in=home_of)
    several = team.order_by().values("user").annotate(languages=Count("pk")).filter(languages__gt=1)
    places: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for user, pk, language in (
        team.filter(user__in=several.values("user"))
        .order_by("user_id", "pk")
        .values_list("user_id", "pk", "language_id")
    ):
        places[user].append((home_of[language], pk))
    tied: dict[int, dict[int, list[tuple[int, int]]]] = defaultdict(dict)
    for there in places.values():
        for home, annotator in there:
            tied[home][annotator] = [pair for pair in there if pair[0] != home]
    return tied
