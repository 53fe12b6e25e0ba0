"""Disagreement: what several opinions of one network tell about each sample.

The opinions are N x T x K probabilities: T passes with dropout left on (Gal & Ghahramani 2016),
or the T members of an ensemble. Where all of them are equally unsure, more labels will not help;
where each is sure of something else, one label settles it.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from learning.methods.lots import Lots

Floats = npt.NDArray[np.float64]
Positions = npt.NDArray[np.intp]

# Joint outcomes of a batch that are counted one by one; beyond that they are sampled.
MOST_CONFIGURATIONS = 4_096
# Samples whose joint entropy is computed at a time, most promising first.
BLOCK = 64
# Samples whose own entropies are computed at a time.
ROWS = 8_192


def predictive_entropy(mc: npt.NDArray[Any]) -> Floats:
    """Return the entropy of the mean opinion, in nats.

    >>> predictive_entropy(np.array([[[1.0, 0.0], [0.0, 1.0]]])).round(4).tolist()
    [0.6931]
    """
    return _in_blocks(_checked(mc), lambda rows: _entropy(rows.mean(axis=1)))


def expected_entropy(mc: npt.NDArray[Any]) -> Floats:
    """Return the mean entropy of the opinions: doubt that all share and no label removes.

    >>> expected_entropy(np.array([[[1.0, 0.0], [0.0, 1.0]]])).tolist()
    [0.0]
    """
    return _in_blocks(_checked(mc), lambda rows: _entropy(rows).mean(axis=1))


def bald(mc: npt.NDArray[Any]) -> Floats:
    """Return the information between label and weights: how much the opinions disagree.

    Bayesian active learning by disagreement (Houlsby et al. 2011; with dropout, Gal et al. 2017).

    >>> torn, unsure = [[1.0, 0.0], [0.0, 1.0]], [[0.5, 0.5], [0.5, 0.5]]
    >>> bald(np.array([torn, unsure])).round(4).tolist()
    [0.6931, 0.0]
    """
    return np.maximum(predictive_entropy(mc) - expected_entropy(mc), 0.0)


DISAGREEMENTS: Mapping[str, Callable[[npt.NDArray[Any]], Floats]] = MappingProxyType(
    {
        "bald": bald,
        "predictive_entropy": predictive_entropy,
        "expected_entropy": expected_entropy,
    }
)


def batch_bald(
    mc: npt.NDArray[Any],
    *,
    count: int,
    rng: np.random.Generator,
    lots: Lots | None = None,
    most: int = MOST_CONFIGURATIONS,
) -> Positions:
    """Pick ``count`` samples whose labels together tell most about the weights (Kirsch et al. 2019).

    Greedy, as published, which is within 1 - 1/e of the best batch. A sample alone is worth at
    least what it adds to a batch, so old values bound new ones and most samples are never
    computed again (Minoux 1978). The joint entropy is exact as long as the outcomes of the
    batch number at most ``most``; after that the batch's outcomes are drawn ``most`` times.

    >>> torn = [[1.0, 0.0], [0.0, 1.0]]
    >>> other = [[0.9, 0.1], [0.9, 0.1]]
    >>> batch_bald(np.array([other, torn, torn]), count=2, rng=np.random.default_rng(0)).tolist()
    [1, 2]
    """
    order = np.arange(len(mc)) if lots is None else np.argsort(lots, kind="stable")
    bounds = bald(mc)
    conditional = expected_entropy(mc)
    joint = _Joint(mc.shape[1], most=most, rng=rng)
    picks: list[int] = []
    left = order[np.argsort(-bounds[order], kind="stable")]
    for _ in range(min(count, len(mc))):
        best = _best_addition(joint, mc, conditional=conditional, bounds=bounds, left=left)
        picks.append(best)
        joint.add(np.asarray(mc[best], np.float64), conditional=float(conditional[best]))
        left = left[left != best]
        left = left[np.argsort(-bounds[left], kind="stable")]
    return np.array(picks, dtype=np.intp)


class _Joint:
    """The outcomes of the batch so far: how likely each is under each of the T opinions."""

    def __init__(self, opinions: int, *, most: int, rng: np.random.Generator) -> None:
        self.outcomes: Floats = np.ones((1, opinions))
        self.weights: Floats = np.ones(1)
        self.sure = 0.0
        self.most, self.rng = most, rng

    @property
    def information(self) -> float:
        """Return what the batch tells about the weights."""
        chance = self.outcomes.mean(axis=1)
        safe = np.where(chance > 0, chance, 1.0)
        return float(-(self.weights * chance * np.log(safe)).sum() - self.sure)

    def information_with(self, opinions: Floats, *, conditional: Floats) -> Floats:
        """Return, for B samples, what the batch would tell with each of them in it."""
        # M outcomes x T against B x T x K: the chance of every outcome with every label.
        joint = np.einsum("mt,btk->bmk", self.outcomes, opinions, optimize=True)
        joint /= self.outcomes.shape[1]
        parts = joint * np.log(np.where(joint > 0, joint, 1.0))
        return np.asarray(-(parts.sum(axis=2) @ self.weights) - self.sure - conditional)

    def add(self, opinion: Floats, *, conditional: float) -> None:
        """Take a sample into the batch; ``opinion`` is T x K."""
        grown = (self.outcomes[:, :, None] * opinion[None]).transpose(0, 2, 1)
        weights = np.repeat(self.weights, opinion.shape[1])
        self.outcomes = np.ascontiguousarray(grown.reshape(-1, opinion.shape[0]))
        self.weights = weights
        self.sure += conditional
        if len(self.outcomes) > self.most:
            self._sample()

    def _sample(self) -> None:
        """Draw outcomes as likely as they are; each then stands for many that are alike."""
        chance = self.outcomes.mean(axis=1)
        share = chance * self.weights
        drawn = self.rng.choice(len(share), size=self.most, p=share / share.sum())
        found, times = np.unique(drawn, return_counts=True)
        self.outcomes = self.outcomes[found]
        # An outcome drawn so often stands for that share of all, whatever its own chance is.
        self.weights = times / self.most / chance[found]


def _best_addition(
    joint: _Joint, mc: npt.NDArray[Any], *, conditional: Floats, bounds: Floats, left: Positions
) -> int:
    """Return the sample that adds most, looking at the most promising first; bounds are lowered."""
    now, best, highest = joint.information, int(left[0]), -np.inf
    for start in range(0, len(left), BLOCK):
        part = left[start : start + BLOCK]
        if highest >= bounds[part[0]]:
            break
        opinions = np.asarray(mc[part], np.float64)
        gains = joint.information_with(opinions, conditional=conditional[part]) - now
        # Equal gains keep the order of the lots; rounding must not decide.
        gains = gains.round(10)
        bounds[part] = gains
        at = int(gains.argmax())
        if gains[at] > highest:
            best, highest = int(part[at]), float(gains[at])
    return best


def _entropy(probabilities: Floats) -> Floats:
    safe = np.where(probabilities > 0, probabilities, 1.0)
    return np.asarray(np.abs((probabilities * np.log(safe)).sum(axis=-1)))


def _in_blocks(mc: npt.NDArray[Any], measure: Callable[[Floats], Floats]) -> Floats:
    """Measure some rows at a time, so that memory does not grow with N x T x K."""
    found = np.empty(len(mc))
    for start in range(0, len(mc), ROWS):
        part = slice(start, start + ROWS)
        found[part] = measure(np.asarray(mc[part], dtype=np.float64))
    return found


def _checked(mc: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if np.ndim(mc) != 3 or not mc.shape[1]:
        raise ValueError(f"opinions must be N x T x K with T of 1 or more, not {np.shape(mc)}")
    return mc
