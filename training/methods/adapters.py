"""Adapters in training: which network carries them, who learns, and what keeps them apart.

With LoRA (Hu et al. 2022, arXiv 2106.09685) and bottlenecks (Pfeiffer et al. 2021, arXiv
2005.00247) only the adapters of the languages that brought something new learn: no other
language changes by a bit. In O-LoRA (Wang et al. 2023, arXiv 2310.14152) all adapters act on
every text, and what a language learns is kept orthogonal to what others have learned.
"""

from collections.abc import Sequence

import torch

from annotation.errors import ConflictError, InvalidInputError
from learning.networks import Network
from learning.networks.adapted import AdaptedEncoder, Carrier
from learning.networks.adapted_generator import AdaptedGenerator
from learning.networks.encoder import Encoder
from learning.networks.generator import Generator
from learning.networks.own_rows import AdaptedStarter
from learning.networks.routing import Lora, routed
from learning.networks.starter import Starter
from learning.networks.tokens import tags_units
from training.methods.recipes import ADAPTING, O_LORA, Recipe

Tensors = Sequence[torch.Tensor]


def dressed(network: Network, *, recipe: Recipe, languages: Sequence[str]) -> Network:
    """Return the network with adapters of these languages, which alone learn.

    Under a method without adapters the network is returned as it is, and all of it learns.
    """
    if recipe.method not in ADAPTING:
        return network
    if not languages:
        raise InvalidInputError("Nothing is to be learned in any language.")
    adapted = _adapted(network, recipe=recipe)
    adapted.add(languages)
    adapted.learn(languages)
    return adapted


def _adapted(
    network: Network, *, recipe: Recipe
) -> AdaptedEncoder | AdaptedGenerator | AdaptedStarter:
    if tags_units(network):
        raise InvalidInputError(
            "Networks that mark spans carry no adapters.", remedy="Train with the method update."
        )
    if isinstance(network, Starter) and recipe.method == O_LORA:
        raise InvalidInputError(
            "O-LoRA needs an encoder; the starter has no layers to be kept apart in.",
            remedy="Use lora, which gives each language rows of its own in the starter.",
        )
    if isinstance(network, AdaptedStarter):
        return network
    if isinstance(network, Starter):
        return AdaptedStarter.over(network)
    if isinstance(network, AdaptedEncoder | AdaptedGenerator):
        _refuse_another(network, recipe=recipe)
        return network
    if type(network) is Generator:
        return AdaptedGenerator.over(network, method=recipe.method, rank=recipe.rank)
    if type(network) is Encoder:
        return AdaptedEncoder.over(network, method=recipe.method, rank=recipe.rank)
    raise InvalidInputError(
        f"A network of the kind {network.kind} cannot carry adapters.",
        remedy="Train with the method update, or start from a version that is not compressed.",
    )


def _refuse_another(network: Carrier, *, recipe: Recipe) -> None:
    kept = network.adapters
    if (kept.method, kept.rank) != (recipe.method, recipe.rank):
        raise ConflictError(
            f"The serving version carries {kept.method} adapters of rank {kept.rank},"
            f" not {recipe.method} of rank {recipe.rank}.",
            remedy=f"Go on with method {kept.method} and rank {kept.rank}, or roll back to a"
            " version without adapters.",
        )


def penalty(network: Network) -> torch.Tensor:
    """Return how far the adapters that learn are from orthogonal to all others.

    The sum over layers and pairs of all |A_i A_j^T| (r x r each), as in O-LoRA; its second
    term, the size of what is learned, is AdamW's weight decay. Nought for any other network.
    """
    found = 0.0 * network.trainable()[0].sum()
    if not isinstance(network, Carrier) or network.adapters.method != O_LORA:
        return found
    learn = {network.adapters.place(tag) for tag in network.learning}
    for layer in routed(network.module).values():
        downs = list(layer.down) if isinstance(layer, Lora) else []
        for i in sorted(learn):
            for j, other in enumerate(downs):
                if j not in learn or j < i:
                    found = found + (downs[i] @ other.T).abs().sum()
    return found


@torch.no_grad()
def between(network: Network, *, old: Tensors, new: Tensors, share: float) -> list[torch.Tensor]:
    """Return weights with so much of the new ones and the rest of the old ones, by tensor.

    What a LoRA adapter adds is a product, so its factors cannot be mixed one by one: where two
    products are mixed, the best product of their rank takes the place of the sum (by SVD). All
    other weights are mixed as they are.
    """
    mixed = [a.lerp(b, share) for a, b in zip(old, new, strict=True)]
    if not 0 < share < 1:
        return mixed
    for down, up in _factors(network):
        if old[up].any():
            both = torch.cat((old[up] * (1 - share), new[up] * share), dim=1)
            mixed[down], mixed[up] = thinned(both, torch.cat((old[down], new[down])))
        else:  # before it had learned it added nought, whatever its A was
            mixed[down], mixed[up] = new[down].clone(), new[up] * share
    return mixed


def thinned(up: torch.Tensor, down: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return A (r x d) and B (o x r) nearest to a product twice as wide: o x 2r times 2r x d.

    >>> a, b = thinned(torch.ones(3, 2), torch.ones(2, 4))
    >>> (b @ a).allclose(torch.full((3, 4), 2.0)), b.shape[1]
    (True, 1)
    """
    rank = down.shape[0] // 2
    left, tall = torch.linalg.qr(up)
    right, wide = torch.linalg.qr(down.T)
    u, sizes, v = torch.linalg.svd(tall @ wide.T)
    roots = sizes[:rank].sqrt()
    return roots.unsqueeze(1) * v[:rank] @ right.T, left @ u[:, :rank] * roots


def _factors(network: Network) -> list[tuple[int, int]]:
    """Return the places of A and B of each LoRA layer among the trainable tensors."""
    if not isinstance(network, Carrier):
        return []
    place = {id(part): number for number, part in enumerate(network.trainable())}
    found = []
    for layer in routed(network.module).values():
        for tag in network.learning if isinstance(layer, Lora) else ():
            parts = layer.tensors(network.adapters.place(tag))
            found.append((place[id(parts["down"])], place[id(parts["up"])]))
    return found
