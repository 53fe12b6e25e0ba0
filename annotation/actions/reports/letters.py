"""Letters about reports: what is new, in the words and at the hours of whoever made them.

Nothing of a report's text is in them. What one person told in several reports comes in one letter.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import Max
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import get_supported_language_variant, ngettext
from django.utils.translation import gettext as _

from annotation.actions.outbox import MailAwayError, drop, hand_over_together, mail_server
from annotation.actions.reports.hearing import between, is_quiet, way_out
from annotation.actions.reports.sealed import follow_token, unseal
from annotation.models import Report, ReportContact, ReportLetter, ReportState, ReportWish
from annotation.models.reports import Reason

State = ReportLetter.State


def send_report_letters(now: datetime) -> int:
    """Send what waits, as often and at such hours as its reader wishes; return how many went out.

    Several steps between two letters make one: the newest is told, the others are dropped. While
    the mail server is away nothing is claimed, and all of it waits.
    """
    due = _due(now)
    if not due:
        return 0
    sent = 0
    try:
        with mail_server() as server:
            for address, rows in due:
                message = _compose(rows, address=address)
                sent += hand_over_together(rows, message, server=server, now=now) == State.SENT
    except MailAwayError as error:
        ReportLetter.objects.filter(state=State.WAITING).update(error=str(error)[:300])
        raise
    return sent


def _due(now: datetime) -> list[tuple[str, list[ReportLetter]]]:
    """Return by address what is to be told there now: of each report the newest step alone."""
    newest: dict[int, ReportLetter] = {}
    waiting = ReportLetter.objects.filter(state=State.WAITING).order_by("pk")
    for row in waiting.select_related("report", "event"):
        if row.report_id in newest:
            drop(newest[row.report_id])
        newest[row.report_id] = row
    told = _told(newest)
    wishes = {one.report_id: one for one in ReportWish.objects.filter(report__in=newest)}
    contacts = {one.report_id: one for one in ReportContact.objects.filter(report__in=newest)}
    found: dict[tuple[str, str], list[ReportLetter]] = defaultdict(list)
    for pk, row in newest.items():
        wish = wishes.get(pk) or ReportWish()
        address = unseal(contacts[pk].sealed) if pk in contacts else ""
        if not address:
            drop(row)
        elif _may_go(row, wish, last=told.get(pk), now=now):
            found[address, interface_of(row.report)].append(row)
    return [(address, rows) for (address, _tag), rows in found.items()]


def _may_go(row: ReportLetter, wish: ReportWish, *, last: datetime | None, now: datetime) -> bool:
    # Whoever has told something a moment ago is awake, and waits for the link.
    if row.event.to_state == ReportState.RECEIVED:
        return True
    rested = last is None or last <= now - between(wish)
    return rested and not is_quiet(wish, now=now)


def _told(reports: Sequence[int] | dict[int, ReportLetter]) -> dict[int, datetime]:
    """Return when the last letter about each report went out; one that only may have counts, too."""
    gone = ReportLetter.objects.filter(report__in=reports, state__in=(State.SENT, State.CLAIMED))
    rows = gone.order_by().values_list("report").annotate(Max("claimed_at"))
    return {pk: at for pk, at in rows if at is not None}


def follow_address(report: Report) -> str:
    """Return the whole address by which whoever reported follows it."""
    path = reverse("report_follow", args=[follow_token(report.uid.hex)])
    return settings.ENV.web_url.rstrip("/") + path


def interface_of(report: Report) -> str:
    """Return the language of the pages that whoever reported reads, as near as there is one."""
    try:
        return get_supported_language_variant(report.interface)
    except LookupError:
        return str(settings.LANGUAGE_CODE)


def news_of(row: ReportLetter) -> list[str]:
    """Return what is new with a report, in sentences of the language that is spoken now."""
    event = row.event
    told = _("Your report of %(day)s: %(state)s") % {
        "day": translation_date(row.report.received_at),
        "state": ReportState(event.to_state).label,
    }
    reason = str(Reason(event.reason).label) if event.reason else ""
    return [line for line in (told, reason, follow_address(row.report)) if line]


def translation_date(moment: datetime) -> str:
    """Return a day as the language that is spoken now writes it."""
    from django.utils.formats import date_format

    return date_format(timezone.localtime(moment), "DATE_FORMAT")


def _compose(rows: Sequence[ReportLetter], *, address: str) -> EmailMessage:
    reports = [row.report for row in rows]
    tag, out = interface_of(reports[0]), way_out(reports)
    with translation.override(tag):
        lines = [line for row in rows for line in news_of(row)]
        lines += [
            _("Under a report's address you see everything about it, say how often you want to"
              " hear of it, and take it back."),
            _("No more letters about this:"),
            out,
        ]  # fmt: skip
        return EmailMessage(
            subject=ngettext("News of your report", "News of your reports", len(rows)),
            body="\n\n".join(lines),
            to=[address],
            headers={
                "Auto-Submitted": "auto-generated",
                "Content-Language": tag,
                "List-Unsubscribe": f"<{out}>",
                "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            },
        )
