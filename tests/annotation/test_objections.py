"""What people say of a text instead of answering it leads somewhere, and back."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from annotation.actions.objections import (
    keep_text,
    note_dialect,
    note_objections,
    open_again,
    set_text_aside,
)
from annotation.errors import ConflictError, InvalidInputError
from annotation.models import Annotation, Campaign, Item, Objection, Sample, Withdrawal
from tests.make import make_annotator, make_campaign, make_item, make_sample, make_user

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 5, 1, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
State = Objection.State
_ids = count(1)


@pytest.fixture
def campaign() -> Campaign:
    return make_campaign()


@pytest.fixture
def sample(campaign: Campaign) -> Sample:
    sample = make_sample(campaign)
    make_item(sample)
    return sample


def says(sample: Sample, who: str, flag: str, **over: Any) -> Annotation:
    annotation = Annotation.objects.create(
        item=sample.items.get(),
        annotator=make_annotator(who, "wo"),
        state=Annotation.State.SKIPPED,
        flag=flag,
        desk_annotation_id=next(_ids),
        desk_updated_at="2026-05-01T00:00:00.000000Z",
        **over,
    )
    note_objections(sample.pk, now=NOW)
    sample.refresh_from_db()
    return annotation


def asked(sample: Sample) -> bool:
    return sample.items.get().state in Item.OPEN and sample.withdrawn_at is None


def test_an_offensive_text_is_set_aside_at_once(sample: Sample) -> None:
    says(sample, "awa", "offensive")
    assert sample.withdrawn_at == NOW
    assert not asked(sample)
    assert Objection.objects.get().voices == 1


def test_a_wrong_language_takes_two_voices(sample: Sample) -> None:
    says(sample, "awa", "wrong_language")
    assert asked(sample)
    says(sample, "ibou", "wrong_language")
    assert not asked(sample)


@pytest.mark.parametrize("flag", ["other_dialect", "unclear"])
def test_dialect_and_unclear_wait_for_a_coordinator(sample: Sample, flag: str) -> None:
    for who in ("awa", "ibou", "fatou"):
        says(sample, who, flag)
    assert asked(sample)
    assert (Objection.objects.get().voices, Objection.objects.get().state) == (3, State.OPEN)


def test_who_cannot_judge_objects_to_nothing(sample: Sample) -> None:
    says(sample, "awa", "cannot_judge")
    assert not Objection.objects.exists()


def test_hearing_it_again_changes_nothing(sample: Sample) -> None:
    says(sample, "awa", "offensive")
    note_objections(sample.pk, now=LATER)
    assert Objection.objects.get().set_aside_at == NOW


def test_a_voice_that_is_taken_back_frees_the_text(sample: Sample) -> None:
    annotation = says(sample, "awa", "offensive")
    annotation.flag, annotation.state = "", Annotation.State.DELETED
    annotation.save()
    note_objections(sample.pk, now=LATER)
    sample.refresh_from_db()
    assert asked(sample)
    assert Objection.objects.get().state == State.DROPPED


def test_a_text_that_stays_is_asked_again_whatever_more_is_said(sample: Sample) -> None:
    says(sample, "awa", "offensive")
    keep_text(Objection.objects.get(), by=make_user("noor"), now=LATER, why="A proverb.")
    sample.refresh_from_db()
    assert asked(sample)
    says(sample, "ibou", "offensive")
    assert asked(sample)
    assert Objection.objects.get().voices == 2


def test_a_decision_is_undone_and_the_voices_count_again(sample: Sample) -> None:
    noor = make_user("noor")
    says(sample, "awa", "offensive")
    kept = keep_text(Objection.objects.get(), by=noor, now=LATER)
    with pytest.raises(ConflictError, match="decided meanwhile"):
        set_text_aside(kept, by=noor, now=LATER)
    open_again(kept, by=noor, now=LATER)
    sample.refresh_from_db()
    assert not asked(sample)
    set_text_aside(kept, by=noor, now=LATER, why="Slurs.")
    open_again(kept, by=noor, now=LATER)
    keep_text(kept, by=noor, now=LATER)
    sample.refresh_from_db()
    assert asked(sample)


def test_two_objections_free_the_text_only_together(sample: Sample) -> None:
    noor = make_user("noor")
    says(sample, "awa", "offensive")
    says(sample, "ibou", "unclear")
    set_text_aside(Objection.objects.get(kind="unclear"), by=noor, now=LATER)
    keep_text(Objection.objects.get(kind="offensive"), by=noor, now=LATER)
    sample.refresh_from_db()
    assert not asked(sample)
    open_again(Objection.objects.get(kind="unclear"), by=noor, now=LATER)
    sample.refresh_from_db()
    assert asked(sample)


def test_a_text_that_its_owner_took_back_never_returns(sample: Sample) -> None:
    says(sample, "awa", "offensive")
    Withdrawal.objects.create(sample=sample)
    keep_text(Objection.objects.get(), by=make_user("noor"), now=LATER)
    sample.refresh_from_db()
    assert sample.withdrawn_at is not None


def test_a_dialect_is_noted_and_the_text_stays(sample: Sample) -> None:
    noor = make_user("noor")
    says(sample, "awa", "other_dialect")
    with pytest.raises(InvalidInputError, match="1 to 80"):
        note_dialect(Objection.objects.get(), dialect=" ", by=noor, now=LATER)
    note_dialect(Objection.objects.get(), dialect=" Lebu ", by=noor, now=LATER)
    sample.refresh_from_db()
    assert sample.dialect == "Lebu"
    assert asked(sample)
