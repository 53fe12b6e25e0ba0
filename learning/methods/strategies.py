"""Strategies by name: in which order one language's texts are asked.

A name is an uncertainty (``margin``), an uncertainty with prefixes before it (``power:margin``,
``gumbel:bald``, ``per_second:entropy``), a batch strategy (``badge``), or a batch strategy on
what is most uncertain (``two_stage``). All of them only order the texts of one language; they
do not know what the audit arm will draw. See :mod:`learning.methods.propensities` for why.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from learning.methods.acquisition import STRATEGIES, Floats, gumbel, margin, order_of, power
from learning.methods.candidates import Pool
from learning.methods.coldstart import alps_of, prob_cover, typiclust
from learning.methods.contrast import anchors, contrastive
from learning.methods.disagreement import DISAGREEMENTS, batch_bald
from learning.methods.diversity import k_center
from learning.methods.lots import Lots, hashes
from learning.methods.requests import SelectionRequest
from learning.methods.seeding import badge, kmeans_plus_plus
from learning.methods.sequences import information_per_cost

Positions = npt.NDArray[np.intp]

# Of how many times the quota the second of two stages chooses.
WIDTH = 10
# The least that a sub-pool around rare classes keeps.
LEAST = 1_000
PREFIXES = ("power", "gumbel", "per_second", "anchors")


@dataclass(frozen=True, eq=False)
class View:
    """Some of a language's texts, with what a strategy may look at. ``within`` are positions."""

    pool: Pool
    within: Positions

    @classmethod
    def of(cls, pool: Pool) -> "View":
        """Look at the whole pool."""
        return cls(pool, np.arange(len(pool.at)))

    @property
    def request(self) -> SelectionRequest:
        """The request that the pool is part of."""
        return self.pool.request

    @cached_property
    def probabilities(self) -> Floats:
        """Rows x K."""
        return self.pool.probabilities[self.within]

    @cached_property
    def lots(self) -> Lots:
        """What orders equals."""
        return self.pool.lots("ties")[self.within]

    def rows(self, name: str) -> npt.NDArray[Any]:
        """Return the rows of one of the request's arrays; it must know all texts in view."""
        array = getattr(self.request, name)
        at = self.pool.at[self.within]
        if getattr(self.request, f"{name}_ids", ()):
            at = self.request.rows_told(name)[at]
        return np.asarray(array[at])

    def told(self, names: Sequence[str]) -> "View":
        """Look only at the texts that are in all of some arrays."""
        kept = self
        for name in names:
            if getattr(self.request, f"{name}_ids", ()):
                there = self.request.rows_told(name)[self.pool.at[kept.within]] >= 0
                kept = replace(kept, within=kept.within[there])
        return kept

    def known(self, name: str) -> npt.NDArray[Any] | None:
        """Return the rows of one of the arrays of what the language was asked before."""
        array = getattr(self.request, name)
        return None if array is None else np.asarray(array[self.pool.known])

    def rng(self, name: str) -> np.random.Generator:
        """Return a generator of the strategy's own, which the other languages cannot move."""
        own = hashes([f"{name}\0{self.pool.state.tag}"]).tolist()
        return np.random.default_rng([self.request.seed, *own])


@dataclass(frozen=True, eq=False)
class Ranked:
    """A language's texts in the order in which they are asked.

    ``order`` holds at least as many texts as were wanted, or all; ``names`` says which strategy
    put each of them there; ``uncertainty`` has one number for every text of the pool. Where
    ``tied``, equals in ``uncertainty`` were ordered by lot and ``order`` holds the whole pool.
    """

    order: Positions
    names: Sequence[str]
    uncertainty: Floats
    tied: bool = False


def ranked(pool: Pool, *, count: int) -> Ranked:
    """Put a language's texts in the order of the request's strategy, or of its mixture."""
    request, view = pool.request, View.of(pool)
    if not request.mix:
        line = _completed(_ranked(view, request.strategy, count=count), view=view, count=count)
        if pool.parted and request.sieved and request.sieved.measure != request.strategy:
            return replace(line, uncertainty=margin(view.probabilities), tied=False)
        return line
    found = {
        name: _completed(_ranked(view, name, count=count), view=view, count=count)
        for name in sorted(request.mix)
    }
    order, names = _mixed(found, shares=request.mix, count=min(count, len(pool.at)))
    return Ranked(order, names, margin(view.probabilities))


def check_strategies(request: SelectionRequest) -> None:
    """Refuse a strategy that does not exist, or that lacks something, by name."""
    for name in sorted(request.mix) or [request.strategy]:
        known = ", ".join([*UNCERTAINTIES, *BATCHES])
        *prefixes, last = _parts(name)
        whole = {*UNCERTAINTIES, *(BATCHES if set(prefixes) <= {"anchors"} else ())}
        if last not in whole or set(prefixes) - set(PREFIXES):
            raise ValueError(
                f"no strategy {name!r}; there are {known}, and before an uncertainty or, for"
                f" anchors, anything: {', '.join(f'{p}:' for p in PREFIXES)}"
            )
        for need in needs_of(name):
            if getattr(request, need) is None:
                raise ValueError(f"the strategy {name!r} needs {need}: give {_SHAPES[need]}")


def needs_of(name: str) -> tuple[str, ...]:
    """Return which of the request's arrays a strategy cannot do without.

    >>> needs_of("margin"), needs_of("per_second:bald"), needs_of("two_stage")
    ((), ('cost_seconds', 'mc'), ('embeddings',))
    """
    needs = [need for part in _parts(name) for need in _NEEDS.get(part, ())]
    return tuple(dict.fromkeys(needs))


def _parts(name: str) -> list[str]:
    """Split off the prefixes: a name with a colon of its own stays whole."""
    first, colon, rest = name.partition(":")
    return [first, *_parts(rest)] if colon and first in PREFIXES else [name]


def _ranked(view: View, name: str, *, count: int) -> Ranked:
    """Order some texts; the positions in the answer are those of the pool.

    Of texts that were not looked at closely enough for the strategy, margin decides later.
    """
    told = view.told(needs_of(name))
    if "embeddings" in needs_of(name) and not name.startswith("two_stage"):
        # Of a pool that was sieved these are all that such a strategy can look at.
        told = replace(told, within=np.intersect1d(told.within, view.pool.drawn))
    if not len(told.within):
        return Ranked(told.within, [], np.zeros(0))
    if len(told.within) < len(view.within):
        return replace(_ranked(told, name, count=count), tied=False)
    first, *rest = _parts(name)
    if first == "anchors":
        inside = replace(view, within=view.within[_near_anchors(view, name, count=count)])
        found = _ranked(inside, ":".join(rest), count=count)
        return replace(found, names=[name] * len(found.names), tied=False)
    if name in BATCHES:
        order = BATCHES[name](view, name, count)
        uncertainty = margin(view.probabilities)
        return Ranked(view.within[order], [name] * len(order), uncertainty)
    uncertainty = _uncertainty(view, name)
    order = order_of(uncertainty, lots=view.lots)
    return Ranked(view.within[order], [name] * len(order), uncertainty, tied=True)


def _completed(found: Ranked, *, view: View, count: int) -> Ranked:
    """Let margin fill up what a batch strategy left free: the pool has more than it wanted."""
    wanted = min(count, len(view.within))
    if len(found.uncertainty) != len(view.within):
        found = replace(found, uncertainty=margin(view.probabilities))
    if len(found.order) >= wanted:
        return found
    spent = np.zeros(len(view.within), dtype=np.bool_)
    spent[found.order] = True
    rest = order_of(margin(view.probabilities), lots=view.lots)
    rest = rest[~spent[rest]][: wanted - len(found.order)]
    return replace(
        found,
        order=np.r_[found.order, rest],
        names=[*found.names, *["margin"] * len(rest)],
    )


def _mixed(
    found: Mapping[str, Ranked], *, shares: Mapping[str, float], count: int
) -> tuple[Positions, list[str]]:
    """Take turns in proportion to the shares; what one strategy took no other asks again."""
    due = by_largest_remainder(shares, count=count)
    taken, order, names = dict.fromkeys(due, 0), [], []
    lines = {name: iter(one.order.tolist()) for name, one in found.items()}
    spent: set[int] = set()
    for place in range(1, count + 1):
        open_ = [name for name in due if taken[name] < due[name]]
        name = max(open_, key=lambda name: (due[name] * place / count - taken[name], name))
        text = next((text for text in lines[name] if text not in spent), None)
        taken[name] += 1
        if text is not None:
            spent.add(text)
            order.append(text)
            names.append(name)
    return np.array(order, dtype=np.intp), names


def by_largest_remainder(shares: Mapping[str, float], *, count: int) -> dict[str, int]:
    """Share ``count`` whole places out; what rounding down leaves goes to the largest remainders.

    >>> by_largest_remainder({"margin": 0.5, "badge": 0.25, "random": 0.25}, count=7)
    {'badge': 2, 'margin': 3, 'random': 2}
    """
    names = sorted(shares)
    exact = [shares[name] * count for name in names]
    whole = [int(value + 1e-9) for value in exact]
    left = count - sum(whole)
    for at in sorted(range(len(names)), key=lambda at: (whole[at] - exact[at], names[at]))[:left]:
        whole[at] += 1
    return dict(zip(names, whole, strict=True))


def _uncertainty(view: View, name: str) -> Floats:
    first, *rest = _parts(name)
    if not rest:
        return UNCERTAINTIES[name](view)
    inner = _uncertainty(view, ":".join(rest))
    if first == "per_second":
        return information_per_cost(inner, costs=view.rows("cost_seconds"))
    noise = view.pool.lots("noise")[view.within]
    return (power if first == "power" else gumbel)(inner, lots=noise)


def _contrast(view: View) -> Floats:
    known, theirs = view.known("known_embeddings"), view.known("known_probabilities")
    if known is None or theirs is None or not len(known):
        return np.zeros(len(view.within))
    return contrastive(
        view.rows("embeddings"),
        probabilities=view.probabilities,
        known=known,
        known_probabilities=theirs,
    )


def _near_anchors(view: View, name: str, *, count: int) -> Positions:
    """Keep what is near some labelled sample of every class; all, while there is none."""
    known, labels = view.known("known_embeddings"), view.known("known_labels")
    keep = max(LEAST, WIDTH * count)
    if known is None or labels is None or not (labels >= 0).any() or keep >= len(view.within):
        return np.arange(len(view.within))
    told = labels >= 0
    return np.sort(
        anchors(
            view.rows("embeddings"),
            labelled=known[told],
            labels=labels[told],
            keep=keep,
            rng=view.rng(name),
        )
    )


def _by_uncertainty(name: str) -> Callable[[View], Floats]:
    return lambda view: np.asarray(STRATEGIES[name](view.probabilities), dtype=np.float64)


def _by_disagreement(name: str) -> Callable[[View], Floats]:
    return lambda view: DISAGREEMENTS[name](view.rows("mc"))


UNCERTAINTIES: Mapping[str, Callable[[View], Floats]] = MappingProxyType(
    {name: _by_uncertainty(name) for name in STRATEGIES}
    | {name: _by_disagreement(name) for name in DISAGREEMENTS}
    | {
        "contrastive": _contrast,
        "given": lambda view: view.rows("given").astype(np.float64),
    }
)


def _two_stage(view: View, name: str, count: int) -> Positions:
    """Let a batch strategy choose among the least certain texts, ten times as many as wanted."""
    kept = order_of(margin(view.probabilities), lots=view.lots)[: WIDTH * count]
    kept = np.sort(kept)
    second = name.partition(":")[2] or "badge"
    return kept[BATCHES[second](replace(view, within=view.within[kept]), second, count)]


BATCHES: Mapping[str, Callable[[View, str, int], Positions]] = MappingProxyType(
    {
        "batch_bald": lambda view, name, count: batch_bald(
            view.rows("mc"), count=count, rng=view.rng(name), lots=view.lots
        ),
        "k_center": lambda view, _, count: k_center(
            view.rows("embeddings"),
            known=view.known("known_embeddings"),
            count=count,
            lots=view.lots,
        ),
        "badge": lambda view, name, count: badge(
            view.rows("embeddings"),
            probabilities=view.probabilities,
            count=count,
            rng=view.rng(name),
            lots=view.lots,
        ),
        "kmeans++": lambda view, name, count: kmeans_plus_plus(
            view.rows("embeddings"),
            weights=margin(view.probabilities),
            count=count,
            rng=view.rng(name),
            lots=view.lots,
        ),
        "typiclust": lambda view, name, count: typiclust(
            view.rows("embeddings"),
            known=view.known("known_embeddings"),
            count=count,
            rng=view.rng(name),
            lots=view.lots,
        ),
        "prob_cover": lambda view, name, count: prob_cover(
            view.rows("embeddings"),
            known=view.known("known_embeddings"),
            count=count,
            rng=view.rng(name),
            lots=view.lots,
        ),
        "alps": lambda view, name, count: alps_of(
            view.rows("surprise"), count=count, rng=view.rng(name), lots=view.lots
        ),
        "two_stage": _two_stage,
        "two_stage:k_center": _two_stage,
    }
)

_NEEDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    dict.fromkeys([*DISAGREEMENTS, "batch_bald"], ("mc",))
    | dict.fromkeys(
        [*BATCHES.keys() - {"batch_bald", "alps"}, "contrastive", "anchors"], ("embeddings",)
    )
    | {"per_second": ("cost_seconds",), "given": ("given",), "alps": ("surprise",)}
)
_SHAPES = {
    "mc": "mc, N x T x K opinions of several passes or members",
    "embeddings": "embeddings, N x d",
    "surprise": "surprise, N x S vectors of what surprises a masked language model",
    "cost_seconds": "cost_seconds, the N costs of an answer",
    "given": "given, N uncertainties",
}
