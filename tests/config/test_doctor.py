"""What ``doctor`` finds, and that each finding says what to do."""

import os
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone

from annotation.actions import health
from annotation.models import Heartbeat
from config import inspecting
from config.env import Env
from config.inspecting import (
    look_at_backups,
    look_at_settings,
    look_at_weights,
    look_at_work,
)
from learning.models import Deployment, ModelVersion
from tests.make import make_campaign


def known(monkeypatch: pytest.MonkeyPatch, **given: object) -> None:
    monkeypatch.setattr(inspecting, "env", lambda: Env(**given))


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
