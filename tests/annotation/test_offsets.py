"""Offsets: what a browser sends is what Python slices, in every script, and cuts no character."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.methods.offsets import Utf16, clusters, snapped, words
from annotation.methods.spans import SpanError, units

# Each with what is marked in it, and where a browser says that it stands.
MARKED = [
    ("𞤀𞤣𞤵 e 𞤁𞤢𞤳𞤢𞤪", "𞤁𞤢𞤳𞤢𞤪", (9, 19)),  # Adlam
    ("ߊ߬ ߓߘߊ߫ ߕߊ߯ ߓߡߊ߬ߞߐ߫", "ߓߡߊ߬ߞߐ߫", (12, 19)),  # N'Ko with its tones
    ("አበበ ወደ አዲስ አበባ ሄደ", "አዲስ አበባ", (7, 14)),  # Ethiopic
    ("ذَهَبَ مُحَمَّدٌ إِلَى", "مُحَمَّدٌ", (7, 16)),  # Arabic with marks
    ("👩🏾‍🌾👨‍👩‍👧 Awa 👍🏿", "Awa", (16, 19)),  # emoji with joiners
    ("Awa قالت 𞤖𞤢𞤤 (Dakar) 𞤖𞤢𞤤", "Dakar", (17, 22)),  # both directions
    ("ọ̀rọ̀ Ẹ́ko", "Ẹ́ko", (8, 13)),  # two marks on a letter
]


@pytest.mark.parametrize(("text", "meant", "told"), MARKED)
def test_what_a_browser_marks_is_what_python_slices(
    text: str, meant: str, told: tuple[int, int]
) -> None:
    text, meant = (unicodedata.normalize("NFD", one) for one in (text, meant))
    start, end = Utf16(text).code_points(*told)
    assert text[start:end] == meant
    assert Utf16(text).code_units(start, end) == told
    assert snapped(start, end, clusters=clusters(text)) == (start, end)


@pytest.mark.parametrize(
    ("text", "start", "end", "code", "field"),
    [
        ("𞤀𞤣", 1, 2, "half_a_character", "start"),
        ("𞤀𞤣", 0, 3, "half_a_character", "end"),
        ("𞤀𞤣", 0, 5, "past_the_end", "end"),
        ("abc", -1, 2, "past_the_end", "start"),
        ("abc", 0, 2.0, "no_number", "end"),
        ("abc", True, 2, "no_number", "start"),
        ("a\ud83a", 0, 1, "text", "text"),
        ("a\0", 0, 1, "text", "text"),
    ],
)
def test_what_is_no_place_in_the_text_is_refused(
    text: str, start: int, end: int, code: str, field: str
) -> None:
    with pytest.raises(SpanError) as caught:
        Utf16(text).code_points(start, end)
    assert (caught.value.code, caught.value.field) == (code, field)
    assert caught.value.remedy


SIGNS = st.sampled_from(
    "aé\u0301ߞ߫𞤀𞤣𞥅አلم\u0651\u200d\ufe0f\u20e3👩🏾🌾🇸🇳ไป中က္ក्ष .'’-_3,@#\n\r\u0600\uac00\u11a8"
) | st.characters(exclude_categories=("Cs",), exclude_characters="\0")
TEXTS = st.text(SIGNS, max_size=30)


@settings(max_examples=150, deadline=None)
@given(text=TEXTS)
def test_every_place_is_told_as_a_browser_tells_it(text: str) -> None:
    told = Utf16(text)
    for place in range(len(text) + 1):
        units_before = len(text[:place].encode("utf-16-le")) // 2
        assert told.code_units(0, place) == (0, units_before)
        assert told.code_points(units_before, units_before) == (place, place)


@settings(max_examples=150, deadline=None)
@given(text=TEXTS)
def test_taps_cut_no_character_and_no_unit_and_leave_nothing_out(text: str) -> None:
    known, found = clusters(text), words(text)
    assert "".join(text[start:end] for start, end in known) == text
    covered = set[int]()
    for start, end in found:
        assert start < end
        assert snapped(start, end, clusters=known) == (start, end)
        assert not covered & set(range(start, end))
        covered |= set(range(start, end))
    assert all(
        set(range(start, end)) <= covered or not text[start:end].strip()
        for start, end in units(text).tolist()
    )
    assert found == sorted(found)


@pytest.mark.parametrize(
    ("text", "taps"),
    [
        ("Ma'yin l’eau o'zbek.", ["Ma'yin", "l’eau", "o'zbek", "."]),
        ("1.500,5 kg (3%)", ["1.500,5", "kg", "(", "3", "%", ")"]),
        ("#wo_SN @awa", ["#", "wo_SN", "@", "awa"]),
        ("𞤖𞤭𞤯𞤭 ߞߏ߫ አዲስ፡አበባ", ["𞤖𞤭𞤯𞤭", "ߞߏ߫", "አዲስ", "፡", "አበባ"]),
        ("مُحَمَّدٌ، قالت", ["مُحَمَّدٌ", "،", "قالت"]),
        ("ប្រទេស မြန် 中文", ["ប្រ", "ទេ", "ស", "မြ", "န်", "中", "文"]),
        ("བོད་ ꦗꦮ", ["བོ", "ད", "་", "ꦗ", "ꦮ"]),
        ("a \u0301b", ["a", " \u0301b"]),  # a mark on a space is one character with it
        ("👩🏾‍🌾🇸🇳ok", ["👩🏾‍🌾", "🇸🇳", "ok"]),
    ],
)
def test_a_tap_marks_a_word_or_where_there_are_none_a_character(text: str, taps: list[str]) -> None:
    assert [text[start:end] for start, end in words(text)] == taps
