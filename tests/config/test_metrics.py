"""What the service tells whoever watches over it: numbers, for who may read them, with one id."""

import json
import re
import time
from datetime import timedelta
from pathlib import Path
from threading import Event

import pytest
import redis
import structlog
import yaml
from celery import Celery
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.utils import timezone

from annotation import tasks
from annotation.models import Annotation, CampaignLanguage
from config.env import ROOT
from config.gpu_use import ask_gpus, tell, told_lately
from config.metrics import may_read
from config.request_ids import HEADER, SENT, RequestIds
from tests.make import make_annotator, make_campaign, make_item, make_sample
from training.actions.gauges import first_since, gauges

WATCH = ROOT / "docker/watch"


def numbers(text: str) -> dict[str, float]:
    """What a scrape says, by name and labels."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def answered(days_ago: int, number: int, *, tag: str = "wo") -> None:
    campaign = make_campaign(languages=(tag,), slug=f"c{tag}{number}")
    item = make_item(make_sample(campaign, tag))
    one = Annotation.objects.create(
        item=item,
        annotator=make_annotator(f"awa{number}", tag),
        desk_annotation_id=number,
        state="answered",
        label=campaign.labels.first(),
    )
    Annotation.objects.filter(pk=one.pk).update(
        created_at=timezone.now() - timedelta(days=days_ago)
    )


@pytest.mark.django_db
def test_labels_of_today_are_counted_by_language_and_those_of_before_are_not() -> None:
    for number, days in enumerate((9, 5, 1), start=1):
        answered(days, number)
    answered(0, 4)
    answered(0, 5, tag="qu")
    told = {gauge.name: dict(gauge.rows) for gauge in gauges(timezone.now())}
    assert told["labels_today"] == {("cwo4", "wo"): 1.0, ("cqu5", "qu"): 1.0}


@pytest.mark.django_db
def test_the_first_answer_of_a_day_is_found_among_many_without_a_look_at_each(
    django_assert_max_num_queries: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = make_campaign(languages=("wo",))
    item, awa = make_item(make_sample(campaign)), make_annotator()
    now = timezone.now()
    Annotation.objects.bulk_create(
        Annotation(pk=n, item=item, annotator=awa, desk_annotation_id=n, state="skipped")
        for n in range(1, 4001)
    )
    Annotation.objects.filter(pk__lt=3500).update(created_at=now - timedelta(days=2))
    with django_assert_max_num_queries(16):  # type: ignore[operator]
        found = first_since(now - timedelta(days=1))
    assert 2499 <= found <= 3500


@pytest.mark.django_db
def test_sweep_lag_is_told_for_running_campaigns_only() -> None:
    for slug, status in (("on", "running"), ("off", "paused")):
        campaign = make_campaign(languages=("wo",), slug=slug, status=status)
        CampaignLanguage.objects.filter(campaign=campaign).update(
            desk_project_id=len(slug), swept_at=timezone.now() - timedelta(seconds=90)
        )
    told = {gauge.name: dict(gauge.rows) for gauge in gauges(timezone.now())}
    lag = told["sweep_lag_seconds"]
    assert list(lag) == [("on", "wo")]
    assert 90 <= lag["on", "wo"] < 100


@pytest.mark.django_db
@pytest.mark.redis
def test_a_scrape_tells_how_long_messages_wait_and_how_busy_the_gpu_is(
    client: Client, redis_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = settings.ENV.model_copy(update={"redis_url": redis_server})
    monkeypatch.setattr(settings, "ENV", env)
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho '0, 37, 1024, 81559'\necho '1, [N/A], 0, 81559'\n")
    program.chmod(0o755)
    broker = redis.Redis.from_url(redis_server)
    broker.flushall()
    for age in (5, 60):  # new messages come in at the left
        broker.rpush("gpu", json.dumps({"headers": {SENT: time.time() - age}}))
    tell(ask_gpus(str(program)), broker=broker)
    assert broker.ttl(next(iter(broker.scan_iter("vernacular:gpu:*")))) > 0
    told = numbers(client.get("/metrics").content.decode())
    host = told_lately(broker)[0].host
    broker.flushall()
    assert told['vernacular_queue_messages{queue="gpu"}'] == 2
    assert 60 <= told['vernacular_queue_age_seconds{queue="gpu"}'] < 90
    assert told[f'vernacular_gpu_busy_ratio{{gpu="0",host="{host}"}}'] == 0.37
    assert told[f'vernacular_gpu_memory_used_bytes{{gpu="0",host="{host}"}}'] == 2**30
    assert not any('gpu="1"' in name for name in told)
    assert told["vernacular_redis_up"] == told["vernacular_database_up"] == 1


@pytest.mark.django_db
def test_with_redis_away_the_database_is_still_told_of(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = settings.ENV.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})
    monkeypatch.setattr(settings, "ENV", env)
    told = numbers(client.get("/metrics").content.decode())
    assert told["vernacular_redis_up"] == 0
    assert told["vernacular_database_up"] == 1
    assert told['vernacular_part_health{part="redis"}'] == 0


@pytest.mark.parametrize(
    ("token", "headers", "opens"),
    [
        ("", {}, True),
        ("", {"REMOTE_ADDR": ""}, True),
        ("", {"REMOTE_ADDR": "10.1.2.3"}, False),
        ("", {"HTTP_X_FORWARDED_FOR": "127.0.0.1"}, False),
        ("", {"HTTP_FORWARDED": "for=127.0.0.1"}, False),
        ("s3cret", {}, False),
        ("s3cret", {"HTTP_AUTHORIZATION": "Bearer s3cres"}, False),
        ("s3cret", {"HTTP_AUTHORIZATION": "Bearer s3cret", "REMOTE_ADDR": "10.1.2.3"}, True),
    ],
)
def test_metrics_are_for_this_machine_or_for_who_has_the_token(
    token: str, headers: dict[str, str], opens: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = settings.ENV.model_copy(update={"metrics_token": token})
    monkeypatch.setattr(settings, "ENV", env)
    assert may_read(RequestFactory().get("/metrics", **headers)) is opens


@pytest.mark.django_db
def test_every_number_that_dashboard_and_alerts_ask_for_is_told() -> None:
    told = {f"vernacular_{gauge.name}" for gauge in gauges(timezone.now())}
    source = (ROOT / "config/metrics.py").read_text()
    told |= {f"vernacular_{name}" for name in re.findall(r'Gauge\("(\w+)"', source)}
    told |= {"vernacular_database_up", "vernacular_redis_up"}
    board = json.loads((WATCH / "dashboard.json").read_text())
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    asked = [target["expr"] for panel in panels for target in panel["targets"]]
    rules = yaml.safe_load((WATCH / "alerts.yaml").read_text())["groups"]
    alerts = [rule for group in rules for rule in group["rules"]]
    assert all(rule["annotations"]["remedy"] for rule in alerts)
    asked += [rule["expr"] for rule in alerts]
    names = {name for one in asked for name in re.findall(r"vernacular_\w+", one)}
    assert names <= told
    wanted = ("queue_age", "labels_today", "sweep_lag", "gate_verdicts", "gpu_busy")
    assert [one for one in wanted if not any(one in name for name in names)] == []


def test_an_id_that_comes_along_is_kept_and_a_strange_one_is_not() -> None:
    seen: list[object] = []

    def page(request: HttpRequest) -> HttpResponse:
        seen.append(structlog.contextvars.get_contextvars()["request_id"])
        return HttpResponse()

    ask = RequestIds(page)
    kept = ask(RequestFactory().get("/", HTTP_X_REQUEST_ID="proxy-4711-abc"))
    made = ask(RequestFactory().get("/", HTTP_X_REQUEST_ID="two\nlines of somebody's"))
    assert kept[HEADER] == seen[0] == "proxy-4711-abc"
    assert made[HEADER] == seen[1]
    assert len(made[HEADER]) == 36
    assert "request_id" not in structlog.contextvars.get_contextvars()


@pytest.mark.redis
def test_the_id_of_a_request_and_the_time_travel_with_its_tasks(redis_server: str) -> None:
    broker = redis.Redis.from_url(redis_server)
    address = redis_server.replace("unix://", "redis+socket://", 1)
    app = Celery("other", broker=address, set_as_current=False)

    def page(_request: HttpRequest) -> HttpResponse:
        app.send_task("nothing", queue="traced")
        return HttpResponse()

    RequestIds(page)(RequestFactory().get("/", HTTP_X_REQUEST_ID="proxy-4711-abc"))
    headers = json.loads(broker.lindex("traced", -1))["headers"]
    broker.delete("traced")
    assert headers["__django_structlog__"]["request_id"] == "proxy-4711-abc"
    assert abs(headers[SENT] - time.time()) < 60


def test_every_answer_of_the_service_bears_its_id(client: Client) -> None:
    answer = client.get("/healthz", headers={HEADER: "proxy-4711-abc"})
    assert answer[HEADER] == "proxy-4711-abc"


def test_a_sweep_that_a_request_asks_for_aside_bears_the_id_of_the_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[object] = []
    told = Event()

    def remember(_home: int) -> None:
        sent.append(structlog.contextvars.get_contextvars().get("request_id"))
        told.set()

    def page(_request: HttpRequest) -> HttpResponse:
        tasks.sweep_soon(7)
        return HttpResponse()

    monkeypatch.setattr(tasks, "ask_for_sweep", remember)
    RequestIds(page)(RequestFactory().get("/", HTTP_X_REQUEST_ID="proxy-4711-abc"))
    assert told.wait(30)
    assert sent == ["proxy-4711-abc"]
