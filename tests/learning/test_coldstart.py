"""The cold start, on pools whose clusters and copies are known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from learning.methods import balls
from learning.methods.clusters import k_means, nearest
from learning.methods.coldstart import (
    alps,
    prob_cover,
    pure_radius,
    surprisal,
    surprise,
    typical_distance,
    typiclust,
)
from learning.methods.geometry import Points
from learning.methods.geometry import given as as_points

SMALL = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 25), st.integers(1, 3)),
    elements=st.integers(-32, 32).map(lambda number: number / 8),
)


def clouds(sizes: list[int], *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Well separated clouds of points, and which cloud each belongs to."""
    rng = np.random.default_rng(seed)
    homes = np.repeat(np.arange(len(sizes)), sizes)
    middles = 20.0 * np.eye(max(len(sizes), 6))[: len(sizes)]
    return middles[homes] + rng.standard_normal((len(homes), middles.shape[1])), homes


def test_k_means_finds_clouds_that_lie_apart() -> None:
    rows, homes = clouds([60, 30, 10, 80])
    pool = Points.of(rows + 500.0)
    found = nearest(pool, k_means(pool, count=4, rng=np.random.default_rng(0)))
    assert len(set(zip(homes.tolist(), found.tolist(), strict=True))) == 4


def test_typiclust_asks_the_largest_cloud_first_and_covered_ones_last() -> None:
    rows, homes = clouds([40, 90, 60, 20])
    picks = typiclust(rows, count=4, rng=np.random.default_rng(0))
    assert homes[picks].tolist() == [1, 2, 0, 3]
    known = rows[homes == 1][:1]
    covered = typiclust(rows, known=known, count=3, rng=np.random.default_rng(0))
    assert homes[covered].tolist() == [2, 0, 3]


def test_typiclust_asks_who_has_the_nearest_neighbours_inside_the_cluster() -> None:
    rows, _ = clouds([120])
    pick = typiclust(rows, count=1, rng=np.random.default_rng(0), neighbours=7)
    away = np.linalg.norm(rows[:, None] - rows[None], axis=2)
    mean = np.sort(away, axis=1)[:, 1:8].mean(axis=1)
    assert pick.tolist() == [int(mean.argmin())]
    assert np.allclose(typical_distance(Points.of(rows), neighbours=7), mean, rtol=1e-4)


def test_typiclust_goes_on_when_clusters_run_out_but_repeats_no_text() -> None:
    rng = np.random.default_rng(1)
    texts = rng.standard_normal((40, 6))
    pool = texts[np.arange(200) % 40]
    picks = typiclust(pool, known=texts[:2], count=60, rng=rng)
    assert len(picks) == len({int(at) % 40 for at in picks}) == 38
    assert not {int(at) % 40 for at in picks} & {0, 1}


def test_typiclust_with_lots_goes_with_the_points() -> None:
    rows, _ = clouds([30, 30, 30])
    lots = np.random.default_rng(2).integers(2**64, size=90, dtype=np.uint64)
    first = typiclust(rows, count=6, rng=np.random.default_rng(0), lots=lots)
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(90)
        again = typiclust(rows[order], count=6, rng=np.random.default_rng(0), lots=lots[order])
        assert order[again].tolist() == first.tolist()


def brute_cover(rows: np.ndarray, seen: np.ndarray, *, radius: float, count: int) -> list[int]:
    """Greedy cover from the full graph, first of equals first."""
    inside = np.linalg.norm(rows[:, None] - rows[None], axis=2) <= radius
    away = np.linalg.norm(rows[:, None] - seen[None], axis=2)
    still = ~(away <= radius).any(axis=1)
    picks: list[int] = []
    while len(picks) < count and still.any():
        picks.append(int((inside & still).sum(axis=1).argmax()))
        still &= ~inside[picks[-1]]
    return picks


@pytest.mark.parametrize("seed", range(5))
def test_prob_cover_picks_what_greedy_on_the_whole_graph_picks(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((3000 if seed == 0 else 150, 3))
    seen = rng.standard_normal((4, 3))
    want = brute_cover(rows, seen, radius=0.6, count=12)
    got = prob_cover(rows, known=seen, count=12, radius=0.6)
    assert got.tolist() == want


def test_prob_cover_passes_over_what_is_out_of_reach_and_picks_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(balls, "CROWD", 40)
    rows, _ = clouds([150, 90, 70, 50, 30, 10], seed=2)
    seen = rows[:3] + 0.1
    want = brute_cover(rows, seen, radius=1.6, count=12)
    pairs = []
    measured = Points.squared

    def squared(self: Points, part: object, centres: Points) -> np.ndarray:
        found = measured(self, part, centres)
        pairs.append(found.size)
        return found

    monkeypatch.setattr(Points, "squared", squared)
    pool = Points.of(rows)
    found = balls.Balls(pool, as_points(seen, pool=pool), square=1.6**2, lots=None)
    assert sum(pairs) < len(rows) ** 2 / 3
    assert found.greedy(12).tolist() == want
    assert prob_cover(rows, known=seen, count=12, radius=1.6).tolist() == want


def test_prob_cover_covers_more_than_chance_and_then_picks_the_farthest() -> None:
    rows, homes = clouds([50, 30, 20])
    picks = prob_cover(rows, count=8, radius=12.0)
    assert homes[picks[:3]].tolist() == [0, 1, 2]
    assert len(set(picks.tolist())) == 8
    assert len(prob_cover(np.ones((9, 2)), count=5, radius=0.5)) == 1


def test_prob_cover_breaks_ties_by_lot() -> None:
    rows = np.repeat(np.eye(5), 4, axis=0)
    lots = np.random.default_rng(3).integers(2**64, size=20, dtype=np.uint64)
    first = prob_cover(rows, count=5, radius=0.5, lots=lots)
    order = np.random.default_rng(4).permutation(20)
    again = prob_cover(rows[order], count=5, radius=0.5, lots=lots[order])
    assert order[again].tolist() == first.tolist()
    assert len(np.unique(rows[first], axis=0)) == 5


def test_the_radius_keeps_balls_inside_their_clouds() -> None:
    rows, homes = clouds([50, 40, 30])
    radius = pure_radius(Points.of(rows), clusters=3, rng=np.random.default_rng(0))
    away = np.linalg.norm(rows[:, None] - rows[None], axis=2)
    pure = [set(homes[row < radius]) == {home} for row, home in zip(away, homes, strict=True)]
    assert 0.94 <= np.mean(pure) <= 1.0
    wider = [
        set(homes[row < 1.2 * radius]) == {home} for row, home in zip(away, homes, strict=True)
    ]
    assert np.mean(wider) < 0.95
    assert homes[prob_cover(rows, count=3, rng=np.random.default_rng(0))].size == 3
    with pytest.raises(ValueError, match="radius must be a positive number"):
        prob_cover(rows, count=3, radius=0.0)


@settings(max_examples=40, deadline=None)
@given(rows=SMALL, count=st.integers(0, 30), seed=st.integers(0, 5))
def test_what_is_asked_first_is_distinct_and_all_there_is(
    rows: np.ndarray, count: int, seed: int
) -> None:
    distinct = len(np.unique(rows, axis=0))
    for picks in (
        typiclust(rows, count=count, rng=np.random.default_rng(seed)),
        prob_cover(rows, count=count, rng=np.random.default_rng(seed)),
    ):
        assert len(picks) == min(count, distinct)
        assert len(np.unique(rows[picks], axis=0)) == len(picks)


def test_surprise_is_the_largest_losses_whatever_the_length() -> None:
    losses = [np.array([1.0, 5.0, 2.0]), np.array([5.0, 1.0, 2.0, 0.1]), np.array([])]
    vectors = surprise(losses, top=3)
    assert vectors.shape == (3, 3)
    assert np.allclose(vectors[0], vectors[1])
    assert np.allclose(np.linalg.norm(vectors, axis=1), [1, 1, 0])
    assert np.allclose(surprisal(losses), [8 / 3, 8.1 / 4, 0.0])
    with pytest.raises(ValueError, match=r"losses must .* positions 1, 2$"):
        surprise([[1.0], [np.nan], [-1.0]])


def test_alps_asks_for_every_kind_of_surprise_once() -> None:
    rng = np.random.default_rng(0)
    shapes = [[9.0], [5.0, 5.0], [4.0, 4.0, 4.0, 4.0], [6.0, 1.0, 1.0]]
    kinds = rng.integers(4, size=60)
    losses = [np.array(shapes[kind]) * rng.uniform(0.99, 1.01, len(shapes[kind])) for kind in kinds]
    picks = alps(losses, count=4, rng=rng)
    assert sorted(kinds[picks].tolist()) == [0, 1, 2, 3]
    many = alps(losses, count=40, rng=rng)
    assert len(set(many.tolist())) == len(many) <= 40
