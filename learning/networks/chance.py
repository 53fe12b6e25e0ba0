"""Chance: the same network asked many times with some of it left out (Gal & Ghahramani 2016).

Where the answers scatter, the network does not know. An encoder leaves out what its own
dropout does; the starter, which has none, leaves out features of the text.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from learning.networks import Batch, Network

# Of the starter's features; the share that encoders of this family leave out themselves.
LEFT_OUT = 0.1


@contextmanager
def by_chance(network: Network, *, seed: int) -> Iterator[None]:
    """Have the network's dropout act, and only that; the seed decides what is left out."""
    dropouts = [m for m in network.module.modules() if isinstance(m, torch.nn.Dropout)]
    before = [module.training for module in dropouts]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for module in dropouts:
            module.train()
        try:
            yield
        finally:
            for module, training in zip(dropouts, before, strict=True):
                module.train(training)


def thinned(batch: Batch) -> Batch:
    """Leave out a tenth of the starter's n-grams and subwords; other batches stay as they are."""
    if "buckets" not in batch:
        return batch
    kept = torch.rand_like(batch["weights"]) >= LEFT_OUT
    words = torch.rand(batch["tokens"].shape, device=batch["tokens"].device) >= LEFT_OUT
    before = torch.cat((words.new_zeros(1), words)).cumsum(0)
    return {
        **batch,
        "weights": batch["weights"] * kept / (1.0 - LEFT_OUT),
        "tokens": batch["tokens"][words],
        "token_starts": before[batch["token_starts"]],
    }
