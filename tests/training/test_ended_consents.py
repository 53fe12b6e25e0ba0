"""No snapshot without consent; whoever ends it gets back what they gave, and nobody else does."""

from datetime import timedelta

import pytest
from django.utils import timezone

from annotation.actions.consensus import refit
from annotation.actions.consents import give_consent, present_text
from annotation.models import Annotation, Consent, Withdrawal
from tests.make import make_annotator, make_campaign, make_item, make_sample
from training import tasks
from training.actions.datasets import fresh_samples, take_snapshot
from training.actions.ended_consents import due_honours, honour, people_to_honour
from training.models import SnapshotRow

pytestmark = pytest.mark.django_db


@pytest.fixture
def world():
    """Awa and Binta, who have each answered two texts of their own, and share a fifth."""
    campaign = make_campaign(languages=("wo",), status="running")
    people = [make_annotator(name, "wo") for name in ("awa", "binta")]
    for sharers in ([people[0]], [people[0]], [people[1]], [people[1]], people):
        item = make_item(make_sample(campaign, "wo"), state="answered")
        for person in sharers:
            Annotation.objects.create(
                item=item,
                annotator=person,
                desk_annotation_id=1000 + Annotation.objects.count(),
                state="answered",
                label=campaign.labels.get(key="admin"),
                desk_updated_at="2026-11-01",
            )
    refit(campaign, language=people[0].language, now=timezone.now())
    return campaign, *people


def givers(campaign) -> set[str]:
    """Who gave any answer that a snapshot of today learns from."""
    learned = {
        answer
        for row in SnapshotRow.objects.filter(snapshot=take_snapshot(campaign))
        for answer, _ in row.revisions
    }
    return {a.annotator.user.username for a in Annotation.objects.filter(pk__in=learned)}


def end(person, *, now=None) -> None:
    text = present_text("en")
    give_consent(person.user, text=text, granted=set(), of_age=False, now=now or timezone.now())


@pytest.mark.parametrize("how", ["nothing was ever said", "it has ended", "they said no"])
def test_no_snapshot_holds_an_answer_without_a_standing_consent(world, how: str) -> None:
    campaign, awa, _binta = world
    assert givers(campaign) == {"awa", "binta"}
    assert fresh_samples(campaign) == 5
    if how == "nothing was ever said":
        Consent.objects.filter(user=awa.user).delete()
    elif how == "it has ended":
        Consent.objects.filter(user=awa.user).update(ended_at=timezone.now())
    else:
        end(awa)
    assert givers(campaign) == {"binta"}
    assert fresh_samples(campaign) == 2


def test_whoever_ends_it_gets_back_what_they_gave_and_others_count_on(world) -> None:
    campaign, awa, _binta = world
    assert due_honours() == []
    end(awa)
    assert [work.kwargs for work in due_honours()] == [{"annotator_id": awa.pk}]
    done = honour(awa.pk, now=timezone.now())
    assert done.answers == 3
    assert done.withdrawal.actor == awa.user
    states = Annotation.objects.filter(annotator=awa).values_list("state", "label")
    assert set(states) == {("withdrawn", None)}
    # The text that they shared is learned again, from Binta alone.
    assert givers(campaign) == {"binta"}
    assert fresh_samples(campaign) == 3
    assert due_honours() == []
    assert honour(awa.pk, now=timezone.now()) is None
    assert Withdrawal.objects.count() == 1


def test_who_agrees_again_in_time_keeps_everything(world) -> None:
    campaign, awa, _ = world
    now = timezone.now()
    end(awa, now=now)
    give_consent(
        awa.user,
        text=present_text("en"),
        granted={"train"},
        of_age=True,
        now=now + timedelta(seconds=1),
    )
    assert honour(awa.pk, now=now) is None
    assert givers(campaign) == {"awa", "binta"}


def test_of_who_never_agreed_nothing_is_erased(world) -> None:
    _campaign, awa, _ = world
    Consent.objects.filter(user=awa.user).delete()
    assert not people_to_honour().exists()
    assert honour(awa.pk, now=timezone.now()) is None
    assert Annotation.objects.filter(annotator=awa, state="answered").count() == 3


def test_the_timetable_takes_it_back(world, monkeypatch: pytest.MonkeyPatch) -> None:
    _, awa, _ = world
    sent = []
    monkeypatch.setattr(tasks, "_send", lambda work, **_: sent.append(work))
    end(awa)
    tasks.tick()
    asked = [work for work in sent if work.task == "training.tasks.honour"]
    assert len(asked) == 1
    tasks.honour(**asked[0].kwargs)
    assert not people_to_honour().exists()
