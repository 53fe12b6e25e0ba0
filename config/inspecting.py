"""What ``doctor`` finds beyond whether everything is there: what is set, stored and stuck."""

import http.client
import ipaddress
import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings
from django.db import DatabaseError, connection

from config.env import Env, env
from config.running import announced
from config.services import without_password

CLOCKS_APART_S = 2.0
OLD_BACKUP_DAYS = 2
PATIENCE_S = 3


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; without a remedy it is well."""

    what: str
    found: str
    remedy: str = ""


def look_at_settings() -> Iterator[Finding]:
    """Settings that fit each other, for pages that others than this machine can reach."""
    known = env()
    host = urlsplit(known.web_url).hostname or ""
    if _is_here(host):
        yield Finding("Settings", f"pages for this machine only ({known.web_url})")
        return
    wrong = list(_wrong_in_public(known))
    yield from wrong
    if not wrong:
        yield Finding("Settings", f"fit for pages at {known.web_url}")


def _wrong_in_public(known: Env) -> Iterator[Finding]:
    secure = known.web_url.startswith("https://")
    if not secure:
        remedy = "Put a proxy with TLS before them, and set VERNACULAR_WEB_URL to https://…"
        yield Finding("Settings", "passwords and links travel where others can read them", remedy)
    if known.debug:
        remedy = "Unset VERNACULAR_DEBUG."
        yield Finding("Settings", "debug pages show strangers how the service is made", remedy)
    if secure and not known.trusted_proxies:
        remedy = "Set VERNACULAR_TRUSTED_PROXIES to how many proxies of yours stand before them."
        yield Finding("Settings", "everybody counts as the proxy when wrong links are", remedy)
    desk = urlsplit(known.label_studio_url).hostname or ""
    if desk == urlsplit(known.web_url).hostname:
        remedy = "Give Label Studio a host name of its own: cookies do not know ports."
        yield Finding("Settings", f"pages and Label Studio share the host {desk}", remedy)


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def look_at_files() -> Iterator[Finding]:
    """Everything in the folder that is written to can be written by whoever runs the service."""
    var = env().var_dir
    if not var.exists():
        return
    foreign = [path for path in sorted(var.iterdir()) if not os.access(path, os.W_OK)]
    if foreign:
        names = ", ".join(path.name for path in foreign[:5])
        remedy = f"Somebody else ran it once. As root: chown -R {os.geteuid()} {var}"
        yield Finding("Files", f"cannot be written: {names}", remedy)
    else:
        yield Finding("Files", f"all of {var} can be written")


def look_at_clock() -> Iterator[Finding]:
    """The database's clock and ours: leases and links go by both."""
    if connection.vendor != "postgresql":
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
            apart = abs(float(cursor.fetchone()[0]) - time.time())
    except DatabaseError:
        return  # said where the database is looked at
    remedy = "Let both machines keep time (chrony, systemd-timesyncd)."
    far = apart > CLOCKS_APART_S
    yield Finding("Clock", f"{apart:.1f} s from the database's", remedy if far else "")


def look_at_weights() -> Iterator[Finding]:
    """What each campaign serves is there; that every bit is right, `check_weights` tells."""
    from annotation.models import Campaign
    from learning.actions.serving import serving_version

    if settings.WEIGHTS_BUCKET:
        yield Finding("Weights", f"in {settings.WEIGHTS_BUCKET}; `check_weights` asks it")
        return
    try:
        serving = [(one, serving_version(one)) for one in Campaign.objects.all()]
    except DatabaseError:
        return
    for campaign, version in serving:
        if version is not None and not (settings.WEIGHTS_DIR / version.path).is_dir():
            remedy = (
                f"Restore {settings.WEIGHTS_DIR} from a backup, or:"
                f" python3 manage.py rollback {campaign.slug} --reason …"
            )
            yield Finding("Weights", f"{campaign.slug}: {version} is not there", remedy)
            break
    else:
        yield Finding("Weights", f"{sum(v is not None for _, v in serving)} versions serve")


def look_at_backups() -> Iterator[Finding]:
    """Whether there is a backup that is not old, where others than this machine rely on it."""
    mark = env().var_dir / "backup.json"
    remedy = "Run it nightly: python3 manage.py backup FOLDER --keep 14"
    public = not _is_here(urlsplit(env().web_url).hostname or "")
    if not mark.exists():
        yield Finding("Backup", "none was ever taken", remedy if public else "")
        return
    days = (time.time() - mark.stat().st_mtime) / 86_400
    old = public and days > OLD_BACKUP_DAYS
    yield Finding("Backup", f"the newest is {days:.1f} days old", remedy if old else "")


def look_at_broker() -> Iterator[Finding]:
    """RabbitMQ, where it carries the messages: it must let us in; Redis is looked at beside it."""
    url = env().broker_url
    if not url:
        return
    from annotation.errors import TransientError
    from annotation.gateways import messages

    remedy = "Start it, or correct VERNACULAR_BROKER_URL (amqp://user:password@host//)."
    try:
        waiting = sum(messages.waiting(url, ["default", "io", "gpu"]).values())
    except (TransientError, ValueError, LookupError) as error:
        found = without_password(str(error)) or type(error).__name__
        yield Finding("Broker", f"{found} ({without_password(url)})", remedy)
    else:
        yield Finding("Broker", f"answers at {without_password(url)}; {waiting} messages wait")


def look_at_telemetry() -> Iterator[Finding]:
    """Where traces and crashes are to go, if anywhere: with a library, to an address that takes them."""
    from config import telemetry

    ill = list(telemetry.wrong())
    yield from (Finding("Telemetry", found, f"Do: {remedy}") for found, remedy in ill)
    if env().trace_to:
        yield _collector(env().trace_to)
    if env().sentry_dsn and not any("SENTRY" in found for found, _ in ill):
        yield Finding("Crashes", f"go to {without_password(env().sentry_dsn)}")


def _collector(url: str) -> Finding:
    """A collector takes a message that holds no trace at all."""
    shown, told = without_password(url), {"Content-Type": "application/x-protobuf"}
    remedy = "Start it, or correct VERNACULAR_TRACE_TO (http://collector:4318/v1/traces)."
    try:
        asked = urllib.request.Request(url, data=b"", headers=told)  # noqa: S310 - as it was set
        with urllib.request.urlopen(asked, timeout=PATIENCE_S) as answer:  # noqa: S310
            return Finding("Traces", f"{shown} takes them ({answer.status})")
    except urllib.error.HTTPError as error:
        return Finding("Traces", f"{shown} answers {error.code}", remedy)
    except (OSError, ValueError, http.client.HTTPException) as error:
        # By its kind alone: what some of them say is a piece of the address, with its password.
        return Finding("Traces", f"{shown}: {type(error).__name__}", remedy)


def look_at_work() -> Iterator[Finding]:
    """While the service runs: each part that is silent, each round and file that stands still."""
    if not announced(env().var_dir / "up.lock") and not env().redis_url:
        return
    from django.utils import timezone

    from annotation.actions.health import Health
    from training.actions.health import report

    try:
        ill = [part for part in report(timezone.now()) if part.health is not Health.GOOD]
    except DatabaseError:
        return
    for part in ill:
        yield Finding(part.name, part.detail, part.remedy or "Look at the page Health.")
    if not ill:
        yield Finding("Work", "every part is at work, and nothing stands still")
