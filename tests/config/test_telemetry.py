"""Traces and crashes that leave the house: whole where wanted, nothing by default, never a text."""

import gzip
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
import structlog
from celery.app.trace import build_tracer
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path

from annotation.models import Campaign
from annotation.tasks import forget_what_is_over
from config import crashes, telemetry, tracing, urls
from config.celery import app
from config.env import env

WORDS = "Nanga def, Awa"


def ask(_request: HttpRequest, secret: str) -> HttpResponse:
    """Asks the database, and has a worker do something."""
    Campaign.objects.filter(title=secret).exists()
    forget_what_is_over.delay()
    return HttpResponse("yes")


def fail(_request: HttpRequest, secret: str) -> HttpResponse:
    """Breaks on somebody's words, which are in a variable and in what the error says."""
    words = f"broken on {secret}"
    raise ValueError(words)


urlpatterns = [path("ask/<str:secret>/", ask), path("fail/<str:secret>/", fail), *urls.urlpatterns]


@contextmanager
def sink() -> Iterator[tuple[str, list[bytes]]]:
    """A server that takes whatever is sent to it; its address, and what came."""
    came: list[bytes] = []

    class Taker(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            packed = self.headers.get("Content-Encoding") == "gzip"
            came.append(gzip.decompress(body) if packed else body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Taker)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", came
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def _no_message_of_others() -> None:
    with app.connection_for_write() as line:
        line.SimpleQueue("default").clear()


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """Traces are wanted, and come here."""
    with sink() as (address, came):
        monkeypatch.setattr(env(), "trace_to", f"http://{address}/v1/traces")
        tracing.provider.cache_clear()
        yield came
        tracing.provider().shutdown()
        tracing.provider.cache_clear()
        connection.execute_wrappers[:] = [
            one for one in connection.execute_wrappers if one is not tracing.trace_statement
        ]


def spans(came: list[bytes]) -> list[dict[str, Any]]:
    """Every span that came, read as a collector reads it."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    found = []
    for body in came:
        for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for of_scope in of_resource.scope_spans:
                found += [
                    {
                        "name": one.name,
                        "trace": one.trace_id,
                        "id": one.span_id,
                        "parent": one.parent_span_id,
                        **{told.key: told.value.string_value for told in one.attributes},
                    }
                    for one in of_scope.spans
                ]
    return found


def work() -> None:
    """Take the message as a worker does and run its task."""
    with app.connection_for_read() as line:
        message = line.SimpleQueue("default").get(timeout=5)
        message.ack()
    headers = message.headers
    # What was bound for the request is not in a worker.
    structlog.contextvars.clear_contextvars()
    task = app.tasks[headers["task"]]
    build_tracer(task.name, task, app=app)(headers["id"], *message.payload[:2], request=headers)


@pytest.mark.django_db
@pytest.mark.urls("tests.config.test_telemetry")
def test_a_request_its_task_and_what_both_asked_the_database_are_one_trace(
    collector: list[bytes], client: Client
) -> None:
    tracing.watch_statements(connection=connection)
    answer = client.get(f"/ask/{WORDS}/?q={WORDS}", headers={"X-Request-ID": "awa-asked-this"})
    assert answer.status_code == 200
    work()
    tracing.provider().force_flush()
    told = spans(collector)
    assert len({one["trace"] for one in told}) == 1
    by_id = {one["id"]: one for one in told}
    (request,) = [one for one in told if not one["parent"]]
    assert request["name"] == "GET /ask/<str:secret>/"
    (task,) = [one for one in told if one["name"] == forget_what_is_over.name]
    assert by_id[task["parent"]] is request
    asked_by = {by_id[one["parent"]]["name"] for one in told if "db.query.text" in one}
    assert asked_by == {request["name"], task["name"]}
    assert {one["request_id"] for one in (request, task)} == {"awa-asked-this"}
    # Neither the address nor the values of a statement.
    assert not [body for body in collector if b"Nanga" in body]


@pytest.mark.django_db
@pytest.mark.urls("tests.config.test_telemetry")
def test_what_fails_is_told_by_its_kind_and_who_looks_if_we_live_is_not(
    collector: list[bytes], client: Client
) -> None:
    client.raise_request_exception = False
    assert client.get(f"/fail/{WORDS}/").status_code == 500
    client.get("/healthz")
    tracing.provider().force_flush()
    (told,) = spans(collector)
    assert told["name"] == "GET /fail/<str:secret>/"
    assert told["error.type"] == "ValueError"
    assert not [body for body in collector if b"Nanga" in body]


@pytest.mark.django_db
@pytest.mark.urls("tests.config.test_telemetry")
def test_without_a_collector_nothing_is_traced_and_no_message_says_of_it(client: Client) -> None:
    client.get("/ask/x/")
    with app.connection_for_read() as line:
        message = line.SimpleQueue("default").get(timeout=5)
        message.ack()
    assert tracing.CARRIED not in message.headers
    assert tracing.AT_WORK == {}
    assert tracing.trace_statement not in connection.execute_wrappers


def test_a_setting_without_its_library_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(env(), "trace_to", "http://127.0.0.1:9/v1/traces")
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(ImproperlyConfigured, match="setup --telemetry"):
        telemetry.start_if_wanted()


@pytest.fixture
def sentry(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """Crashes are wanted, and come here."""
    import sentry_sdk

    with sink() as (address, came):
        handler = crashes.start(f"http://key@{address}/7")
        yield came
        logging.getLogger().removeHandler(handler)
        sentry_sdk.get_client().close()
        sentry_sdk.get_global_scope().set_client(None)


def events(came: list[bytes]) -> list[dict[str, Any]]:
    """Every event that came: an envelope's lines are headers, and then what it holds."""
    return [json.loads(body.splitlines()[2]) for body in came]


@pytest.mark.urls("tests.config.test_telemetry")
def test_a_crash_is_told_with_file_line_and_request_and_without_anybodys_words(
    sentry: list[bytes], client: Client
) -> None:
    import sentry_sdk

    client.raise_request_exception = False
    answer = client.get(
        f"/fail/{WORDS}/?q={WORDS}",
        headers={"X-Request-ID": "awa-asked-this", "User-Agent": WORDS},
    )
    assert answer.status_code == 500
    sentry_sdk.flush(5)
    (event,) = events(sentry)
    (error,) = event["exception"]["values"]
    assert error["type"] == "ValueError"
    assert error["stacktrace"]["frames"][-1]["function"] == "fail"
    assert event["tags"] == {"request_id": "awa-asked-this"}
    assert b"Nanga" not in sentry[0]
    assert b"127.0.0.1" not in sentry[0].splitlines()[2]


def test_an_error_without_a_cause_goes_by_the_line_that_told_it(sentry: list[bytes]) -> None:
    import sentry_sdk

    logging.getLogger("annotation.actions.somewhere").error("cannot read %s", WORDS)
    logging.getLogger("django.request").error("Service Unavailable: /readyz")
    logging.getLogger("annotation.actions.somewhere").warning("a warning stays: %s", WORDS)
    sentry_sdk.flush(5)
    (event,) = events(sentry)
    assert event["message"].startswith("annotation.actions.somewhere test_an_error_without")
    assert b"Nanga" not in sentry[0]
