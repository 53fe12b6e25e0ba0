import io

import pytest
from django.conf import settings
from django.core.management import call_command

from annotation.actions.people import ensure_annotator
from annotation.errors import ConflictError, InvalidInputError, TransientError
from annotation.models import Annotator, User
from tests.fakes import FakeLabelingDesk
from tests.make import make_language, make_user

pytestmark = pytest.mark.django_db
WORD = "a-long-password"


def ensure(desk: FakeLabelingDesk, **over) -> Annotator:
    fields = {"username": "awa", "name": "Awa", "language": make_language("wo"), "password": WORD}
    return ensure_annotator(desk=desk, **(fields | over))


def test_a_person_gets_accounts_here_and_there_once():
    desk = FakeLabelingDesk()
    first, again = ensure(desk), ensure(desk)
    assert first == again
    assert first.user.desk_user_id == desk.accounts["awa@vernacular.localhost"].user_id
    assert first.user.check_password(WORD)
    assert desk.calls.count("create_account") == 1


def test_a_person_in_two_languages_has_one_account():
    desk = FakeLabelingDesk()
    ensure(desk)
    other = ensure(desk, language=make_language("qu"))
    assert Annotator.objects.count() == 2
    assert User.objects.count() == 1
    assert len(desk.accounts) == 2
    assert other.kind == Annotator.Kind.PERSON


def test_asking_again_after_the_desk_was_away_finishes_the_work():
    desk = FakeLabelingDesk()
    with desk.down(), pytest.raises(TransientError):
        ensure(desk)
    desk.fail_once("create_account", when="after")
    with pytest.raises(TransientError):
        ensure(desk)
    assert ensure(desk).user.desk_user_id
    assert User.objects.count() == 1


def test_a_password_that_is_there_is_not_changed():
    noor = make_user("noor")
    ensure(FakeLabelingDesk(), username="noor")
    noor.refresh_from_db()
    assert noor.check_password("secret")


def test_without_a_password_nobody_can_sign_in():
    assert not ensure(FakeLabelingDesk(), password="").user.has_usable_password()


def test_a_short_password_is_refused_before_anything_is_made():
    with pytest.raises(InvalidInputError):
        ensure(FakeLabelingDesk(), password="short")  # noqa: S106 - too short to be one
    assert not User.objects.exists()


def test_two_people_cannot_share_one_desk_account():
    desk = FakeLabelingDesk()
    make_user("sam", email="both@example.org")
    make_user("lee", email="both@example.org")
    ensure(desk, username="sam")
    with pytest.raises(ConflictError, match="e-mail"):
        ensure(desk, username="lee")


def test_the_command_says_where_and_as_whom_to_sign_in(monkeypatch):
    desk = FakeLabelingDesk()
    monkeypatch.setattr("annotation.gateways.accounts.open_accounts", lambda: desk)
    address = settings.ENV.model_copy(update={"label_studio_url": "http://desk"})
    monkeypatch.setattr(settings, "ENV", address)
    make_language("wo")

    def told() -> str:
        out = io.StringIO()
        call_command("add_annotator", "awa", "wo", stdout=out)
        return out.getvalue()

    first = told()
    assert "http://desk\n  e-mail:    awa@vernacular.localhost" in first
    word = first.split("password:  ")[1].split()[0]
    assert User.objects.get().check_password(word)
    assert "shown only now" in first
    again = told()
    assert "password:  unchanged" in again
    assert "shown only now" not in again
    User.objects.update(desk_user_id=None)
    assert "password:  unchanged" in told()
