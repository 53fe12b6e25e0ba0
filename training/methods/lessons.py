"""Lessons: what there is to learn from, and what becomes of one who has learned it."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from learning.networks import Network
from training.methods.curricula import by_likeness
from training.methods.recipes import Recipe
from training.methods.sampling import Described, Plan, balance, loss_weights, make_plan

Measure = Callable[[Network], dict[str, float]]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Lessons:
    """N texts to learn from, with their soft targets (N x K), weights, and which are fresh.

    ``logits`` (N x K) are what the model that learned a row said of it when it was stored; a
    row of NaN has none, because it is fresh or its label was corrected since.
    """

    texts: Sequence[str]
    languages: Sequence[str]
    targets: Floats
    weights: Floats
    fresh: npt.NDArray[np.bool_]
    logits: Floats | None = None

    @cached_property
    def tags(self) -> list[str]:
        """Return the language tags, in the order in which plans number them."""
        return sorted(set(self.languages))

    @cached_property
    def described(self) -> Described:
        """Return language and label of each row as numbers."""
        number = {tag: place for place, tag in enumerate(self.tags)}
        return Described(
            languages=np.array([number[tag] for tag in self.languages], np.int64),
            labels=self.targets.argmax(axis=1).astype(np.int64),
            fresh=self.fresh,
        )

    def stored_logits(self) -> Floats:
        """Return the stored logits N x K, NaN where there are none."""
        if self.logits is None:
            return np.full(self.targets.shape, np.nan, np.float32)
        return np.asarray(self.logits, np.float32)

    def only(self, rows: npt.NDArray[np.int64]) -> "Lessons":
        """Return the lessons of these rows, in their order."""
        return Lessons(
            texts=[self.texts[i] for i in rows],
            languages=[self.languages[i] for i in rows],
            targets=self.targets[rows],
            weights=self.weights[rows],
            fresh=self.fresh[rows],
            logits=self.stored_logits()[rows],
        )

    def plan(self, recipe: Recipe, *, seed: int) -> Plan:
        """Return the order in which they are learned."""
        order: list[int] | None = None
        epochs, repeats = max(recipe.epochs, self._least_epochs(recipe)), recipe.repeats
        if recipe.curriculum:
            nearest = by_likeness(self.texts, self.languages, known=list(~self.fresh))
            order = [self.tags.index(tag) for tag in nearest]
        if recipe.memory:
            # What is left of a store has to speak for all of it, as often as it takes.
            repeats = epochs * len(self.texts)
        return make_plan(
            self.described,
            seed=seed,
            batch=recipe.batch,
            epochs=epochs,
            repeats=repeats,
            sampling=recipe.sampling,
            temperature=recipe.temperature,
            order=order,
        )

    def weighed(self, plan: Plan, *, recipe: Recipe) -> "Lessons":
        """Return the same lessons with labels weighing alike over the plan, languages as wished."""
        draws = np.bincount(plan.rows, minlength=len(self.weights))
        weights = self.weights
        if recipe.weighing:
            wished = loss_weights(plan, wished=recipe.weighing)
            weights = (weights * wished).astype(np.float32)
        raised = balance(self.targets, weights * draws, most=recipe.balance)
        return replace(self, weights=(weights * raised).astype(np.float32))

    def _least_epochs(self, recipe: Recipe) -> int:
        """Return how often the fresh rows are gone through so that few of them are enough steps."""
        rows = int(self.fresh.sum()) or len(self.texts)
        store = rows if 0 < self.fresh.sum() < len(self.texts) else 0
        return math.ceil(recipe.least_steps * recipe.batch / max(rows + store, 1))


@dataclass(frozen=True)
class Job:
    """Everything that the final weights depend on, beside the network they start from.

    ``items`` is how many development items each language is measured on, which is how large
    a drop may be by chance; ``carried`` what the run that made the network left behind (see
    :mod:`training.methods.carried`).
    """

    lessons: Lessons
    measure: Measure
    recipe: Recipe
    seed: int
    snapshot: str
    items: Mapping[str, int] = field(default_factory=dict)
    carried: Mapping[str, torch.Tensor] = field(default_factory=dict)


class Watch(Protocol):
    """Told of every step; may raise to end the run at once."""

    def __call__(self, step: int, *, steps: int, curve: list[Any]) -> None:
        """See how far the run is."""


@dataclass(frozen=True)
class Learned:
    """How the run went: the curve, and how much of the new weights was kept.

    ``logits`` (N x K) are to be stored with the rows for the next run, ``carried`` with the
    version.
    """

    steps: int
    curve: list[Any]
    share: float
    dev: dict[str, float]
    logits: Floats | None = field(default=None, compare=False)
    carried: Mapping[str, torch.Tensor] = field(default_factory=dict, compare=False)
