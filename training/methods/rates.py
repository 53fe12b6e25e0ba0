"""How fast each part of a network learns, and from when on.

Layers near the words hold what all languages share and move least; the head moves most:
layer-wise decay of the learning rate (Howard and Ruder 2018, arXiv 1801.06146; Sun et al. 2019,
arXiv 1905.05583) and gradual unfreezing from the top (ULMFiT, the same Howard and Ruder). A run
that brings new languages is slowed down for each (Winata et al. 2023, arXiv 2305.16252).
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from learning.networks import Network

# However many languages are new, a run learns at this share of its rate at least.
LEAST = 0.1


def depths(network: Network) -> list[int]:
    """Return how deep each of ``trainable()`` lies: 0 for embeddings, then layers, then the head.

    Layers are the members of a module list, as every encoder of the hub has; of lists within
    lists the outermost counts. What is named an embedding, or comes before the first layer in the
    module's own order, lies under the layers, everything else above them. A network without
    layers has one depth.
    """
    named = dict(network.module.named_parameters())
    lists = {n for n, part in network.module.named_modules() if isinstance(part, nn.ModuleList)}
    layers = {name: _layer(name, lists=lists) for name in named}
    numbers = [layer for layer in layers.values() if layer is not None]
    if not numbers:
        return [0] * len(network.trainable())
    first = next(name for name, layer in layers.items() if layer is not None)
    before = list(named)[: list(named).index(first)]
    # A head may be registered before the body: what lies below the layers has the body's name.
    below = {name for name in before if name.split(".")[0] == first.split(".")[0]}
    below |= {name for name in named if "embed" in name}
    head = max(numbers) + 2
    depth = {
        id(named[name]): (0 if name in below else head) if layer is None else layer + 1
        for name, layer in layers.items()
    }
    return [depth.get(id(parameter), head) for parameter in network.trainable()]


def _layer(name: str, *, lists: set[str]) -> int | None:
    words = name.split(".")
    for place in range(1, len(words)):
        if ".".join(words[:place]) in lists and words[place].isdigit():
            return int(words[place])
    return None


def groups(
    network: Network, *, lr: float, weight_decay: float, layer_decay: float = 1.0
) -> list[dict[str, Any]]:
    """Return an optimizer's groups: each depth learns ``layer_decay`` times as fast as the next.

    Without decay there is one group, in the order of ``trainable()``.
    """
    parameters = network.trainable()
    if layer_decay == 1.0:
        return [{"params": parameters, "lr": lr, "weight_decay": weight_decay}]
    depth = depths(network)
    top = max(depth, default=0)
    return [
        {
            "params": [p for p, d in zip(parameters, depth, strict=True) if d == level],
            "lr": lr * layer_decay ** (top - level),
            "weight_decay": weight_decay,
        }
        for level in sorted(set(depth))
    ]


def frozen(network: Network, *, step: int, every: int) -> list[torch.nn.Parameter]:
    """Return what may not move yet at a step: the head moves from 0, one depth more ``every`` steps.

    Whoever drops their gradients before the optimizer's step freezes them: AdamW passes over a
    parameter without one, weight decay and all. ``every`` of 0 freezes nothing.
    """
    if not every:
        return []
    depth = depths(network)
    levels = sorted(set(depth), reverse=True)
    moving = set(levels[: 1 + step // every])
    return [p for p, d in zip(network.trainable(), depth, strict=True) if d not in moving]


def new_languages(languages: Sequence[str], fresh: Sequence[bool]) -> list[str]:
    """Return the tags that N rows bring to a store that has never seen them.

    >>> new_languages(["wo", "wo", "qu"], [True, False, True])
    ['qu']
    >>> new_languages(["wo", "qu"], [True, True])
    []
    """
    stored = {tag for tag, new in zip(languages, fresh, strict=True) if not new}
    return sorted(set(languages) - stored) if stored else []


def adjusted(lr: float, *, factor: float, new: int) -> float:
    """Return the rate of a run that brings so many new languages, each slowing it by the factor.

    >>> adjusted(1e-3, factor=0.5, new=1), adjusted(1e-3, factor=0.5, new=9)
    (0.0005, 0.0001)
    """
    return lr * max(LEAST, factor**new)
