"""Label Studio in a container: its tables brought up to date, then served, with our overlay.

Secrets come as files in ``/run/secrets``; its database is the PostgreSQL whose address is one of them.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from config.desk_service import (  # noqa: E402 - this file is started by itself
    DeskAccount,
    label_studio_environment,
)

SECRETS = Path(os.environ.get("VERNACULAR_SECRETS_DIR", "/run/secrets"))
DATA = Path(os.environ.get("VERNACULAR_VAR_DIR", "/data"))


def secret(name: str) -> str:
    """What a secret file holds."""
    return (SECRETS / f"vernacular_{name}").read_text().strip()


def environment() -> dict[str, str]:
    """All that Label Studio may know, and where its database is."""
    account = DeskAccount(
        email=os.environ.get("VERNACULAR_LABEL_STUDIO_EMAIL", "admin@vernacular.localhost"),
        password=secret("label_studio_password"),
        token=secret("label_studio_token"),
        entry_key=secret("label_studio_entry_key"),
    )
    url = os.environ["DESK_PUBLIC_URL"]
    home = os.environ["VERNACULAR_WEB_URL"].rstrip("/") + "/me/"
    database = urlsplit(secret("label_studio_database_url"))
    return {
        **label_studio_environment(DATA, url=url, account=account, home=home),
        "DJANGO_DB": "default",
        "POSTGRE_HOST": unquote(database.hostname or ""),
        "POSTGRE_PORT": str(database.port or 5432),
        "POSTGRE_NAME": database.path.removeprefix("/"),
        "POSTGRE_USER": unquote(database.username or ""),
        "POSTGRE_PASSWORD": unquote(database.password or ""),
        "SESSION_COOKIE_SECURE": str(int(url.startswith("https://"))),
        # What Compose's network calls private is where our own pages are.
        "USE_DEFAULT_BANNED_SUBNETS": "false",
    }


def main() -> None:
    """Bring the tables up to date, then become the server."""
    known, programs = environment(), ROOT / ".venv-labelstudio/bin"
    DATA.mkdir(parents=True, exist_ok=True)
    subprocess.run(  # noqa: S603 - our own environment
        [str(programs / "label-studio"), "init", "--quiet"], env=known, cwd=DATA, check=True
    )
    command = [
        *(str(programs / "python"), "-m", "gunicorn", "desk_wsgi:application", "--preload"),
        *("--bind", f"0.0.0.0:{os.environ.get('DESK_PORT', '8180')}", "--threads", "4"),
        *("--workers", os.environ.get("DESK_WORKERS", "2")),
        *("--worker-tmp-dir", tempfile.gettempdir(), "--no-control-socket"),
        *("--timeout", "120", "--graceful-timeout", "20", "--log-level", "warning"),
    ]
    os.chdir(DATA)
    os.execve(command[0], command, known)  # noqa: S606 - our own environment


if __name__ == "__main__":
    main()
