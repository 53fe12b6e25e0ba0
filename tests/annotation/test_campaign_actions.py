"""Campaigns and languages: made as asked or not at all, and moved by compare-and-set."""

from typing import Any

import pytest

from annotation.actions.campaigns import (
    LabelSpec,
    add_language,
    create_campaign,
    finish_campaign,
    pause_campaign,
    set_guideline,
    start_campaign,
)
from annotation.actions.languages import ensure_language
from annotation.errors import ConflictError, InvalidInputError
from annotation.methods.scripts import (
    RIGHT_TO_LEFT,
    SCRIPTS,
    direction_of,
    dominant_script,
)
from annotation.models import Campaign, CampaignLanguage, Language, SampleImport
from tests.make import make_campaign, make_gold, make_sample, make_user

pytestmark = pytest.mark.django_db
LABELS = [LabelSpec("yes", "Yes", {"wo": "Waaw"}), LabelSpec("no", "No")]


def create(**over: Any) -> Campaign:
    plan = {
        "slug": "c",
        "title": "C",
        "question": "Is it so?",
        "labels": LABELS,
        "languages": ["wo", "qu"],
    }
    return create_campaign(**(plan | over))


def test_a_campaign_comes_with_labels_languages_and_guidelines() -> None:
    noor = make_user("noor")
    campaign = create(guidelines={"WO": "Tànnal."}, actor=noor, items_per_round=60)
    assert (campaign.status, campaign.items_per_round, campaign.created_by) == ("draft", 60, noor)
    assert [(one.key, one.position) for one in campaign.labels.all()] == [("yes", 0), ("no", 1)]
    assert campaign.labels.get(key="yes").name_in("wo") == "Waaw"
    assert [home.language.tag for home in campaign.languages.all()] == ["qu", "wo"]
    guideline = campaign.languages.get(language__tag="wo").guidelines.get()
    assert (guideline.version, guideline.text, guideline.created_by) == (1, "Tànnal.", noor)


@pytest.mark.parametrize(
    ("over", "told"),
    [
        ({"slug": "not a slug"}, "slug"),
        ({"title": ""}, "title"),
        ({"question": ""}, "question"),
        ({"labels": [LabelSpec("a", "A"), LabelSpec("a", "B")]}, "'a' is there twice"),
        ({"labels": [LabelSpec("a b", "A")]}, "key"),
        ({"languages": ["wo", "not a tag"]}, "'not a tag' is not a language tag"),
        ({"guidelines": {"fr": "x"}}, "guideline for 'fr'"),
        ({"colour": "red"}, "no setting 'colour'"),
        ({"audit_share": "0.01"}, "audit_share: .*greater than or equal to 0.10"),
        ({"items_per_round": "many"}, "items_per_round"),
        ({"margin": "0.031"}, "wider than 0.030. Create it with 0.030.*takes two admins"),
    ],
)
def test_a_campaign_that_makes_no_sense_leaves_nothing_behind(
    over: dict[str, Any], told: str
) -> None:
    with pytest.raises(InvalidInputError, match=told):
        create(**over)
    assert not Campaign.objects.exists()
    assert not Language.objects.exists()


def test_a_short_name_is_taken_once() -> None:
    create()
    with pytest.raises(ConflictError, match="Choose another short name"):
        create()


def test_guidelines_grow_by_versions_and_the_same_text_is_none() -> None:
    home = CampaignLanguage.objects.get(campaign=create(), language__tag="wo")
    assert set_guideline(home, text="one").version == 1
    assert set_guideline(home, text=" one\n").version == 1
    assert set_guideline(home, text="two").version == 2
    assert set_guideline(home, text="one").version == 3
    assert [one.text for one in home.guidelines.all()] == ["one", "two", "one"]
    with pytest.raises(InvalidInputError):
        set_guideline(home, text=" ")


def test_a_language_joins_once_and_comes_back() -> None:
    campaign = create()
    home = add_language(campaign, tag="ff-Adlm", guideline="x")
    CampaignLanguage.objects.filter(pk=home.pk).update(active=False)
    again = add_language(campaign, tag="ff-adlm")
    assert (again.pk, again.active, again.guidelines.count()) == (home.pk, True, 1)


def test_a_campaign_says_all_that_it_lacks() -> None:
    campaign = create(labels=[LABELS[0]], languages=[])
    with pytest.raises(ConflictError, match=r"two labels.*needs a language.*no sample.*import"):
        start_campaign(campaign)
    assert Campaign.objects.get().status == "draft"


def test_gold_alone_and_languages_switched_off_are_no_pool() -> None:
    campaign = make_campaign(languages=("wo", "qu"))
    make_gold(campaign, "wo")
    make_sample(campaign, "qu")
    campaign.languages.filter(language__tag="qu").update(active=False)
    with pytest.raises(ConflictError, match="no sample"):
        start_campaign(campaign)


def test_an_import_under_way_is_waited_for() -> None:
    campaign = make_campaign()
    SampleImport.objects.create(campaign=campaign, filename="a", path="a", format="csv")
    with pytest.raises(ConflictError, match="not finished: wait for it"):
        start_campaign(campaign)


def test_a_campaign_runs_pauses_and_ends() -> None:
    campaign = make_campaign()
    make_sample(campaign)
    with pytest.raises(ConflictError, match="is draft and cannot become paused"):
        pause_campaign(campaign)
    assert start_campaign(campaign).status == "running"
    assert start_campaign(campaign).status == "running"
    assert pause_campaign(campaign).status == "paused"
    assert start_campaign(campaign).status == "running"
    assert finish_campaign(campaign).status == "finished"
    for move in (start_campaign, pause_campaign):
        with pytest.raises(ConflictError, match="is finished and cannot"):
            move(campaign)
    with pytest.raises(ConflictError, match="Create a new campaign"):
        add_language(campaign, tag="ff")


def test_a_stale_page_cannot_undo_what_happened_since() -> None:
    campaign = make_campaign()
    make_sample(campaign)
    stale = Campaign.objects.get(pk=campaign.pk)
    start_campaign(campaign)
    finish_campaign(campaign)
    with pytest.raises(ConflictError):
        start_campaign(stale)
    assert Campaign.objects.get().status == "finished"


@pytest.mark.parametrize(
    ("tag", "autonym", "script", "direction"),
    [
        ("wo", "Wolof", "Latn", "ltr"),
        ("ff-Adlm", "𞤆𞤵𞤤𞤢𞤪 (𞤀𞤁𞤂𞤢𞤃)", "Adlm", "rtl"),
        ("nqo", "ߒߞߏ", "Nkoo", "rtl"),
        ("ar", "العربية", "Arab", "rtl"),
        ("he", "עברית", "Hebr", "rtl"),
        ("am", "አማርኛ", "Ethi", "ltr"),
        ("ace-Arab", "", "Arab", "rtl"),
    ],
)
def test_a_language_is_suggested_from_its_tag(
    tag: str, autonym: str, script: str, direction: str
) -> None:
    language = ensure_language(tag)
    assert (language.autonym, language.script, language.direction) == (autonym, script, direction)
    assert language.name


@pytest.mark.parametrize("tag", ["tl", "sh", "mo"])
def test_nobody_is_renamed(tag: str) -> None:
    assert ensure_language(tag).tag == tag


def test_what_the_caller_gives_wins_now_and_later() -> None:
    assert ensure_language("qu", autonym="Runa Simi").autonym == "Runa Simi"
    changed = ensure_language("QU", name="Kichwa", direction="rtl")
    assert (changed.name, changed.autonym, changed.direction) == ("Kichwa", "Runa Simi", "rtl")
    assert ensure_language("qu").name == "Kichwa"
    assert Language.objects.get().tag == "qu"


def test_a_tag_that_no_registry_knows_needs_a_name_and_a_script() -> None:
    with pytest.raises(InvalidInputError, match=r"No registry knows.*give its name and script"):
        ensure_language("xyz")
    language = ensure_language("xyz", name="Ours", script="nkoo")
    assert (language.name, language.script, language.direction) == ("Ours", "Nkoo", "rtl")


@pytest.mark.parametrize(
    ("tag", "details"),
    [
        ("", {}),
        ("w", {}),
        ("wo wo", {}),
        ("a" * 40, {"name": "A", "script": "Latn"}),
        ("wo", {"script": "Latin"}),
        ("wo", {"direction": "up"}),
        ("wo", {"name": "n" * 121}),
    ],
)
def test_what_is_no_language_is_told_with_a_remedy(tag: str, details: dict[str, str]) -> None:
    with pytest.raises(InvalidInputError):
        ensure_language(tag, **details)
    assert not Language.objects.exists()


@pytest.mark.parametrize(
    ("text", "script", "direction"),
    [
        ("𞤀𞤣𞤤𞤢𞤥 123", "Adlm", "rtl"),
        ("ߒߞߏ (N'Ko)", "Nkoo", "rtl"),
        ("السلام عليكم OK", "Arab", "rtl"),
        ("שלום", "Hebr", "rtl"),
        ("ሰላም! hi", "Ethi", "ltr"),
        ("\U00010d50\U00010d51 a", "Gara", "rtl"),
        ("ⵜⴰⵎⴰⵣⵉⵖⵜ", "Tfng", "ltr"),
        ("...", "Zyyy", "ltr"),
        ("", "Zyyy", "ltr"),
    ],
)
def test_the_script_of_a_text_and_its_direction(text: str, script: str, direction: str) -> None:
    assert dominant_script(text) == script
    assert direction_of(script) == direction


def test_the_list_of_right_to_left_scripts_is_what_unicode_says() -> None:
    import regex

    strong = regex.compile(r"[\p{Bidi_Class=R}\p{Bidi_Class=AL}]")
    planes = "".join(
        map(chr, [*range(0x590, 0x900), *range(0x10800, 0x11000), *range(0x1E800, 0x1EF00)])
    )
    for script in SCRIPTS:
        letters = regex.findall(rf"[\p{{Script={script}}}&&\p{{L}}]", planes, regex.VERSION1)
        if letters:
            runs_right = sum(bool(strong.match(letter)) for letter in letters) * 2 > len(letters)
            assert runs_right == (script in RIGHT_TO_LEFT), script
