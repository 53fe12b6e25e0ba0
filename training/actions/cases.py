"""Regression cases: made once, kept out of what is learned next, put to every candidate."""

from collections.abc import Sequence

from django.db import transaction

from annotation.actions.choosing import label_for
from annotation.actions.known import composes, known_answer
from annotation.errors import ConflictError, InvalidInputError
from annotation.methods.texts import digest
from annotation.models import Campaign, GoldItem, Label, Language, Sample, User
from annotation.objectives import whole
from learning.models import ModelVersion
from training.actions.datasets import lineage_rows
from training.actions.distillation import studied
from training.actions.gold_marks import GoldMarks
from training.methods.leaks import Likeness
from training.models import RegressionCase

AT_ONCE = 2000


@transaction.atomic
def add_case(
    campaign: Campaign,
    *,
    tag: str,
    text: str,
    expected: Sequence[str],
    source: str = "",
    created_by: User | None = None,
) -> RegressionCase:
    """Add a case; the same text in the same language gives the case that is there, active again.

    ``expected`` are the answers of which any is right: keys of labels, or what the cell of a file
    says where answers are composed.
    """
    language = Language.objects.filter(tag=tag, campaigns__campaign=campaign).first()
    if language is None:
        raise InvalidInputError(f"{tag} takes no part in {campaign}.", remedy="Choose another.")
    text = whole(campaign.objective, told=text)
    labels = _expected(campaign, told=expected, text=text)
    case, made = RegressionCase.objects.get_or_create(
        campaign=campaign,
        language=language,
        digest=digest(text),
        defaults={"text": text, "source": source[:200], "created_by": created_by},
    )
    if not made and set(case.expected(manager="everything").all()) != set(labels):
        raise ConflictError(
            "That text is a regression case already, with other right answers.",
            remedy="Switch that one off and use another text, or keep it.",
        )
    case.expected.set(labels)
    RegressionCase.objects.filter(pk=case.pk).update(active=True)
    case.refresh_from_db()
    return case


def _expected(campaign: Campaign, *, told: Sequence[str], text: str) -> list[Label]:
    """The labels of the right answers; raise if there is none, or one that cannot be given."""
    known = {label.key: label for label in Label.everything.filter(campaign=campaign, key__in=told)}
    strange = sorted(set(told) - known.keys())
    reads = composes(campaign)
    if told and reads is not None:
        answers = [known_answer(campaign, told=one, text=text) for one in strange]
        return [*known.values(), *(label_for(campaign, answer=answer) for answer in answers)]
    if strange or not told:
        keys = ", ".join(campaign.labels.values_list("key", flat=True))
        raise InvalidInputError(
            f"There is no label {', '.join(strange)}." if strange else "No right answer is named.",
            remedy=f"The labels are {keys}.",
        )
    return list(known.values())


@transaction.atomic
def case_from_gold(gold: GoldItem, *, created_by: User | None = None) -> RegressionCase:
    """Make a case of a gold item: its text, its answer."""
    sample = gold.sample
    case = add_case(
        sample.campaign,
        tag=sample.language.tag,
        text=sample.text,
        expected=[gold.label.key],
        source=f"gold {sample.external_id or sample.pk}",
        created_by=created_by,
    )
    RegressionCase.objects.filter(pk=case.pk, gold=None).update(gold=gold)
    case.refresh_from_db()
    return case


def switch_case(case: RegressionCase, *, active: bool) -> RegressionCase:
    """Put a case to candidates again, or no more; what was found with it stays."""
    RegressionCase.objects.filter(pk=case.pk).update(active=active)
    case.refresh_from_db()
    return case


def learned_cases(cases: Sequence[RegressionCase], *, candidate: ModelVersion) -> set[int]:
    """Return the ids of the cases whose text, or nearly the same, the candidate has learned.

    It or a version that it came from: a case can be younger than what was learned. Getting such
    a case right shows no more than memory.
    """
    marks = GoldMarks.made((), cases=[(case.digest, case.text) for case in cases])
    learned = Sample.objects.filter(pk__in=lineage_rows(candidate).values("sample")).order_by()
    near = {sample for sample in learned.iterator(chunk_size=AT_ONCE) if marks.near(sample)}
    if studied(candidate):
        # A student reads texts that nobody answered; which ones it read is not kept.
        near |= set(candidate.campaign.samples.filter(digest__in=marks.digests))
    digests, texts = {sample.digest for sample in near}, Likeness(s.text for s in near)
    return {case.pk for case in cases if case.digest in digests or texts.like(case.text)}
