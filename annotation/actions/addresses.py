"""Addresses: asked by one letter whether letters are wanted there, before any other goes."""

from datetime import datetime, timedelta

from django.conf import settings
from django.core import signing
from django.core.mail import EmailMessage
from django.db import transaction
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from annotation.actions.letters import checked, interface_of, keep_address
from annotation.actions.outbox import MailAwayError, drop, hand_over, mail_server
from annotation.models import AddressQuestion, User

SALT = "vernacular.letters.yes"
YES_LASTS = timedelta(days=7)
State = AddressQuestion.State


@transaction.atomic
def ask_at(user: User, *, address: str) -> AddressQuestion | None:
    """Put the question whether letters are wanted at an address into the outbox.

    Until it says yes none go there, and the old address holds. Nothing if there is nothing to
    ask; the same again while it waits is one question, another address takes its place.
    """
    address = checked(address)
    User.objects.select_for_update().get(pk=user.pk)
    waiting = user.address_questions.filter(state=State.WAITING)
    waiting.exclude(address=address).update(state=State.DROPPED)
    if address in ("", user.letters_to):
        keep_address(user, address=address)
        return None
    return user.address_questions.get_or_create(state=State.WAITING, address=address)[0]


def send_questions(now: datetime) -> int:
    """Send every question that waits, each once; return how many went out.

    While the mail server is away nothing is claimed, all of it waits, and says why. What is older
    than the yes would be is forgotten with the address: nobody who said nothing is kept.
    """
    AddressQuestion.objects.filter(created_at__lt=now - YES_LASTS).delete()
    waiting = AddressQuestion.objects.filter(state=State.WAITING)
    if not waiting.exists():
        return 0
    try:
        with mail_server() as server:
            states = [
                hand_over(row, _compose(row), server=server, now=now)
                if row.user.is_active
                else drop(row)
                for row in waiting.select_related("user")
            ]
    except MailAwayError as error:
        waiting.update(error=str(error)[:300])
        raise
    return states.count(State.SENT)


def said_yes(token: str) -> tuple[User, str] | None:
    """Who asked for letters, and where; nothing if it was not made here or is too old."""
    try:
        pk, address = signing.loads(token, salt=SALT, max_age=YES_LASTS)
    except signing.BadSignature:
        return None
    user = User.objects.filter(pk=pk, is_active=True).first()
    return (user, address) if user else None


def open_question(user: User) -> AddressQuestion | None:
    """What was asked last and is not answered yet, however far it came; for its asker to see."""
    newest = user.address_questions.exclude(state=State.DROPPED).first()
    return newest if newest and newest.address != user.letters_to else None


def _compose(question: AddressQuestion) -> EmailMessage:
    """Write it in the asker's language, with nothing that they wrote: addresses can be anybody's."""
    tag = interface_of(question.user)
    token = signing.dumps([question.user.pk, question.address], salt=SALT)
    with translation.override(tag):
        return EmailMessage(
            subject=_("Do you want a letter a week?"),
            body=_(
                "Somebody gave this address to get a letter a week about the work on their"
                " language. If that was you, open this page and say yes:\n\n%(address)s\n\n"
                "If not, do nothing: no more comes."
            )
            % {"address": settings.ENV.web_url.rstrip("/") + reverse("letters_yes", args=[token])},
            to=[question.address],
            headers={"Auto-Submitted": "auto-generated", "Content-Language": tag},
        )
