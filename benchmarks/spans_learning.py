"""Teaching the starter for spans, and buying texts to teach it with, for :mod:`benchmarks.spans`."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from annotation.methods.span_metrics import measures, tally
from annotation.methods.spans import Span, encode
from benchmarks.spans_data import Marked, Part
from learning.methods.sequences import mnlp_of, within_budget
from learning.networks.opening import open_network
from learning.networks.token_starter import TOKEN_RECIPE, TokenStarter
from learning.networks.tokens import read, text_losses, units_of

Ints = npt.NDArray[np.int64]
MNLP, RANDOM = "MNLP", "random"


@dataclass(frozen=True)
class Lessons:
    """Marked texts with the tag of each of their units; ``cuts`` are empty to learn from words."""

    texts: list[str]
    spans: list[tuple[Span, ...]]
    cuts: list[list[int]]
    tags: list[Ints]

    @classmethod
    def of(cls, part: Part, *, labels: Sequence[str], tokens: bool) -> "Lessons":
        """Tag the units of a part, cut at the treebank's tokens or not."""
        cuts = part.cuts if tokens else [[] for _ in part.texts]
        units = units_of(part.texts, cuts=cuts)
        tags = [
            encode(spans, units=one, labels=labels)
            for spans, one in zip(part.spans, units, strict=True)
        ]
        return cls(part.texts, part.spans, cuts, tags)

    def only(self, rows: Sequence[int]) -> "Lessons":
        """Return these texts, in their order."""
        return Lessons(
            [self.texts[i] for i in rows],
            [self.spans[i] for i in rows],
            [self.cuts[i] for i in rows],
            [self.tags[i] for i in rows],
        )


def taught(lessons: Lessons, *, data: Marked, seed: int) -> TokenStarter:
    """Teach a fresh starter with the product's recipe for it and the product's loss."""
    network = open_network("starter", labels=data.labels, seed=seed, spans=True)
    assert isinstance(network, TokenStarter)
    tags = [data.language] * len(lessons.texts)
    network.prepare(lessons.texts, tags, cuts=lessons.cuts)
    recipe, count = TOKEN_RECIPE, len(lessons.texts)
    each = -(-count // recipe["batch"])
    steps = max(recipe["epochs"] * each, recipe["least_steps"])
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    optimizer = torch.optim.AdamW(
        network.trainable(), lr=recipe["lr"], eps=recipe["eps"], weight_decay=0.0, fused=True
    )
    warm = max(1, round(recipe["warmup"] * steps))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min((step + 1) / warm, max(0.0, (steps - step) / (steps - warm)), 1.0),
    )
    network.module.train()
    order: list[int] = []
    for _ in range(steps):
        order = order or rng.permutation(count).tolist()
        rows, order = order[: recipe["batch"]], order[recipe["batch"] :]
        part = lessons.only(rows)
        batch = network.collate(part.texts, [data.language] * len(rows), cuts=part.cuts)
        wanted = torch.from_numpy(np.concatenate(part.tags))
        losses = torch.nn.functional.cross_entropy(network.logits(batch), wanted, reduction="none")
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(text_losses(losses, units=batch["units"]).mean())
        torch.nn.utils.clip_grad_norm_(network.trainable(), 1.0)
        optimizer.step()
        schedule.step()
    return network


def found(network: TokenStarter, lessons: Lessons, *, data: Marked) -> list[tuple[Span, ...]]:
    """Return the spans that a network finds."""
    tags = [data.language] * len(lessons.texts)
    return [one.spans for one in read(network, lessons.texts, languages=tags, cuts=lessons.cuts)]


def micro(spans: Sequence[Sequence[Span]], lessons: Lessons, *, data: Marked) -> float:
    """Return the F1 of all spans together."""
    counts = tally(lessons.spans, found=spans, labels=data.labels)
    return float(measures(counts.sum(axis=0)[None])[0, -2, 2])


def curve(
    strategy: str,
    *,
    data: Marked,
    pool: Lessons,
    test: Lessons,
    budgets: Sequence[int],
    seed: int,
) -> list[float]:
    """Buy texts up to each budget of tokens in turn, teach anew, and return the F1 on ``test``.

    The first budget is spent at random by every strategy, on the same texts for the same seed.
    """
    costs = np.array([max(1, len(tags)) for tags in pool.tags], np.float64)
    rng = np.random.default_rng(seed)
    chance = rng.permutation(len(costs)).astype(np.float64)
    bought: list[int] = []
    network, told, spent = None, [], 0
    for budget in budgets:
        left = np.setdiff1d(np.arange(len(costs)), bought)
        scores = chance[left]
        if network is not None and strategy == MNLP:
            scores = _doubt(network, pool.only(left.tolist()), data=data)
        picks = within_budget(scores, costs=costs[left], budget=budget - spent)
        bought += left[picks].tolist()
        spent = int(costs[bought].sum())
        network = taught(pool.only(bought), data=data, seed=seed)
        told.append(micro(found(network, test, data=data), test, data=data))
    return told


def _doubt(network: TokenStarter, pool: Lessons, *, data: Marked) -> npt.NDArray[np.float64]:
    """Return MNLP of each text, from the tags of its best path."""
    seen = read(network, pool.texts, languages=[data.language] * len(pool.texts), cuts=pool.cuts)
    said = np.concatenate([one.said for one in seen])
    return mnlp_of(said, lengths=[len(one.said) for one in seen])
