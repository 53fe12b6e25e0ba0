"""Signing in: patience with passwords, a second step where there is one, and the way round it closed."""

import time

import django_otp
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from django_otp.oath import TOTP
from django_otp.plugins.otp_static.models import StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from annotation.actions.invitations import origin_of
from annotation.actions.second_step import confirm, take_away
from annotation.errors import VernacularError
from annotation.models import AuditEntry, LinkMiss, Membership, User
from annotation.views import second_step
from tests.make import make_annotator, make_campaign, make_user

pytestmark = pytest.mark.django_db
ASK, SET_UP = "/sign-in/code/", "/me/second-step/"


@pytest.fixture
def noor() -> User:
    return make_user("noor", staff=True)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The phone's and the server's; moved by hand, for a code counts once."""
    now = [time.time()]
    monkeypatch.setattr("django_otp.plugins.otp_totp.models.time.time", lambda: now[0])
    return now


def code_of(user: User, clock: list[float]) -> str:
    clock[0] += 30
    phone = TOTPDevice.objects.get(user=user)
    made = TOTP(phone.bin_key, drift=0)
    made.time = clock[0]
    return f"{made.token():06d}"


def signed_in(user: User) -> Client:
    client = Client()
    answer = client.post("/sign-in/", {"username": user.username, "password": "secret"})
    assert answer.status_code == 302
    return client


def by_link(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def enrolled(user: User, clock: list[float]) -> tuple[Client, list[str]]:
    client = signed_in(user)
    assert client.post(SET_UP, {"password": "wrong"}).status_code == 422
    shown = client.post(SET_UP, {"password": "secret"})
    assert "data:image/svg+xml" in shown.content.decode()
    assert client.post(SET_UP, {"code": "000000"}).status_code == 422
    TOTPDevice.objects.update(throttling_failure_count=0)
    before = client.session.session_key
    done = client.post(SET_UP, {"code": code_of(user, clock)})
    assert client.session.session_key != before
    codes = done.context["codes"]
    assert len(codes) == 10
    return client, codes


def test_a_password_alone_opens_nothing_once_there_is_a_phone(
    noor: User, clock: list[float]
) -> None:
    first, _ = enrolled(noor, clock)
    assert first.get("/campaigns/").status_code == 200
    second = signed_in(noor)
    for path in ("/campaigns/", "/admin/", "/me/", SET_UP, "/health/", "/audit.csv"):
        answer = second.get(path)
        assert (answer.status_code, answer["Location"][: len(ASK)]) == (302, ASK), path
    assert second.post("/campaigns/new/", {"title": "x"})["Location"] == ASK
    partial = second.get("/campaigns/", headers={"HX-Request": "true"})
    assert (partial.status_code, partial["HX-Redirect"]) == (204, ASK)
    used, before = code_of(noor, clock), second.session.session_key
    assert second.post(ASK, {"code": used, "next": "/campaigns/"})["Location"] == "/campaigns/"
    # Whoever knew the number of a session that had only a password knows no other.
    assert second.session.session_key != before
    assert second.get("/campaigns/").status_code == 200
    third = signed_in(noor)
    assert third.post(ASK, {"code": used}).status_code == 422  # each code counts once
    TOTPDevice.objects.update(throttling_failure_count=0)
    foreign = {"code": code_of(noor, clock), "next": "https://evil.example/"}
    assert third.post(ASK, foreign)["Location"] == "/"


def test_what_another_has_or_has_not_confirmed_proves_nothing(
    noor: User, clock: list[float]
) -> None:
    enrolled(noor, clock)
    client = signed_in(noor)
    others = TOTPDevice.objects.create(user=make_user("inti"), confirmed=True)
    unsure = TOTPDevice.objects.create(user=noor, confirmed=False)
    for phone in (others, unsure):
        session = client.session
        session[django_otp.DEVICE_ID_SESSION_KEY] = phone.persistent_id
        session.save()
        assert client.get("/campaigns/")["Location"].startswith(ASK)


def test_a_recovery_code_opens_once_and_is_kept_as_a_digest(noor: User, clock: list[float]) -> None:
    _, codes = enrolled(noor, clock)
    assert not StaticToken.objects.filter(token__in=[one.replace("-", "") for one in codes])
    client = signed_in(noor)
    assert client.post(ASK, {"code": codes[0].lower()}).status_code == 302
    assert client.get("/campaigns/").status_code == 200
    again = signed_in(noor)
    assert again.post(ASK, {"code": codes[0]}).status_code == 422
    # A right one straight after a wrong one waits as well: nobody tries codes by the thousand.
    assert again.post(ASK, {"code": codes[1]}).status_code == 422


def test_where_it_must_be_those_who_lead_set_it_up_first(
    noor: User, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings.ENV, "require_two_factor", True)
    lead = make_user("lead")
    Membership.objects.create(user=lead, campaign=make_campaign(), role="admin")
    budi = make_annotator("budi").user
    for person in (noor, lead):
        client = signed_in(person)
        assert client.get("/me/")["Location"].startswith(SET_UP)
        assert client.get(SET_UP).status_code == 200
    assert signed_in(budi).get("/me/").status_code == 200
    client, codes = enrolled(noor, clock)
    assert client.get("/campaigns/").status_code == 200
    client.post(f"{SET_UP}off/", {"code": codes[0]})
    assert TOTPDevice.objects.filter(user=noor, confirmed=True).exists()
    assert second_step.is_proven(client.get("/campaigns/").wsgi_request)


def test_where_it_must_be_a_personal_link_alone_leads_nothing_either(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    lead, budi = make_user("lead"), make_annotator("budi").user
    Membership.objects.create(user=lead, campaign=make_campaign(slug="mood"), role="admin")
    for person in (lead, budi):
        person.set_unusable_password()
        person.save()
    page, client = "/campaigns/mood/webhooks/", by_link(lead)
    assert (client.get(page).status_code, client.get(SET_UP)["Location"]) == (200, "/me/")
    monkeypatch.setattr(settings.ENV, "require_two_factor", True)
    assert client.get(page)["Location"].startswith(SET_UP)
    assert 'name="password"' not in client.get(SET_UP).content.decode()
    assert "data:image/svg+xml" in client.post(SET_UP).content.decode()
    assert len(client.post(SET_UP, {"code": code_of(lead, clock)}).context["codes"]) == 10
    assert client.get(page).status_code == 200
    assert SET_UP in client.get("/me/").content.decode()
    assert by_link(lead).get(page)["Location"].startswith(ASK)
    assert by_link(budi).get("/me/").status_code == 200


def test_a_first_code_sent_twice_is_no_wrong_one(noor: User, clock: list[float]) -> None:
    client = signed_in(noor)
    assert 'name="first"' in client.post(SET_UP, {"password": "secret"}).content.decode()
    told = {"first": "1", "code": code_of(noor, clock)}
    lost = client.post(SET_UP, told).context["codes"]
    again = client.post(SET_UP, told, follow=True)
    assert (again.status_code, again.context["on"], again.context["left"]) == (200, True, 10)
    assert TOTPDevice.objects.get(user=noor).throttling_failure_count == 0
    anew = client.post(SET_UP, {"code": code_of(noor, clock)}).context["codes"]
    assert not set(anew) & set(lost)


def test_it_can_be_turned_off_by_who_has_it_and_codes_made_anew(
    noor: User, clock: list[float]
) -> None:
    client, codes = enrolled(noor, clock)
    anew = client.post(SET_UP, {"code": codes[0]}).context["codes"]
    assert not set(anew) & set(codes)
    client.post(f"{SET_UP}off/", {"code": codes[1]})  # of those from before
    client.post(f"{SET_UP}off/", {"code": "000000"})
    assert TOTPDevice.objects.get(user=noor).throttling_failure_count == 1
    client.post(f"{SET_UP}off/", {"code": code_of(noor, clock)})  # right, but too soon
    assert TOTPDevice.objects.filter(user=noor).exists()
    TOTPDevice.objects.update(throttling_failure_count=0)
    client.post(f"{SET_UP}off/", {"code": code_of(noor, clock)})
    assert not TOTPDevice.objects.filter(user=noor).exists()
    assert client.get("/campaigns/").status_code == 200


def test_what_was_proven_by_a_phone_that_is_gone_is_proven_no_longer(
    noor: User, clock: list[float]
) -> None:
    elsewhere, codes = enrolled(noor, clock)
    here = signed_in(noor)
    here.post(ASK, {"code": codes[0]})
    here.post(SET_UP, {"code": codes[1]})  # which replaces the codes that it came in by
    assert here.get("/campaigns/").status_code == 200
    here.post(f"{SET_UP}off/", {"code": code_of(noor, clock)})
    enrolled(noor, clock)
    assert elsewhere.get("/campaigns/")["Location"].startswith(ASK)


def test_a_lost_phone_is_taken_away_by_another_superuser_and_written_down(
    noor: User, clock: list[float]
) -> None:
    stolen, _ = enrolled(noor, clock)
    assert stolen.get("/campaigns/").status_code == 200
    root = make_user("root", staff=True, is_superuser=True)
    for actor, reason in ((noor, "x"), (root, " ")):
        with pytest.raises(VernacularError):
            take_away(noor, actor=actor, reason=reason)
    with pytest.raises(VernacularError):
        take_away(root, actor=root, reason="x")
    client = signed_in(root)
    action = {"action": "take_second_step_away", "_selected_action": [noor.pk]}
    client.post("/admin/annotation/user/", action)
    assert not TOTPDevice.objects.filter(user=noor).exists()
    assert stolen.get("/campaigns/")["Location"].startswith("/sign-in/")
    entry = AuditEntry.objects.filter(action="second_step_taken_away").get()
    assert (entry.actor, entry.named["user"]) == (root, noor.pk)
    with pytest.raises(CommandError):
        call_command("take_second_step_away", "nobody", reason="x")
    with pytest.raises(VernacularError):
        confirm(noor, code="123456")


def test_too_many_wrong_passwords_from_an_address_wait_whoevers_they_are(noor: User) -> None:
    now = timezone.now()
    LinkMiss.objects.bulk_create(
        LinkMiss(origin=origin_of("sign-in from 203.0.113.9"), created_at=now) for _ in range(30)
    )
    right = {"username": "noor", "password": "secret"}
    held = Client(REMOTE_ADDR="203.0.113.9").post("/sign-in/", right)
    assert (held.status_code, "Too many" in held.content.decode()) == (200, True)
    assert Client(REMOTE_ADDR="203.0.113.8").post("/sign-in/", right).status_code == 302


def test_too_many_wrong_passwords_have_to_wait_whoever_tries(noor: User) -> None:
    client = Client()
    for _ in range(15):
        client.post("/sign-in/", {"username": "noor", "password": "wrong"})
    right = {"username": "Noor", "password": "secret"}
    held = Client(REMOTE_ADDR="203.0.113.9").post("/sign-in/", right | {"username": "noor"})
    assert (held.status_code, "Too many" in held.content.decode()) == (200, True)
    # Nor is it tried out where somebody has left a computer signed in.
    left = Client()
    left.force_login(inti := make_user("inti"))
    for _ in range(15):
        assert left.post(SET_UP, {"password": "wrong"}).status_code == 422
    assert left.post(SET_UP, {"password": "secret"})["Location"] == SET_UP
    assert not TOTPDevice.objects.filter(user=inti).exists()
    LinkMiss.objects.all().delete()
    assert client.post("/sign-in/", {"username": "inti", "password": "secret"}).status_code == 302
    assert Client().get("/admin/login/?next=/admin/")["Location"] == "/sign-in/?next=/admin/"
