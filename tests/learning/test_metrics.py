"""Metrics and calibration, against other people's formulas and against truth that is known."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, f1_score, log_loss

from config.env import ROOT
from learning.methods import metrics
from learning.methods.calibration import fit_temperatures
from learning.methods.probabilities import faults, softmax

METHODS = (
    "acquisition calibration conformal gain metrics ppi probabilities quotas relabelling"
    " requests scaling selection selective stopping"
)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def drawn(n: int, *, classes: int = 4, heat: float = 1.0, seed: int = 0):
    """Logits and truths such that softmax(logits / heat) is exactly honest."""
    one = rng(seed)
    z = one.standard_normal((n, classes)) * 2
    truth = (z + one.gumbel(size=z.shape)).argmax(axis=1)
    return z * heat, truth


def test_values_agree_with_scikit_learn() -> None:
    z, truth = drawn(300)
    p = softmax(z)
    predicted = rng(3).integers(0, 4, 300)
    f1 = metrics.macro_f1(predicted, truth=truth, classes=4, rng=rng())
    assert f1.value == pytest.approx(f1_score(truth, predicted, average="macro"))
    assert metrics.nll(p, truth=truth, rng=rng()).value == pytest.approx(log_loss(truth, p))
    brier = metrics.brier(p, truth=truth, rng=rng()).value
    assert brier == pytest.approx(brier_score_loss(truth, p, scale_by_half=False))


def test_classes_that_never_occur_do_not_count() -> None:
    few = metrics.macro_f1([0, 0, 1], truth=[0, 1, 1], classes=2, rng=rng())
    many = metrics.macro_f1([0, 0, 1], truth=[0, 1, 1], classes=9, rng=rng())
    assert few.value == many.value


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    hit = {"accuracy": 0, "brier": 0, "f1": 0, "macro": 0}
    z, truth = drawn(40_000, seed=9)
    p = softmax(z)
    right = p.argmax(1) == truth
    whole = {
        "accuracy": right.mean(),
        "brier": metrics.brier_of_each(p, truth=truth).mean(),
        "f1": metrics.macro_f1(p.argmax(1), truth=truth, classes=4, rng=rng()).value,
        "macro": right.mean(),
    }
    for seed in range(80):
        at = rng(seed).integers(0, 40_000, 150)
        found = {
            "accuracy": metrics.accuracy(right[at]),
            "brier": metrics.brier(p[at], truth=truth[at], rng=rng(seed)),
            "f1": metrics.macro_f1(p[at].argmax(1), truth=truth[at], classes=4, rng=rng(seed)),
            "macro": metrics.macro_mean(
                {"a": right[at[:100]], "b": right[at[100:]]}, rng=rng(seed)
            ),
        }
        for name, estimate in found.items():
            hit[name] += estimate.low <= whole[name] <= estimate.high
    assert all(0.85 <= count / 80 <= 1.0 for count in hit.values()), hit


@given(hits=st.integers(0, 50), misses=st.integers(0, 50))
@settings(max_examples=100, deadline=None)
def test_wilson_stays_inside_and_around(hits: int, misses: int) -> None:
    if not hits + misses:
        with pytest.raises(ValueError, match="no items"):
            metrics.accuracy([])
        return
    estimate = metrics.accuracy([True] * hits + [False] * misses)
    assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
    assert estimate.low < estimate.high


def test_pairs_are_narrower_than_two_intervals() -> None:
    old = rng(1).random(200) < 0.7
    new = old | (rng(2).random(200) < 0.2)
    gain = metrics.paired_difference(new, old=old, rng=rng())
    assert gain.value == pytest.approx(new.mean() - old.mean())
    assert gain.low > 0
    apart = metrics.accuracy(new), metrics.accuracy(old)
    assert gain.high - gain.low < sum(one.high - one.low for one in apart) / 2
    with pytest.raises(ValueError, match="same items"):
        metrics.paired_difference([1, 0], old=[1], rng=rng())


def test_macro_mean_weighs_languages_not_items() -> None:
    values = {"wo": np.ones(900), "qu": np.zeros(30)}
    estimate = metrics.macro_mean(values, rng=rng())
    assert (estimate.value, estimate.low, estimate.high) == (0.5, 0.5, 0.5)
    one = metrics.macro_mean({"a": rng(1).random(50), "b": rng(2).random(9)}, rng=rng())
    turned = metrics.macro_mean({"b": rng(2).random(9), "a": rng(1).random(50)}, rng=rng())
    assert one == turned


def test_honest_network_has_hardly_any_calibration_error_and_a_boaster_has() -> None:
    honest, boasting = [], []
    for seed in range(8):
        z, truth = drawn(400, seed=seed)
        honest.append(metrics.adaptive_ece(softmax(z), truth=truth, rng=rng()))
        boasting.append(metrics.adaptive_ece(softmax(3 * z), truth=truth, rng=rng()))
    assert np.mean([one.value for one in honest]) < 0.02
    assert min(one.low for one in boasting) > 0.03
    assert sum(one.low == 0 for one in honest) >= 5
    assert metrics.adaptive_ece(softmax(z[:249]), truth=truth[:249], rng=rng()) is None


def test_temperature_is_found_and_honest_logits_keep_theirs() -> None:
    gold = {f"hot{i}": drawn(1500, heat=2.5, seed=i) for i in range(3)}
    gold |= {f"fine{i}": drawn(1500, heat=1.0, seed=10 + i) for i in range(3)}
    fitted = fit_temperatures(gold)
    for tag, one in fitted.items():
        truth = 2.5 if tag.startswith("hot") else 1.0
        assert one.value == pytest.approx(truth, rel=0.12)
        assert one.low <= truth * 1.02
        assert one.high >= truth * 0.98


def test_shrunk_is_never_worse_than_alone_or_pooled_with_ten_gold_items() -> None:
    """Mean NLL over languages and seeds, as many gold items as a small language has."""
    losses = {"none": [], "alone": [], "shrunk": []}
    for seed in range(2):
        heats = np.exp(rng(seed).normal(0.5, 0.3, 8))
        sets = {f"l{i}": drawn(1000, heat=h, seed=100 * seed + i) for i, h in enumerate(heats)}
        small = {tag: (z[:10], y[:10]) for tag, (z, y) in sets.items()}
        shrunk = fit_temperatures(small)
        for tag, (z, y) in sets.items():
            alone = min(
                np.geomspace(0.05, 20, 25),
                key=lambda t, tag=tag: metrics.nll_of_each(
                    softmax(small[tag][0], temperature=float(t)), truth=small[tag][1]
                ).mean(),
            )
            for name, t in (("none", 1.0), ("alone", alone), ("shrunk", shrunk[tag].value)):
                p = softmax(z[10:], temperature=float(t))
                losses[name].append(metrics.nll_of_each(p, truth=y[10:]).mean())
    mean = {name: np.mean(values) for name, values in losses.items()}
    assert mean["shrunk"] < mean["none"]
    assert mean["shrunk"] < mean["alone"]


def test_language_without_gold_borrows_and_without_any_keeps_one() -> None:
    fitted = fit_temperatures(
        {"a": drawn(900, heat=3), "b": drawn(900, heat=3, seed=5), "c": ([], [])}
    )
    assert 2.0 < fitted["c"].value < 3.5
    assert fitted["c"].high - fitted["c"].low > fitted["a"].high - fitted["a"].low
    assert fit_temperatures({"c": ([], [])})["c"].value == pytest.approx(1.0)
    assert fit_temperatures({}) == {}
    with pytest.raises(ValueError, match="not finite"):
        fit_temperatures({"a": ([[np.nan, 1.0]], [0])})


def test_one_right_answer_makes_no_temperature_extreme() -> None:
    right = fit_temperatures({"a": ([[9.0, 0.0]], [0])})["a"]
    wrong = fit_temperatures({"a": ([[9.0, 0.0]], [1])})["a"]
    assert 0.5 < right.value < 1.1 < wrong.value < 10
    assert right.low < right.value < right.high


def test_softmax_refuses_temperatures_that_are_none() -> None:
    for bad in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="positive"):
            softmax([[1.0, 2.0]], temperature=bad)
    rows = [[1.0, 0.0], [np.inf, 0.0], [0.2, 0.2]]
    assert faults(rows, ids=["a", "b", "c"]) == {"b": "inf"}
    assert faults(rows, ids=["a", "b", "c"], probabilities=True) == {"b": "inf", "c": "bad_sum"}


def test_methods_need_numpy_and_scipy_alone() -> None:
    heavy = "django torch sklearn celery transformers pandas"
    code = (
        f"import importlib, sys; [importlib.import_module('learning.methods.' + n) for n in '{METHODS}'.split()];"
        f"sys.exit(' '.join(n for n in '{heavy}'.split() if n in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stderr.strip() == ""
