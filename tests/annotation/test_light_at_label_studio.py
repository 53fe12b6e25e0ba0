"""Answers of the light page at a real Label Studio: there once, and home again when edited there."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import httpx
import pytest
from django.utils import timezone

from annotation.actions.entry import enter_desk
from annotation.actions.intake import sweep
from annotation.actions.mirror import mirror
from annotation.actions.queue import push_items
from annotation.errors import DeskRefusedError
from annotation.gateways import DeskAnnotation
from annotation.gateways.label_studio import LabelStudioDesk
from annotation.models import (
    Annotation,
    AnnotationRevision,
    Annotator,
    CampaignLanguage,
    Item,
    QuarantinedAnswer,
)
from annotation.objectives import classes
from tests.annotation.lighting import fetch, give
from tests.annotation.test_flags_at_the_desk import LEADS_TO, became
from tests.fakes import choice
from tests.make import make_annotator, make_campaign, make_item, make_sample, make_user

pytestmark = [pytest.mark.label_studio, pytest.mark.django_db]


class Both:
    """A language that is asked at both desks, and three people who answer there."""

    def __init__(self, server: Any) -> None:
        self.desk, self.server = LabelStudioDesk(**server.access), server
        campaign = make_campaign(languages=("wo",), status="running")
        self.home = CampaignLanguage.objects.get(campaign=campaign)
        run = uuid.uuid4().hex[:8]
        users = [make_user(f"{name}-{run}") for name in ("awa", "ibou", "noor")]
        self.people = [make_annotator(user.username) for user in users]
        self.items = [
            make_item(make_sample(campaign), priority=priority, batch="r1", wanted=wanted)
            for priority, wanted in ((0.1, 1), (0.2, 2), (0.3, 1))
        ]
        self.push()

    def push(self) -> None:
        push_items(self.home, desk=self.desk, now=timezone.now(), record=True)
        self.home.refresh_from_db()
        for item in self.items:
            item.refresh_from_db()

    def mirror(self) -> tuple[int, int]:
        done = mirror(self.home, desk=self.desk, now=timezone.now())
        return done.mirrored, done.refused

    def sweep(self) -> tuple[int, int, int]:
        done = sweep(self.home, desk=self.desk, now=timezone.now())
        return done.stored, done.revised, done.quarantined

    def there(self, item: Item) -> tuple[DeskAnnotation, ...]:
        told = self.desk.changed_tasks(self.project, since="1970-01-01T00:00:00.000000Z", limit=99)
        return next(task.annotations for task in told if task.uid == str(item.uid))

    @property
    def project(self) -> int:
        return self.home.desk_project_id or 0

    @contextmanager
    def visit(self, who: Annotator) -> Iterator[httpx.Client]:
        """Somebody comes in by the link of their button."""
        link = enter_desk(who.user, home=self.home, desk=self.desk, now=timezone.now())
        with httpx.Client(base_url=self.server.url, timeout=30) as session:
            assert session.get(link).status_code == 200
            yield session

    def next(self, session: httpx.Client) -> str:
        answer = session.get(f"/api/projects/{self.project}/next")
        return answer.json()["data"]["uid"] if answer.status_code == 200 else ""

    def says(self, session: httpx.Client, item: Item, label: str = "", **over: Any) -> int:
        body = {"result": choice(label), "lead_time": 1.0, "unique_id": str(uuid.uuid4())} | over
        answer = session.post(f"/api/tasks/{item.desk_task_id}/annotations/", json=body)
        assert answer.status_code == 201, answer.text
        return int(answer.json()["id"])


@pytest.fixture
def both(label_studio: Any) -> Iterator[Both]:
    both = Both(label_studio)
    yield both
    # It keeps the locks of what is deleted, and on SQLite gives the numbers of tasks out again.
    tasks = [item.desk_task_id for item in both.items if item.desk_task_id]
    for who in both.people:
        both.desk.unlock_tasks(both.project, tasks, user_id=who.user.desk_user_id or 1)
    both.desk.delete_project(both.project)


def said_in(told: DeskAnnotation) -> str:
    read = classes.parse(told.result, keys=["admin", "dates"], flags=["unclear"])
    return read.label or read.flag


def test_an_answer_is_there_once_and_changes_and_edits_go_both_ways(both: Both) -> None:
    awa, first = both.people[0], both.items[0]
    assert fetch(awa, both.home, both.desk, most=3) == both.items
    number = str(uuid.uuid4())
    give(awa, first, "admin", uid=number)
    assert (both.mirror(), both.mirror()) == ((1, 0), (0, 0))
    copy = both.there(first)
    assert [(one.unique_id, one.user_id) for one in copy] == [(number, awa.user.desk_user_id)]
    assert (said_in(copy[0]), copy[0].skipped) == ("admin", False)
    assert both.sweep() == (0, 0, 0)
    give(awa, first, "dates", uid=number, edit=1)
    assert both.sweep() == (0, 0, 0)
    both.mirror()
    assert [said_in(one) for one in both.there(first)] == ["dates"]
    assert both.sweep() == (0, 0, 0)
    with both.visit(awa) as session:
        edited = session.patch(f"/api/annotations/{copy[0].id}/", json={"result": choice("admin")})
        assert edited.status_code == 200, edited.text
    assert (both.sweep(), both.sweep()) == ((0, 1, 0), (0, 0, 0))
    assert (both.mirror(), len(both.there(first))) == ((0, 0), 1)
    held = Annotation.objects.get()
    assert (held.label.key, held.source, held.desk_annotation_id) == ("admin", "light", copy[0].id)
    said = AnnotationRevision.objects.order_by("number").values_list("answer__label", flat=True)
    assert list(said) == ["admin", "dates", "admin"]


def test_a_flag_is_there_as_skipped_with_what_was_chosen_and_changes_into_an_answer(
    both: Both,
) -> None:
    awa, first = both.people[0], both.items[0]
    fetch(awa, both.home, both.desk)
    number = str(uuid.uuid4())
    give(awa, first, flag="unclear", uid=number)
    both.mirror()
    assert [(one.unique_id, one.skipped, said_in(one)) for one in both.there(first)] == [
        (number, True, "unclear")
    ]
    assert both.sweep() == (0, 0, 0)
    assert Annotation.objects.get().flag == "unclear"
    ibou = both.people[1]
    assert fetch(ibou, both.home, both.desk, most=1) == [first]
    give(awa, first, "admin", uid=number, edit=1)
    both.mirror()
    assert [(one.skipped, said_in(one)) for one in both.there(first)] == [(False, "admin")]
    assert both.sweep() == (0, 0, 0)
    assert Annotation.objects.get().label.key == "admin"


def test_whichever_comes_first_the_note_of_a_copy_or_the_sweep_nothing_is_held_twice(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    awa = both.people[0]
    fetch(awa, both.home, both.desk)
    give(awa, both.items[0], "admin")
    give(awa, both.items[2], flag="unclear")
    with monkeypatch.context() as patch:
        # The worker dies after the desk took it, or the desk's word is lost on its way.
        patch.setattr("annotation.actions.mirror._note", lambda *_, **__: None)
        both.mirror()
    assert both.sweep() == (0, 0, 0)
    both.mirror()
    both.mirror()
    assert both.sweep() == (0, 0, 0)
    assert [len(both.there(item)) for item in both.items] == [1, 0, 1]
    assert Annotation.objects.count() == AnnotationRevision.objects.count() == 2
    assert not QuarantinedAnswer.objects.exists()


def test_an_empty_list_locks_nothing_and_tells_that_the_desk_is_there(both: Both) -> None:
    her = both.desk.create_account(email=both.people[0].user.desk_email, name="", password="x" * 9)
    lock = partial(both.desk.lock_tasks, user_id=her.user_id, seconds=60)
    assert lock(both.project, []) == set()
    with pytest.raises(DeskRefusedError):
        lock(99_999_999, [])


def test_every_flag_that_is_chosen_there_comes_home_with_its_note_and_leads_somewhere(
    both: Both,
) -> None:
    campaign, awa = both.home.campaign, both.people[0]
    some = [make_item(make_sample(campaign), priority=-1, batch="r1") for _ in LEADS_TO]
    both.items += some
    both.push()
    asked = {str(item.uid): item for item in some}
    with both.visit(awa) as session:
        for flag in LEADS_TO:
            item = asked.pop(both.next(session))
            both.says(session, item, result=classes.result_of({}, flag=flag, note=f"{flag}!"))
    assert (asked, both.sweep()) == ({}, (5, 0, 0))
    for said in Annotation.objects.select_related("item__sample"):
        assert (said.state, said.label, said.note) == ("skipped", None, f"{said.flag}!")
        assert became(said.item) == LEADS_TO[said.flag]
    with both.visit(both.people[1]) as session:
        # Whoever comes next is asked what was set aside for nobody.
        said = Annotation.objects.exclude(flag="offensive").values_list("item__uid", flat=True)
        both.push()
        assert both.next(session) in {str(uid) for uid in said}


def test_a_flag_that_was_chosen_there_comes_home_and_one_more_person_is_asked(both: Both) -> None:
    awa, ibou, _ = both.people
    first = both.items[0]
    with both.visit(awa) as session:
        assert both.next(session) == str(first.uid)
        both.says(session, first, "flag:unclear")
    assert both.sweep() == (1, 0, 0)
    held = Annotation.objects.get()
    assert (held.state, held.flag, held.label) == ("skipped", "unclear", None)
    both.push()
    with both.visit(ibou) as session:
        assert both.next(session) == str(first.uid)
        both.says(session, first, "admin")
        assert both.next(session) == str(both.items[1].uid)
    both.sweep()
    first.refresh_from_db()
    assert first.state == Item.State.ANSWERED


def test_who_answers_one_text_at_both_desks_is_one_person_of_the_two_wanted(both: Both) -> None:
    """She presses the button before her answer lies there, and Label Studio asks it again."""
    awa, ibou, noor = both.people
    for item in (both.items[0], both.items[2]):
        Item.objects.filter(pk=item.pk).update(priority=5)
    double = both.items[1]
    assert fetch(awa, both.home, both.desk, most=1) == [double]
    give(awa, double, "admin")
    with both.visit(awa) as session:
        assert both.next(session) == str(double.uid)
        both.says(session, double, "admin")
    both.mirror()
    both.sweep()
    assert len(both.there(double)) == 2
    double.refresh_from_db()
    assert double.state == Item.State.PUSHED
    both.push()
    # One more person is asked there, and nobody after that.
    assert fetch(ibou, both.home, both.desk, most=1) == [double]
    assert double not in fetch(noor, both.home, both.desk)
