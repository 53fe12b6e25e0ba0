"""Health of the parts that every installation has: database, broker, disk, desk, workers."""

import shutil
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from threading import Event, Lock

import redis
from django.conf import settings
from django.db import Error, OperationalError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from annotation.errors import TransientError
from annotation.gateways import messages
from annotation.models import Heartbeat

TIMETABLE, DESK, OVERLAY, MAIL = "timetable", "desk", "overlay", "mail"
DEFAULT_QUEUE, IO_QUEUE, GPU_QUEUE = QUEUES = "default", "io", "gpu"
GPU_TITLE = gettext_noop("Worker of queue gpu")
LATE_AFTER = timedelta(minutes=2)
LOW_DISK, FULL_DISK = 2_000_000_000, 300_000_000
# Nothing takes a migration back from under a process that runs.
_migrated = Event()
# Anybody may ask how we are, as often as they like; the disk is not written for each of them.
ROOM_FOR_S = 2.0
# A megabyte sorted in less memory than that: the server has to write it to its disk, and leaves nothing
# there, neither in its log nor in its catalogue. It tells how much room is left to nobody who asks by SQL.
SPILL = """
SELECT count(*) FROM (
    SELECT repeat(md5(n::text), 32) COLLATE "C" AS word FROM generate_series(1, 1000) AS n ORDER BY word
) AS sorted
"""


class Health(StrEnum):
    """How a part is."""

    GOOD = "good"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True)
class PartHealth:
    """One part: how it is, in a sentence, and what to do about it."""

    name: str
    health: Health
    detail: str
    remedy: str = ""
    seen_at: datetime | None = None


def beat(name: str, *, now: datetime) -> None:
    """Record that a part was seen alive."""
    Heartbeat.objects.update_or_create(name=name, defaults={"seen_at": now})


def record_failure(name: str, *, error: str, now: datetime) -> None:
    """Record how a part last failed, for people to read; its last sign of life stays."""
    Heartbeat.objects.update_or_create(name=name, defaults={"failed_at": now, "error": error[:500]})


def report(now: datetime) -> list[PartHealth]:
    """Every part of this installation, the most fundamental first."""
    database = check_database()
    if database.health is Health.BAD:
        return [database, check_broker(), check_disk()]
    seen = {row.name: row for row in Heartbeat.objects.all()}
    return [
        database,
        check_broker(),
        _desk(seen.get(DESK), now=now),
        *_overlay(seen.get(OVERLAY)),
        *_mail(seen.get(MAIL)),
        _worker(TIMETABLE, seen.get(TIMETABLE), now=now),
        *(_worker(queue, seen.get(queue), now=now) for queue in QUEUES),
        check_disk(),
    ]


def check_database() -> PartHealth:
    """Ask the database something, and have it write: a full disk still answers."""
    name = gettext_noop("Database")
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        if connection.vendor == "postgresql":
            _room.check()
    except Error as error:
        return PartHealth(
            name, Health.BAD, str(error), _("Is it running, and is the disk not full?")
        )
    return PartHealth(name, Health.GOOD, _("answers (%s)") % connection.display_name)


class _Room:
    """Whether a server could write to its disk a moment ago; one asks it for all of a process."""

    def __init__(self) -> None:
        self.lock, self.until, self.error = Lock(), 0.0, ""

    def check(self) -> None:
        """Have it write a little, unless it was just asked.

        Raises:
            OperationalError: it could not.
        """
        with self.lock:
            if time.monotonic() >= self.until:
                self.error = self._ask()
                self.until = time.monotonic() + ROOM_FOR_S
        if self.error:
            raise OperationalError(self.error)

    def _ask(self) -> str:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SHOW transaction_read_only")
                if cursor.fetchone()[0] == "on":
                    return "It takes no changes: it is read-only."
                cursor.execute("SET LOCAL work_mem = '64kB'")
                cursor.execute(SPILL)
        except Error as error:
            return str(error) or type(error).__name__
        return ""


_room = _Room()


def check_tables() -> PartHealth:
    """Whether the tables are those that this release wants; once they are, they stay so."""
    name = gettext_noop("Tables")
    waiting = 0 if _migrated.is_set() else _migrations_waiting()
    if waiting:
        remedy = _("Run: python3 manage.py migrate")
        return PartHealth(
            name,
            Health.BAD,
            ngettext("%d migration waits", "%d migrations wait", waiting) % waiting,
            remedy,
        )
    _migrated.set()
    return PartHealth(name, Health.GOOD, _("as this release wants them"))


def _migrations_waiting() -> int:
    executor = MigrationExecutor(connection)
    return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def check_desk() -> PartHealth:
    """Whether the desk answered when a worker last spoke to it; nobody is kept waiting for it now."""
    return _desk(Heartbeat.objects.filter(name=DESK).first(), now=timezone.now())


def check_broker() -> PartHealth:
    """Ask Redis for a ping and how much work waits."""
    name = gettext_noop("Redis")
    if not settings.ENV.redis_url:
        return PartHealth(
            name,
            Health.BAD,
            _("no address is set"),
            _("Start the service with: python3 manage.py up"),
        )
    try:
        client = redis.Redis.from_url(
            settings.ENV.redis_url, socket_timeout=2, socket_connect_timeout=2
        )
        with client:
            client.ping()
            waiting = waiting_messages(client)
    except TransientError as error:
        return PartHealth(
            name, Health.BAD, str(error), _("Start RabbitMQ; what waited is found again.")
        )
    except (redis.RedisError, OSError) as error:
        return PartHealth(
            name, Health.BAD, str(error), _("Start Redis; what waited is found again.")
        )
    return PartHealth(
        name,
        Health.GOOD,
        _("answers; waiting: %(default)s default, %(io)s io, %(gpu)s gpu") % waiting,
    )


def waiting_messages(client: "redis.Redis") -> dict[str, int]:
    """How many messages nobody took yet, by queue."""
    if settings.ENV.broker_url:
        return messages.waiting(settings.ENV.broker_url, QUEUES)
    return {queue: client.llen(queue) for queue in QUEUES}


def check_disk() -> PartHealth:
    """How much room is left where everything is written."""
    name = gettext_noop("Disk")
    folder = Path(settings.VAR_DIR)
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    detail = _("%(free).1f GB free") % {"free": free / 1e9}
    if free < FULL_DISK:
        return PartHealth(name, Health.BAD, detail, _("Make room: nothing can be stored soon."))
    if free < LOW_DISK:
        return PartHealth(name, Health.WARN, detail, _("Make room before the next training."))
    return PartHealth(name, Health.GOOD, detail)


def _desk(beat_: Heartbeat | None, *, now: datetime) -> PartHealth:
    name = gettext_noop("Label Studio")
    if beat_ is None or (beat_.seen_at is None and beat_.failed_at is None):
        return PartHealth(name, Health.WARN, _("not asked yet"))
    failed_last = beat_.failed_at and (beat_.seen_at is None or beat_.failed_at > beat_.seen_at)
    if failed_last:
        remedy = _("Answers given there are not lost: they are fetched when it is back.")
        return PartHealth(name, Health.BAD, beat_.error, remedy, beat_.seen_at)
    detail = _("answers")
    if beat_.failed_at and now - beat_.failed_at < timedelta(days=1):
        detail = _("answers; last error: %s") % beat_.error
    return PartHealth(name, Health.GOOD, detail, "", beat_.seen_at)


def _overlay(beat_: Heartbeat | None) -> list[PartHealth]:
    """Whether Label Studio lets people in by our links; nothing before it was first asked."""
    name = gettext_noop("Way into Label Studio")
    if beat_ is None:
        return []
    if beat_.failed_at and (beat_.seen_at is None or beat_.failed_at > beat_.seen_at):
        remedy = _("Until then people sign in there with a password, and see all of it.")
        return [PartHealth(name, Health.WARN, beat_.error, remedy, beat_.seen_at)]
    return [PartHealth(name, Health.GOOD, _("open by signed links"), "", beat_.seen_at)]


def _mail(beat_: Heartbeat | None) -> list[PartHealth]:
    """Whether the mail server takes letters; nothing before there was one to send."""
    name = gettext_noop("Mail server")
    if beat_ is None:
        return []
    if beat_.failed_at and (beat_.seen_at is None or beat_.failed_at > beat_.seen_at):
        remedy = _(
            "Letters wait and are tried again by themselves. If it goes on: are mail_host,"
            " mail_port and mail_security in the settings right?"
        )
        return [PartHealth(name, Health.BAD, beat_.error, remedy, beat_.seen_at)]
    return [PartHealth(name, Health.GOOD, _("answers"), "", beat_.seen_at)]


def _worker(name: str, beat_: Heartbeat | None, *, now: datetime) -> PartHealth:
    title = {
        TIMETABLE: gettext_noop("Timetable"),
        DEFAULT_QUEUE: gettext_noop("Worker of queue default"),
        IO_QUEUE: gettext_noop("Worker of queue io"),
        GPU_QUEUE: GPU_TITLE,
    }[name]
    if beat_ is None or beat_.seen_at is None:
        return PartHealth(title, Health.BAD, _("never seen"), _remedy(name))
    # A clock that was ahead writes signs of life that say nothing of now.
    if abs(now - beat_.seen_at) > LATE_AFTER:
        return PartHealth(title, Health.BAD, _("silent"), _remedy(name), beat_.seen_at)
    return PartHealth(title, Health.GOOD, _("at work"), "", beat_.seen_at)


def _remedy(name: str) -> str:
    if name == TIMETABLE:
        return _("Start it (celery beat); the worker of queue default must run too.")
    return _("Start a worker: celery -A config worker -Q %s") % name
