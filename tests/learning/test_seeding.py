"""k-means++ draws and BADGE, against gradient matrices that are built in full."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.stats import chisquare

import learning.methods.seeding
from learning.methods.seeding import Gradients, badge, kmeans_plus_plus

Pool = tuple[np.ndarray, np.ndarray]


def pool(count: int, *, classes: int, seed: int = 0) -> Pool:
    """Embeddings of equal length, and probabilities from sure to doubtful."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((count, 8)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    odds = np.exp(3 * rng.standard_normal((count, classes)))
    return rows, (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)


def gradients(rows: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Gradient embeddings as the paper writes them, N x (C d), in float64."""
    lean = probabilities.astype(np.float64)
    lean[np.arange(len(lean)), lean.argmax(axis=1)] -= 1.0
    return np.einsum("nc,nd->ncd", lean, rows.astype(np.float64)).reshape(len(rows), -1)


def chances(dense: np.ndarray, picks: list[int]) -> np.ndarray:
    """D^2 / sum D^2 of every point, given what is picked."""
    away = np.min([((dense - dense[at]) ** 2).sum(axis=1) for at in picks], axis=0)
    return away / away.sum()


@pytest.mark.parametrize("classes", [2, 3, 20])
def test_a_gradient_is_long_where_the_network_doubts(classes: int) -> None:
    rows, probabilities = pool(2000, classes=classes)
    best = np.sort(probabilities, axis=1)
    long = np.sqrt(Gradients.of(rows, probabilities).square)
    assert np.corrcoef(long, best[:, -1] - best[:, -2])[0, 1] <= -0.9
    assert np.allclose(long, np.linalg.norm(gradients(rows, probabilities), axis=1), rtol=1e-4)


@pytest.mark.parametrize("classes", [2, 5])
def test_distances_are_those_of_the_matrix_that_is_never_built(classes: int) -> None:
    rows, probabilities = pool(60, classes=classes)
    space = Gradients.of(rows, probabilities)
    dense = gradients(rows, probabilities)
    want = ((dense[:9, None] - dense[None]) ** 2).sum(axis=2)
    assert np.allclose(space.squared(slice(None), space.at(slice(0, 9))), want, atol=1e-5)


@pytest.mark.parametrize(("classes", "few"), [(2, 3), (4, 1024)])
def test_the_next_pick_is_drawn_in_proportion_to_squared_distance(
    classes: int, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With 3 candidates the pool is read again for nearly every pick; with 1,024 never.
    monkeypatch.setattr(learning.methods.seeding, "CANDIDATES", (few, few))
    rows, probabilities = pool(50, classes=classes)
    dense = gradients(rows, probabilities)
    draws = 4000
    second, fourth = np.zeros(50), np.zeros(50)
    expected = np.zeros(50)
    for seed in range(draws):
        picks = badge(
            rows, probabilities=probabilities, count=4, rng=np.random.default_rng(seed)
        ).tolist()
        assert len(set(picks)) == 4
        second[picks[1]] += 1
        fourth[picks[3]] += 1
        expected += chances(dense, picks[:3])
    first = int(np.linalg.norm(dense, axis=1).argmax())
    assert fits(second, chances(dense, [first]) * draws)
    assert fits(fourth, expected)


def fits(seen: np.ndarray, expected: np.ndarray) -> bool:
    """Whether counts fit what was expected, the rarest points taken together."""
    rare = expected < 8
    seen = np.r_[seen[~rare], seen[rare].sum()]
    expected = np.r_[expected[~rare], expected[rare].sum()]
    kept = expected > 0
    return bool(chisquare(seen[kept], expected[kept]).pvalue > 1e-3)


def test_a_weighted_draw_begins_with_the_weights_and_goes_on_with_distance() -> None:
    rng = np.random.default_rng(5)
    rows, weights = rng.standard_normal((30, 3)), rng.random(30)
    weights[:5] = 0.0
    seen, expected = np.zeros((2, 30)), np.zeros((2, 30))
    for seed in range(3000):
        picks = kmeans_plus_plus(
            rows, weights=weights, count=2, rng=np.random.default_rng(seed)
        ).tolist()
        heavy = weights * chances(rows, picks[:1])
        seen[[0, 1], picks] += 1
        expected += weights / weights.sum(), heavy / heavy.sum()
    assert fits(seen[0], expected[0])
    assert fits(seen[1], expected[1])


@pytest.mark.parametrize("few", [4, 1024])
def test_with_lots_the_draw_goes_with_the_points(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning.methods.seeding, "CANDIDATES", (few, few))
    rows, probabilities = pool(80, classes=3)
    lots = np.random.default_rng(9).integers(2**64, size=80, dtype=np.uint64)

    def draw(order: np.ndarray, seed: int) -> list[list[int]]:
        found = [
            badge(
                rows[order],
                probabilities=probabilities[order],
                count=12,
                rng=np.random.default_rng(seed),
                lots=lots[order],
            ),
            kmeans_plus_plus(
                rows[order], count=12, rng=np.random.default_rng(seed), lots=lots[order]
            ),
        ]
        return [order[each].tolist() for each in found]

    straight = draw(np.arange(80), 0)
    for seed in range(6):
        assert draw(np.random.default_rng(seed).permutation(80), 0) == straight
    assert draw(np.arange(80), 1) != straight


def test_copies_and_certainties_are_drawn_once_and_no_index_twice() -> None:
    rows, probabilities = pool(40, classes=3)
    where = np.arange(200) % 40
    rng = np.random.default_rng(0)
    picks = badge(rows[where], probabilities=probabilities[where], count=60, rng=rng)
    assert len(picks) == len({int(at) % 40 for at in picks}) == 40
    spread = kmeans_plus_plus(rows[where], count=60, rng=rng)
    assert len(spread) == len({int(at) % 40 for at in spread}) == 40

    sure = np.eye(3)[np.arange(40) % 3]
    assert len(badge(rows, probabilities=sure, count=10, rng=rng)) == 1
    sure[7] = [0.4, 0.3, 0.3]
    found = badge(rows, probabilities=sure, count=10, rng=rng)
    assert found[0] == 7
    assert len(found) == 2, "all that are sure share one gradient, zero"
    assert len(badge(rows, probabilities=np.ones((40, 1)), count=3, rng=rng)) == 1


def test_half_precision_draws_nearly_what_single_does() -> None:
    rows, probabilities = pool(300, classes=4)
    small = badge(
        rows.astype(np.float16),
        probabilities=probabilities.astype(np.float16),
        count=20,
        rng=np.random.default_rng(1),
    )
    whole = badge(rows, probabilities=probabilities, count=20, rng=np.random.default_rng(1))
    assert len(set(small.tolist()) & set(whole.tolist())) >= 16


def test_a_pool_far_from_zero_draws_as_one_about_zero() -> None:
    rows = np.random.default_rng(6).integers(-64, 64, size=(200, 4)) / 8
    near = kmeans_plus_plus(rows, count=30, rng=np.random.default_rng(0))
    far = kmeans_plus_plus(
        (rows + 3000.0).astype(np.float32), count=30, rng=np.random.default_rng(0)
    )
    assert far.tolist() == near.tolist()


@settings(max_examples=60, deadline=None)
@given(
    rows=arrays.arrays(
        np.float32,
        st.tuples(st.integers(1, 20), st.integers(1, 3)),
        elements=st.integers(-16, 16).map(lambda number: number / 8),
    ),
    count=st.integers(0, 25),
    seed=st.integers(0, 9),
)
def test_every_distinct_point_can_be_drawn_and_none_twice(
    rows: np.ndarray, count: int, seed: int
) -> None:
    picks = kmeans_plus_plus(rows, count=count, rng=np.random.default_rng(seed))
    assert len(picks) == min(count, len(np.unique(rows, axis=0)))
    assert len(np.unique(rows[picks], axis=0)) == len(picks)


def test_bad_numbers_are_named() -> None:
    rows, probabilities = pool(12, classes=3)
    rng = np.random.default_rng(0)
    broken = probabilities.copy()
    broken[3, 0], broken[8] = np.nan, [0.9, 0.9, 0.9]
    with pytest.raises(ValueError, match=r"probabilities must .* positions 3, 8$"):
        badge(rows, probabilities=broken, count=2, rng=rng)
    with pytest.raises(ValueError, match="12 rows"):
        badge(rows, probabilities=probabilities[:5], count=2, rng=rng)
    holes = rows.copy()
    holes[5] = np.inf
    with pytest.raises(ValueError, match=r"embeddings must .* position 5$"):
        badge(holes, probabilities=probabilities, count=2, rng=rng)
    with pytest.raises(ValueError, match=r"weights must .* position 1$"):
        kmeans_plus_plus(rows[:2], weights=[1.0, -1.0], count=1, rng=rng)
    with pytest.raises(ValueError, match="one weight for each of 2 rows"):
        kmeans_plus_plus(rows[:2], weights=[1.0], count=1, rng=rng)
