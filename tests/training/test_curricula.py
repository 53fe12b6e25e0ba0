"""Curricula: relatives follow one another, whatever their scripts and however many texts."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from training.methods.curricula import by_likeness, nearest_first, profiles

TEXTS = {
    "id": ["saya sangat suka makan nasi goreng di warung itu", "pelayanan hotel ini sangat baik"],
    "ms": [
        "saya sangat suka makan nasi lemak di kedai itu",
        "layanan hotel ini sangat baik sekali",
    ],
    "wo": ["bëgg naa lekk ceeb ci restaurant bi", "hotel bi rafet na lool"],
    "ru": ["мне очень нравится есть рис в этом кафе", "обслуживание в отеле очень хорошее"],
    "uk": ["мені дуже подобається їсти рис у цьому кафе", "обслуговування в готелі дуже добре"],
}


def told(*tags):
    return [text for tag in tags for text in TEXTS[tag]], [t for tag in tags for t in (tag, tag)]


def test_relatives_follow_one_another():
    texts, languages = told("uk", "wo", "ms", "ru", "id")
    order = by_likeness([*texts, "saya"], [*languages, "id"])
    assert order[:2] == ["id", "ms"]
    assert abs(order.index("ru") - order.index("uk")) == 1


def test_it_begins_with_what_is_known_best():
    texts, languages = told("uk", "wo", "ru")
    known = [tag == "ru" for tag in languages]
    assert by_likeness(texts, languages, known=known) == ["ru", "uk", "wo"]
    assert by_likeness(texts, languages)[0] == "ru"  # the first of the alphabet, all being alike


def test_language_without_words_comes_last():
    texts, languages = told("wo", "id")
    assert by_likeness([*texts, "", ""], [*languages, "xx", "xx"])[-1] == "xx"


def test_profile_is_the_habit_and_not_the_amount():
    tags, rows = profiles(["abc", "abc", "abc"], ["wo", "qu", "qu"])
    assert tags == ("qu", "wo")
    np.testing.assert_allclose(rows @ rows.T, 1.0)


@given(st.integers(1, 9), st.integers(0, 8))
def test_everyone_comes_once(count, start):
    rows = np.random.default_rng(count).normal(size=(count, 4))
    order = nearest_first(rows, start=start % count)
    assert order[0] == start % count
    assert sorted(order) == list(range(count))
