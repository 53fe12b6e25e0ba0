"""Corrections: what people wrote in place of what a model wrote, for a generator to learn from.

Only answers that stand are given out: of people who agree to training now and who count, and never
such that gold or a case says, too. Nothing is written; asked again, it says the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from annotation.actions.judgements import OUTCOMES
from annotation.errors import ConflictError
from annotation.methods.readers.sides import FIRST, SECOND
from annotation.methods.texts import normalise, parts_of
from annotation.models import Annotation, Campaign, Consent, Sample
from annotation.objectives.ratings import CORRECTED, WRONG
from training.actions.gold_marks import GoldMarks


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
            "id": f"{self.sample.uid}-{self.annotation}.{self.revision}",
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
    """Two outputs, and in how many of ``answers`` the first was preferred, ties half."""

    sample: Sample
    first: str
    second: str
    source: str
    share: float
    answers: int

    def record(self) -> dict[str, Any]:
        """The preference as a line of a file."""
        origin = self.sample.source
        return {
            "id": str(self.sample.uid),
            "language": self.sample.language.tag,
            "source": self.source,
            "first": self.first,
            "second": self.second,
            "share": self.share,
            "answers": self.answers,
            "licence": origin.licence if origin else "",
            "origin": origin.name if origin else "",
        }


def records_of(campaign: Campaign) -> Iterator[dict[str, Any]]:
    """Yield what a generator may learn from a campaign, as lines of a file."""
    found = preferences_of if campaign.objective == "preferences" else corrections_of
    return (one.record() for one in found(campaign))


def corrections_of(campaign: Campaign) -> Iterator[Corrected]:
    """Yield what people corrected, in the order of the texts and then of the answers."""
    _refuse_other(campaign, kind="ratings")
    for one in _standing(campaign):
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
    said: dict[int, list[float]] = {}
    samples: dict[int, Sample] = {}
    for one in _standing(campaign):
        if one.label is not None:
            samples[one.item.sample_id] = one.item.sample
            outcome = (1 + OUTCOMES[one.label.key]) / 2
            said.setdefault(one.item.sample_id, []).append(outcome)
    for pk, sample in samples.items():
        first, second, *source = parts_of(sample.text)
        share = sum(said[pk]) / len(said[pk])
        yield Preferred(sample, first, second, "".join(source), share, len(said[pk]))


def learned_sources() -> frozenset[tuple[str, str]]:
    """Every source, with its language, that a generator may have learned a better output of."""
    found = set()
    for campaign in Campaign.objects.filter(objective="ratings"):
        found |= {(one.sample.language.tag, one.source) for one in corrections_of(campaign)}
    for campaign in Campaign.objects.filter(objective="preferences"):
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


def _standing(campaign: Campaign) -> Iterator[Annotation]:
    """The newest answer of each person on each text, where a model may learn of it."""
    marks = GoldMarks.of(campaign)
    pool = Sample.objects.filter(campaign=campaign).pool()
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
