"""Stopping: when a language has learned what labels can teach it, and what more would buy.

Successive networks that agree on a fixed, unlabelled stop set have stabilised (Bloodgood &
Vijay-Shanker 2009): if Cohen's kappa is T, their F-measures differ by at most 4 (1 - T) / T
(Bloodgood & Grothendieck 2013). Agreement alone is fooled: pooled over languages a large one
hides a small one that still changes, and a network that has collapsed onto one label agrees with
itself perfectly. So everything here is about one language, and all guards must hold:

- ``agreement``: kappa at least T in each of the last rounds;
- ``spread``: the labels it gives are not far less varied than the labels people give;
- ``quality``: its accuracy on items drawn at random is known to within eps;
- ``gain``: even the upper bound of what 100 more labels add is less than what is wanted;
- ``drift``: it has not become worse since the round before.

A guard without a number does not hold. Or the language's budget is spent. The verdict is a pure
function of the stored numbers of the rounds, so it can be replayed, and a later round can take
it back.

Shapes: S samples of a stop set, R rounds, n gold items, K labels.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from learning.methods.metrics import Estimate

Floats = npt.NDArray[np.float64]

LEAST_STOP_SET = 50
DRAWS = 2000


@dataclass(frozen=True)
class StopPolicy:
    """What must hold; ``least_gain`` is accuracy per 100 labels, ``budget`` labels in all."""

    kappa: float = 0.99
    rounds: int = 3
    half_width: float = 0.05
    least_gain: float = 0.01
    least_spread: float = 0.5
    budget: int | None = None

    def __post_init__(self) -> None:
        """Refuse what could never or would always hold."""
        if not 0.0 < self.kappa <= 1.0 or self.rounds < 1:
            raise ValueError("kappa lies in (0, 1], and it takes one round at least")
        if self.half_width <= 0 or self.least_gain < 0 or not 0.0 <= self.least_spread <= 1.0:
            raise ValueError("half_width is positive, least_gain not negative, spread in [0, 1]")


@dataclass(frozen=True)
class RoundFacts:
    """The stored numbers of one language after one round; None is not known.

    ``kappa`` is between this round's network and the one before on ``agreed_on`` samples;
    ``spread`` the entropy of the labels it gives, ``expected_spread`` of those that people give;
    ``half_width`` that of its accuracy on random items; ``gain`` with its ends what 100 more
    labels add; ``change`` the upper end of its accuracy less that of the round before.
    """

    labels: int
    kappa: float | None = None
    agreed_on: int = 0
    spread: float | None = None
    expected_spread: float | None = None
    half_width: float | None = None
    gain: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None
    change: float | None = None


@dataclass(frozen=True)
class Guard:
    """One condition: whether it holds, its number (None: not known) and what it must reach."""

    name: str
    holds: bool
    number: float | None
    bound: float


@dataclass(frozen=True)
class Decision:
    """``stop`` or ``go_on``, why (``learned``, ``budget`` or empty), and every guard."""

    verdict: str
    cause: str
    guards: tuple[Guard, ...]
    f_bound: float | None


def decide(history: Sequence[RoundFacts], *, policy: StopPolicy) -> Decision:
    """Return the verdict after the last of the rounds.

    >>> calm = RoundFacts(labels=400, kappa=0.995, agreed_on=300, spread=1.0, expected_spread=1.1,
    ...                   half_width=0.03, gain=0.001, gain_low=0.0, gain_high=0.004, change=0.02)
    >>> decide([calm] * 3, policy=StopPolicy()).verdict, decide([calm] * 2, policy=StopPolicy()).verdict
    ('stop', 'go_on')
    """
    if not history:
        return Decision("go_on", "", (), None)
    now, guards = history[-1], _guards(history, policy)
    known = [facts.kappa for facts in history[-policy.rounds :] if facts.kappa is not None]
    f_bound = kappa_bound(min(known)) if known else None
    if policy.budget is not None and now.labels >= policy.budget:
        return Decision("stop", "budget", guards, f_bound)
    if all(guard.holds for guard in guards):
        return Decision("stop", "learned", guards, f_bound)
    return Decision("go_on", "", guards, f_bound)


def kappa(before: npt.ArrayLike, after: npt.ArrayLike) -> float | None:
    """Return Cohen's kappa (1960) of two networks' labels; None where chance explains all.

    Two networks that give one and the same label to everything agree by having collapsed.

    >>> kappa([0, 1, 1, 0], [0, 1, 1, 1]), kappa([0, 0], [0, 0])
    (0.5, None)
    """
    a, b = np.asarray(before, np.int64), np.asarray(after, np.int64)
    if a.shape != b.shape:
        raise ValueError("kappa needs the same samples twice")
    if not len(a):
        return None
    classes = int(max(a.max(), b.max())) + 1
    shares = [np.bincount(x, minlength=classes) / len(x) for x in (a, b)]
    chance = float(shares[0] @ shares[1])
    if chance >= 1.0:
        return None
    return float(((a == b).mean() - chance) / (1.0 - chance))


def kappa_bound(value: float) -> float:
    """Return by how much two F-measures can differ at most, given kappa.

    >>> round(kappa_bound(0.99), 3), kappa_bound(0.0)
    (0.04, 1.0)
    """
    return min(1.0, 4.0 * (1.0 - value) / value) if value > 0 else 1.0


def spread(counts: npt.ArrayLike) -> float | None:
    """Return the entropy in nats of how often each label is given; None without any.

    >>> round(spread([10, 10]), 3), spread([10, 0])
    (0.693, 0.0)
    """
    number = np.asarray(counts, np.float64)
    if number.sum() <= 0:
        return None
    share = number[number > 0] / number.sum()
    return abs(float((share * np.log(share)).sum()))


def slope(
    labels: npt.ArrayLike,
    values: npt.ArrayLike,
    *,
    covariance: npt.ArrayLike,
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> Estimate | None:
    """Return the gain per label over the last rounds, by an isotonic fit; None if unknown.

    ``labels`` and ``values`` (R) are a learning curve, ``covariance`` (R x R, or R variances) how
    uncertain it is. More labels do not hurt in the long run, so the curve is made to rise
    (Barlow et al. 1972) and the slope lies between its ends; values are redrawn from their
    distribution for the 95 % interval. Both ends are at least 0: the lower one weighs quotas, the
    upper one says what could still be gained.

    >>> rng = np.random.default_rng(0)
    >>> s = slope([100, 200, 300], [0.6, 0.7, 0.8], covariance=[1e-6] * 3, rng=rng)
    >>> round(s.value, 4), s.low > 0.0009, s.items
    (0.001, True, 3)
    >>> slope([100, 100, 100], [0.6, 0.7, 0.8], covariance=[1e-6] * 3, rng=rng) is None
    True
    """
    count, curve = np.asarray(labels, np.float64), np.asarray(values, np.float64)
    sigma = np.asarray(covariance, np.float64)
    sigma = np.diag(sigma) if sigma.ndim == 1 else sigma
    if len(count) < 2 or count[-1] <= count[0]:
        return None
    if (np.diff(count) < 0).any() or sigma.shape != (len(count), len(count)):
        raise ValueError("labels never fall, and every value needs its variance")
    drawn = rng.multivariate_normal(curve, sigma, size=draws, check_valid="ignore")
    rises = isotonic(np.vstack([curve, drawn]))
    slopes = (rises[:, -1] - rises[:, 0]) / (count[-1] - count[0])
    low, high = np.quantile(slopes[1:], [0.025, 0.975])
    value = float(slopes[0])
    return Estimate(value, min(value, float(low)), max(value, float(high)), len(count))


def isotonic(curves: Floats) -> Floats:
    """Return the nearest rising curve of each of D x R curves, by the minimax formula.

    >>> isotonic(np.array([[1.0, 3.0, 2.0]])).tolist()
    [[1.0, 2.5, 2.5]]
    """
    rounds = curves.shape[1]
    sums = np.concatenate([np.zeros((len(curves), 1)), curves.cumsum(axis=1)], axis=1)
    best = np.full_like(curves, -np.inf)
    for at in range(rounds):
        for start in range(at + 1):
            ends = np.arange(at + 1, rounds + 1)
            means = (sums[:, ends] - sums[:, [start]]) / (ends - start)
            best[:, at] = np.maximum(best[:, at], means.min(axis=1))
    return best


def paired_curve(outcomes: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Return the means of R x n outcomes on the same n items, and their R x R covariance.

    Networks that are measured on the same items err together, so their differences are far
    better known than each of them.

    >>> means, covariance = paired_curve([[1, 0, 1, 0], [1, 0, 1, 0]])
    >>> means.tolist(), bool(np.isclose(covariance[0, 0], covariance[0, 1]))
    ([0.5, 0.5], True)
    """
    rows = np.asarray(outcomes, np.float64)
    if rows.ndim != 2 or rows.shape[1] < 2:
        raise ValueError("a curve needs two items at least")
    return np.asarray(rows.mean(axis=1)), np.atleast_2d(np.cov(rows)) / rows.shape[1]


def _guards(history: Sequence[RoundFacts], policy: StopPolicy) -> tuple[Guard, ...]:
    now, recent = history[-1], history[-policy.rounds :]
    kappas = [f.kappa for f in recent if f.kappa is not None and f.agreed_on >= LEAST_STOP_SET]
    agreement = min(kappas) if len(kappas) == policy.rounds else None
    varied = policy.least_spread * (now.expected_spread or 0.0)
    return (
        _reaches("agreement", agreement, policy.kappa),
        _reaches("spread", now.spread if now.expected_spread else None, varied),
        _stays_under("quality", now.half_width, policy.half_width),
        _stays_under("gain", now.gain_high, policy.least_gain),
        _reaches("drift", now.change, 0.0),
    )


def _reaches(name: str, number: float | None, bound: float) -> Guard:
    return Guard(name, _known(number) and number is not None and number >= bound, number, bound)


def _stays_under(name: str, number: float | None, bound: float) -> Guard:
    return Guard(name, _known(number) and number is not None and number <= bound, number, bound)


def _known(number: float | None) -> bool:
    return number is not None and math.isfinite(number)
