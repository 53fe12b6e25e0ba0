"""What each training step sees: a plan that is a pure function of seed, data and step.

Half of the draws are fresh, half come from the store of everything ever learned. The store is
shared out language by language, as UniMax does unless something else is asked for (Chung et al.
2023, arXiv 2304.09151): uniform over languages, no language repeated more than a few times;
inside a language the labels are drawn evenly in the same way. Draws are woven by equal spacing,
halves first, then languages, then labels, so that every stretch of a plan holds its share of
each language and not only the sum of all.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from training.methods.shares import FloatArray, IntArray, least_drawn, shared, unimax, woven

__all__ = ["Described", "Plan", "balance", "loss_weights", "make_plan", "unimax"]

BoolArray = npt.NDArray[np.bool_]

# With a curriculum the farthest language begins when so much of the plan is over.
PACE = 0.5
# The wish of what would usually not be drawn any more: it takes what nobody else has room for.
NEVER = 1e-3


@dataclass(frozen=True)
class Described:
    """N rows to learn from: language and label as numbers, and whether they are fresh."""

    languages: IntArray
    labels: IntArray
    fresh: BoolArray


@dataclass(frozen=True)
class Usual:
    """What a plan was made of, and its rows before anything leaned.

    ``most`` (N) says how often each row may be drawn, ``starts`` when a language begins.
    """

    described: Described
    seed: int
    rows: IntArray
    most: IntArray
    starts: Mapping[int, float]


@dataclass(frozen=True)
class Plan:
    """Row numbers in the order in which they are learned, and how many make a step."""

    rows: IntArray
    batch: int
    usual: Usual

    @property
    def steps(self) -> int:
        """How many steps the plan has."""
        return -(-len(self.rows) // self.batch)

    @property
    def digest(self) -> str:
        """SHA-256 of the whole plan."""
        return hashlib.sha256(self.rows.tobytes() + self.batch.to_bytes(8, "little")).hexdigest()

    def step(self, number: int) -> IntArray:
        """Return the rows of one step, counted from 0."""
        return self.rows[number * self.batch : (number + 1) * self.batch]

    def shares(self, step: int) -> dict[int, float]:
        """Return which share of the draws from a step on each language has."""
        left = self.usual.described.languages[self.rows[step * self.batch :]]
        return {key: count / len(left) for key, count in _counts(left).items()}

    def leaned(self, step: int, *, languages: Mapping[int, float]) -> "Plan":
        """Draw anew what is left after ``step``, languages so many times as often as usual.

        The factors are told against the plan as it was made, not against an earlier lean, so
        ``{}`` goes back to the usual. What was learned, how many draws there are and how many of
        them are fresh stays. A language with a store is drawn more from there; one without takes
        from the other fresh ones. Nobody is drawn more than the factor times what ``repeats``
        allows it.
        """
        at = min(step * self.batch, len(self.rows))
        usual, told = self.usual, self.usual.described
        drawn = np.bincount(self.rows[:at], minlength=len(usual.most))
        planned = np.bincount(usual.rows, minlength=len(usual.most))
        rng = np.random.default_rng((usual.seed, step))
        wishes: FloatArray = planned.astype(np.float64) + NEVER
        draws = _Draws(told, wishes, usual.most, drawn, _later(usual, at), rng)
        fresh = int((planned - drawn)[told.fresh].sum())
        stored = set(told.languages[~told.fresh].tolist())
        budgets = ((told.fresh, fresh), (~told.fresh, len(self.rows) - at - fresh))
        halves = []
        for half, budget in budgets:
            later = usual.rows[at:]
            usually = _counts(told.languages[later[half[later]]])
            mine = {k: f for k, f in languages.items() if (k in stored) == (half is not told.fresh)}
            hoped = {
                key: mine.get(key, 1.0) * (usually.get(key, 0) + NEVER)
                for key in _counts(told.languages[half])
            }
            halves.append(draws.of(half, budget=budget, wishes=hoped, factors=mine))
        return replace(self, rows=np.concatenate([self.rows[:at], woven(halves, rng=rng)]))


def _counts(keys: IntArray) -> dict[int, int]:
    found, counts = np.unique(keys, return_counts=True)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))


def _later(usual: Usual, at: int) -> dict[int, float]:
    """Return from when on, as a share of what is left, each language is drawn."""
    gone = at / max(len(usual.rows), 1)
    return {
        key: max(0.0, start - gone) / max(1.0 - gone, 1e-9) for key, start in usual.starts.items()
    }


@dataclass(frozen=True)
class _Draws:
    """Draws from N rows, of which some were drawn already and none more than ``most`` times.

    ``wishes`` (N) decides how the labels of a language share what the language gets.
    """

    told: Described
    wishes: FloatArray
    most: IntArray
    drawn: IntArray
    starts: Mapping[int, float]
    rng: np.random.Generator

    def of(
        self,
        half: BoolArray,
        *,
        budget: int,
        wishes: Mapping[int, float],
        factors: Mapping[int, float] | None = None,
    ) -> IntArray:
        """Draw from the rows of one half, languages sharing the budget by their wishes."""
        parts = _parts(np.flatnonzero(half), keys=self.told.languages)
        raised = {key: max(1.0, (factors or {}).get(key, 1.0)) for key in parts}
        caps = {key: self._room(part, factor=raised[key]) for key, part in parts.items()}
        quotas = shared(budget, wishes={k: wishes.get(k, 0.0) for k in parts}, caps=caps)
        drawn = [self._language(parts[k], quota=quotas[k], factor=raised[k]) for k in parts]
        starts = [self.starts.get(key, 0.0) for key in parts]
        return woven(drawn, rng=self.rng, starts=starts)

    def _language(self, part: IntArray, *, quota: int, factor: float) -> IntArray:
        cells = _parts(part, keys=self.told.labels)
        quotas = shared(
            quota,
            wishes={key: float(self.wishes[cell].sum()) for key, cell in cells.items()},
            caps={key: self._room(cell, factor=factor) for key, cell in cells.items()},
        )
        return woven(
            [
                least_drawn(cell, quota=quotas[key], drawn=self.drawn[cell], rng=self.rng)
                for key, cell in cells.items()
            ],
            rng=self.rng,
        )

    def _room(self, rows: IntArray, *, factor: float) -> int:
        """Return how often these rows may still be drawn."""
        return max(0, int(np.ceil(factor * self.most[rows].sum())) - int(self.drawn[rows].sum()))


def _parts(rows: IntArray, *, keys: IntArray) -> dict[int, IntArray]:
    return {int(key): rows[keys[rows] == key] for key in np.unique(keys[rows])}


def make_plan(  # noqa: PLR0913 - each is a knob of a recipe
    rows: Described,
    *,
    seed: int,
    batch: int,
    epochs: int,
    repeats: int,
    sampling: str = "unimax",
    temperature: float = 1.0,
    order: Sequence[int] | None = None,
) -> Plan:
    """Plan ``epochs`` over the fresh rows with as much of the store beside them.

    Without fresh rows the store is learned alone, as many draws as ``epochs`` over it. The store
    is shared among languages by ``sampling``: ``unimax``, ``proportional`` to their rows, or by
    ``temperature``, in proportion to rows ** (1 / temperature); nobody's rows are repeated more
    than ``repeats`` times on average. With an ``order`` of languages, nearest first, each begins
    later than the one before; how much of each is learned stays the same.
    """
    rng = np.random.default_rng(seed)
    fresh, stored = rows.fresh, int((~rows.fresh).sum())
    budget = epochs * (int(fresh.sum()) or stored)
    most = np.where(fresh, epochs, repeats)
    starts = (
        {key: PACE * n / max(len(order) - 1, 1) for n, key in enumerate(order)} if order else {}
    )
    draws = _Draws(rows, _even(rows), most, np.zeros_like(most), starts, rng)
    sizes = _counts(rows.languages[~fresh])
    wishes = {key: _wish(size, sampling, temperature) for key, size in sizes.items()}
    halves = [
        draws.of(fresh, budget=epochs * int(fresh.sum()), wishes=_counts(rows.languages[fresh])),
        draws.of(~fresh, budget=budget, wishes=wishes),
    ]
    drawn = woven(halves, rng=rng)
    return Plan(drawn, batch, Usual(rows, seed, drawn, most, starts))


def _wish(size: int, sampling: str, temperature: float) -> float:
    return {
        "unimax": 1.0,
        "proportional": float(size),
        "temperature": float(size ** (1.0 / temperature)),
    }[sampling]


def _even(rows: Described) -> FloatArray:
    """Return wishes (N) by which the labels of a language share its draws evenly."""
    cells = rows.languages * (int(rows.labels.max(initial=0)) + 1) + rows.labels
    even = np.ones(len(cells))
    for cell in _parts(np.flatnonzero(~rows.fresh), keys=cells).values():
        even[cell] = 1.0 / len(cell)
    return even


def loss_weights(plan: Plan, *, wished: Mapping[int, float] | str) -> FloatArray:
    """Return weights (N) under which the sampled loss has the wished weighting in expectation.

    ``wished`` is the share of the objective that each language is to have, or ``uniform`` or
    ``proportional`` to its rows; inside a language every row is to count alike. A row of a cell
    (half, language, label) of n rows drawn d times out of D is drawn d / n times on average over
    seeds, so its weight is D n / d times what it is to count (Horvitz and Thompson 1952). The
    mean weight over the plan is 1. Cells that are never drawn have no say. A lean is no part of
    this, or the weights would take back what it gives.

    >>> rows = Described(np.array([0, 0, 0, 1]), np.zeros(4, int), np.zeros(4, bool))
    >>> plan = make_plan(rows, seed=0, batch=2, epochs=1, repeats=4)
    >>> loss_weights(plan, wished="proportional").tolist()
    [1.5, 1.5, 1.5, 0.5]
    """
    told, usual = plan.usual.described, plan.usual
    sizes, drawn = np.zeros(len(told.fresh)), np.bincount(usual.rows, minlength=len(told.fresh))
    labels = int(told.labels.max(initial=0)) + 1
    cells = (told.languages * labels + told.labels) * 2 + told.fresh
    of_cell = np.zeros(len(cells))
    for cell in _parts(np.arange(len(cells)), keys=cells).values():
        of_cell[cell] = drawn[cell].mean()
    met = of_cell > 0
    for language in _parts(np.flatnonzero(met), keys=told.languages).values():
        sizes[language] = len(language)
    if isinstance(wished, str):
        wished = _wished(wished, sizes=_counts(told.languages[met]))
    total = sum(wished.get(key, 0.0) for key in _counts(told.languages[met]))
    mass = np.array([wished.get(int(key), 0.0) / (total or 1.0) for key in told.languages])
    weights: FloatArray = np.zeros(len(cells))
    weights[met] = mass[met] / sizes[met] * len(usual.rows) / of_cell[met]
    return weights


def _wished(name: str, *, sizes: Mapping[int, int]) -> dict[int, float]:
    return {key: 1.0 if name == "uniform" else float(size) for key, size in sizes.items()}


def balance(
    targets: npt.NDArray[np.float32], weights: npt.NDArray[np.float32], *, most: float
) -> FloatArray:
    """Return by how much each of N rows is to be raised (N) so that labels weigh alike.

    ``targets`` (N x K) share a row among labels. A label is raised or lowered at most ``most``
    times, so that one which hardly anybody gave is not made up from the doubt of other rows.

    >>> balance(np.eye(2)[[0, 0, 0, 1]], np.ones(4), most=4).round(2).tolist()
    [0.67, 0.67, 0.67, 2.0]
    """
    mass = weights @ targets
    even = mass.sum() / max(1, np.count_nonzero(mass))
    factors = np.clip(even / np.maximum(mass, 1e-9), 1 / most, most)
    raised: FloatArray = np.asarray(targets @ factors, dtype=np.float64)
    return raised


def evened(
    targets: npt.NDArray[np.float32], weights: npt.NDArray[np.float32], *, most: float
) -> npt.NDArray[np.float32]:
    """Return by how much labels are raised where they hold (K), so that both sides weigh alike.

    ``targets`` (N x K) are probabilities of labels that do not exclude each other. None is raised
    or lowered more than ``most`` times. What is learned so holds rare labels to be more probable than
    they are, for which it finds them: where half is the mark, F1 asks for no less.

    >>> evened(np.array([[1, 0], [0, 0], [0, 0], [0, 1]], np.float32), np.ones(4), most=2).tolist()
    [2.0, 2.0]
    """
    there = weights @ targets
    without = weights.sum() - there
    ratio = np.maximum(without, 1e-9) / np.maximum(there, 1e-9)
    return np.asarray(np.clip(ratio, 1 / most, most), np.float32)
