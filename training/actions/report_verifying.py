"""Verifying a fix: the report's cases, then unseen texts judged blindly by other speakers."""

import hashlib
from collections.abc import Collection, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Count, QuerySet
from django.utils.translation import gettext as _

from annotation.actions.reports.table import MOST_ATTEMPTS, SYSTEM
from annotation.actions.reports.timers import HOLDS_FOR
from annotation.actions.reports.transitions import StepError, transition
from annotation.actions.reports.triage import hold, may_vote
from annotation.errors import InvalidInputError
from annotation.models import (
    Annotation,
    Annotator,
    Label,
    Report,
    ReportLink,
    ReportState,
    Sample,
    Severity,
    User,
)
from annotation.models.reports import Reason
from learning.models import ModelVersion
from training.actions.case_versions import is_right, terms_of
from training.actions.comparing import labels_said
from training.actions.datasets import lineage_rows
from training.actions.report_neighbours import neighbours
from training.methods import mended
from training.models import (
    CaseCheck,
    Probe,
    ProbeChoice,
    ReportCase,
    Verification,
    WritingCheck,
    WritingProbe,
)

State, Kind, Choice = ReportState, ReportLink.Kind, ProbeChoice.Choice
Stage = Verification.State
MOST_PROBES = 40
ENOUGH_PROBES = mended.LEAST_PROBES


def cases_of(report: Report, *, version: ModelVersion) -> list[tuple[int, str, bool]]:
    """Put a report's active cases to a version: the case, the key of what it said, whether right.

    What speakers dispute is asked, too, and counts for nothing: it is left out here.
    """
    rows = list(
        ReportCase.objects.filter(report=report, case__active=True).select_related(
            "case__language", "case__campaign"
        )
    )
    terms = terms_of([row.case for row in rows])
    told = []
    for row in rows:
        asked = terms[row.case_id]
        if asked.disputed or asked.written:
            continue
        said = labels_said(version, texts=[row.case.text], tags=[row.case.language.tag])[0]
        right = row.case.expected(manager="everything").values_list("key", flat=True)
        told.append((row.case_id, said.key, is_right(asked, case=row.case, said=said, right=right)))
    return told


def open_verification(
    report: Report, *, version: ModelVersion, against: ModelVersion, now: datetime
) -> Verification:
    """Begin to check a version for a report, once: its cases now, its probes for speakers."""
    known = Verification.objects.filter(
        report=report, version=version, attempt=report.attempts
    ).first()
    if known is not None:
        return known
    told = cases_of(report, version=version)
    probes = _unseen(report, version=version)
    tag = report.language.tag if report.language else ""
    texts, tags = [one.text for one in probes], [tag] * len(probes)
    old = labels_said(against, texts=texts, tags=tags)
    new = labels_said(version, texts=texts, tags=tags)
    chosen = _telling(probes, old, new)
    with transaction.atomic():
        made = Verification.objects.create(
            report=report,
            version=version,
            against=against,
            attempt=report.attempts,
            cases=[list(one) for one in told],
            cases_hold=bool(told) and all(right for _case, said_of, right in told),
            opened_at=now,
        )
        Probe.objects.bulk_create(
            Probe(
                verification=made,
                sample=probes[at],
                old_label=old[at],
                new_label=new[at],
                new_first=_toss(made, probes[at]),
            )
            for at in chosen
        )
    if not made.cases_hold or len(chosen) < ENOUGH_PROBES:
        decide(made, now=now)
    return made


def _telling(probes: Sequence[Sample], old: Sequence[Label], new: Sequence[Label]) -> list[int]:
    """Return which probes to ask of people: where the two differ first, then the likest.

    Those where both say the same stay among them, as many as there is room for: there it shows
    whether the new answers are right at all.
    """
    differing = [at for at in range(len(probes)) if old[at] != new[at]]
    same = [at for at in range(len(probes)) if old[at] == new[at]]
    return sorted(
        [*differing[:MOST_PROBES], *same][: max(ENOUGH_PROBES, min(len(differing), MOST_PROBES))]
    )


def _unseen(report: Report, *, version: ModelVersion) -> list[Sample]:
    """Return texts like the reported one that nobody answered and no version has learned."""
    kept = report.links.filter(kind=Kind.PROBE).order_by("pk").values_list("sample", flat=True)
    free = Sample.objects.unasked().filter(pk__in=[pk for pk in kept if pk])
    there = free.in_bulk()
    found = [there[pk] for pk in kept if pk in there]
    more = [one for one in neighbours(report, most=2 * MOST_PROBES) if one.pk not in there]
    asked = set(report.links.filter(kind=Kind.NEIGHBOUR).values_list("sample", flat=True))
    learned = set(
        lineage_rows(version)
        .filter(sample__in=[one.pk for one in [*found, *more]])
        .values_list("sample", flat=True)
    )
    rows = [one for one in [*found, *more] if one.pk not in asked and one.pk not in learned]
    return rows[:MOST_PROBES]


def _toss(verification: Verification, sample: Sample) -> bool:
    told = f"{verification.pk}:{sample.uid}".encode()
    return bool(hashlib.sha256(told).digest()[0] & 1)


def may_judge(report: Report, user: User) -> bool:
    """Whether somebody may say if a fix is one: a speaker who did not report it."""
    return may_vote(report, user)


@transaction.atomic
def judge_probe(probe: Probe, *, user: User, choice: str, now: datetime) -> ProbeChoice:
    """Keep what a speaker says of a probe; decide when all have been judged by enough people."""
    if choice not in Choice.values:
        raise InvalidInputError(_("Choose which of the two is right."))
    verification = Verification.objects.select_for_update().get(pk=probe.verification_id)
    if verification.state != Stage.JUDGING:
        raise StepError(_("This is decided already."))
    if not may_judge(verification.report, user):
        raise StepError(_("Speakers of the language judge, and not of a report of their own."))
    kept = ProbeChoice.objects.update_or_create(
        probe=probe, user=user, defaults={"choice": choice, "at": now}
    )[0]
    if not open_probes(verification).exists():
        decide(verification, now=now)
    return kept


def open_probes(verification: Verification, *, without: User | None = None) -> "QuerySet[Probe]":
    """Return the probes that want one more judge; for somebody, those that they have not judged."""
    rows = verification.probes.annotate(judges=Count("choices")).filter(judges__lt=mended.JUDGES)
    return rows.exclude(choices__user=without) if without else rows


def decide(verification: Verification, *, now: datetime) -> Verification:
    """Write down what cases and speakers say of a fix, once, and take the report on."""
    with transaction.atomic():
        held = Verification.objects.select_for_update().get(pk=verification.pk)
        if held.state != Stage.JUDGING:
            return held
        choices = [said_of(probe) for probe in held.probes.prefetch_related("choices")]
        judged = [one for one in choices if len(one) >= mended.JUDGES]
        found = mended.judged(
            judged, cases_hold=held.cases_hold, others_hold=_others_hold(held), least=ENOUGH_PROBES
        )
        write_down(held, found, alone=_alone(held), now=now)
        held.save()
        take_on(held, ref=f"{held.version_id}.{held.attempt}", now=now)
    return held


def write_down(
    check: Verification | WritingCheck, found: mended.Mended, *, alone: bool, now: datetime
) -> None:
    """Put into a check what follows from its cases and choices."""
    reasons = list(found.reasons)
    if found.passed and alone:
        reasons.append("Whoever verified it had also decided about it, and nobody else.")
    check.state = Stage.FAILED if reasons else Stage.PASSED
    check.wins, check.losses, check.ties = found.wins, found.losses, found.ties
    check.right, check.p_value, check.right_low = found.right, found.p_value, found.right_low
    check.reasons, check.decided_at = reasons, now


def said_of(probe: Probe | WritingProbe) -> list[tuple[bool, bool]]:
    """Return what each judge found: (old right, new right)."""
    told = []
    for one in probe.choices.all():
        first = one.choice in (Choice.FIRST, Choice.BOTH)
        second = one.choice in (Choice.SECOND, Choice.BOTH)
        told.append((second, first) if probe.new_first else (first, second))
    return told


def _others_hold(verification: Verification) -> bool:
    """Tell whether no other case of the language, medium or worse, turned wrong at its gate."""
    checks = CaseCheck.objects.filter(
        gate__candidate=verification.version,
        case__language=verification.report.language,
        case__active=True,
    )
    return not any(one.broken and one.severity >= Severity.MEDIUM for one in checks)


def _alone(verification: Verification) -> bool:
    judges = ProbeChoice.objects.filter(probe__verification=verification)
    return are_alone(verification.report, set(judges.values_list("user", flat=True)))


def are_alone(report: Report, judges: Collection[int]) -> bool:
    """Tell whether everybody who verified had triaged the report or labelled its neighbours.

    With two judges a probe nobody is alone; one of them at least has to come from outside, where
    the language has anybody else.
    """
    told = set(report.log.exclude(actor=None).values_list("actor", flat=True))
    texts = report.links.filter(kind=Kind.NEIGHBOUR).values("sample")
    labelled = Annotation.objects.answered().filter(item__sample__in=texts)
    told |= set(labelled.values_list("annotator__user", flat=True))
    others = Annotator.objects.filter(language=report.language, active=True).exclude(
        user__in=[*told, *([report.user_id] if report.user_id else [])]
    )
    return len(judges) < mended.JUDGES or (set(judges) <= told and others.exists())


def take_on(check: Verification | WritingCheck, *, ref: str, now: datetime) -> None:
    """Take a report on from what was found: to its release, to another try, or to wait."""
    report = Report.objects.get(pk=check.report_id)
    if report.state != State.VERIFYING or report.attempts != check.attempt:
        return
    passed = check.state == Stage.PASSED
    ReportLink.objects.get_or_create(
        report=report,
        kind=Kind.VERIFIED if passed else Kind.FAILED,
        ref=ref,
        defaults={"attempt": report.attempts, "at": now},
    )
    if passed:
        transition(report, to=State.FIX_PENDING_RELEASE, actor=SYSTEM, now=now)
    elif report.attempts % MOST_ATTEMPTS + 1 < MOST_ATTEMPTS:
        transition(
            report,
            to=State.COLLECTING,
            actor=SYSTEM,
            now=now,
            reason=Reason.NOT_SOLVED,
            attempts=report.attempts + 1,
        )
    else:
        hold(report, reason=Reason.NOT_SOLVED, until=now + HOLDS_FOR, actor=SYSTEM, now=now)
