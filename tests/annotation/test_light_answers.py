"""Answers from the light page: stored once, revised, kept aside; and their copies at the desk."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from annotation.actions.desk import prepare_desk
from annotation.actions.hours import work_done
from annotation.actions.intake import requalify, sweep, take_stock
from annotation.actions.light import take_answer
from annotation.actions.mirror import mirror, to_mirror
from annotation.actions.queue import push_items
from annotation.errors import NotFoundError, TransientError
from annotation.models import (
    Annotation,
    AnnotationRevision,
    Annotator,
    CampaignLanguage,
    Item,
    QuarantinedAnswer,
)
from annotation.objectives import classes
from tests.annotation.lighting import fetch, give, held
from tests.annotation.owing import owe, push, settle_at
from tests.fakes import FakeLabelingDesk
from tests.make import make_annotator

pytestmark = pytest.mark.django_db


class World:
    """A language with a desk, Awa and Moussa, and items that were pushed."""

    def __init__(self, home: CampaignLanguage, desk: FakeLabelingDesk) -> None:
        self.home, self.desk = home, desk
        home.campaign.status = "running"
        home.campaign.save()
        self.awa, self.moussa = make_annotator("awa"), make_annotator("moussa")
        settle_at(desk, self.awa.user, self.moussa.user)
        for who in (self.awa, self.moussa):
            account = desk.create_account(email=who.user.desk_email, name="", password="x" * 9)
            who.user.desk_user_id = account.user_id
            who.user.save()

    def item(self, **over) -> Item:
        return owe(self.home, **over)

    def at_the_desk(self, **over) -> Item:
        item = self.item(**over)
        self.push()
        item.refresh_from_db()
        return item

    def push(self) -> None:
        push(self.home, self.desk)
        self.home.refresh_from_db()

    def mirror(self):
        return mirror(self.home, desk=self.desk, now=timezone.now())

    def sweep(self):
        return sweep(self.home, desk=self.desk, now=timezone.now())

    def fetch(self, who: Annotator, **over) -> list[Item]:
        return fetch(who, self.home, self.desk, **over)

    def copies(self) -> list:
        tasks = self.desk.projects[self.home.desk_project_id].tasks.values()
        return [a for task in tasks for a in task.annotations.values()]


@pytest.fixture
def world(home: CampaignLanguage, desk: FakeLabelingDesk) -> World:
    return World(home, desk)


def only() -> Annotation:
    return Annotation.objects.get()


def test_an_answer_is_stored_once_however_often_it_comes(world):
    item = world.at_the_desk()
    assert world.fetch(world.awa) == [item]
    told = {"uid": str(uuid.uuid4()), "edit": 0, "guideline_version": 0, "lead_seconds": 3.5}
    outcomes = [give(world.awa, item, "admin", **told).outcome for _ in range(3)]
    assert outcomes == ["stored", "same", "same"]
    answer = only()
    assert (answer.source, answer.label.key, answer.lead_seconds) == ("light", "admin", 3.5)
    assert AnnotationRevision.objects.count() == 1
    item.refresh_from_db()
    assert (item.state, held(world.awa)) == ("answered", 0)


def test_a_change_is_a_revision_and_a_late_first_word_does_not_undo_it(world):
    item = world.at_the_desk()
    world.fetch(world.awa)
    uid = str(uuid.uuid4())
    give(world.awa, item, "admin", uid=uid)
    assert give(world.awa, item, "dates", uid=uid, edit=1).outcome == "revised"
    assert give(world.awa, item, "admin", uid=uid, edit=0).outcome == "same"
    assert only().label.key == "dates"
    kept = AnnotationRevision.objects.order_by("number")
    assert [one.label.key for one in kept] == ["admin", "dates"]


def test_one_text_counts_once_under_however_many_numbers_it_comes(world):
    item = world.at_the_desk()
    world.fetch(world.awa)
    told = [{"uid": str(uuid.uuid4()), "lead_seconds": 60} for _ in range(12)]
    assert {give(world.awa, item, "admin", **one).outcome for one in told} == {"stored"}
    assert {give(world.awa, item, "admin", **one).outcome for one in told} == {"same"}
    assert (only().revision, only().lead_seconds) == (1, 60)
    day = timezone.localdate()
    (work,) = work_done(world.home, since=day, until=day)
    assert (work.items, work.seconds) == (1, 60)


def test_of_a_phone_and_a_laptop_the_newest_word_holds_whichever_comes_in_last(world):
    item = world.at_the_desk()
    world.fetch(world.awa)
    now = timezone.now() + timedelta(hours=1)
    at = {minutes: str(now - timedelta(minutes=minutes)) for minutes in (30, 20, 10)}
    phone, laptop = str(uuid.uuid4()), str(uuid.uuid4())
    give(world.awa, item, "admin", uid=laptop, given_at=at[20], now=now)
    late = {"uid": phone, "given_at": at[30], "now": now}
    assert give(world.awa, item, "dates", **late).outcome == "stored"
    assert give(world.awa, item, "dates", **late).outcome == "same"
    assert only().label.key == "admin"
    assert [one.label.key for one in only().revisions.all()] == ["admin", "dates", "admin"]
    newer = {"uid": phone, "given_at": at[10], "edit": 1, "now": now}
    assert give(world.awa, item, "accounts", **newer).outcome == "revised"
    assert give(world.awa, item, "admin", uid=laptop, given_at=at[20], now=now).outcome == "same"
    assert only().label.key == "accounts"
    world.mirror()
    assert len(world.copies()) == 1


def test_what_one_device_took_back_and_gave_again_joins_what_the_other_gave_since(world):
    item = world.at_the_desk()
    world.fetch(world.awa)
    phone, laptop = str(uuid.uuid4()), str(uuid.uuid4())
    give(world.awa, item, "admin", uid=phone)
    give(world.awa, item, uid=phone, edit=1, take_back=True)
    give(world.awa, item, "dates", uid=laptop)
    for outcome in ("stored", "same"):
        assert give(world.awa, item, "accounts", uid=phone, edit=2).outcome == outcome
    assert Annotation.objects.answered().get().label.key == "accounts"
    with pytest.raises(NotFoundError):
        give(world.moussa, item, "admin", uid=phone)


def test_flags_are_answers_and_never_labels(world):
    item = world.at_the_desk()
    world.fetch(world.awa)
    give(world.awa, item, flag="other_dialect", note="Ndar, not Dakar")
    answer = only()
    assert (answer.state, answer.label, answer.flag) == ("skipped", None, "other_dialect")
    assert answer.note == "Ndar, not Dakar"
    item.refresh_from_db()
    assert item.state == "pushed"
    assert world.fetch(world.awa) == []
    world.mirror()  # until then the desk keeps it for Awa
    assert world.fetch(world.moussa) == [item]


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"label": "nonsense"}, "unknown_label"),
        ({"label": ""}, "empty"),
        ({"flag": "boring"}, "unknown_field"),
        ({"label": "admin", "flag": "unclear"}, "malformed"),
        ({"label": ["admin"]}, "malformed"),
        ({"label": "admin", "note": "x" * 501}, "malformed"),
        ({"label": "admin\x00"}, "unknown_label"),
    ],
)
def test_what_does_not_fit_is_kept_aside_once_with_its_reason(world, told, reason):
    item = world.at_the_desk()
    world.fetch(world.awa)
    uid = str(uuid.uuid4())
    for _ in range(2):
        receipt = give(world.awa, item, uid=uid, **told)
        assert (receipt.outcome, receipt.reason) == ("refused", reason)
    row = QuarantinedAnswer.objects.get()
    assert (row.reason, row.annotator, row.item) == (reason, world.awa, item)
    assert not Annotation.objects.exists()
    assert held(world.awa) == 1

    give(world.awa, item, "admin", uid=uid, edit=1)
    row.refresh_from_db()
    assert row.resolved_at
    assert only().label.key == "admin"


def test_nobody_answers_what_was_never_theirs(world):
    item = world.at_the_desk()
    world.fetch(world.awa)
    with pytest.raises(NotFoundError):
        give(world.moussa, item, "admin")
    uid = str(uuid.uuid4())
    give(world.awa, item, "admin", uid=uid)
    other = world.at_the_desk()
    world.fetch(world.moussa)
    with pytest.raises(NotFoundError):
        give(world.moussa, other, "admin", uid=uid)
    with pytest.raises(NotFoundError):
        take_answer(
            world.awa, home=world.home, told={"item": "no uid", "uid": uid}, now=timezone.now()
        )
    assert only().label.key == "admin"
    assert not QuarantinedAnswer.objects.exists()


def test_whoever_left_the_team_loses_nothing_and_is_heard_when_they_are_back(world):
    item = world.at_the_desk()
    world.fetch(world.awa)
    Annotator.objects.filter(pk=world.awa.pk).update(active=False)
    assert give(world.awa, item, "admin").reason == "unknown_person"
    assert requalify(world.home, now=timezone.now()) == 0
    Annotator.objects.filter(pk=world.awa.pk).update(active=True)
    assert requalify(world.home, now=timezone.now()) == 1
    assert only().label.key == "admin"


def test_what_is_taken_back_is_owed_again_and_may_be_answered_anew(world):
    world.home.desk_project_id = None
    item = world.item()
    uid = str(uuid.uuid4())
    fetch(world.awa, world.home, None)
    give(world.awa, item, "admin", uid=uid)
    give(world.awa, item, uid=uid, edit=1, take_back=True)
    item.refresh_from_db()
    assert (only().state, item.state, held(world.awa)) == ("deleted", "queued", 1)
    assert give(world.awa, item, "admin", uid=uid).outcome == "same"
    give(world.awa, item, "dates")
    item.refresh_from_db()
    assert item.state == "answered"
    assert Annotation.objects.answered().get().label.key == "dates"


def test_clocks_that_jump_put_no_answer_before_its_lease_or_after_now(world):
    now = timezone.now()
    for given, expected in [("1999-01-01T00:00:00Z", "lease"), ("2099-01-01T00:00:00Z", "now")]:
        item = world.at_the_desk()
        world.fetch(world.awa)
        give(world.awa, item, "admin", given_at=given, now=now + timedelta(hours=1))
        answer = Annotation.objects.get(item=item)
        lease = item.reservations.get().created_at
        assert answer.given_at == (lease if expected == "lease" else now + timedelta(hours=1))


def test_an_answer_lies_at_the_desk_once_and_is_known_again(world):
    item = world.at_the_desk()
    world.fetch(world.awa)
    give(world.awa, item, "admin", lead_seconds=4)
    world.desk.fail_once("submit_answer", when="after")
    with pytest.raises(TransientError):
        world.mirror()
    world.mirror()
    world.mirror()
    (copy,) = world.copies()
    assert (copy.unique_id, copy.user_id) == (str(only().uid), world.awa.user.desk_user_id)
    result = world.sweep()
    assert (result.stored, result.revised, result.quarantined) == (0, 0, 0)
    answer = only()
    assert (answer.desk_annotation_id, answer.revision) == (copy.id, 1)
    assert not to_mirror(world.home).exists()


@pytest.mark.parametrize("flag", ["", "unclear"])
def test_a_sweep_that_comes_before_our_note_of_the_number_stores_nothing_twice(world, flag):
    item = world.at_the_desk()
    world.fetch(world.awa)
    give(world.awa, item, "" if flag else "admin", flag=flag)
    world.desk.fail_once("submit_answer", when="after")
    with pytest.raises(TransientError):
        world.mirror()
    if flag:  # a desk may not tell the id of what holds no result
        (task,) = world.desk.projects[world.home.desk_project_id].tasks.values()
        (copy,) = task.annotations.values()
        world.desk.edit(copy.id, label="", result=[], skipped=True, unique_id="")
    assert world.sweep().stored == 0
    assert (only().flag, only().mirrored_revision) == (flag, 1)


def test_an_edit_at_the_desk_is_a_revision_and_a_copy_that_is_behind_is_none(world):
    item = world.at_the_desk()
    world.fetch(world.awa)
    uid = str(uuid.uuid4())
    give(world.awa, item, "admin", uid=uid)
    world.mirror()
    give(world.awa, item, "dates", uid=uid, edit=1)
    assert world.sweep().revised == 0  # the desk still says admin, as we did at first
    assert only().label.key == "dates"
    world.mirror()
    (copy,) = world.copies()
    assert copy.result[0]["value"]["choices"] == ["dates"]
    world.sweep()
    world.desk.edit(copy.id, label="accounts")
    assert world.sweep().revised == 1
    assert (only().label.key, only().source) == ("accounts", "light")
    world.mirror()
    assert world.sweep().revised == 0
    assert [r.label.key for r in only().revisions.all()] == ["admin", "dates", "accounts"]


def test_a_note_lies_at_the_desk_too_and_what_is_written_there_comes_home(world):
    item = world.at_the_desk()
    world.fetch(world.awa)
    give(world.awa, item, "admin", note="or dates?")
    world.mirror()
    (copy,) = world.copies()
    assert classes.parse(copy.result, keys=["admin"]).note == "or dates?"
    assert (world.sweep().revised, only().note) == (0, "or dates?")
    world.desk.edit(
        copy.id, label="", result=classes.result_of({"label": "admin"}, note="surely not")
    )
    assert (world.sweep().revised, only().note, only().revision) == (1, "surely not", 2)
    # Copies that were put down before notes were say nothing of it.
    world.desk.edit(copy.id, label="dates")
    assert (world.sweep().revised, only().note, only().label.key) == (1, "surely not", "dates")
    assert (world.mirror().mirrored, world.sweep().revised) == (0, 0)


def test_what_is_deleted_at_the_desk_is_deleted_here_but_not_what_it_never_had(world):
    item = world.at_the_desk()
    world.fetch(world.awa)
    give(world.awa, item, "admin")
    page = world.desk.changed_tasks(world.home.desk_project_id, since="", limit=9)
    world.mirror()
    (task,) = page
    world.desk.changed_tasks = lambda *_, **__: [task]  # a page from before the copy was there
    world.sweep()
    del world.desk.changed_tasks
    assert only().state == "answered"
    world.sweep()
    world.desk.delete(world.copies()[0].id)
    world.sweep()
    assert only().state == "deleted"


def test_the_light_page_goes_on_while_the_desk_is_away_and_mirrors_when_it_is_back(world):
    pushed = world.at_the_desk(priority=0.2)
    queued = world.item(priority=0.1)
    world.desk.away = True
    assert world.fetch(world.awa) == [queued, pushed]
    for item in (queued, pushed):
        assert give(world.awa, item, "admin").outcome == "stored"
    with pytest.raises(TransientError):
        world.mirror()
    world.desk.away = False
    push_items(world.home, desk=world.desk, now=timezone.now(), record=True)
    world.mirror()
    assert {copy.uid for copy in world.copies()} == {str(queued.uid), str(pushed.uid)}
    assert world.desk.queue(world.home.desk_project_id) == []
    assert world.sweep().stored == 0
    assert Annotation.objects.count() == 2


def test_a_lost_project_gets_the_light_answers_again(world):
    item = world.at_the_desk()
    world.fetch(world.awa)
    give(world.awa, item, "admin")
    world.mirror()
    world.sweep()
    world.desk.delete_project(world.home.desk_project_id)
    world.push()
    prepare_desk(world.home, desk=world.desk)
    push_items(world.home, desk=world.desk, now=timezone.now(), record=True)
    world.home.refresh_from_db()
    world.mirror()
    assert [copy.unique_id for copy in world.copies()] == [str(only().uid)]
    assert world.sweep().stored == 0
    assert take_stock(world.home, desk=world.desk, now=timezone.now()).tombstoned == 0
    assert only().state == "answered"
