"""Weekly letters: to whoever asked, in their language, once a week, and ended by one click."""

import re
from datetime import UTC, datetime, timedelta
from smtplib import SMTPRecipientsRefused, SMTPServerDisconnected

import pytest
from celery.exceptions import Retry
from django.core import mail
from django.test import Client
from django.utils import timezone, translation

from annotation.actions.addresses import ask_at, open_question, send_questions
from annotation.actions.health import report
from annotation.actions.letters import keep_address, stop_letters, way_out
from annotation.models import AddressQuestion, Annotation, Annotator, CampaignLanguage, User
from annotation.tasks import send_questions as questions
from tests.make import make_item, make_sample
from tests.training.giving import allow, give, make_group
from training.actions.letters import send_letters, week_to_tell
from training.models import Letter
from training.tasks import send_letters as task

pytestmark = pytest.mark.django_db
MONDAY = datetime(2026, 11, 16, 9, tzinfo=UTC)
LAST_WEEK = datetime(2026, 11, 11, 12, tzinfo=UTC)


@pytest.fixture
def home() -> CampaignLanguage:
    return make_group(gold=0)[0]


@pytest.fixture
def awa(home: CampaignLanguage) -> Annotator:
    """She answered last week, allows it to be written to her, and said where."""
    found = Annotator.objects.get(user__username="awa")
    answered(found, home, at=LAST_WEEK)
    allow(found, contact=True)
    keep_address(found.user, address="awa@example.org")
    return found


def answered(who: Annotator, home: CampaignLanguage, *, at: datetime) -> None:
    Annotation.objects.filter(pk=give(who, home).pk).update(given_at=at)


def states() -> list[str]:
    return sorted(Letter.objects.values_list("state", flat=True))


def test_a_letter_tells_of_the_week_once_whoever_asks_again(awa, home) -> None:
    answered(Annotator.objects.get(user__username="ibou"), home, at=LAST_WEEK)
    make_item(make_sample(home.campaign))
    assert send_letters(MONDAY).sent == 1
    assert send_letters(MONDAY + timedelta(hours=3)).sent == 0
    assert send_letters(MONDAY + timedelta(days=6)).sent == 0
    (letter,) = mail.outbox
    assert letter.to == ["awa@example.org"]
    assert "2 people answered; texts: 2." in letter.body
    assert "Nothing has been learned here yet." in letter.body
    assert "1 text waits for you." in letter.body
    assert letter.extra_headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert letter.extra_headers["List-Unsubscribe"] == f"<{way_out(awa.user)}>"
    assert way_out(awa.user) in letter.body
    assert send_letters(MONDAY + timedelta(days=7)).sent == 1, "next week is another"


@pytest.mark.parametrize("lacking", ["consent", "address", "activity", "account"])
def test_nobody_gets_one_who_did_not_ask_or_has_nothing_to_read(awa, lacking: str) -> None:
    if lacking == "consent":
        awa.user.consents.update(contact=False)
    elif lacking == "address":
        keep_address(awa.user, address="")
    elif lacking == "activity":
        Annotation.objects.update(given_at=LAST_WEEK - timedelta(days=14))
    else:
        User.objects.filter(pk=awa.user_id).update(is_active=False)
    send_letters(MONDAY)
    assert mail.outbox == []


def test_a_worker_that_dies_while_it_sends_leaves_no_second_letter(awa, monkeypatch) -> None:
    def die(*_args: object, **_over: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", die)
        with pytest.raises(KeyboardInterrupt):
            send_letters(MONDAY)
    assert states() == ["claimed"]
    send_letters(MONDAY + timedelta(hours=1))
    assert mail.outbox == []


def test_a_mail_server_that_is_away_costs_time_and_nothing_else(awa, monkeypatch) -> None:
    def away(*_args: object) -> None:
        raise ConnectionRefusedError(111, "refused")

    with monkeypatch.context() as patch:
        patch.setattr("django.core.mail.backends.locmem.EmailBackend.open", away)
        assert send_letters(MONDAY).sent == 0
    assert states() == ["waiting"]
    assert send_letters(MONDAY + timedelta(hours=1)).sent == 1


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (SMTPRecipientsRefused({"awa@example.org": (550, b"no such user")}), "refused"),
        (SMTPServerDisconnected("gone"), "claimed"),
    ],
)
def test_what_the_server_says_no_to_is_not_tried_again(awa, monkeypatch, error, state) -> None:
    def refuse(*_args: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", refuse)
        send_letters(MONDAY)
    assert states() == [state]
    assert Letter.objects.get().error
    send_letters(MONDAY + timedelta(hours=1))
    assert mail.outbox == []


def test_the_week_ends_where_the_installation_is(awa, home, settings) -> None:
    settings.TIME_ZONE = "Asia/Jakarta"
    with timezone.override("Asia/Jakarta"):
        # Sunday 18:00 UTC is Monday 01:00 in Jakarta: a new week, and nobody's hour.
        sunday = datetime(2026, 11, 15, 18, tzinfo=UTC)
        assert str(week_to_tell(sunday)) == "2026-11-09"
        assert str(week_to_tell(sunday - timedelta(hours=2))) == "2026-11-02"
        assert send_letters(sunday) == send_letters(sunday + timedelta(hours=6, minutes=59))
        assert mail.outbox == []
        assert Letter.objects.count() == 0
        # The first minute of the week in Jakarta is still Sunday in UTC; the last is Sunday too.
        Annotation.objects.all().delete()
        for at in ("2026-11-08T17:00", "2026-11-15T16:59", "2026-11-08T16:59", "2026-11-15T17:00"):
            answered(awa, home, at=datetime.fromisoformat(f"{at}+00:00"))
        send_letters(sunday + timedelta(hours=7))
    assert "texts: 2." in mail.outbox[0].body


def test_a_letter_speaks_the_language_of_its_reader(awa, settings) -> None:
    settings.LANGUAGES = [("en", "English"), ("ar", "Arabic")]
    User.objects.filter(pk=awa.user_id).update(interface="ar")
    spoken = []

    def render(_template: str, _context: object) -> str:
        spoken.append(translation.get_language())
        return "."

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.actions.letters.render_to_string", render)
        send_letters(MONDAY)
    assert spoken == ["ar"]
    assert mail.outbox[0].extra_headers["Content-Language"] == "ar"


def test_one_click_ends_letters_without_signing_in(awa) -> None:
    address = way_out(awa.user).split("/", 3)[3]
    stranger = Client(enforce_csrf_checks=True)
    assert "No more letters?" in stranger.get(f"/{address}").content.decode()
    assert User.objects.get(pk=awa.user_id).letters_to, "looking at it does nothing"
    for _ in range(2):
        answer = stranger.post(f"/{address}", {"List-Unsubscribe": "One-Click"})
        assert answer.status_code == 200
        assert "Done" in answer.content.decode()
    assert User.objects.get(pk=awa.user_id).letters_to == ""
    send_letters(MONDAY)
    assert mail.outbox == []


def test_a_forged_or_an_old_way_out_ends_nothing(awa) -> None:
    old = way_out(awa.user).rsplit("/", 2)[1]
    keep_address(awa.user, address="new@example.org")
    stop_letters(old)
    ibou = User.objects.get(username="ibou")
    forged = old.replace(f"{awa.user_id}-", f"{ibou.pk}-", 1)
    assert not stop_letters(forged)
    assert Client().post(f"/letters/{forged}/").status_code == 404
    assert User.objects.get(pk=awa.user_id).letters_to == "new@example.org"


def test_an_address_is_given_on_the_own_page(client: Client, home) -> None:
    awa = User.objects.get(username="awa")
    client.force_login(awa)
    assert "You have not allowed" in client.get("/me/letters/").content.decode()
    answer = client.post("/me/letters/", {"address": "awa at home"})
    assert answer.status_code == 422
    assert "is no e-mail address" in answer.content.decode()
    assert client.post("/me/letters/", {"address": " awa@example.org "}).status_code == 302
    awa.refresh_from_db()
    assert awa.letters_to == "", "anybody's address can be given"
    assert mail.outbox == [], "no page waits for a mail server"
    assert "is about to be sent" in client.get("/me/letters/").content.decode()
    questions()
    questions()
    (asked,) = mail.outbox
    assert "Open the link in it and say yes" in client.get("/me/letters/").content.decode()
    assert asked.to == ["awa@example.org"]
    link = re.search(r"/letters/yes/\S+", asked.body)[0]
    anywhere = Client()
    assert "Yes, write to me" in anywhere.get(link).content.decode()
    awa.refresh_from_db()
    assert awa.letters_to == "", "looking at it does nothing"
    assert anywhere.post(link).status_code == 200
    assert "say yes" not in client.get("/me/letters/").content.decode()
    awa.refresh_from_db()
    assert (awa.letters_to, awa.email) == ("awa@example.org", "")
    assert not AddressQuestion.objects.exists(), "what is settled is not kept"
    assert anywhere.post(link.replace("yes/", "yes/W", 1)).status_code == 404
    client.post("/me/letters/", {"address": ""})
    questions()
    assert (User.objects.get(pk=awa.pk).letters_to, len(mail.outbox)) == ("", 1)


def test_nobody_is_flooded_with_questions(client: Client, home) -> None:
    client.force_login(User.objects.get(username="awa"))
    said = [
        client.post("/me/letters/", {"address": f"{number}@example.org"}).status_code
        for number in range(7)
    ]
    assert said == [302] * 5 + [422] * 2
    questions()
    assert [letter.to for letter in mail.outbox] == [["4@example.org"]], "the last one holds"


def test_a_question_waits_for_a_mail_server_that_is_away_and_says_so(
    client: Client, home, monkeypatch, django_capture_on_commit_callbacks
) -> None:
    asked: list[bool] = []
    monkeypatch.setattr("annotation.views.letters.questions_soon", lambda: asked.append(True))
    client.force_login(User.objects.get(username="awa"))
    with django_capture_on_commit_callbacks(execute=True):
        client.post("/me/letters/", {"address": "awa@example.org"})
    assert asked == [True]

    def away(*_args: object) -> None:
        raise ConnectionRefusedError(111, "refused")

    with monkeypatch.context() as patch:
        patch.setattr("django.core.mail.backends.locmem.EmailBackend.open", away)
        with pytest.raises(Retry):
            questions()
    page = client.get("/me/letters/").content.decode()
    assert "The mail server does not answer" in page
    client.post("/me/letters/", {"address": "awa@example.org"})
    assert "refused" in next(p.detail for p in report(timezone.now()) if p.name == "Mail server")
    questions()
    assert [letter.to for letter in mail.outbox] == [["awa@example.org"]]
    assert [p.health for p in report(timezone.now()) if p.name == "Mail server"] == ["good"]
    assert "The mail server does not answer" not in client.get("/me/letters/").content.decode()


def test_a_question_whose_worker_died_is_not_asked_twice_and_is_forgotten(
    home, monkeypatch
) -> None:
    awa = User.objects.get(username="awa")
    ask_at(awa, address="awa@example.org")

    def die(*_args: object, **_over: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", die)
        with pytest.raises(KeyboardInterrupt):
            questions()
    questions()
    assert mail.outbox == []
    assert open_question(awa).state == "claimed"
    send_questions(timezone.now() + timedelta(days=8))
    assert open_question(awa) is None


def test_the_timetable_sends_them(awa, monkeypatch) -> None:
    monkeypatch.setattr("django.utils.timezone.now", lambda: MONDAY)
    task(**{"from": "a newer timetable"})
    assert len(mail.outbox) == 1
