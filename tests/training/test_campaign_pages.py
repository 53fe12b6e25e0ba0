"""A campaign by its pages: made, told what to ask, started, paused, finished."""

import pytest
from django.test import Client

from annotation.models import Campaign, User
from tests.make import make_campaign, make_sample

pytestmark = pytest.mark.django_db


def form(**over: str) -> dict[str, str]:
    return {
        "title": "Mood",
        "slug": "",
        "question": "How does it sound?",
        "labels": "good = Good\n\nbad",
        "languages": "wo\nzh-Hant\n",
        "items_per_round": "40",
        "floor_per_language": "4",
        "answers_per_item": "2",
        "train_when_answered": "0.9",
        "max_rounds": "",
        "audit_share": "0.10",
        "gold_share": "0.10",
        "margin": "0.03",
        "network": "starter",
        "strategy": "margin",
        "opinion_passes": "10",
        "seed": "1",
        "step": "guidelines",
    } | over


def test_start_without_texts_says_what_is_missing(noor: Client) -> None:
    draft = make_campaign(slug="draft")
    page = noor.post("/campaigns/draft/start/", follow=True).content.decode()
    assert "no sample to ask about" in page
    draft.refresh_from_db()
    assert draft.status == "draft"
    make_sample(draft)
    noor.post("/campaigns/draft/start/")
    noor.post("/campaigns/draft/start/")
    draft.refresh_from_db()
    assert draft.status == "running"
    noor.post("/campaigns/draft/pause/")
    draft.refresh_from_db()
    assert draft.status == "paused"
    noor.get("/campaigns/draft/finish/")
    draft.refresh_from_db()
    assert draft.status == "paused"
    noor.post("/campaigns/draft/finish/")
    draft.refresh_from_db()
    assert draft.status == "finished"


def test_a_campaign_is_made_from_the_form(noor: Client, lead: User) -> None:
    answer = noor.post("/campaigns/new/", form(guideline="Read twice."))
    assert answer["Location"] == "/campaigns/mood/"
    made = Campaign.objects.get(slug="mood")
    assert made.created_by == lead
    assert made.answers_per_item == 2
    assert list(made.labels.values_list("key", "name")) == [("good", "Good"), ("bad", "bad")]
    assert [home.guidelines.get().text for home in made.languages.all()] == ["Read twice."] * 2


def test_the_form_makes_a_campaign_of_calibrated_opinions(noor: Client) -> None:
    page = noor.get("/campaigns/new/").content.decode()
    assert "take a short test" in page
    assert "no answer is wrong" in page
    wish = form(calibrate="on", subjective="on", answers_per_item="5")
    carried = noor.post("/campaigns/new/", wish | {"step": "campaign"}).content.decode()
    assert '<input type="hidden" name="subjective" value="True">' in carried
    noor.post("/campaigns/new/", wish)
    made = Campaign.objects.get(slug="mood")
    # Nobody said how many may answer a disputed text: no fewer than answer every text.
    assert (made.calibrate, made.subjective, made.most_answers) == (True, True, 5)
    noor.post("/campaigns/new/", form(slug="plain", title="Plain"))
    plain = Campaign.objects.get(slug="plain")
    assert (plain.calibrate, plain.subjective, plain.most_answers) == (False, False, 3)


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"answers_per_item": "1"}, "Set “answers per item” to 2"),
        ({"most_answers": "2"}, "Set “most answers per item” to 3 or more"),
        ({"answers_per_item": "5", "most_answers": "4"}, "“most answers per item” to 5 or more"),
        ({"most_answers": "26"}, "less than or equal to 25"),
    ],
)
def test_settings_that_contradict_each_other_are_refused_with_a_remedy(
    noor: Client, wish: dict[str, str], words: str
) -> None:
    answer = noor.post("/campaigns/new/", form(subjective="on", **wish))
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not Campaign.objects.exists()


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("labels", "only = One", "two labels at least"),
        ("labels", "a = A\na = B", "there twice"),
        ("labels", "a = A\nb c d", "Line 2 is not key = Name"),
        ("languages", "wo\nWO", "there twice"),
        ("languages", "not a tag", "Line 1 is no language tag"),
        ("languages", "wo\nxyz", "No registry knows"),
        ("languages", "", "required"),
        ("slug", "new", "taken by a page"),
        ("title", "أسئلة", "Latin letters"),
        ("audit_share", "0.01", "greater than or equal to 0.1"),
        ("items_per_round", "0", "greater than or equal to 1"),
        ("items_per_round", "many", "whole number"),
        ("margin", "0.004", "greater than or equal to 0.005"),
        ("margin", "0.031", "gate&#x27;s settings page: it takes two admins"),
    ],
)
def test_what_is_wrong_is_said_at_the_field(
    field: str, value: str, words: str, noor: Client
) -> None:
    answer = noor.post("/campaigns/new/", form(**{field: value}))
    assert answer.status_code == 422
    wrong = "slug" if field == "title" else field
    assert words in str(answer.context["form"].errors[wrong])
    assert not Campaign.objects.exists()


def test_each_language_gets_the_guideline_that_was_written_for_it(noor: Client) -> None:
    first = noor.post("/campaigns/new/", form(step="campaign"))
    page = first.content.decode()
    assert "Wolof" in page
    assert 'name="guideline-zh-Hant"' in page
    assert not Campaign.objects.exists()
    carried = {field: value for field, value in first.context["carried"] if field.startswith("la")}
    assert carried == {"labels": form()["labels"], "languages": form()["languages"]}
    own = {"guideline": "Read twice.", "guideline-zh-Hant": "請讀兩次。"}
    back = noor.post("/campaigns/new/", form(back="1", **own) | {"step": ""})
    assert "請讀兩次。" in back.content.decode()
    assert not Campaign.objects.exists()
    noor.post("/campaigns/new/", form(**own))
    homes = Campaign.objects.get(slug="mood").languages.all()
    assert {home.language.tag: home.guidelines.get().text for home in homes} == {
        "wo": "Read twice.",
        "zh-Hant": "請讀兩次。",
    }


def test_the_same_name_twice_is_refused(noor: Client) -> None:
    noor.post("/campaigns/new/", form())
    answer = noor.post("/campaigns/new/", form())
    assert "exists already" in answer.content.decode()
    assert Campaign.objects.count() == 1


def test_a_guideline_gets_its_next_version(noor: Client, campaign: Campaign) -> None:
    there = f"/campaigns/{campaign.slug}/guidelines/ar/"
    noor.post(there, {"text": "اقرأ مرتين"})
    home = campaign.languages.get(language__tag="ar")
    assert list(home.guidelines.values_list("version", "text"))[-1] == (2, "اقرأ مرتين")
    assert noor.post(there, {"text": "  "}).status_code == 422
    assert home.guidelines.count() == 2
