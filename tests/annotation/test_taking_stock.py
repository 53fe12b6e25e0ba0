"""What the desk holds is compared with what we hold, and what is read again as it was costs little."""

from datetime import timedelta

import pytest
from django.utils import timezone

from annotation.actions.intake import take_stock
from annotation.models import Annotation, Annotator, CampaignLanguage, Item
from tests.annotation.test_intake import World
from tests.make import make_annotator

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return World()


def test_an_answer_that_the_desk_kept_without_a_word_on_its_task_is_taken(world):
    task = world.desk._task(world.item.desk_task_id)
    world.sweep()
    stamp = task.updated_at
    number = world.answers()
    task.updated_at = stamp
    CampaignLanguage.objects.update(swept_until="2999-01-01T00:00:00.000000Z")
    assert world.sweep().stored == 0
    found = take_stock(world.home, desk=world.desk, now=timezone.now())
    assert (found.tasks, found.stored) == (1, 1)
    assert Annotation.objects.get().desk_annotation_id == number
    world.item.refresh_from_db()
    assert world.item.state == Item.State.ANSWERED
    again = take_stock(world.home, desk=world.desk, now=timezone.now())
    assert (again.tasks, again.stored) == (0, 0)


def test_what_is_read_again_as_it_was_is_known_at_once(django_assert_max_num_queries):
    world = World(items=30)
    for item in world.items:
        world.desk.annotate(item.desk_task_id, user_id=world.awa_at_desk, label="admin")
    assert world.sweep().stored == 30
    with django_assert_max_num_queries(14):
        again = world.sweep(overlap=timedelta(hours=2))
    assert (again.tasks, again.same, again.stored) == (30, 30, 0)
    # An answer that is gone under the same stamp is missed all the same.
    task = world.desk._task(world.item.desk_task_id)
    task.annotations.clear()
    assert world.sweep(overlap=timedelta(hours=2)).tombstoned == 1


def test_what_lies_in_quarantine_is_not_asked_for_again_and_again(world):
    world.answers("nonsense")
    world.sweep()
    assert world.home.quarantine.count() == 1
    assert take_stock(world.home, desk=world.desk, now=timezone.now()).tasks == 0


def test_an_answer_to_a_task_that_is_not_ours_is_put_aside_once(world):
    (task,) = [t for p in world.desk.projects.values() for t in p.tasks.values()]
    number = world.answers()
    task.uid = "11111111-1111-4111-8111-111111111111"
    for times in (1, 0):
        found = take_stock(world.home, desk=world.desk, now=timezone.now())
        assert (found.tasks, found.quarantined) == (times, times)
    assert world.home.quarantine.get().desk_annotation_id == number


def test_what_is_open_still_is_settled_anew_by_whoever_reads_far_back(world):
    Item.objects.update(wanted=2)
    inti = make_annotator("inti", "wo")
    world.answers()
    world.sweep()
    assert world.item.state == Item.State.PUSHED
    Annotator.objects.filter(pk=inti.pk).update(active=False)  # nobody is left to answer it
    world.sweep()
    assert world.item.state == Item.State.PUSHED
    world.sweep(overlap=timedelta(hours=2))
    assert world.item.state == Item.State.ANSWERED
