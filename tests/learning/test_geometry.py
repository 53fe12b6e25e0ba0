"""What all that measures distances has in common: bounded memory, and rows that are refused."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from learning.methods.coldstart import prob_cover, typiclust
from learning.methods.contrast import anchors, contrastive
from learning.methods.diversity import k_center
from learning.methods.geometry import Points
from learning.methods.seeding import badge, kmeans_plus_plus

WIDE = 256


def sure(count: int) -> np.ndarray:
    """Probabilities of three classes."""
    return np.random.default_rng(count).dirichlet(np.ones(3), count).astype(np.float32)


KNOWN = np.random.default_rng(7).standard_normal((20, WIDE))
WAYS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "k_center": lambda rows: k_center(rows, known=KNOWN, count=20),
    "badge": lambda rows: badge(
        rows, probabilities=sure(len(rows)), count=20, rng=np.random.default_rng(0)
    ),
    "kmeans_plus_plus": lambda rows: kmeans_plus_plus(rows, count=20, rng=np.random.default_rng(0)),
    "contrastive": lambda rows: contrastive(
        rows, probabilities=sure(len(rows)), known=KNOWN, known_probabilities=sure(20)
    ),
    "anchors": lambda rows: anchors(
        rows,
        labelled=KNOWN,
        labels=np.arange(20) % 2,
        per_class=3,
        keep=30,
        rng=np.random.default_rng(0),
    ),
    "typiclust": lambda rows: typiclust(rows, known=KNOWN, count=20, rng=np.random.default_rng(0)),
    "prob_cover": lambda rows: prob_cover(rows, known=KNOWN, count=20, radius=1.0),
}


def peak(way: str, rows: np.ndarray) -> int:
    """Return how many bytes were held at most, above what was there."""
    tracemalloc.start()
    try:
        WAYS[way](rows)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("way", sorted(set(WAYS) - {"typiclust", "prob_cover"}))
def test_a_longer_pool_costs_a_few_numbers_a_row(way: str, tmp_path: Path) -> None:
    mapped = np.memmap(tmp_path / "pool", dtype=np.float16, mode="w+", shape=(36_000, WIDE))
    mapped[:] = np.random.default_rng(0).standard_normal(mapped.shape)
    more = peak(way, mapped) - peak(way, mapped[:18_000])
    assert more / 18_000 <= 100, f"a row of the pool itself has {2 * WIDE} bytes"


@pytest.mark.parametrize("way", sorted(WAYS))
def test_rows_that_are_no_numbers_are_named_by_all(way: str) -> None:
    rows = np.random.default_rng(0).standard_normal((30, WIDE))
    rows[[2, 29], 0] = np.inf, np.nan
    with pytest.raises(ValueError, match=r"embeddings must .* positions 2, 29$"):
        WAYS[way](rows)
    with pytest.raises(ValueError, match="embeddings must have two dimensions"):
        WAYS[way](rows[0])


@pytest.mark.parametrize("way", sorted(WAYS))
@pytest.mark.parametrize("count", [0, 1, 2, 30])
def test_small_pools_of_zeros_and_copies_are_served(way: str, count: int) -> None:
    for rows in (np.zeros((count, WIDE)), np.ones((count, WIDE), dtype=np.float16)):
        found = WAYS[way](rows)
        if way in ("anchors", "contrastive") or (way == "badge" and rows.any()):
            assert len(found) >= min(count, 20)  # copies too: other probabilities, other doubts
        else:
            assert len(found) == min(count, 1)


def test_many_bad_rows_are_named_in_part() -> None:
    with pytest.raises(ValueError, match=r"positions 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 15 more"):
        Points.of(np.full((25, 2), np.nan))
    with pytest.raises(ValueError, match=r"their squares too, but not so at position 1$"):
        Points.of(np.array([[1.0], [1e30]]))
