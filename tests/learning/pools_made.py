"""Made pools for tests of the selection: as many samples a language as wanted, with everything."""

from dataclasses import replace
from typing import Any

import numpy as np

from learning.methods.requests import LanguageState, SelectionRequest

LABELS = ("admin", "accounts", "dates")


def request(
    sizes: dict[str, int] | None = None, *, batch: int = 20, seed: int = 7, **over: Any
) -> SelectionRequest:
    """A pool with random logits, so many samples a language."""
    sizes = {"wo": 60, "qu": 40} if sizes is None else sizes
    rng = np.random.default_rng(3)
    language = np.repeat(np.arange(len(sizes)), list(sizes.values()))
    fields = {
        "item_ids": tuple(f"s{i}" for i in range(len(language))),
        "language": language,
        "languages": tuple(LanguageState(tag) for tag in sizes),
        "labels": LABELS,
        "batch": batch,
        "seed": seed,
        "logits": rng.standard_normal((len(language), 3)) * 2,
    } | over
    return SelectionRequest(**fields)


def rich(sizes: dict[str, int] | None = None, *, known: int = 12, **over: Any) -> SelectionRequest:
    """The same with embeddings, opinions, costs and samples that were asked before."""
    one = request(sizes)
    count, languages = len(one.item_ids), len(one.languages)
    rng = np.random.default_rng(5)
    at_home = rng.integers(0, languages, known)
    more = {
        "embeddings": rng.standard_normal((count, 8)).astype(np.float32),
        "mc": rng.dirichlet([0.5] * 3, size=(count, 5)).astype(np.float32),
        "surprise": np.random.default_rng(6).random((count, 4)).astype(np.float32),
        "cost_seconds": rng.uniform(5, 50, count),
        "given": rng.random(count),
        "known_ids": tuple(f"k{i}" for i in range(known)),
        "known_language": at_home,
        "known_embeddings": rng.standard_normal((known, 8)).astype(np.float32),
        "known_labels": rng.integers(-1, 3, known),
        "known_probabilities": rng.dirichlet([0.5] * 3, size=known),
    }
    return replace(one, **(more | over))


def shuffled(one: SelectionRequest, order: np.ndarray) -> SelectionRequest:
    """The same pool in another order, languages and known samples turned round as well."""
    last = len(one.languages) - 1
    names = {
        name: tuple(getattr(one, name)[i] for i in order)
        for name in ("item_ids", "dup_group", "dialect")
        if getattr(one, name)
    }
    arrays = {
        name: getattr(one, name)[order]
        for name in (
            "logits",
            "probabilities",
            "embeddings",
            "mc",
            "surprise",
            "cost_seconds",
            "given",
        )
        if getattr(one, name) is not None and not getattr(one, f"{name}_ids", ())
    }
    known = {}
    if one.known_ids:
        known = {
            name: getattr(one, name)[::-1]
            for name in ("known_ids", "known_embeddings", "known_labels", "known_probabilities")
            if getattr(one, name) is not None
        }
        known["known_language"] = last - one.known_language[::-1]
    return replace(
        one,
        language=last - one.language[order],
        languages=one.languages[::-1],
        **names,
        **arrays,
        **known,
    )
