"""What ``doctor`` finds, and that each finding says what to do."""

import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from annotation.actions import health
from annotation.gateways import messages
from annotation.models import Heartbeat
from config import inspecting, telemetry
from config.env import Env
from config.inspecting import (
    Finding,
    look_at_backups,
    look_at_broker,
    look_at_settings,
    look_at_telemetry,
    look_at_weights,
    look_at_work,
)
from learning.models import Deployment, ModelVersion
from tests.make import make_campaign


def known(monkeypatch: pytest.MonkeyPatch, **given: object) -> None:
    monkeypatch.setattr(inspecting, "env", lambda: Env(**given))
    monkeypatch.setattr(telemetry, "env", lambda: Env(**given))


def remedies(monkeypatch: pytest.MonkeyPatch, **given: object) -> str:
    known(monkeypatch, **given)
    return " ".join(finding.remedy for finding in look_at_settings())


def test_settings_for_one_machine_are_well(monkeypatch: pytest.MonkeyPatch) -> None:
    assert remedies(monkeypatch, web_url="http://127.0.0.1:8100", debug=True) == ""


@pytest.mark.parametrize(
    ("given", "remedy"),
    [
        ({"web_url": "http://awa.example"}, "TLS"),
        ({"debug": True, "trusted_proxies": 1}, "VERNACULAR_DEBUG"),
        ({}, "VERNACULAR_TRUSTED_PROXIES"),
        ({"trusted_proxies": 1, "label_studio_url": "https://awa.example:8443"}, "host name"),
        ({"trusted_proxies": 1, "label_studio_url": "https://desk.awa.example"}, ""),
    ],
)
def test_settings_that_others_could_misuse_are_found(
    given: dict[str, object], remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = remedies(monkeypatch, **{"web_url": "https://awa.example", **given})
    assert remedy in told
    assert bool(told) is bool(remedy)


@pytest.mark.django_db
def test_a_version_that_serves_without_its_weights_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "WEIGHTS_DIR", tmp_path)
    campaign = make_campaign(slug="mood")
    version = ModelVersion.objects.create(campaign=campaign, number=1, digest="ab", path="ab/abc")
    Deployment.objects.create(campaign=campaign, number=1, version=version, kind="initial")
    assert "rollback mood" in next(look_at_weights()).remedy
    (tmp_path / "ab/abc").mkdir(parents=True)
    assert [finding.remedy for finding in look_at_weights()] == [""]


@pytest.mark.django_db
def test_a_silent_worker_is_found_while_the_service_runs_and_not_when_it_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Heartbeat.objects.create(name=health.GPU_QUEUE, seen_at=timezone.now())
    known(monkeypatch, var_dir=tmp_path)
    assert list(look_at_work()) == []
    known(monkeypatch, var_dir=tmp_path, redis_url="redis://elsewhere")
    found = {finding.what: finding.remedy for finding in look_at_work()}
    assert "celery" in found["Worker of queue io"]
    assert "Worker of queue gpu" not in found


def test_an_old_backup_is_found_where_others_rely_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(web_url: str) -> str:
        known(monkeypatch, var_dir=tmp_path, web_url=web_url)
        return next(look_at_backups()).remedy

    assert "backup FOLDER" in told("https://awa.example")
    assert told("http://127.0.0.1:8100") == ""
    (tmp_path / "backup.json").write_text("{}")
    assert told("https://awa.example") == ""
    os.utime(tmp_path / "backup.json", (0, 0))
    assert "backup FOLDER" in told("https://awa.example")


def test_a_broker_that_does_not_let_us_in_is_found_and_its_password_not_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known(monkeypatch)
    assert list(look_at_broker()) == []
    known(monkeypatch, broker_url="amqp://us:hidden@127.0.0.1:9//")
    (found,) = look_at_broker()
    assert "VERNACULAR_BROKER_URL" in found.remedy
    assert ("hidden" in str(found), "127.0.0.1:9" in found.found) == (False, True)
    known(monkeypatch, broker_url="ampq://us:hidden@mq//")
    assert "VERNACULAR_BROKER_URL" in next(look_at_broker()).remedy
    monkeypatch.setattr(messages, "waiting", lambda _url, queues: dict.fromkeys(queues, 2))
    (found,) = look_at_broker()
    assert (found.remedy, "6 messages" in found.found) == ("", True)


@pytest.fixture
def collector() -> Iterator[str]:
    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            kind = self.headers["Content-Type"] == "application/x-protobuf"
            self.send_response(200 if kind and self.path == "/v1/traces" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def told(monkeypatch: pytest.MonkeyPatch, **given: object) -> list[Finding]:
    known(monkeypatch, **given)
    return list(look_at_telemetry())


def test_a_collector_that_takes_no_traces_is_found(
    collector: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert told(monkeypatch) == []
    assert [one.remedy for one in told(monkeypatch, trace_to=f"{collector}/v1/traces")] == [""]
    for wrong in (f"{collector}/", "http://127.0.0.1:9/v1/traces", "collector:4318"):
        (found,) = told(monkeypatch, trace_to=wrong)
        assert "VERNACULAR_TRACE_TO" in found.remedy


@pytest.mark.parametrize(
    "dsn", ["nonsense", "https://host/7", "https://key@host/", "https://key@host:x/7"]
)
def test_an_address_of_sentry_that_is_none_is_found_and_starts_nothing(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [one.remedy for one in told(monkeypatch, sentry_dsn="https://key@host/7")] == [""]
    (found,) = told(monkeypatch, sentry_dsn=dsn)
    assert "https://KEY@HOST/NUMBER" in found.remedy
    with pytest.raises(ImproperlyConfigured, match="KEY@HOST"):
        telemetry.start_if_wanted()


def test_what_is_not_installed_is_told_by_doctor_which_starts_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    (found,) = told(monkeypatch, sentry_dsn="https://key@host/7")
    assert "setup --telemetry" in found.remedy
    monkeypatch.setattr("sys.argv", ["manage.py", "doctor"])
    telemetry.start_if_wanted()


def test_an_address_that_cannot_be_read_stops_nothing_and_tells_no_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = told(monkeypatch, trace_to="http://user:s3cret@collector/v1/traces")
    assert any(one.remedy for one in found)
    assert "s3cret" not in f"{found}"
