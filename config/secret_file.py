"""The secrets of one installation: made once, kept in ``var/secrets.json``; stdlib only."""

import fcntl
import json
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

MAKERS: Mapping[str, Callable[[], str]] = {
    "secret_key": lambda: secrets.token_urlsafe(48),
    "label_studio_token": lambda: secrets.token_hex(20),
    "label_studio_password": lambda: secrets.token_urlsafe(12),
    "label_studio_entry_key": lambda: secrets.token_urlsafe(48),
    "webhook_secret": lambda: secrets.token_urlsafe(24),
    "admin_password": lambda: secrets.token_urlsafe(12),
}


def ensure_secrets(var: Path) -> dict[str, str]:
    """Read the secrets, making those that are missing; only their owner may look into the folder."""
    var.mkdir(parents=True, exist_ok=True)
    if var.stat().st_mode & 0o077:
        var.chmod(0o700)
    path = var / "secrets.json"
    with (var / "secrets.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        have: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        missing = {name: make() for name, make in MAKERS.items() if name not in have}
        if missing:
            _write(path, have | missing)
        return have | missing


def _write(path: Path, values: Mapping[str, str]) -> None:
    """Replace the file as a whole, so that nobody ever reads half of it."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        json.dump(values, file, indent=1)
    fresh.replace(path)
