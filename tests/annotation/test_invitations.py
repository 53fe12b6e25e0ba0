"""Personal links: shown once, opened by a button, made anew, revoked with all who came in by them."""

import html
import re
from datetime import timedelta
from io import StringIO

import pytest
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from annotation.actions.invitations import (
    MISS_WINDOW,
    MOST_MISSES,
    LinkEndedError,
    LinkUnknownError,
    TooManyLinksError,
    digest_of,
    invite,
    look_up,
)
from annotation.errors import InvalidInputError
from annotation.models import Campaign, Invitation, LinkMiss, Membership, User
from tests.make import make_annotator, make_campaign, make_language, make_user

pytestmark = pytest.mark.django_db
HERE = "/campaigns/moods/people/"


@pytest.fixture
def campaign() -> Campaign:
    make_language("ar", name="Arabic")
    return make_campaign(slug="moods", languages=("wo", "qu"))


@pytest.fixture
def noor(client: Client) -> Client:
    client.force_login(make_user("noor", staff=True, email="noor@example.org"))
    return client


def ask(client: Client, **over: object) -> str:
    data = {"name": "Awa Diop", "languages": ["wo"], "role": "annotator"} | over
    answer = client.post(f"{HERE}invite/", data)
    assert answer.status_code in (200, 422), answer.status_code
    return str(answer.content.decode())


def link_in(page: str) -> str:
    return html.unescape(re.search(r'value="([^"]+/go/[^"]+)"', page)[1])


def path_of(link: str) -> str:
    assert link.startswith(settings.ENV.web_url)
    return link.removeprefix(settings.ENV.web_url.rstrip("/"))


def opened(link: str) -> Client:
    """A device that has opened the link and pressed its button."""
    device = Client()
    assert device.post(path_of(link)).status_code == 302
    return device


def who(device: Client) -> object:
    return device.get("/consent/").wsgi_request.user


def test_the_link_is_shown_once_with_text_and_picture_and_kept_as_a_digest(
    noor: Client, campaign: Campaign
) -> None:
    page = ask(noor)
    link = link_in(page)
    assert page.count(link) >= 2  # the field, and the text to send
    assert "data:image/svg+xml" in page
    made = Invitation.objects.get()
    token = path_of(link).split("/")[2]
    assert len(token) >= 43
    assert made.token_digest == digest_of(token)
    assert not User.objects.filter(name="Awa Diop").exists()
    people = noor.get(HERE).content.decode()
    assert "Awa Diop" in people
    assert "not opened yet" in people
    assert token not in people


def test_looking_does_nothing_and_the_button_signs_in_on_every_device(
    noor: Client, campaign: Campaign
) -> None:
    link = link_in(ask(noor))
    preview = Client()
    for _ in range(3):
        page = preview.get(path_of(link))
        assert page.status_code == 200
        assert "Awa Diop" in page.content.decode()
        assert preview.head(path_of(link)).status_code == 200
    assert "sessionid" not in preview.cookies
    assert who(preview) == AnonymousUser()
    assert Invitation.objects.get().last_used_at is None
    phone, laptop = opened(link), opened(link)
    awa = User.objects.get(name="Awa Diop")
    assert (who(phone), who(laptop)) == (awa, awa)
    assert not awa.has_usable_password()
    age = phone.cookies[settings.SESSION_COOKIE_NAME]["max-age"]
    assert timedelta(seconds=int(age)) == timedelta(days=90)
    assert phone.cookies[settings.SESSION_COOKIE_NAME]["httponly"]


def test_revoking_ends_the_link_and_every_session_that_began_by_it(
    noor: Client, campaign: Campaign
) -> None:
    link, other = link_in(ask(noor)), link_in(ask(noor, name="Binta"))
    phone, kept = opened(link), opened(other)
    revoked = Invitation.objects.get(name="Awa Diop")
    noor.post(f"{HERE}invitations/{revoked.pk}/revoke/")
    page = phone.get("/me/")
    assert page.status_code == 410
    assert "Noor" in page.content.decode()
    assert "noor@example.org" in page.content.decode()
    assert who(phone) == AnonymousUser()
    for answer in (Client().get(path_of(link)), Client().post(path_of(link))):
        assert answer.status_code == 410
        assert "does not open any more" in answer.content.decode()
    assert who(kept) == User.objects.get(name="Binta")


def test_a_new_link_is_the_same_person_and_the_old_one_is_over(
    noor: Client, campaign: Campaign
) -> None:
    old = link_in(ask(noor))
    phone = opened(old)
    awa = User.objects.get(name="Awa Diop")
    pk = Invitation.objects.get().pk
    new = link_in(noor.post(f"{HERE}invitations/{pk}/renew/").content.decode())
    assert new != old
    assert phone.get("/me/").status_code == 410
    assert who(opened(new)) == awa
    assert Client().get(path_of(old)).status_code == 410


def test_a_link_that_has_run_out_does_not_open(campaign: Campaign) -> None:
    now = timezone.now()
    ticket = invite(
        campaign,
        name="Awa",
        languages=[make_language("wo")],
        actor=None,
        expires_at=now + timedelta(days=2),
    )
    assert look_up(ticket.token, origin="o", now=now + timedelta(days=1)) == ticket.invitation
    with pytest.raises(LinkEndedError):
        look_up(ticket.token, origin="o", now=now + timedelta(days=2))
    ticket.invitation.user = make_user("awa", is_active=False)
    ticket.invitation.save()
    with pytest.raises(LinkEndedError):
        look_up(ticket.token, origin="o", now=now)


def test_guessing_has_to_wait_and_no_good_link_with_it(campaign: Campaign) -> None:
    now = timezone.now()
    ticket = invite(campaign, name="Awa", languages=[make_language("wo")], actor=None)
    for number in range(MOST_MISSES):
        with pytest.raises(LinkUnknownError):
            look_up(f"{number}", origin="guesser", now=now)
    with pytest.raises(TooManyLinksError):
        look_up("one more", origin="guesser", now=now)
    # Behind one proxy or one shared line everybody has the guesser's address.
    assert look_up(ticket.token, origin="guesser", now=now) == ticket.invitation
    with pytest.raises(LinkUnknownError):
        look_up("mistyped", origin="neighbour", now=now)
    later = now + MISS_WINDOW + timedelta(seconds=1)
    assert look_up(ticket.token, origin="guesser", now=later) == ticket.invitation
    with pytest.raises(LinkUnknownError):
        look_up("another", origin="guesser", now=later)
    assert LinkMiss.objects.count() == 1


def test_the_page_counts_misses_by_address_and_trusts_no_claimed_one(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tried(claimed: str) -> int:
        return Client().get("/go/nothing/", headers={"X-Forwarded-For": claimed}).status_code

    monkeypatch.setattr("annotation.actions.invitations.MOST_MISSES", 2)
    assert [tried(f"10.0.0.{n}") for n in range(3)] == [404, 404, 429]
    assert not LinkMiss.objects.filter(origin__contains="127.0.0.1").exists()
    # Behind a proxy of ours the address that it saw counts, whatever is claimed before it.
    told = settings.ENV.model_copy(update={"trusted_proxies": 1})
    monkeypatch.setattr(settings, "ENV", told)
    assert [tried(f"10.9.9.{n}, 10.0.0.7") for n in range(3)] == [404, 404, 429]
    assert tried("10.0.0.8") == 404


def test_two_people_on_one_device_stay_two_and_one_person_stays_one(
    noor: Client, campaign: Campaign
) -> None:
    awas, bintas = link_in(ask(noor)), link_in(ask(noor, name="Binta"))
    again = link_in(ask(noor, name="Awa D.", languages=["qu"]))
    device = opened(awas)
    awa = who(device)
    page = device.get(path_of(again)).content.decode()
    assert "That is me" in page
    device.post(path_of(again), {"mine": "yes"})
    assert who(device) == awa
    assert not User.objects.filter(name="Awa D.").exists()
    device.post(path_of(bintas))
    assert who(device) == User.objects.get(name="Binta")
    # An opened link is its owner's, whoever says what.
    device.post(path_of(awas), {"mine": "yes"})
    assert who(device) == awa
    assert Invitation.objects.get(name="Binta").user == User.objects.get(name="Binta")


@pytest.fixture
def coumba(campaign: Campaign) -> Client:
    """Coordinate a language, and know every link made there."""
    user, wo = make_user("coumba"), make_language("wo")
    Membership.objects.create(user=user, campaign=campaign, language=wo, role="coordinator")
    client = Client()
    client.force_login(user)
    return client


def test_who_made_a_link_does_not_come_in_as_whoever_took_it_up(
    coumba: Client, campaign: Campaign
) -> None:
    boss = make_user("boss")
    there = make_campaign(slug="there", languages=("wo",))
    Membership.objects.create(user=boss, campaign=there, role="admin")
    link, device = link_in(ask(coumba, name="Boss", role="reporter")), Client()
    device.force_login(boss)
    assert device.post(path_of(link), {"mine": "yes"}).status_code == 302
    assert Membership.objects.filter(user=boss, campaign=campaign, role="reporter").exists()
    assert who(device) == boss
    other = Client()
    for answer in (other.get(path_of(link)), other.post(path_of(link)), coumba.get(path_of(link))):
        assert answer.status_code == 403
        assert "ask the people who run these pages" in answer.content.decode()
    assert who(other) == AnonymousUser()
    # To its owner, on a device of theirs, it goes on being a way to their page.
    assert device.post(path_of(link)).status_code == 302
    assert who(device) == boss
    # Nor is who made it the keeper of its owner's session.
    Invitation.objects.update(revoked_at=timezone.now())
    assert device.get("/me/").status_code == 200


def test_a_link_taken_up_signs_nobody_in_even_where_its_maker_could(
    noor: Client, campaign: Campaign
) -> None:
    device = opened(link_in(ask(noor)))
    again = link_in(ask(noor, name="Awa D.", languages=["qu"]))
    device.post(path_of(again), {"mine": "yes"})
    page = Client().post(path_of(again))
    assert page.status_code == 403
    assert "Noor" in page.content.decode()
    pk = Invitation.objects.get(name="Awa D.").pk
    new = link_in(noor.post(f"{HERE}invitations/{pk}/renew/").content.decode())
    assert who(opened(new)) == User.objects.get(name="Awa Diop")


def test_an_old_link_does_not_open_what_its_owner_became_since(
    coumba: Client, noor: Client, campaign: Campaign
) -> None:
    old = link_in(ask(coumba))
    phone, eavesdropper = opened(old), opened(old)
    awa = who(phone)
    assert who(eavesdropper) == awa
    make_campaign(slug="there", languages=("wo",))
    made = noor.post("/campaigns/there/people/invite/", {"name": "Awa", "role": "admin"})
    phone.post(path_of(link_in(made.content.decode())), {"mine": "yes"})
    assert phone.get("/campaigns/there/people/").status_code == 200
    assert who(eavesdropper) == AnonymousUser()
    assert eavesdropper.post(path_of(old)).status_code == 403
    assert eavesdropper.get("/campaigns/there/people/").status_code == 302


def test_staff_who_try_a_link_do_not_become_its_owner(noor: Client, campaign: Campaign) -> None:
    link = link_in(ask(noor))
    noor.post(path_of(link), {"mine": "yes"})
    assert Invitation.objects.get().user == User.objects.get(name="Awa Diop")
    assert not Invitation.objects.get().user.is_staff


@pytest.mark.parametrize(
    ("over", "words"),
    [
        ({"name": " "}, "required"),
        ({"name": "x" * 151}, "at most 150"),
        ({"languages": []}, "Choose one language"),
        ({"languages": ["ar"]}, "not one of the available choices"),
        ({"role": "owner"}, "not one of the available choices"),
    ],
)
def test_what_is_wrong_is_said_at_the_field(
    over: dict[str, object], words: str, noor: Client, campaign: Campaign
) -> None:
    assert words in ask(noor, **over)
    assert not Invitation.objects.exists()


def test_a_coordinator_invites_in_their_language_and_below_their_role(
    client: Client, campaign: Campaign
) -> None:
    lead = make_user("lead")
    wo, qu = make_language("wo"), make_language("qu")
    Membership.objects.create(user=lead, campaign=campaign, language=wo, role="coordinator")
    client.force_login(lead)
    link = link_in(ask(client))
    assert "not one of the available choices" in ask(client, languages=["qu"])
    for role in ("coordinator", "admin"):
        assert "not one of the available choices" in ask(client, role=role)
    inti = invite(campaign, name="Inti", languages=[qu], actor=None).invitation
    above = invite(
        campaign, name="Above", languages=[wo], actor=None, role="coordinator"
    ).invitation
    for other in (inti, above):
        for verb in ("renew", "revoke"):
            assert client.post(f"{HERE}invitations/{other.pk}/{verb}/").status_code == 403
    people = client.get(HERE).content.decode()
    assert "Awa Diop" in people
    assert "Inti" not in people
    own = Invitation.objects.get(name="Awa Diop")
    # Whoever is something elsewhere too cannot be walked in as.
    opened(link)
    own.refresh_from_db()
    there = make_campaign(slug="there", languages=("wo",))
    Membership.objects.create(user=own.user, campaign=there, language=wo, role="annotator")
    assert client.post(f"{HERE}invitations/{own.pk}/renew/").status_code == 403


def test_a_coordinator_lets_go_only_of_those_who_answer_here_alone(
    client: Client, campaign: Campaign
) -> None:
    lead = make_user("lead")
    wo = make_language("wo")
    Membership.objects.create(user=lead, campaign=campaign, language=wo, role="coordinator")
    client.force_login(lead)
    awa = make_annotator("awa", "wo", everywhere=False)
    Membership.objects.create(user=awa.user, campaign=campaign, language=wo, role="annotator")
    inti, both = make_annotator("inti", "qu"), make_annotator("both", "wo")
    make_campaign(slug="there", languages=("wo",))
    for person, status in ((awa, 302), (inti, 403), (both, 403)):
        assert client.post(f"{HERE}{person.pk}/deactivate/").status_code == status
        person.refresh_from_db()
        assert person.active == (status == 403)


def test_a_role_that_was_taken_away_does_not_come_back_by_the_link(
    noor: Client, campaign: Campaign
) -> None:
    link = link_in(ask(noor, role="coordinator"))
    phone = opened(link)
    held = Membership.objects.get(role="coordinator")
    assert phone.get(HERE).status_code == 200
    noor.post(f"{HERE}roles/{held.pk}/end/")
    assert phone.get(HERE).status_code == 403
    assert opened(link).get(HERE).status_code == 403
    assert opened(link_in(ask(noor, role="coordinator"))).get(HERE).status_code == 200


def test_the_ready_made_text_speaks_the_interface_language_chosen(
    noor: Client, campaign: Campaign, settings
) -> None:
    settings.LANGUAGES = [("en", "English"), ("ar", "Arabic")]
    page = ask(noor, interface="ar")
    assert '<textarea id="message" class="copied" rows="9" lang="ar" dir="rtl"' in page
    phone = Client()
    assert 'lang="ar" dir="rtl"' in phone.get(path_of(link_in(page))).content.decode()
    phone.post(path_of(link_in(page)))
    consent = phone.get("/consent/").content.decode()
    assert 'lang="ar" dir="rtl"' in consent
    assert "أنت مدعوّ" in consent


def test_the_command_invites_and_says_what_is_wrong(campaign: Campaign) -> None:
    out = StringIO()
    call_command("invite", "moods", "Awa Diop", "wo", "qu", "--days", "7", stdout=out)
    made = Invitation.objects.get()
    assert [language.tag for language in made.languages.order_by("tag")] == ["qu", "wo"]
    assert made.expires_at - made.created_at > timedelta(days=6, hours=23)
    assert opened(out.getvalue().split()[-1])
    for words in (["nowhere", "Awa", "wo"], ["moods", "Awa", "xx"], ["moods", "Awa", "ar"]):
        with pytest.raises(CommandError):
            call_command("invite", *words)
    with pytest.raises(CommandError, match="needs a language"):
        call_command("invite", "moods", "Awa")
    with pytest.raises(InvalidInputError):
        invite(campaign, name=" ", languages=[make_language("wo")], actor=None)
