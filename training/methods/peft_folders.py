"""Adapters as other people's libraries read them: one folder a language, in the format of ``peft``.

Each holds the thin matrices under the names of the encoder's layers, and the language's own head
whole, since a head that is added to may gain a bias. ``PeftModel.from_pretrained(encoder, folder)``
then answers texts of that language as our network does; without it the encoder answers the others.
"""

import copy
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model

from annotation.errors import InvalidInputError
from learning.networks.adapted import LORA, AdaptedEncoder
from learning.networks.folding import folded
from learning.networks.routing import Head, Lora, routed


def write_adapters(network: AdaptedEncoder, *, folder: Path) -> list[str]:
    """Write the adapter of each language into ``folder/TAG`` and return the tags."""
    if network.adapters.method != LORA:
        raise InvalidInputError(
            f"Adapters of the method {network.adapters.method} are of no kind that peft knows."
        )
    bare = folded(network, languages=())
    for tag in network.adapters.languages:
        _write(network, tag=tag, encoder=copy.deepcopy(bare.module), folder=folder / tag)
    return list(network.adapters.languages)


@torch.no_grad()
def _write(network: AdaptedEncoder, *, tag: str, encoder: Any, folder: Path) -> None:
    place, layers = network.adapters.place(tag), routed(network.module)
    thin = {name: layer for name, layer in layers.items() if isinstance(layer, Lora)}
    heads = [name for name, layer in layers.items() if isinstance(layer, Head)]
    config = LoraConfig(
        r=network.adapters.rank,
        lora_alpha=round(Lora.scale * network.adapters.rank),
        target_modules=list(thin),
        modules_to_save=heads,
        lora_dropout=0.0,
    )
    whole = folded(network, languages=(tag,)).module
    model: Any = get_peft_model(encoder, config)
    for name, layer in thin.items():
        part = model.base_model.model.get_submodule(name)
        part.lora_A["default"].weight.copy_(layer.down[place])
        part.lora_B["default"].weight.copy_(layer.up[place])
    for name in heads:
        saved = model.base_model.model.get_submodule(name).modules_to_save["default"]
        saved.load_state_dict(whole.get_submodule(name).state_dict())
    model.save_pretrained(folder, safe_serialization=True)
    (folder / "README.md").unlink(missing_ok=True)
