"""Corrections: what people wrote in place of what a model wrote, for a generator to learn from.

Only answers that stand are given out: of people who agree to training now and who count, and never
such that gold or a case says, too. Nothing is written; asked again, it says the same.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from annotation.actions.judgements import OUTCOMES
from annotation.errors import ConflictError
from annotation.methods.readers.sides import FIRST, SECOND
from annotation.methods.texts import normalise, parts_of
from annotation.models import Annotation, Campaign, Consent, Language, Sample
from annotation.objectives.ratings import CORRECTED, WRONG
from training.actions.gold_marks import GoldMarks

NAME = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}-(?P<given>\d+\.\d+(\+\d+\.\d+)*)")


@dataclass(frozen=True)
class Corrected:
    """One output as somebody would have it: ``issues`` are what they found wrong with it."""

    sample: Sample
    output: str
    source: str
    corrected: str
    grade: int
    issues: tuple[str, ...]
    annotation: int
    revision: int

    def record(self) -> dict[str, Any]:
        """The correction as a line of a file: nobody's name, but where it comes from."""
        origin = self.sample.source
        return {
            "id": named(self.sample, (self.annotation, self.revision)),
            "language": self.sample.language.tag,
            "source": self.source,
            "output": self.output,
            "corrected": self.corrected,
            "grade": self.grade,
            "issues": list(self.issues),
            "dialect": self.sample.dialect,
            "system": str(self.sample.meta.get("system") or ""),
            "licence": origin.licence if origin else "",
            "origin": origin.name if origin else "",
        }


@dataclass(frozen=True)
class Preferred:
    """Two outputs, and in how many of the ``given`` answers the first was preferred, ties half."""

    sample: Sample
    first: str
    second: str
    source: str
    share: float
    given: tuple[tuple[int, int], ...]

    def record(self) -> dict[str, Any]:
        """The preference as a line of a file."""
        origin = self.sample.source
        return {
            "id": named(self.sample, *self.given),
            "language": self.sample.language.tag,
            "source": self.source,
            "first": self.first,
            "second": self.second,
            "share": self.share,
            "answers": len(self.given),
            "licence": origin.licence if origin else "",
            "origin": origin.name if origin else "",
        }


def records_of(campaign: Campaign) -> Iterator[dict[str, Any]]:
    """Yield what a generator may learn from a campaign, as lines of a file."""
    found = preferences_of if campaign.objective == "preferences" else corrections_of
    return (one.record() for one in found(campaign))


def corrections_of(campaign: Campaign, *, language: Language | None = None) -> Iterator[Corrected]:
    """Yield what people corrected, in the order of the texts and then of the answers."""
    _refuse_other(campaign, kind="ratings")
    for one in _standing(campaign, language=language):
        better = str(one.answer.get(CORRECTED) or "")
        if not better:
            continue
        output, *source = parts_of(one.item.sample.text)
        grade = one.label.position + 1 if one.label is not None else 0
        issues = tuple(one.answer.get(WRONG) or ())
        yield Corrected(
            one.item.sample, output, "".join(source), better, grade, issues, one.pk, one.revision
        )


def preferences_of(campaign: Campaign) -> Iterator[Preferred]:
    """Yield what people preferred, text by text."""
    _refuse_other(campaign, kind="preferences")
    said: dict[int, list[Annotation]] = {}
    for one in _standing(campaign):
        if one.label is not None:
            said.setdefault(one.item.sample_id, []).append(one)
    for answers in said.values():
        sample = answers[0].item.sample
        first, second, *source = parts_of(sample.text)
        outcomes = [(1 + OUTCOMES[one.label.key]) / 2 for one in answers if one.label]
        given = tuple((one.pk, one.revision) for one in answers)
        share = sum(outcomes) / len(outcomes)
        yield Preferred(sample, first, second, "".join(source), share, given)


def named(sample: Sample, *given: tuple[int, int]) -> str:
    """Return the name of a lesson: its text, and the answers it rests on with their revisions."""
    return f"{sample.uid}-" + "+".join(f"{pk}.{revision}" for pk, revision in given)


def answers_named(name: str) -> list[tuple[int, int]]:
    """Return the answers, with their revisions, that the name of a lesson tells; none of other names.

    >>> answers_named("0b0e7b9c-2f2e-4d0e-8f8e-3b1f2a9c0d11-7.1+9.2"), answers_named("mine-3")
    ([(7, 1), (9, 2)], [])
    """
    told = NAME.fullmatch(name)
    pairs = told["given"].split("+") if told else []
    return [(int(pk), int(revision)) for pk, _, revision in (one.partition(".") for one in pairs)]


def learned_sources(*, but: Campaign | None = None) -> frozenset[tuple[str, str]]:
    """Every source, with its language, that a generator may have learned a better output of.

    What is asked in ``but`` is left out.
    """
    found = set()
    others = Campaign.objects.exclude(pk=but.pk) if but else Campaign.objects.all()
    for campaign in others.filter(objective="ratings"):
        found |= {(one.sample.language.tag, one.source) for one in corrections_of(campaign)}
    for campaign in others.filter(objective="preferences"):
        found |= {(one.sample.language.tag, one.source) for one in preferences_of(campaign)}
    return frozenset((tag, normalise(source)) for tag, source in found if source)


def systems_of(campaign: Campaign) -> list[str]:
    """The systems whose outputs a campaign compares."""
    sides = Sample.objects.pool().filter(campaign=campaign)
    named = {
        str(name)
        for pair in sides.values_list(f"meta__{FIRST}", f"meta__{SECOND}").distinct()
        for name in pair
        if name
    }
    return sorted(named)


def _refuse_other(campaign: Campaign, *, kind: str) -> None:
    if campaign.objective != kind:
        raise ConflictError(
            f"{campaign.slug!r} asks questions of another kind than {kind}.",
            remedy=f"Choose a campaign of the kind {kind}.",
        )


def _standing(campaign: Campaign, *, language: Language | None = None) -> Iterator[Annotation]:
    """The newest answer of each person on each text, where a model may learn of it."""
    marks = GoldMarks.of(campaign)
    pool = Sample.objects.filter(campaign=campaign).pool()
    pool = pool if language is None else pool.filter(language=language)
    given = (
        Annotation.objects.answered()
        .filter(item__sample__in=pool, annotator__active=True, label__isnull=False)
        .filter(annotator__user__in=Consent.objects.training().values("user"))
        .select_related("item__sample__language", "item__sample__source", "label")
        .order_by("item__sample_id", "created_at", "desk_updated_at", "pk")
    )
    last: dict[tuple[int, int], Annotation] = {}
    for one in given.iterator(chunk_size=2000):
        last[one.item.sample_id, one.annotator_id] = one
    near: dict[int, bool] = {}
    for one in last.values():
        sample = one.item.sample
        if sample.pk not in near:
            near[sample.pk] = marks.near(sample)
        if not near[sample.pk]:
            yield one
