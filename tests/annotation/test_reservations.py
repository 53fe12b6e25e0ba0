"""Reservations: one queue behind both desks, and nobody is handed what enough others have."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from annotation.actions.handouts import (
    free_expired,
    give_back,
    hand_out,
    homes_with_late_leases,
)
from annotation.actions.mirror import mirror
from annotation.actions.queue import push_items
from annotation.errors import TransientError
from annotation.models import Annotation, Annotator, Item, Reservation
from tests.annotation.lighting import give, held
from tests.annotation.test_light_answers import World, world
from tests.make import make_annotator

__all__ = ["world"]
pytestmark = pytest.mark.django_db


def test_the_most_useful_come_first_gold_among_them_and_no_more_than_asked(world: World):
    items = [
        world.item(priority=p, kind=k)
        for p, k in [(0.3, "gold"), (0.1, "audit"), (0.2, "acquisition")]
    ]
    world.push()
    assert world.fetch(world.awa, most=2) == [items[1], items[2]]
    assert world.fetch(world.awa) == [items[1], items[2], items[0]]


def test_an_item_goes_to_as_many_people_as_wanted_and_to_nobody_twice(world: World):
    inti = make_annotator("inti")
    item = world.at_the_desk(wanted=2)
    assert world.fetch(world.awa) == world.fetch(world.moussa) == [item]
    assert world.fetch(inti) == []
    give(world.awa, item, "admin")
    assert world.fetch(world.awa) == world.fetch(inti) == []


def test_who_has_an_item_at_the_desk_keeps_it_from_the_light_page(world: World):
    first, second = world.item(priority=0.1), world.item(priority=0.2)
    world.push()
    world.desk.take_next(world.home.desk_project_id, user_id=world.moussa.user.desk_user_id)
    assert world.fetch(world.awa) == [second]
    assert Reservation.objects.get(item=first).ended == "taken"
    assert world.fetch(world.awa) == [second]


def test_what_the_light_page_has_is_not_handed_out_at_the_desk(world: World):
    world.at_the_desk()
    world.fetch(world.awa)
    there = world.moussa.user.desk_user_id
    assert world.desk.take_next(world.home.desk_project_id, user_id=there) is None
    give_back(world.awa, home=world.home, now=timezone.now())
    assert homes_with_late_leases(timezone.now()) == [world.home.pk]
    assert free_expired(world.home, desk=world.desk, now=timezone.now()) == 1
    assert world.desk.take_next(world.home.desk_project_id, user_id=there)
    assert held(world.awa) == 0


def test_what_lies_not_at_the_desk_yet_is_handed_out_only_without_it(world: World):
    pushed, item = world.at_the_desk(priority=0.1), world.item(priority=0.2)
    assert world.fetch(world.awa) == [pushed]
    world.desk.away = True
    assert world.fetch(world.awa) == [pushed, item]
    world.desk.away = False
    world.push()
    item.refresh_from_db()
    assert item.desk_task_id is None
    give(world.awa, item, "admin")
    world.push()
    item.refresh_from_db()
    assert item.desk_task_id is None  # nobody at the desk shall be asked it meanwhile
    push_items(world.home, desk=world.desk, now=timezone.now(), record=True)
    mirror(world.home, desk=world.desk, now=timezone.now())
    item.refresh_from_db()
    assert item.desk_task_id
    assert item.state == "answered"
    assert world.desk.queue(world.home.desk_project_id).count(item.sample.text) == 0


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_desk_that_is_slow_to_say_what_it_keeps_may_give_it_to_others(world: World, when):
    pushed, queued = world.at_the_desk(priority=0.1), world.item(priority=0.2)
    project, moussa = world.home.desk_project_id, world.moussa.user.desk_user_id
    world.desk.fail_once("lock_tasks", when=when)
    assert world.fetch(world.awa) == [queued]
    assert free_expired(world.home, desk=world.desk, now=timezone.now()) == 0
    later = timezone.now() + timedelta(minutes=11)
    assert homes_with_late_leases(later) == [world.home.pk]
    free_expired(world.home, desk=world.desk, now=later)
    taken = world.desk.take_next(project, user_id=moussa)
    assert taken
    assert taken.uid == str(pushed.uid)
    assert world.fetch(world.awa, now=later) == [queued]
    world.desk.unlock_tasks(project, [taken.id], user_id=moussa)
    Reservation.objects.filter(ended="taken").delete()
    assert world.fetch(world.awa, now=later) == [pushed, queued]


def at_once(world: World, who: Annotator, **over: Any) -> tuple[list[Item], bool]:
    """What the page shows somebody, which does not ask the desk, and whether it says more comes."""
    told = {"with_desk": True, "now": timezone.now()} | over
    handed = hand_out(who, home=world.home, **told)
    return [one.item for one in handed.leases], handed.more


def test_the_page_shows_what_the_desk_keeps_and_what_lies_not_there_without_asking_it(
    world: World,
):
    items = [world.item(priority=p / 10) for p in range(3)]
    world.push()
    ours = [world.item(priority=p) for p in (1, 2, 3, 4)]
    assert at_once(world, world.awa) == (ours[:3], True)
    assert at_once(world, world.awa) == (ours[:3], True)
    world.fetch(world.awa, most=5)
    assert at_once(world, world.awa) == (items[:2] + ours[:3], True)
    world.fetch(world.awa)
    assert at_once(world, world.awa) == (items + ours[:3], False)
    # Without a desk everything is ours, and nothing else is to come.
    assert at_once(world, world.moussa, with_desk=False) == (ours[3:], False)


def test_what_the_desk_is_asked_for_is_shown_to_nobody_until_it_said_so(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    item = world.at_the_desk()
    lock, seen = world.desk.lock_tasks, []

    def slowly(*told: Any, **more: Any) -> set[int]:
        seen.extend(at_once(world, who) for who in (world.awa, world.moussa))
        return lock(*told, **more)

    monkeypatch.setattr(world.desk, "lock_tasks", slowly)
    assert world.fetch(world.awa) == [item]
    assert seen == [([], True), ([], False)]
    assert at_once(world, world.awa) == ([item], False)


def test_what_a_dead_worker_had_locked_is_free_again_in_minutes(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    world.at_the_desk()
    lock = world.desk.lock_tasks

    def dies(*told: Any, **more: Any) -> set[int]:
        lock(*told, **more)
        raise KeyboardInterrupt

    monkeypatch.setattr(world.desk, "lock_tasks", dies)
    with pytest.raises(KeyboardInterrupt):
        world.fetch(world.awa)
    there = {"user_id": world.moussa.user.desk_user_id}
    assert world.desk.take_next(world.home.desk_project_id, **there) is None
    later = timezone.now() + timedelta(minutes=6)
    assert homes_with_late_leases(later) == [world.home.pk]
    free_expired(world.home, desk=world.desk, now=later)
    assert world.desk.take_next(world.home.desk_project_id, **there)


def test_a_desk_that_was_slow_is_left_alone_for_a_while(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    world.at_the_desk()
    asked: list[object] = []

    def never(*told: Any, **more: Any) -> set[int]:
        asked.append(told)
        raise TransientError("It takes its time.")

    monkeypatch.setattr(world.desk, "lock_tasks", never)
    for who in (world.awa, world.moussa, world.awa):
        assert world.fetch(who) == []
    assert len(asked) == 1
    world.fetch(world.moussa, now=timezone.now() + timedelta(seconds=31))
    assert len(asked) == 2


def test_what_is_handed_anew_while_the_desk_lets_it_go_stays_with_whoever_has_it(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    item = world.at_the_desk()
    world.fetch(world.awa)
    later = timezone.now() + timedelta(hours=settings.ENV.reservation_hours, minutes=1)
    let_go = world.desk.unlock_tasks

    def slowly(*told: Any, **more: Any) -> None:
        assert world.fetch(world.awa, now=later) == [item]
        let_go(*told, **more)

    monkeypatch.setattr(world.desk, "unlock_tasks", slowly)
    free_expired(world.home, desk=world.desk, now=later)
    there = world.moussa.user.desk_user_id
    assert world.desk.take_next(world.home.desk_project_id, user_id=there) is None


def test_the_desk_keeps_a_text_for_as_long_as_its_lease_is_renewed(world: World):
    item = world.at_the_desk()
    world.fetch(world.awa)
    later = timezone.now() + timedelta(hours=settings.ENV.reservation_hours * 0.6)
    world.desk.fail_once("lock_tasks")
    assert world.fetch(world.awa, now=later) == [item]
    assert world.fetch(world.awa, now=later + timedelta(minutes=1)) == [item]
    lease = Reservation.objects.get()
    assert lease.locked_until
    assert lease.locked_until > lease.until > later


def test_the_desk_asks_for_the_second_answer_only_after_it_has_heard_the_first(world: World):
    item = world.item(wanted=2)
    world.fetch(world.awa)
    give(world.awa, item, "admin")
    world.push()
    item.refresh_from_db()
    assert item.desk_wanted == 1
    mirror(world.home, desk=world.desk, now=timezone.now())
    world.push()
    item.refresh_from_db()
    assert item.desk_wanted == 2
    there = world.desk.take_next(world.home.desk_project_id, user_id=world.moussa.user.desk_user_id)
    assert there
    assert there.uid == str(item.uid)


def test_an_expired_lease_sets_the_item_free_and_its_late_answer_is_kept(world: World):
    item = world.at_the_desk()
    world.fetch(world.awa)
    later = timezone.now() + timedelta(hours=settings.ENV.reservation_hours, minutes=1)
    assert homes_with_late_leases(later) == [world.home.pk]
    assert free_expired(world.home, desk=world.desk, now=later) == 1
    assert world.fetch(world.moussa, now=later) == [item]
    give(world.moussa, item, "dates", now=later)
    assert give(world.awa, item, "admin", now=later).outcome == "stored"
    assert Annotation.objects.answered().count() == 2
    item.refresh_from_db()
    assert item.state == "answered"


def test_a_lease_is_renewed_before_it_runs_out(world: World):
    world.at_the_desk()
    world.fetch(world.awa)
    before = Reservation.objects.get().until
    later = timezone.now() + timedelta(hours=settings.ENV.reservation_hours * 0.6)
    world.fetch(world.awa, now=later)
    assert Reservation.objects.get().until > before


def test_without_our_overlay_the_reservation_alone_holds(world: World):
    item = world.at_the_desk()
    world.desk.overlay = False
    assert world.fetch(world.awa) == [item]
    assert world.fetch(world.moussa) == []


@pytest.mark.parametrize("what", ["campaign", "language", "person"])
def test_nothing_is_handed_out_where_nothing_is_asked(world: World, what):
    world.at_the_desk()
    if what == "campaign":
        world.home.campaign.status = "finished"
    world.home.active = what != "language"
    world.awa.active = what != "person"
    assert world.fetch(world.awa) == []


def test_a_push_that_may_be_taking_an_item_keeps_it_from_the_light_page(world: World):
    queued = world.item()
    world.home.pushing_until = timezone.now() + timedelta(minutes=1)
    world.home.save()
    assert world.fetch(world.awa) == []
    world.home.pushing_until = None
    world.home.save()
    assert world.fetch(world.awa) == [queued]


def test_nobody_gets_a_text_again_that_they_have_answered_as_another_item(world: World):
    item = world.at_the_desk()
    world.fetch(world.awa)
    give(world.awa, item, "admin")
    again = Item.objects.create(campaign_language=world.home, sample=item.sample, kind="repeat")
    world.push()
    assert world.fetch(world.awa) == []
    assert world.fetch(world.moussa) == [again]


def test_a_quarter_may_be_gone_before_more_is_looked_for_and_an_old_lease_is_renewed(
    world: World,
):
    for priority in range(16):
        world.item(priority=priority)
    assert len(at_once(world, world.awa, with_desk=False, most=8)[0]) == 8
    held = list(Reservation.objects.order_by("pk"))
    Reservation.objects.filter(pk__in=[one.pk for one in held[:2]]).update(
        released_at=timezone.now(), ended="answered"
    )
    assert len(at_once(world, world.awa, with_desk=False, most=8)[0]) == 6
    Reservation.objects.filter(pk=held[2].pk).update(released_at=timezone.now(), ended="answered")
    assert len(at_once(world, world.awa, with_desk=False, most=8)[0]) == 8
    later = timezone.now() + timedelta(hours=settings.ENV.reservation_hours * 0.75)
    at_once(world, world.awa, with_desk=False, most=8, now=later)
    assert Reservation.objects.held(now=later + timedelta(hours=1)).count() >= 5
    assert not Reservation.objects.filter(released_at=None, until__lt=later).exists()
