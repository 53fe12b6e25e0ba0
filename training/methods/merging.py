"""Merging: one adapter made of several, by the arithmetic of ``peft``.

``linear`` mixes factors, ``svd`` the products themselves (exact up to the rank); ``ties`` (Yadav
et al. 2023, arXiv 2306.01708) keeps the largest values whose sign most agree on; ``dare_linear``
and ``dare_ties`` (Yu et al. 2024, arXiv 2311.03099) drop values at random and raise the rest;
``magnitude_prune`` keeps the largest. A name that ends in ``_svd`` does the same to the products.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from peft import LoraConfig
from peft.tuners.lora import LoraModel

from annotation.errors import InvalidInputError
from learning.networks import Network
from learning.networks.adapted import LORA, O_LORA, AdaptedEncoder
from learning.networks.folding import folded
from learning.networks.routing import Head, Lora, routed

PRUNING = ("ties", "dare_linear", "dare_ties", "magnitude_prune")
WAYS = ("linear", "svd", *PRUNING, *(f"{name}_svd" for name in PRUNING))
MERGED = "merged"


@dataclass(frozen=True)
class Merge:
    """Whose adapters are merged, with which weights and how; ``density`` is the share of values
    that the ways which prune keep, ``seed`` decides what chance drops. A ``plain`` merge is added into
    the encoder itself, for every language: no adapter is left.
    """

    languages: tuple[str, ...]
    weights: tuple[float, ...]
    how: str = "svd"
    density: float = 0.5
    seed: int = 0
    plain: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be merged, and say what can."""
        if self.how not in WAYS:
            raise InvalidInputError(
                f"There is no way of merging called {self.how!r}.",
                remedy=f"Known are: {', '.join(WAYS)}.",
            )
        least = 1 if self.plain else 2
        if len(set(self.languages)) != len(self.languages) or len(self.languages) < least:
            raise InvalidInputError(
                "A merge takes the adapters of two languages or more, each once.",
                remedy="Name each language once; one alone can only be made plain (--plain).",
            )
        if len(self.weights) != len(self.languages) or not any(self.weights):
            raise InvalidInputError(
                f"{len(self.languages)} languages need as many weights, not all of them nought;"
                f" there are {len(self.weights)}.",
                remedy="Give one weight for each language, in their order.",
            )
        if not 0 < self.density <= 1:
            raise InvalidInputError(
                f"A density cannot be {self.density}.", remedy="It goes from above 0 to 1."
            )


@torch.no_grad()
def merge(network: Network, *, merged: Merge, into: Sequence[str]) -> Network:
    """Give each of the languages ``into`` the merged adapter; all others stay as they are.

    A plain merge gives it to all texts and returns an encoder without adapters. Adapters that act
    together (O-LoRA) are one sum already, and become plain only all at once.
    """
    if merged.plain and isinstance(network, AdaptedEncoder) and network.adapters.method == O_LORA:
        _refuse_some(network, merged)
        return folded(network, languages=network.adapters.languages)
    if not isinstance(network, AdaptedEncoder) or network.adapters.method != LORA:
        raise InvalidInputError(
            "The serving version has no LoRA adapters, and no others can be merged.",
            remedy="Train with the method lora first.",
        )
    places = [network.adapters.place(tag) for tag in merged.languages]
    if merged.plain and len(places) == 1:
        return folded(network, languages=merged.languages)
    layers = routed(network.module)
    products = {name: layer for name, layer in layers.items() if isinstance(layer, Lora)}
    heads = [layer for layer in layers.values() if isinstance(layer, Head)]
    factors = _factors(products, places=places, merged=merged)
    sums = [_summed(head, places=places, weights=merged.weights) for head in heads]
    network.add(into)
    for place in (network.adapters.place(tag) for tag in into):
        for name, (down, up) in factors.items():
            products[name].down[place].copy_(down)
            products[name].up[place].copy_(up)
        for head, (up, bias) in zip(heads, sums, strict=True):
            head.up[place].copy_(up)
            head.up_bias[place].copy_(bias)
    return folded(network, languages=into) if merged.plain else network


def _refuse_some(network: AdaptedEncoder, merged: Merge) -> None:
    missing = sorted(set(network.adapters.languages) - set(merged.languages))
    if missing:
        raise InvalidInputError(
            "These adapters act together on every text, and become plain together.",
            remedy=f"Name all languages that have one; missing: {', '.join(missing)}.",
        )


def _factors(
    layers: dict[str, Lora], *, places: Sequence[int], merged: Merge
) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Have ``peft`` merge the adapters, layer by layer; return A (r x d) and B (o x r) of each."""
    # Names of our own: a language may be called ``pop``, which a module's dictionary has a use for.
    shorts = {f"layer_{number}": name for number, name in enumerate(layers)}
    parts = [f"part_{number}" for number in range(len(places))]
    home: Any = torch.nn.ModuleDict({short: layers[name].base for short, name in shorts.items()})
    rank = next(iter(layers.values())).down[places[0]].shape[0]
    how: Any = merged.how
    config = LoraConfig(r=rank, lora_alpha=int(Lora.scale * rank), target_modules=list(shorts))
    model = LoraModel(home, dict.fromkeys(parts, config), parts[0])
    for part, place in zip(parts, places, strict=True):
        if part != parts[0]:
            model.inject_adapter(home, part)
        for short, name in shorts.items():
            home[short].lora_A[part].weight.copy_(layers[name].down[place])
            home[short].lora_B[part].weight.copy_(layers[name].up[place])
    with torch.random.fork_rng():
        torch.manual_seed(merged.seed)
        model.add_weighted_adapter(
            parts,
            list(merged.weights),
            adapter_name=MERGED,
            combination_type=how,
            density=merged.density,
        )
    return {name: _read(home[short]) for short, name in shorts.items()}


def _read(layer: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a merged adapter in our scale."""
    down, up = layer.lora_A[MERGED].weight, layer.lora_B[MERGED].weight
    return down.detach(), up.detach() * (layer.scaling[MERGED] / Lora.scale)


def _summed(
    head: Head, *, places: Sequence[int], weights: Sequence[float]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the weighted sum of heads, which need no factors: matrix (K x d) and bias (K)."""
    pairs = list(zip(places, weights, strict=True))
    ups = torch.stack([head.up[place] * weight for place, weight in pairs])
    biases = torch.stack([head.up_bias[place] * weight for place, weight in pairs])
    return ups.sum(0), biases.sum(0)
