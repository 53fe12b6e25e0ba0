"""Label Studio as a process of ours: its clean environment, its data, its template, its checks."""

import fcntl
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from config.installing import LABEL_STUDIO_LOCK, SetupError
from config.supervisor import Process

ROOT = Path(__file__).resolve().parent.parent
OVERLAY = ROOT / "config/desk"
# Label Studio is a Django program too: one stray variable of ours and it reads our settings.
PASSED_ON = ("PATH", "LANG", "LC_ALL", "TMPDIR", "TZ", "SSL_CERT_FILE", "NO_PROXY", "no_proxy")
DATABASE = "label_studio.sqlite3"


@dataclass(frozen=True)
class DeskAccount:
    """The admin through whom we speak to Label Studio, and the key that lets people in."""

    email: str
    password: str
    token: str
    entry_key: str = ""


def version() -> str:
    """The pinned version."""
    lines = (ROOT / LABEL_STUDIO_LOCK).read_text().splitlines()
    return next(
        line.split("==")[1].split()[0] for line in lines if line.startswith("label-studio==")
    )


def label_studio_environment(
    data: Path, *, url: str = "", account: DeskAccount | None = None, home: str = ""
) -> dict[str, str]:
    """Everything that Label Studio may know: no telemetry, no sign-up, nudges to loopback allowed."""
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    own = {
        "HOME": str(data),
        "DJANGO_SETTINGS_MODULE": "desk_settings",
        "PYTHONPATH": str(OVERLAY),
        "LABEL_STUDIO_BASE_DATA_DIR": str(data),
        "LABEL_STUDIO_HOST": url,
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
        "COLLECT_ANALYTICS": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        "LATEST_VERSION_CHECK": "false",
        "DEBUG": "false",
        "TASK_LOCK_TTL": "1800",
        "USE_DEFAULT_BANNED_SUBNETS": "false",
        "USER_ADDITIONAL_BANNED_SUBNETS": "169.254.0.0/16,0.0.0.0/8",
    }
    if account is not None:
        own |= {
            "LABEL_STUDIO_USERNAME": account.email,
            "LABEL_STUDIO_PASSWORD": account.password,
            "LABEL_STUDIO_USER_TOKEN": account.token,
            "VERNACULAR_LABEL_STUDIO_ENTRY_KEY": account.entry_key,
            "VERNACULAR_HOME": home,
        }
    return passed | own


def template_folder() -> Path:
    """Where the migrated, empty data of this version lies."""
    lock = hashlib.sha256((ROOT / LABEL_STUDIO_LOCK).read_bytes()).hexdigest()[:10]
    return ROOT / f".cache/label-studio-{version()}-{lock}"


def make_template() -> Path:
    """Migrate an empty database once; every later start copies it and saves a minute."""
    folder = template_folder()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with Path(f"{folder}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (folder / DATABASE).exists():
            return folder
        fresh = Path(f"{folder}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        _migrate(fresh)
        shutil.rmtree(folder, ignore_errors=True)
        fresh.rename(folder)
    return folder


def prepare_data(data: Path) -> None:
    """Give Label Studio its data folder: a copy of the template, or the old one brought up to date."""
    marker = data / "version"
    wanted = template_folder().name
    if not (data / DATABASE).exists():
        data.mkdir(parents=True, exist_ok=True)
        partial = data / f"{DATABASE}.new"
        shutil.copyfile(make_template() / DATABASE, partial)
        partial.replace(data / DATABASE)
    elif not marker.exists() or marker.read_text() != wanted:
        _migrate(data)
    marker.write_text(wanted)


def _migrate(data: Path) -> None:
    program = ROOT / ".venv-labelstudio/bin/label-studio"
    done = subprocess.run(  # noqa: S603 - our own environment
        [str(program), "init", "--quiet"],
        env=label_studio_environment(data),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode or not (data / DATABASE).exists():
        last = "\n".join(f"    {line}" for line in (done.stdout + done.stderr).splitlines()[-8:])
        raise SetupError(
            f"Label Studio could not prepare its database in {data}.\n{last}",
            remedy="Look for a full disk; else remove .venv-labelstudio and start again.",
        )
    with sqlite3.connect(data / DATABASE) as connection:
        # One file to copy: nothing may be left in the journal beside it.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def label_studio_process(
    data: Path, *, port: int, account: DeskAccount, home: str = "", address: str = ""
) -> Process:
    """Label Studio under gunicorn: some processes, a few threads each, one SQLite file.

    ``home`` is the page of ours to which its people go back, ``address`` where browsers find it
    if a proxy stands before it.
    """
    url = f"http://127.0.0.1:{port}"
    workers = min(4, max(2, os.cpu_count() or 1))
    command = [
        str(ROOT / ".venv-labelstudio/bin/python"),
        *("-m", "gunicorn", "desk_wsgi:application", "--preload"),
        *("--bind", f"127.0.0.1:{port}", "--workers", str(workers), "--threads", "4"),
        *("--timeout", "120", "--graceful-timeout", "3", "--log-level", "warning"),
        *("--name", "label-studio", "--no-control-socket"),
    ]
    return Process(
        name="label-studio",
        command=command,
        environment=label_studio_environment(data, url=address or url, account=account, home=home),
        cwd=data,
        ready=lambda: serves_label_studio(url),
        ready_s=300,
        grace_s=10,
    )


def serves_label_studio(url: str) -> bool:
    """Whether the pinned Label Studio, and nothing else, answers there."""
    return read_release(url) == version()


def read_release(url: str) -> str:
    """The release that a Label Studio says it is; empty when none answers."""
    try:
        with urllib.request.urlopen(f"{url}/api/version", timeout=5) as answer:  # noqa: S310 - http
            told: Mapping[str, object] = json.load(answer)
    except (OSError, ValueError):
        return ""
    return str(told.get("release", ""))
