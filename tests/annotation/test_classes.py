import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.errors import InvalidInputError
from annotation.objectives import Choice, classes, objective, several, whole
from annotation.objectives.form import instruction
from tests.fakes import choice

# What XML can hold: everything but control characters and lone surrogates.
printable = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40)


def form(*choices: Choice, question: str = "What is it about?", rtl: bool = False) -> ET.Element:
    return ET.fromstring(classes.desk_config(question=question, choices=list(choices), rtl=rtl))  # noqa: S314 - our own


def test_speakers_read_their_own_names_and_we_store_the_keys():
    root = form(Choice("admin", "አስተዳደር"), Choice("dates", "ቀናት"))
    assert [c.attrib for c in root.iter("Choice")] == [
        {"value": "አስተዳደር", "alias": "admin", "hotkey": "1"},
        {"value": "ቀናት", "alias": "dates", "hotkey": "2"},
    ]
    assert root.find(".//Text").get("value") == "$text"
    assert root.find("Choices").get("toName") == "text"
    assert root.find("Header").get("value") == "What is it about?"


def test_only_nine_labels_have_a_digit_to_press():
    root = form(*(Choice(f"k{n}", f"name {n}") for n in range(12)))
    assert [c.get("hotkey") for c in root.iter("Choice")] == [*"123456789", None, None, None]


def test_right_to_left_text_is_set_right_to_left():
    assert "rtl" in form(Choice("a", "ا"), rtl=True).find("View").get("style")
    assert form(Choice("a", "a")).find("View").get("style") is None


def test_two_labels_of_one_name_can_be_told_apart():
    root = form(Choice("a", "same"), Choice("b", "same"), Choice("c", ""))
    assert [c.get("value") for c in root.iter("Choice")] == ["same (a)", "same (b)", "c"]


@given(question=printable, names=st.lists(printable, min_size=1, max_size=11))
def test_no_text_breaks_the_form_or_is_read_as_a_field(question, names):
    choices = [Choice(f"k{n}", name) for n, name in enumerate(names)]
    root = form(*choices, question=question)
    assert [c.get("alias") for c in root.iter("Choice")] == [c.key for c in choices]
    values = [e.get("value") for e in root.iter() if e.tag != "Text" and e.get("value") is not None]
    assert all(value and not value.startswith("$") for value in values)
    assert not any(f"${letter}" in value for value in values for letter in "abtuzé_")


@given(st.text(max_size=60))
def test_even_unprintable_questions_make_a_form(question):
    assert form(Choice("a", "a"), question=question).tag == "View"


@given(st.text(max_size=80))
def test_a_guideline_is_shown_as_text_whatever_it_holds(text):
    tags = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            tags.append(tag)

    reader = Reader()
    reader.feed(instruction(text, tag="wo", rtl=False))
    reader.close()
    assert set(tags) <= {"div", "p", "br"}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=6),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["from_name", "value", "choices", "x"]), inner, max_size=3
            )
        ),
    )
)
def test_no_answer_however_strange_makes_the_reader_fall(result):
    parsed = classes.parse(result, keys=["admin"])
    assert bool(parsed.label) != bool(parsed.reason)
    assert parsed.label in ("", "admin")


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (choice("nonsense"), "unknown_label"),
        (choice("Admin"), "unknown_label"),
        ([], "empty"),
        ([{"from_name": "label", "value": {"choices": []}}], "empty"),
        ([{"from_name": "other", "value": {"choices": ["admin"]}}], "unknown_field"),
        ([{"from_name": "label"}], "malformed"),
        (choice("admin") + choice("dates"), "malformed"),
        ({"from_name": "label"}, "malformed"),
        (None, "malformed"),
    ],
)
def test_every_refusal_has_its_reason(result, reason):
    parsed = classes.parse(result, keys=["admin", "dates"])
    assert parsed.reason == reason
    assert parsed.detail


def test_an_unknown_kind_of_question_names_those_there_are():
    assert objective("classes") is classes
    with pytest.raises(InvalidInputError, match="classes"):
        objective("riddles")


FLAGS = [Choice("offensive", "Yu ñaaw"), Choice("unclear", "unclear")]


def test_flags_stand_after_the_labels_under_keys_that_no_label_has() -> None:
    admin = [Choice("admin", "admin")]
    xml = classes.desk_config(question="?", choices=admin, rtl=False, flags=FLAGS)
    aliases = [choice.get("alias") for choice in ET.fromstring(xml).iter("Choice")]  # noqa: S314 - our own
    assert aliases == ["admin", "flag:offensive", "flag:unclear"]


def test_a_flag_is_read_back_and_one_that_is_not_offered_is_not() -> None:
    told = classes.result_of({}, flag="offensive")
    assert classes.parse(told, keys=["admin"], flags=["offensive"]).flag == "offensive"
    assert classes.parse(told, keys=["admin"]).reason == "unknown_label"
    plain = classes.result_of({"label": "offensive"})
    assert classes.parse(plain, keys=["admin"], flags=["offensive"]).reason == "unknown_label"


def test_a_note_may_stand_beside_the_answer_and_is_cut_where_it_does_not_fit() -> None:
    told = classes.result_of({"label": "admin"}, note="ñu ngi ko waxe 🙂")
    read = classes.parse(told, keys=["admin"])
    assert (read.label, read.note, read.reason) == ("admin", "ñu ngi ko waxe 🙂", "")
    # Label Studio has no limit to set, and whoever writes much has answered all the same.
    told[1]["value"] = {"text": ["a" * 400, "b" * 400]}
    read = classes.parse(told, keys=["admin"])
    assert (read.label, len(read.note), read.note[-1]) == ("admin", 500, "…")
    told[1]["value"] = {"text": "no list"}
    assert classes.parse(told, keys=["admin"]).reason == "malformed"
    assert classes.parse(told[1:], keys=["admin"]).reason == "malformed"
    alone = classes.result_of({"label": "admin"}, note="only this")[1:]
    assert classes.parse(alone, keys=["admin"]).reason == "empty"


def test_the_form_asks_for_a_note_that_may_stay_empty_where_it_is_given_words() -> None:
    asked = {"question": "?", "choices": [Choice("admin", "admin")], "rtl": True}
    root = ET.fromstring(classes.desk_config(**asked, note="Leeral < $text"))  # noqa: S314 - our own
    (field,) = root.iter("TextArea")
    assert (field.get("name"), field.get("toName"), field.get("required")) == ("note", "text", None)
    assert "$text" not in root.findall("Header")[-1].get("value")
    assert "TextArea" not in classes.desk_config(**asked)


def test_words_of_another_direction_than_the_texts_run_as_they_do() -> None:
    arabic, english = "عمّ تتحدث؟", "What is it about?"
    for question, rtl in ((arabic, True), (english, False)):
        root = form(Choice("a", "a"), question=question, rtl=not rtl)
        (view,) = [one for one in root.iter("View") if one.find("Header") is not None]
        assert ("rtl" in (view.get("style") or "")) == rtl


def test_choices_run_as_their_own_words_do():
    """An English campaign may ask about Arabic texts, and an Arabic one about English texts."""
    arabic = [Choice("a", "إدارة"), Choice("b", "حسابات")]
    for kind in (classes, several):
        root = ET.fromstring(kind.desk_config(question="?", choices=arabic, rtl=False))  # noqa: S314 - our own
        place = next(part for part in root.iter("View") if part.find("Choices") is not None)
        assert "direction: rtl" in (place.get("style") or ""), kind
        english = kind.desk_config(question="?", choices=[Choice("a", "A")], rtl=True)
        box = ET.fromstring(english).find("Choices")  # noqa: S314 - our own
        assert box is not None, kind


def test_what_is_wrong_with_a_text_is_one_sentence_in_the_language_of_the_page(monkeypatch):
    for text, said in {
        "a\0": "It holds a NUL character at position 2.",
        "a\x04b": "It holds the control character U+0004 at position 2.",
        "\u200b": "It is empty.",
        "a" * 100_001: "It is 100,001 characters long; the most is 100,000.",
    }.items():
        with pytest.raises(InvalidInputError, match=re.escape(said)):
            whole("classes", told=text)
    monkeypatch.setattr(
        "annotation.objectives._", lambda said: said.replace("It is empty.", "Vide.")
    )
    with pytest.raises(InvalidInputError, match=re.escape("The text cannot be taken. Vide.")):
        whole("classes", told=" ")
