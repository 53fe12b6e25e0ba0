"""News of gates, for webhooks; and all there is to be told, put together."""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Max, Q

from annotation.actions.news import MOST
from annotation.actions.news import NEWS as OF_PEOPLE
from annotation.actions.webhooks import News, Piece
from annotation.models import Campaign
from learning.actions.news import NEWS as OF_ROUNDS
from training.models import GateRun


def _newest_verdict(campaign: Campaign) -> int:
    rows = GateRun.objects.filter(run__campaign=campaign)
    return int(rows.aggregate(last=Max("pk"))["last"] or 0)


def _verdicts(campaign: Campaign, last: int, since: datetime, until: datetime) -> Iterable[Piece]:
    rows = GateRun.objects.filter(
        Q(pk__gt=last) | Q(created_at__gt=since), run__campaign=campaign, created_at__lte=until
    )
    for one in rows.select_related("candidate", "champion").order_by("pk")[:MOST]:
        told = {
            "run": one.run_id,
            "look": one.look,
            "verdict": one.verdict,
            "candidate": one.candidate.number,
            "champion": one.champion.number,
        }
        yield Piece(one.pk, one.created_at, told)


NEWS = (*OF_PEOPLE, *OF_ROUNDS, News("gate.decided", _newest_verdict, _verdicts))
