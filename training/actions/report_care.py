"""Care of reports: what the loop has done for each, looked at every now and then.

Every step is taken from what is in the database and may run twice, late, or on two machines: the
report's row decides who was first.
"""

import logging
from collections.abc import Callable
from datetime import datetime

from annotation.actions.reports.table import SYSTEM
from annotation.actions.reports.transitions import StepError, transition
from annotation.actions.reports.triage import reopen
from annotation.errors import VernacularError
from annotation.models import CampaignLanguage, Report, ReportLink, ReportState
from annotation.models.reports import Reason
from learning.actions.served_writing import writes
from learning.actions.serving import serving_version
from learning.models import GeneratorVersion, ModelVersion
from training.actions import report_writing
from training.actions.comparing import labels_said
from training.actions.report_collecting import (
    ask_neighbours,
    find_more,
    forget_words,
    start_collecting,
)
from training.actions.report_verifying import cases_of, open_verification
from training.actions.written_cases import due_versions, put_cases
from training.models import CaseCheck, ReportCase, TrainingRun, Verdict, Verification

logger = logging.getLogger(__name__)
State, Kind = ReportState, ReportLink.Kind
WATCHED = (State.RELEASED, State.CLOSED_FIXED)
CARED = (
    State.CONFIRMED,
    State.COLLECTING,
    State.TRAINING,
    State.VERIFYING,
    State.FIX_PENDING_RELEASE,
    *WATCHED,
)


def is_anything_due() -> bool:
    """Tell whether a worker should be asked to come."""
    return Report.objects.filter(state__in=CARED).exists() or bool(due_versions())


def tend(now: datetime) -> int:
    """Take every report on that the loop has done something for; return how many moved."""
    forget_words(now)
    for version in due_versions():
        _put_cases(version, now=now)
    moved = 0
    for report in Report.objects.filter(state__in=CARED).select_related("campaign", "language"):
        before = report.events
        try:
            care = WRITTEN if writes(report.campaign) else _CARE
            care.get(report.state, _CARE[report.state])(report, now)
        except StepError:
            pass  # not yet; what is missing stands on its page
        except VernacularError as error:
            logger.warning("%s has to wait: %s", report, type(error).__name__)
        report.refresh_from_db()
        moved += report.events != before
    waiting = Report.objects.filter(state=State.COLLECTING)
    homes = CampaignLanguage.objects.filter(active=True, campaign__in=waiting.values("campaign"))
    for home in homes.select_related("campaign", "language"):
        ask_neighbours(home)
    return moved


def _put_cases(version: GeneratorVersion, *, now: datetime) -> None:
    """Have a generator write for its cases; one that cannot be asked holds nothing else up."""
    try:
        put_cases(version, now=now)
    except VernacularError as error:
        logger.warning("the cases of %s have to wait: %s", version, type(error).__name__)


def _confirmed(report: Report, now: datetime) -> None:
    start_collecting(report, now=now)


def _collecting(report: Report, now: datetime) -> None:
    if not report.links.filter(kind=Kind.NEIGHBOUR, attempt=report.attempts).exists():
        find_more(report, now=now)
    transition(report, to=State.TRAINING, actor=SYSTEM, now=now)


def _training(report: Report, now: datetime) -> None:
    """Find the first run that has learned from this attempt's examples, and passed its gate."""
    run = run_for(report)
    if run is None or run.candidate is None:
        return
    if not ReportCase.objects.filter(report=report, case__active=True).exists():
        return  # without consent somebody has to write a case first
    for kind, ref in ((Kind.RUN, run.pk), (Kind.VERSION, f"{run.candidate_id}.{report.attempts}")):
        ReportLink.objects.get_or_create(
            report=report, kind=kind, ref=str(ref), defaults={"attempt": report.attempts, "at": now}
        )
    transition(report, to=State.VERIFYING, actor=SYSTEM, now=now)
    open_verification(report, version=run.candidate, against=run.base, now=now)


def run_for(report: Report) -> TrainingRun | None:
    """Return the newest run that passed its gate and learned what speakers said for a report.

    It may have ended while the last examples were still coming; what was checked for this report
    before is not checked again.
    """
    asked = report.links.filter(kind=Kind.NEIGHBOUR).values("sample")
    began = report.log.filter(to_state=State.COLLECTING).last()
    if began is None:
        return None
    runs = TrainingRun.objects.filter(
        campaign=report.campaign_id,
        status=TrainingRun.Status.FINISHED,
        gates__verdict=Verdict.PASS,
        snapshot__rows__sample__in=asked,
        finished_at__gt=began.at,
    ).exclude(candidate__in=Verification.objects.filter(report=report).values("version"))
    return runs.select_related("candidate", "base").order_by("-pk").first()


def _verifying(report: Report, now: datetime) -> None:
    """Whoever took the report here may have died before its check was written."""
    run = run_for_attempt(report)
    if run is not None and run.candidate is not None:
        open_verification(report, version=run.candidate, against=run.base, now=now)


def run_for_attempt(report: Report) -> TrainingRun | None:
    """Return the run that this attempt is verified on."""
    link = report.links.filter(kind=Kind.RUN, attempt=report.attempts).last()
    if link is None:
        return None
    return TrainingRun.objects.select_related("candidate", "base").filter(pk=int(link.ref)).first()


def _pending(report: Report, now: datetime) -> None:
    """Release what was verified, once that version serves; a later version is checked anew."""
    serving = serving_version(report.campaign)
    proof = Verification.objects.filter(report=report, state=Verification.State.PASSED).last()
    if serving is None or proof is None:
        return
    if proof.version_id == serving.pk or _says_the_same(proof, serving, now=now):
        transition(report, to=State.RELEASED, actor=SYSTEM, now=now)


def _says_the_same(proof: Verification, serving: ModelVersion, *, now: datetime) -> bool:
    """Carry a proof over to a version that answers every case and probe alike; else there is none."""
    report = proof.report
    told = cases_of(report, version=serving)
    probes = list(proof.probes.select_related("sample", "new_label"))
    tag = report.language.tag if report.language else ""
    texts = [one.sample.text for one in probes]
    said = labels_said(serving, texts=texts, tags=[tag] * len(texts))
    alike = all(one.new_label_id == label.pk for one, label in zip(probes, said, strict=True))
    if not alike or not told or not all(right for _case, _said, right in told):
        return False
    Verification.objects.get_or_create(
        report=report,
        version=serving,
        attempt=proof.attempt,
        defaults={
            "against": proof.against,
            "state": Verification.State.PASSED,
            "cases": [list(one) for one in told],
            "cases_hold": True,
            "wins": proof.wins,
            "losses": proof.losses,
            "ties": proof.ties,
            "right": proof.right,
            "p_value": proof.p_value,
            "right_low": proof.right_low,
            "reasons": [f"It answers as {proof.version} does, which was verified."],
            "opened_at": now,
            "decided_at": now,
        },
    )
    return True


def _watched(report: Report, now: datetime) -> None:
    """Reopen what turned wrong, on what serves or on a candidate; else count it as one more green."""
    serving = serving_version(report.campaign)
    red = CaseCheck.objects.filter(
        case__in=ReportCase.objects.filter(report=report).values("case"),
        case__active=True,
        candidate_right=False,
        champion_right=True,
        learned=False,
        gate__created_at__gt=report.since,
    )
    if any(one.broken for one in red):
        reopen(report, reason=Reason.RED_AGAIN, now=now)
        return
    if (
        serving is None
        or report.links.filter(kind=Kind.VERSION, ref=f"green {serving.pk}").exists()
    ):
        return
    told = cases_of(report, version=serving)
    if any(not right for _case, _said, right in told):
        reopen(report, reason=Reason.RED_AGAIN, now=now)
        return
    ReportLink.objects.get_or_create(
        report=report,
        kind=Kind.VERSION,
        ref=f"green {serving.pk}",
        defaults={"attempt": report.attempts, "at": now},
    )


_CARE: dict[str, Callable[[Report, datetime], None]] = {
    State.CONFIRMED: _confirmed,
    State.COLLECTING: _collecting,
    State.TRAINING: _training,
    State.VERIFYING: _verifying,
    State.FIX_PENDING_RELEASE: _pending,
    State.RELEASED: _watched,
    State.CLOSED_FIXED: _watched,
}
# Where what was reported is what a generator wrote.
WRITTEN: dict[str, Callable[[Report, datetime], None]] = {
    State.TRAINING: report_writing.training,
    State.VERIFYING: report_writing.verifying,
    State.FIX_PENDING_RELEASE: report_writing.pending,
    State.RELEASED: report_writing.watched,
    State.CLOSED_FIXED: report_writing.watched,
}
