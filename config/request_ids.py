"""One id from a request to everything that is done for it: in its lines, its answer, its tasks.

A caller or proxy may name the id in ``X-Request-ID``; else one is made. django-structlog binds it to
every line and hands it to each task in the message's headers, so that a worker's lines bear it too.
"""

import re
import time
import uuid
from collections.abc import Callable
from typing import Any

import structlog
from celery.signals import before_task_publish
from django.http import HttpRequest
from django.http.response import HttpResponseBase

# What others send is written into logs: letters and digits enough, and no more of them.
SANE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")
HEADER = "X-Request-ID"
# When a message was sent, in seconds: its age in the queue is what metrics tell.
SENT = "vernacular_sent"


class RequestIds:
    """Give each request its id before anything else can write a line about it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Take the id that came along if it is one, and send it back."""
        told = request.headers.get(HEADER, "")
        known = told if SANE.fullmatch(told) else str(uuid.uuid4())
        request.META["HTTP_X_REQUEST_ID"] = known
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=known)
        try:
            response = self.get_response(request)
        finally:
            structlog.contextvars.clear_contextvars()
        response[HEADER] = known
        return response


@before_task_publish.connect
def note_when_sent(headers: dict[str, Any] | None = None, **_: object) -> None:
    """Write into a message when it was sent."""
    if headers is not None:
        headers[SENT] = time.time()
