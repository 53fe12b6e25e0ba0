"""What a model wrote: rated, flagged and corrected, or compared side by side."""

import json
from itertools import count
from xml.etree import ElementTree as ET

import pytest
from django.conf import settings
from django.core.management import call_command
from django.template.loader import render_to_string
from django.test import Client
from django.utils import timezone

from annotation.actions.calibration_story import labels_of
from annotation.actions.campaigns import LabelSpec, create_campaign
from annotation.actions.choosing import chosen_label
from annotation.actions.desk import prepare_desk
from annotation.actions.intake import sweep
from annotation.actions.mirror import mirror
from annotation.errors import InvalidInputError
from annotation.forms import CampaignForm
from annotation.methods.texts import glued, parts_of
from annotation.models import Annotation, Campaign, CampaignLanguage, QuarantinedAnswer, Sample
from annotation.objectives import preferences, ratings
from tests.annotation.bringing import DEFAULTS, bring, refusals
from tests.annotation.lighting import fetch, give
from tests.annotation.owing import push, settle_at
from tests.fakes import FakeLabelingDesk
from tests.make import make_annotator, make_item, make_sample

pytestmark = pytest.mark.django_db
OUTPUT = glued(["Jamm nga am", "Do you have peace?"])
STARS = dict.fromkeys(ratings.ASPECTS, 4)
_numbers = count(1)


def campaign_of(kind: str, **over) -> Campaign:
    told = {"title": "W", "question": "How good is it?", "labels": [], "languages": ["wo"]}
    slug = f"written-{next(_numbers)}"
    return create_campaign(slug=slug, objective=kind, **(told | over))


def ask(home: CampaignLanguage, text: str, **over) -> None:
    make_item(make_sample(home.campaign, home.language.tag, text, **over))


def said(**answer) -> ratings.Parsed:
    told = ratings.result_of({"ratings": STARS} | answer)
    return ratings.parse(told, keys=ratings.LABELS, flags=["unclear"], text=OUTPUT)


@pytest.mark.parametrize(
    ("given", "grade"),
    [((1, 1, 1, 1), "1"), ((5, 5, 5, 4), "5"), ((3, 3, 4, 4), "3"), ((2, 3, 3, 3), "3")],
)
def test_the_grade_is_the_mean_of_the_ratings_rounded_halves_downwards(given, grade) -> None:
    assert said(ratings=dict(zip(ratings.ASPECTS, given, strict=True))).label == grade


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"ratings": STARS | {"style": 0}}, "“Style” is rated 0"),
        ({"ratings": STARS | {"idiom": 6}}, "“Idiom” is rated 6"),
        ({"ratings": STARS | {"culture": 3.5}}, "“Culture” is rated 3.5"),
        ({"ratings": STARS | {"culture": True}}, "“Culture” is rated True"),
        ({"ratings": {"coherence": 4}}, "“Style” is not rated: rate it from 1 to 5"),
        ({"issues": ["boring"]}, "field “issues” has no “boring”; there are: wrong_dialect"),
        ({"corrected": " Jamm nga am\n"}, "corrected text is the output as it stands. Change"),
        (
            {"corrected": "a" * 100_001},
            "corrected text cannot be kept. It is 100,001 characters long",
        ),
        ({"corrected": "a\0b"}, "It holds a NUL character at position 2"),
        ({"corrected": "ab\ud800"}, "It holds half a character at position 3"),
        ({"corrected": "a\x04b"}, "It holds the control character U+0004"),
        ({"corrected": 7}, "field “corrected” holds no text"),
    ],
)
def test_what_is_no_rating_is_refused_with_field_and_remedy(given, told) -> None:
    parsed = said(**given)
    assert (parsed.label, parsed.reason) == ("", "malformed")
    assert told in parsed.detail


def test_a_flag_stands_alone_and_nothing_at_all_is_empty() -> None:
    flagged = ratings.result_of({}, flag="unclear", note="who?")
    parsed = ratings.parse(flagged, keys=ratings.LABELS, flags=["unclear"])
    assert (parsed.flag, parsed.note, parsed.answer) == ("unclear", "who?", {})
    both = flagged + ratings.result_of({"ratings": STARS})
    assert ratings.parse(both, keys=ratings.LABELS, flags=["unclear"]).reason == "malformed"
    assert ratings.parse([], keys=ratings.LABELS).reason == "empty"
    stray = [{"from_name": "wit", "value": {"rating": 3}}]
    assert ratings.parse(stray, keys=ratings.LABELS).reason == "unknown_field"
    twice = ratings.result_of({"ratings": STARS}) * 2
    assert "more than once" in ratings.parse(twice, keys=ratings.LABELS).detail


def test_the_desk_asks_for_four_ratings_what_is_wrong_and_a_better_text() -> None:
    xml = ratings.desk_config(question="Good?", choices=[], rtl=True, note="A note")
    root = ET.fromstring(xml)  # noqa: S314 - our own form
    assert [one.get("name") for one in root.iter("Rating")] == [*ratings.ASPECTS]
    assert {one.get("maxRating") for one in root.iter("Rating")} == {"5"}
    [box] = [one for one in root.iter("Choices") if one.get("name") == "issues"]
    assert box.get("choice") == "multiple"
    assert [one.get("alias") for one in box] == [*ratings.ISSUES]
    [field] = [
        one for one in root.iter("View") if one.find("TextArea[@name='corrected']") is not None
    ]
    assert "rtl" in field.get("style", "")


def test_a_rating_goes_from_the_light_page_to_the_desk_and_comes_home_changed() -> None:
    desk, home = FakeLabelingDesk(), CampaignLanguage.objects.get(campaign=campaign_of("ratings"))
    home.campaign.status = "running"
    home.campaign.save()
    awa = make_annotator("awa")
    settle_at(desk, awa.user)
    awa.user.desk_user_id = desk.create_account(
        email=awa.user.desk_email, name="", password="x" * 9
    ).user_id
    awa.user.save()
    prepare_desk(home, desk=desk)
    ask(home, OUTPUT)
    push(home, desk)
    home.refresh_from_db()
    [item] = fetch(awa, home, desk)
    fields = {aspect: ["4"] for aspect in STARS} | {"corrected": ["Jàmm nga am?"]}
    receipt = give(awa, item, fields=fields | {"issues": ["made_up", "wrong_dialect"]})
    assert receipt.outcome == "stored", receipt
    answer = Annotation.objects.get()
    assert answer.label.key == "4"
    told = {
        "label": "4",
        "ratings": STARS,
        "issues": ["wrong_dialect", "made_up"],
        "corrected": "Jàmm nga am?",
    }
    assert answer.answer == told
    mirror(home, desk=desk, now=timezone.now())
    answer.refresh_from_db()
    changed = ratings.result_of(told | {"ratings": STARS | {"style": 1, "idiom": 1, "culture": 1}})
    desk.edit(answer.desk_annotation_id, label="", result=changed)
    sweep(home, desk=desk, now=timezone.now())
    answer.refresh_from_db()
    assert (answer.label.key, answer.answer["ratings"]["style"]) == ("2", 1)
    assert answer.revisions.count() == 2


def test_the_light_page_asks_with_plain_fields_and_says_what_is_missing(client: Client) -> None:
    home = CampaignLanguage.objects.get(campaign=campaign_of("ratings", languages=["ff-Adlm"]))
    Campaign.objects.update(status="running")
    awa = make_annotator("awa", "ff-Adlm")
    ask(home, OUTPUT)
    client.force_login(awa.user)
    here = f"/answer/{home.campaign.slug}/ff-Adlm/"
    page = client.get(here).content.decode()
    for aspect in ratings.ASPECTS:
        assert page.count(f'name="a.{aspect}"') == 5
    assert page.count('name="a.issues"') == 5
    assert '<textarea name="a.corrected"' in page
    sent = {"uid": "", "item": home.items.get().uid, "answer": "form:"}
    fields = {f"a.{aspect}": "5" for aspect in ratings.ASPECTS}
    missing = fields.copy()
    del missing["a.idiom"]
    page = client.post(here, sent | missing, follow=True).content.decode()
    assert "“Idiom” is not rated" in page
    assert QuarantinedAnswer.objects.get().reason == "malformed"
    done = client.post(here, sent | fields | {"a.issues": ["unsafe"], "a.corrected": "x"})
    assert Annotation.objects.get().answer["issues"] == ["unsafe"]
    uid = done.headers["Location"].split("done=")[1]
    page = client.get(f"{here}?change={uid}").content.decode()
    assert page.count("checked>") >= 5
    assert ">x</textarea>" in page


def test_sessions_and_decisions_ask_with_the_same_fields_and_make_a_grade_of_them() -> None:
    names = [LabelSpec(key, f"Grade {key}", {"wo": f"Tolluwaay {key}"}) for key in ratings.LABELS]
    campaign = campaign_of("ratings", labels=names)
    home = CampaignLanguage.objects.get(campaign=campaign)
    told = {"form": "ratings", "labels": labels_of(home), "home": home}
    page = render_to_string("annotation/_answer.html", told)
    assert page.count("Tolluwaay 5") == len(ratings.ASPECTS)
    fields = {aspect: ["2"] for aspect in ratings.ASPECTS}
    assert chosen_label(campaign, fields=fields, text=OUTPUT).key == "2"
    with pytest.raises(InvalidInputError, match="“Coherence” is rated 9"):
        chosen_label(campaign, fields=fields | {"coherence": ["9"]}, text=OUTPUT)


def test_files_bring_outputs_with_and_without_a_source() -> None:
    campaign = campaign_of("ratings")
    rows = (
        "output,source,system,label\nJamm nga am,Peace?,gen 2,\nWaaw,,gen 2,\nDéedéet,No,gen 2,4\n"
    )
    job = bring(campaign, rows, defaults=DEFAULTS)
    assert refusals(job) == {}
    assert [parts_of(text) for text in Sample.objects.order_by("row").values_list("text", flat=True)] == [
        ("Jamm nga am", "Peace?"), ("Waaw",), ("Déedéet", "No"),
    ]  # fmt: skip
    assert set(Sample.objects.values_list("meta__system", flat=True)) == {"gen 2"}
    assert Sample.objects.get(gold__isnull=False).gold.label.key == "4"


def test_which_output_stands_first_is_drawn_and_known_answers_turn_with_it() -> None:
    campaign = campaign_of("preferences")
    lines = [
        {"output_a": f"old {n}", "output_b": f"new {n}", "system_a": "old", "system_b": "new",
         "source": f"say {n}", "label": "second" if n % 2 else ""}
        for n in range(400)
    ]  # fmt: skip
    text = "".join(json.dumps(line) + "\n" for line in lines)
    job = bring(campaign, text, "pairs.jsonl", defaults=DEFAULTS)
    assert refusals(job) == {}
    samples = list(Sample.objects.select_related("gold__label"))
    for one in samples:
        first, second, source = parts_of(one.text)
        assert (first.split()[0], second.split()[0]) == (one.meta["first"], one.meta["second"])
        assert source.startswith("say")
        assert not {"system_a", "system_b"} & set(one.meta)
        if hasattr(one, "gold"):
            assert one.meta[one.gold.label.key] == "new"
    first = sum(one.meta["first"] == "new" for one in samples)
    assert 160 < first < 240
    # The same comparison with its columns the other way round is the same sample.
    turned = {"output_a": "new 0", "output_b": "old 0", "source": "say 0"}
    bring(campaign, json.dumps(turned) + "\n", "again.jsonl", defaults=DEFAULTS)
    known, again = Sample.objects.get(row=1, sample_import=job), Sample.objects.last()
    assert (again.text, again.digest) == (known.text, known.digest)


def test_what_cannot_be_compared_is_refused_by_row_and_field() -> None:
    campaign = campaign_of("preferences")
    rows = (
        "output_a,output_b,system_a,system_b\nfine,good,old,new\n,alone,old,new\n"
        "Same,same ,old,new\none,two,old,old\n"
    )
    told = refusals(bring(campaign, rows, defaults=DEFAULTS))
    assert {row: field for row, (field, _) in told.items()} == {
        3: "text", 4: "second", 5: "meta.system_b",
    }  # fmt: skip


def test_campaigns_of_what_models_write_bring_their_labels_and_keep_their_keys() -> None:
    assert [*campaign_of("ratings").labels.values_list("key", flat=True)] == [*ratings.LABELS]
    named = [
        LabelSpec("tie", "Yem nañu"),
        LabelSpec("first", "Bi njëkk"),
        LabelSpec("second", "Ñaareel"),
    ]
    campaign = campaign_of("preferences", labels=named)
    assert [*campaign.labels.values_list("key", flat=True)] == [*preferences.LABELS]
    assert campaign.labels.get(key="tie").name == "Yem nañu"
    with pytest.raises(InvalidInputError, match="first, second, tie"):
        campaign_of("preferences", labels=[LabelSpec("good", "Good"), LabelSpec("bad", "Bad")])


def test_the_shipped_plan_makes_a_campaign_of_ratings() -> None:
    shipped = settings.BASE_DIR / "config" / "campaigns" / "judge-what-a-model-wrote.toml"
    call_command("create_campaign", "ours", "--from", str(shipped), "--language", "wo")
    campaign = Campaign.objects.get(slug="ours")
    assert (campaign.objective, campaign.answers_per_item) == ("ratings", 2)
    assert [one.name for one in campaign.labels.all()] == [str(w) for w in ratings.LABELS.values()]


def test_the_page_that_makes_campaigns_takes_them_without_labels_and_refuses_others() -> None:
    told = {"title": "W", "question": "?", "labels": "", "languages": "wo", "objective": "ratings",
            "items_per_round": 10, "floor_per_language": 1, "answers_per_item": 1,
            "train_when_answered": "0.9", "max_rounds": 2, "audit_share": "0.1",
            "gold_share": "0.1", "margin": "0.03", "network": "starter", "seed": 0}  # fmt: skip
    form = CampaignForm(told)
    assert form.is_valid(), form.errors
    assert [key for key, _ in form.cleaned_data["labels"]] == [*ratings.LABELS]
    assert "labels" in CampaignForm(told | {"labels": "a\nb"}).errors
    assert "labels" in CampaignForm(told | {"objective": "classes"}).errors


def test_nobody_who_answers_learns_which_system_wrote_what(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("annotation.views.light._has_desk", lambda: False)
    campaign = campaign_of("preferences")
    Campaign.objects.update(status="running")
    home = CampaignLanguage.objects.get(campaign=campaign)
    text = glued(["Jamm nga am", "Jamm ngaam", "Peace?"])
    desk, awa = FakeLabelingDesk(), make_annotator("awa")
    prepare_desk(home, desk=desk)
    ask(home, text, meta={"first": "champion", "second": "rival"})
    push(home, desk)
    home.refresh_from_db()
    tasks = desk.projects[home.desk_project_id].tasks.values()
    assert "champion" not in str([vars(task) for task in tasks])
    client.force_login(awa.user)
    page = client.get(f"/answer/{campaign.slug}/wo/").content.decode()
    assert "Jamm ngaam" in page
    assert "rival" not in page
    assert page.count('value="label:') == 3
