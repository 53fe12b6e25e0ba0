"""Gauges: how the work goes, in numbers for whoever watches over the service from outside.

Asked of the database when somebody looks, so that any number of processes tell the same. Each look
touches what is open or of today, never the whole of what people answered.
"""

import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, time
from pathlib import Path

from django.conf import settings
from django.db.models import Count, F, Max, Min

from annotation.actions.health import Health
from annotation.models import (
    Annotation,
    CampaignLanguage,
    Item,
    QuarantinedAnswer,
    SampleImport,
)
from learning.models import Deployment, Round
from training.actions.health import report
from training.models import GateRun, TrainingRun

HEALTH = {Health.GOOD: 1.0, Health.WARN: 0.5, Health.BAD: 0.0}
HOME = ("campaign", "language")
WHERE = ("campaign_language__campaign__slug", "campaign_language__language__tag")


@dataclass(frozen=True)
class Gauge:
    """One thing that is measured: its name, what it means, and a number for each set of labels."""

    name: str
    meaning: str
    labels: tuple[str, ...]
    rows: Sequence[tuple[tuple[str, ...], float]]


def gauges(now: datetime) -> list[Gauge]:
    """Everything that the database tells."""
    return [one(now) for one in GAUGES]


def _parts(now: datetime) -> Gauge:
    rows = [((_plain(part.name),), HEALTH[part.health]) for part in report(now)]
    return Gauge("part_health", "1 well, 0.5 to be looked at, 0 out of order.", ("part",), rows)


def _plain(name: str) -> str:
    return name.lower().replace(" ", "_")


def _answers(now: datetime) -> Gauge:
    """Count the labels since midnight UTC, per language, without a look at older ones."""
    midnight = datetime.combine(now.astimezone(UTC).date(), time(), UTC)
    today = Annotation.objects.answered().filter(
        pk__gte=first_since(midnight), created_at__gte=midnight
    )
    where = [f"item__{one}" for one in WHERE]
    counted = today.order_by().values_list(*where).annotate(Count("pk"))
    rows = [((slug, tag), float(count)) for slug, tag, count in counted]
    return Gauge("labels_today", "Labels given since midnight UTC.", HOME, rows)


def first_since(moment: datetime) -> int:
    """The smallest id that an answer of that moment or later can have, found by bisection.

    Ids grow with time but for what was written at the same moment, so some before are looked at.
    """
    span = Annotation.objects.aggregate(low=Min("pk"), high=Max("pk"))
    low, high = span["low"] or 0, (span["high"] or 0) + 1
    while low < high:
        middle = (low + high) // 2
        found = Annotation.objects.filter(pk__gte=middle).order_by("pk")
        one = found.values_list("created_at", flat=True).first()
        if one is None or one >= moment:
            high = middle
        else:
            low = middle + 1
    return max(0, low - 1000)


def _sweeps(now: datetime) -> Gauge:
    homes = CampaignLanguage.objects.filter(
        active=True, campaign__status="running", desk_project_id__isnull=False
    )
    told = homes.values_list("campaign__slug", "language__tag", "swept_at", "campaign__created_at")
    rows = [
        ((slug, tag), (now - (swept or made)).total_seconds()) for slug, tag, swept, made in told
    ]
    return Gauge("sweep_lag_seconds", "Since answers were last fetched from the desk.", HOME, rows)


def _items(now: datetime) -> Gauge:
    counted = Item.objects.open().order_by().values_list(*WHERE, "state").annotate(Count("pk"))
    rows = [((slug, tag, state), float(count)) for slug, tag, state, count in counted]
    return Gauge("open_items", "Texts that wait for an answer.", (*HOME, "state"), rows)


def _oldest_items(now: datetime) -> Gauge:
    oldest = Item.objects.open().order_by().values_list(*WHERE).annotate(Min("created_at"))
    rows = [((slug, tag), (now - made).total_seconds()) for slug, tag, made in oldest]
    return Gauge("oldest_item_seconds", "Age of the text that has waited longest.", HOME, rows)


def _rounds(now: datetime) -> Gauge:
    open_rounds = Round.objects.open().filter(campaign__status="running")
    told = open_rounds.values_list("campaign__slug", "status", "opened_at")
    rows = [((slug, status), (now - opened).total_seconds()) for slug, status, opened in told]
    return Gauge("round_age_seconds", "Since the open round began.", ("campaign", "status"), rows)


def _runs(now: datetime) -> Gauge:
    counted = TrainingRun.objects.order_by().values_list("campaign__slug", "status")
    rows = [((slug, status), float(n)) for slug, status, n in counted.annotate(Count("pk"))]
    return Gauge(
        "training_runs", "Training runs by where they stand.", ("campaign", "status"), rows
    )


def _verdicts(now: datetime) -> Gauge:
    counted = GateRun.objects.order_by().values_list("run__campaign__slug", "verdict")
    rows = [((slug, verdict), float(n)) for slug, verdict, n in counted.annotate(Count("pk"))]
    return Gauge("gate_verdicts", "What gates said so far.", ("campaign", "verdict"), rows)


def _last_gates(now: datetime) -> Gauge:
    last = GateRun.objects.order_by().values_list("run__campaign__slug").annotate(Max("created_at"))
    rows = [((slug,), (now - made).total_seconds()) for slug, made in last]
    return Gauge("last_gate_seconds", "Since a gate last judged.", ("campaign",), rows)


def _serving(now: datetime) -> Gauge:
    moves = Deployment.objects.order_by().annotate(last=Max("campaign__deployments__number"))
    newest = moves.filter(number=F("last")).values_list("campaign__slug", "version__number")
    rows = [((slug,), float(number)) for slug, number in newest]
    return Gauge("serving_version", "Number of the version that serves.", ("campaign",), rows)


def _imports(now: datetime) -> Gauge:
    active = (SampleImport.Status.QUEUED, SampleImport.Status.RUNNING)
    waiting = SampleImport.objects.filter(status__in=active).order_by().values_list("status")
    rows = [((status,), float(n)) for status, n in waiting.annotate(Count("pk"))]
    return Gauge("imports", "Files that are read or wait to be.", ("status",), rows)


def _quarantine(now: datetime) -> Gauge:
    waiting = QuarantinedAnswer.objects.filter(resolved_at=None).order_by().values_list(*WHERE)
    rows = [((slug, tag), float(count)) for slug, tag, count in waiting.annotate(Count("pk"))]
    return Gauge("quarantined_answers", "Answers that fit nothing and wait.", HOME, rows)


def _disk(now: datetime) -> Gauge:
    folder = Path(settings.VAR_DIR)
    while not folder.exists():
        folder = folder.parent
    rows = [((), float(shutil.disk_usage(folder).free))]
    return Gauge("disk_free_bytes", "Room left where everything is written.", (), rows)


def _backup(now: datetime) -> Gauge:
    """Tell the age of the newest backup; nothing where none was ever taken."""
    rows: list[tuple[tuple[str, ...], float]] = []
    with suppress(OSError, ValueError, KeyError):
        told = json.loads((Path(settings.VAR_DIR) / "backup.json").read_text())
        rows = [((), (now - datetime.fromisoformat(told["made_at"])).total_seconds())]
    return Gauge("backup_age_seconds", "Since the newest backup was taken.", (), rows)


GAUGES: Sequence[Callable[[datetime], Gauge]] = (
    _parts,
    _answers,
    _sweeps,
    _items,
    _oldest_items,
    _rounds,
    _runs,
    _verdicts,
    _last_gates,
    _serving,
    _imports,
    _quarantine,
    _disk,
    _backup,
)
