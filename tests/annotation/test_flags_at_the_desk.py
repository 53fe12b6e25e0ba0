"""What people say of a text at the desk instead of answering comes home, and is asked of another."""

import pytest
from django.utils import timezone

from annotation.actions.queue import push_items
from annotation.models import Annotation, Item, Objection
from annotation.objectives import classes
from tests.annotation.test_intake import World
from tests.make import make_annotator

pytestmark = pytest.mark.django_db
# What each leads to: an objection, where the item is, and whether the text is set aside.
LEADS_TO = {
    "cannot_judge": ([], "pushed", False),
    "wrong_language": ([("wrong_language", "open")], "pushed", False),
    "other_dialect": ([("other_dialect", "open")], "pushed", False),
    "unclear": ([("unclear", "open")], "pushed", False),
    "offensive": ([("offensive", "open")], "withdrawn", True),
}


def became(item: Item) -> tuple[list[tuple[str, str]], str, bool]:
    """What is objected to a text, where its item is, and whether it is set aside."""
    item.refresh_from_db()
    item.sample.refresh_from_db()
    objections = Objection.objects.filter(sample=item.sample)
    withdrawn = item.sample.withdrawn_at is not None
    return list(objections.values_list("kind", "state")), item.state, withdrawn


def test_the_form_at_the_desk_offers_what_the_light_page_offers() -> None:
    world = World()
    project = world.desk.read_project(world.home.desk_project_id)
    offered = [key for key in Annotation.Flag.values if key and f"flag:{key}" in project.config]
    assert offered == [*LEADS_TO]
    assert 'TextArea name="note"' in project.config


@pytest.mark.parametrize("flag", LEADS_TO)
def test_each_comes_home_with_its_note_counts_as_no_answer_and_leads_somewhere(flag: str) -> None:
    world = World()
    make_annotator("ibou")
    world.answers(result=classes.result_of({}, flag=flag, note="so they say in Kayor"))
    world.sweep()
    said = Annotation.objects.get()
    assert (said.state, said.flag, said.label) == (Annotation.State.SKIPPED, flag, None)
    assert said.note == "so they say in Kayor"
    assert became(world.item) == LEADS_TO[flag]


def test_a_note_beside_a_label_is_kept_and_changes_with_it() -> None:
    world = World()
    number = world.answers(result=classes.result_of({"label": "admin"}, note="or accounts?"))
    world.sweep()
    answer = Annotation.objects.get()
    assert (answer.label.key, answer.note) == ("admin", "or accounts?")
    world.desk.edit(number, label="", result=classes.result_of({"label": "accounts"}, note="sure"))
    world.sweep()
    answer.refresh_from_db()
    assert (answer.label.key, answer.note) == ("accounts", "sure")
    assert list(answer.revisions.values_list("note", flat=True)) == ["or accounts?", "sure"]


def test_an_unclear_text_goes_to_the_next_person_and_to_the_coordinator() -> None:
    world = World()
    ibou = make_annotator("ibou")
    world.answers("flag:unclear")
    world.sweep()
    said = Annotation.objects.get()
    assert (said.state, said.flag, said.label) == (Annotation.State.SKIPPED, "unclear", None)
    assert Objection.objects.get().sample == world.item.sample
    assert world.item.state == Item.State.PUSHED
    # As the desk sees it the task has its answer: it is told to want one more.
    push_items(world.home, desk=world.desk, now=timezone.now())
    taken = world.desk.take_next(world.home.desk_project_id, user_id=ibou.user.desk_user_id)
    assert taken is not None
    world.answers("admin", user_id=ibou.user.desk_user_id)
    world.sweep()
    assert world.item.state == Item.State.ANSWERED


def test_an_offensive_text_is_taken_off_the_desk_before_others_see_it() -> None:
    world = World()
    make_annotator("ibou")
    world.answers("flag:offensive")
    world.sweep()
    assert world.item.state == Item.State.WITHDRAWN
    world.item.sample.refresh_from_db()
    assert world.item.sample.withdrawn_at is not None


def test_an_answer_instead_of_the_flag_drops_the_objection() -> None:
    world = World()
    number = world.answers("flag:offensive")
    world.sweep()
    world.desk.edit(number, label="admin")
    world.sweep()
    assert Objection.objects.get().state == Objection.State.DROPPED
    assert world.item.state == Item.State.ANSWERED
    assert Annotation.objects.get().label.key == "admin"
