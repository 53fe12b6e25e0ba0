"""Consensus: from stored answers to soft labels, asked twice and after every change of mind."""

from datetime import UTC, datetime
from itertools import count
from typing import Any

import numpy as np
import pytest

from annotation.actions.consensus import refit, stale_languages
from annotation.models import (
    Annotation,
    Annotator,
    Campaign,
    Consensus,
    GoldItem,
    Label,
    Reliability,
    Sample,
)
from tests.make import (
    LABELS,
    make_annotator,
    make_campaign,
    make_gold,
    make_item,
    make_language,
    make_sample,
)

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 5, 1, tzinfo=UTC)
LATER = datetime(2026, 5, 2, tzinfo=UTC)
_ids = count(1)


def label(campaign: Campaign, key: str) -> Label:
    return campaign.labels.get(key=key)


def answer(sample: Sample, who: Annotator, key: str, **over: Any) -> Annotation:
    number = next(_ids)
    item = sample.items.first() or make_item(sample)
    fields = {
        "state": Annotation.State.ANSWERED,
        "label": label(sample.campaign, key),
        "desk_annotation_id": number,
        "desk_updated_at": f"2026-05-01T00:00:{number % 60:02d}.{number:06d}Z",
    } | over
    return Annotation.objects.create(item=item, annotator=who, **fields)


def edit(annotation: Annotation, **over: Any) -> None:
    annotation.revision += 1
    for name, value in over.items():
        setattr(annotation, name, value)
    annotation.save()


@pytest.fixture
def campaign() -> Campaign:
    return make_campaign()


@pytest.fixture
def awa() -> Annotator:
    return make_annotator("awa", "wo")


@pytest.fixture
def ibou() -> Annotator:
    return make_annotator("ibou", "wo")


def fit(campaign: Campaign, **over: Any) -> Any:
    return refit(campaign, language=make_language("wo"), **({"now": NOW} | over))


def test_agreeing_people_make_a_heavier_consensus_than_one(
    campaign: Campaign, awa: Annotator, ibou: Annotator
) -> None:
    both, one = make_sample(campaign), make_sample(campaign)
    for who in (awa, ibou):
        answer(both, who, "dates")
    answer(one, awa, "dates")
    result = fit(campaign)
    agreed, single = both.consensus, one.consensus
    assert (result.answers, result.samples, result.changed) == (3, 2, 2)
    assert agreed.label.key == single.label.key == "dates"
    assert agreed.weight > single.weight > 0
    assert agreed.answers == 2
    assert sum(agreed.people) == pytest.approx(1.0, abs=1e-5)
    assert agreed.with_model is None
    assert not agreed.disputed
    assert [row[1] for row in agreed.revisions] == [1, 1]


def test_a_second_refit_changes_nothing(campaign: Campaign, awa: Annotator) -> None:
    sample = make_sample(campaign)
    answer(sample, awa, "admin")
    fit(campaign)
    before = Consensus.objects.values().get()
    again = fit(campaign, now=LATER)
    assert (again.changed, again.removed, again.people_changed) == (0, 0, 0)
    assert Consensus.objects.values().get() == before


def test_known_answers_judge_people_and_get_no_consensus(
    campaign: Campaign, awa: Annotator
) -> None:
    for number in range(6):
        answer(make_gold(campaign, label=LABELS[number % 3]).sample, awa, LABELS[number % 3])
    fit(campaign)
    assert not Consensus.objects.exists()
    row = Reliability.objects.get(annotator=awa)
    assert (row.answers, row.gold_answers) == (6, 6)
    assert row.skill > 0.6
    assert row.skill_low < row.skill < row.skill_high
    assert np.asarray(row.confusion).shape == (3, 3)


def test_somebody_who_turns_every_answer_round_is_turned_back(
    campaign: Campaign, awa: Annotator
) -> None:
    for number in range(30):
        answer(make_gold(campaign, label=LABELS[number % 3]).sample, awa, LABELS[(number + 1) % 3])
    asked = make_sample(campaign)
    answer(asked, awa, "accounts")
    fit(campaign)
    assert asked.consensus.label.key == "admin"
    assert Reliability.objects.get(annotator=awa).skill_high < 0


def test_withdrawal_is_as_if_never_answered(
    campaign: Campaign, awa: Annotator, ibou: Annotator
) -> None:
    shared, alone = make_sample(campaign), make_sample(campaign)
    answer(shared, awa, "admin")
    fit(campaign)
    never = Consensus.objects.get(sample=shared)
    answer(shared, ibou, "dates")
    answer(alone, ibou, "dates")
    fit(campaign)
    assert Consensus.objects.count() == 2
    ibou.active = False
    ibou.save()
    assert stale_languages(campaign) == [make_language("wo")]
    result = fit(campaign)
    assert result.removed == 1
    left = Consensus.objects.get()
    assert (left.people, left.weight, left.revisions) == (
        never.people,
        never.weight,
        never.revisions,
    )
    assert not Reliability.objects.filter(annotator=ibou).exists()


def test_skips_and_deletions_do_not_count(campaign: Campaign, awa: Annotator) -> None:
    kept, skipped = make_sample(campaign), make_sample(campaign)
    said = answer(kept, awa, "admin")
    answer(skipped, awa, "admin", state=Annotation.State.SKIPPED, label=None)
    fit(campaign)
    assert Consensus.objects.get().sample == kept
    edit(said, state=Annotation.State.DELETED, label=None)
    assert fit(campaign).removed == 1
    assert not Consensus.objects.exists()


def test_an_edit_replaces_what_was_said(campaign: Campaign, awa: Annotator) -> None:
    sample = make_sample(campaign)
    said = answer(sample, awa, "admin")
    fit(campaign)
    edit(said, label=label(campaign, "dates"))
    assert stale_languages(campaign) == [make_language("wo")]
    assert fit(campaign, now=LATER).changed == 1
    row = Consensus.objects.get()
    assert row.label.key == "dates"
    assert row.revisions == [[said.pk, 2]]
    assert row.updated_at == LATER


def test_one_person_counts_once_on_a_sample_and_the_newest_word_holds(
    campaign: Campaign, awa: Annotator
) -> None:
    sample = make_sample(campaign)
    answer(sample, awa, "admin", desk_updated_at="2026-05-01T10:00:00.000000Z")
    newest = answer(sample, awa, "dates", desk_updated_at="2026-05-01T11:00:00.000000Z")
    answer(sample, awa, "accounts", desk_updated_at="2026-05-01T09:00:00.000000Z")
    assert fit(campaign).answers == 1
    row = Consensus.objects.get()
    assert row.revisions == [[newest.pk, 1]]
    assert row.label.key == "dates"


def test_people_who_differ_make_a_dispute(
    campaign: Campaign, awa: Annotator, ibou: Annotator
) -> None:
    for number in range(12):
        sample = make_gold(campaign, label=LABELS[number % 3]).sample
        answer(sample, awa, LABELS[number % 3])
        answer(sample, ibou, LABELS[number % 3])
    sample = make_sample(campaign)
    answer(sample, awa, "admin")
    answer(sample, ibou, "dates")
    fit(campaign)
    row = Consensus.objects.get()
    assert row.disputed
    assert row.weight < 0.5


def test_the_model_leans_on_targets_and_never_on_people(
    campaign: Campaign, awa: Annotator, ibou: Annotator
) -> None:
    sample = make_sample(campaign)
    answer(sample, awa, "admin")
    answer(sample, ibou, "dates")
    fit(campaign)
    alone = Consensus.objects.get()
    people = list(Reliability.objects.order_by("pk").values("confusion", "skill", "competent"))
    fit(campaign, priors={sample.pk: [0.05, 0.05, 0.9]})
    row = Consensus.objects.get()
    assert row.people == alone.people
    assert row.with_model is not None
    assert np.argmax(row.with_model) == 2
    assert row.weight > alone.weight
    assert people == list(
        Reliability.objects.order_by("pk").values("confusion", "skill", "competent")
    )


def test_languages_do_not_touch_each_other(campaign: Campaign, awa: Annotator) -> None:
    sample = make_sample(campaign)
    answer(sample, awa, "admin")
    inti = make_annotator("inti", "qu")
    other = make_sample(campaign, "qu")
    answer(other, inti, "dates")
    assert {language.tag for language in stale_languages(campaign)} == {"wo", "qu"}
    fit(campaign)
    assert [language.tag for language in stale_languages(campaign)] == ["qu"]
    assert Consensus.objects.get().sample == sample
    refit(campaign, language=make_language("qu"), now=NOW)
    assert stale_languages(campaign) == []
    assert Consensus.objects.count() == 2


def test_an_answer_learned_to_be_known_leaves_the_consensus(
    campaign: Campaign, awa: Annotator
) -> None:
    sample = make_sample(campaign)
    answer(sample, awa, "admin")
    fit(campaign)
    GoldItem.objects.create(sample=sample, label=label(campaign, "dates"))
    assert stale_languages(campaign) == [make_language("wo")]
    assert fit(campaign).removed == 1
    assert Reliability.objects.get().gold_answers == 1


def test_a_language_without_answers_is_neither_stale_nor_an_error(campaign: Campaign) -> None:
    assert stale_languages(campaign) == []
    result = fit(campaign)
    assert (result.answers, result.changed) == (0, 0)
