"""``/metrics``: how the service goes, as Prometheus reads it.

One collector asks the database and Redis whenever it is looked at: nothing is counted in a process,
so any number of them tell the same and a restart loses nothing.
"""

import hmac
import json
import time
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from typing import Any

import redis
from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder

from annotation.actions.health import QUEUES, waiting_messages
from annotation.errors import TransientError
from config.gpu_use import told_lately
from config.request_ids import SENT
from training.actions.gauges import Gauge, gauges

PREFIX = "vernacular_"


class ServiceCollector:
    """Everything that is told of the service as a whole."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Ask the database, then Redis; whichever is away is said to be, the other still tells."""
        yield from _told("database", _of_the_database)
        yield from _told("redis", _of_redis)

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing beforehand: to be registered must not cost a look at the database."""
        return []


def _told(part: str, look: Any) -> Iterator[GaugeMetricFamily]:
    up = GaugeMetricFamily(f"{PREFIX}{part}_up", f"Whether {part} answered just now.")
    try:
        found = list(look())
    except (DatabaseError, redis.RedisError, TransientError, OSError):
        found = []
        up.add_metric([], 0)
    else:
        up.add_metric([], 1)
    yield up
    for gauge in found:
        family = GaugeMetricFamily(PREFIX + gauge.name, gauge.meaning, labels=gauge.labels)
        for labels, number in gauge.rows:
            family.add_metric(labels, number)
        yield family


def _of_the_database() -> Iterable[Gauge]:
    return gauges(timezone.now())


def _of_redis() -> Iterator[Gauge]:
    url = settings.ENV.redis_url
    if not url:
        raise redis.ConnectionError("no address is set")
    with redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2) as broker:
        waiting = [((queue,), float(count)) for queue, count in waiting_messages(broker).items()]
        yield Gauge("queue_messages", "Messages that no worker took yet.", ("queue",), waiting)
        if not settings.ENV.broker_url:  # in RabbitMQ nobody but a worker looks into a message
            ages = [((queue,), _age(broker.lindex(queue, -1))) for queue in QUEUES]
            yield Gauge("queue_age_seconds", "Age of the oldest of them.", ("queue",), ages)
        uses, at = told_lately(broker), ("host", "gpu")
        busy = [((use.host, use.gpu), use.busy) for use in uses]
        used = [((use.host, use.gpu), use.used_bytes) for use in uses]
        total = [((use.host, use.gpu), use.total_bytes) for use in uses]
        yield Gauge("gpu_busy_ratio", "Share of the time that a GPU computed.", at, busy)
        yield Gauge("gpu_memory_used_bytes", "Memory of a GPU in use.", at, used)
        yield Gauge("gpu_memory_bytes", "Memory of a GPU.", at, total)


def _age(message: bytes | None) -> float:
    """Seconds since a message was sent; the oldest lies at the right end of its list."""
    if message is None:
        return 0.0
    sent = json.loads(message).get("headers", {}).get(SENT)
    return max(0.0, time.time() - sent) if sent else 0.0


def may_read(request: HttpRequest) -> bool:
    """Whoever has the token; without one set, who asks from this machine and through no proxy."""
    token = settings.ENV.metrics_token
    if token:
        told = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return hmac.compare_digest(told.encode(), token.encode())
    if "X-Forwarded-For" in request.headers or "Forwarded" in request.headers:
        return False
    try:
        # A socket of this machine has no address at all.
        return ip_address(request.META.get("REMOTE_ADDR") or "127.0.0.1").is_loopback
    except ValueError:
        return False


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """All numbers, for who may read them."""
    if not may_read(request):
        said = "Only this machine may ask, or set VERNACULAR_METRICS_TOKEN and send it as a bearer."
        return HttpResponse(said, status=403, content_type="text/plain")
    registry = CollectorRegistry(auto_describe=False)
    registry.register(ServiceCollector())
    ProcessCollector(registry=registry)
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return HttpResponse(encode(registry), content_type=content_type)
