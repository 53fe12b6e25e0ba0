"""Streaming and stochastic batches: the same as in memory, whatever the chunks and the order."""

from pathlib import Path

import numpy as np
import pytest

from learning.methods.acquisition import (
    STRATEGIES,
    gumbel,
    margin,
    order_of,
    power,
)
from learning.methods.lots import draw, hashes, lots
from learning.methods.streaming import blocks, file_blocks, top_k


def pool(count: int = 60_000, *, classes: int = 3, ties: bool = False) -> np.ndarray:
    rows = np.random.default_rng(0).dirichlet([0.5] * classes, size=count).astype(np.float32)
    return np.round(rows * 8) / 8 if ties else rows


def in_memory(rows: np.ndarray, *, count: int, strategy: str) -> tuple[np.ndarray, np.ndarray]:
    found = STRATEGIES[strategy](rows)
    drawn = draw(np.arange(len(rows), dtype=np.uint64), seed=0, purpose="ties")
    order = order_of(found, lots=drawn)[:count]
    return order, found[order]


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("classes", [1, 2, 3, 7])
@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
def test_stream_equals_memory_bit_for_bit(strategy: str, classes: int, ties: bool) -> None:
    rows = pool(20_000, classes=classes, ties=ties)
    expected, values = in_memory(rows, count=300, strategy=strategy)
    for size in (7_001, 16_384, 30_000):
        positions, found = top_k(blocks(rows, size=size), count=300, strategy=strategy)
        assert positions.tolist() == expected.tolist()
        assert found.tobytes() == values.tobytes()


def test_file_is_read_as_it_would_be_from_memory(tmp_path: Path) -> None:
    rows = pool()
    path = tmp_path / "p.f32"
    rows.tofile(path)
    expected, _ = in_memory(rows, count=1_000, strategy="margin")
    mapped = np.memmap(path, dtype=np.float32, mode="r", shape=rows.shape)
    for chunks in (file_blocks(path, columns=3, size=999), blocks(mapped)):
        assert top_k(chunks, count=1_000)[0].tolist() == expected.tolist()
    with pytest.raises(ValueError, match="middle of a row"):
        list(file_blocks(path, columns=7, size=100_000))


def test_what_a_class_count_of_any_size_calls_the_margin_is_the_margin() -> None:
    for classes in (2, 3, 4, 9, 40):
        rows = np.random.default_rng(1).dirichlet([0.3] * classes, size=500)
        ordered = np.sort(rows, axis=1)
        assert (margin(rows) == 1 - (ordered[:, -1] - ordered[:, -2])).all()
        assert margin(rows.astype(np.float32)).dtype == np.float32


def test_bad_row_is_named_and_the_good_ones_are_still_found() -> None:
    rows = pool(40_000)
    rows[7], rows[30_001, 1], rows[39_999] = np.nan, np.inf, -np.inf
    for strategy in STRATEGIES:
        with pytest.raises(ValueError, match=r"3 rows hold numbers .*: 7, 30001, 39999"):
            top_k(blocks(rows), count=5, strategy=strategy)
        bad: list[int] = []
        positions, found = top_k(blocks(rows), count=50, strategy=strategy, rejected=bad)
        assert bad == [7, 30_001, 39_999]
        assert len(positions) == 50
        assert not set(positions.tolist()) & set(bad)
        assert np.isfinite(found).all()


def test_logits_are_ranked_like_their_probabilities() -> None:
    logits = np.random.default_rng(2).standard_normal((5_000, 3)) * 3
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    rows = exponentials / exponentials.sum(axis=1, keepdims=True)
    assert (
        top_k([logits], count=100, logits=True)[0].tolist() == top_k([rows], count=100)[0].tolist()
    )


def test_fewer_rows_than_wanted_are_all_given() -> None:
    assert len(top_k([pool(3)], count=10)[0]) == 3
    assert not len(top_k([], count=10)[0])
    assert not len(top_k([pool(3)], count=0)[0])
    with pytest.raises(ValueError, match="no strategy 'vibes'"):
        top_k([pool(3)], count=1, strategy="vibes")


@pytest.mark.parametrize("perturb", [power, gumbel])
def test_stochastic_margin_lies_between_the_top_and_the_pool(perturb) -> None:
    uncertainty = margin(pool(5_000).astype(np.float64))
    ids = [f"s{i}" for i in range(5_000)]
    means = []
    for seed in range(20):
        noisy = perturb(uncertainty, lots=lots(ids, seed=seed, purpose="noise"))
        means.append(uncertainty[order_of(noisy, lots=hashes(ids))[:100]].mean())
    top = np.sort(uncertainty)[-100:].mean()
    assert uncertainty.mean() + 0.05 < np.mean(means) < top - 0.01


def test_power_draws_with_chances_as_published() -> None:
    uncertainty = np.array([0.1, 0.2, 0.7, 0.0])
    first = [
        int(order_of(power(uncertainty, lots=drawn), lots=drawn)[0])
        for drawn in (lots("abcd", seed=seed, purpose="noise") for seed in range(4_000))
    ]
    rates = np.bincount(first, minlength=4) / 4_000
    assert np.abs(rates - uncertainty).max() < 4 * np.sqrt(0.25 / 4_000)
    assert rates[3] == 0


def test_noise_belongs_to_the_id_and_not_to_its_place() -> None:
    uncertainty = margin(pool(200))
    ids = [f"s{i}" for i in range(200)]
    turn = np.random.default_rng(0).permutation(200)
    for perturb in (power, gumbel):
        straight = perturb(uncertainty, lots=lots(ids, seed=1, purpose="noise"))
        turned = perturb(
            uncertainty[turn], lots=lots([ids[i] for i in turn], seed=1, purpose="noise")
        )
        assert (straight[turn] == turned).all()


def test_lots_are_uniform_distinct_and_know_long_and_foreign_names() -> None:
    names = [f"{i:x}" for i in range(20_000)]
    found = hashes(names)
    assert len(set(found.tolist())) == 20_000
    shares = np.bincount((lots(names, seed=3, purpose="x") >> np.uint64(60)).astype(int)) / 20_000
    assert np.abs(shares - 1 / 16).max() < 0.01
    odd = ["", "a", "a\0", "\0", "é", "x" * 63, "x" * 64, "x" * 65, "é" * 400, "日本"]
    alone = [int(hashes([name])[0]) for name in odd]
    assert len(set(alone)) == len(odd)
    assert hashes(odd).tolist() == alone
