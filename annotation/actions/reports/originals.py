"""Originals: what was told before private data was taken out, for two people who both ask."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from annotation.actions.reports.sealed import TEXTS, unseal
from annotation.actions.reports.transitions import StepError
from annotation.models import Report, ReportOriginal, User


@dataclass(frozen=True)
class Original:
    """Whether there is one, who asked, and its text once two have."""

    exists: bool
    asked_by: User | None = None
    texts: tuple[str, ...] = ()


def standing(report: Report, *, user: User, now: datetime) -> Original:
    """Return what somebody may see of a report's original now: only the two who asked see it."""
    row = ReportOriginal.objects.filter(report=report, expires_at__gt=now).first()
    if row is None:
        return Original(exists=False)
    opened = row.agreed_by_id is not None and user.pk in (row.asked_by_id, row.agreed_by_id)
    texts = tuple(unseal(row.sealed).split("\n\x1e\n"))[: len(TEXTS)] if opened else ()
    return Original(exists=True, asked_by=row.asked_by, texts=texts)


@transaction.atomic
def ask_for(report: Report, *, user: User, now: datetime) -> ReportOriginal:
    """Ask to read an original, or agree to who asked; never both by one person."""
    row = ReportOriginal.objects.select_for_update().filter(report=report).first()
    if row is None or row.expires_at <= now:
        raise StepError(_("There is no original, or not any more."))
    if report.user_id == user.pk:
        raise StepError(_("This report is yours: somebody else decides it."))
    if row.asked_by is None:
        row.asked_by = user
    elif row.asked_by != user and row.agreed_by is None:
        row.agreed_by = user
    row.save(update_fields=["asked_by", "agreed_by"])
    return row
