"""What one language may learn from the others of its campaign: two things, and nothing else.

How common labels are, and how somebody answers who knows two languages. Both are functions of the
answers as they stand, never of earlier estimates: a withdrawal leaves what would have been there
without the answers that it took.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from django.db.models import Count

from annotation.methods import aggregation
from annotation.models import Annotation, Annotator, Campaign, CampaignLanguage

# Tells two states apart among those that one language goes through: no secret depends on it.
DIGEST = 12


@dataclass(frozen=True)
class Votes:
    """Answers of those who count, each language's told as shares of its samples by label."""

    labels: int
    of: Mapping[int, aggregation.Floats] = field(default_factory=dict)

    @classmethod
    def in_campaign(cls, campaign: Campaign) -> "Votes":
        """Count them in one query each: answers by label, samples by language."""
        counted = Annotation.objects.answered().filter(
            item__campaign_language__campaign=campaign,
            annotator__active=True,
            label__isnull=False,
        )
        by_home = counted.order_by().values("item__campaign_language")
        samples = dict(
            by_home.annotate(samples=Count("item__sample", distinct=True)).values_list(
                "item__campaign_language", "samples"
            )
        )
        labels = campaign.labels.count()
        votes: dict[int, aggregation.Floats] = defaultdict(lambda: np.zeros(labels))
        for home, position, number in by_home.annotate(number=Count("pk")).values_list(
            "item__campaign_language", "label__position", "number"
        ):
            votes[home][position] += number
        return cls(labels, {pk: row / row.sum() * samples[pk] for pk, row in votes.items()})

    def pool(self, home: CampaignLanguage) -> aggregation.Floats:
        """Return K: how common labels are in the other languages; uniform where there is none."""
        others = [row for pk, row in self.of.items() if pk != home.pk]
        return aggregation.class_pool(np.sum(others, axis=0) if others else np.zeros(self.labels))


def homes_of_people(campaign: Campaign) -> dict[int, dict[int, dict[int, int]]]:
    """Return who answers in more than one language: language to person there to others' number.

    The innermost maps another language to the number of the same person's annotator there.
    """
    answering = (
        Annotator.objects.filter(
            active=True,
            annotations__item__campaign_language__campaign=campaign,
            annotations__state=Annotation.State.ANSWERED,
        )
        .order_by("user_id", "pk")
        .values_list("user_id", "pk", "annotations__item__campaign_language")
        .distinct()
    )
    by_user: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for user, annotator, home in answering:
        by_user[user].append((home, annotator))
    tied: dict[int, dict[int, dict[int, int]]] = defaultdict(dict)
    for pairs in by_user.values():
        for home, annotator in pairs:
            others = {other: there for other, there in pairs if other != home}
            if others:
                tied[home][annotator] = others
    return tied


def elsewhere(
    people: Sequence[int],
    *,
    tied: Mapping[int, Mapping[int, int]],
    table_of: Callable[[int], tuple[aggregation.Answers, Sequence[int]]],
) -> aggregation.Elsewhere | None:
    """Return how these people answer where else they are known best, or nothing.

    ``table_of`` gives the answers of another language and whose they are, in their order. Each is
    fitted by itself, so that no language's estimate goes round through another one to itself.
    """
    wanted = sorted({home for others in tied.values() for home in others})
    if not wanted:
        return None
    known: dict[int, tuple[int, aggregation.Floats, float]] = {}
    for home in wanted:
        answers, there = table_of(home)
        fitted = aggregation.fit(answers)
        number_of = {pk: number for number, pk in enumerate(there)}
        said = np.bincount(answers.person, minlength=len(there))
        for annotator, others in tied.items():
            at = number_of.get(others.get(home, 0))
            if at is None or (annotator in known and known[annotator][0] >= said[at]):
                continue
            known[annotator] = (int(said[at]), fitted.confusion[at], float(fitted.competent[at]))
    return _columns(people, known)


def _columns(
    people: Sequence[int], known: Mapping[int, tuple[int, aggregation.Floats, float]]
) -> aggregation.Elsewhere | None:
    if not known:
        return None
    labels = len(next(iter(known.values()))[1])
    confusion = np.full((len(people), labels, labels), np.nan)
    competent = np.full(len(people), np.nan)
    for number, annotator in enumerate(people):
        if annotator in known:
            _, confusion[number], competent[number] = known[annotator]
    return aggregation.Elsewhere(confusion, competent)


def short(*parts: object) -> str:
    """Return a short digest of what a refit rests on."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:DIGEST]
