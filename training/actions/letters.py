"""Weekly letters: what the group did, what the language gained, what waits. One a week, or none.

The row is the outbox: one for each person and week, claimed before it is handed to the mail
server. A worker that dies between the two leaves it claimed, and it is never sent again, since
nobody can know whether it went out.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.db.models import Exists, OuterRef
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from annotation.actions.hours import work_done
from annotation.actions.letters import interface_of, may_write_to, way_out
from annotation.actions.outbox import MailAwayError, drop, hand_over, mail_server
from annotation.actions.progress import monday_of
from annotation.actions.reservations import waiting_for
from annotation.actions.welcome import Place, places_of
from annotation.models import Campaign, Consent, User
from training.actions.thanks import gains_of, words_of
from training.models import Letter

logger = logging.getLogger(__name__)

WEEK = timedelta(days=7)
# Where the installation is, nobody's telephone rings earlier or later because of us.
FIRST_HOUR, LAST_HOUR = time(8), time(20)
State = Letter.State


@dataclass(frozen=True)
class News:
    """What a letter says of one place: the group's week, what the language gained, what waits."""

    place: Place
    items: int
    people: int
    gained: str
    waiting: int


@dataclass(frozen=True)
class Posted:
    """What became of the letters that were due."""

    sent: int = 0
    refused: int = 0
    silent: int = 0


def week_to_tell(now: datetime) -> date:
    """The Monday of the last week that is over where the installation is."""
    return monday_of(now) - WEEK


def may_ring(now: datetime) -> bool:
    """Whether it is an hour at which letters are sent."""
    return FIRST_HOUR <= timezone.localtime(now).time() < LAST_HOUR


def owe_letters(now: datetime) -> int:
    """Write down a letter about last week for everybody who wants one; return how many are new."""
    week = week_to_tell(now)
    agreed = Consent.objects.standing().filter(user=OuterRef("pk"), contact=True)
    there = Letter.objects.filter(user=OuterRef("pk"), week=week)
    readers = User.objects.filter(Exists(agreed), ~Exists(there), is_active=True)
    owed = [Letter(user=user, week=week) for user in readers.exclude(letters_to="")]
    return len(Letter.objects.bulk_create(owed, ignore_conflicts=True))


def send_letters(now: datetime) -> Posted:
    """Send every letter about last week that waits, each once; older ones are left unsent.

    The mail server is reached first: while it is away nothing is claimed, and all of it waits.
    """
    if not may_ring(now):
        return Posted()
    owe_letters(now)
    waiting = Letter.objects.filter(week=week_to_tell(now), state=State.WAITING)
    if not waiting.exists():
        return Posted()
    try:
        with mail_server() as server:
            states = [
                _send(letter, server=server, now=now) for letter in waiting.select_related("user")
            ]
    except MailAwayError as error:
        logger.warning("Letters wait, since the mail server is away: %s", error)
        return Posted()
    return Posted(
        states.count(State.SENT),
        states.count(State.REFUSED),
        states.count(State.NOTHING) + states.count(State.DROPPED),
    )


def news_for(user: User, *, week: date, now: datetime) -> list[News]:
    """Return what there is to tell somebody about a week, a place each."""
    places = places_of(user)
    gains = gains_of([place.home for place in places])
    return [
        _news(place, gained=words_of(gain), week=week, now=now)
        for place, gain in zip(places, gains, strict=True)
    ]


def compose(letter: Letter, *, news: Sequence[News]) -> EmailMessage:
    """Write a letter in its reader's language."""
    user = letter.user
    home = settings.ENV.web_url.rstrip("/")
    tag = interface_of(user)
    with translation.override(tag):
        context = {
            "user": user,
            "news": news,
            "first": letter.week,
            "last": letter.week + WEEK - timedelta(days=1),
            "me": home + reverse("me"),
            "way_out": way_out(user),
        }
        return EmailMessage(
            subject=_("Your languages, last week"),
            body=render_to_string("training/letter.txt", context),
            to=[user.letters_to],
            headers={
                "List-Unsubscribe": f"<{way_out(user)}>",
                "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
                "Auto-Submitted": "auto-generated",
                "Content-Language": tag,
                # The same letter, however it were sent twice, would be known as the same.
                "Message-ID": f"<letter-{letter.pk}@{urlsplit(home).hostname}>",
            },
        )


def _news(place: Place, *, gained: str, week: date, now: datetime) -> News:
    done = work_done(place.home, since=week, until=week + WEEK - timedelta(days=1))
    asks = place.home.campaign.status == Campaign.Status.RUNNING
    return News(
        place=place,
        items=sum(work.items for work in done),
        people=sum(work.items > 0 for work in done),
        gained=gained,
        waiting=waiting_for(place.annotator, home=place.home, now=now) if asks else 0,
    )


def _send(letter: Letter, *, server: BaseEmailBackend, now: datetime) -> str:
    """Claim one letter and hand it over; return what became of it."""
    if not may_write_to(letter.user):
        return drop(letter)
    with translation.override(interface_of(letter.user)):
        news = news_for(letter.user, week=letter.week, now=now)
    if not any(each.items or each.waiting for each in news):
        return drop(letter, State.NOTHING)
    return hand_over(letter, compose(letter, news=news), server=server, now=now)
