"""Signing in by password, where too many wrong ones have to wait; and signing out of everywhere."""

from datetime import datetime, timedelta

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session

from annotation.actions.invitations import origin_of
from annotation.models import LinkMiss, User

WINDOW = timedelta(minutes=10)
# From one address, behind which a whole office may sit; for one name, from wherever.
MOST_FROM, MOST_FOR = 30, 15


def must_wait(username: str, *, address: str, now: datetime) -> bool:
    """Whether so many tries have failed that this one is not looked at."""
    since = LinkMiss.objects.filter(created_at__gt=now - WINDOW)
    place, name = _origins(username, address)
    return (
        since.filter(origin=place).count() >= MOST_FROM
        or since.filter(origin=name).count() >= MOST_FOR
    )


def note_failure(username: str, *, address: str, now: datetime) -> None:
    """Count a wrong password; neither name nor address is kept, only keyed digests for a while."""
    LinkMiss.objects.filter(created_at__lte=now - WINDOW).delete()
    LinkMiss.objects.bulk_create(
        LinkMiss(origin=origin, created_at=now) for origin in _origins(username, address)
    )


def sign_out_everywhere(user: User) -> None:
    """End every session of somebody, on whatever device."""
    for session in Session.objects.iterator():
        if session.get_decoded().get(SESSION_KEY) == str(user.pk):
            session.delete()


def _origins(username: str, address: str) -> tuple[str, str]:
    return origin_of(f"sign-in from {address}"), origin_of(f"sign-in as {username.casefold()}")
