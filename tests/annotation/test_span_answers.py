"""Marks: what is taken for an answer, what is refused and why, and what people amount to."""

import io
import json
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from annotation.actions.agreement import measure_agreement
from annotation.actions.choosing import label_for
from annotation.actions.consensus import refit
from annotation.actions.marked_files import marked_file
from annotation.methods.readers import Wanted, read_rows
from annotation.methods.spans import Span
from annotation.models import (
    Annotation,
    CalibrationSession,
    CampaignLanguage,
    Consensus,
    GoldItem,
    Label,
    Reliability,
)
from annotation.objectives import Choice, objective, read_form, spans
from annotation.templatetags.words import marks_apart, said_of
from tests.annotation.lighting import fetch, give
from tests.make import (
    make_annotator,
    make_campaign,
    make_item,
    make_sample,
    make_user,
)
from training.methods.slices import is_switched

NOW = datetime(2026, 5, 1, tzinfo=UTC)
TEXT = "Awa si Dakar"
# Adlam, N'Ko, Ethiopic, Arabic with marks, emoji with joiners, both directions, line ends.
HARD = (
    "𞤀𞤣𞤵 𞤲𞤣𞤵, Dakar",
    "ߒߞߏ ߘߎ߰ Bamako",
    "አዲስ አበባ ናት።",
    "مُحَمَّدٌ في الرِّبَاط",
    "👩🏾‍🌾 Awa 👨‍👩‍👧‍👦!",
    "قال John إنّ Paris جميلة",
    "Awa\r\nDakar\u0085Thiès\u2028x",
)
KEYS = ("per", "loc")


def region(start: Any, end: Any, key: Any = "per", *, text: Any = None) -> dict[str, Any]:
    words = TEXT[start:end] if text is None else text
    value = {"start": start, "end": end, "text": words, "labels": [key]}
    return {"from_name": "spans", "to_name": "text", "type": "labels", "value": value}


def ticked(name: str, alias: str) -> dict[str, Any]:
    return {"from_name": name, "type": "choices", "value": {"choices": [alias]}}


@pytest.mark.parametrize(
    ("result", "reason", "part"),
    [
        ([], "empty", "Nothing was marked"),
        ("spans", "malformed", "not a list"),
        ([region(7, 13, text="Dakar!")], "malformed", "12 characters. Count"),
        ([region(-1, 3, text="Awa")], "malformed", "-1"),
        ([region(3, 3, text="")], "malformed", "3 to 3"),
        ([region(3, 4)], "malformed", "holds nothing"),
        (
            [region(0, 3), region(4, 6, "org")],
            "unknown_label",
            "Mark 2: There is no label “org”. T",
        ),
        ([region(0, 3, ["per"])], "unknown_label", "per"),
        ([region(0.0, 3.0, text="Awa")], "malformed", "whole number"),
        ([region(True, 3, text="wa")], "malformed", "whole number"),
        (
            [region(0, 6), region(4, 12)],
            "malformed",
            "overlaps spans[0]: both hold character 4. Keep",
        ),
        ([region(1, 4, text="Awa")], "malformed", "there stands “wa"),
        ([region(0, None, text="Awa")], "malformed", "whole number"),
        ([{"from_name": "spans", "value": {"start": 0, "end": 3}}], "malformed", "no words"),
        ([{"from_name": "spans", "value": "Awa"}], "malformed", "holds nothing"),
        ([{"from_name": "spans"}], "malformed", "holds nothing"),
        ([region(0, 3) | {"from_name": "entities"}], "unknown_field", "entities"),
        ([{"type": "relation", "from_id": "a", "to_id": "b"}], "unknown_field", "None"),
        ([region(0, 3), ticked("nothing", "nothing")], "malformed", "only one fits"),
        ([ticked("nothing", "everything")], "unknown_label", "everything"),
        ([ticked("flag", "nothing")], "unknown_label", "nothing"),
        ([region(0, 3)] * 2001, "malformed", "2000"),
    ],
)
def test_what_is_no_marks_is_refused_with_its_reason(result, reason, part):
    parsed = spans.parse(result, keys=KEYS, flags=["unclear"], text=TEXT)
    assert parsed.reason == reason
    assert part in parsed.detail
    assert not parsed.answer


def test_marks_are_trimmed_put_in_order_and_equal_ones_share_a_key():
    one = spans.parse([region(6, 12, "loc"), region(0, 4)], keys=KEYS, text=TEXT)
    other = spans.parse([region(0, 3), region(7, 12, "loc")], keys=KEYS, text=TEXT)
    assert one.value == [[0, 3, "per"], [7, 12, "loc"]]
    assert one.label == other.label
    assert spans.parse([region(0, 3, "loc")], keys=KEYS, text=TEXT).label != one.label


def test_nothing_to_mark_is_an_answer_and_a_flag_is_none():
    nothing = spans.parse([ticked("nothing", "nothing")], keys=KEYS, text=TEXT)
    assert (nothing.value, nothing.reason) == ([], "")
    assert nothing.label
    flagged = spans.parse([ticked("flag", "flag:unclear")], keys=KEYS, flags=["unclear"], text=TEXT)
    assert (flagged.flag, flagged.answer) == ("unclear", {})


@pytest.mark.parametrize("text", HARD)
@given(data=st.data())
def test_what_is_stored_is_told_to_the_desk_and_read_back_alike(text, data):
    found = spans.units(text).tolist()
    first = data.draw(st.integers(0, len(found) - 1))
    start, end = found[first][0], found[data.draw(st.integers(first, len(found) - 1))][1]
    wanted = spans.trimmed([Span(start, end, "per")], text=text)
    answer = spans.answer_of(wanted)
    told = spans.result_of(answer, note="so", text=text)
    # As a browser tells a line end.
    for part in told[:1]:
        part["value"]["text"] = part["value"]["text"].replace("\n", "\\n")
    parsed = spans.parse(told, keys=KEYS, text=text)
    assert (parsed.answer, parsed.note) == (answer, "so")
    assert text[parsed.value[0][0] : parsed.value[0][1]] == text[start:end].strip()


@given(st.recursive(st.none() | st.integers() | st.text(max_size=5), st.lists))
def test_whatever_a_stranger_sends_as_marks_is_refused_not_raised(value):
    parsed = read_form("spans", {"spans": [str(value)]}, keys=KEYS, text=TEXT)
    assert parsed.reason or parsed.value is not None
    wild = spans.result_of({"value": value}, text=TEXT)
    assert spans.parse(wild, keys=KEYS, text=TEXT).reason


def test_the_desk_asks_in_the_languages_own_words_from_right_to_left():
    xml = objective("spans").desk_config(
        question="من؟", choices=[Choice("per", "شخص")], rtl=True, flags=[Choice("unclear", "?")]
    )
    root = ET.fromstring(xml)  # noqa: S314 - our own
    assert root.find(".//Label").attrib == {"value": "شخص", "alias": "per", "hotkey": "1"}
    assert root.find(".//Text").get("granularity") == "symbol"
    assert "rtl" in root.find("View").get("style")
    names = [one.get("name") for one in root.iter() if one.get("toName")]
    assert names == ["spans", "nothing", "flag"]


def test_words_that_were_copied_are_found_and_others_named():
    fields = {"words.per": ["Awa\r\nAwa #2", " "], "words.loc": ["Dakar"], "nothing": []}
    text = "Awa ak Awa ca Dakar"
    parsed = read_form("spans", fields, keys=KEYS, text=text)
    assert parsed.value == [[0, 3, "per"], [7, 10, "per"], [14, 19, "loc"]]
    parsed = read_form("spans", {"words.per": ["Fatou"]}, keys=KEYS, text=text)
    assert "“Fatou” does not stand" in parsed.detail


def test_a_page_whose_source_shortened_line_ends_marks_what_was_meant():
    text = "Awa\r\nDakar"
    sent = '[{"start": 4, "end": 9, "label": "loc", "text": "Dakar"}]'
    parsed = read_form("spans", {"spans": [sent], "length": ["9"]}, keys=KEYS, text=text)
    assert parsed.value == [[5, 10, "loc"]]
    kept = read_form("spans", {"spans": [sent], "length": ["10"]}, keys=KEYS, text=text)
    assert kept.reason == "malformed"


@pytest.fixture
def home(db: None) -> CampaignLanguage:
    campaign = make_campaign(objective="spans", labels=KEYS, languages=("wo",))
    return CampaignLanguage.objects.get(campaign=campaign)


def mark(home: CampaignLanguage, sample: Any, who: Any, *found: Span) -> Annotation:
    answer = spans.answer_of(found)
    return Annotation.objects.create(
        item=sample.items.first() or make_item(sample),
        annotator=who,
        state=Annotation.State.ANSWERED,
        label=label_for(home.campaign, answer=answer),
        answer=answer,
        desk_annotation_id=Annotation.objects.count() + 1,
        desk_updated_at="2026-05-01T00:00:00Z",
    )


PER, LOC = Span(0, 3, "per"), Span(7, 12, "loc")


def test_people_amount_to_spans_and_only_those_who_differ_are_disputed(home):
    samples = [make_sample(home.campaign, text=f"{TEXT} {n}") for n in range(6)]
    crew = [make_annotator(name) for name in ("awa", "inti", "noor")]
    for sample in samples[:5]:
        for who in crew:
            mark(home, sample, who, PER, LOC)
    mark(home, samples[5], crew[0], PER)
    mark(home, samples[5], crew[1], Span(0, 3, "loc"))
    assert refit(home.campaign, language=home.language, now=NOW).changed == 6
    agreed = Consensus.objects.get(sample=samples[0])
    assert agreed.label.value == [[0, 3, "per"], [7, 12, "loc"]]
    assert agreed.confidence > 0.9
    assert [one[:3] for one in agreed.people["spans"]] == agreed.label.value
    assert agreed.people["units"] == [[0, 3], [4, 6], [7, 12], [13, 14]]
    assert {len(row) for row in agreed.people["posterior"]} == {5}
    assert list(Consensus.objects.filter(disputed=True).values_list("sample", flat=True)) == [
        samples[5].pk
    ]
    assert Reliability.objects.count() == 3
    assert refit(home.campaign, language=home.language, now=NOW).changed == 0


def test_a_word_keeps_its_language_from_a_file_to_the_file_of_what_people_agree_on(home):
    words = [("Awa", "wo"), ("dem", "wo"), ("à", "fr"), ("l'école", "fr"), ("!", "")]
    lines = "".join(
        f"{n}\t{word}\t_\tX\t_\t_\t_\t_\t_\t{f'Lang={tag}' if tag else '_'}\n"
        for n, (word, tag) in enumerate(words, start=1)
    )
    wanted = Wanted(defaults={"licence": "CC0-1.0"})
    (row,) = read_rows(
        io.BytesIO(f"# lang = wo\n{lines}\n".encode()), format="conllu", wanted=wanted
    )
    meta = row.values["meta"]
    assert meta["languages"] == ["wo", "wo", "fr", "fr", ""]
    assert is_switched(meta)
    sample = make_sample(home.campaign, text=row.values["text"], meta=meta)
    mark(home, sample, make_annotator("awa"), PER)
    refit(home.campaign, language=home.language, now=NOW)
    told = {
        format: "".join(marked_file(home.campaign, language=home.language, format=format))
        for format in ("conllu", "jsonl")
    }
    assert json.loads(told["jsonl"])["meta"] == meta
    # Units are cut finer than the file's tokens were; every part of a token is in its language.
    (back,) = read_rows(io.BytesIO(told["conllu"].encode()), format="conllu", wanted=wanted)
    assert back.values["meta"]["spoken"] == meta["spoken"] == [[0, 7, "wo"], [8, 17, "fr"]]
    assert back.values["spans"] == [[0, 3, "per"]]


def test_what_one_person_marks_alone_stands_as_far_as_they_can_be_relied_on(home):
    awa, lee = (make_annotator(name) for name in ("awa", "lee"))
    gold = label_for(home.campaign, answer=spans.answer_of([PER, LOC]))
    for n in range(12):
        known = make_sample(home.campaign, text=f"{TEXT} {n}")
        GoldItem.objects.create(sample=known, label=gold, split="gate")
        mark(home, known, lee, Span(4, 6, "per"))
    alone = [make_sample(home.campaign, text=f"{TEXT} alone {n}") for n in range(8)]
    for sample in alone[:6]:
        mark(home, sample, awa, PER, LOC)
    mark(home, alone[6], lee, Span(4, 6, "loc"))
    mark(home, alone[7], awa)
    refit(home.campaign, language=home.language, now=NOW)
    said = {one.sample_id: one for one in Consensus.objects.select_related("label")}
    assert {tuple(map(tuple, said[one.pk].label.value)) for one in alone[:6]} == {
        ((0, 3, "per"), (7, 12, "loc"))
    }
    assert said[alone[7].pk].label.value == []
    assert said[alone[6].pk].weight == 0 < said[alone[0].pk].weight
    assert not any(one.disputed for one in said.values())


def test_a_lone_speaker_whom_nothing_is_known_of_is_believed(home):
    awa = make_annotator("awa")
    for n in range(14):
        mark(home, make_sample(home.campaign, text=f"{TEXT} {n}"), awa, PER, LOC)
    refit(home.campaign, language=home.language, now=NOW)
    said = Consensus.objects.select_related("label")
    assert [one.label.value for one in said] == [[[0, 3, "per"], [7, 12, "loc"]]] * 14
    assert not Reliability.objects.exists()


def test_gold_says_who_can_be_relied_on_and_has_no_consensus(home):
    crew = [make_annotator(name) for name in ("awa", "lee")]
    gold = label_for(home.campaign, answer=spans.answer_of([PER, LOC]))
    for n in range(12):
        sample = make_sample(home.campaign, text=f"{TEXT} {n}")
        GoldItem.objects.create(sample=sample, label=gold, split="gate")
        mark(home, sample, crew[0], PER, LOC)
        mark(home, sample, crew[1], Span(4, 6, "per"))
    refit(home.campaign, language=home.language, now=NOW)
    assert not Consensus.objects.exists()
    relied = {row.annotator_id: row for row in Reliability.objects.all()}
    assert relied[crew[0].pk].skill > 0.7 > relied[crew[1].pk].skill + 0.3
    assert relied[crew[0].pk].gold_answers == 12


def test_marks_from_the_light_page_are_stored_once_and_a_shifted_one_is_kept_aside(home):
    awa = make_annotator("awa")
    home.campaign.status = "running"
    home.campaign.save()
    item = make_item(make_sample(home.campaign, text="𞤀𞤣𞤵 si Dakar"))
    assert fetch(awa, home, None) == [item]
    shifted = '[{"start": 10, "end": 15, "label": "loc", "text": "Dakar"}]'
    refused = give(awa, item, fields={"spans": [shifted]})
    assert (refused.outcome, refused.reason) == ("refused", "malformed")
    sent = '[{"start": 7, "end": 12, "label": "loc", "text": "Dakar"}]'
    for _ in range(2):
        stored = give(awa, item, fields={"spans": [sent], "length": ["12"]}, uid=refused.uid)
    assert stored.outcome == "same"
    answer = Annotation.objects.get()
    assert answer.label.value == [[7, 12, "loc"]]
    assert answer.label.name == "Loc 8–12"
    assert Label.objects.filter(campaign=home.campaign).count() == 2


def test_pages_show_the_words_of_marks_and_which_differ(home):
    campaign, language = home.campaign, home.language
    said, true = (
        label_for(campaign, answer=spans.answer_of(found))
        for found in ([PER, Span(7, 12, "per")], [PER, LOC])
    )
    assert said_of(true, TEXT, language) == (
        '<q lang="wo-Latn" dir="auto">Awa</q> <b>Per</b>, <q lang="wo-Latn" dir="auto">Dakar</q> <b>Loc</b>'
    ).replace("wo-Latn", language.lang)
    apart = marks_apart(said, true, TEXT, language)
    assert apart.count("<li>") == 2
    assert "Awa" not in apart
    assert "<b>Per</b>: only you marked" in apart
    assert "<b>Loc</b>: not marked by you" in apart
    none = label_for(campaign, answer=spans.answer_of([]))
    assert said_of(none, TEXT, language) == "<span>there is nothing to mark</span>"
    assert marks_apart(none, none, TEXT, language) == ""


def test_people_agree_on_marks_as_far_as_they_overlap(home):
    crew = [make_annotator(name) for name in ("awa", "inti")]
    for n in range(40):
        sample = make_sample(home.campaign, text=f"{TEXT} {n}")
        mark(home, sample, crew[0], PER, LOC)
        mark(home, sample, crew[1], PER, *([LOC] if n % 2 else [Span(4, 12, "loc")]))
    (group,) = measure_agreement(home.campaign, homes=[home]).groups
    assert group.found.double == 40
    assert group.found.raw.value == 0.5
    assert 0.6 < group.found.alpha.value < 0.95


def test_a_session_takes_marks_without_scripts_and_tells_which_differ(home, client):
    """The same form as on the light page; what differs is told with its words."""
    awa = make_annotator("awa")
    home.campaign.calibrate = True
    home.campaign.save()
    gold = label_for(home.campaign, answer=spans.answer_of([PER, LOC]))
    for n in range(12):
        sample = make_sample(home.campaign, text=f"{TEXT} {n}")
        GoldItem.objects.create(sample=sample, label=gold, split="gate")
    client.force_login(awa.user)
    where = (home.campaign.slug, home.language.tag)
    client.post(reverse("calibration_begin", args=where), {"kind": "qualify"})
    session = CalibrationSession.objects.get()
    here = reverse("calibration_session", args=(*where, session.pk))
    page = client.get(here).content.decode()
    assert page.count('name="a.words.') == 2
    assert "marks.js" in page
    sent = {"position": "0", "a.words.per": "Awa", "a.words.loc": "si"}
    page = client.post(here, sent, follow=True).content.decode()
    assert "<b>Loc</b>: only you marked" in page
    assert "<b>Loc</b>: not marked by you" in page
    page = client.post(here, sent | {"position": "1", "a.words.loc": "Dakar"}, follow=True)
    assert "Right:" in page.content.decode()
    session.refresh_from_db()
    assert (session.right, session.wrong) == (1, 1)


def test_a_dispute_over_marks_is_decided_in_the_same_form(home, client):
    where = (home.campaign.slug, home.language.tag)
    torn = make_sample(home.campaign, text=TEXT)
    for who, found in (("inti", PER), ("noor", Span(0, 3, "loc"))):
        mark(home, torn, make_annotator(who), found)
    refit(home.campaign, language=home.language, now=NOW)
    Consensus.objects.filter(sample=torn).update(disputed=True)
    torn.items.update(state="answered")
    client.force_login(make_user("lead", staff=True))
    desk = client.get(reverse("language_desk", args=where)).content.decode()
    assert desk.count('name="a.words.') == 2
    assert f'lang="{home.language.lang}" dir="auto">Awa</q> <b>Per</b>' in desk
    decided = {"a.words.per": "Awa", "a.words.loc": "Dakar", "reason": "A city."}
    client.post(reverse("dispute_decide", args=(*where, torn.pk)), decided)
    refit(home.campaign, language=home.language, now=NOW)
    assert Consensus.objects.get(sample=torn).label.value == [[0, 3, "per"], [7, 12, "loc"]]
