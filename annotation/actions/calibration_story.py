"""What a session came to, in a person's words: what was taken for what, and where to read on."""

from collections.abc import Sequence
from dataclasses import dataclass

from annotation.methods import composing
from annotation.methods.guidelines import paragraph_on, paragraphs
from annotation.methods.qualification import confusions
from annotation.models import (
    CalibrationSession,
    CampaignLanguage,
    Concern,
    Guideline,
    Label,
    LabelRule,
    SessionAnswer,
    WorkedExample,
)
from annotation.objectives import several


@dataclass(frozen=True)
class Named:
    """A label as speakers call it, with its rule and worked examples."""

    label: Label
    name: str
    rule: str
    examples: tuple[WorkedExample, ...]


@dataclass(frozen=True)
class Mixed:
    """One label taken for another, on which texts, and the paragraph that tells them apart."""

    true: str
    said: str
    times: int
    shown: int
    answers: tuple[SessionAnswer, ...]
    paragraph: int | None
    missed: str = ""
    too_many: str = ""


@dataclass(frozen=True)
class Feedback:
    """What is said to one answer, at once."""

    answer: SessionAnswer
    right: bool
    true: str
    said: str
    rule: str
    paragraph: int | None
    missed: str = ""
    too_many: str = ""


def labels_of(home: CampaignLanguage) -> list[Named]:
    """The labels with what explains them, in their order."""
    rules = dict(LabelRule.objects.filter(campaign_language=home).values_list("label_id", "text"))
    examples = list(
        WorkedExample.objects.filter(campaign_language=home, gold__retired_at=None).select_related(
            "gold__sample", "gold__label"
        )
    )
    tag = home.language.tag
    return [
        Named(
            label,
            label.name_in(tag),
            rules.get(label.pk, ""),
            tuple(one for one in examples if one.gold.label_id == label.pk),
        )
        for label in home.campaign.labels.order_by("position")
    ]


def feedback_on(answer: SessionAnswer, *, home: CampaignLanguage) -> Feedback:
    """Say whether an answer was the known one, by which rule, and where to read on."""
    tag, truth = home.language.tag, answer.truth
    said = answer.label or truth
    apart = _apart(home, true=truth, said=said)
    concerned = [*apart.missed, *apart.too_many] or [truth]
    rules = LabelRule.objects.filter(campaign_language=home, label__in=concerned)
    parts = paragraphs(_text(answer.session.guideline))
    return Feedback(
        answer=answer,
        right=said.pk == truth.pk,
        true=truth.name_in(tag),
        said=said.name_in(tag),
        rule="\n\n".join(rule.text for rule in rules),
        paragraph=_place(parts, true=apart.true, said=apart.said, tag=tag),
        missed=apart.named(apart.missed, tag=tag),
        too_many=apart.named(apart.too_many, tag=tag),
    )


def mixed_up(session: CalibrationSession) -> list[Mixed]:
    """What a session's person took for what, the commonest first."""
    home = session.campaign_language
    answers = list(
        session.answers.filter(label__isnull=False)
        .select_related("gold__sample__language", "truth", "label")
        .order_by("position")
    )
    by_id = {answer.pk: answer for answer in answers}
    tag, text = home.language.tag, _text(session.guideline)
    # In their order, and what is composed as often as it was met.
    met = {one.pk: one for answer in answers for one in (answer.truth, answer.label) if one}
    labels = sorted(met.values(), key=lambda one: (one.position, one.pk))
    place = {label.pk: at for at, label in enumerate(labels)}
    found = confusions(
        [place[answer.truth_id] for answer in answers],
        said=[place[answer.label_id or answer.truth_id] for answer in answers],
        items=[answer.pk for answer in answers],
        names=[label.name_in(tag) for label in labels],
        guideline=text,
    )
    parts = paragraphs(text)
    mixed = []
    for one in found:
        true, said = labels[one.true], labels[one.said]
        apart = _apart(home, true=true, said=said)
        mixed.append(
            Mixed(
                true=true.name_in(tag),
                said=said.name_in(tag),
                times=one.times,
                shown=one.shown,
                answers=tuple(by_id[pk] for pk in one.items),
                paragraph=_place(parts, true=apart.true, said=apart.said, tag=tag),
                missed=apart.named(apart.missed, tag=tag),
                too_many=apart.named(apart.too_many, tag=tag),
            )
        )
    return mixed


def mixed_in(concern: Concern) -> list[Mixed]:
    """What a private note is about: what was taken for what since the chart began."""
    home = concern.campaign_language
    named = {label.position: label for label in home.campaign.labels.all()}
    tag = home.language.tag
    parts = paragraphs(_text(home.guidelines.order_by("-version").first()))
    return [
        Mixed(
            true=named[true].name_in(tag),
            said=named[said].name_in(tag),
            times=times,
            shown=0,
            answers=(),
            paragraph=_place(parts, true=named[true], said=named[said], tag=tag),
        )
        for true, said, times in concern.confusions
        if true in named and said in named
    ]


@dataclass(frozen=True)
class _Apart:
    """Two answers, and where they are sets of labels which are missing in what was said, or too many.

    ``true`` and ``said`` are the labels that the difference is best explained by.
    """

    true: Label
    said: Label
    missed: tuple[Label, ...] = ()
    too_many: tuple[Label, ...] = ()

    @staticmethod
    def named(labels: Sequence[Label], *, tag: str) -> str:
        """The labels' names in a row."""
        return " · ".join(label.name_in(tag) for label in labels)


def _apart(home: CampaignLanguage, *, true: Label, said: Label) -> _Apart:
    if home.campaign.objective != several.NAME:
        return _Apart(true, said)
    told = composing.differing(said.value or (), right=true.value or ())
    labels = {label.key: label for label in home.campaign.labels.all()}
    missed, too_many = ([labels[key] for key in told[name]] for name in ("missed", "too_many"))
    return _Apart(
        missed[0] if missed else true,
        too_many[0] if too_many else said,
        tuple(missed),
        tuple(too_many),
    )


def _text(guideline: Guideline | None) -> str:
    return guideline.text if guideline else ""


def _place(parts: Sequence[str], *, true: Label, said: Label, tag: str) -> int | None:
    """The paragraph on two labels, counted from 1, by their own names or by the English ones."""
    found = paragraph_on(parts, true=true.name_in(tag), said=said.name_in(tag))
    if found is None:
        found = paragraph_on(parts, true=true.name, said=said.name)
    return None if found is None else found + 1
