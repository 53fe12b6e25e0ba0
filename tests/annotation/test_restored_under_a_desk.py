"""Our database is put back to a backup while Label Studio runs on: what it heard since comes home."""

import uuid
from datetime import UTC, datetime

import pytest
from django.db import transaction
from django.utils import timezone

from annotation.actions.intake import requalify, sweep, take_stock
from annotation.actions.mirror import mirror
from annotation.actions.people import ensure_desk_account
from annotation.actions.queue import push_items
from annotation.models import (
    Annotation,
    AnnotationRevision,
    CampaignLanguage,
    Item,
    QuarantinedAnswer,
)
from tests.annotation.lighting import fetch, give
from tests.annotation.test_light_answers import World, world  # noqa: F401 - a fixture
from tests.annotation.test_light_at_label_studio import Both, both  # noqa: F401 - a fixture
from tests.make import make_item, make_sample

pytestmark = pytest.mark.django_db
now = timezone.now


def put_back(point: str) -> None:
    """What a restore does: every table is as it was, and pushes are in doubt."""
    transaction.savepoint_rollback(point)
    projects = CampaignLanguage.objects.exclude(desk_project_id=None)
    projects.update(pushing_until=datetime(2000, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("known", [True, False])
def test_light_answers_that_the_desk_heard_since_the_backup_come_home_once(
    world: World,  # noqa: F811 - pytest's way
    known: bool,
) -> None:
    item = world.at_the_desk()
    if known:  # whether the backup knows that she had it
        world.fetch(world.awa)
    point = transaction.savepoint()
    world.fetch(world.awa)
    number = str(uuid.uuid4())
    give(world.awa, item, "admin", uid=number, lead_seconds=4)
    world.mirror()
    put_back(point)
    assert not Annotation.objects.exists()
    assert (world.sweep().stored, world.sweep().stored) == (1, 0)
    answer = Annotation.objects.get()
    assert (answer.label.key, answer.annotator, answer.source) == ("admin", world.awa, "light")
    item.refresh_from_db()
    assert item.state == Item.State.ANSWERED
    # A phone that never saw its receipt says it again, and then changes its mind.
    assert give(world.awa, item, "admin", uid=number).outcome == "same"
    world.mirror()
    assert len(world.copies()) == Annotation.objects.count() == 1
    assert AnnotationRevision.objects.count() == 1
    assert give(world.awa, item, "dates", uid=number, edit=1).outcome == "revised"
    world.mirror()
    world.sweep()
    answer = Annotation.objects.get()
    assert (answer.label.key, answer.revision, answer.mirrored_revision) == ("dates", 2, 2)


def test_whoever_says_it_again_before_the_desk_is_asked_is_heard_once(
    world: World,  # noqa: F811 - pytest's way
) -> None:
    item = world.at_the_desk()
    world.fetch(world.awa)
    point = transaction.savepoint()
    number = str(uuid.uuid4())
    give(world.awa, item, "admin", uid=number)
    world.mirror()
    put_back(point)
    assert give(world.awa, item, "admin", uid=number).outcome == "stored"
    world.mirror()
    assert world.sweep().stored == 0
    assert len(world.copies()) == Annotation.objects.count() == 1


def test_what_was_asked_after_the_backup_is_ours_again_with_its_answers_and_asked_once(
    world: World,  # noqa: F811 - pytest's way
) -> None:
    """Answered in the meantime, not yet answered, and picked anew before the desk was asked."""
    world.at_the_desk()
    samples = [make_sample(world.home.campaign) for _ in range(3)]
    point = transaction.savepoint()
    later = [make_item(sample) for sample in samples]
    world.push()
    answered, _, anew = (Item.objects.get(pk=item.pk) for item in later)
    for item in (answered, anew):
        world.desk.annotate(item.desk_task_id, user_id=world.awa.user.desk_user_id, label="admin")
    world.sweep()
    put_back(point)
    make_item(samples[2])
    world.sweep()
    assert set(QuarantinedAnswer.objects.values_list("reason", flat=True)) == {"unknown_item"}
    tasks = world.desk.task_ids(world.home.desk_project_id)
    world.push()
    world.push()
    assert requalify(world.home, now=now()) == 2
    world.sweep()
    assert world.desk.task_ids(world.home.desk_project_id) == tasks
    uids = dict(zip([one.uid for one in later], ("answered", "pushed", "answered"), strict=True))
    again = Item.objects.filter(sample__in=samples)
    assert {item.uid: item.state for item in again} == uids
    assert sorted(Annotation.objects.values_list("item__sample", flat=True)) == [
        samples[0].pk,
        samples[2].pk,
    ]
    assert not QuarantinedAnswer.objects.filter(resolved_at=None).exists()


def test_answers_to_texts_that_came_after_the_backup_wait_for_the_texts_to_come_again(
    world: World,  # noqa: F811 - pytest's way
) -> None:
    world.at_the_desk()
    point = transaction.savepoint()
    text = "text that came later"
    later = make_item(make_sample(world.home.campaign, text=text))
    world.push()
    world.fetch(world.awa)
    give(world.awa, later, "admin")
    world.mirror()
    put_back(point)
    world.push()
    world.sweep()
    aside = QuarantinedAnswer.objects.get()
    assert (aside.reason, aside.resolved_at) == ("unknown_item", None)
    assert len(world.copies()) == 1
    # The file is read in once more; the patrol that looks for deletions finds the task's text.
    make_sample(world.home.campaign, text=text)
    take_stock(world.home, desk=world.desk, now=now())
    assert requalify(world.home, now=now()) == 1
    assert Annotation.objects.get().item.uid == later.uid


@pytest.mark.label_studio
def test_at_a_real_label_studio_that_ran_on_nothing_is_lost_or_doubled(
    both: Both,  # noqa: F811 - pytest's way
) -> None:
    awa, ibou, _ = both.people
    first, second, third = both.items
    for who in (awa, ibou):
        ensure_desk_account(who.user, desk=both.desk)
    sample = make_sample(both.home.campaign)
    point = transaction.savepoint()
    fetch(awa, both.home, both.desk)
    number = str(uuid.uuid4())
    give(awa, first, "admin", uid=number)
    give(awa, third, "", flag="unclear")
    both.mirror()
    with both.visit(ibou) as session:
        both.says(session, second, "dates")
        later = make_item(sample, batch="r1")
        both.push()
        later.refresh_from_db()
        both.says(session, later, "admin")
    put_back(point)
    push_items(both.home, desk=both.desk, now=now(), record=True)
    for _ in range(2):
        sweep(both.home, desk=both.desk, now=now())
        requalify(both.home, now=now())
        mirror(both.home, desk=both.desk, now=now())
    told = {
        (one.item_id, one.annotator_id): one.label.key if one.label else one.flag
        for one in Annotation.objects.select_related("label")
    }
    assert told == {
        (first.pk, awa.pk): "admin",
        (second.pk, ibou.pk): "dates",
        (third.pk, awa.pk): "unclear",
        # Asked since the backup, and ours again.
        (Item.objects.get(uid=later.uid, sample=sample).pk, ibou.pk): "admin",
    }
    assert Annotation.objects.count() == 4
    assert not QuarantinedAnswer.objects.filter(resolved_at=None).exists()
    assert give(awa, first, "admin", uid=number).outcome == "same"
    assert [len(both.there(item)) for item in both.items] == [1, 1, 1]
