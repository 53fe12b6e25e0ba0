"""The network that every side of :mod:`benchmarks.continual` learns with, and what comes of it.

A small BERT from scratch under one head for all languages. It needs torch and transformers
only, so it is the same one in our environment and in Avalanche's.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import BertConfig, BertModel

PADDING = 0


class SmallBert(torch.nn.Module):
    """Two layers of 64, the mean of the tokens, and a linear head."""

    def __init__(self, *, words: int, length: int, classes: int) -> None:
        super().__init__()
        config = BertConfig(
            vocab_size=words,
            hidden_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=256,
            max_position_embeddings=length,
            pad_token_id=PADDING,
        )
        self.encoder = BertModel(config, add_pooling_layer=False)
        self.head = torch.nn.Linear(64, classes)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return N x K logits of N x L token numbers."""
        mask = tokens != PADDING
        states = self.encoder(input_ids=tokens, attention_mask=mask.long()).last_hidden_state
        weights = mask.unsqueeze(-1).float()
        logits: torch.Tensor = self.head((states * weights).sum(1) / weights.sum(1).clamp(min=1))
        return logits


def made(shape: dict[str, int], *, seed: int) -> SmallBert:
    """Return the network that a seed makes, with every generator begun from it."""
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - what Avalanche's memories draw from
    return SmallBert(**shape)


@torch.no_grad()
def accuracies(network: Any, tests: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> list[float]:
    """Return the share of right answers on each language's test part."""
    network.eval()
    return [float((network(texts).argmax(1) == truth).float().mean()) for texts, truth in tests]
