"""k-center, against greedy search that reads everything every time."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import learning.methods.diversity
from learning.methods.diversity import k_center


def greedy(rows: np.ndarray, known: np.ndarray, count: int) -> list[int]:
    """Plain farthest-first search in float64: a distance to everything for every pick."""
    rows, known = rows.astype(np.float64), known.astype(np.float64)
    away = np.min([((rows - one) ** 2).sum(axis=1) for one in known], axis=0)
    picks = []
    for _ in range(count):
        picks.append(int(away.argmax()))
        away = np.minimum(away, ((rows - rows[picks[-1]]) ** 2).sum(axis=1))
    return picks


def radius(rows: np.ndarray, centres: np.ndarray) -> float:
    """How far the farthest row is from its centre."""
    away = rows[:, None].astype(np.float64) - centres[None].astype(np.float64)
    return float(np.sqrt((away**2).sum(axis=2).min(axis=1).max()))


@pytest.mark.parametrize("seed", range(20))
def test_picks_are_those_of_plain_greedy_whatever_width_block_and_layout(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Few candidates, so that many passes are needed and every way through is walked.
    monkeypatch.setattr(learning.methods.diversity, "CANDIDATES", 10)
    rng = np.random.default_rng(seed)
    clustered = rng.standard_normal((12, 16))[rng.integers(12, size=400)]
    everything = clustered * (seed % 3) + rng.standard_normal((400, 16)) + 30.0 * (seed % 2)
    asked = np.zeros(400, dtype=bool)
    asked[rng.choice(400, size=25, replace=False)] = True
    for dtype in (np.float32, np.float16):
        rows = everything.astype(dtype)
        want = greedy(rows[~asked], rows[asked], 30)
        for block in (1, 7, 8192) if seed < 4 else (7, 8192):
            got = k_center(rows[~asked], known=rows[asked], count=30, block=block)
            assert got.tolist() == want
        after = np.concatenate([rows[asked], rows[~asked][got]])
        best = np.concatenate([rows[asked], rows[~asked][want]])
        assert radius(rows, after) == pytest.approx(radius(rows, best), rel=1e-5)


def test_points_that_float32_cannot_tell_apart_are_told_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(0)
    direction = rng.standard_normal((300, 8))
    # All equally far from what is known, but for parts in ten thousand million.
    shell = direction / np.linalg.norm(direction, axis=1, keepdims=True)
    shell *= 1.0 + 1e-10 * rng.permutation(300)[:, None]
    want = greedy(shell, np.zeros((1, 8)), 5)
    for candidates in (20, 4096):
        monkeypatch.setattr(learning.methods.diversity, "CANDIDATES", candidates)
        assert k_center(shell, known=np.zeros((1, 8)), count=5).tolist() == want


def test_ties_are_broken_by_lot_and_never_by_position() -> None:
    rows = np.repeat(np.eye(6), 5, axis=0)
    lots = np.random.default_rng(1).integers(2**64, size=30, dtype=np.uint64)
    first = k_center(rows, count=6, lots=lots)
    for seed in range(10):
        order = np.random.default_rng(seed).permutation(30)
        again = k_center(rows[order], count=6, lots=lots[order])
        assert order[again].tolist() == first.tolist()


def test_copies_are_not_asked_and_the_shortfall_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    texts = rng.standard_normal((40, 12)).astype(np.float32)
    pool = texts[np.arange(200) % 40]
    for candidates in (16, 4096):
        monkeypatch.setattr(learning.methods.diversity, "CANDIDATES", candidates)
        picks = k_center(pool, known=texts[:2], count=60)
        assert len(picks) == len({int(at) % 40 for at in picks}) == 38
        assert not {int(at) % 40 for at in picks} & {0, 1}


def test_a_pool_in_a_file_is_read_as_one_in_memory(tmp_path: Path) -> None:
    rows = np.random.default_rng(3).standard_normal((500, 8)).astype(np.float16)
    mapped = np.memmap(tmp_path / "pool", dtype=np.float16, mode="w+", shape=rows.shape)
    mapped[:] = rows
    assert k_center(mapped, count=20, block=64).tolist() == k_center(rows, count=20).tolist()


@settings(max_examples=60, deadline=None)
@given(
    rows=arrays.arrays(
        np.float32,
        st.tuples(st.integers(1, 25), st.integers(1, 4)),
        elements=st.integers(-64, 64).map(lambda number: number / 8),
    ),
    count=st.integers(0, 30),
    block=st.integers(1, 30),
)
def test_what_is_picked_is_distinct_and_covers_within_twice_the_next_pick(
    rows: np.ndarray, count: int, block: int
) -> None:
    picks = k_center(rows, count=count, block=block)
    chosen = rows[picks]
    assert len(picks) == min(count, len(np.unique(rows, axis=0)))
    assert len(np.unique(chosen, axis=0)) == len(picks)
    if len(picks) > 1:
        # Gonzalez: centres lie at least as far apart as the farthest point from its centre.
        apart = [radius(chosen[at : at + 1], chosen[:at]) for at in range(1, len(picks))]
        assert min(apart) >= radius(rows, chosen) - 1e-9


def test_bad_rows_are_named() -> None:
    rows = np.ones((20, 3))
    rows[4, 1], rows[17, 0] = np.nan, np.inf
    with pytest.raises(ValueError, match=r"embeddings must be finite.* positions 4, 17"):
        k_center(rows, count=2)
    with pytest.raises(ValueError, match=r"known must be finite.* position 4$"):
        k_center(np.ones((2, 3)), known=rows[:17], count=2)
    with pytest.raises(ValueError, match="known have 2 dimensions, not 3"):
        k_center(np.ones((2, 3)), known=np.ones((1, 2)), count=1)
    with pytest.raises(ValueError, match="cannot be negative"):
        k_center(np.ones((2, 3)), count=-1)
    with pytest.raises(ValueError, match="5 lots for 2 rows"):
        k_center(np.ones((2, 3)), count=1, lots=np.arange(5, dtype=np.uint64))
