"""Several of many: what is refused, what answers amount to, and that a withdrawal leaves nothing."""

import uuid
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.actions.agreement import measure_agreement
from annotation.actions.calibration_story import feedback_on, mixed_up
from annotation.actions.campaigns import LabelSpec, create_campaign
from annotation.actions.choosing import label_for
from annotation.actions.consensus import refit, stale_languages
from annotation.actions.estimates.several import table_of
from annotation.actions.gold_care import doubtful_gold
from annotation.actions.pooling import Standings
from annotation.actions.watching import watch
from annotation.errors import InvalidInputError
from annotation.methods import aggregation, composing
from annotation.models import (
    Annotation,
    Annotator,
    CalibrationSession,
    Campaign,
    CampaignLanguage,
    Consensus,
    DriftPoint,
    Label,
    Reliability,
    SessionAnswer,
)
from annotation.objectives import objective, read_form, several
from tests.make import make_annotator, make_campaign, make_gold, make_item, make_sample

KEYS = ("anger", "joy", "fear")
NOW = timezone.now()


def part(*aliases: Any, field: str = "labels") -> dict[str, Any]:
    return {"from_name": field, "value": {"choices": list(aliases)}}


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        ([], "empty"),
        ([part()], "empty"),
        ([part("bliss")], "unknown_label"),
        ([part("joy", "joy")], "malformed"),
        ([part("none:", "joy")], "malformed"),
        ([part("none:", "none:")], "malformed"),
        ([part("joy"), part("fear")], "malformed"),
        ([part("joy"), part("flag:unclear", field="flag")], "malformed"),
        ([part("flag:unclear")], "unknown_label"),
        ([part("flag:nonsense", field="flag")], "unknown_field"),
        ([part("joy", field="colour")], "unknown_field"),
        ([part(["joy"])], "unknown_label"),
        ([{"from_name": "labels", "value": {"text": ["joy"]}}], "malformed"),
        ("joy", "malformed"),
    ],
)
def test_what_is_no_set_of_labels_is_refused_with_its_reason(result: Any, reason: str) -> None:
    parsed = several.parse(result, keys=KEYS, flags=("unclear",))
    assert (parsed.label, parsed.flag, parsed.reason) == ("", "", reason)
    assert parsed.detail


@given(st.lists(st.sampled_from([f"label-{n}" for n in range(40)]), unique=True))
@settings(max_examples=50)
def test_a_set_is_one_answer_however_it_is_told(chosen: list[str]) -> None:
    keys = [f"label-{n}" for n in range(40)]
    ticked = {"labels": list(reversed(chosen)) or [several.NONE]}
    answer = read_form("several", ticked, keys=keys).answer
    assert answer == several.parse(several.result_of(answer), keys=keys).answer
    assert answer["value"] == sorted(chosen)
    assert "+" in answer["label"]
    assert len(answer["label"]) <= 60
    bits = composing.bits_of([chosen], keys=keys)
    assert composing.bits(composing.numbers(bits), labels=40).tolist() == bits.tolist()


def test_none_of_them_is_an_answer_and_nothing_ticked_is_not() -> None:
    assert read_form("several", {"labels": ["none:"]}, keys=KEYS).answer["value"] == []
    assert read_form("several", {}, keys=KEYS).reason == "empty"
    assert several.parse([part("flag:unclear", field="flag")], keys=KEYS, flags=("unclear",)).flag
    assert objective("several").keys_in({"label": "+", "value": []}) == set()


def planted(rng: np.random.Generator, *, texts: int, habits: list[tuple[float, float]]) -> Any:
    """Sets by chance, and what people with these chances of missing and adding say of them."""
    truth = rng.random((texts, 4)) < np.array([0.4, 0.3, 0.2, 0.1])
    said = []
    for missed, added in habits:
        keep, more = rng.random((2, texts, 4))
        said.append(np.where(truth, keep > missed, more < added))
    people, items = len(habits), np.arange(texts * 4)
    answers = aggregation.Answers(
        item=np.tile(items, people),
        person=np.repeat(np.arange(people), texts * 4),
        label=np.concatenate([one.reshape(-1) for one in said]).astype(np.int64),
        known=np.full(texts * 4, aggregation.UNKNOWN),
        people=people,
        labels=2,
    )
    return truth, said, answers


def test_the_fit_knows_who_misses_and_who_adds_and_beats_the_majority() -> None:
    habits = [(0.1, 0.05), (0.15, 0.05), (0.6, 0.02), (0.7, 0.02), (0.1, 0.5)]
    truth, said, answers = planted(np.random.default_rng(5), texts=300, habits=habits)
    found = aggregation.fit(
        answers, class_pool=np.full((4, 2), 0.5), sorts=np.tile(np.arange(4), 300)
    )
    for confusion, (missed, added) in zip(found.confusion, habits, strict=True):
        assert abs(confusion[1, 0] - missed) < 0.1
        assert abs(confusion[0, 1] - added) < 0.1
    assert np.abs(found.class_prior[:, 1] - truth.mean(axis=0)).max() < 0.06
    best = found.posterior[:, 1].reshape(-1, 4) > 0.5
    majority = np.mean(said, axis=0) > 0.5
    assert (best == truth).mean() > (majority == truth).mean()


def say(annotator: Annotator, item: Any, *keys: str, **over: Any) -> Annotation:
    campaign = item.sample.campaign
    label = label_for(campaign, answer=several.composed(keys))
    values = {"state": "answered", "desk_updated_at": "1", "uid": uuid.uuid4()} | over
    return Annotation.objects.create(item=item, annotator=annotator, label=label, **values)


def make_home(**over: Any) -> tuple[Campaign, CampaignLanguage]:
    campaign = make_campaign(objective="several", languages=("wo",), labels=KEYS, **over)
    return campaign, campaign.languages.get()


@pytest.mark.django_db
def test_two_people_and_gold_make_a_consensus_of_each_label() -> None:
    campaign, home = make_home()
    awa, fatou = make_annotator("awa"), make_annotator("fatou")
    items = [make_item(make_sample(campaign, text=f"text {n}")) for n in range(6)]
    for item in items:
        say(awa, item, "joy")
        say(fatou, item, "joy", *(["fear"] if item == items[0] else []))
    gold = make_gold(campaign, label="joy")
    gold.label = label_for(campaign, answer=several.composed(["joy", "anger"]))
    gold.save()
    say(awa, make_item(gold.sample, kind="gold"), "joy", "anger")
    result = refit(campaign, language=home.language, now=NOW)
    assert (result.samples, result.answers, result.changed) == (7, 13, 6)
    told = Consensus.objects.select_related("label").get(sample=items[1].sample)
    assert told.label.value == ["joy"]
    assert len(told.people) == 3
    assert told.people[1] > 0.8
    assert max(told.people[::2]) < 0.2
    assert told.answers == 2
    assert not told.disputed
    torn = Consensus.objects.get(sample=items[0].sample)
    assert torn.confidence < told.confidence
    assert torn.weight < told.weight
    assert not Consensus.objects.filter(sample=gold.sample).exists()
    row = Reliability.objects.get(annotator=awa)
    assert (row.answers, row.gold_answers, np.shape(row.confusion)) == (7, 1, (2, 2))
    assert table_of(home, keys=KEYS).answers.known.max() == 1
    again = refit(campaign, language=home.language, now=NOW + timedelta(minutes=1))
    assert (again.changed, again.removed, again.people_changed) == (0, 0, 0)
    assert not stale_languages(campaign)


@pytest.mark.django_db
def test_a_withdrawal_leaves_what_would_be_there_without_the_answers() -> None:
    campaign, home = make_home()
    awa, fatou = make_annotator("awa"), make_annotator("fatou")
    items = [make_item(make_sample(campaign, text=f"text {n}")) for n in range(5)]
    for item in items:
        say(awa, item, "joy", "fear")
    refit(campaign, language=home.language, now=NOW)
    fields = ("sample", "people", "label", "confidence", "weight", "answers", "revisions")
    before = list(Consensus.objects.order_by("sample").values_list(*fields))
    for item in items:
        say(fatou, item, "anger")
    assert stale_languages(campaign)
    refit(campaign, language=home.language, now=NOW)
    assert list(Consensus.objects.order_by("sample").values_list(*fields)) != before
    Annotation.objects.filter(annotator=fatou).update(state="deleted", label=None)
    assert stale_languages(campaign)
    refit(campaign, language=home.language, now=NOW)
    assert list(Consensus.objects.order_by("sample").values_list(*fields)) == before
    assert not Reliability.objects.filter(annotator=fatou).exists()


@pytest.mark.django_db
def test_the_model_leans_on_targets_and_never_on_what_is_said_of_people() -> None:
    campaign, home = make_home()
    awa = make_annotator("awa")
    item = make_item(make_sample(campaign))
    say(awa, item, "joy")
    refit(campaign, language=home.language, now=NOW)
    people = Consensus.objects.get().people
    priors = {item.sample_id: [0.02, 0.5, 0.97]}
    refit(campaign, language=home.language, now=NOW, priors=priors)
    told = Consensus.objects.get()
    assert told.people == people
    assert told.with_model[2] > 0.7 > told.people[2]
    assert Label.objects.filter(campaign=campaign).count() == 3


@pytest.mark.django_db
def test_a_session_says_which_label_was_missed_and_which_is_too_many() -> None:
    campaign, home = make_home()
    awa = make_annotator("awa")
    gold = make_gold(campaign, label="joy")
    gold.label = label_for(campaign, answer=several.composed(["joy", "anger"]))
    gold.save()
    session = CalibrationSession.objects.create(
        campaign_language=home, annotator=awa, kind="practice", rules={}, plan=[], began_at=NOW
    )
    given = SessionAnswer.objects.create(
        session=session,
        gold=gold,
        truth=gold.label,
        label=label_for(campaign, answer=several.composed(["joy", "fear"])),
        position=0,
        shown_at=NOW,
        answered_at=NOW,
    )
    told = feedback_on(given, home=home)
    assert (told.right, told.true, told.said) == (False, "Anger · Joy", "Joy · Fear")
    assert (told.missed, told.too_many) == ("Anger", "Fear")
    (mixed,) = mixed_up(session)
    assert (mixed.true, mixed.said, mixed.missed) == ("Anger · Joy", "Joy · Fear", "Anger")


@pytest.mark.django_db
def test_a_page_of_agreement_knows_that_sets_may_be_nearly_the_same() -> None:
    campaign, home = make_home()
    awa, fatou = make_annotator("awa"), make_annotator("fatou")
    for number in range(40):
        item = make_item(make_sample(campaign, text=f"text {number}"))
        say(awa, item, *(["joy", "fear"] if number % 2 else ["anger"]))
        near, far = (["joy"], ["anger", "joy"]) if number % 8 == 1 else (["joy", "fear"], ["anger"])
        say(fatou, item, *(near if number % 2 else far))
    (group,) = measure_agreement(campaign, homes=[home]).groups
    assert group.found.double == 40
    assert group.found.raw.value == 0.875
    rows = [["joy", "fear"], ["anger"], ["joy"]]
    apart = several.apart(rows)
    assert apart[0, 2] == pytest.approx(2 / 3)
    nominal = 0.79
    assert group.found.alpha.value > nominal


@pytest.mark.django_db
def test_charts_of_hidden_gold_only_know_right_from_wrong() -> None:
    campaign, home = make_home()
    awa = make_annotator("awa")
    for number, said in enumerate((["joy"], ["fear"], ["joy"])):
        gold = make_gold(campaign, label="joy", text=f"gold {number}")
        gold.label = label_for(campaign, answer=several.composed(["joy"]))
        gold.save()
        say(awa, make_item(gold.sample, kind="gold"), *said)
    assert watch(home, now=NOW).gold == 3
    points = DriftPoint.objects.order_by("pk").values_list("said", "others")
    assert list(points) == [(0, [1.0, 0.0]), (1, [1.0, 0.0]), (0, [1.0, 0.0])]
    assert doubtful_gold(home) == []


@pytest.mark.django_db
def test_texts_that_people_see_apart_are_disputed_and_others_learn_how_common_labels_are() -> None:
    campaign = make_campaign(objective="several", languages=("wo", "qu"), labels=KEYS)
    home, other = (campaign.languages.get(language__tag=tag) for tag in ("wo", "qu"))
    awa, fatou = make_annotator("awa"), make_annotator("fatou")
    items = [make_item(make_sample(campaign, text=f"text {n}")) for n in range(12)]
    for item in items:
        say(awa, item, "joy")
        say(fatou, item, "anger" if item == items[0] else "joy")
    refit(campaign, language=home.language, now=NOW)
    torn = Consensus.objects.filter(disputed=True).order_by("sample")
    assert [one.sample_id for one in torn] == [items[0].sample_id]
    pool = Standings.of(campaign).pool(other)
    assert pool.shape == (3, 2)
    assert pool[1, 1] > 0.6 > 0.4 > pool[0, 1] > pool[2, 1]
    Annotation.objects.filter(annotator=fatou).update(state="deleted", label=None)
    Annotation.objects.filter(item__in=items[1:]).update(state="skipped")
    assert Standings.of(campaign).pool(other)[1, 1] < 0.6


@pytest.mark.django_db
def test_a_set_is_one_number_and_so_there_is_an_end_to_labels() -> None:
    labels = [LabelSpec(f"label-{number}", "?") for number in range(51)]
    told = {"slug": "many", "title": "Many", "question": "?", "languages": []}
    with pytest.raises(InvalidInputError, match="50 labels at most"):
        create_campaign(labels=labels, objective="several", **told)
