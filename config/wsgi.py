"""The door for web servers."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_wsgi_application()


def warm() -> None:
    """Bring all doors along before the first visitor, who would wait seconds for them on a phone."""
    from django.urls import get_resolver

    # Asked for once, the resolver keeps them.
    _ = get_resolver().url_patterns


warm()
