"""What a generator's writing is worth, language by language: chrF with intervals, and likelihood.

chrF (:mod:`learning.methods.chrf`) holds what a generator writes against what people would have written; its
interval is the bootstrap's over items with BCa bounds (:mod:`training.methods.resampling`), items that are
translations of one another drawn together. Automatic numbers help to find one's way and to stop
training; the gate of what people read is people (:mod:`training.methods.judged`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from learning.methods.chrf import Statistic, chrf, counts, difference, weighed
from learning.networks import Network
from learning.networks.generator import Generator
from learning.networks.writing import Wish, log_probabilities, write
from training.methods.lessons import Measure
from training.methods.resampling import DRAWS, resample

LEVEL = 0.95


@dataclass(frozen=True)
class Cases:
    """Sources with outputs that are right, in their languages; ``groups`` are translations of one text."""

    sources: Sequence[str]
    right: Sequence[str]
    languages: Sequence[str]
    groups: Sequence[str] = ()

    def places(self) -> dict[str, list[int]]:
        """Return where each language's cases are."""
        found: dict[str, list[int]] = {}
        for place, tag in enumerate(self.languages):
            found.setdefault(tag, []).append(place)
        return dict(sorted(found.items()))


@dataclass(frozen=True)
class Worth:
    """A number with its interval, over so many items."""

    value: float
    low: float
    high: float
    items: int


def likelihood(cases: Cases) -> Measure:
    """Measure by how likely a token of what is right is held, in the mean: between 0 and 1.

    One pass through the network, where chrF wants every output written anew; what the loop looks at.
    """

    def measured(network: Network) -> dict[str, float]:
        logs = log_probabilities(_written_by(network), cases.sources, cases.right, cases.languages)
        return {tag: float(np.exp(logs[rows].mean())) for tag, rows in cases.places().items()}

    return measured


def likeness(cases: Cases, *, wish: Wish | None = None) -> Measure:
    """Measure by chrF between 0 and 1 of what is written for the cases."""

    def measured(network: Network) -> dict[str, float]:
        counted = counts(said_by(_written_by(network), cases, wish=wish), right=cases.right)
        return {tag: float(chrf(counted[rows].sum(axis=0))) for tag, rows in cases.places().items()}

    return measured


def said_by(generator: Generator, cases: Cases, *, wish: Wish | None = None) -> list[str]:
    """Return what a generator writes for the cases; nothing where it cannot be asked."""
    return [one.text for one in write(generator, cases.sources, cases.languages, wish=wish)]


def chrf_by_language(
    said: Sequence[str], *, cases: Cases, rng: np.random.Generator, draws: int = DRAWS
) -> dict[str, Worth]:
    """Return chrF of what was said for the cases, with its interval.

    >>> cases = Cases(["a"] * 40, ["na nga def", "mangi fi"] * 20, ["wo"] * 40)
    >>> told = chrf_by_language(["na nga def", "mangi"] * 20, cases=cases, rng=np.random.default_rng(0), draws=99)
    >>> told["wo"].low < told["wo"].value < told["wo"].high
    True
    """
    counted = counts(said, right=cases.right)
    return {
        tag: _worth(weighed(counted[rows]), cases, rows, rng=rng, draws=draws)
        for tag, rows in cases.places().items()
    }


def change_by_language(
    old: Sequence[str],
    new: Sequence[str],
    *,
    cases: Cases,
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> dict[str, Worth]:
    """Return by how much chrF changes from what the champion to what the candidate writes."""
    before, after = (counts(said, right=cases.right) for said in (old, new))
    return {
        tag: _worth(difference(before[rows], after[rows]), cases, rows, rng=rng, draws=draws)
        for tag, rows in cases.places().items()
    }


def _worth(
    statistic: Statistic,
    cases: Cases,
    rows: Sequence[int],
    *,
    rng: np.random.Generator,
    draws: int,
) -> Worth:
    groups = [cases.groups[row] if cases.groups else "" for row in rows]
    found = resample(statistic, groups=groups, rng=rng, draws=draws)
    below = (1 - LEVEL) / 2
    return Worth(found.value, found.bound(below), found.bound(1 - below), len(rows))


def _written_by(network: Network) -> Generator:
    assert isinstance(network, Generator)  # noqa: S101 - nothing else writes
    return network
