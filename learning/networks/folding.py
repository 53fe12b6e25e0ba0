"""Folding: adapters are added into the matrices that they correct, and a plain encoder is left.

What an adapter of thin matrices adds is itself a matrix, so the sum answers as the two did. Only
what bends between the two (a bottleneck) cannot be added in.
"""

import copy
from collections.abc import Sequence

import torch

from annotation.errors import InvalidInputError
from learning.networks.adapted import AdaptedEncoder
from learning.networks.encoder import Encoder
from learning.networks.routing import Head, Lora, Routed, put_in, routed


@torch.no_grad()
def folded(network: AdaptedEncoder, *, languages: Sequence[str]) -> Encoder:
    """Return a plain encoder that answers every text as these languages' adapters together do.

    With no language it is the encoder that the adapters were put on.
    """
    module = copy.deepcopy(network.module)
    places = [network.adapters.place(tag) for tag in languages]
    for name, layer in routed(module).items():
        put_in(module, name, _added(layer, places))
    del module.route
    made = Encoder(network.labels, name=network.name, module=module, tokenizer=network._tokenizer)
    made.several = network.several
    return made


def _added(layer: Routed, places: Sequence[int]) -> torch.nn.Linear:
    """Return the layer under the adapters, with some of them added in."""
    base: torch.nn.Linear = layer.base
    if places and not isinstance(layer, Lora | Head):
        raise InvalidInputError(
            "Bottlenecks bend what goes through them and cannot be added into matrices.",
            remedy="Teach a plain network what this one says instead:"
            " manage.py compress CAMPAIGN --kind distil --set student=starter",
        )
    for place in places:
        if isinstance(layer, Lora):
            base.weight.add_(layer.scale * layer.up[place] @ layer.down[place])
        else:
            base.weight.add_(layer.up[place])
            bias: torch.Tensor | None = base.bias
            there = torch.zeros_like(base.weight[:, 0]) if bias is None else bias
            base.bias = torch.nn.Parameter(there + layer.up_bias[place])
    return base
