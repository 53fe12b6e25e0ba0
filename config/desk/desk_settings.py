"""Label Studio's own settings, with our overlay, and SQLite set for several people at once."""

import os
import secrets

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

# The overlay: a member's way in, and a gate for whoever does not run this Label Studio.
# Without the shared key nothing is signed with the one made up here, so nobody comes in by link.
VERNACULAR_ENTRY_KEY = os.environ.get("VERNACULAR_LABEL_STUDIO_ENTRY_KEY") or secrets.token_urlsafe(
    48
)
VERNACULAR_HOME = os.environ.get("VERNACULAR_HOME", "")
PROJECT_MIXIN = "overlay.members.MemberProjectMixin"
ROOT_URLCONF = "overlay.urls"
MIDDLEWARE = ["overlay.lean.Lean", *MIDDLEWARE, "overlay.gate.Gate"]
LOGOUT_REDIRECT_URL = VERNACULAR_HOME or None
# Ports do not part cookies: on one host name ours and Label Studio's would overwrite each other.
SESSION_COOKIE_NAME = "ls_sessionid"
CSRF_COOKIE_NAME = "ls_csrftoken"
