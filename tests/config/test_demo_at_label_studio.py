"""Simulated people at a real Label Studio: what they do there comes home as they did it."""

from typing import Any

import pytest
from django.utils import timezone

from annotation.actions.desk import prepare_desk
from annotation.actions.entry import keep_members
from annotation.actions.intake import sweep
from annotation.actions.people import ensure_annotator
from annotation.actions.queue import push_items
from annotation.gateways.label_studio import LabelStudioDesk
from annotation.models import Annotation, CampaignLanguage, Item, QuarantinedAnswer
from config.demo.characters import Character, Person
from config.demo.crew import Crew, Member, Visitor
from config.demo.preparing import email_of
from tests.make import LABELS, make_campaign, make_item, make_language, make_sample

pytestmark = [pytest.mark.label_studio, pytest.mark.django_db]
WORD = "a-long-password"
TRUTHS = {f"message {number}": LABELS[number % 3] for number in range(12)}


def at_desk(server: Any) -> LabelStudioDesk:
    return LabelStudioDesk(**server.access)


def make_member(server: Any, desk: LabelStudioDesk, name: str, character: Character) -> Member:
    ensure_annotator(
        username=name,
        name=name,
        language=make_language("wo"),
        desk=desk,
        kind="simulated",
        password=WORD,
    )
    for home in CampaignLanguage.objects.all():
        keep_members(home, desk=desk, now=timezone.now())
    visitor = Visitor(url=server.url, email=email_of(name), password=WORD)
    return Member(Person(name, name, "wo", character), visitor)


@pytest.fixture
def home(label_studio: Any) -> CampaignLanguage:
    campaign = make_campaign(languages=("wo",))
    for number, text in enumerate(TRUTHS):
        make_item(make_sample(campaign, "wo", text), priority=float(number), batch="q-1")
    home = prepare_desk(campaign.languages.get(), desk=at_desk(label_studio))
    push_items(home, desk=at_desk(label_studio), now=timezone.now())
    home.refresh_from_db()
    return home


def crew_of(home: CampaignLanguage, *members: Member) -> Crew:
    return Crew(
        project_id=home.desk_project_id or 0,
        members=members,
        truths=TRUTHS,
        labels=LABELS,
        seed=1,
    )


def test_answers_given_twice_changed_and_skipped_come_home_once(
    label_studio: Any, home: CampaignLanguage
) -> None:
    desk = at_desk(label_studio)
    busy = Character(right=1.0, skips=0.0, late=0.0, twice=1.0, edits=1.0)
    choosy = Character(right=1.0, skips=1.0, late=0.0, twice=0.0, edits=0.0)
    team = crew_of(
        home,
        make_member(label_studio, desk, "sim-busy", busy),
        make_member(label_studio, desk, "sim-choosy", choosy),
    )
    team.work(most=100)
    sweep(home, desk=desk, now=timezone.now())
    answers = Annotation.objects.answered().select_related("item__sample", "label")
    assert {
        answer.item.sample.text: str(answer.label and answer.label.key) for answer in answers
    } == TRUTHS
    assert answers.count() == len(TRUTHS)
    assert {answer.annotator.user.username for answer in answers} == {"sim-busy"}
    assert Item.objects.filter(state=Item.State.ANSWERED).count() == len(TRUTHS)
    assert Annotation.objects.filter(state="skipped").count() == team.counts.skips > 0
    assert not QuarantinedAnswer.objects.exists()


def test_the_most_useful_is_answered_first(label_studio: Any, home: CampaignLanguage) -> None:
    desk = at_desk(label_studio)
    plain = Character(right=1.0, skips=0.0, late=0.0, twice=0.0, edits=0.0)
    crew_of(home, make_member(label_studio, desk, "sim-plain", plain)).work(most=5)
    sweep(home, desk=desk, now=timezone.now())
    answered = Annotation.objects.answered().values_list("item__sample__text", flat=True)
    assert set(answered) == set(list(TRUTHS)[:5])
