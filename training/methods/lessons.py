"""Lessons: what there is to learn from, and what becomes of one who has learned it."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from annotation.errors import ConflictError
from annotation.methods.texts import excerpt
from learning.networks import Batch, Network
from learning.networks.tokens import units_of
from training.methods.curricula import by_likeness
from training.methods.recipes import Recipe
from training.methods.sampling import (
    Described,
    Plan,
    balance,
    evened,
    loss_weights,
    make_plan,
)

Measure = Callable[[Network], dict[str, float]]
Floats = npt.NDArray[np.float32]

# A text is held to be marked if so much of one unit is.
MARKED = 0.5


@dataclass(frozen=True)
class Lessons:
    """N texts to learn from, with their soft targets (N x K), weights, and which are fresh.

    ``logits`` (N x K) are what the model that learned a row said of it when it was stored; a
    row of NaN has none, because it is fresh or its label was corrected since.

    Of texts that are tagged unit by unit (:mod:`learning.networks.tokens`), targets and logits
    have a row for each unit, one text after the other: ``units`` (N) says how many each text has,
    ``cuts`` where its words are cut further. Weights stay those of texts.

    Of ``several`` labels that do not exclude each other, targets are a probability each; ``raised``
    (K) is by how much more a label counts where it holds than where it does not.
    """

    texts: Sequence[str]
    languages: Sequence[str]
    targets: Floats
    weights: Floats
    fresh: npt.NDArray[np.bool_]
    logits: Floats | None = None
    units: npt.NDArray[np.int64] | None = None
    cuts: Sequence[Sequence[int]] = ()
    several: bool = False
    raised: Floats | None = None

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
            labels=self._labels(),
            fresh=self.fresh,
        )

    def _labels(self) -> npt.NDArray[np.int64]:
        """Return what each text is of: its label, or of its units the commonest tag but O, if any.

        Of several labels the rarest that holds, or that none does (K): else no draw would be rare.
        """
        if self.several:
            holds = self.targets > MARKED
            rarity = np.where(holds, -holds.mean(axis=0), -np.inf)
            rarest = np.where(holds.any(axis=1), rarity.argmax(axis=1), holds.shape[1])
            return np.asarray(rarest, np.int64)
        if self.units is None:
            return np.asarray(self.targets.argmax(axis=1), np.int64)
        shares = self.shares()
        marked = shares[:, 1:].sum(axis=1) * np.maximum(self.units, 1) >= MARKED
        best = 1 + shares[:, 1:].argmax(axis=1)
        return np.where(marked, best, 0).astype(np.int64)

    def shares(self) -> Floats:
        """Return the soft targets of whole texts (N x K), the mean over their units if they have any.

        Of several labels N x K + 1: what each text is of.
        """
        if self.several:
            return np.eye(self.targets.shape[1] + 1, dtype=np.float32)[self._labels()]
        if self.units is None:
            return self.targets
        text = np.repeat(np.arange(len(self.units)), self.units)
        sums = np.zeros((len(self.units), self.targets.shape[1]), np.float32)
        np.add.at(sums, text, self.targets)
        return np.asarray(sums / np.maximum(self.units, 1)[:, None], np.float32)

    def places(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return where in ``targets`` and ``logits`` the rows of these texts are."""
        if self.units is None:
            return rows
        starts, counts = np.cumsum(self.units) - self.units, self.units[rows]
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return np.asarray(np.repeat(starts[rows], counts) + within, np.int64)

    def by_text(self, table: Floats) -> list[Floats]:
        """Part R x K rows among their texts."""
        if self.units is None:
            return list(table)
        return np.split(table, np.cumsum(self.units)[:-1])

    def batch(self, network: Network, rows: npt.NDArray[np.int64]) -> Batch:
        """Return these texts as the network takes them."""
        return network.collate(
            [self.texts[i] for i in rows], [self.languages[i] for i in rows], **self._cut(rows)
        )

    def prepare(self, network: Network) -> None:
        """Have the network make room for what is to be learned."""
        network.prepare(self.texts, self.languages, **self._cut(np.arange(len(self.texts))))

    def packed(
        self, network: Network, *, device: str
    ) -> Iterator[tuple[npt.NDArray[np.intp], Batch]]:
        """Yield all texts as the network packs them."""
        cut = self._cut(np.arange(len(self.texts)))
        yield from network.packed(self.texts, self.languages, device=device, **cut)

    def _cut(self, rows: npt.NDArray[np.int64]) -> dict[str, Any]:
        return {} if self.units is None else {"cuts": [self.cuts[i] for i in rows]}

    def stored_logits(self) -> Floats:
        """Return the stored logits N x K, NaN where there are none."""
        if self.logits is None:
            return np.full(self.targets.shape, np.nan, np.float32)
        return np.asarray(self.logits, np.float32)

    def only(self, rows: npt.NDArray[np.int64]) -> "Lessons":
        """Return the lessons of these rows, in their order."""
        at = self.places(rows)
        return replace(
            self,
            texts=[self.texts[i] for i in rows],
            languages=[self.languages[i] for i in rows],
            targets=self.targets[at],
            weights=self.weights[rows],
            fresh=self.fresh[rows],
            logits=self.stored_logits()[at],
            units=None if self.units is None else self.units[rows],
            cuts=[self.cuts[i] for i in rows] if self.cuts else (),
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
        if self.several:
            raised_labels = evened(self.targets, weights * draws, most=recipe.balance**2)
            return replace(self, weights=np.asarray(weights, np.float32), raised=raised_labels)
        raised = balance(self.shares(), weights * draws, most=recipe.balance)
        return replace(self, weights=(weights * raised).astype(np.float32))

    def _least_epochs(self, recipe: Recipe) -> int:
        """Return how often the fresh rows are gone through so that few of them are enough steps."""
        rows = int(self.fresh.sum()) or len(self.texts)
        store = rows if 0 < self.fresh.sum() < len(self.texts) else 0
        return math.ceil(recipe.least_steps * recipe.batch / max(rows + store, 1))


def marked_lessons(
    texts: Sequence[str],
    *,
    targets: Sequence[Mapping[str, Any]],
    logits: Sequence[Sequence[Sequence[float]] | None],
    **beside: Any,
) -> Lessons:
    """Return texts as lessons whose units have soft tags, as a consensus on marks keeps them.

    A target holds ``units`` (u x 2), which people's edges may have cut, and ``posterior`` (u x K).

    >>> told = {"units": [[0, 2], [2, 3]], "posterior": [[1.0, 0, 0], [0.25, 0.75, 0]]}
    >>> made = marked_lessons(["Awa"], targets=[told], logits=[None], languages=["wo"],
    ...     weights=np.ones(1), fresh=np.ones(1, bool))
    >>> made.units.tolist(), made.cuts, made.described.labels.tolist()
    ([2], [[0, 2, 3]], [1])
    """
    cuts = [sorted({edge for unit in one["units"] for edge in unit}) for one in targets]
    cut = units_of(texts, cuts=cuts)
    for text, one, found in zip(texts, targets, cut, strict=True):
        if found.tolist() != [list(unit) for unit in one["units"]]:
            raise ConflictError(
                f"The units of the text “{excerpt(text, length=40)}” are cut otherwise today than"
                " when its consensus was fitted.",
                remedy="Have the consensus fitted anew, then take a new snapshot.",
            )
    width = max((len(row) for one in targets for row in one["posterior"]), default=1)
    lost = [np.full((len(one), width), np.nan, np.float32) for one in cut]
    said = [
        np.asarray(told, np.float32) if told and len(told) == len(one) else one
        for told, one in zip(logits, lost, strict=True)
    ]
    rows = [np.asarray(one["posterior"], np.float32).reshape(-1, width) for one in targets]
    return Lessons(
        texts=texts,
        targets=np.concatenate([np.zeros((0, width), np.float32), *rows]),
        logits=np.concatenate([np.zeros((0, width), np.float32), *said]),
        units=np.array([len(one) for one in cut], np.int64),
        cuts=cuts,
        **beside,
    )


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
