"""Sets, abstaining, prediction-powered means, scaling and the gain, against truth that is known."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from annotation.methods import aggregation
from learning.methods import conformal, selective
from learning.methods.calibration import fit_temperatures
from learning.methods.gain import Arm, selection_gain
from learning.methods.metrics import nll_of_each
from learning.methods.ppi import powered_mean
from learning.methods.probabilities import softmax
from learning.methods.scaling import choose_scaling


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def drawn(n: int, *, classes: int = 5, heat: float = 1.0, seed: int = 0):
    """Logits and truths such that softmax(logits / heat) is exactly honest."""
    one = rng(seed)
    z = one.standard_normal((n, classes)) * 1.5
    truth = (z + one.gumbel(size=z.shape)).argmax(axis=1)
    return z * heat, truth


def scores(n: int, **how):
    z, truth = drawn(n, **how)
    return conformal.of_truth(conformal.lac(softmax(z)), truth=truth)


@pytest.mark.parametrize("kind", ["lac", "raps"])
@pytest.mark.parametrize("n", [9, 50, 200])
def test_own_rule_holds_the_truth_as_often_as_promised(kind: str, n: int) -> None:
    """10,000 draws of gold and one item: the share of misses lies within binomial bounds."""
    draws = 10_000
    z, truth = drawn(draws + n, seed=n)
    p = softmax(z)
    told = conformal.lac(p) if kind == "lac" else conformal.raps(p, rng=rng(n))
    score = conformal.of_truth(told, truth=truth)
    one = rng(7)
    held = 0
    for _ in range(draws):
        at = one.integers(0, len(score), n + 1)
        ordered = np.sort(score[at[:-1]])
        place = math.ceil(round((n + 1) * 0.9, 9))
        held += score[at[-1]] <= (ordered[place - 1] if place <= n else math.inf)
    rule = conformal.mondrian({"wo": score[at[:-1]]})["wo"]
    assert rule.threshold == ordered[place - 1]
    ceiling = math.ceil(round((n + 1) * 0.9, 9)) / (n + 1)
    assert binom.ppf(1e-4, draws, 0.9) <= held <= binom.ppf(1 - 1e-4, draws, ceiling)


def test_language_with_hardly_any_gold_gets_every_label() -> None:
    rules = conformal.weighted({"wo": scores(300), "qu": scores(8), "aa": []})
    for tag in ("qu", "aa"):
        assert rules[tag].threshold == math.inf
        assert rules[tag].approximate
        told = conformal.lac(softmax(drawn(5)[0]))
        assert conformal.label_sets(told, threshold=rules[tag].threshold).all()
    assert not rules["wo"].approximate


def test_leaning_on_others_keeps_small_languages_near_the_promise() -> None:
    """Where a language has 10 gold items: fewer languages fall far short than each by itself."""
    short = {"mondrian": [], "weighted": []}
    for seed in range(12):
        one = rng(seed)
        heats = np.exp(one.normal(0.3, 0.3, 10))
        gold = {str(i): scores(10, heat=h, seed=seed * 100 + i) for i, h in enumerate(heats)}
        test = {str(i): scores(2000, heat=h, seed=9000 + i) for i, h in enumerate(heats)}
        found = {
            "mondrian": conformal.mondrian(gold),
            "weighted": conformal.weighted(gold),
        }
        for name, rules in found.items():
            short[name] += [(test[t] <= rules[t].threshold).mean() < 0.85 for t in gold]
    assert np.mean(short["weighted"]) < np.mean(short["mondrian"]) - 0.03
    assert np.mean(short["weighted"]) < 0.15


def test_no_other_language_moves_a_rule_of_its_own() -> None:
    gold = {"wo": scores(60), "qu": scores(40, seed=1)}
    other = gold | {"qu": scores(400, heat=4.0, seed=2)}
    assert conformal.mondrian(gold)["wo"] == conformal.mondrian(other)["wo"]
    assert conformal.weighted(gold)["wo"].threshold != conformal.weighted(other)["wo"].threshold
    near = conformal.weighted(gold, pseudo=0.0)["wo"].threshold
    assert near == conformal.mondrian(gold)["wo"].threshold


@given(st.integers(0, 60), st.integers(1, 60))
@settings(max_examples=60, deadline=None)
def test_upper_bound_of_risk_is_that_of_clopper_and_pearson(wrong: int, more: int) -> None:
    items = wrong + more
    exact = binomtest(wrong, items, alternative="less").proportion_ci(0.95, "exact").high
    assert selective.clopper_pearson(wrong, items=items) == pytest.approx(exact)


@pytest.mark.parametrize("n", [60, 300])
def test_network_that_answers_alone_breaks_its_promise_no_more_often_than_agreed(n: int) -> None:
    """Risk 11 % whatever the confidence: every threshold is wrong. Naively 1 in 9 is chosen."""
    broken = sum(
        selective.answer_alone(one.random(n), correct=one.random(n) < 0.89, risk=0.1).threshold
        is not None
        for one in map(rng, range(400))
    )
    assert broken <= binom.ppf(0.999, 400, 0.05)


def test_confident_half_is_answered_and_the_rest_goes_to_people() -> None:
    one = rng(1)
    sure = one.random(2000)
    rule = selective.answer_alone(sure, correct=(sure > 0.5) | (one.random(2000) < 0.3), risk=0.1)
    assert 0.3 < rule.threshold < 0.5
    assert rule.risk < rule.bound <= 0.1
    nobody = selective.answer_alone(sure, correct=one.random(2000) < 0.5, risk=0.1)
    assert (nobody.threshold, nobody.answered) == (None, 0.0)
    assert selective.answer_alone([], correct=[]).threshold is None


def test_area_knows_a_good_order_from_a_blind_one() -> None:
    one = rng(0)
    right = one.random(500) < 0.7
    blind = selective.aurc(np.full(500, 0.5), correct=right)
    assert blind == pytest.approx(1 - right.mean())
    assert selective.aurc(right + one.random(500) / 2, correct=right) < blind / 3
    assert selective.aurc([], correct=[]) is None


def crowd(seed: int, *, gold: int, items: int = 1600):
    """Gold outcomes, the same measured by people unclamped, and that of the other items."""
    one = rng(seed)
    truth = one.integers(0, 3, items)
    best = np.where(one.random(items) < 0.65, truth, one.integers(0, 3, items))
    skill = np.array([0.85, 0.8, 0.9, 1 / 3, 0.75])
    item = np.repeat(np.arange(items), 2)
    person = one.permuted(np.tile(np.arange(5), (items, 1)), axis=1)[:, :2].ravel()
    said = np.where(one.random(2 * items) < skill[person], truth[item], one.integers(0, 3))
    is_gold = np.arange(items) < gold
    q = np.zeros((items, 3))
    for fold in range(2):
        known = np.where(is_gold & (np.arange(items) % 2 == fold), truth, aggregation.UNKNOWN)
        told = aggregation.fit(aggregation.Answers(item, person, said, known, 5, 3), rounds=20)
        q += np.where((known == aggregation.UNKNOWN)[:, None], told.posterior, 0)
    q /= np.where(is_gold, 1, 2)[:, None]
    f, g = q[np.arange(items), best], (best == truth).astype(float)
    return g[:gold], f[:gold], f[gold:], g.mean()


def test_people_and_gold_together_are_unbiased_and_narrower_than_gold_alone() -> None:
    hit, errors, alone, cheap, worth = 0, [], [], [], []
    for seed in range(60):
        g, f, rest, truth = crowd(seed, gold=80, items=800)
        found = powered_mean(g, proxy=f, rest=rest)
        hit += found.estimate.low <= truth <= found.estimate.high
        errors.append(found.estimate.value - truth)
        alone.append(g.mean() - truth)
        cheap.append(rest.mean() - truth)
        worth.append(found.worth)
    assert hit >= 53
    assert abs(np.mean(errors)) < 0.015 < abs(np.mean(cheap))
    assert np.std(errors) < 0.9 * np.std(alone)
    assert np.mean(worth) > 1.4


def test_cheap_measure_that_says_nothing_is_not_listened_to() -> None:
    g = (rng(0).random(60) < 0.7).astype(float)
    silent = powered_mean(g, proxy=np.full(60, 0.5), rest=np.full(500, 0.5))
    noise = powered_mean(g, proxy=-g, rest=rng(1).random(500))
    few = powered_mean(g[:19], proxy=g[:19], rest=rng(1).random(500))
    for found, gold in ((silent, g), (noise, g), (few, g[:19])):
        assert found.trust == 0.0
        assert found.estimate.value == pytest.approx(gold.mean())
    with pytest.raises(ValueError, match="there must be one"):
        powered_mean([], proxy=[], rest=[1.0])


def test_vector_only_where_there_is_gold_enough_and_it_helps() -> None:
    z, truth = drawn(3000, classes=3)
    bent = z * [1.0, 2.0, 0.5] + [1.0, 0.0, -1.0]
    few, many = slice(0, 59), slice(0, 300)
    kinds = {}
    for name, logits in (("fine", z), ("bent", bent)):
        for size, at in (("few", few), ("many", many)):
            heat = fit_temperatures({"wo": (logits[at], truth[at])})["wo"].value
            found = choose_scaling(logits[at], truth=truth[at], temperature=heat, rng=rng())
            kinds[name, size] = found.kind
            losses = [
                nll_of_each(softmax(told), truth=truth[300:]).mean()
                for told in (found.apply(logits[300:]), logits[300:] / heat)
            ]
            assert losses[0] <= losses[1] + 1e-12
    assert kinds == {
        ("fine", "few"): "temperature",
        ("fine", "many"): "temperature",
        ("bent", "few"): "temperature",
        ("bent", "many"): "vector",
    }


def arms(seed: int, *, useful: bool, rounds: int = 8):
    """Random picks from everywhere; chosen ones the same, or from where labels are not obvious."""
    one = rng(seed)
    middle = one.standard_normal((4, 12)) * 0.9

    def draw(n: int, classes: int):
        y = one.integers(0, classes, n)
        return middle[y] + one.standard_normal((n, 12)), y

    def arm(n: int, classes: int, spoilt: float = 0.0) -> Arm:
        x, y = draw(n, classes)
        wrong = one.random(n) < spoilt
        return Arm(x, np.where(wrong, one.integers(0, 4, n), y), np.arange(n) % rounds)

    gold, truth = draw(200, 4)
    random = arm(64, 4, spoilt=0.6 if useful else 0.0)
    return arm(400, 4), random, gold, truth


def test_no_gain_is_shown_as_none_and_a_gain_is_found() -> None:
    covered, found = 0, 0
    for seed in range(10):
        chosen, random, gold, truth = arms(seed, useful=False)
        nothing = selection_gain(
            chosen, random=random, gold=gold, truth=truth, rng=rng(seed), draws=20
        )
        covered += nothing.estimate.low <= 0 <= nothing.estimate.high
        assert nothing.labels == 32
        chosen, random, gold, truth = arms(seed, useful=True)
        gain = selection_gain(
            chosen, random=random, gold=gold, truth=truth, rng=rng(seed), draws=20
        )
        found += gain.estimate.low > 0
        # What it is the difference of is told beside it, each with an interval of its own.
        both = gain.chosen, gain.random
        assert both[0].value - both[1].value == pytest.approx(gain.estimate.value)
        assert all(one.low < one.value < one.high for one in both)
    assert covered >= 8
    assert found >= 8


def test_rounds_without_chosen_samples_do_not_count() -> None:
    chosen, random, gold, truth = arms(0, useful=False)
    late = Arm(chosen.features, chosen.labels, chosen.rounds + 100)
    told = selection_gain(late, random=random, gold=gold, truth=truth, rng=rng())
    assert (told.estimate, told.labels) == (None, 0)
