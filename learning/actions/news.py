"""News of rounds and of what serves, for webhooks."""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Max, Q

from annotation.actions.news import MOST, moment_of, number_of
from annotation.actions.webhooks import News, Piece
from annotation.models import Campaign
from learning.models import Deployment, Round


def _newest_opening(campaign: Campaign) -> int:
    return int(Round.objects.filter(campaign=campaign).aggregate(last=Max("pk"))["last"] or 0)


def _openings(campaign: Campaign, last: int, since: datetime, until: datetime) -> Iterable[Piece]:
    rows = Round.objects.filter(
        Q(pk__gt=last) | Q(opened_at__gt=since), campaign=campaign, opened_at__lte=until
    )
    for one in rows.select_related("version").order_by("pk")[:MOST]:
        told = {"round": one.number, "version": one.version.number, "strategy": one.strategy}
        yield Piece(one.pk, one.opened_at, told)


def _newest_end(campaign: Campaign) -> int:
    rows = Round.objects.filter(campaign=campaign)
    return number_of(rows.aggregate(at=Max("closed_at"))["at"])


def _ends(campaign: Campaign, last: int, since: datetime, until: datetime) -> Iterable[Piece]:
    rows = Round.objects.filter(
        campaign=campaign, closed_at__gt=min(moment_of(last), since), closed_at__lte=until
    )
    for one in rows.order_by("closed_at")[:MOST]:
        told = {"round": one.number, "status": one.status, "note": one.note}
        yield Piece(number_of(one.closed_at), one.closed_at or until, told)


def _newest_move(campaign: Campaign) -> int:
    return int(Deployment.objects.filter(campaign=campaign).aggregate(last=Max("pk"))["last"] or 0)


def _moves(campaign: Campaign, last: int, since: datetime, until: datetime) -> Iterable[Piece]:
    rows = Deployment.objects.filter(
        Q(pk__gt=last) | Q(created_at__gt=since), campaign=campaign, created_at__lte=until
    )
    for one in rows.select_related("version").order_by("pk")[:MOST]:
        told = {"version": one.version.number, "digest": one.version.digest, "why": one.kind}
        yield Piece(one.pk, one.created_at, told)


NEWS = (
    News("round.opened", _newest_opening, _openings),
    News("round.ended", _newest_end, _ends),
    News("version.serves", _newest_move, _moves),
)
