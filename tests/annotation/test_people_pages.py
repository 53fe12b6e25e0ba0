"""Adding speakers on a page: what it shows once, what it refuses, and the way back."""

import httpx
import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from annotation.actions.intake import sweep
from annotation.actions.queue import push_items
from annotation.errors import TransientError
from annotation.gateways.accounts import AccountsAtTheDesk
from annotation.gateways.wire import sign_in
from annotation.models import Annotation, Annotator, Campaign, DeskEvent, User
from tests.fakes import FakeLabelingDesk
from tests.make import (
    make_annotator,
    make_campaign,
    make_item,
    make_language,
    make_sample,
    make_user,
)
from tests.servers import LabelStudioServer

pytestmark = pytest.mark.django_db
HERE = "/campaigns/moods/people/"


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> FakeLabelingDesk:
    desk = FakeLabelingDesk()
    monkeypatch.setattr("annotation.views.people.open_accounts", lambda: desk)
    told = settings.ENV.model_copy(update={"label_studio_url": "http://desk"})
    monkeypatch.setattr(settings, "ENV", told)
    return desk


@pytest.fixture
def campaign() -> Campaign:
    make_language("ar", name="Arabic")
    return make_campaign(slug="moods", languages=("wo", "qu"))


@pytest.fixture
def noor(client: Client) -> Client:
    client.force_login(make_user("noor", staff=True))
    return client


def add(client: Client, **over: str) -> str:
    answer = client.post(f"{HERE}add/", {"language": "wo", "username": "awa", "name": "Awa"} | over)
    assert answer.status_code in (200, 422)
    return str(answer.content.decode())


def test_a_new_speaker_is_told_once_how_to_sign_in(
    noor: Client, desk: FakeLabelingDesk, campaign: Campaign
) -> None:
    page = add(noor)
    assert "http://desk" in page
    assert "awa@vernacular.localhost" in page
    awa = Annotator.objects.get()
    assert (awa.language.tag, awa.active, awa.user.name) == ("wo", True, "Awa")
    word = page.split("<dt>Password</dt>")[1].split('<code dir="ltr">')[1].split("<")[0]
    assert awa.user.check_password(word)
    assert desk.accounts["awa@vernacular.localhost"].user_id == awa.user.desk_user_id
    again = add(noor)
    assert "shown only now" not in again
    assert "the account was there before" in again
    assert word not in again + noor.get(HERE).content.decode()
    add(noor, language="qu")
    assert Annotator.objects.filter(user=awa.user).count() == 2


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("username", "", "required"),
        ("username", "awa diop", "Latin letters"),
        ("username", "عائشة", "Latin letters"),
        ("username", "a" * 61, "at most 60"),
        ("language", "ar", "not one of the available choices"),
        ("language", "", "required"),
        ("name", "x" * 151, "at most 150"),
    ],
)
def test_what_is_wrong_is_said_at_the_field(
    field: str, value: str, words: str, noor: Client, desk: FakeLabelingDesk, campaign: Campaign
) -> None:
    data = {"language": "wo", "username": "awa", "name": "Awa", field: value}
    answer = noor.post(f"{HERE}add/", data)
    assert answer.status_code == 422
    assert words in str(answer.context["form"].errors[field])
    assert not Annotator.objects.exists()
    assert not desk.calls


def test_nothing_is_half_made_while_the_desk_is_away(
    noor: Client, desk: FakeLabelingDesk, campaign: Campaign
) -> None:
    with desk.down():
        page = add(noor)
    assert "Nothing was saved yet" in page
    assert 'value="awa"' in page
    assert not User.objects.filter(username="awa").exists()
    assert "shown only now" in add(noor)


def test_without_a_desk_the_page_says_what_to_start(
    noor: Client, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere() -> None:
        raise TransientError("Label Studio does not run: start `python3 manage.py up` first.")

    monkeypatch.setattr("annotation.views.people.open_accounts", nowhere)
    assert "manage.py up" in add(noor)


def test_only_those_who_lead_may_add_or_take_away(
    client: Client, desk: FakeLabelingDesk, campaign: Campaign
) -> None:
    awa = make_annotator("awa", "wo")
    lee = make_user("lee")
    there = (f"{HERE}add/", f"{HERE}{awa.pk}/deactivate/", f"{HERE}{awa.pk}/activate/")
    for address in there:
        assert client.post(address, {"language": "wo", "username": "eve"}).status_code == 302
    for somebody in (awa.user, lee):
        client.force_login(somebody)
        for address in there:
            assert client.post(address, {"language": "wo", "username": "eve"}).status_code == 403
    awa.refresh_from_db()
    assert awa.active
    assert not User.objects.filter(username="eve").exists()


def test_deactivating_is_undone_and_what_waited_comes_in(
    noor: Client, desk: FakeLabelingDesk, campaign: Campaign
) -> None:
    add(noor)
    awa = Annotator.objects.get()
    home = campaign.languages.get(language__tag="wo")
    item = make_item(make_sample(campaign, "wo"))
    push_items(home, desk=desk, now=timezone.now())
    item.refresh_from_db()
    page = noor.post(f"{HERE}{awa.pk}/deactivate/", follow=True).content.decode()
    assert "answers no more" in page
    assert "not active" in page
    desk.annotate(item.desk_task_id or 0, user_id=awa.user.desk_user_id, label="admin")
    sweep(home, desk=desk, now=timezone.now())
    assert (Annotation.objects.count(), home.quarantine.filter(resolved_at=None).count()) == (0, 1)
    noor.post(f"{HERE}{awa.pk}/activate/")
    awa.refresh_from_db()
    assert awa.active
    assert Annotation.objects.get().annotator == awa


def test_somebody_of_another_campaign_is_not_found_here(
    noor: Client, desk: FakeLabelingDesk, campaign: Campaign
) -> None:
    stranger = make_annotator("inti", "ar")
    assert noor.post(f"{HERE}{stranger.pk}/deactivate/").status_code == 404
    stranger.refresh_from_db()
    assert stranger.active


def test_languages_without_speakers_stand_first(
    noor: Client, desk: FakeLabelingDesk, campaign: Campaign
) -> None:
    make_annotator("awa", "wo")
    page = noor.get(HERE).content.decode()
    missing = page.split("Languages in which nobody answers")[1].split("</section>")[0]
    assert "?language=qu" in missing
    assert "?language=wo" not in missing
    assert '<option value="qu" selected>' in noor.get(f"{HERE}add/?language=qu").content.decode()


def test_people_who_lost_their_account_are_named_until_they_are_added_again(
    noor: Client, desk: FakeLabelingDesk, campaign: Campaign
) -> None:
    add(noor)
    make_annotator("inti", "qu")
    DeskEvent.objects.create(
        campaign_language=campaign.languages.get(language__tag="wo"),
        action="ACCOUNTS_MOVED",
        accepted=True,
        detail="The desk numbers its accounts anew: 1 found, none for Awa: add them again.",
    )
    there = noor.get(HERE).content.decode()
    assert "The desk numbers its accounts anew: 1 found, none for Awa" in there
    assert "People without an account at the desk" not in there
    desk.accounts.clear()
    User.objects.filter(username="awa").update(desk_user_id=None)
    page = noor.get(HERE).content.decode()
    section = page.split("People without an account at the desk")[1].split("</ul>")[0]
    assert "Awa" in section
    assert "inti" not in section
    again = f"{HERE}add/?language=wo&amp;username=awa"
    assert again in section
    form = noor.get(again.replace("&amp;", "&")).content.decode()
    assert 'value="awa"' in form
    assert "Password" in add(noor)
    assert "People without an account at the desk" not in noor.get(HERE).content.decode()
    assert Annotator.objects.filter(user__username="awa").count() == 1


@pytest.mark.label_studio
def test_who_was_added_on_the_page_signs_in_at_the_real_desk(
    noor: Client,
    campaign: Campaign,
    label_studio: LabelStudioServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A token that the desk refuses is mended on the way: anybody can switch tokens off there.
    told = {"url": label_studio.url, "email": label_studio.email} | {
        "password": label_studio.password,
        "token": "0" * 40,
    }
    env = {f"label_studio_{name}": value for name, value in told.items()}
    monkeypatch.setattr(settings, "ENV", settings.ENV.model_copy(update=env))
    name = f"Awa.{timezone.now():%H%M%S%f}"
    page = add(noor, username=name)
    word = page.split("<dt>Password</dt>")[1].split('<code dir="ltr">')[1].split("<")[0]
    with httpx.Client(base_url=label_studio.url, timeout=30) as session:
        sign_in(session, email=f"{name}@vernacular.localhost", password=word)
        me = session.get("/api/current-user/whoami").json()
    awa = Annotator.objects.get()
    assert (me["id"], me["first_name"]) == (awa.user.desk_user_id, "Awa")
    assert "the account was there before" in add(noor, username=name, language="qu")


@pytest.mark.label_studio
def test_a_personal_token_of_the_desk_is_as_good_as_an_old_one(
    label_studio: LabelStudioServer,
) -> None:
    with httpx.Client(base_url=label_studio.url, timeout=30) as session:
        sign_in(session, email=label_studio.email, password=label_studio.password)
        switched = {"api_tokens_enabled": True, "legacy_api_tokens_enabled": True}
        session.post("/api/jwt/settings", json=switched).raise_for_status()
        made = session.post("/api/token/", json={}).raise_for_status().json()
    accounts = AccountsAtTheDesk(
        url=label_studio.url, token=made["token"], email="no@body.example", password=""
    )
    found = accounts.find_account(label_studio.email)
    assert found
    assert found.email == label_studio.email
