"""Weights as lists of tensors: copied, put in, and drawn back towards the champion's."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from learning.networks import Network
from training.methods.adapters import between
from training.methods.distributed import laid_like
from training.methods.leaning import merit
from training.methods.lessons import Measure

SHARES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)

Tensors = Sequence[torch.Tensor]


def copied(weights: Tensors) -> list[torch.Tensor]:
    """Return tensors of their own with the same numbers."""
    return [part.detach().clone() for part in weights]


@torch.no_grad()
def put(network: Network, weights: Tensors) -> None:
    """Give the network these weights."""
    for own, value in zip(network.trainable(), weights, strict=True):
        own.copy_(laid_like(value, own))


@contextmanager
def wearing(network: Network, weights: Tensors) -> Iterator[None]:
    """Have the network wear these weights for a while; none: its own."""
    own = copied(network.trainable()) if weights else []
    if weights:
        put(network, weights)
    try:
        yield
    finally:
        if weights:
            put(network, own)


def measured(network: Network, measure: Measure) -> dict[str, float]:
    """Return the development metric by language."""
    network.module.eval()
    with torch.no_grad():
        return {tag: round(value, 6) for tag, value in measure(network).items()}


@torch.no_grad()
def follow(average: Tensors, weights: Tensors, *, most: float, step: int) -> None:
    """Move the average of the weights after a step, counted from 1.

    Its memory grows with the run up to ``most``, as a fixed one would still hold what was there
    before the first step: after 60 steps of .999 that is 94 %.
    """
    kept = min(most, (1 + step) / (10 + step))
    for mean, now in zip(average, weights, strict=True):
        mean.lerp_(now.detach(), 1 - kept)


def interpolate(
    network: Network, *, champion: Tensors, measure: Measure, least: float = SHARES[-1]
) -> tuple[float, dict[str, float]]:
    """Keep the share of the new weights that serves the mean and the worst language best.

    WiSE-FT (Wortsman et al. 2022, arXiv 2109.01903). Of equal shares the largest stays: what
    was learned is given up only for a gain.
    """
    learned = copied(network.trainable())
    best: tuple[float, float, dict[str, float]] | None = None
    for share in [share for share in SHARES if share >= min(least, 1.0)]:
        put(network, between(network, old=champion, new=learned, share=share))
        dev = measured(network, measure)
        if best is None or merit(dev) > best[0]:
            best = (merit(dev), share, dev)
        if not dev:
            break
    share, dev = (best[1], best[2]) if best else (1.0, {})
    put(network, between(network, old=champion, new=learned, share=share))
    return share, dev
