"""Traces, where somebody wants them: a request, the tasks that it caused, and what both asked the database.

Off unless ``trace_to`` names a collector (OTLP over HTTP), and then every request, task and statement is a
span with the request's id. Spans hold the names of routes, tasks and statements without their values: no
address, text, person or secret of a link. A visitor's own trace is not continued, only our own messages'.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Token
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import structlog
from celery.signals import before_task_publish, task_failure, task_postrun, task_prerun
from django.db.backends.signals import connection_created
from django.dispatch import receiver
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from config.env import env

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

# Who sent a message: the trace and the span in it, as W3C writes them.
CARRIED = "traceparent"
# Tasks at work in this process, each with its span and what undoes that it is the current one.
AT_WORK: "dict[str, tuple[Span, Token[Any]]]" = {}


def wanted() -> bool:
    """Whether anybody wants traces."""
    return bool(env().trace_to)


@lru_cache
def provider() -> "TracerProvider":
    """Where spans go; made when the first is, so that each process has its own thread that sends."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

    made = TracerProvider(
        resource=Resource.create({"service.name": "vernacular"}),
        sampler=ParentBased(TraceIdRatioBased(env().trace_ratio)),
    )
    made.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=env().trace_to)))
    return made


@contextmanager
def span(name: str, *, kind: str = "INTERNAL", **told: str) -> "Iterator[Span]":
    """Note how long something takes; a failure leaves the name of its kind and not what it said."""
    from opentelemetry.trace import SpanKind, StatusCode

    tracer = provider().get_tracer("vernacular")
    with tracer.start_as_current_span(
        name,
        kind=SpanKind[kind],
        attributes=told | _request_id(),
        record_exception=False,
        set_status_on_exception=False,
    ) as one:
        try:
            yield one
        except Exception as error:
            one.set_attribute("error.type", type(error).__name__)
            one.set_status(StatusCode.ERROR)
            raise


def _request_id() -> dict[str, str]:
    known = structlog.contextvars.get_contextvars().get("request_id")
    return {"request_id": str(known)} if known else {}


class Tracing:
    """One span a request, named by its route once that is known."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer; who looks every few seconds whether we live is left out."""
        if not wanted() or request.path in ("/healthz", "/readyz", "/metrics"):
            return self.get_response(request)
        method = str(request.method)
        with span(method, kind="SERVER", **{"http.request.method": method}) as one:
            response = self.get_response(request)
            if match := request.resolver_match:
                one.update_name(f"{method} /{match.route}")
                one.set_attribute("http.route", f"/{match.route}")
            one.set_attribute("http.response.status_code", response.status_code)
            if response.status_code >= 500:
                from opentelemetry.trace import StatusCode

                one.set_status(StatusCode.ERROR)
        return response

    def process_exception(self, _request: HttpRequest, error: Exception) -> None:
        """Django makes a page of it before we see it: note its kind."""
        if wanted():
            from opentelemetry.trace import get_current_span

            get_current_span().set_attribute("error.type", type(error).__name__)


def trace_statement(
    execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]
) -> Any:
    """Have a statement be a span where it belongs to one; its values are never told."""
    from opentelemetry.trace import get_current_span

    if not wanted() or not get_current_span().is_recording():
        return execute(sql, params, many, context)
    system, verb = context["connection"].vendor, sql.lstrip().partition(" ")[0].upper()
    told = {"db.system.name": system, "db.query.text": sql[:4000]}
    with span(f"{verb} {system}", kind="CLIENT", **told):
        return execute(sql, params, many, context)


@receiver(connection_created)
def watch_statements(connection: "BaseDatabaseWrapper", **_: object) -> None:
    """Look at what a new connection is asked."""
    if wanted() and trace_statement not in connection.execute_wrappers:
        connection.execute_wrappers.append(trace_statement)


@before_task_publish.connect
def carry(headers: dict[str, Any] | None = None, **_: object) -> None:
    """Write into a message what asks for the task."""
    if wanted() and headers is not None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        TraceContextTextMapPropagator().inject(headers)


@task_prerun.connect
def begin_task(task_id: str, task: Any, **_: object) -> None:
    """A task goes on in the trace of what asked for it."""
    if not wanted():
        return
    from opentelemetry import context
    from opentelemetry.trace import SpanKind, set_span_in_context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    told = {CARRIED: getattr(task.request, CARRIED, None) or ""}
    asked = TraceContextTextMapPropagator().extract(told)
    # Bound to this thread's lines a moment later or earlier: the message itself is asked.
    known = (getattr(task.request, "__django_structlog__", None) or {}).get("request_id")
    one = (
        provider()
        .get_tracer("vernacular")
        .start_span(
            task.name,
            context=asked,
            kind=SpanKind.CONSUMER,
            attributes={"task_id": task_id} | ({"request_id": str(known)} if known else {}),
        )
    )
    AT_WORK[task_id] = (one, context.attach(set_span_in_context(one, asked)))


@task_failure.connect
def tell_failure(task_id: str, exception: BaseException, **_: object) -> None:
    """Write the kind of a failure, and not what it said."""
    if found := AT_WORK.get(task_id):
        from opentelemetry.trace import StatusCode

        found[0].set_attribute("error.type", type(exception).__name__)
        found[0].set_status(StatusCode.ERROR)


@task_postrun.connect
def end_task(task_id: str, **_: object) -> None:
    """A task is over, however it went."""
    if found := AT_WORK.pop(task_id, None):
        from opentelemetry import context

        one, token = found
        one.end()
        context.detach(token)
