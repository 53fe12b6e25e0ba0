"""The few pages of the overlay's own: plain, without scripts but for the one that opens the door."""

import hashlib
from pathlib import Path

from django.conf import settings
from django.http import HttpResponse, HttpResponseRedirect, JsonResponse
from django.utils.html import format_html
from django.utils.safestring import mark_safe

LINK_IS_OLD = "This link is no longer good: it works for ten minutes."
LINK_IS_USED = "This link has been used: it works once."
NOT_YOURS = "This part of Label Studio is not open to you."
COME_IN = "You are not signed in here, or your visit has ended."

STYLE = mark_safe(
    "body{font:1.125rem/1.5 system-ui,sans-serif;margin:0 auto;max-inline-size:34rem;padding:2rem 1rem}"
    "a{color:inherit}a.main{display:inline-block;padding:.6rem 1rem;border:2px solid;border-radius:.4rem;"
    "font-weight:600;text-decoration:none}:root{color-scheme:light dark}"
)
PAGE = (
    '<!doctype html><html lang="en" dir="ltr"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width,initial-scale=1">'
    "<title>{}</title><style>{}</style></head><body><main>{}</main></body></html>"
)
HERE = Path(__file__).parent
KINDS = {"css": "text/css", "js": "text/javascript"}
# door.js makes the labelling page ask Label Studio's queue, which respects locks and order:
# without it the page would take what its table shows, and two people would get the same task.
FILES = {name: (HERE / name).read_bytes() for name in ("door.js", "people.css", "people.js")}
MARK = hashlib.sha256(b"".join(FILES.values())).hexdigest()[:8]


def refused(request, words, *, status=403):
    """A no: for programs in JSON, for people in words and with the way home."""
    if request.path.startswith("/api/") or request.method != "GET":
        told = {"status_code": status, "detail": words, "home": settings.VERNACULAR_HOME}
        return JsonResponse(told, status=status)
    return _page("Label Studio", _no(words), status=status)


def homewards():
    """To the page that is a person's own."""
    return HttpResponseRedirect(settings.VERNACULAR_HOME)


def doorway(request, address):
    """The page between the link and Label Studio: it sets the queue and goes on by itself."""
    body = format_html(
        '<script src="/vernacular/files/door.js?{}" data-to="{}"></script>'
        '<p><a class="main" href="{}">Go on to the texts</a></p>',
        MARK,
        address,
        address,
    )
    return _page("Label Studio", body)


def dressed(response):
    """A page of Label Studio's with what makes it fit for people who only label."""
    head = format_html(
        '<link rel="stylesheet" href="/vernacular/files/people.css?{}">'
        '<script src="/vernacular/files/people.js?{}" data-home="{}"></script></head>',
        MARK,
        MARK,
        settings.VERNACULAR_HOME,
    )
    response.content = response.content.replace(b"</head>", head.encode(), 1)
    response["Content-Length"] = str(len(response.content))
    return response


def own_file(name):
    """A script or style of the overlay's; files of their own, as strict rules on content want it."""
    if name not in FILES:
        return HttpResponse(status=404)
    answer = HttpResponse(FILES[name], content_type=KINDS[name.rsplit(".")[-1]])
    answer["Cache-Control"] = "public, max-age=2592000, immutable"
    return answer


def _no(words):
    signed_in = format_html(
        '<p><a href="/user/login/">I look after this Label Studio and have a password</a></p>'
    )
    home = settings.VERNACULAR_HOME
    way = format_html('<p><a class="main" href="{}">Go to my page</a></p>', home) if home else ""
    told = "Nothing that you have answered is lost. Come in again from your own page."
    return format_html("<h1>{}</h1><p>{}</p>{}{}", words, told, way, signed_in)


def _page(title, body, *, status=200):
    answer = HttpResponse(format_html(PAGE, title, STYLE, body), status=status)
    answer["Referrer-Policy"] = "no-referrer"
    answer["Cache-Control"] = "no-store"
    return answer
