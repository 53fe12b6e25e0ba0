"""Reports by program: JSON in, JSON out, refusals as problem+json."""

import hashlib
import json
import secrets
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotation.actions.reports import following
from annotation.actions.reports.intake import Telling, receive, report_of
from annotation.actions.reports.letters import follow_address
from annotation.actions.reports.limits import client_of
from annotation.actions.reports.told import record_of
from annotation.errors import InvalidInputError, VernacularError
from annotation.models import Report, User
from annotation.models.reports import Surface, Told
from annotation.tasks import soon, tend_reports
from annotation.views.openapi import schema
from annotation.views.origin import address_of
from annotation.views.reports import PURPOSES, campaign_or_404, report_or_404

P = ParamSpec("P")
LARGEST_BODY = 64 * 1024
TEXTS = ("text", "language", "output", "expected", "description", "dialect", "contact")
Door = Callable[Concatenate[HttpRequest, P], HttpResponse]


def problem(status: int, code: str, detail: str) -> JsonResponse:
    """Return a refusal as RFC 9457 writes it."""
    told = {"type": f"about:blank#{code}", "title": code, "status": status, "detail": detail}
    return JsonResponse(told, status=status, content_type="application/problem+json")


def told_as_problems(door: Door[P]) -> Door[P]:
    """Tell programs in their way what a page would say in words."""

    @wraps(door)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        try:
            return door(request, *args, **kwargs)
        except VernacularError as error:
            response = problem(error.status, error.code, str(error))
            if wait := getattr(error, "seconds", 0):
                response.headers["Retry-After"] = str(wait)
            return response
        except Http404:
            return problem(404, "not_found", "There is nothing here under that name.")

    return guarded


def body_of(request: HttpRequest) -> dict[str, Any]:
    """Return the object that a program sent."""
    if int(request.headers.get("Content-Length") or 0) > LARGEST_BODY:
        raise InvalidInputError("The body is too large.", remedy="Send at most 64 KB.")
    try:
        told = json.loads(request.body or b"{}")
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise InvalidInputError("The body is no JSON object.", remedy="Send one.")
    return told


@require_safe
def openapi(_request: HttpRequest) -> JsonResponse:
    """What programs can ask of reports and of the model that serves, as OpenAPI 3.1."""
    return JsonResponse(schema())


@never_cache
@csrf_exempt
@require_POST
@told_as_problems
def report_create(request: HttpRequest, slug: str) -> HttpResponse:
    """Take a report of a program; the same Idempotency-Key gives the same report."""
    campaign = campaign_or_404(slug)
    told = body_of(request)
    now = timezone.now()
    client = client_of(address_of(request), agent=request.headers.get("User-Agent", ""), now=now)
    user = request.user if isinstance(request.user, User) else None
    got = receive(
        campaign,
        telling=_telling(told),
        key=_key(request, client),
        client=client,
        now=now,
        user=user,
        first=report_of(after) if (after := _text(told, "after")) else None,
    )
    if got.fresh:
        soon(tend_reports)
    record = record_of(got.report) | {"follow": follow_address(got.report), "token": got.token}
    return JsonResponse(record, status=201 if got.fresh else 200)


@never_cache
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST", "DELETE"])
@told_as_problems
def report_state(request: HttpRequest, token: str) -> HttpResponse:
    """How a report stands; POST acts on it as the page does, DELETE takes it back."""
    found: Report = report_or_404(token)
    now = timezone.now()
    if request.method == "DELETE":
        following.withdraw(found, now=now)
    elif request.method == "POST":
        told = body_of(request)
        act = told.get("act")
        if act == "answer":
            following.answer(found, text=_text(told, "text"), now=now)
        elif act == "appeal":
            following.appeal(found, now=now)
        elif act == "say_if_better":
            following.say_if_better(found, verdict=_text(told, "verdict"), now=now)
        else:
            raise InvalidInputError(
                "act: not known.", remedy="There are: answer, appeal, say_if_better."
            )
    found.refresh_from_db()
    return JsonResponse(record_of(found))


def _telling(told: dict[str, Any]) -> Telling:
    texts = {name: _text(told, name) for name in TEXTS}
    reasons = told.get("reasons", [])
    if not isinstance(reasons, list) or not all(isinstance(one, str) for one in reasons):
        raise InvalidInputError("reasons: no list of words.", remedy="Send a list.")
    version = told.get("version")
    if version is not None and (not isinstance(version, int) or isinstance(version, bool)):
        raise InvalidInputError("version: no number.", remedy="Send the version's number.")
    return Telling(
        text=texts["text"],
        tag=texts["language"],
        output=texts["output"],
        expected=texts["expected"],
        description=texts["description"],
        dialect=texts["dialect"],
        contact=texts["contact"],
        reasons=reasons,
        severity=_text(told, "severity") or Told.WRONG,
        version_number=version,
        version_digest=_text(told, "digest")[:64],
        surface=Surface.API,
        interface=_text(told, "interface")[:35] or "en",
        schema_version=told.get("schema_version", 1),
        **{f"consent_{name}": told.get(f"consent_{name}") is True for name in PURPOSES},
    )


def _text(told: dict[str, Any], name: str) -> str:
    value = told.get(name, "")
    if not isinstance(value, str):
        raise InvalidInputError(f"{name}: no text.", remedy="Send a string.")
    return value.strip()


def _key(request: HttpRequest, client: str) -> str:
    """A program's own key holds for its own client: nobody gets another's link by guessing."""
    own = request.headers.get("Idempotency-Key", "")
    if not own:
        return secrets.token_urlsafe(16)
    return hashlib.sha256(f"{client}:{own}".encode()).hexdigest()
