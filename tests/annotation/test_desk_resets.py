"""A desk that begins anew: whose account is whose, and whose answers are whose."""

import pytest
from django.utils import timezone

from annotation.actions.desk import prepare_desk
from annotation.actions.intake import requalify, sweep, take_stock
from annotation.actions.people import join_team
from annotation.errors import TransientError
from annotation.models import (
    Annotation,
    DeskEvent,
    QuarantinedAnswer,
    User,
)
from tests.annotation.owing import answer, owe, push, settle_at
from tests.fakes import FakeLabelingDesk
from tests.make import make_annotator, make_user

pytestmark = pytest.mark.django_db


def test_a_desk_that_counts_from_one_again_takes_nobodys_answers_away(home, desk):
    awa, stranger = make_user("awa"), make_user("inti")
    make_annotator("awa")
    settle_at(desk, awa, stranger)
    done, late, owed, more = owe(home), owe(home), owe(home), owe(home)
    push(home, desk)
    numbers = [
        answer(home, desk, done, "admin", awa),
        answer(home, desk, late, "dates", stranger),
    ]
    fresh = FakeLabelingDesk()
    settle_at(fresh, stranger, awa)
    push(prepare_desk(home, desk=fresh), fresh)
    awa.refresh_from_db()
    # The new desk gives its first answers the numbers that the old one had given.
    fresh._numbers = iter(numbers)
    for item in (owed, more):
        answer(home, fresh, item, "dates", awa)
    join_team(stranger, language=home.language, now=timezone.now())
    given = Annotation.objects.answered().values_list("item", "label__key")
    told = [(done.pk, "admin"), *((item.pk, "dates") for item in (late, owed, more))]
    assert sorted(given) == told
    assert take_stock(home, desk=fresh, now=timezone.now()).tombstoned == 0


def test_a_desk_that_comes_back_after_it_was_let_go_tells_nothing_twice(home, desk):
    awa = make_user("awa")
    make_annotator("awa")
    settle_at(desk, awa)
    item = owe(home, wanted=1)
    push(home, desk)
    number = answer(home, desk, item, "admin", awa)
    other = FakeLabelingDesk()
    prepare_desk(home, desk=other)
    assert Annotation.objects.get().desk_annotation_id < 0
    awa.refresh_from_db()
    assert awa.desk_user_id is None
    prepare_desk(home, desk=desk)
    sweep(home, desk=desk, now=timezone.now())
    held = Annotation.objects.get()
    assert (held.desk_annotation_id, held.revision) == (number, 1)
    desk.edit(number, label="dates")
    sweep(home, desk=desk, now=timezone.now())
    assert Annotation.objects.get().label.key == "dates"


def test_a_number_that_another_item_holds_is_kept_aside_and_withdraws_nothing(home, desk):
    awa = make_annotator("awa")
    first, second = owe(home), owe(home)
    push(home, desk)
    number = answer(home, desk, first, "admin", awa.user)
    second.refresh_from_db()
    desk.annotate(second.desk_task_id, user_id=awa.user.desk_user_id, label="dates", id=number)
    sweep(home, desk=desk, now=timezone.now())
    row = QuarantinedAnswer.objects.get()
    assert (row.reason, row.item) == ("unknown_item", second)
    assert str(number) in row.detail
    assert Annotation.objects.answered().get().item == first
    Annotation.objects.update(desk_annotation_id=-2)
    assert requalify(home, now=timezone.now()) == 1
    assert Annotation.objects.answered().count() == 2


def test_people_are_known_by_their_addresses_where_the_old_numbers_are_somebody_elses(home, desk):
    awa, inti, noor = make_user("awa"), make_user("inti"), make_user("noor", staff=True)
    for name in ("awa", "inti"):
        make_annotator(name)
    User.objects.filter(pk=noor.pk).update(desk_user_id=desk.account_of_token().user_id)
    settle_at(desk, awa, inti)
    push(home, desk)
    fresh = FakeLabelingDesk()
    settle_at(fresh, User(username="lee"), awa)  # Lee has Awa's number now, and Awa has Inti's
    item, other = owe(home), owe(home)
    push(prepare_desk(home, desk=fresh), fresh)
    for user in (awa, inti, noor):
        user.refresh_from_db()
    assert (awa.desk_user_id, inti.desk_user_id) == (3, None)
    assert noor.desk_user_id == fresh.account_of_token().user_id
    event = DeskEvent.objects.get(action="ACCOUNTS_MOVED")
    assert "1 found by their addresses, none for Inti: add them again" in event.detail
    answer(home, fresh, item, "admin", awa)
    other.refresh_from_db()
    fresh.annotate(other.desk_task_id, user_id=2, label="dates")
    sweep(home, desk=fresh, now=timezone.now())
    assert Annotation.objects.get().annotator.user == awa
    assert QuarantinedAnswer.objects.get().reason == "unknown_person"


def test_an_interrupted_search_for_people_is_made_good(home, desk):
    awa = make_user("awa")
    make_annotator("awa")
    settle_at(desk, awa)
    push(home, desk)
    fresh = FakeLabelingDesk()
    settle_at(fresh, User(username="lee"), awa)
    fresh.fail_once("list_accounts")
    with pytest.raises(TransientError):
        prepare_desk(home, desk=fresh)
    prepare_desk(home, desk=fresh)
    awa.refresh_from_db()
    assert awa.desk_user_id == 3


def test_a_deleted_project_moves_nobody(home, desk):
    awa = make_user("awa")
    make_annotator("awa")
    settle_at(desk, awa)
    push(home, desk)
    desk.projects.clear()
    prepare_desk(home, desk=desk)
    assert not DeskEvent.objects.filter(action="ACCOUNTS_MOVED").exists()
