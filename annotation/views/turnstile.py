"""Turnstile: whoever told too much is turned away before anything is looked up for them.

It stands before all else that a request passes: no session, no form and no template of the page is
made for who is refused, and no database is asked, but whether a cookie that came along is one of
ours. People get a small page in their language with all that they had typed, to be sent again from
there; programs get problem+json in theirs; both hear when.
"""

import hashlib
import re
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache, partial
from importlib import import_module

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.core import signing
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.cache import patch_vary_headers
from django.utils.html import escape

from annotation.actions.reports.knocks import Wait, note_failed
from annotation.actions.reports.limits import (
    TooManyReportsError,
    again_in,
    client_of,
    wait_at_the_door,
)
from annotation.models import User
from annotation.views.origin import address_of
from annotation.views.reports import BEGUN, FORM_LASTS

DOORS = re.compile(r"/(?:report|(?P<api>api/reports))/[^/]+/", re.ASCII)
# No report, or none in our form: each of these has cost a look. What was told before is a report.
FAILED = (400, 403, 413, 415, 422)
# As sessions are named here: no other cookie is worth a question.
SESSION = re.compile(r"[a-z0-9]{32}", re.ASCII)
# More is no report: it is refused without being read.
LONGEST = 128 * 1024
# What somebody wrote with their own hands; all else that the form held is kept out of sight.
WRITTEN = ("text", "description")
FIELDS = "@@fields@@"
PATH = "-where-it-is-told-"
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self';"
        " base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex",
}


class Turnstile:
    """Turn away who told too much; let everybody else, and everything else, pass."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Look at what is sent to the doors of reports, and at nothing else."""
        door = DOORS.fullmatch(request.path_info) if request.method == "POST" else None
        if door is None:
            return self.get_response(request)
        now = timezone.now()
        client = client_of(
            address_of(request), agent=request.headers.get("User-Agent", ""), now=now
        )
        wait = wait_at_the_door(
            client,
            key=key_of(request, client=client, program=bool(door["api"])),
            cookie=_cookie_of(request),
            is_known=partial(_is_somebodys, _cookie_of(request)),
            now=now,
        )
        if wait is None:
            response = self.get_response(request)
            if response.status_code in FAILED and not _is_signed_in(request):
                note_failed(client, now=now, form=_form_of(request))
            return response
        return _refused(request, wait, program=bool(door["api"]), now=now)


def _refused(request: HttpRequest, wait: Wait, *, program: bool, now: datetime) -> HttpResponse:
    """Refuse in the language that was asked for: nobody else has looked for it yet."""
    tongue = translation.get_language_from_request(request)
    with translation.override(tongue):
        refusal = TooManyReportsError(wait, now=now)
    told = told_as_problem(refusal) if program else told_as_page(request, refusal, tongue=tongue)
    told.headers["Content-Language"] = tongue
    patch_vary_headers(told, ("Accept-Language", "Cookie"))
    # How long the answer is: what would say so stands further in.
    told.headers["Retry-After"] = str(refusal.seconds)
    told.headers["Content-Length"] = str(len(told.content))
    return told


def _cookie_of(request: HttpRequest) -> str:
    told = request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")
    return told if SESSION.fullmatch(told) else ""


def _is_somebodys(cookie: str) -> bool:
    """Whether a cookie is the session of somebody who signed in here."""
    sessions = import_module(settings.SESSION_ENGINE)
    return SESSION_KEY in sessions.SessionStore(cookie)


def _is_signed_in(request: HttpRequest) -> bool:
    return bool(_cookie_of(request)) and isinstance(getattr(request, "user", None), User)


def _form_of(request: HttpRequest) -> str:
    """Return the sign of a form that was opened here; nothing where there is none of ours."""
    begun = request.POST.get("begun", "") if _is_short(request) else ""
    try:
        signing.loads(begun, salt=BEGUN, max_age=FORM_LASTS)
    except (signing.BadSignature, TypeError, ValueError):
        return ""
    return begun


def key_of(request: HttpRequest, *, client: str, program: bool) -> str:
    """Return under which key a report would be kept; of a program's, its own client's alone."""
    if not program:
        return request.POST.get("key", "") if _is_short(request) else ""
    own = request.headers.get("Idempotency-Key", "")
    return hashlib.sha256(f"{client}:{own}".encode()).hexdigest() if own else ""


def told_as_problem(refusal: TooManyReportsError) -> HttpResponse:
    """Tell a program, as RFC 9457 writes it."""
    told = {
        "type": f"about:blank#{refusal.code}",
        "title": refusal.code,
        "status": refusal.status,
        "detail": str(refusal),
    }
    return JsonResponse(
        told, status=refusal.status, content_type="application/problem+json", headers=HEADERS
    )


def told_as_page(
    request: HttpRequest, refusal: TooManyReportsError, *, tongue: str
) -> HttpResponse:
    """Tell a person in their language when to come again, and give all back that they typed."""
    # What cannot be given back stands where it was written, one page before.
    given = _is_own(request) and _is_short(request)
    before, after = _page(tongue, refusal.why, -(-refusal.seconds // 60), given)
    before = before.replace(PATH, escape(request.path))
    fields = _fields(request) if given else ""
    return HttpResponse(before + fields + after, status=refusal.status, headers=HEADERS)


def _is_own(request: HttpRequest) -> bool:
    """Whether our own page sent it: one of others could have sent anything in somebody's name.

    A browser that came to our page by way of a sister's says "same-site", and names us as origin.
    """
    said = request.headers.get("Sec-Fetch-Site", "none")
    if said != "same-site":
        return said in ("same-origin", "none")
    return request.headers.get("Origin") == f"{request.scheme}://{request.get_host()}"


def _is_short(request: HttpRequest) -> bool:
    length = request.headers.get("content-length") or "0"
    form = request.content_type == "application/x-www-form-urlencoded"
    return form and length.isdecimal() and int(length) <= LONGEST


def _fields(request: HttpRequest) -> str:
    """Return a form's fields as they came: what was written to be seen and mended, the rest unseen."""
    shown = {name: request.POST.get(name, "") for name in WRITTEN}
    areas = [
        f'<textarea name="{name}" dir="auto" aria-labelledby="yours">{escape(told)}</textarea>'
        for name, told in shown.items()
        if told
    ]
    kept = [
        f'<input type="hidden" name="{escape(name)}" value="{escape(told)}">'
        for name, many in request.POST.lists()
        if name not in WRITTEN
        for told in many
    ]
    return "".join([*areas, *kept])


@lru_cache(maxsize=512)
def _page(tongue: str, why: str, minutes: int, given: bool) -> tuple[str, str]:
    """Return the page before and after the fields: it is the same for everybody who waits as long."""
    with translation.override(tongue):
        context = {"why": why, "minutes": minutes, "again": again_in(minutes)}
        context |= {"path": PATH, "fields": FIELDS if given else ""}
        page = render_to_string("annotation/report_refused.html", context)
    before, _, after = page.partition(FIELDS)
    return before, after
