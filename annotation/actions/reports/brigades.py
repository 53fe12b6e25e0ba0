"""Brigades: newcomers who say nearly the same within an hour raise no priority, until people say they may."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from annotation.actions.reports.transitions import StepError
from annotation.actions.reports.weighing import weigh
from annotation.methods.grams import Grams
from annotation.models import Report, ReportBrigade, User

# So many different clients; more where nobody asks for an answer, for then nobody gains by it.
MANY, MANY_WITHOUT_WISH = 3, 5
WITHIN = timedelta(hours=1)
# Cosine of runs of letters from which words are nearly the same, and how many are compared.
NEARLY, COMPARED = 0.8, 300


@transaction.atomic
def look_for_brigade(report: Report, *, now: datetime) -> ReportBrigade | None:
    """Freeze the priority of newcomers who say nearly the same, and ask for the same, within an hour.

    None of those is looked at again of whom somebody said that they are no brigade.
    """
    if report.user_id is not None or not _words(report):
        return None
    near = _nearly_same(report, now=now)
    clients = {one.client for one in near} | {report.client}
    if len(clients - {""}) < (MANY if report.expected_text else MANY_WITHOUT_WISH):
        return None
    together = [report, *near]
    # In one order, whoever else looks: nobody waits in a ring.
    rows = Report.objects.filter(pk__in=[one.pk for one in together]).order_by("pk")
    list(rows.select_for_update(no_key=True).values_list("pk", flat=True))
    found = ReportBrigade.objects.filter(reports__in=together).distinct().order_by("pk").first()
    if found is not None and found.undone_at is not None:
        return None
    if found is None:
        found = ReportBrigade.objects.create(campaign=report.campaign, found_at=now)
    found.reports.add(*together)
    rows.update(frozen=True)
    report.frozen = True
    return found


def _nearly_same(report: Report, *, now: datetime) -> list[Report]:
    """Return the other newcomers' reports of the hour that are worded like this one."""
    rows: QuerySet[Report] = Report.objects.filter(
        campaign=report.campaign_id,
        language=report.language_id,
        expected_text=report.expected_text,
        received_at__gt=now - WITHIN,
        user=None,
        erased_at=None,
    )
    rows = rows.exclude(pk=report.pk).only("pk", "client", "input_text", "description")
    others = list(rows.order_by("-pk")[:COMPARED])
    cosines = Grams([_words(one) for one in others]).cosines(_words(report))
    return [one for one, cosine in zip(others, cosines, strict=True) if cosine >= NEARLY]


def _words(report: Report) -> str:
    return f"{report.input_text} {report.description}".strip()


@transaction.atomic
def undo_brigade(report: Report, *, user: User, now: datetime) -> ReportBrigade:
    """Say that those are no brigade but people who met the same mistake: they count again."""
    found = (
        ReportBrigade.objects.select_for_update(no_key=True, of=("self",))
        .filter(reports=report, undone_at=None)
        .order_by("pk")
        .first()
    )
    if found is None:
        raise StepError(_("Nobody holds it for a brigade."))
    if report.user_id == user.pk:
        raise StepError(_("This report is yours: somebody else decides it."))
    found.undone_by, found.undone_at = user, now
    found.save(update_fields=["undone_by", "undone_at"])
    targets = {one.duplicate_of_id or one.pk for one in found.reports.all()}
    # All are held in one order, whoever else holds several.
    all_of_it = Q(pk__in=targets) | Q(pk__in=found.reports.values("pk"))
    rows = Report.objects.filter(all_of_it).order_by("pk")
    list(rows.select_for_update(no_key=True).values_list("pk", flat=True))
    # Whoever says so has looked at all of them.
    found.reports.update(frozen=False, unseen_since=None)
    for target in Report.objects.filter(pk__in=targets).order_by("pk"):
        weigh(target)
    return found
