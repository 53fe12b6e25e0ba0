"""Label Studio's own settings, with SQLite set so that several people can answer at once."""

from core.settings.base import *  # the order is Label Studio's own: base first
from core.settings.label_studio import *

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": (
            "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;PRAGMA busy_timeout=20000;"
        ),
    }
