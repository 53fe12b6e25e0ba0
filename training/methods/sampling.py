"""What each training step sees: a plan that is a pure function of seed, data and step.

Half of the draws are fresh, half come from the store of everything ever learned. The store is
drawn language by language as UniMax does (Chung et al. 2023, arXiv 2304.09151): uniform over
languages, no language repeated more than a few times; inside a language the labels are drawn
evenly in the same way. Draws are spread over the steps by equal spacing, so that every step
holds its share of each language, not only the sum of all.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Plan:
    """Row numbers in the order in which they are learned, and how many make a step."""

    rows: IntArray
    batch: int

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


def unimax(budget: int, *, sizes: Mapping[int, int], repeats: int) -> dict[int, int]:
    """Share a budget evenly, giving nobody more than ``repeats`` times what it has.

    >>> unimax(300, sizes={0: 10_000, 1: 50, 2: 10}, repeats=4)
    {0: 130, 1: 130, 2: 40}
    """
    shares, left = dict.fromkeys(sizes, 0), budget
    for done, key in enumerate(sorted(sizes, key=lambda key: (sizes[key], key))):
        shares[key] = min(repeats * sizes[key], -(-left // (len(sizes) - done)))
        left -= shares[key]
    return shares


def balance(
    targets: npt.NDArray[np.float32], weights: npt.NDArray[np.float32], *, most: float
) -> npt.NDArray[np.float64]:
    """Return by how much each of N rows is to be raised (N) so that labels weigh alike.

    ``targets`` (N x K) share a row among labels. A label is raised or lowered at most ``most``
    times, so that one which hardly anybody gave is not made up from the doubt of other rows.

    >>> balance(np.eye(2)[[0, 0, 0, 1]], np.ones(4), most=4).round(2).tolist()
    [0.67, 0.67, 0.67, 2.0]
    """
    mass = weights @ targets
    even = mass.sum() / max(1, np.count_nonzero(mass))
    factors = np.clip(even / np.maximum(mass, 1e-9), 1 / most, most)
    raised: npt.NDArray[np.float64] = np.asarray(targets @ factors, dtype=np.float64)
    return raised


@dataclass(frozen=True)
class Described:
    """N rows to learn from: language and label as numbers, and whether they are fresh."""

    languages: IntArray
    labels: IntArray
    fresh: npt.NDArray[np.bool_]


def make_plan(rows: Described, *, seed: int, batch: int, epochs: int, repeats: int) -> Plan:
    """Plan ``epochs`` over the fresh rows with as much of the store beside them.

    Without fresh rows the store is learned alone, as many draws as ``epochs`` over it.
    """
    rng = np.random.default_rng(seed)
    new, store = np.flatnonzero(rows.fresh), np.flatnonzero(~rows.fresh)
    budget = epochs * (len(new) or len(store))
    drawn = [_cycle(new, quota=epochs * len(new), rng=rng)]
    for part, share in _shares(store, keys=rows.languages, budget=budget, repeats=repeats):
        for cell, quota in _shares(part, keys=rows.labels, budget=share, repeats=repeats):
            drawn.append(_cycle(cell, quota=quota, rng=rng))
    return Plan(_spread(drawn, rng=rng), batch)


def _shares(
    rows: IntArray, *, keys: IntArray, budget: int, repeats: int
) -> list[tuple[IntArray, int]]:
    """Cut rows by key and share the budget among the parts."""
    parts = {int(key): rows[keys[rows] == key] for key in np.unique(keys[rows])}
    shares = unimax(budget, sizes={key: len(part) for key, part in parts.items()}, repeats=repeats)
    return [(part, shares[key]) for key, part in parts.items()]


def _cycle(rows: IntArray, *, quota: int, rng: np.random.Generator) -> IntArray:
    """Go through the rows again and again, each time in a new order."""
    if not quota:
        return np.empty(0, np.int64)
    turns = [rng.permutation(rows) for _ in range(-(-quota // len(rows)))]
    taken: IntArray = np.concatenate(turns)[:quota].astype(np.int64)
    return taken


def _spread(parts: list[IntArray], *, rng: np.random.Generator) -> IntArray:
    places = [(np.arange(len(part)) + rng.random()) / max(len(part), 1) for part in parts]
    order = np.argsort(np.concatenate(places), kind="stable")
    spread: IntArray = np.concatenate(parts)[order].astype(np.int64)
    return spread
