"""Compressed networks as they are stored and served: the int8 in the file is the int8 that answers.

A compressed network is a kind of its own, so a gate that opens its folder judges it and nothing
else. To go on learning it is made whole again (``learnable``): whoever trains it gets a network of
the usual kind, whose weights are what the rounded ones stand for.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from annotation.errors import InvalidInputError
from learning.networks import Network
from learning.networks.encoder import Encoder
from learning.networks.folders import WEIGHTS, read_weights, write_settings
from learning.networks.rounded import hollow, rounded, rounded_rows, whole
from learning.networks.starter import Starter

# What of a starter is stored in whole numbers with a scale a row.
TABLES = ("ngrams.values", "vectors")
SCALES = ".scales"


class RoundedEncoder(Encoder):
    """An encoder in int8: matrices, and the tables of vectors, which are most of a small one."""

    kind = "encoder-int8"

    @classmethod
    def over(cls, network: Encoder) -> "RoundedEncoder":
        """Round an encoder."""
        module = rounded(network.module, tables=True)
        made = cls(network.labels, name=network.name, module=module, tokenizer=network._tokenizer)
        made.several = network.several
        return made

    def save(self, folder: Path) -> None:
        """Write whole numbers and scales, configuration, tokenizer and settings."""
        folder.mkdir(parents=True, exist_ok=True)
        self.module.config.save_pretrained(folder)
        self._tokenizer.save_pretrained(folder)
        weights = {name: part.contiguous() for name, part in self.module.state_dict().items()}
        save_file(weights, folder / WEIGHTS)
        write_settings(folder, self.settings())

    @classmethod
    def load(cls, folder: Path, *, settings: Mapping[str, Any]) -> "RoundedEncoder":
        """Bring a stored one back, bit for bit, without the network."""
        weights = read_weights(folder / WEIGHTS)
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        with torch.random.fork_rng(devices=[]):
            module = AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)
        hollow(module)
        try:
            module.load_state_dict(weights)
        except RuntimeError as error:
            raise InvalidInputError(
                f"The weights in {folder} do not fit its configuration.",
                remedy="Bring the folder back from a copy, or deploy another version.",
            ) from error
        options: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
        tokenizer = AutoTokenizer.from_pretrained(folder, use_fast=True, **options)
        name = str(settings["name"])
        return cls(settings["labels"], name=name, module=module, tokenizer=tokenizer)


class RoundedStarter(Starter):
    """A starter whose n-grams and subword vectors are stored in int8; in memory it is the usual one."""

    kind = "starter-int8"

    @classmethod
    def over(cls, network: Starter) -> "RoundedStarter":
        """Take a starter over, its weights and all, rounded as they will be stored."""
        made = cls(
            network.labels,
            vectors=_and_back(network.module.vectors.cpu()),
            tokenizer=network._tokenizer_text,
            features=network.features,
        )
        made.several = network.several
        made.module.widen(network.module.buckets().cpu())
        with torch.no_grad():
            made.module.ngrams.copy_(_and_back(network.module.ngrams.detach().cpu()))
            made.module.dense.copy_(network.module.dense)
            made.module.bias.copy_(network.module.bias)
        return made

    @staticmethod
    def packed_weights(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Round the tables."""
        packed = dict(weights)
        for name in TABLES:
            packed[name], packed[name + SCALES] = rounded_rows(weights[name].float())
        return packed

    @staticmethod
    def unpacked_weights(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Bring the tables back as numbers to calculate with."""
        found = dict(weights)
        for name in TABLES:
            found[name] = weights[name].float() * weights[name + SCALES].unsqueeze(1)
        return found


def _and_back(table: torch.Tensor) -> torch.Tensor:
    levels, scales = rounded_rows(table.float())
    return levels.float() * scales.unsqueeze(1)


def learnable(network: Network) -> Network:
    """Return a network that can be fine-tuned whole; one that is not rounded is it already."""
    if isinstance(network, RoundedEncoder):
        module = whole(network.module)
        again = Encoder(
            network.labels, name=network.name, module=module, tokenizer=network._tokenizer
        )
        again.several = network.several
        return again
    if isinstance(network, RoundedStarter):
        plain = Starter(
            network.labels,
            vectors=network.module.vectors,
            tokenizer=network._tokenizer_text,
            features=network.features,
        )
        plain.module, plain.several = network.module, network.several
        return plain
    return network
