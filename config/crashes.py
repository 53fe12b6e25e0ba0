"""Crashes to a Sentry, where somebody wants that: what broke and where, never whose words it broke on.

Off unless ``sentry_dsn`` is set. What is logged as an error is sent, rebuilt from a list of what may leave:
kinds of errors, files, functions and lines, the logger, the request's id. What an error said is not in it,
nor variables, addresses, requests, people or hosts: a text of a speaker can be in all of these.
"""

import logging
from collections.abc import Iterator, Mapping
from typing import Any

import structlog

# They tell once more what others log with its cause; and who sends must not be told that it cannot.
SAID_ELSEWHERE = ("django_structlog", "sentry_sdk", "urllib3")
FRAME = ("filename", "function", "module", "lineno", "in_app")
KEPT = ("event_id", "timestamp", "level", "platform", "release", "logger", "sdk")


def scrubbed(event: Mapping[str, Any], _hint: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Only what may leave: everything else stays, whatever the library has gathered."""
    kept = {name: event[name] for name in KEPT if name in event}
    kept["tags"] = {
        name: told for name, told in (event.get("tags") or {}).items() if name == "request_id"
    }
    if where := (event.get("extra") or {}).get("where"):
        kept["message"] = str(where)
    if found := list(_errors(event)):
        kept["exception"] = {"values": found}
    return kept


def _errors(event: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for one in (event.get("exception") or {}).get("values") or ():
        frames = (one.get("stacktrace") or {}).get("frames") or ()
        yield {
            "type": one.get("type"),
            "module": one.get("module"),
            "stacktrace": {"frames": [{k: f[k] for k in FRAME if k in f} for f in frames]},
        }


class ToSentry(logging.Handler):
    """Hand errors on; an error without a cause goes by the line of ours that told it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Send one, whatever becomes of it."""
        import sentry_sdk

        # An answer of 503 is no crash: who asks whether we are ready gets many of them.
        only_an_answer = record.name == "django.request" and not record.exc_info
        if only_an_answer or record.name.startswith(SAID_ELSEWHERE):
            return
        where = f"{record.name} {record.funcName}:{record.lineno}"
        known = structlog.contextvars.get_contextvars().get("request_id", "")
        with sentry_sdk.new_scope() as scope:
            scope.set_extra("where", where)
            scope.set_tag("request_id", str(known))
            if record.exc_info and record.exc_info[1]:
                scope.capture_exception(record.exc_info[1])
            else:
                scope.capture_message(where, level="error")


def start(dsn: str) -> ToSentry:
    """Send errors of this process from now on; nothing of the library looks at anything by itself."""
    import sentry_sdk

    sentry_sdk.init(
        dsn=dsn,
        before_send=scrubbed,  # type: ignore[arg-type]  # their Event is a TypedDict of theirs
        default_integrations=False,
        auto_enabling_integrations=False,
        include_local_variables=False,
        include_source_context=False,
        max_breadcrumbs=0,
        send_client_reports=False,
        auto_session_tracking=False,
        server_name="",
    )
    handler = ToSentry(logging.ERROR)
    logging.getLogger().addHandler(handler)
    return handler
