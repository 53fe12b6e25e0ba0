"""What docker/ says is what there is: commands, settings, secrets, files; nginx takes its part."""

import re
import runpy
import shlex
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest
import yaml
from django.core.management import call_command, get_commands, load_command_class
from django.core.signals import request_started
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from annotation.actions import health
from config.celery import app
from config.env import ROOT, Env
from config.services import answers_http, free_port
from tests.servers import TEMPLATES, proxy_command

DOCKER = ROOT / "docker"
COMPOSE: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (DOCKER / "Dockerfile").read_text()
OURS = [name for name, one in SERVICES.items() if "build" in one]
FOREIGN = ("postgres", "redis")


def stages() -> dict[str, str]:
    """Every stage of the Dockerfile with all that it is made of, its ancestors' first."""
    found: dict[str, str] = {}
    for part in re.split(r"^(?=FROM )", DOCKERFILE, flags=re.MULTILINE)[1:]:
        base, name = re.match(r"FROM (\S+) AS (\S+)", part).groups()  # type: ignore[union-attr]
        found[name] = found.get(base, "") + part
    return found


def test_every_setting_and_secret_that_a_service_is_given_is_one() -> None:
    known = {f"VERNACULAR_{name.upper()}" for name in Env.model_fields}
    for name in OURS:
        given = set(SERVICES[name].get("environment", {}))
        assert {one for one in given if one.startswith("VERNACULAR_")} <= known, name
    secrets = set(COMPOSE["secrets"])
    assert {one.upper() for one in secrets if one.startswith("vernacular_")} <= known
    used = {one for service in SERVICES.values() for one in service.get("secrets", ())}
    assert used == secrets
    made = runpy.run_path(str(DOCKER / "secret_files.py"))["wanted"]()
    assert set(made) == secrets
    assert made["pages_database_password"] in made["vernacular_database_url"]
    assert made["desk_database_password"] in made["vernacular_label_studio_database_url"]
    assert made["redis_password"] in made["vernacular_redis_url"]


@pytest.mark.parametrize("name", OURS)
def test_every_service_of_ours_is_locked_in_and_looked_after(name: str) -> None:
    service, stage = SERVICES[name], SERVICES[name]["build"]["target"]
    made = stages()["cpu" if "DEVICE" in stage else stage]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.findall(r"^USER (\S+)", made, flags=re.MULTILINE)[-1] in ("app", "nginx")
    # What runs once or sleeps all day has no health of its own.
    looked_at = not service.get("healthcheck", {}).get("disable") and "HEALTHCHECK" in made
    assert looked_at == (name not in ("prepare", "backup"))
    assert "privileged" not in service


def test_every_command_exists_and_every_queue_has_its_worker() -> None:
    queues = {}
    for name in OURS:
        lines = [SERVICES[name].get("command", [])]
        lines.append(SERVICES[name].get("healthcheck", {}).get("test", [])[1:])
        for words in lines:
            if words[:2] == ["python", "manage.py"]:
                command = load_command_class(get_commands()[words[2]], words[2])
                filled = [re.sub(r"\$\{\w+:-(.*)\}", r"\1", word) for word in words[3:]]
                command.create_parser("manage.py", words[2]).parse_args(filled)
            elif words[:1] == ["celery"]:
                assert words[1:3] == ["-A", "config.celery"]
                if "-Q" in words:
                    queues[words[words.index("-Q") + 1]] = name
            elif words:
                assert (ROOT / words[1]).is_file()
    routed = {route["queue"] for route in app.conf.task_routes.values()} | {"default"}
    assert set(queues) == set(health.QUEUES) == routed


def test_what_is_named_exists() -> None:
    for name, service in SERVICES.items():
        assert set(service.get("depends_on", ())) <= set(SERVICES), name
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            if source.startswith("./"):
                assert (DOCKER / source).exists(), volume
            elif not source.startswith("$"):
                assert source in COMPOSE["volumes"], volume
        target = service.get("build", {}).get("target", "")
        assert not target or target in stages() or "DEVICE" in target, name
    for line in re.findall(r"^COPY (?!--from)(.+)", DOCKERFILE, flags=re.MULTILINE):
        for source in shlex.split(line)[:-1]:
            assert source == "." or list(ROOT.glob(source)), line
    ignored = (DOCKER / "Dockerfile.dockerignore").read_text().split()
    assert {"docker/secrets", "docker/tls", "var", ".git"} <= set(ignored)
    assert {"docker/secrets/", "docker/tls/"} <= set((ROOT / ".gitignore").read_text().split())


def test_images_are_named_by_release_and_databases_have_no_way_in() -> None:
    named = re.findall(
        r"docker\.io/\S+?:[\w.-]+", DOCKERFILE + (DOCKER / "compose.yaml").read_text()
    )
    assert len({*named}) == 4
    # Each has a setting that takes it by digest, and one default wherever it stands.
    pinned = runpy.run_path(str(DOCKER / "digests.py"))["images"]()
    assert {f"docker.io/{place}:{tag}" for place, tag in pinned.values()} == {*named}
    assert {f"{name}_IMAGE" for name in ("PYTHON", "NGINX", "POSTGRES", "REDIS")} == {*pinned}
    stages_of = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    foreign = [one for one in stages_of if "$" in one]
    assert {*foreign} == {"${PYTHON_IMAGE}", "${NGINX_IMAGE}"}
    for name in OURS:
        assert {*SERVICES[name]["build"]["args"]} == {"PYTHON_IMAGE", "NGINX_IMAGE"}
    assert not [one for one in named if one.endswith(":latest")]
    for name in FOREIGN:
        assert SERVICES[name]["networks"] == ["inside"]
        assert "ports" not in SERVICES[name]
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["proxy"]


class Registry(BaseHTTPRequestHandler):
    """Tells digests to who has a ticket, and knows nothing of Redis until it is told."""

    known: ClassVar[set[str]] = {"python", "nginx", "postgres"}

    def do_HEAD(self) -> None:
        name = self.path.split("/")[3]
        if self.headers["Authorization"] != "Bearer good":
            self.send_response(401)
            there = f'Bearer realm="http://{self.headers["Host"]}/ticket",service="s",scope="x"'
            self.send_header("WWW-Authenticate", there)
        elif name not in self.known or "index" not in self.headers["Accept"]:
            self.send_response(404)
        else:
            self.send_response(200)
            self.send_header("Docker-Content-Digest", f"sha256:{name.encode().hex():0<64}")
        self.end_headers()

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"token": "good"}')

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_images_are_pinned_all_or_none_and_nothing_else_is_touched(tmp_path: Path) -> None:
    pin = runpy.run_path(str(DOCKER / "digests.py"))["main"]
    file = tmp_path / ".env"
    file.write_text("PAGES_NAME=awa.example\nREDIS_IMAGE=old\n")
    with HTTPServer(("127.0.0.1", 0), Registry) as registry:
        threading.Thread(target=registry.serve_forever, daemon=True).start()
        asked = [f"--registry=http://127.0.0.1:{registry.server_port}", f"--file={file}"]
        with pytest.raises(SystemExit, match="redis:7-bookworm was not found"):
            pin(asked)
        assert "REDIS_IMAGE=old" in file.read_text()
        Registry.known.add("redis")
        pin(asked)
        registry.shutdown()
    told = dict(line.split("=", 1) for line in file.read_text().splitlines())
    assert told.pop("PAGES_NAME") == "awa.example"
    digest = f"sha256:{b'redis'.hex():0<64}"
    assert told["REDIS_IMAGE"] == f"docker.io/library/redis:7-bookworm@{digest}"
    assert len(told) == 4


def test_the_proxy_is_told_every_name_that_its_templates_ask_for() -> None:
    (names,) = re.findall(r'NGINX_ENVSUBST_FILTER="\^\((.+)\)\$"', DOCKERFILE)
    asked = {one for path in TEMPLATES for one in re.findall(r"\$\{(\w+)\}", path.read_text())}
    assert asked == set(names.split("|"))
    stage = stages()["proxy"]
    told = set(re.findall(r"\b([A-Z_]+)=", stage)) | set(SERVICES["proxy"]["environment"])
    assert asked <= told


@pytest.fixture
def proxy(
    nginx: str, live_server: LiveServer, tmp_path: Path
) -> Iterator[tuple[httpx.Client, Path]]:
    """Our proxy file in a real nginx, before our pages; and the folder of its log."""
    ports = free_port(18500), free_port(18600)
    pages = live_server.url.removeprefix("http://").replace("localhost", "127.0.0.1")
    command = proxy_command(
        tmp_path, pages=pages, desk="127.0.0.1:9", name="localhost", ports=ports
    )
    with subprocess.Popen(command) as started:
        try:
            until = time.monotonic() + 30
            while not answers_http(f"http://127.0.0.1:{ports[1]}/alive"):
                assert started.poll() is None, (tmp_path / "error.log").read_text()
                assert time.monotonic() < until
                time.sleep(0.05)
            with httpx.Client(
                base_url=f"https://localhost:{ports[0]}",
                verify=False,  # noqa: S501 - its certificate was made a moment ago
                timeout=60,
            ) as client:
                client.plain = f"http://127.0.0.1:{ports[1]}"  # type: ignore[attr-defined]
                yield client, tmp_path
        finally:
            started.terminate()


@pytest.mark.django_db(transaction=True)
def test_behind_the_proxy_pages_are_safe_and_its_log_keeps_no_secret(
    proxy: tuple[httpx.Client, Path],
) -> None:
    client, folder = proxy
    seen: dict[str, str] = {}

    def remember(environ: dict[str, str], **_: object) -> None:
        seen[environ["PATH_INFO"]] = environ["HTTP_X_FORWARDED_FOR"]

    request_started.connect(remember)
    forged = {"X-Forwarded-For": "6.6.6.6"}
    answer = client.get("/sign-in/?next=/secret-search/", headers=forged)
    assert answer.status_code == 200
    assert answer.headers["Content-Encoding"] == "gzip"
    known = answer.headers["X-Request-ID"]
    assert client.get("/metrics", headers=forged).status_code == 404
    refused = client.get("/api/v1/campaigns")
    assert (refused.status_code, refused.json()["title"]) == (401, "not_signed_in")
    assert client.get("/go/Zm9vYmFyZm9vYmFy/").status_code != 502
    sent_on = httpx.get(f"{client.plain}/me/", follow_redirects=False)  # type: ignore[attr-defined]
    assert (sent_on.status_code, sent_on.headers["Location"]) == (308, "https://127.0.0.1/me/")
    request_started.disconnect(remember)
    assert set(seen.values()) == {"127.0.0.1"}  # what was forged counts for nothing
    assert "/metrics" not in seen
    log = (folder / "access.log").read_text()
    assert known in log
    assert "Zm9v" not in log
    assert "secret-search" not in log


def test_secrets_are_made_once_and_never_half(tmp_path: Path) -> None:
    make = runpy.run_path(str(DOCKER / "secret_files.py"))["make"]
    assert len(make(tmp_path / "s")) == len(COMPOSE["secrets"])
    assert (tmp_path / "s").stat().st_mode & 0o077 == 0
    held = (tmp_path / "s/redis_password").read_text()
    assert make(tmp_path / "s") == []
    assert (tmp_path / "s/redis_password").read_text() == held
    (tmp_path / "s/vernacular_secret_key").unlink()
    with pytest.raises(SystemExit, match="vernacular_secret_key"):
        make(tmp_path / "s")


def test_label_studio_is_told_its_postgresql_from_secret_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runpy.run_path(str(DOCKER / "secret_files.py"))["make"](tmp_path / "s")
    (tmp_path / "s/vernacular_label_studio_database_url").chmod(0o600)
    (tmp_path / "s/vernacular_label_studio_database_url").write_text(
        "postgresql://desk:a%2Fb@postgres:5433/answers\n"
    )
    monkeypatch.setenv("VERNACULAR_SECRETS_DIR", str(tmp_path / "s"))
    monkeypatch.setenv("VERNACULAR_WEB_URL", "https://awa.example")
    monkeypatch.setenv("DESK_PUBLIC_URL", "https://desk.awa.example")
    told = runpy.run_path(str(DOCKER / "desk.py"))["environment"]()
    wanted = {
        "PASSWORD": "a/b",
        "HOST": "postgres",
        "PORT": "5433",
        "NAME": "answers",
        "USER": "desk",
    }
    assert {name: told[f"POSTGRE_{name}"] for name in wanted} == wanted
    assert told["VERNACULAR_LABEL_STUDIO_ENTRY_KEY"]
    assert told["SESSION_COOKIE_SECURE"] == "1"  # Label Studio reads a number
    assert "VERNACULAR_SECRET_KEY" not in told


@pytest.mark.django_db
def test_a_health_check_tells_a_silent_worker_from_one_at_work(
    capsys: pytest.CaptureFixture[str],
) -> None:
    health.beat(health.IO_QUEUE, now=timezone.now())
    for part, code in (("io", 0), ("gpu", 1), ("timetable", 1)):
        with pytest.raises(SystemExit) as told:
            call_command("worker_alive", part)
        assert told.value.code == code
    assert "Worker of queue io" in capsys.readouterr().out
