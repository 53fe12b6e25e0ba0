"""Two kinds of question that are answered like classes: pairs of texts, and grades in order."""

import pytest

from annotation.actions.agreement import measure_agreement
from annotation.actions.campaigns import LabelSpec, create_campaign
from annotation.errors import InvalidInputError
from annotation.forms import CampaignForm
from annotation.methods.texts import parts_of
from annotation.models import Annotation, Campaign, CampaignLanguage, GoldItem, Sample
from tests.annotation.bringing import DEFAULTS, bring, refusals
from tests.make import make_annotator, make_campaign, make_item, make_sample

pytestmark = pytest.mark.django_db


def test_pairs_come_in_as_one_sample_of_two_texts() -> None:
    campaign = make_campaign(objective="pairs", labels=("same", "other"))
    job = bring(campaign, "text,second,label\nNa nga def?,How are you?,same\nJërëjëf,Thanks,\n")
    assert (job.rows_kept, refusals(job)) == (2, {})
    assert {parts_of(text) for text in Sample.objects.values_list("text", flat=True)} == {
        ("Na nga def?", "How are you?"),
        ("Jërëjëf", "Thanks"),
    }
    gold = GoldItem.objects.get()
    assert gold.label.key == "same"
    assert gold.sample.shown.splitlines() == ["Na nga def?", "⸻", "How are you?"]


def test_pairs_that_differ_only_in_where_they_are_divided_are_two() -> None:
    campaign = make_campaign(objective="pairs", labels=("same", "other"))
    job = bring(campaign, "text,second\na b,c\na,b c\n")
    assert job.rows_kept == 2
    assert len(set(Sample.objects.values_list("digest", flat=True))) == 2


def test_half_a_pair_a_stray_second_text_and_our_own_mark_are_refused_by_row_and_field() -> None:
    pairs = make_campaign(objective="pairs", labels=("same", "other"))
    job = bring(pairs, "text,second\nfine,fine\nalone,\nmark\x04ed,fine\n")
    told = refusals(job)
    assert {row: field for row, (field, _) in told.items()} == {3: "second", 4: "text"}
    assert "U+0004" in told[4][1]
    classes = make_campaign()
    told = refusals(bring(classes, "text,second\none,two\n", defaults=DEFAULTS))
    assert told[2][0] == "second"
    assert "single texts" in told[2][1]


@pytest.mark.parametrize("kind", ["classes", "grades"])
def test_grades_that_are_nearly_the_same_agree_better_than_such_that_are_far_apart(
    kind: str,
) -> None:
    campaign = make_campaign(objective=kind, labels=("1", "2", "3", "4", "5"), languages=("wo",))
    people = [make_annotator(name) for name in ("awa", "binta")]
    grades = list(campaign.labels.order_by("position"))
    for number in range(60):
        item = make_item(make_sample(campaign))
        said = (number % 5, min(number % 5 + number % 2, 4))
        for person, at in zip(people, said, strict=True):
            Annotation.objects.create(
                item=item, annotator=person, state="answered", label=grades[at],
                desk_annotation_id=item.pk * 10 + person.pk, desk_updated_at="2026",
            )  # fmt: skip
    homes = CampaignLanguage.objects.filter(campaign=campaign).select_related("language")
    alpha = measure_agreement(campaign, homes=homes).groups[0].found.alpha.value
    assert alpha > 0.85 if kind == "grades" else alpha < 0.7


def test_a_kind_of_question_is_chosen_on_the_page_and_one_that_is_not_there_is_refused() -> None:
    told = {"title": "Pairs", "question": "Same?", "labels": "a\nb", "languages": "wo",
            "items_per_round": 10, "floor_per_language": 1, "answers_per_item": 1,
            "train_when_answered": "0.9", "max_rounds": 2, "audit_share": "0.1",
            "gold_share": "0.1", "margin": "0.03", "network": "starter", "seed": 0}  # fmt: skip
    form = CampaignForm(told | {"objective": "pairs"})
    assert form.is_valid(), form.errors
    assert form.settings()["objective"] == "pairs"
    assert CampaignForm(told).is_valid()
    assert "objective" in CampaignForm(told | {"objective": "haiku"}).errors
    labels = [LabelSpec("a", "A"), LabelSpec("b", "B")]
    fields = {"slug": "p", "title": "P", "question": "?", "labels": labels, "languages": ["wo"]}
    with pytest.raises(InvalidInputError, match="pairs"):
        create_campaign(**fields, objective="haiku")
    assert not Campaign.objects.exists()


def test_a_catalogue_of_translations_comes_in_as_pairs_with_what_was_translated() -> None:
    campaign = make_campaign(objective="pairs", labels=("right", "wrong"))
    po = 'msgid ""\nmsgstr "Language: wo\\n"\n\nmsgid "Save"\nmsgstr "Denc"\n'
    assert bring(campaign, po, "wo.po").rows_kept == 1
    assert parts_of(Sample.objects.get().text) == ("Denc", "Save")
