"""Letters about a report: what is new, in the words of whoever made it, and nothing of its text."""

from collections import defaultdict
from datetime import datetime, timedelta

from django.conf import settings
from django.core.mail import EmailMessage
from django.urls import reverse
from django.utils import translation
from django.utils.translation import get_supported_language_variant
from django.utils.translation import gettext as _

from annotation.actions.outbox import MailAwayError, drop, hand_over, mail_server
from annotation.actions.reports.sealed import follow_token, unseal
from annotation.models import Report, ReportContact, ReportLetter, ReportState
from annotation.models.reports import Reason

State = ReportLetter.State
# One a day at most; what comes between waits and goes along with the next.
BETWEEN = timedelta(days=1)


def send_report_letters(now: datetime) -> int:
    """Send what waits, one letter a report and day at most; return how many went out.

    Several steps between two letters make one: the newest is told, the others are dropped. While
    the mail server is away nothing is claimed, and all of it waits.
    """
    waiting = _waiting(now)
    if not waiting:
        return 0
    sent = 0
    try:
        with mail_server() as server:
            for rows in waiting.values():
                newest, older = rows[-1], rows[:-1]
                for row in older:
                    drop(row)
                message = _compose(newest)
                state = (
                    drop(newest)
                    if message is None
                    else hand_over(newest, message, server=server, now=now)
                )
                sent += state == State.SENT
    except MailAwayError as error:
        ReportLetter.objects.filter(state=State.WAITING).update(error=str(error)[:300])
        raise
    return sent


def _waiting(now: datetime) -> dict[int, list[ReportLetter]]:
    lately = ReportLetter.objects.filter(
        state__in=(State.SENT, State.CLAIMED), claimed_at__gt=now - BETWEEN
    )
    rows = ReportLetter.objects.filter(state=State.WAITING).exclude(
        report__in=lately.values("report")
    )
    found: dict[int, list[ReportLetter]] = defaultdict(list)
    for row in rows.select_related("report", "event").order_by("pk"):
        found[row.report_id].append(row)
    return found


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


def _compose(letter: ReportLetter) -> EmailMessage | None:
    contact = ReportContact.objects.filter(report=letter.report).first()
    address = unseal(contact.sealed) if contact else ""
    if not address:
        return None
    tag = interface_of(letter.report)
    with translation.override(tag):
        event = letter.event
        lines = [
            _("Your report: %(state)s") % {"state": ReportState(event.to_state).label},
            str(Reason(event.reason).label) if event.reason else "",
            _("Everything about it, and how to take it back:"),
            follow_address(letter.report),
        ]
        return EmailMessage(
            subject=str(_("News of your report")),
            body="\n\n".join(line for line in lines if line),
            to=[address],
            headers={"Auto-Submitted": "auto-generated", "Content-Language": tag},
        )
