"""What may be sent elsewhere, where somebody wants that: traces and crashes; nothing by default."""

import importlib.util
import sys
from collections.abc import Iterator

from django.core.exceptions import ImproperlyConfigured

from config.env import env

LIBRARIES = {"trace_to": "opentelemetry", "sentry_dsn": "sentry_sdk"}
INSTALL = "python3 manage.py setup --telemetry"


def start_if_wanted() -> None:
    """Begin in this process; traces begin by themselves with the first request or task."""
    if sys.argv[1:2] == ["doctor"]:
        return  # it sends nothing, and tells of these beside all else that is wrong
    for found, remedy in wrong():
        raise ImproperlyConfigured(f"{found}. What to do: {remedy}")
    if env().sentry_dsn:
        from config.crashes import start

        start(env().sentry_dsn)


def wrong() -> Iterator[tuple[str, str]]:
    """Each setting with which nothing could be sent: what is wrong with it, and the remedy."""
    for setting, library in LIBRARIES.items():
        if getattr(env(), setting) and importlib.util.find_spec(library) is None:
            yield f"VERNACULAR_{setting.upper()} is set, and {library} is not installed", INSTALL
    if env().sentry_dsn and importlib.util.find_spec("sentry_sdk") is not None:
        yield from _wrong_dsn(env().sentry_dsn)


def _wrong_dsn(dsn: str) -> Iterator[tuple[str, str]]:
    from sentry_sdk.utils import BadDsn, Dsn

    try:
        Dsn(dsn)
    except (BadDsn, ValueError) as error:
        remedy = "copy it from the settings of the project there: https://KEY@HOST/NUMBER"
        yield f"VERNACULAR_SENTRY_DSN is none: {error}", remedy
