"""The people's gate: who passes, who is held, and when nothing can be told."""

import numpy as np
import pytest

from annotation.methods.duels import Duel
from training.methods.judged import comparisons_needed, non_inferior, win_share
from training.methods.paired import tango_interval


def duel(outcome: np.ndarray, *, raters: int = 6, first: np.ndarray | None = None) -> Duel:
    number = np.arange(len(outcome))
    sides = number % 2 == 0 if first is None else first
    return Duel.of(outcome, rater=(number // 2) % raters, item=number, first=sides)


def made(rng: np.random.Generator, *, share: float, taste: float = 0.0, number: int = 400) -> Duel:
    """Choices of 6 raters, 30 % ties, who win so often for the candidate on average."""
    rater = np.arange(number) % 6
    lean = rng.normal(0, taste, 6)[rater] + 2 * share - 1
    win = np.clip((0.7 + lean) / 2, 0, 0.7)
    drawn = rng.random(number)
    outcome = np.where(drawn < win, 1, np.where(drawn < 0.7, -1, 0))
    return Duel.of(outcome, rater=rater, item=np.arange(number), first=rng.random(number) < 0.5)


def test_independent_choices_give_tangos_interval() -> None:
    outcome = np.random.default_rng(0).permutation([1] * 500 + [-1] * 400 + [0] * 600)
    found = win_share(duel(outcome, raters=300))
    low, high = tango_interval(500, broken=400, items=1500, level=0.95)
    assert found.low == pytest.approx((1 + low) / 2, abs=0.006)
    assert found.high == pytest.approx((1 + high) / 2, abs=0.006)


def test_a_better_candidate_passes_and_a_worse_one_is_blocked() -> None:
    rng = np.random.default_rng(1)
    good, bad = (non_inferior(made(rng, share=share)) for share in (0.6, 0.35))
    assert (good.verdict, bad.verdict) == ("PASS", "BLOCK")
    assert good.missing is None
    assert bad.harm_p < 0.05 < good.harm_p
    assert good.finding.holds
    assert good.finding.sentence.startswith("Not worse: 400 choices by 6 raters")
    assert good.share.low > 0.45 > bad.share.high


def test_too_few_choices_are_held_with_how_many_are_missing() -> None:
    held = non_inferior(made(np.random.default_rng(2), share=0.5, number=60))
    assert held.verdict == "HOLD"
    assert 200 < held.missing < 2000
    assert f"about {held.missing} more choices" in held.finding.sentence


def test_raters_who_differ_widely_are_held_however_many_choices() -> None:
    taste = np.where((np.arange(6000) // 2) % 6 < 3, 1, -1)
    held = non_inferior(duel(taste))
    assert held.verdict == "HOLD"
    assert held.missing is None
    assert held.harm_p > 0.05
    assert "more raters are needed" in held.finding.sentence


def test_one_rater_does_not_speak_for_others() -> None:
    alone = non_inferior(duel(np.ones(400, int), raters=1))
    assert (alone.verdict, alone.finding.holds) == ("HOLD", False)
    assert non_inferior(duel(np.ones(400, int), raters=2)).verdict == "PASS"


def test_nothing_and_sides_that_were_not_drawn_are_void() -> None:
    nothing = non_inferior(duel(np.array([], int)))
    assert (nothing.verdict, nothing.finding.holds) == ("VOID", False)
    shown_first = non_inferior(duel(np.ones(100, int), first=np.ones(100, bool)))
    assert shown_first.verdict == "VOID"
    assert "100 of 100" in shown_first.finding.sentence


def test_ties_alone_show_that_nothing_is_lost() -> None:
    assert non_inferior(duel(np.zeros(200, int))).verdict == "PASS"
    assert non_inferior(duel(np.zeros(10, int))).verdict == "HOLD"


@pytest.mark.parametrize("taste", [0.0, 0.15])
def test_a_candidate_at_the_margin_seldom_passes_and_intervals_hold_the_truth(
    taste: float,
) -> None:
    rng = np.random.default_rng(5)
    passed, inside = [], []
    for _ in range(120):
        told = made(rng, share=0.45, taste=taste, number=240)
        passed.append(non_inferior(told).verdict == "PASS")
        share = win_share(told)
        inside.append(share.low <= 0.45 <= share.high)
    assert np.mean(passed) <= 0.09
    assert 0.9 <= np.mean(inside) <= 1.0


def test_the_number_asked_for_gives_the_power_it_promises() -> None:
    rng = np.random.default_rng(6)
    number = comparisons_needed(0.08, raters=6)
    passed = [
        non_inferior(made(rng, share=0.5, number=number), margin=0.08).verdict == "PASS"
        for _ in range(150)
    ]
    assert 0.68 <= np.mean(passed) <= 0.92


def test_more_is_needed_for_less_and_more_raters_help() -> None:
    assert comparisons_needed(0.03, raters=6) > comparisons_needed(0.05, raters=6)
    assert comparisons_needed(0.05, raters=6, between=0.005) > comparisons_needed(0.05, raters=6)
    assert comparisons_needed(0.05, raters=3, between=0.2) is None
    with pytest.raises(ValueError, match="margin"):
        comparisons_needed(0.0, raters=6)
