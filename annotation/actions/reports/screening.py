"""Screening: a machine looks first, for private data, junk, the script and what is the same."""

from datetime import datetime

from django.db import transaction

from annotation.actions.reports.brigades import look_for_brigade
from annotation.actions.reports.limits import speaks_against
from annotation.actions.reports.masking import mask_alike, masks_of_the_same
from annotation.actions.reports.merging import merge
from annotation.actions.reports.sealed import ORIGINAL_KEPT, TEXTS, seal
from annotation.actions.reports.table import SYSTEM
from annotation.actions.reports.transitions import StepError, transition
from annotation.methods import junk, private
from annotation.methods.scripts import dominant_script
from annotation.models import Report, ReportArrival, ReportOriginal, ReportState
from annotation.models.reports import OPEN, Reason

State = ReportState
AT_ONCE = 500
# Reasons that say by themselves that somebody's data is in it.
PRIVATE = "private"


def screen(report: Report, *, now: datetime) -> Report:
    """Look at a report and let it into the queue, or before a moderator; safe to run twice."""
    report.refresh_from_db()
    if report.state == State.RECEIVED:
        _note(report, now=now)
    if report.state == State.SCREENED:
        look_for_brigade(report, now=now)
        _sort(report, now=now)
    return report


@transaction.atomic
def _note(report: Report, *, now: datetime) -> None:
    held = Report.objects.select_for_update(no_key=True).get(pk=report.pk)
    if held.state != State.RECEIVED:
        report.refresh_from_db()
        return
    told = "\n".join(getattr(held, name) for name in TEXTS)
    held.flags = private.found(told)
    held.spam = max(junk.junk(getattr(held, name)) for name in TEXTS)
    held.detected_script = dominant_script(held.input_text or held.description)
    if held.language and held.detected_script not in ("Zyyy", held.language.script):
        held.flags.append("script")
    if masks := masks_of_the_same(held):
        held.flags.append("name")
    if held.flags and set(held.flags) != {"script"}:
        _mask(held, now=now)
    held.save(
        update_fields=[*TEXTS, "flags", "spam", "detected_script", "masked"],
    )
    mask_alike(held, masks=masks, now=now)
    transition(held, to=State.SCREENED, actor=SYSTEM, now=now)
    report.refresh_from_db()


def _mask(report: Report, *, now: datetime) -> None:
    """Have everybody work with a masked copy; what was told lies sealed, for two together."""
    whole = "\n\x1e\n".join(getattr(report, name) for name in TEXTS)
    ReportOriginal.objects.get_or_create(
        report=report, defaults={"sealed": seal(whole), "expires_at": now + ORIGINAL_KEPT}
    )
    for name in TEXTS:
        setattr(report, name, private.masked(getattr(report, name)))
    report.masked = True


def _sort(report: Report, *, now: datetime) -> None:
    reason = _suspect(report)
    to = State.QUARANTINED if reason else State.AWAITING_TRIAGE
    try:
        transition(report, to=to, actor=SYSTEM, now=now, reason=reason)
    except StepError:
        report.refresh_from_db()  # another worker has done it
        return
    if not reason:
        merge_identical(report, now=now)


def _suspect(report: Report) -> str:
    if report.masked or PRIVATE in report.reasons:
        return Reason.PRIVATE
    if report.spam >= junk.JUNK:
        return Reason.SUSPECT
    if not report.limited:
        return Reason.NONE
    crowd = ReportArrival.objects.filter(report=report, crowd=True).exists()
    return Reason.CROWD if crowd else Reason.SUSPECT


def let_out(now: datetime) -> int:
    """Let those go on whom only a crowd held back, when it has passed; safe to run twice.

    Nobody has to look at them. Where more speaks against one it waits on, for a moderator.
    """
    held = ReportArrival.objects.filter(crowd=True, report__state=State.QUARANTINED)
    held = held.exclude(report__campaign__public_door__burst_until__gt=now)
    done = 0
    for arrival in held.select_related("report").order_by("pk")[:AT_ONCE]:
        report = arrival.report
        with transaction.atomic():
            arrival.crowd = False
            arrival.save(update_fields=["crowd"])
            if report.frozen or _suspect_but_for_a_crowd(report) or speaks_against(report):
                continue
            transition(report, to=State.AWAITING_TRIAGE, actor=SYSTEM, now=now, reason=Reason.CALM)
        merge_identical(report, now=now)
        done += 1
    return done


def _suspect_but_for_a_crowd(report: Report) -> bool:
    return report.masked or PRIVATE in report.reasons or report.spam >= junk.JUNK


def merge_identical(report: Report, *, now: datetime) -> bool:
    """Put a report to an older one that says the very same of the very same version."""
    older = (
        Report.objects.filter(
            campaign=report.campaign_id,
            language=report.language_id,
            tag=report.tag,
            digest=report.digest,
            version_digest=report.version_digest,
            state__in=OPEN,
            pk__lt=report.pk,
        )
        .exclude(state__in=(State.QUARANTINED, State.RECEIVED, State.SCREENED))
        .order_by("pk")
    )
    for one in older:
        if sorted(one.reasons) == sorted(report.reasons):
            merge(report, into=one, actor=SYSTEM, now=now)
            return True
    return False
