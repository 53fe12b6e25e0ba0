"""Reports of what was written: a taught generator is found, checked blindly by people, released, watched.

It goes as with networks that give labels (:mod:`training.actions.report_verifying`), with texts in
place of labels: speakers read what both wrote for sources that neither learned, and do not know whose it is.
"""

import hashlib
from collections.abc import Sequence, Set
from datetime import datetime

from django.db import transaction
from django.db.models import Count, QuerySet
from django.utils.translation import gettext as _

from annotation.actions.reports.table import SYSTEM
from annotation.actions.reports.transitions import StepError, transition
from annotation.actions.reports.triage import may_vote, reopen
from annotation.errors import InvalidInputError
from annotation.methods.texts import normalise, parts_of
from annotation.models import Report, ReportLink, ReportState, Sample, Severity, User
from annotation.models.reports import Reason
from learning.actions.generators import serving_generator
from learning.actions.served_writing import write_with
from learning.models import GeneratorVersion
from training.actions.report_neighbours import neighbours
from training.actions.report_verifying import (
    ENOUGH_PROBES,
    MOST_PROBES,
    are_alone,
    said_of,
    take_on,
    write_down,
)
from training.actions.written_cases import (
    Asked,
    asked_of,
    chain_of,
    held_to_cases,
    put_cases,
)
from training.methods import mended
from training.models import (
    BlindComparison,
    BlindVerdict,
    GeneratorLesson,
    ReportCase,
    Verdict,
    WritingCheck,
    WritingChoice,
    WritingProbe,
)
from training.models.report_fixes import Choice

State, Kind, Stage = ReportState, ReportLink.Kind, WritingCheck.State


def training(report: Report, now: datetime) -> None:
    """Find the newest generator that learned this report's examples and that people let pass."""
    found = taught_for(report)
    if found is None:
        _proven_after_all(report, now=now)
        return
    if not ReportCase.objects.filter(report=report, case__active=True).exists():
        return  # without consent somebody has to write a case first
    candidate, champion = found
    ref = f"g{candidate.pk}.{report.attempts}"
    for kind in (Kind.RUN, Kind.VERSION):
        ReportLink.objects.get_or_create(
            report=report, kind=kind, ref=ref, defaults={"attempt": report.attempts, "at": now}
        )
    transition(report, to=State.VERIFYING, actor=SYSTEM, now=now)
    open_check(report, version=candidate, against=champion, now=now)


@transaction.atomic
def _proven_after_all(report: Report, *, now: datetime) -> None:
    """Take a report back to its release where what was verified serves now, after another did."""
    serving = serving_generator(report.campaign)
    proof = WritingCheck.objects.filter(
        report=report, attempt=report.attempts, version=serving, state=Stage.PASSED
    ).last()
    if proof is not None:
        transition(report, to=State.VERIFYING, actor=SYSTEM, now=now)
        take_on(proof, ref=f"g{proof.version_id}.{proof.attempt}", now=now)


def taught_for(report: Report) -> tuple[GeneratorVersion, GeneratorVersion] | None:
    """Return the newest generator that may be the cure, and the one it was compared with."""
    asked = report.links.filter(kind=Kind.NEIGHBOUR).values("sample")
    began = report.log.filter(to_state=State.COLLECTING).last()
    if began is None:
        return None
    lessons = GeneratorLesson.objects.filter(annotation__item__sample__in=asked)
    taught = _grown_from(set(lessons.values_list("version", flat=True)), report=report)
    tried = WritingCheck.objects.filter(report=report).values("version")
    passed = BlindVerdict.objects.filter(
        comparison__home=report.campaign_id,
        comparison__candidate__in=taught,
        comparison__candidate__created_at__gt=began.at,
        verdict=Verdict.PASS,
    ).exclude(comparison__candidate__in=tried)
    last = (
        passed.select_related("comparison__candidate__campaign", "comparison__champion__campaign")
        .order_by("comparison__candidate__number", "pk")
        .last()
    )
    return (last.comparison.candidate, last.comparison.champion) if last else None


def _grown_from(versions: Set[int], *, report: Report) -> set[int]:
    """Return generators with all that came from them: what one has learned its heirs have, too."""
    found = set(versions)
    rows = GeneratorVersion.objects.filter(campaign=report.campaign_id).order_by("number")
    for pk, base in rows.values_list("pk", "base_id"):
        if base in found:
            found.add(pk)
    return found


def verifying(report: Report, now: datetime) -> None:
    """Go on with a check whose grades have come, or whose worker died before it was written."""
    held = WritingCheck.objects.filter(report=report, attempt=report.attempts).last()
    if held is not None:
        decide(held, now=now)
        return
    link = report.links.filter(kind=Kind.RUN, attempt=report.attempts).last()
    number = link.ref.removeprefix("g").partition(".")[0] if link else ""
    version = GeneratorVersion.objects.filter(pk=int(number or 0)).first()
    looked = BlindVerdict.objects.filter(comparison__candidate=version, verdict=Verdict.PASS).last()
    if version is not None and looked is not None:
        open_check(report, version=version, against=looked.comparison.champion, now=now)


def pending(report: Report, now: datetime) -> None:
    """Release what was verified, once that very generator serves, or one that was proven as well.

    The cases are put to a later generator as to any. Where it writes them wrong, or otherwise than
    what was verified, another cure is looked for, and people check it anew: the later one itself
    where it learned the report's examples, whether or not it came from what was verified.
    """
    serving = serving_generator(report.campaign)
    proof = WritingCheck.objects.filter(report=report, state=Stage.PASSED).last()
    if serving is None or proof is None:
        return
    if proof.version_id == serving.pk:
        transition(report, to=State.RELEASED, actor=SYSTEM, now=now)
    elif serving.number > proof.version.number:
        _carry_on(proof, serving=serving, now=now)


def _carry_on(proof: WritingCheck, *, serving: GeneratorVersion, now: datetime) -> None:
    """Release on a generator that writes what was proven; else have it checked.

    It is compared once: whichever way that goes, the report goes on.
    """
    report = proof.report
    put_cases(serving, now=now)
    own = ReportCase.objects.filter(report=report, case__active=True).values_list("case", flat=True)
    told = [one for one in asked_of(serving, cases=own) if not one.terms.disputed]
    if any(one.right is False for one in told):
        transition(report, to=State.TRAINING, actor=SYSTEM, now=now, reason=Reason.RED_AGAIN)
    elif not told or any(one.right is None for one in told):
        return  # speakers rate first what it wrote
    elif _writes_the_same(proof, serving):
        _keep_proof(proof, serving=serving, told=told, now=now)
        transition(report, to=State.RELEASED, actor=SYSTEM, now=now)
    else:
        transition(report, to=State.TRAINING, actor=SYSTEM, now=now, reason=Reason.NOT_RELEASED)


def _writes_the_same(proof: WritingCheck, serving: GeneratorVersion) -> bool:
    """Tell whether a generator writes for the unseen sources what speakers found better."""
    report, probes = proof.report, list(proof.probes.order_by("pk"))
    tag = report.language.tag if report.language else ""
    sources = [one.source for one in probes]
    said = write_with(serving, sources=sources, languages=[tag] * len(sources))
    return bool(probes) and all(
        normalise(one.new_text) == normalise(told.text)
        for one, told in zip(probes, said, strict=True)
    )


def _keep_proof(
    proof: WritingCheck, *, serving: GeneratorVersion, told: Sequence[Asked], now: datetime
) -> None:
    figures = ("wins", "losses", "ties", "right", "p_value", "right_low")
    WritingCheck.objects.get_or_create(
        report=proof.report,
        version=serving,
        attempt=proof.attempt,
        defaults={
            **{name: getattr(proof, name) for name in figures},
            "against": proof.against,
            "state": Stage.PASSED,
            "cases": [[one.case.pk, "", True] for one in told],
            "cases_hold": True,
            "reasons": [f"It writes as {proof.version} does, which was verified."],
            "opened_at": now,
            "decided_at": now,
        },
    )


def watched(report: Report, now: datetime) -> None:
    """Reopen what the serving generator, or a candidate, writes wrong again; else count one more green."""
    serving = serving_generator(report.campaign)
    if serving is None:
        return
    own = ReportCase.objects.filter(report=report, case__active=True)
    cases = list(own.values_list("case", flat=True))
    running = BlindComparison.objects.filter(champion=serving, asked_at__gt=report.since)
    candidates = [one.candidate for one in running.select_related("candidate__campaign")]
    if any(_is_red(one, cases=cases) for one in (serving, *candidates)):
        reopen(report, reason=Reason.RED_AGAIN, now=now)
        return
    told = [one for one in asked_of(serving, cases=cases) if not one.terms.disputed]
    if told and all(one.right for one in told):
        ReportLink.objects.get_or_create(
            report=report,
            kind=Kind.VERSION,
            ref=f"green g{serving.pk}",
            defaults={"attempt": report.attempts, "at": now},
        )


def _is_red(version: GeneratorVersion, *, cases: Sequence[int]) -> bool:
    told = [one for one in asked_of(version, cases=cases) if not one.terms.disputed]
    return any(one.right is False and not one.answer.learned for one in told)


def open_check(
    report: Report, *, version: GeneratorVersion, against: GeneratorVersion, now: datetime
) -> WritingCheck:
    """Begin to check a generator for a report, once: both write for its cases and for unseen sources."""
    known = WritingCheck.objects.filter(
        report=report, version=version, attempt=report.attempts
    ).first()
    if known is not None:
        return known
    for one in (against, version):
        put_cases(one, now=now)
    tag = report.language.tag if report.language else ""
    sources = _unseen(report, version=version)
    old, new = (
        [told.text for told in write_with(one, sources=sources, languages=[tag] * len(sources))]
        for one in (against, version)
    )
    with transaction.atomic():
        made = WritingCheck.objects.create(
            report=report,
            version=version,
            against=against,
            attempt=report.attempts,
            opened_at=now,
        )
        WritingProbe.objects.bulk_create(
            WritingProbe(
                check_of=made,
                source=sources[at],
                old_text=old[at],
                new_text=new[at],
                new_first=_toss(made, sources[at]),
            )
            for at in _telling(old, new)
        )
    return decide(made, now=now)


def _telling(old: Sequence[str], new: Sequence[str]) -> list[int]:
    """Return which sources to ask of people: where the two differ first; an empty text is one, too."""
    rows = range(len(old))
    differing = [at for at in rows if normalise(old[at]) != normalise(new[at])]
    same = [at for at in rows if at not in differing]
    most = max(ENOUGH_PROBES, min(len(differing), MOST_PROBES))
    return sorted([*differing[:MOST_PROBES], *same][:most])


def _unseen(report: Report, *, version: GeneratorVersion) -> list[str]:
    """Return sources like the reported one that nobody corrected and no generator has learned."""
    kept = report.links.filter(kind=Kind.PROBE).order_by("pk").values_list("sample", flat=True)
    there = Sample.objects.unasked().filter(pk__in=[pk for pk in kept if pk]).in_bulk()
    found = [there[pk] for pk in kept if pk in there]
    found += [one for one in neighbours(report, most=2 * MOST_PROBES) if one.pk not in there]
    lessons = GeneratorLesson.objects.filter(version__in=chain_of(version)).order_by()
    learned = lessons.values_list("annotation__item__sample__text", flat=True).distinct()
    seen = {normalise(parts_of(text)[-1]) for text in learned}
    sources = {normalise(one): one for one in (parts_of(sample.text)[-1] for sample in found)}
    return [one for key, one in sources.items() if key not in seen][:MOST_PROBES]


def _toss(check: WritingCheck, source: str) -> bool:
    return bool(hashlib.sha256(f"{check.pk}:{source}".encode()).digest()[0] & 1)


@transaction.atomic
def judge_writing(probe: WritingProbe, *, user: User, choice: str, now: datetime) -> WritingChoice:
    """Keep what a speaker says of two texts; decide when all have been judged by enough people."""
    if choice not in Choice.values:
        raise InvalidInputError(_("Choose which of the two is right."))
    held = WritingCheck.objects.select_for_update().get(pk=probe.check_of_id)
    if held.state != Stage.JUDGING:
        raise StepError(_("This is decided already."))
    if not may_vote(held.report, user):
        raise StepError(_("Speakers of the language judge, and not of a report of their own."))
    kept = WritingChoice.objects.update_or_create(
        probe=probe, user=user, defaults={"choice": choice, "at": now}
    )[0]
    decide(held, now=now)
    return kept


def open_writings(check: WritingCheck, *, without: User | None = None) -> "QuerySet[WritingProbe]":
    """Return the probes that want one more judge; for somebody, those that they have not judged."""
    rows = check.probes.annotate(judges=Count("choices")).filter(judges__lt=mended.JUDGES)
    return rows.exclude(choices__user=without) if without else rows


def decide(check: WritingCheck, *, now: datetime) -> WritingCheck:
    """Write down what cases and speakers say, once all have said it; nothing before."""
    with transaction.atomic():
        held = WritingCheck.objects.select_for_update().get(pk=check.pk)
        if held.state != Stage.JUDGING:
            return held
        cases = ReportCase.objects.filter(report=held.report, case__active=True)
        own = asked_of(held.version, cases=cases.values_list("case", flat=True))
        told = [one for one in own if not one.terms.disputed]
        failed = any(one.right is False for one in told)
        waits = any(one.right is None for one in told) or open_writings(held).exists()
        if waits and not failed:
            return held
        _settle(held, hold_=bool(told) and not failed, now=now)
        # What was written stands with the case alone, where it is erased with the report.
        held.cases = [[one.case.pk, "", bool(one.right)] for one in told]
        held.save()
        take_on(held, ref=f"g{held.version_id}.{held.attempt}", now=now)
    return held


def _settle(check: WritingCheck, *, hold_: bool, now: datetime) -> None:
    """Put into the check what follows from its cases and choices."""
    probes = check.probes.prefetch_related("choices")
    judged = [one for one in map(said_of, probes) if len(one) >= mended.JUDGES]
    broken = held_to_cases(check.version, champion=check.against).broken
    others = [
        one
        for one in broken
        if one.case.language_id == check.report.language_id
        and one.terms.severity >= Severity.MEDIUM
    ]
    found = mended.judged(judged, cases_hold=hold_, others_hold=not others, least=ENOUGH_PROBES)
    judges = WritingChoice.objects.filter(probe__check_of=check).values_list("user", flat=True)
    check.cases_hold = hold_
    write_down(check, found, alone=are_alone(check.report, set(judges)), now=now)
