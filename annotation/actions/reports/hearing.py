"""How whoever reported hears of it: where, how often, at what hours, and a way out by one tap."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.core import signing
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from annotation.actions.letters import checked
from annotation.actions.reports.sealed import seal, unseal
from annotation.errors import InvalidInputError
from annotation.models import Report, ReportContact, ReportLetter, ReportState, ReportWish
from annotation.models.reports import CLOSED

SALT = "vernacular.reports.way_out"
Pace = ReportWish.Pace
BETWEEN = {Pace.STEP: timedelta(0), Pace.DAILY: timedelta(days=1), Pace.WEEKLY: timedelta(days=7)}
# What clocks of the world show beside UTC, in minutes.
OFFSETS = tuple(
    sorted(
        {60 * hours for hours in range(-12, 15)}
        | {-570, -210, 210, 270, 330, 345, 390, 525, 570, 630, 765}
    )
)
KEPT_AFTER = timedelta(days=90)


def between(wish: ReportWish) -> timedelta:
    """Return how long there is no second letter."""
    return BETWEEN[Pace(wish.pace)]


def is_quiet(wish: ReportWish, *, now: datetime) -> bool:
    """Tell whether it is an hour at which somebody does not want to be told anything."""
    local = timezone.localtime(now)
    if wish.offset is not None:
        local = now.astimezone(timezone.get_fixed_timezone(wish.offset))
    start, end = wish.quiet_from, wish.quiet_until
    if start <= end:
        return start <= local.hour < end
    return local.hour >= start or local.hour < end


@transaction.atomic
def wish_for(
    report: Report,
    *,
    address: str,
    pace: str,
    offset: int | None,
    quiet: tuple[int, int],
    now: datetime,
) -> ReportWish:
    """Keep how somebody wants to hear of a report; an empty address leaves the one that is there."""
    held = Report.objects.select_for_update(no_key=True).get(pk=report.pk)
    address = checked(address)
    if held.state == ReportState.WITHDRAWN:
        raise InvalidInputError(_("It was taken back."))
    fits = pace in Pace.values and (offset is None or offset in OFFSETS)
    if not fits or not all(0 <= hour < 24 for hour in quiet):
        raise InvalidInputError(_("Choose how often and at what hours you want to hear of it."))
    if address:
        expires = now + KEPT_AFTER if held.state in CLOSED else None
        ReportContact.objects.update_or_create(
            report=held, defaults={"sealed": seal(address), "expires_at": expires}
        )
    start, end = quiet
    told = {"pace": pace, "offset": offset, "quiet_from": start, "quiet_until": end}
    return ReportWish.objects.update_or_create(report=held, defaults=told)[0]


def address_of(report: Report) -> str:
    """Return where letters about a report go, for whoever has its link: half of it is hidden."""
    contact = ReportContact.objects.filter(report=report).first()
    name, at, place = (unseal(contact.sealed) if contact else "").partition("@")
    return f"{name[:1]}…{at}{place}" if at else ""


@transaction.atomic
def stop(reports: Iterable[Report]) -> int:
    """Write no more about reports: their address is erased, and what waits is not sent."""
    pks = [one.pk for one in reports]
    waiting = ReportLetter.objects.filter(report__in=pks, state=ReportLetter.State.WAITING)
    waiting.update(state=ReportLetter.State.DROPPED)
    return ReportContact.objects.filter(report__in=pks).delete()[0]


def way_out(reports: Iterable[Report]) -> str:
    """Return the whole address that ends letters about some reports; it never runs out."""
    token = signing.dumps([one.uid.hex for one in reports], salt=SALT, compress=True)
    return settings.ENV.web_url.rstrip("/") + reverse("report_letters_stop", args=[token])


def reports_of(token: str) -> list[Report]:
    """Return which reports a way out belongs to; none if it was not made here."""
    try:
        uids = signing.loads(token, salt=SALT)
    except signing.BadSignature:
        return []
    return list(Report.objects.filter(uid__in=uids))
