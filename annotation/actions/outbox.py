"""The outbox: how a letter that waits is handed to the mail server, once, whoever asks again."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from smtplib import SMTPDataError, SMTPRecipientsRefused, SMTPSenderRefused

from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.utils import timezone

from annotation.actions import health
from annotation.errors import TransientError
from annotation.models import Outgoing

logger = logging.getLogger(__name__)
State = Outgoing.State
# The server said no: to ask again would be the same, and rude.
REFUSALS = (SMTPDataError, SMTPRecipientsRefused, SMTPSenderRefused)


class MailAwayError(TransientError):
    """The mail server does not answer; whatever waits goes on waiting."""

    code = "mail_away"


@contextmanager
def mail_server() -> Iterator[BaseEmailBackend]:
    """Reach the mail server, before anything is claimed; the health page hears how that went."""
    try:
        server = get_connection()
        server.open()
    except OSError as error:
        health.record_failure(health.MAIL, error=str(error), now=timezone.now())
        raise MailAwayError(str(error)) from error
    health.beat(health.MAIL, now=timezone.now())
    try:
        yield server
    finally:
        server.close()


def hand_over(
    row: Outgoing, message: EmailMessage, *, server: BaseEmailBackend, now: datetime
) -> str:
    """Claim a letter and hand it over; return what became of it, nothing where it was taken."""
    rows = type(row)._default_manager
    if not rows.filter(pk=row.pk, state=State.WAITING).update(state=State.CLAIMED, claimed_at=now):
        return ""
    ours = rows.filter(pk=row.pk, state=State.CLAIMED)
    try:
        server.send_messages([message])
    except REFUSALS as error:
        logger.warning("The mail server refused %s %s: %s", row._meta.verbose_name, row.pk, error)
        ours.update(state=State.REFUSED, error=str(error)[:300])
        return State.REFUSED
    except OSError as error:
        # It may have gone out: it stays claimed, with the reason, and is not sent again.
        kind = row._meta.verbose_name
        logger.warning("Nobody knows whether %s %s went out: %s", kind, row.pk, error)
        ours.update(error=str(error)[:300])
        return State.CLAIMED
    ours.update(state=State.SENT, sent_at=now, error="")
    return State.SENT


def drop(row: Outgoing, state: str = State.DROPPED) -> str:
    """Leave a letter that waits unsent, and say why."""
    type(row)._default_manager.filter(pk=row.pk, state=State.WAITING).update(state=state)
    return state
