"""The few pages of the overlay's own: plain, without scripts but for the one that opens the door."""

import hashlib
import json
from pathlib import Path

from django.conf import settings
from django.http import HttpResponse, HttpResponseRedirect, JsonResponse
from django.utils.html import format_html
from django.utils.safestring import mark_safe

# What is said here in English to whom no link has told their own words; a link's words bear the
# same names, and the door leaves them with the browser for the pages that come later.
ENGLISH = {
    "lang": "en",
    "dir": "ltr",
    "go_on": "Go on to the texts",
    "old": "This link is no longer good: it works for ten minutes.",
    "used": "This link has been used: it works once.",
    "not_yours": "This part of Label Studio is not open to you.",
    "come_in": "You are not signed in here, or your visit has ended.",
    "kept": "Nothing that you have answered is lost. Come in again from your own page.",
    "home": "Go to my page",
    "password": "I look after this Label Studio and have a password",
    "back": "Back to my page",
    "later": "Come back later",
    "held": (
        "There is no text for you just now. Others may be at the last ones: what they leave comes"
        " back within half an hour. All that you have answered is kept."
    ),
}
LINK_IS_OLD, LINK_IS_USED, NOT_YOURS, COME_IN = "old", "used", "not_yours", "come_in"

STYLE = mark_safe(
    "body{font:1.125rem/1.5 system-ui,sans-serif;margin:0 auto;max-inline-size:34rem;padding:2rem 1rem}"
    "a{color:inherit}a.main{display:inline-block;padding:.6rem 1rem;border:2px solid;border-radius:.4rem;"
    "font-weight:600;text-decoration:none}:root{color-scheme:light dark}"
)
PAGE = (
    '<!doctype html><html lang="{}" dir="{}"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width,initial-scale=1">'
    "<title>{}</title><style>{}</style></head><body><main>{}</main></body></html>"
)
HERE = Path(__file__).parent
KINDS = {"css": "text/css", "js": "text/javascript"}
# door.js makes the labelling page ask Label Studio's queue, which respects locks and order:
# without it the page would take what its table shows, and two people would get the same task.
NAMES = ("door.js", "people.css", "people.js", "words.js")
FILES = {name: (HERE / name).read_bytes() for name in NAMES}
MARK = hashlib.sha256(b"".join(FILES.values())).hexdigest()[:8]


def refused(request, name, *, status=403, words=None):
    """A no: for programs in JSON, for people in words and with the way home."""
    if request.path.startswith("/api/") or request.method != "GET":
        told = {"status_code": status, "detail": ENGLISH[name], "home": settings.VERNACULAR_HOME}
        return JsonResponse(told, status=status)
    return _page(_no(name, words or {}), words=words, status=status)


def homewards():
    """To the page that is a person's own."""
    return HttpResponseRedirect(settings.VERNACULAR_HOME)


def doorway(address, words):
    """The page between the link and Label Studio: it sets the queue and goes on by itself."""
    body = format_html(
        '<script src="{}" data-to="{}" data-words="{}"></script>'
        '<p><a class="main" href="{}">{}</a></p>',
        _address("door.js"),
        address,
        json.dumps(words),
        address,
        words.get("go_on", ENGLISH["go_on"]),
    )
    return _page(body, words=words)


def dressed(response):
    """A page of Label Studio's with what makes it fit for people who only label."""
    head = format_html(
        '<link rel="stylesheet" href="{}"><script src="{}" data-home="{}" data-words="{}"></script>'
        "</head>",
        _address("people.css"),
        _address("people.js"),
        settings.VERNACULAR_HOME,
        json.dumps({name: ENGLISH[name] for name in ("back", "later", "held")}),
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


def _no(name, words):
    """Each sentence under its name: a script says it in the words that the browser keeps."""
    said = {**ENGLISH, **words}
    told = {one: format_html('<span data-word="{}">{}</span>', one, said[one]) for one in said}
    home = settings.VERNACULAR_HOME
    way = format_html('<p><a class="main" href="{}">{}</a></p>', home, told["home"]) if home else ""
    password = format_html('<p><a href="/user/login/">{}</a></p>', told["password"])
    script = "" if words else format_html('<script src="{}" defer></script>', _address("words.js"))
    main = format_html("<h1>{}</h1><p>{}</p>", told[name], told["kept"])
    return format_html("{}{}{}{}", main, way, password, script)


def _address(name):
    return f"/vernacular/files/{name}?{MARK}"


def _page(body, *, words=None, status=200):
    said = {**ENGLISH, **(words or {})}
    page = format_html(PAGE, said["lang"], said["dir"], "Label Studio", STYLE, body)
    answer = HttpResponse(page, status=status)
    answer["Referrer-Policy"] = "no-referrer"
    answer["Cache-Control"] = "no-store"
    return answer
