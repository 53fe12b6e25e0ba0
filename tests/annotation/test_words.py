"""How pages write numbers and texts, and what charts say in words."""

import pytest
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from annotation.methods.charts import Estimate, axis, band
from annotation.models import Language
from annotation.templatetags.charts import Comparison, Series, curve, dots, spark
from annotation.templatetags.words import interval, sample_text, signed, size

LANGUAGE = Language(tag="ar", name="Arabic", script="Arab", direction="rtl")


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ((0.61, 0.57, 0.65), "0.61 (0.57–0.65)"),
        ((-0.031, -0.05, 0.01), "−0.03 (−0.05 to 0.01)"),
        ((-0.001, None, None), "0.00"),
        ((1.0, None, None), "1.00"),
    ],
)
def test_intervals_are_written_so(
    numbers: tuple[float, float | None, float | None], words: str
) -> None:
    assert interval(*numbers) == f'<bdi class="num" dir="ltr">{words}</bdi>'


def test_what_was_not_measured_is_no_number() -> None:
    assert "not measured" in interval(None, None, None)


def test_differences_carry_their_sign() -> None:
    assert "+0.030 (−0.010 to +0.070)" in signed(0.03, -0.01, 0.07)
    assert ">0.000<" in signed(0.00001)


def test_texts_are_inert_and_know_their_language() -> None:
    shown = sample_text('<img onerror="x">"', LANGUAGE)
    assert shown.startswith('<span class="sample" lang="ar-Arab" dir="auto">&lt;img')
    assert "<img" not in shown


def test_sizes_read_well() -> None:
    assert [size(n) for n in (0, 999, 2_400_000, 31_000_000_000)] == [
        "0.0 B",
        "999 B",
        "2.4 MB",
        "31 GB",
    ]


@given(st.lists(st.floats(-1e6, 1e6), max_size=30))
def test_an_axis_holds_all_its_values(values: list[float]) -> None:
    scale = axis(values)
    assert scale.low < scale.high
    hair = 1e-6 * (scale.high - scale.low)
    assert all(scale.low - hair <= v <= scale.high + hair for v in values)
    assert all(0 <= scale.share(v) <= 100 for v in values)
    assert 2 <= len(scale.ticks) <= 9


def test_a_band_goes_there_and_back() -> None:
    unit = axis([0.0, 1.0])
    assert band([], across=unit, up=unit) == ""
    assert band([(0, 0.2, 0.8)], across=unit, up=unit).endswith("Z")


def test_charts_say_themselves_in_words() -> None:
    small = spark([Estimate(), Estimate(0.5, 0.4, 0.6), Estimate(0.7, 0.6, 0.8)], "Arabic")
    assert small["description"] == "0.50, 0.70"
    pair = dots([Comparison(LANGUAGE, Estimate(0.5, 0.4, 0.6), Estimate())], "Accuracy")
    assert pair["rows"][0]["words"] == "Arabic: 0.50 before, not measured after"
    drawn = curve([Series("loss", [(0, 2.0), (10, 0.5)])], "Loss", "step", "loss")
    assert "loss from 2.000 to 0.500" in drawn["description"]
    assert [row["x"] for row in drawn["rows"]] == [0, 10]


def test_charts_without_numbers_stand() -> None:
    assert spark([], "none")["line"] == ""
    assert curve([Series("loss", [])], "Loss", "step", "loss")["rows"] == []
    assert dots([], "none")["rows"] == []


def test_a_long_curve_is_thinned_but_keeps_its_ends() -> None:
    drawn = curve([Series("loss", [(k, 1.0) for k in range(1000)])], "Loss", "step", "loss")
    assert len(drawn["rows"]) == 25
    assert (drawn["rows"][0]["x"], drawn["rows"][-1]["x"]) == (0, 999)


def test_a_word_between_two_numbers_turns_neither_round_where_pages_run_to_the_left() -> None:
    with translation.override("ar"):
        assert "(−0,15 \u2068إلى\u2069 0,12)" in interval(-0.02, -0.15, 0.12)
        assert size(14_000_000) == "\u206614 MB\u2069"
    assert "(−0.15 to 0.12)" in interval(-0.02, -0.15, 0.12)
