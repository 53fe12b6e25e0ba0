"""The outbox: how a letter that waits is handed to the mail server, once, whoever asks again."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from smtplib import SMTPDataError, SMTPRecipientsRefused, SMTPSenderRefused

from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction
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
    return hand_over_together([row], message, server=server, now=now)


def hand_over_together(
    rows: Sequence[Outgoing], message: EmailMessage, *, server: BaseEmailBackend, now: datetime
) -> str:
    """Claim all that one letter tells, or nothing of it, and hand it over as ``hand_over`` does."""
    row, pks = rows[0], [one.pk for one in rows]
    kept = type(row)._default_manager.filter(pk__in=pks)
    with transaction.atomic():
        waiting = kept.filter(state=State.WAITING)
        if waiting.update(state=State.CLAIMED, claimed_at=now) != len(pks):
            transaction.set_rollback(True)  # another worker tells a part of it
            return ""
    ours = kept.filter(state=State.CLAIMED)
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
