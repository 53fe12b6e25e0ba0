"""Where the parts are that `up` runs from this folder; standard library only.

`up` writes the addresses it chose into ``var/up.lock`` and keeps the file locked as long as any of
it lives. A command in another terminal takes them from there into its environment.
"""

import fcntl
import json
import os
from pathlib import Path

from config.desk_service import serves_label_studio

VARIABLES = {
    "web": "VERNACULAR_WEB_URL",
    "redis": "VERNACULAR_REDIS_URL",
    "label_studio": "VERNACULAR_LABEL_STUDIO_URL",
}


def addresses_of_up(var: Path) -> dict[str, str]:
    """Variables for what `up` chose and nobody has set; none when it does not run.

    Label Studio is among them only if it answers as the release that is pinned here: whoever
    reads the address sends credentials to it.
    """
    told = announced(var / "up.lock")
    found = {
        variable: str(told[part])
        for part, variable in VARIABLES.items()
        if told.get(part) and variable not in os.environ
    }
    desk = found.get(VARIABLES["label_studio"])
    if desk and not serves_label_studio(desk):
        del found[VARIABLES["label_studio"]]
    return found


def announced(path: Path) -> dict[str, object]:
    """What the `up` that holds the lock file says of itself; nothing when none runs."""
    try:
        with path.open() as lock:
            if not _is_held(lock.fileno()) or os.fstat(lock.fileno()).st_uid != os.geteuid():
                return {}
            told = json.load(lock)
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _is_held(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False
