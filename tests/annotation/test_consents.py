"""What people are asked in plain words, what they say, and that every change stays written down."""

import pytest
from django.contrib import admin
from django.core.exceptions import ObjectDoesNotExist
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from annotation.actions import consents
from annotation.actions.consents import (
    TEXTS,
    give_consent,
    present_text,
    record_consent,
    standing_consent,
    write_text,
)
from annotation.actions.invitations import invite
from annotation.errors import InvalidInputError
from annotation.models import (
    Annotator,
    Campaign,
    Consent,
    ConsentText,
    Language,
    Membership,
    Purpose,
    User,
)
from tests.make import make_annotator, make_campaign, make_language, make_user

pytestmark = pytest.mark.django_db
YES = {"answer": "yes", "of_age": "on"}


@pytest.fixture
def campaign() -> Campaign:
    return make_campaign(slug="moods", languages=("wo", "qu"), status="running")


@pytest.fixture
def phone(campaign: Campaign) -> Client:
    """A phone on which Awa has just opened her link."""
    ticket = invite(campaign, name="Awa", languages=[make_language("wo")], actor=None)
    device = Client()
    device.post(f"/go/{ticket.token}/")
    return device


def awa() -> User:
    return User.objects.get(name="Awa")


def test_the_page_asks_and_ticks_only_what_cannot_be_separated(phone: Client) -> None:
    assert phone.get("/me/").headers["Location"] == "/consent/"
    assert phone.get("/answer/moods/wo/").status_code == 403
    page = phone.get("/consent/").content.decode()
    boxes = {box.split('"')[0]: box for box in page.split('type="checkbox" name="')[1:]}
    ticked = {name for name, box in boxes.items() if " checked" in box.split(">")[0]}
    assert set(boxes) == {*Purpose.values, "of_age"}
    assert ticked == {"train"}
    assert "disabled" in boxes["train"].split(">")[0]


def test_from_the_link_over_consent_and_dialect_to_work(phone: Client, campaign: Campaign) -> None:
    Language.objects.filter(tag="wo").update(variants=["Lebu", "Faana-Faana"])
    after = phone.post("/consent/", YES | {"contact": "on"})
    assert after.headers["Location"] == "/me/about/"
    said = standing_consent(awa())
    assert (said.granted, said.of_age, said.how) == (["train", "contact"], True, "page")
    assert (said.text.tag, said.text.version) == ("en", 1)
    team = Annotator.objects.get(user=awa())
    assert (team.language.tag, team.everywhere) == ("wo", False)
    assert Membership.objects.get(user=awa()).role == "annotator"
    page = phone.get("/me/about/").content.decode()
    assert "Lebu" in page
    assert "Latin" in page
    phone.post("/me/about/", {f"dialect-{team.pk}": "Lebu", f"script-{team.pk}": "Latn"})
    team.refresh_from_db()
    assert (team.dialect, team.script) == ("Lebu", "Latn")
    own = {f"dialect-{team.pk}": "Lebu", f"dialect-other-{team.pk}": " Saint-Louis  "}
    phone.post("/me/about/", own)
    team.refresh_from_db()
    assert (team.dialect, team.script) == ("Saint-Louis", "")
    page = phone.get("/me/").content.decode()
    assert "/answer/moods/wo/" in page
    assert "/desk/moods/wo/" in page
    assert "/moods/qu/" not in page


def test_no_is_an_answer_and_nothing_else_is_kept(phone: Client) -> None:
    page = phone.post("/consent/", {"answer": "no", "contact": "on"}, follow=True)
    assert "Thank you for your answer" in page.content.decode()
    said = Consent.objects.get(user=awa())
    assert (said.granted, said.of_age) == ([], False)
    assert not Annotator.objects.exists()
    assert not Membership.objects.exists()
    assert phone.get("/answer/moods/wo/").status_code == 403
    # And it can be changed.
    phone.post("/consent/", YES)
    assert standing_consent(awa()).train
    assert Annotator.objects.filter(user=awa(), active=True).exists()


def test_nobody_agrees_who_is_too_young_or_ticks_something_unasked(phone: Client) -> None:
    answer = phone.post("/consent/", {"answer": "yes", "contact": "on"})
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "old enough" in page
    assert 'name="contact" checked' in page
    assert not Consent.objects.exists()
    text = present_text("en")
    now = timezone.now()
    with pytest.raises(InvalidInputError):
        give_consent(awa(), text=text, granted={"contact"}, of_age=True, now=now)
    with pytest.raises(InvalidInputError):
        give_consent(awa(), text=text, granted={"train", "sell"}, of_age=True, now=now)


def test_every_change_is_one_more_row_and_the_same_again_is_none(phone: Client) -> None:
    for _ in range(2):
        phone.post("/consent/", YES)
    phone.post("/consent/", YES | {"name_me": "on"})
    # Stopping erases answers: it is asked once more, and changes nothing until then.
    asked = phone.post("/consent/", {"answer": "no"}, follow=True)
    assert "Take part no more?" in asked.content.decode()
    assert standing_consent(awa()).train
    phone.post("/consent/", {"answer": "no", "sure": "yes"})
    rows = list(Consent.objects.filter(user=awa()).order_by("pk"))
    assert [row.granted for row in rows] == [["train"], ["train", "name_me"], []]
    assert [row.ended_at for row in rows[:2]] == [row.given_at for row in rows[1:]]
    assert rows[2].ended_at is None
    assert "You take part no more" in phone.get("/me/").content.decode()
    assert "What you said before" in phone.get("/consent/").content.decode()
    # Still a member, but who has ended it is asked again before anything else.
    assert phone.get("/answer/moods/wo/").headers["Location"] == "/consent/"


def test_whoever_was_added_is_told_through_whom_and_may_say_it_themselves(
    client: Client, campaign: Campaign
) -> None:
    team = make_annotator("inti", "qu")
    client.force_login(team.user)
    assert "through the admin" in client.get("/consent/").content.decode()
    client.post("/consent/", YES | {"publish_labels": "on"})
    said = standing_consent(team.user)
    assert (said.how, said.granted) == ("page", ["train", "publish_labels"])
    assert Annotator.objects.get(user=team.user).everywhere


def test_an_admin_speaks_for_nobody_who_has_spoken(phone: Client) -> None:
    phone.post("/consent/", {"answer": "no"})
    lead = make_user("noor", staff=True)
    said = record_consent(awa(), how=Consent.How.ADMIN, recorded_by=lead, now=timezone.now())
    assert not said.train
    assert not Consent.objects.training().filter(user=awa()).exists()
    other = make_user("binta")
    said = record_consent(other, how=Consent.How.ADMIN, recorded_by=lead, now=timezone.now())
    assert (said.train, said.recorded_by, said.granted) == (True, lead, ["train"])


def test_what_was_read_counts_even_if_a_newer_text_has_come(phone: Client) -> None:
    read = present_text("en")
    words = {name: f"{name}!" for name in ("of_age", *Purpose.values)}
    newer = write_text("en", text="Our own words.", purposes=words)
    assert newer.version == 2
    assert "Our own words." in phone.get("/consent/").content.decode()
    phone.post("/consent/", YES | {"text": str(read.pk)})
    assert standing_consent(awa()).text == read
    assert write_text("en", text="Our own words.", purposes=words) == newer
    with pytest.raises(InvalidInputError, match="contact"):
        write_text("en", text="No.", purposes=words | {"contact": " "})


def test_shipped_texts_are_whole_and_a_changed_one_is_a_new_version(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tags = sorted(path.stem for path in TEXTS.glob("*.toml"))
    assert {"en", "fr", "ar", "es", "id", "sw"} <= set(tags)
    for tag in tags:
        text = present_text(tag)
        assert (text.tag, text.version, text.draft) == (tag, 1, tag != "en")
        assert all(text.purposes[name] for name in ("of_age", *Purpose.values))
    assert present_text("fr-SN").tag == "fr"
    assert present_text("../../secrets").tag == "en"
    first = present_text("fr")
    changed = {"text": "Autre.", "purposes": first.purposes}
    monkeypatch.setattr(consents, "_shipped", lambda tag: (changed, True) if tag == "fr" else None)
    assert (present_text("fr").version, present_text("fr").text) == (2, "Autre.")
    own = write_text("fr", text="À nous.", purposes=first.purposes)
    assert present_text("fr") == own


def test_the_database_holds_what_consent_means(campaign: Campaign) -> None:
    user = make_user("awa")
    now = timezone.now()
    text = present_text("en")
    for wrong in (
        {"how": "page", "train": True, "of_age": True},
        {"how": "page", "train": True, "text": text},
        {"how": "admin", "contact": True},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            Consent.objects.create(user=user, given_at=now, **wrong)
    Consent.objects.create(user=user, how="admin", train=True, given_at=now)
    with pytest.raises(IntegrityError), transaction.atomic():
        Consent.objects.create(user=user, how="admin", train=True, given_at=now)


def test_the_admin_site_writes_new_versions_and_changes_none(
    client: Client, campaign: Campaign
) -> None:
    client.force_login(make_user("noor", staff=True, is_superuser=True))
    purposes = '{"of_age": "a", "train": "b", "publish_text": "c", "publish_labels": "d", %s}'
    told = {"tag": "wo", "text": "Ci wolof.", "purposes": purposes % '"name_me": "e"'}
    page = client.post("/admin/annotation/consenttext/add/", told)
    assert "a sentence for each" in page.content.decode()
    told["purposes"] = purposes % '"name_me": "e", "contact": "f"'
    assert client.post("/admin/annotation/consenttext/add/", told).status_code == 302
    made = ConsentText.objects.get(tag="wo")
    assert (made.version, made.text, len(made.digest)) == (1, "Ci wolof.", 64)
    assert not admin.site._registry[Consent].has_change_permission(None)
    assert client.get(f"/admin/annotation/consenttext/{made.pk}/change/").status_code == 200
    with pytest.raises(ObjectDoesNotExist):
        ConsentText.objects.get(tag="wo", version=2)
