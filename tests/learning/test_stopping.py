"""Stopping: what stops a language, and the two traps that must not."""

import json
from dataclasses import asdict, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import isotonic_regression
from sklearn.metrics import cohen_kappa_score

from learning.methods.stopping import (
    RoundFacts,
    StopPolicy,
    decide,
    isotonic,
    kappa,
    kappa_bound,
    paired_curve,
    slope,
    spread,
)

POLICY = StopPolicy()
CALM = RoundFacts(
    labels=800,
    kappa=0.995,
    agreed_on=300,
    spread=1.0,
    expected_spread=1.05,
    half_width=0.03,
    gain=0.002,
    gain_low=0.0,
    gain_high=0.006,
    change=0.01,
)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def facts_of(before, after, *, labels: int = 800, people=(1, 1, 1)) -> RoundFacts:
    """The facts of a round whose networks said this, calm in everything that is not said."""
    counts = np.bincount(after, minlength=len(people))
    return replace(
        CALM,
        labels=labels,
        kappa=kappa(before, after),
        agreed_on=len(after),
        spread=spread(counts),
        expected_spread=spread(people),
    )


def test_calm_language_stops_and_every_guard_alone_keeps_it_going() -> None:
    assert decide([CALM] * 3, policy=POLICY).verdict == "stop"
    upsets = {
        "agreement": {"kappa": 0.98},
        "spread": {"spread": 0.2},
        "quality": {"half_width": 0.06},
        "gain": {"gain_high": 0.02},
        "drift": {"change": -0.01},
    }
    for name, upset in upsets.items():
        told = decide([CALM, CALM, replace(CALM, **upset)], policy=POLICY)
        assert told.verdict == "go_on"
        assert [guard.name for guard in told.guards if not guard.holds] == [name]


@pytest.mark.parametrize(
    "unknown", ["kappa", "spread", "expected_spread", "half_width", "gain_high", "change"]
)
def test_number_that_is_not_known_does_not_hold(unknown: str) -> None:
    history = [CALM, CALM, replace(CALM, **{unknown: None})]
    assert decide(history, policy=POLICY).verdict == "go_on"


def test_two_rounds_or_a_tiny_stop_set_are_not_enough() -> None:
    assert decide([CALM] * 2, policy=POLICY).verdict == "go_on"
    assert decide([], policy=POLICY).verdict == "go_on"
    assert decide([replace(CALM, agreed_on=49)] * 3, policy=POLICY).verdict == "go_on"


def test_collapsed_network_never_stops() -> None:
    for seed in range(100):
        first = rng(seed).integers(0, 3, 300)
        one = np.full(300, seed % 3)
        # On the way to collapse, collapsed, and collapsed but for a handful that never moves.
        nearly = one.copy()
        nearly[:3] = (nearly[:3] + 1) % 3
        for said in ([first, one, one, one, one], [first, nearly, nearly, nearly, nearly]):
            history = [facts_of(a, b) for a, b in pairwise(said)]
            assert decide(history, policy=POLICY).verdict == "go_on"


def test_small_language_that_still_changes_does_not_stop_with_the_others() -> None:
    """Eight languages; the smallest draws 35 % of its labels anew each round."""
    sizes = np.array([6000, 3000, 1500, 800, 400, 300, 250, 200])
    home = np.repeat(np.arange(8), sizes)
    for seed in range(20):
        one = rng(seed)
        said = [one.integers(0, 3, sizes.sum())]
        for _ in range(4):
            after = said[-1].copy()
            anew = (home == 7) & (one.random(len(home)) < 0.35)
            after[anew] = one.integers(0, 3, anew.sum())
            said.append(after)
        assert kappa(said[-2], said[-1]) > 0.985  # pooled, it looks settled
        verdicts = []
        for tag in range(8):
            mine = [labels[home == tag] for labels in said]
            history = [facts_of(a, b) for a, b in pairwise(mine)]
            verdicts.append(decide(history, policy=POLICY).verdict)
        assert verdicts == ["stop"] * 7 + ["go_on"]


def f_measure(truth, said) -> float:
    return 2 * (truth & said).sum() / max(truth.sum() + said.sum(), 1)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=150, deadline=None)
def test_kappa_bounds_how_far_two_f_measures_lie_apart(seed: int) -> None:
    one = rng(seed)
    for _ in range(14):  # 150 x 14 > 2,000 trials
        truth = one.random(300) < one.uniform(0.02, 0.6)
        noise = one.random(300) < one.uniform(0, 0.5)
        before = np.where(noise, one.random(300) < 0.5, truth)
        after = np.where(one.random(300) < one.uniform(0, 0.1), one.random(300) < 0.5, before)
        agreed = kappa(before, after)
        if agreed is None or agreed <= 0:
            continue
        apart = abs(f_measure(truth, before) - f_measure(truth, after))
        assert apart <= kappa_bound(agreed) + 1e-12


def test_kappa_and_isotonic_agree_with_other_libraries() -> None:
    one = rng(1)
    for _ in range(20):
        a, b = one.integers(0, 4, 60), one.integers(0, 4, 60)
        assert kappa(a, b) == pytest.approx(cohen_kappa_score(a, b))
        curve = one.random((3, 5))
        best = [isotonic_regression(row).x for row in curve]
        np.testing.assert_allclose(isotonic(curve), best, atol=1e-12)
    assert kappa([], []) is None
    assert kappa([1, 1], [1, 1]) is None
    with pytest.raises(ValueError, match="same samples"):
        kappa([0], [0, 1])


def test_budget_stops_whatever_the_guards_say() -> None:
    told = decide([replace(CALM, kappa=0.2)], policy=StopPolicy(budget=800))
    assert (told.verdict, told.cause) == ("stop", "budget")
    assert decide([replace(CALM, labels=799)], policy=StopPolicy(budget=800)).verdict == "go_on"


def test_later_round_takes_a_stop_back() -> None:
    history = [CALM] * 3
    assert decide(history, policy=POLICY).cause == "learned"
    worse = [*history, replace(CALM, change=-0.004)]
    assert decide(worse, policy=POLICY).verdict == "go_on"
    restless = [*history, replace(CALM, kappa=0.9)]
    assert decide(restless, policy=POLICY).verdict == "go_on"
    assert decide([*restless, CALM, CALM, CALM], policy=POLICY).verdict == "stop"


@given(
    st.lists(
        st.builds(
            RoundFacts,
            labels=st.integers(0, 2000),
            kappa=st.none() | st.floats(-1, 1),
            agreed_on=st.integers(0, 400),
            spread=st.none() | st.floats(0, 2),
            expected_spread=st.none() | st.floats(0, 2),
            half_width=st.none() | st.floats(0, 0.5),
            gain=st.none() | st.floats(0, 0.1),
            gain_high=st.none() | st.floats(0, 0.1),
            change=st.none() | st.floats(-0.2, 0.2),
        ),
        max_size=6,
    )
)
@settings(max_examples=150, deadline=None)
def test_verdict_replayed_from_stored_rounds_is_the_same(history: list[RoundFacts]) -> None:
    stored = json.loads(json.dumps([asdict(facts) for facts in history]))
    again = [RoundFacts(**row) for row in stored]
    assert decide(again, policy=POLICY) == decide(history, policy=POLICY)


def test_slope_finds_a_rise_and_knows_how_little_it_knows() -> None:
    curve = [0.60, 0.66, 0.70]
    exact = slope([100, 200, 300], curve, covariance=[1e-8] * 3, rng=rng())
    assert exact.value == pytest.approx(0.0005)
    assert exact.high - exact.low < 1e-5
    vague = slope([100, 200, 300], curve, covariance=[0.01] * 3, rng=rng())
    assert vague.low == 0.0
    assert vague.high > 0.0008
    flat = slope([100, 200, 300], [0.7, 0.69, 0.7], covariance=[1e-8] * 3, rng=rng())
    assert flat.high < 5e-5
    assert slope([100], [0.7], covariance=[0.1], rng=rng()) is None


def test_same_items_tell_a_gain_that_other_items_could_not() -> None:
    one = rng(3)
    first = one.random(200) < 0.7
    third = first | (one.random(200) < 0.15)
    means, covariance = paired_curve([first, first, third])
    paired = slope([100, 200, 300], means, covariance=covariance, rng=rng())
    apart = slope([100, 200, 300], means, covariance=np.diag(covariance), rng=rng())
    assert paired.low > 0
    assert paired.high - paired.low < 0.8 * (apart.high - apart.low)


def test_slope_intervals_cover_a_true_rise() -> None:
    hits = 0
    for seed in range(60):
        one = rng(seed)
        chance = one.random(250)
        outcomes = [chance < level for level in (0.60, 0.64, 0.68)]
        means, covariance = paired_curve(outcomes)
        found = slope([100, 200, 300], means, covariance=covariance, rng=one, draws=400)
        hits += found.low <= 0.08 / 200 <= found.high
    assert hits >= 53


def test_policy_that_would_always_or_never_stop_is_refused() -> None:
    for wrong in ({"kappa": 0.0}, {"rounds": 0}, {"half_width": 0.0}, {"least_gain": -1.0}):
        with pytest.raises(ValueError, match=r"kappa|half_width"):
            StopPolicy(**wrong)
