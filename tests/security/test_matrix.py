"""Every address and method for every role, and the same for objects of others; see `doors.txt`."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookies import SimpleCookie
from typing import Any

import pytest
from django.db import connection, transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import get_resolver, reverse
from django.utils.safestring import SafeString

from annotation.actions.health import Health, PartHealth
from annotation.models import Scope
from annotation.views import turnstile
from config.api import FILE
from tests.security.doors import ADDRESSES, COMING_IN, DOORS, operations, patterns
from tests.security.world import ROLES, World

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(900)]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[World]:
    there = PartHealth("Redis", Health.GOOD, "")
    monkeypatch.setattr("annotation.views.health.check_broker", lambda: there)
    # Thousands are refused here, and each would be told with its traceback, for minutes.
    logging.disable(logging.CRITICAL)
    # A session that lies in its cookie is put back with the cookie, and asks the database nothing.
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    # Who comes in is decided before a page is drawn, and other tests look at pages.
    monkeypatch.setattr("django.template.loader.render_to_string", lambda *_, **__: SafeString(""))
    monkeypatch.setattr("django.template.base.Template.render", lambda *_: SafeString(""))
    yield World()
    logging.disable(logging.NOTSET)
    # What was kept of the page that refuses is as empty as all else that was drawn here.
    turnstile._page.cache_clear()


# Who asks by methods that a door has not, too.
ASKS_ALL = {"stranger", "annotator", "superuser"}
# Both a line of a file of texts and a call of the API.
SENT = (
    b'{"text": "Nanga def?", "language": "wo",'
    b' "url": "https://news.example/here", "state": "stopped"}'
)


# Signing in is signing in by any method; a report is taken back by DELETE and its secret.
DELETED_OR_SIGNED = {"sign_in", "sign_out", "api_report_state"}


class Tried:
    """What one request came to, and what it wrote, before all of it is rolled back."""

    def __init__(self) -> None:
        self.written: list[str] = []

    def __call__(self, execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith(("INSERT", "UPDATE", "DELETE")) and "django_session" not in sql:
            self.written.append(sql[:60])
        return execute(sql, *rest)


@contextmanager
def tried() -> Iterator[Tried]:
    seen = Tried()
    with transaction.atomic(), connection.execute_wrapper(seen):
        yield seen
        transaction.set_rollback(True)


def outcome(answer: HttpResponse) -> str:
    to = answer.headers.get("Location", "") or answer.headers.get("HX-Redirect", "")
    return "sign-in" if to.startswith(reverse("sign_in")) else str(answer.status_code)


class Visitor:
    """A browser of one role, whose cookies no answer takes away."""

    def __init__(self, world: World, role: str) -> None:
        self.client: Client = world.client(role)
        self.cookies = self.client.cookies.output(header="", sep=";")
        self.allowed: dict[str, str] = {}

    def ask(self, method: str, address: str) -> tuple[str, list[str]]:
        self.client.cookies = SimpleCookie(self.cookies)
        with tried() as seen:
            answer = self.client.generic(method, address)
        if answer.status_code == 405:
            self.allowed[address] = answer.headers.get("Allow", method)
        return outcome(answer), seen.written


def test_every_address_has_its_line() -> None:
    assert set(DOORS) == set(ADDRESSES), "a new address needs its line in tests/security/doors.txt"
    asked = {name: set(entry.pattern.converters) for name, entry in ADDRESSES.items()}
    told = {name: set(door.named) for name, door in DOORS.items()}
    assert {n: asked[n] - told[n] - {"slug", "tag"} for n in asked if n in told} == {
        name: set() for name in told
    }


def test_nobody_comes_in_but_as_the_table_says(world: World) -> None:
    surprises = [
        *_pages(world),
        *_things_of_others(world),
        *_other_methods(world),
        *_djangos_admin(world),
        *_api(world),
    ]
    assert not surprises, "\n".join(surprises[:40])


def _pages(world: World) -> Iterator[str]:
    """Every address, by GET and POST, as everybody: who comes in, and who writes."""
    may_all = Visitor(world, "superuser")
    for role in reversed(ROLES):
        visitor = may_all if role == "superuser" else Visitor(world, role)
        for door in DOORS.values():
            for method in ("GET", "POST"):
                address = door.address(world)
                # Which methods a door has is no question of roles: three of them ask all the same.
                if role not in ASKS_ALL and method not in may_all.allowed.get(address, method):
                    continue
                seen, written = visitor.ask(method, address)
                wanted = door.expected(role, method)
                writes = door.lets_in(role) and (method == "POST" or door.get.endswith("w"))
                if seen not in wanted:
                    yield f"{role} {method} {door.name}: {seen}, not {sorted(wanted)}"
                if written and not writes:
                    yield f"{role} {method} {door.name} wrote {written}"


def _things_of_others(world: World) -> Iterator[str]:
    """What one campaign or language holds, asked for under another by who leads or answers there."""
    others = {"outsider": {"slug": "there"}, "elsewhere": {"slug": "there"}}
    others |= {"superuser": {"slug": "there"}, "neighbour": {"tag": "ta"}}
    for role, over in others.items():
        visitor = Visitor(world, role)
        for door in DOORS.values():
            asked = ADDRESSES[door.name].pattern.converters
            if not door.held or not set(over) <= set(asked):
                continue
            if role == "superuser" and "person" in door.named.values():
                continue  # a person is of a language, and superusers may do everything with everybody
            for method in ("GET", "POST"):
                seen, written = visitor.ask(method, door.address(world, **over))
                # A door may also lead on, with a word that there is nothing; it shows and does nothing.
                if seen not in ("404", "403", "405", "302") or written:
                    yield f"{role} {method} {door.name} of others: {seen} {written}"


def _other_methods(world: World) -> Iterator[str]:
    """No method but POST writes."""
    visitor = Visitor(world, "superuser")
    for door in DOORS.values():
        for method in ("PUT", "DELETE"):
            address = door.address(world)
            if method not in visitor.allowed.get(address, method):
                continue  # the answer to the other method has said so
            seen, written = visitor.ask(method, address)
            if written and not door.get.endswith("w") and door.name not in DELETED_OR_SIGNED:
                yield f"{method} {door.name}: {seen} {written}"


def _djangos_admin(world: World) -> Iterator[str]:
    """It has doors by the hundred, all behind one wall: staff may come in, and do what they may."""
    entries = list(patterns(get_resolver(), wanted="admin"))
    for role in ("stranger", "admin"):
        visitor = Visitor(world, role)
        for entry in entries:
            if entry.name in (None, "login", "logout"):
                continue
            named = "annotation" if entry.name == "app_list" else "1"
            address = reverse(f"admin:{entry.name}", args=[named] * entry.pattern.regex.groups)
            seen, written = visitor.ask("POST", address)
            if seen not in ("302", "sign-in") or written:
                yield f"{role} {address}: {seen} {written}"
    staff = Visitor(world, "staff")
    for model in ("user", "campaign", "membership"):
        for method in ("GET", "POST"):
            seen, written = staff.ask(method, f"/admin/annotation/{model}/add/")
            if seen != "403" or written:
                yield f"staff {method} {model}: {seen} {written}"


def _api(world: World) -> Iterator[str]:
    """Every operation of the document, with keys of everybody: of its scope, all others, elsewhere."""
    told, found = operations(), dict(_operations())
    if set(found) != set(told):
        yield f"operations without a line in doors.txt, or lines without: {set(found) ^ set(told)}"
    client = world.client("stranger")
    known = {"number": 1, "tag": "wo", "uid": world.words["trial"], "slug": "here"}
    for name, (method, path) in found.items():
        asked, needs = told.get(name, ("", ""))
        sent = name in ("create_import", "create_folder")
        address = path.format(**known) + ("?filename=a.jsonl" if sent else "")
        for role in [None, *(role for role in ROLES if role != "stranger")]:
            for kind in ("scope", "others", "elsewhere"):
                scopes = set(Scope.values) - {asked} if kind == "others" else {asked}
                headers = world.key(role, scopes, kind == "elsewhere")
                answer = _call(client, address, method, headers)
                wanted = _wanted(needs, role=role, kind=kind, path=path)
                there = wanted == "in" and answer == "404" and "{" in path.replace("{slug}", "")
                if answer != wanted and not there:
                    yield f"{role} {kind} {name}: {answer}, not {wanted}"


def _operations() -> Iterator[tuple[str, tuple[str, str]]]:
    for path, methods in json.loads(FILE.read_text())["paths"].items():
        for method, operation in methods.items():
            yield operation["operationId"], (method, path)


def _call(client: Client, address: str, method: str, headers: dict[str, str]) -> str:
    with tried():
        kind = "application/octet-stream" if "filename" in address else "application/json"
        answer = client.generic(method.upper(), address, SENT, content_type=kind, headers=headers)
    told = answer.headers.get("Content-Type", "")
    title = answer.json()["title"] if told.endswith("problem+json") else ""
    refused = {"not_signed_in": "401", "not_allowed": "403", "not_found": "404"}
    return refused.get(title, "in" if answer.status_code < 500 else "broken")


def _wanted(needs: str, *, role: str | None, kind: str, path: str) -> str:
    if role is None:
        return "401"
    if kind == "others":
        return "403"
    if "{slug}" not in path:
        return "in"
    if kind == "elsewhere" or role not in COMING_IN["watch"]:
        return "404"
    return "in" if role in COMING_IN[needs] else "403"
