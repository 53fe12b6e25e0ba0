"""Projects at the desk: one a language, found again, mended, and never another's."""

import pytest
from django.utils import timezone

from annotation.actions.desk import prepare_desk
from annotation.actions.intake import sweep, take_stock
from annotation.errors import ConflictError, DeskRefusedError, TransientError
from annotation.gateways import DeskItem
from annotation.models import (
    Annotation,
    CampaignLanguage,
    DeskEvent,
    Guideline,
    Item,
    QuarantinedAnswer,
)
from tests.annotation.owing import answer, owe, push
from tests.make import make_annotator

pytestmark = pytest.mark.django_db


def test_a_language_gets_one_project_however_often_it_is_prepared(home, desk):
    first = prepare_desk(home, desk=desk)
    again = prepare_desk(home, desk=desk)
    assert first.desk_project_id == again.desk_project_id
    assert list(desk.projects) == [first.desk_project_id]
    assert home.desk_configs.count() == 1


def test_a_project_made_before_we_died_is_found_again(home, desk):
    prepare_desk(home, desk=desk)
    number = CampaignLanguage.objects.get(pk=home.pk).desk_project_id
    CampaignLanguage.objects.update(desk_project_id=None)
    assert prepare_desk(home, desk=desk).desk_project_id == number
    assert len(desk.projects) == 1


def test_a_project_made_but_never_told_is_found_again(home, desk):
    desk.fail_once("create_project", when="after")
    with pytest.raises(TransientError):
        prepare_desk(home, desk=desk)
    prepare_desk(home, desk=desk)
    assert len(desk.projects) == 1


def test_two_who_create_at_once_agree_on_the_older_project(home, desk):
    prepare_desk(home, desk=desk)
    stale = CampaignLanguage.objects.get(pk=home.pk)
    older = stale.desk_project_id
    marker = desk.projects[older].marker
    CampaignLanguage.objects.update(desk_project_id=None)
    listed = desk.find_projects
    answers = iter([[]])
    desk.find_projects = lambda m: next(answers, None) or listed(m)
    assert prepare_desk(home, desk=desk).desk_project_id == older
    assert listed(marker) == [older]


def test_a_new_guideline_makes_a_new_form_and_reaches_the_open_items(home, desk):
    item = owe(home)
    push(home, desk)
    Guideline.objects.create(campaign_language=home, version=1, text="Read <all> of it.")
    prepared = prepare_desk(home, desk=desk)
    assert home.desk_configs.count() == 2
    assert "Read &lt;all&gt; of it." in desk.projects[prepared.desk_project_id].instruction
    item.refresh_from_db()
    assert item.desk_config.guideline_version == 1


def test_a_form_changed_at_the_desk_is_mended_and_said(home, desk):
    project = desk.projects[prepare_desk(home, desk=desk).desk_project_id]
    ours = project.config
    project.config, project.intact = "<View/>", False
    prepare_desk(home, desk=desk)
    assert project.config == ours
    assert project.intact
    assert DeskEvent.objects.get(action="PROJECT_REPAIRED").campaign_language == home


def test_a_key_that_people_have_answered_with_cannot_be_renamed(home, desk):
    item = owe(home)
    annotator = make_annotator("awa")
    push(home, desk)
    item.refresh_from_db()
    desk.annotate(item.desk_task_id, user_id=annotator.user.desk_user_id, label="admin")
    sweep(home, desk=desk, now=timezone.now())
    home.campaign.labels.filter(key="admin").update(key="office")
    with pytest.raises(ConflictError, match="admin"):
        prepare_desk(home, desk=desk)


def test_a_lost_project_is_made_anew_and_open_items_are_owed_again(home, desk):
    answered, still_open = owe(home, priority=0.1), owe(home, priority=0.2)
    annotator = make_annotator("awa")
    push(home, desk)
    answered.refresh_from_db()
    desk.annotate(answered.desk_task_id, user_id=annotator.user.desk_user_id, label="admin")
    sweep(home, desk=desk, now=timezone.now())
    desk.projects.clear()
    assert take_stock(home, desk=desk, now=timezone.now()).tombstoned == 0
    push(prepare_desk(home, desk=desk), desk)
    assert len(desk.projects) == 1
    answered.refresh_from_db()
    still_open.refresh_from_db()
    assert answered.state == Item.State.ANSWERED
    assert still_open.state == Item.State.PUSHED
    assert next(iter(desk.projects.values())).tasks[still_open.desk_task_id]
    sweep(home, desk=desk, now=timezone.now())
    assert answered.annotations.answered().count() == 1


def test_nothing_is_taken_from_another_project_under_our_number(home, desk):
    awa = make_annotator("awa").user
    item = owe(home)
    push(home, desk)
    answer(home, desk, item, "admin", awa)
    home.refresh_from_db()
    theirs = desk.projects[home.desk_project_id]
    theirs.marker, theirs.tasks = "their own", {}
    task = desk.push(theirs.id, [DeskItem(uid="theirs-1", text="a", priority=0.0, batch="x")])
    desk.annotate(task["theirs-1"], user_id=awa.desk_user_id, label="dates")
    with pytest.raises(DeskRefusedError, match="is not ours"):
        sweep(home, desk=desk, now=timezone.now())
    assert Annotation.objects.get().label.key == "admin"
    assert not QuarantinedAnswer.objects.exists()
    assert prepare_desk(home, desk=desk).desk_project_id != theirs.id
    assert sweep(home, desk=desk, now=timezone.now()).tasks == 0


def test_another_project_under_our_number_is_left_alone_and_withdraws_nothing(home, desk):
    awa = make_annotator("awa")
    item = owe(home)
    push(home, desk)
    answer(home, desk, item, "admin", awa.user)
    home.refresh_from_db()
    ours = desk.projects[home.desk_project_id]
    ours.marker, ours.config, ours.tasks = "their own", "<View/>", {}
    assert take_stock(home, desk=desk, now=timezone.now()).tombstoned == 0
    assert prepare_desk(home, desk=desk).desk_project_id != ours.id
    assert ours.config == "<View/>"
    assert Annotation.objects.answered().count() == 1


def test_our_project_under_a_rewritten_description_is_still_ours(home, desk):
    owe(home)
    push(home, desk)
    home.refresh_from_db()
    desk.projects[home.desk_project_id].marker = "Please finish by Friday"
    assert prepare_desk(home, desk=desk).desk_project_id == home.desk_project_id
