"""Whose answers at the desk count, who is still waited for, and under which guideline they were given."""

from datetime import UTC, timedelta

import pytest
from django.utils import timezone

from annotation.actions.campaigns import set_guideline
from annotation.actions.desk import prepare_desk
from annotation.actions.intake import requalify, sweep
from annotation.actions.people import join_team
from annotation.models import (
    Annotation,
    CampaignLanguage,
    DeskConfig,
    Item,
    Membership,
    QuarantinedAnswer,
    Role,
)
from tests.annotation.owing import answer, owe, push
from tests.fakes import FakeLabelingDesk
from tests.make import make_annotator, make_campaign, make_consent, make_language, make_user

pytestmark = pytest.mark.django_db


def pushed(home: CampaignLanguage, desk: FakeLabelingDesk) -> Item:
    item = owe(home)
    push(home, desk)
    item.refresh_from_db()
    home.refresh_from_db()
    return item


def belongs(who, campaign) -> Membership:
    return Membership.objects.create(
        user=who.user, campaign=campaign, language=make_language("wo"), role=Role.ANNOTATOR
    )


def test_an_item_waits_for_nobody_who_answers_in_another_campaign(home, desk):
    awa = make_annotator("awa")
    elsewhere = make_annotator("elsewhere", everywhere=False)
    belongs(elsewhere, make_campaign(slug="other", languages=("wo",)))
    item = pushed(home, desk)
    answer(home, desk, item, "", awa.user)
    item.refresh_from_db()
    assert item.state == Item.State.WITHDRAWN


def test_an_item_waits_for_everybody_of_its_own_campaign(home, desk):
    awa, member = make_annotator("awa"), make_annotator("member", everywhere=False)
    belongs(member, home.campaign)
    item = pushed(home, desk)
    answer(home, desk, item, "", awa.user)
    item.refresh_from_db()
    assert item.state == Item.State.PUSHED


def test_whoever_is_in_another_campaign_alone_is_heard_as_soon_as_they_join_this_one(home, desk):
    stranger = make_annotator("stranger", everywhere=False)
    belongs(stranger, make_campaign(slug="other", languages=("wo",)))
    item = pushed(home, desk)
    answer(home, desk, item, "admin", stranger.user)
    assert QuarantinedAnswer.objects.get(resolved_at=None).reason == "unknown_person"
    assert not Annotation.objects.exists()
    belongs(stranger, home.campaign)
    assert requalify(home, now=timezone.now()) == 1
    assert Annotation.objects.get().annotator == stranger


def test_both_versions_of_an_edited_answer_come_back_from_the_quarantine_in_order(home, desk):
    inti = make_consent(make_user("inti", desk_user_id=500)).user
    item = pushed(home, desk)
    number = answer(home, desk, item, "dates", inti)
    desk.edit(number, label="admin")
    sweep(home, desk=desk, now=timezone.now())
    join_team(inti, language=home.language, now=timezone.now())
    assert Annotation.objects.get().label.key == "admin"


@pytest.fixture
def guided(home, desk):
    """A language whose guideline changed an hour ago, while an item lay at the desk."""
    set_guideline(home, text="Read all of it.")
    item = pushed(home, desk)
    set_guideline(home, text="Read the first line only.")
    prepare_desk(home, desk=desk)
    changed = timezone.now() - timedelta(hours=1)
    for version, hours in ((1, 9), (2, 0)):
        made = DeskConfig.objects.filter(campaign_language=home, guideline_version=version)
        assert made.update(created_at=changed - timedelta(hours=hours)) == 1
    Item.objects.filter(pk=item.pk).update(pushed_at=changed - timedelta(hours=8))
    item.refresh_from_db()
    return item, changed


@pytest.mark.parametrize(
    ("given", "version"),
    [(timedelta(minutes=-30), 1), (timedelta(minutes=30), 2), (timedelta(days=-300), 1)],
)
def test_an_answer_was_given_under_the_guideline_of_its_own_time(
    home, desk, guided, given, version
):
    item, changed = guided
    stamp = (changed + given).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    awa = make_annotator("awa")
    desk.annotate(item.desk_task_id, user_id=awa.user.desk_user_id, label="admin", updated_at=stamp)
    assert sweep(home, desk=desk, now=timezone.now()).stored == 1
    assert Annotation.objects.get().guideline_version == version
