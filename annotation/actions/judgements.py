"""Judgements: what ratings and preferences of what models wrote amount to, language by language.

Ratings become each text's grade as a typical person would give it, and how severe each person is
(:mod:`annotation.methods.ratings`); preferences become the strength of each system
(:mod:`annotation.methods.preferences`). Both come with intervals, nothing is written, and asked
again they say the same.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

import numpy as np
from django.db.models import Q, QuerySet

from annotation.errors import ConflictError, InvalidInputError
from annotation.methods.agreement import Agreement
from annotation.methods.readers.sides import FIRST, SECOND
from annotation.models import Annotation, Annotator, CampaignLanguage, Sample
from annotation.objectives.preferences import TIE
from annotation.objectives.ratings import ASPECTS, RATINGS

# What fits is heavy, and the web wants it only where a page shows it.
if TYPE_CHECKING:
    from annotation.methods import preferences, ratings

# So many of the newest answers are looked at, which keeps a page quick.
NEWEST = 1_500
OVERALL = "overall"
# As the models of preferences count them.
OUTCOMES = {FIRST: 1, TIE: 0, SECOND: -1}


@dataclass(frozen=True)
class Rated:
    """One aspect of a language's texts: ``fit`` by ``samples`` and ``people``, and how far they agree.

    ``given`` counts the ratings of each of the samples.
    """

    aspect: str
    samples: list[Sample]
    people: list[Annotator]
    given: list[int]
    fit: "ratings.Fit"
    agreement: Agreement

    @property
    def answers(self) -> int:
        """How many ratings there are of all the texts."""
        return sum(self.given)

    @property
    def good(self) -> float:
        """How probable it is that a typical person gives a text of these a grade of 4 or more."""
        return float(self.fit.chances[:, 3:].sum(axis=1).mean())

    @property
    def mean(self) -> float:
        """The grade that a typical person gives these texts, on average."""
        return float(self.fit.quality[:, 0].mean())


@dataclass(frozen=True)
class Compared:
    """The systems of a language, the strongest first in ``order``; ``unnamed`` answers name none."""

    systems: list[str]
    people: list[Annotator]
    answers: int
    unnamed: int
    fit: "preferences.Fit"

    @property
    def order(self) -> list[int]:
        """The systems' places by strength."""
        return [int(place) for place in np.argsort(-self.fit.strength[:, 0], kind="stable")]


@dataclass(frozen=True)
class Choice:
    """One person's choice between two named systems."""

    sample: int
    person: Annotator
    first: str
    second: str
    outcome: int


@contextmanager
def told_of_judgements() -> Iterator[None]:
    """Have whoever asks learn of an answer that cannot be reckoned with as of any bad input."""
    from annotation.methods.judgements import JudgementError

    try:
        yield
    except JudgementError as error:
        raise InvalidInputError(str(error)) from error


def rated(home: CampaignLanguage, *, newest: int | None = NEWEST) -> list[Rated]:
    """Estimate a language's texts, aspect by aspect and overall; empty where nobody has rated."""
    _refuse_other(home, kind="ratings")
    answers = _newest(home, newest=newest)
    if not answers:
        return []
    gold = _gold(home)
    with told_of_judgements():
        return [_rated(answers, aspect=aspect, gold=gold) for aspect in (OVERALL, *ASPECTS)]


def compared(home: CampaignLanguage, *, newest: int | None = None) -> Compared | None:
    """Estimate how strong the systems of a language are; None where nobody has compared two."""
    from annotation.methods import preferences

    _refuse_other(home, kind="preferences")
    chosen, unnamed = choices(home, newest=newest)
    if not chosen:
        return None
    systems = sorted({name for one in chosen for name in (one.first, one.second)})
    people = _people(one.person for one in chosen)
    at = {name: place for place, name in enumerate(systems)}
    who = {person.pk: place for place, person in enumerate(people)}
    with told_of_judgements():
        table = preferences.Choices.of(
            [at[one.first] for one in chosen],
            [at[one.second] for one in chosen],
            [one.outcome for one in chosen],
            rater=[who[one.person.pk] for one in chosen],
            writers=len(systems),
            raters=len(people),
        )
        return Compared(systems, people, len(chosen), unnamed, preferences.fit(table))


def choices(home: CampaignLanguage, *, newest: int | None = None) -> tuple[list[Choice], int]:
    """Return what people chose between named systems, and how many choices name none."""
    answers = _newest(home, newest=newest)
    found = []
    for one in answers:
        meta = one.item.sample.meta
        first, second = (str(meta.get(side) or "") for side in (FIRST, SECOND))
        if first and second and one.label is not None:
            said = OUTCOMES[one.label.key]
            found.append(Choice(one.item.sample_id, one.annotator, first, second, said))
    return found, len(answers) - len(found)


def _refuse_other(home: CampaignLanguage, *, kind: str) -> None:
    if home.campaign.objective != kind:
        raise ConflictError(
            f"{home.campaign.slug!r} asks questions of another kind than {kind}.",
            remedy=f"Choose a campaign of the kind {kind}.",
        )


def _newest(home: CampaignLanguage, *, newest: int | None) -> list[Annotation]:
    """The newest answer of each active person on each text, oldest first."""
    given: QuerySet[Annotation] = (
        Annotation.objects.answered()
        .filter(item__campaign_language=home, annotator__active=True, label__isnull=False)
        .filter(item__sample__withdrawn_at=None)
        .select_related("item__sample", "annotator__user", "label")
        .order_by("-pk")
    )
    rows = list(given[:newest])
    rows.sort(key=lambda one: (one.created_at, one.desk_updated_at, one.pk))
    last = {(one.item.sample_id, one.annotator_id): one for one in rows}
    return list(last.values())


def _gold(home: CampaignLanguage) -> dict[int, int]:
    """The grade of each text whose answer is known."""
    known = Sample.objects.filter(campaign=home.campaign_id, language=home.language_id)
    standing = known.filter(Q(gold__isnull=False) & Q(gold__retired_at=None))
    return {
        pk: position + 1 for pk, position in standing.values_list("pk", "gold__label__position")
    }


def _rated(answers: list[Annotation], *, aspect: str, gold: dict[int, int]) -> Rated:
    from annotation.methods import ratings

    kept = [one for one in answers if _grade(one, aspect=aspect)]
    samples = list({one.item.sample_id: one.item.sample for one in kept}.values())
    people = _people(one.annotator for one in kept)
    at = {sample.pk: place for place, sample in enumerate(samples)}
    who = {person.pk: place for place, person in enumerate(people)}
    weeks = _weeks([one.given_at or one.created_at for one in kept])
    told = ratings.Ratings.of(
        [at[one.item.sample_id] for one in kept],
        [who[one.annotator_id] for one in kept],
        [_grade(one, aspect=aspect) for one in kept],
        items=len(samples),
        raters=len(people),
        period=weeks,
        known=[gold.get(one.pk, 0) if aspect == OVERALL else 0 for one in samples],
    )
    return Rated(
        aspect,
        samples,
        people,
        np.bincount(told.item, minlength=len(samples)).tolist(),
        ratings.fit(told),
        ratings.ordinal_agreement(told, rng=np.random.default_rng(0)),
    )


def _grade(answer: Annotation, *, aspect: str) -> int:
    """What somebody gave; 0 where an answer holds no such rating."""
    if aspect == OVERALL:
        return answer.label.position + 1 if answer.label is not None else 0
    return int((answer.answer.get(RATINGS) or {}).get(aspect) or 0)


def _people(given: Iterator[Annotator]) -> list[Annotator]:
    return sorted({one.pk: one for one in given}.values(), key=lambda one: one.pk)


def _weeks(moments: list[datetime]) -> list[int]:
    """Number the weeks in which something was said, from 0 and without gaps."""
    found: list[date] = [date.fromisocalendar(*one.isocalendar()[:2], 1) for one in moments]
    numbers = {week: number for number, week in enumerate(sorted(set(found)))}
    return [numbers[week] for week in found]
