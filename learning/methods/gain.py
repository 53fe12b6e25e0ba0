"""Gain: what asking chosen samples was worth against asking random ones, in one language.

Every round a random arm is asked beside the chosen samples, from the same pool. Two plausible
measures are biased and not used: that a network errs more on chosen than on random samples only
says that they are hard, and its surprise at them only that it was unsure. What counts is what a
learner makes of them. So two heads of the same kind are trained from nothing on frozen
representations, one on m labels of the random arm, one on m chosen ones of the very same rounds,
and both answer the same gold:

    gain = accuracy(chosen) - accuracy(random), at m labels

This is the mean over many draws of half the random arm (m is that half); the interval is
theirs, with gold redrawn each time, so it holds how few labels and how few gold items there are.
Half-samples of n vary about their mean as the whole n varies about the truth (McCarthy 1969,
*Pseudo-replication: Half Samples*).

What it is not: the gain at the campaign's full budget, nor with its own network (an active set
may fit the network that chose it better than another; Lowell, Lipton & Wallace 2019). The chosen
samples were chosen knowing all labels before them, the heads know only theirs.

Shapes: a chosen and b random samples with d features, g gold items, K labels.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from learning.methods.metrics import Estimate

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LEAST_RANDOM = 20
LEAST_GOLD = 30
DRAWS = 40
REDRAWS = 25
RIDGE = 1.0


@dataclass(frozen=True, eq=False)
class Arm:
    """Samples with their features (n x d), the answered labels, and the round that asked them."""

    features: Floats
    labels: Ints
    rounds: Ints

    def __post_init__(self) -> None:
        """Refuse columns that do not fit together."""
        if not len(self.features) == len(self.labels) == len(self.rounds):
            raise ValueError("every sample of an arm needs its features, label and round")


@dataclass(frozen=True)
class Gain:
    """The gain with its 95 % interval, or None where there is too little to tell; never padded.

    Beside it what it is the difference of: the accuracy of either head on the same gold.
    """

    estimate: Estimate | None
    labels: int
    gold: int
    chosen: Estimate | None = field(default=None, repr=False)
    random: Estimate | None = field(default=None, repr=False)


def selection_gain(
    chosen: Arm,
    *,
    random: Arm,
    gold: Floats,
    truth: Ints,
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> Gain:
    """Return what m chosen labels gave over m random ones.

    Only rounds that have enough of both count. Nothing is said of fewer than 20 random labels
    or 30 gold items.

    >>> arm = Arm(np.eye(2), np.array([0, 1]), np.array([1, 1]))
    >>> selection_gain(arm, random=arm, gold=np.eye(2), truth=np.array([0, 1]),
    ...                rng=np.random.default_rng(0))
    Gain(estimate=None, labels=1, gold=2)
    """
    paired = _paired(chosen, random)
    half = len(paired) // 2
    if len(paired) < LEAST_RANDOM or len(truth) < LEAST_GOLD:
        return Gain(None, half, len(truth))
    classes = int(max(truth.max(), chosen.labels.max(), random.labels.max())) + 1
    middle, spread = random.features.mean(axis=0), random.features.std() + 1e-9
    arms = [
        Arm((arm.features - middle) / spread, arm.labels, arm.rounds) for arm in (chosen, random)
    ]
    there = (gold - middle) / spread
    right = np.empty((2, draws, len(truth)))
    for draw in range(draws):
        both = _halves(paired, chosen=arms[0], random=arms[1], rng=rng)
        for side, (arm, at) in enumerate(zip(arms, both, strict=True)):
            right[side, draw] = _right(arm, at, gold=there, truth=truth, classes=classes)
    picks = rng.integers(0, len(truth), (draws, REDRAWS, len(truth)))
    told = (_redrawn(one, picks) for one in (right[0] - right[1], right[0], right[1]))
    estimate, chosen_right, random_right = told
    return Gain(estimate, half, len(truth), chosen_right, random_right)


def _redrawn(rows: Floats, picks: Ints) -> Estimate:
    """Return the mean over draws and gold, with the interval that redrawn gold gives it."""
    means = np.take_along_axis(rows[:, None, :], picks, axis=2).mean(axis=2)
    low, high = np.quantile(means, [0.025, 0.975])
    value = float(rows.mean())
    return Estimate(value, min(value, float(low)), max(value, float(high)), rows.shape[1])


def fit_head(features: Floats, *, labels: Ints, classes: int, ridge: float = RIDGE) -> Floats:
    """Return (d + 1) x K weights of a softmax regression with a ridge; the last row is the bias.

    >>> w = fit_head(np.array([[1.0], [-1.0]]), labels=np.array([0, 1]), classes=2)
    >>> bool(w[0, 0] > w[0, 1])
    True
    """
    x = np.hstack([features, np.ones((len(features), 1))])
    told = np.eye(classes)[labels]

    def loss(flat: Floats) -> tuple[float, Floats]:
        w = flat.reshape(-1, classes)
        z = x @ w
        z = z - z.max(axis=1, keepdims=True)
        total = np.log(np.exp(z).sum(axis=1, keepdims=True))
        value = float((total[:, 0] - (z * told).sum(axis=1)).sum() + 0.5 * ridge * (w * w).sum())
        return value, (x.T @ (np.exp(z - total) - told) + ridge * w).ravel()

    start = np.zeros(x.shape[1] * classes)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 60})
    return np.asarray(found.x.reshape(-1, classes))


def _paired(chosen: Arm, random: Arm) -> Ints:
    """Return the random samples that can be matched by chosen ones of their round."""
    kept = []
    for number in np.unique(random.rounds):
        mine = np.flatnonzero(random.rounds == number)
        kept.append(mine[: int((chosen.rounds == number).sum())])
    return np.concatenate(kept) if kept else np.zeros(0, np.int64)


def _halves(
    paired: Ints, *, chosen: Arm, random: Arm, rng: np.random.Generator
) -> tuple[Ints, Ints]:
    """Return as many chosen samples as half of the random arm, of the same rounds, and that half."""
    ours = rng.permutation(paired)[: len(paired) // 2]
    theirs = [
        rng.permutation(np.flatnonzero(chosen.rounds == number))[:count]
        for number, count in zip(*np.unique(random.rounds[ours], return_counts=True), strict=True)
    ]
    return np.concatenate(theirs), ours


def _right(arm: Arm, at: Ints, *, gold: Floats, truth: Ints, classes: int) -> Floats:
    """Return for each gold item whether a head that learned from these samples is right."""
    weights = fit_head(arm.features[at], labels=arm.labels[at], classes=classes)
    told = (gold @ weights[:-1] + weights[-1]).argmax(axis=1)
    return np.asarray(told == truth, dtype=np.float64)
