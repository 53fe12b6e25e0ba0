"""Disagreement and sequences: values against plain definitions, batches against brute force."""

from itertools import combinations, product

import numpy as np
import pytest

from learning.methods.disagreement import bald, batch_bald, expected_entropy, predictive_entropy


def opinions(count: int, *, passes: int = 5, classes: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet([0.4] * classes, size=(count, passes))


def information(batch: np.ndarray) -> float:
    """I(labels; weights) of a small batch by counting every joint outcome."""
    count, _, classes = batch.shape
    total = 0.0
    for labels in product(range(classes), repeat=count):
        chances = np.prod([batch[i, :, k] for i, k in enumerate(labels)], axis=0)
        mean = chances.mean()
        total -= mean * np.log(mean)
    own = -(batch * np.log(batch)).sum(axis=2).mean(axis=1).sum()
    return total - own


def test_bald_is_the_entropy_of_the_mean_less_the_mean_of_the_entropies() -> None:
    mc = opinions(40)
    mean = mc.mean(axis=1)
    own = -(mc * np.log(mc)).sum(axis=2).mean(axis=1)
    together = -(mean * np.log(mean)).sum(axis=1)
    assert np.allclose(predictive_entropy(mc), together, atol=1e-12)
    assert np.allclose(expected_entropy(mc), own, atol=1e-12)
    assert np.allclose(bald(mc), together - own, atol=1e-12)
    assert np.allclose(bald(mc), [information(mc[i : i + 1]) for i in range(40)], atol=1e-12)
    assert bald(np.repeat(mc[:, :1], 5, axis=1)) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_batch_bald_is_the_greedy_batch_of_the_exact_joint_information(seed: int) -> None:
    mc = opinions(14, passes=4, seed=seed)
    picks: list[int] = []
    for _ in range(3):
        rest = [i for i in range(14) if i not in picks]
        picks.append(max(rest, key=lambda i: information(mc[[*picks, i]])))
    found = batch_bald(mc, count=3, rng=np.random.default_rng(0))
    assert found.tolist() == picks
    best = max(information(mc[list(some)]) for some in combinations(range(14), 3))
    assert information(mc[found]) >= (1 - 1 / np.e) * best


def test_batch_bald_does_not_ask_the_same_thing_twice_where_bald_does() -> None:
    mc = opinions(30, passes=6, seed=3)
    best = int(bald(mc).argmax())
    mc = np.concatenate([mc, np.repeat(mc[best : best + 1], 10, axis=0)])
    copies = {best, *range(30, 40)}
    top = set(np.argsort(-bald(mc))[:6].tolist())
    batch = set(batch_bald(mc, count=6, rng=np.random.default_rng(0)).tolist())
    assert len(copies & top) == 6
    assert len(copies & batch) < 3


def test_batch_bald_by_sampling_stays_close_to_the_exact_batch() -> None:
    mc = opinions(25, passes=6, seed=1)
    exact = batch_bald(mc, count=7, rng=np.random.default_rng(0))
    sampled = batch_bald(mc, count=7, rng=np.random.default_rng(0), most=300)
    assert information(mc[sampled]) > 0.99 * information(mc[exact])
    again = batch_bald(mc, count=7, rng=np.random.default_rng(0), most=300)
    assert again.tolist() == sampled.tolist()


def test_batch_bald_knows_no_order_of_the_input() -> None:
    mc = opinions(30, seed=5)
    mc[10:20] = mc[:10]
    lots = np.random.default_rng(1).permutation(30).astype(np.uint64)
    first = batch_bald(mc, count=8, rng=np.random.default_rng(0), lots=lots)
    turn = np.random.default_rng(2).permutation(30)
    other = batch_bald(mc[turn], count=8, rng=np.random.default_rng(0), lots=lots[turn])
    assert turn[other].tolist() == first.tolist()


def test_batch_bald_gives_what_there_is_and_no_more() -> None:
    assert sorted(batch_bald(opinions(3), count=9, rng=np.random.default_rng(0))) == [0, 1, 2]
    assert not len(batch_bald(opinions(3), count=0, rng=np.random.default_rng(0)))
    with pytest.raises(ValueError, match="N x T x K"):
        bald(np.ones((3, 2)))
