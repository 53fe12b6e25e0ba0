"""Whatever people have typed, nothing of it comes alive, and every answer says what a browser may do."""

import csv
import io
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from django.apps import apps
from django.conf import settings
from django.db import DatabaseError, models, transaction
from django.db.models import Value
from django.db.models.functions import Cast, Concat
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from annotation.actions.reports.knocks import Wait, Why
from annotation.methods.cells import RUN
from annotation.objectives import Choice, form, kinds, objective
from annotation.views import turnstile
from config.bootstrap import ROOT
from tests.make import make_campaign, make_user
from tests.security.doors import DOORS
from tests.security.world import World

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(900)]
# A formula for whoever opens a table, markup for whoever opens a page, whichever way it is quoted.
EVIL = "=<i data-evil>&'\""
ALIVE = b"<i data-evil"
APPS = ("annotation", "learning", "training")
TYPED = re.compile(
    r"(?:\w+_)?(?:name|autonym|title|question|text|filename|excerpt|reason|detail|note|dialect"
    r"|origin|licence|explanation|remark|reply|conclusion|why|says|decision|objection|description"
    r"|error|group|identity|source|field|external_id)"
)
# They name one of our own words, and no others are ever there.
OF_OURS = {"QuarantinedAnswer.reason", "Waiver.name", "Maintenance.name"}
POISONED = {
    *("Sample.text", "Report.input_text", "Report.output_text", "Label.name", "User.name"),
    *("RefusedRow.excerpt", "QuarantinedAnswer.detail", "RegressionCase.text", "Trial.text"),
    *(
        "Guideline.text",
        "Language.autonym",
        "Campaign.title",
        "Concern.remark",
        "SampleImport.filename",
    ),
}
NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e-?\d+)?")


@pytest.fixture
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def typed() -> Iterator[tuple[type[models.Model], str]]:
    """Every column that holds words of people, of their files, or of what failed on them."""
    for model in (one for app in APPS for one in apps.get_app_config(app).get_models()):
        for field in model._meta.concrete_fields:
            text = isinstance(field, models.CharField | models.TextField)
            if not text or not TYPED.fullmatch(field.name) or field.choices or field.unique:
                continue
            if not field.max_length or field.max_length >= len(EVIL) + 8:
                yield model, field.name


def poisoned() -> set[str]:
    """Write it wherever anything is written; what the database keeps as it was stays so."""
    done = set()
    for model, name in typed():
        words = Concat(Value(EVIL), Cast("pk", models.CharField()))
        held = model._default_manager.exclude(**{name: ""})
        try:
            with transaction.atomic():
                if f"{model.__name__}.{name}" not in OF_OURS and held.update(**{name: words}):
                    done.add(f"{model.__name__}.{name}")
        except DatabaseError:
            continue
    return done


def test_nothing_that_was_typed_comes_alive_on_any_page_or_in_any_file(quiet: None) -> None:
    world = World()
    assert poisoned() >= POISONED
    seen: list[str] = []
    wrong: list[str] = []
    for role, doors in (("superuser", DOORS.values()), ("annotator", answering())):
        client = world.client(role)
        for door in doors:
            answer = client.get(door.address(world))
            told = b"".join(answer) if answer.streaming else answer.content
            kind = answer["Content-Type"].partition(";")[0]
            seen += [kind] if b"data-evil" in told else []
            wrong += [f"{door.name} for {role}: {one}" for one in faults(answer, kind, told)]
    assert not wrong, "\n".join(wrong)
    assert (seen.count("text/html") > 40, seen.count("text/csv") > 5) == (True, True)
    assert "application/atom+xml" in seen


def answering() -> list[Any]:
    return [door for door in DOORS.values() if door.who.startswith("answer")]


def faults(answer: HttpResponse, kind: str, told: bytes) -> Iterator[str]:
    if answer.status_code == 500:
        yield "it failed"
    if kind == "text/html" and ALIVE in told:
        yield "markup comes alive"
    if kind.endswith("xml") and "i" in tags(told):
        yield "markup comes alive in a feed"
    if kind == "text/csv":
        rows = csv.reader(io.StringIO(told.decode("utf-8-sig")))
        cells = [cell for row in rows for cell in row if cell.startswith(RUN)]
        yield from (f"{one} runs" for one in cells if not NUMBER.fullmatch(one))
    if told or "Location" in answer:  # a nudge is answered by nothing, and straight
        yield from missing(answer)


def elements(told: str | bytes) -> list[ET.Element]:
    return list(ET.fromstring(told).iter())  # noqa: S314 - we have written it


def tags(told: bytes) -> set[str]:
    return {one.tag.rpartition("}")[2] for one in elements(told)}


def missing(answer: HttpResponse) -> Iterator[str]:
    """What a browser is not told that it must be."""
    policy = parsed(answer.headers.get("Content-Security-Policy", ""))
    scripts = policy.get("script-src", policy.get("default-src"))
    if scripts not in (["'self'"], ["'none'"]) or "'unsafe-inline'" in policy.get("style-src", ()):
        yield f"{answer.status_code} without a policy"
    if policy.get("frame-ancestors") != ["'none'"]:
        yield f"{answer.status_code} may stand in somebody's frame"
    if answer.headers.get("X-Content-Type-Options") != "nosniff":
        yield f"{answer.status_code} may be taken for something else"
    if answer.headers.get("Referrer-Policy") != "same-origin":
        yield f"{answer.status_code} tells others where one came from"


def parsed(policy: str) -> dict[str, list[str]]:
    parts = (one.split() for one in policy.split(";") if one.strip())
    return {name: sources for name, *sources in parts}


def test_pages_of_errors_say_what_a_browser_may_do_too(
    quiet: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_campaign(slug="mood")
    lee = Client(raise_request_exception=False)
    lee.force_login(make_user("lee"))
    found = {
        400: lee.get("/campaigns/?a=%00"),
        403: lee.get("/campaigns/mood/audit/"),
        404: lee.get(f"/{EVIL}/"),
        405: lee.get("/sign-out/"),
        "hook": lee.get("/hooks/nothing/"),
        "token": Client(enforce_csrf_checks=True).post("/sign-in/", {"username": EVIL}),
        "host": Client(headers={"Host": "elsewhere.example"}).get("/"),
    }

    def waits(*_: object, **__: object) -> Any:
        return Wait(Why.HOUR, until=timezone.now())

    def breaks(*_: object, **__: object) -> None:
        raise RuntimeError(EVIL)

    monkeypatch.setattr(turnstile, "wait_at_the_door", waits)
    found[429] = lee.post("/report/mood/", {"text": EVIL})
    found["problem"] = lee.post("/api/reports/mood/")
    monkeypatch.setattr("annotation.views.health.check_database", breaks)
    found[500] = lee.get("/readyz")
    told = {"token": 403, "host": 400, "problem": 429, "hook": 404}
    wrong = [
        f"{name}: {one}"
        for name, answer in found.items()
        for one in [*missing(answer), *(["alive"] if ALIVE in answer.content else [])]
    ]
    assert not wrong
    assert {n: a.status_code for n, a in found.items()} == {n: told.get(n, n) for n in found}


@pytest.mark.parametrize("kind", kinds())
def test_label_studio_is_given_words_as_values_and_texts_as_texts(kind: str) -> None:
    words = f"{EVIL}</View><HyperText name='a' value='$text'/>"
    choices = [Choice(key, f"{words} {key}") for key in ("1", "2", "3")]
    config = objective(kind).desk_config(
        question=words, choices=choices, rtl=True, flags=choices, note=words
    )
    parts = elements(config)
    assert ALIVE not in config.encode()
    # What would draw a page there, load one or fetch an address is not in any form.
    plain = {"View", "Header", "Text", "Choices", "Choice", "TextArea", "Labels", "Label", "Rating"}
    assert {one.tag for one in parts} <= plain
    assert not [
        one for one in parts if {"valueType", "onclick", "style"} & {*one.attrib} - {"style"}
    ]
    assert ALIVE not in form.instruction(words, tag="wo", rtl=False).encode()


def test_letters_are_plain_text() -> None:
    """No letter has a part that a reader of mail would show as a page."""
    ways = re.compile(r"EmailMultiAlternatives|attach_alternative|html_message|content_subtype")
    ours = [file for app in (*APPS, "config") for file in (ROOT / app).rglob("*.py")]
    assert [str(file) for file in ours if ways.search(file.read_text())] == []


def test_cookies_are_ours_alone_and_no_script_reads_what_signs_in() -> None:
    make_user("lee")
    client = Client()
    client.get("/sign-in/")
    assert client.post("/sign-in/", {"username": "lee", "password": "secret"}).status_code == 302
    client.post("/interface/", {"interface": "sw", "next": "/"})
    assert {name.partition("_")[0] for name in client.cookies} == {"vernacular"}
    session = client.cookies[settings.SESSION_COOKIE_NAME]
    assert (session["httponly"], session["samesite"]) == (True, "Lax")
    code = "from django.conf import settings as s; print(s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE)"
    told = {**os.environ, "VERNACULAR_WEB_URL": "https://awa.example"}
    told["DJANGO_SETTINGS_MODULE"] = "config.settings"
    done = subprocess.run(
        [sys.executable, "-c", code], env=told, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["True", "True"]
