"""Near-duplicates: every pair that a look at all pairs finds, whatever the order and the blocks."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learning.methods import neighbours
from learning.methods.neighbours import near_duplicates


def planted(seed: int, *, count: int = 600, copies: int = 60, noise: float = 0.003):
    """Unit vectors, some of which are noisy copies of others."""
    rng = np.random.default_rng(seed)
    plain = rng.normal(size=(count, 24)) * np.linspace(1, 0.1, 24)
    of = rng.choice(count, copies)
    near = plain[of] * rng.uniform(0.5, 2, (copies, 1))
    near += rng.normal(size=near.shape) * noise * np.linalg.norm(near, axis=1, keepdims=True) / 5
    return np.concatenate([plain, near]), of


def by_all_pairs(rows: np.ndarray, threshold: float) -> np.ndarray:
    """The oracle: all cosines, and groups by walking from one to the next."""
    rows = rows.astype(np.float64)
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    rows = rows - rows.mean(axis=0) if len(rows) >= 100 else rows
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    alike = rows @ rows.T >= threshold
    names = np.full(len(rows), -1)
    for start in range(len(rows)):
        todo = [start] if names[start] < 0 else []
        while todo:
            at = todo.pop()
            names[at] = start
            todo += [n for n in np.flatnonzero(alike[at]) if names[n] < 0 and n not in todo]
    return names


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), threshold=st.sampled_from([0.9, 0.97, 0.995]))
def test_groups_are_those_of_a_look_at_all_pairs(seed: int, threshold: float) -> None:
    rows, _ = planted(seed, count=150, copies=40, noise=0.3)
    np.testing.assert_array_equal(
        near_duplicates(rows, threshold=threshold), by_all_pairs(rows, threshold)
    )


def test_copies_are_found_across_the_borders_of_files(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(neighbours, "BLOCK", 64)
    rows, of = planted(1)
    blocks = []
    for number, part in enumerate(np.array_split(rows.astype(np.float16), 7)):
        np.save(tmp_path / f"{number}.npy", part)
        blocks.append(np.load(tmp_path / f"{number}.npy", mmap_mode="r"))
    groups = near_duplicates(blocks)
    assert (groups[600:] == groups[of]).all()
    assert len(np.unique(groups)) == 600
    np.testing.assert_array_equal(groups, near_duplicates(rows.astype(np.float16)))


def test_order_of_the_rows_changes_names_only() -> None:
    rows, _ = planted(2)
    mixed = np.random.default_rng(3).permutation(len(rows))
    plain, other = near_duplicates(rows), near_duplicates(rows[mixed])
    together = {frozenset(np.flatnonzero(plain == name)) for name in plain}
    assert together == {frozenset(mixed[other == name]) for name in other}
    assert (plain <= np.arange(len(rows))).all()


def test_vectors_without_a_word_are_like_nothing_and_broken_ones_too() -> None:
    rows, _ = planted(4, copies=0)
    rows[[3, 40, 300]] = 0.0
    rows[[5, 50]] = np.nan
    assert near_duplicates(rows).tolist() == list(range(len(rows)))


def test_thousands_that_are_the_same_are_one_group() -> None:
    rows, _ = planted(5, copies=0)
    template = np.repeat(rows[:1], 3000, axis=0)
    nearly = template + np.random.default_rng(0).normal(size=template.shape) * 1e-3
    groups = near_duplicates(np.concatenate([rows, template, nearly]))
    assert set(groups[600:]) == {0}
    assert len(np.unique(groups)) == 600


def test_what_all_texts_share_makes_none_of_them_alike() -> None:
    """An encoder that was never taught puts everything in one narrow cone."""
    rows, _ = planted(6)
    cone = rows / np.linalg.norm(rows, axis=1, keepdims=True) + 30 * np.ones(24)
    unit = cone / np.linalg.norm(cone, axis=1, keepdims=True)
    assert (unit @ unit.T).min() > 0.995
    assert len(np.unique(near_duplicates(cone))) >= 590


def test_pairs_may_be_refused_by_other_means() -> None:
    rows, of = planted(7)
    seen = []

    def refuse(pairs):
        seen.extend(map(tuple, pairs.tolist()))
        return ~((pairs >= 600) & (pairs % 2 == 1)).any(axis=1)

    groups = near_duplicates(rows, confirm=refuse)
    assert (groups[601::2] == np.arange(601, 660, 2)).all()
    assert groups[600] == of[0]
    assert all(low < high for low, high in seen)


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_need_no_search(count: int) -> None:
    assert near_duplicates(np.ones((count, 3))).tolist() == list(range(count))


def test_threshold_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="cosine"):
        near_duplicates(np.ones((2, 2)), threshold=0.0)
