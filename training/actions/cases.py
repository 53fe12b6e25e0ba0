"""Regression cases: made once, kept out of what is learned next, put to every candidate."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from annotation.actions.choosing import label_for
from annotation.actions.known import composes, known_answer
from annotation.errors import ConflictError, InvalidInputError
from annotation.methods.texts import digest, problem_with
from annotation.models import Campaign, GoldItem, Label, Language, Sample, Severity, User
from annotation.objectives import whole
from learning.models import ModelVersion
from training.actions.case_versions import State, new_version, terms_of
from training.actions.datasets import lineage_rows
from training.actions.distillation import studied
from training.actions.gold_marks import GoldMarks
from training.methods.leaks import Likeness
from training.models import RegressionCase

AT_ONCE = 2000
SWITCHED_ON, SWITCHED_OFF = "Switched on.", "Switched off."


@transaction.atomic
def add_case(  # noqa: PLR0913 - what is asked, in which language, and what is right
    campaign: Campaign,
    *,
    tag: str,
    text: str,
    expected: Sequence[str],
    source: str = "",
    created_by: User | None = None,
    severity: int = Severity.MEDIUM,
) -> RegressionCase:
    """Add a case; the same text in the same language gives the case that is there, active again.

    ``expected`` are the answers of which any is right: keys of labels, or what the cell of a file
    says where answers are composed.
    """
    text = whole(campaign.objective, told=text)
    labels = _expected(campaign, told=expected, text=text)
    case, made = _case(campaign, tag=tag, text=text, source=source, created_by=created_by)
    if not made and set(case.expected(manager="everything").all()) != set(labels):
        raise ConflictError(
            "That text is a regression case already, with other right answers.",
            remedy="Switch that one off and use another text, or keep it.",
        )
    case.expected.set(labels)
    if made:
        told = sorted(label.key for label in labels)
        new_version(case, now=timezone.now(), by=created_by, told=told, severity=severity)
    return switch_case(case, active=True, by=created_by)


@transaction.atomic
def add_written_case(  # noqa: PLR0913 - what is asked, in which language, and what must hold
    campaign: Campaign,
    *,
    tag: str,
    text: str,
    predicate: str,
    told: Sequence[str] = (),
    source: str = "",
    created_by: User | None = None,
    severity: int = Severity.MEDIUM,
) -> RegressionCase:
    """Add a case for what writes: a source, and what must hold of what is written for it."""
    if not text.strip() or problem_with(text):
        raise InvalidInputError("The text cannot be taken.", remedy="Write some plain text.")
    case, made = _case(campaign, tag=tag, text=text, source=source, created_by=created_by)
    terms = terms_of([case])[case.pk]
    if made or (terms.predicate, terms.told) != (predicate, tuple(told)):
        reason = "" if made else "It asks for something else."
        new_version(
            case,
            now=timezone.now(),
            by=created_by,
            predicate=predicate,
            told=told,
            severity=severity,
            reason=reason,
        )
    return switch_case(case, active=True, by=created_by)


def _case(
    campaign: Campaign, *, tag: str, text: str, source: str, created_by: User | None
) -> tuple[RegressionCase, bool]:
    language = Language.objects.filter(tag=tag, campaigns__campaign=campaign).first()
    if language is None:
        raise InvalidInputError(f"{tag} takes no part in {campaign}.", remedy="Choose another.")
    return RegressionCase.objects.get_or_create(
        campaign=campaign,
        language=language,
        digest=digest(text),
        defaults={"text": text, "source": source[:200], "created_by": created_by},
    )


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


def switch_case(
    case: RegressionCase, *, active: bool, by: User | None = None, now: datetime | None = None
) -> RegressionCase:
    """Put a case to candidates again, or no more; what was found with it stays."""
    if case.active != active:
        new_version(
            case,
            now=now or timezone.now(),
            by=by,
            state=State.ACTIVE if active else State.RETIRED,
            reason=SWITCHED_ON if active else SWITCHED_OFF,
        )
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
