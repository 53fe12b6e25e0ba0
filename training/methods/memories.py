"""Memories: which rows a method may see, and a store that is cut down to a size."""

import hashlib
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from training.methods.lessons import Lessons
from training.methods.recipes import ADAPTING, CUMULATIVE, REPLAYING, Recipe
from training.methods.sampling import unimax

IntArray = npt.NDArray[np.int64]


def rows_seen(lessons: Lessons, *, recipe: Recipe) -> IntArray:
    """Return the rows that the method learns from, in their order.

    All of them where it goes through everything; the fresh ones with the store, or with as
    much of it as a memory holds, where it replays; with the store of their own languages where
    these learn in adapters; the fresh ones alone otherwise. Where nothing is fresh, the store is
    what there is to learn.
    """
    fresh, store = np.flatnonzero(lessons.fresh), np.flatnonzero(~lessons.fresh)
    if recipe.method == CUMULATIVE or not len(fresh):
        return np.arange(len(lessons.texts))
    if recipe.method not in (*REPLAYING, *ADAPTING):
        return fresh
    if recipe.method in ADAPTING:
        learning = {lessons.languages[i] for i in fresh}
        store = np.array([i for i in store if lessons.languages[i] in learning], np.int64)
    if recipe.memory:
        store = reservoir(lessons, rows=store, size=recipe.memory)
    return np.sort(np.concatenate([fresh, store]))


def seen_by(lessons: Lessons, *, rows: IntArray, recipe: Recipe) -> Lessons:
    """Return the lessons as the method sees them: to one that goes through all, all are fresh."""
    seen = lessons if len(rows) == len(lessons.texts) else lessons.only(rows)
    if recipe.method == CUMULATIVE:
        return replace(seen, fresh=np.ones(len(rows), np.bool_))
    return seen


def reservoir(lessons: Lessons, *, rows: IntArray, size: int) -> IntArray:
    """Return so many of the rows as reservoir sampling leaves, an equal part a language and label.

    Vitter 1985, "Random sampling with a reservoir", in its form by priorities: each row has a
    random number of its own, made from its text, and the smallest stay. So what a growing
    store leaves behind is a uniform sample of all that came by, needs no state, and does not
    depend on the order in which rows came.
    """
    languages = np.array([lessons.languages[i] for i in rows])
    labels = lessons.described.labels[rows]
    kept: list[IntArray] = [np.empty(0, np.int64)]
    for home, share in _parts(languages, budget=size).items():
        here = np.flatnonzero(languages == home)
        for label, part in _parts(labels[here], budget=share).items():
            cell = rows[here[labels[here] == label]]
            first = np.argsort([_priority(lessons, row) for row in cell], kind="stable")
            kept.append(cell[first[:part]])
    return np.sort(np.concatenate(kept))


def _parts(keys: npt.NDArray[np.generic], *, budget: int) -> dict[object, int]:
    """Share a budget evenly among the values of a key, nobody getting more than there is."""
    values, counts = np.unique(keys, return_counts=True)
    shares = unimax(budget, sizes={i: int(n) for i, n in enumerate(counts)}, repeats=1)
    return {value: shares[place] for place, value in enumerate(values)}


def _priority(lessons: Lessons, row: int) -> str:
    name = f"{lessons.languages[row]}\0{lessons.texts[row]}"
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
