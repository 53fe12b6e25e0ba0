"""Label Studio behind a web server with several processes, its admin made before the first call.

``label-studio start`` is Django's development server: one process, half the answers a second.
"""

import importlib.util
import os
import sys
from pathlib import Path

# Label Studio imports its own modules by their short names.
package = importlib.util.find_spec("label_studio")
sys.path.insert(1, str(Path(package.origin).parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "desk_settings")

from core.wsgi import application as label_studio
from django.db import connections


def application(environ, start_response):
    """Label Studio, but for the page that makes the server fetch tips from a foreign host."""
    if environ["PATH_INFO"].rstrip("/") == "/heidi-tips":
        start_response("404 Not Found", [("Content-Type", "application/json")])
        return [b'{"detail": "Nothing is fetched from elsewhere."}']
    return label_studio(environ, start_response)


def ensure_admin() -> None:
    """Make the admin and the organisation once; afterwards keep the given password and token."""
    from core.argparser import parse_input_args
    from rest_framework.authtoken.models import Token
    from users.models import User

    email = os.environ["LABEL_STUDIO_USERNAME"]
    if not User.objects.filter(email=email).exists():
        from server import _create_user

        _create_user(parse_input_args(["start"]), {})
    admin = User.objects.get(email=email)
    if not admin.check_password(os.environ["LABEL_STUDIO_PASSWORD"]):
        admin.set_password(os.environ["LABEL_STUDIO_PASSWORD"])
        admin.save()
    token = os.environ["LABEL_STUDIO_USER_TOKEN"]
    if not Token.objects.filter(user=admin, key=token).exists():
        Token.objects.filter(user=admin).update(key=token)


ensure_admin()
connections.close_all()  # the processes forked from here open their own
