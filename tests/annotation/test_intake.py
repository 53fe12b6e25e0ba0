import logging
from dataclasses import replace

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from annotation.actions import intake
from annotation.actions.intake import requalify, sweep, take_stock
from annotation.actions.people import join_team
from annotation.actions.queue import push_items
from annotation.errors import TransientError
from annotation.models import (
    Annotation,
    AnnotationRevision,
    CampaignLanguage,
    Item,
    QuarantinedAnswer,
)
from tests.fakes import FakeLabelingDesk, choice
from tests.make import (
    make_annotator,
    make_campaign,
    make_consent,
    make_item,
    make_sample,
    make_user,
)

pytestmark = pytest.mark.django_db


class World:
    """A Wolof campaign with one item at the desk, and Awa who answers it."""

    def __init__(self, items: int = 1, **over) -> None:
        self.desk = FakeLabelingDesk()
        self.home = CampaignLanguage.objects.get(campaign=make_campaign(languages=("wo",)))
        self.items = [make_item(make_sample(self.home.campaign), **over) for _ in range(items)]
        self.item = self.items[0]
        self.awa = make_annotator("awa")
        push_items(self.home, desk=self.desk, now=timezone.now())
        for item in self.items:
            item.refresh_from_db()
        self.home.refresh_from_db()

    @property
    def awa_at_desk(self) -> int:
        return self.awa.user.desk_user_id

    def answers(self, label: str = "admin", **over) -> int:
        return self.desk.annotate(
            self.item.desk_task_id, **({"user_id": self.awa_at_desk, "label": label} | over)
        )

    def sweep(self, **over):
        result = sweep(self.home, desk=self.desk, now=timezone.now(), **over)
        self.item.refresh_from_db()
        return result

    def reason(self) -> str:
        return QuarantinedAnswer.objects.get(resolved_at=None).reason


@pytest.fixture
def world() -> World:
    return World()


def test_an_answer_is_stored_with_its_first_revision(world):
    number = world.answers("admin")
    assert world.sweep().stored == 1
    annotation = Annotation.objects.get(desk_annotation_id=number)
    assert (annotation.label.key, annotation.state) == ("admin", "answered")
    assert (annotation.annotator, annotation.lead_seconds) == (world.awa, 2.5)
    assert [r.number for r in annotation.revisions.all()] == [1]
    assert world.item.state == Item.State.ANSWERED
    assert world.item.answered_at


def test_an_answer_told_twice_is_stored_once(world):
    world.answers()
    world.sweep()
    CampaignLanguage.objects.update(swept_until="")
    Item.objects.update(desk_updated_at="")
    result = world.sweep()
    assert (result.stored, result.revised, result.same) == (0, 0, 1)
    assert Annotation.objects.count() == AnnotationRevision.objects.count() == 1


def test_an_edit_is_a_new_revision(world):
    number = world.answers("admin")
    world.sweep()
    world.desk.edit(number, label="dates")
    assert world.sweep().revised == 1
    annotation = Annotation.objects.get()
    assert (annotation.label.key, annotation.revision) == ("dates", 2)
    assert [r.label.key for r in annotation.revisions.all()] == ["admin", "dates"]


def test_a_page_fetched_before_the_edit_changes_nothing_when_it_comes_late(world):
    number = world.answers("admin")
    late = world.desk.changed_tasks(world.home.desk_project_id, since="", limit=9)
    world.desk.edit(number, label="dates")
    world.sweep()
    world.desk.changed_tasks = lambda *_, **__: late
    world.sweep()
    assert Annotation.objects.get().label.key == "dates"


def test_a_page_fetched_before_the_deletion_does_not_bring_the_answer_back(world):
    number = world.answers("admin")
    late = world.desk.changed_tasks(world.home.desk_project_id, since="", limit=9)
    world.desk.delete(number)
    world.sweep()
    world.desk.changed_tasks = lambda *_, **__: late
    world.sweep()
    assert not Annotation.objects.answered().exists()
    assert world.item.state == Item.State.PUSHED


def test_a_skip_is_kept_and_the_item_stays_open_until_everybody_skipped(world):
    inti = make_annotator("inti", "wo")
    make_annotator("lee", "wo", active=False)
    world.answers("")
    world.sweep()
    assert Annotation.objects.get().state == Annotation.State.SKIPPED
    assert world.item.state == Item.State.PUSHED
    number = world.answers("", user_id=inti.user.desk_user_id)
    world.sweep()
    assert world.item.state == Item.State.WITHDRAWN
    push_items(world.home, desk=world.desk, now=timezone.now())
    assert world.desk.projects[world.home.desk_project_id].tasks[world.item.desk_task_id]
    world.desk.edit(number, label="admin")
    world.sweep()
    assert world.item.state == Item.State.ANSWERED


def test_an_item_that_nobody_is_left_to_answer_makes_do_with_what_it_has(world):
    Item.objects.update(wanted=2)
    world.answers("admin")
    world.sweep()
    assert world.item.state == Item.State.ANSWERED


def test_a_deletion_leaves_a_tombstone_and_opens_the_item_again(world):
    number = world.answers()
    world.sweep()
    world.desk.delete(number)
    assert world.sweep().tombstoned == 1
    annotation = Annotation.objects.get()
    assert (annotation.state, annotation.label) == (Annotation.State.DELETED, None)
    assert annotation.revisions.count() == 2
    assert world.item.state == Item.State.PUSHED
    assert world.item.answered_at is None


def test_a_reopened_item_is_withdrawn_if_the_sample_was_asked_again_meanwhile(world):
    number = world.answers()
    world.sweep()
    make_item(world.item.sample)
    world.desk.delete(number)
    world.sweep()
    assert world.item.state == Item.State.WITHDRAWN


def test_a_vanished_task_takes_its_answers_with_it(world):
    world.answers()
    world.sweep()
    world.desk.drop_task(world.item.desk_task_id)
    assert world.sweep().tombstoned == 0
    result = take_stock(world.home, desk=world.desk, now=timezone.now())
    assert result.tombstoned == 1
    world.item.refresh_from_db()
    assert (world.item.state, world.item.desk_task_id) == (Item.State.WITHDRAWN, None)
    assert take_stock(world.home, desk=world.desk, now=timezone.now()).tombstoned == 0


def test_an_item_pushed_while_deletions_are_sought_is_not_taken_for_vanished(world):
    listed = world.desk.answer_ids

    def list_then_push(project_id, *, after):
        ids = listed(project_id, after=after)
        if after:
            return ids
        make_item(make_sample(world.home.campaign))
        push_items(world.home, desk=world.desk, now=timezone.now())
        return ids

    world.desk.answer_ids = list_then_push
    take_stock(world.home, desk=world.desk, now=timezone.now())
    assert Item.objects.filter(state="pushed").count() == 2


def test_an_item_for_two_people_is_answered_by_two(world):
    Item.objects.update(wanted=2)
    inti = make_annotator("inti", "wo")
    world.answers()
    world.answers("dates")
    world.sweep()
    assert world.item.state == Item.State.PUSHED
    world.answers(user_id=inti.user.desk_user_id)
    world.sweep()
    assert world.item.state == Item.State.ANSWERED


@pytest.mark.parametrize(
    ("over", "reason"),
    [
        ({"result": choice("nonsense")}, "unknown_label"),
        ({"result": []}, "empty"),
        ({"result": [{"from_name": "mood", "value": {"choices": ["admin"]}}]}, "unknown_field"),
        ({"result": [None]}, "malformed"),
        ({"result": ["admin"]}, "malformed"),
        (
            {"result": [{"from_name": "label", "value": {"choices": ["admin", "dates"]}}]},
            "malformed",
        ),
        ({"result": [{"from_name": "label", "value": {"choices": [["admin"]]}}]}, "unknown_label"),
        ({"result": choice("admin") * 2}, "malformed"),
        ({"user_id": 99999}, "unknown_person"),
        ({"user_id": None}, "unknown_person"),
    ],
)
def test_what_does_not_fit_is_kept_aside_whole_and_once(world, over, reason):
    number = world.answers(**over)
    assert world.sweep().quarantined == 1
    CampaignLanguage.objects.update(swept_until="")
    world.sweep()
    row = QuarantinedAnswer.objects.get()
    assert (row.reason, row.item, row.desk_annotation_id) == (reason, world.item, number)
    assert row.payload["result"] == over.get("result", choice("admin"))
    assert not Annotation.objects.exists()
    assert world.item.state == Item.State.PUSHED


def test_a_task_that_is_not_ours_is_kept_aside_too(world):
    from annotation.gateways import DeskItem

    for uid in ("", "not-a-uid", "00000000-0000-0000-0000-000000000000"):
        made = world.desk.push(world.home.desk_project_id, [DeskItem(uid, "x", 0.1, "r1")])
        world.desk.annotate(made[uid], user_id=world.awa_at_desk, label="admin")
    world.sweep()
    assert {row.reason for row in QuarantinedAnswer.objects.all()} == {"unknown_item"}
    assert QuarantinedAnswer.objects.count() == 3


def test_one_answer_that_cannot_be_read_never_stops_the_rest(monkeypatch, caplog):
    world = World(items=3)
    for item in world.items:
        world.desk.annotate(item.desk_task_id, user_id=world.awa_at_desk, label="admin")
    from annotation.actions import answers

    plain, bad = answers._create, world.items[1].pk

    def create(item, **rest):
        if item.pk == bad:
            raise ValueError("surprise")
        return plain(item, **rest)

    monkeypatch.setattr(answers, "_create", create)
    with caplog.at_level(logging.CRITICAL):
        result = world.sweep()
    assert (result.stored, result.quarantined) == (2, 1)
    assert world.reason() == "malformed"


def test_an_answer_that_no_database_can_hold_is_kept_aside_readably(world):
    nested: list = []
    for _ in range(5000):
        nested = [nested]
    world.answers(result=[{"to\x00\ud800": "a\x00b", "n": float("nan"), "deep": nested}])
    world.answers(result=choice("admin\x00\udfff"))
    world.answers("dates")
    result = world.sweep()
    assert (result.stored, result.quarantined) == (1, 2)
    rows = QuarantinedAnswer.objects.order_by("pk")
    told = rows[0].payload["result"][0]
    assert (told["to\ufffd\ufffd"], told["n"]) == ("a\ufffdb", "nan")
    assert rows[1].payload["result"] == choice("admin\ufffd\ufffd")
    assert not {"\x00", "\udfff"} & set(rows[1].detail)


def test_one_row_of_the_quarantine_that_cannot_be_read_does_not_stop_the_others(world):
    inti = make_consent(make_user("inti", desk_user_id=500)).user
    for uid in ("not-a-uid", str(world.item.uid)):
        world.answers(user_id=500, uid=uid)
        world.sweep()
    first = QuarantinedAnswer.objects.order_by("desk_updated_at").first()
    QuarantinedAnswer.objects.filter(pk=first.pk).update(item=None)
    join_team(inti, language=world.home.language, now=timezone.now())
    assert Annotation.objects.get().annotator.user == inti


def test_an_edit_into_something_unusable_takes_the_old_answer_back(world):
    number = world.answers("admin")
    world.sweep()
    world.desk.edit(number, label="nonsense")
    world.sweep()
    assert Annotation.objects.get().state == Annotation.State.DELETED
    assert world.reason() == "unknown_label"
    assert world.item.state == Item.State.PUSHED
    world.desk.edit(number, label="dates")
    world.sweep()
    annotation = Annotation.objects.get()
    assert (annotation.label.key, annotation.revision) == ("dates", 3)
    assert not QuarantinedAnswer.objects.filter(resolved_at=None).exists()


def test_an_answer_that_changed_hands_is_not_believed(world):
    number = world.answers("admin")
    world.sweep()
    inti = make_annotator("inti", "wo")
    world.desk.edit(number, label="admin", user_id=inti.user.desk_user_id)
    world.sweep()
    assert world.reason() == "unknown_person"
    assert Annotation.objects.get().annotator == world.awa


def test_answers_of_somebody_who_joins_later_are_taken_in(world):
    inti = make_consent(make_user("inti", desk_user_id=500)).user
    world.answers("dates", user_id=500)
    world.sweep()
    assert not Annotation.objects.exists()
    annotator = join_team(inti, language=world.home.language, now=timezone.now())
    world.item.refresh_from_db()
    assert Annotation.objects.get().annotator == annotator
    assert world.item.state == Item.State.ANSWERED
    assert not QuarantinedAnswer.objects.filter(resolved_at=None).exists()
    assert requalify(world.home, now=timezone.now()) == 0
    world.sweep()
    assert AnnotationRevision.objects.count() == 1


def test_a_deleted_answer_does_not_come_back_from_the_quarantine(world):
    inti = make_consent(make_user("inti", desk_user_id=500)).user
    number = world.answers("dates", user_id=500)
    world.sweep()
    world.desk.delete(number)
    world.sweep()
    join_team(inti, language=world.home.language, now=timezone.now())
    assert not Annotation.objects.exists()


def test_a_person_who_left_keeps_what_was_stored_and_adds_nothing(world):
    number = world.answers("admin")
    world.sweep()
    world.awa.active = False
    world.awa.save()
    CampaignLanguage.objects.update(swept_until="")
    world.sweep()
    assert Annotation.objects.answered().count() == 1
    world.desk.edit(number, label="dates")
    world.sweep()
    assert world.reason() == "unknown_person"


def test_an_answer_to_an_item_whose_push_was_never_noted_is_stored(world):
    Item.objects.update(desk_task_id=None, state="queued")
    world.answers()
    world.sweep()
    assert world.item.state == Item.State.ANSWERED
    assert push_items(world.home, desk=world.desk, now=timezone.now()).pushed == 0


def test_a_doubled_task_is_taken_away_if_idle_and_counted_once_if_answered(world):
    from annotation.gateways import DeskItem

    double = DeskItem(str(world.item.uid), "x", 0.1, "r1")
    world.desk.push(world.home.desk_project_id, [double])
    assert world.sweep().strays == 1
    project = world.desk.projects[world.home.desk_project_id]
    assert list(project.tasks) == [world.item.desk_task_id]
    second = world.desk.push(world.home.desk_project_id, [double])[str(world.item.uid)]
    world.desk.annotate(second, user_id=world.awa_at_desk, label="admin")
    world.answers("admin")
    assert world.sweep().stored == 2
    assert world.item.state == Item.State.ANSWERED
    world.desk.delete(Annotation.objects.get(desk_task_id=second).desk_annotation_id)
    assert world.sweep().tombstoned == 1
    assert Annotation.objects.answered().count() == 1


def test_an_answer_to_a_withdrawn_item_is_still_an_answer(world):
    Item.objects.update(state="withdrawn")
    world.answers()
    world.sweep()
    assert world.item.state == Item.State.ANSWERED


def test_answers_given_while_we_were_down_are_all_found(monkeypatch):
    world = World(items=25)
    monkeypatch.setattr(intake, "PAGE", 4)
    for item in world.items:
        world.desk.annotate(item.desk_task_id, user_id=world.awa_at_desk, label="admin")
    with world.desk.down(), pytest.raises(TransientError):
        world.sweep()
    assert world.sweep().stored == 25
    assert Item.objects.filter(state="answered").count() == 25


def test_more_changes_under_one_time_stamp_than_a_page_holds_are_all_read(monkeypatch):
    world = World(items=11)
    monkeypatch.setattr(intake, "PAGE", 2)
    for item in world.items:
        world.desk.annotate(item.desk_task_id, user_id=world.awa_at_desk, label="admin")
    for task in world.desk.projects[world.home.desk_project_id].tasks.values():
        task.updated_at = "2026-01-02T00:00:00.000000Z"
    assert world.sweep().stored == 11


def test_the_watermark_stays_when_a_page_could_not_be_stored(world, monkeypatch):
    world.answers()
    with monkeypatch.context() as patch:

        def die(*_a, **_k):
            raise KeyboardInterrupt

        patch.setattr(intake, "settle", die)
        with pytest.raises(KeyboardInterrupt), transaction.atomic():
            world.sweep()
    assert CampaignLanguage.objects.get().swept_until == ""
    assert world.sweep().stored == 1


def test_a_change_stamped_shortly_before_the_watermark_is_still_found(world):
    world.answers()
    world.sweep()
    mark = CampaignLanguage.objects.get().swept_until
    number = world.answers("dates")
    task = world.desk.projects[world.home.desk_project_id].tasks[world.item.desk_task_id]
    task.annotations[number] = replace(task.annotations[number], updated_at=mark)
    assert world.sweep().stored == 1


class AnyOrder(TestCase):
    """Whatever pages come, in whatever order and how often, the end is the desk's own state."""

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        deeds=st.lists(
            st.tuples(
                st.sampled_from(["answer", "skip", "edit", "spoil", "delete"]),
                st.integers(0, 2),
                st.sampled_from(["admin", "accounts", "dates"]),
            ),
            max_size=8,
        ),
        data=st.data(),
    )
    def test_any_order_of_pages_ends_in_the_same_state(self, deeds, data):
        world = World(items=2)
        project = world.home.desk_project_id
        told = [world.desk.changed_tasks(project, since="", limit=99)]
        live: list[int] = []
        for deed, which, label in deeds:
            _do(world, deed, which, label, live)
            told.append(world.desk.changed_tasks(project, since="", limit=99))
        pages = data.draw(st.permutations(told + told[-2:]))
        for page in pages:
            world.desk.changed_tasks = lambda *_, page=page, **__: page
            world.sweep()
        truth = {
            a.id: "skipped" if a.skipped else a.result[0]["value"]["choices"][0]
            for task in told[-1]
            for a in task.annotations
            if a.skipped or a.result != choice("nonsense")
        }
        ours = {
            a.desk_annotation_id: a.label.key if a.label else a.state
            for a in Annotation.objects.exclude(state="deleted").select_related("label")
        }
        assert ours == truth
        answered = {
            t.uid
            for t in told[-1]
            if any(truth.get(a.id, "skipped") != "skipped" for a in t.annotations)
        }
        for item in Item.objects.filter(campaign_language=world.home):
            assert (item.state == "answered") == (str(item.uid) in answered)
        for annotation in Annotation.objects.all():
            assert annotation.revisions.count() == annotation.revision


def _do(world: World, deed: str, which: int, label: str, live: list[int]) -> None:
    if deed in ("answer", "skip"):
        task = world.items[which % 2].desk_task_id
        label = label if deed == "answer" else ""
        live.append(world.desk.annotate(task, user_id=world.awa_at_desk, label=label))
    elif live:
        number = live[which % len(live)]
        if deed == "delete":
            world.desk.delete(number)
            live.remove(number)
        else:
            world.desk.edit(number, label=label if deed == "edit" else "nonsense")
