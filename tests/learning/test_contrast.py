"""Contrastive acquisition and anchor sub-pools."""

import numpy as np
import pytest
from scipy.stats import entropy

import learning.methods.contrast
from learning.methods.contrast import anchors, contrastive


def case(count: int = 80) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(0)
    pool, known = rng.standard_normal((count, 5)), rng.standard_normal((30, 5))
    ours, theirs = rng.dirichlet(np.ones(3), count), rng.dirichlet(np.ones(3), 30)
    return pool, known, ours, theirs


@pytest.mark.parametrize("cells", [1, 100, 2**21])
def test_contrast_is_the_mean_divergence_from_the_nearest_labelled(
    cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning.methods.contrast, "CELLS", cells)
    pool, known, ours, theirs = case()
    got = contrastive(
        pool, probabilities=ours, known=known, known_probabilities=theirs, neighbours=4
    )
    away = np.linalg.norm(pool[:, None] - known[None], axis=2)
    for at in range(len(pool)):
        near = np.argsort(away[at])[:4]
        want = np.mean([entropy(theirs[one], ours[at]) for one in near])
        assert got[at] == pytest.approx(want, rel=1e-6)


def test_contrast_survives_certainty_and_nothing_known() -> None:
    pool, known, _, _ = case(4)
    ours, theirs = np.eye(3)[[0, 1, 2, 0]], np.eye(3)[np.arange(30) % 3]
    got = contrastive(
        pool, probabilities=ours, known=known, known_probabilities=theirs, neighbours=99
    )
    assert np.isfinite(got).all()
    assert (got >= 0).all()
    nothing = contrastive(pool, probabilities=ours, known=known[:0], known_probabilities=theirs[:0])
    assert nothing.tolist() == [0.0] * 4
    with pytest.raises(ValueError, match="have 2 classes, not 3"):
        contrastive(
            pool, probabilities=ours, known=known[:1], known_probabilities=np.array([[0.5, 0.5]])
        )


def test_anchors_bring_the_rare_class_into_the_sub_pool() -> None:
    rng = np.random.default_rng(1)
    common, rare = rng.standard_normal((2000, 4)), rng.standard_normal((20, 4)) + 8.0
    pool = np.concatenate([common, rare])
    labelled = np.concatenate([common[:50] + 0.01, rare[:2] + 0.01])
    labels = np.array(["common"] * 50 + ["rare"] * 2)
    kept = anchors(pool, labelled=labelled, labels=labels, per_class=5, keep=40, rng=rng)
    assert len(kept) == len(set(kept.tolist())) == 40
    assert set(range(2000, 2020)) <= set(kept.tolist())


def test_anchors_are_few_fair_and_can_take_the_whole_pool() -> None:
    pool = np.arange(6.0)[:, None]
    every = anchors(
        pool,
        labelled=[[0.0], [5.0]],
        labels=[0, 1],
        per_class=3,
        keep=99,
        rng=np.random.default_rng(0),
    )
    assert sorted(every.tolist()) == [0, 1, 2, 3, 4, 5]
    assert every[:4].tolist() == [0, 5, 1, 4]
    rng = np.random.default_rng(0)
    none = anchors(pool, labelled=np.empty((0, 1)), labels=[], keep=2, rng=rng)
    assert len(set(none.tolist())) == 2
    assert len(anchors(pool, labelled=[[0.0]], labels=[0], keep=0, rng=rng)) == 0
    with pytest.raises(ValueError, match="one label for each of 1 labelled"):
        anchors(pool, labelled=[[0.0]], labels=[0, 1], keep=2, rng=rng)
