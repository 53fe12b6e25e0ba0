"""A tiny real network: hashed characters, one linear layer. For tests of everything around it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from learning.networks.packing import packed_by_length

BUCKETS = 64


class Tiny(torch.nn.Module):
    def __init__(self, labels: int, *, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.weight = torch.nn.Parameter(torch.randn(BUCKETS, labels, generator=generator) * 3)

    def forward(self, counts: torch.Tensor) -> torch.Tensor:
        return counts @ self.weight


class TinyNetwork:
    kind = "tiny"
    several = False

    def __init__(self, labels: Sequence[str], *, seed: int = 0) -> None:
        self.labels = tuple(labels)
        self.module: torch.nn.Module = Tiny(len(labels), seed=seed)
        self.batches: list[int] = []

    def collate(self, texts: Sequence[str], languages: Sequence[str]) -> dict[str, torch.Tensor]:
        self.batches.append(len(texts))
        width = max(len(text) for text in texts) + 1
        slots = torch.full((len(texts), width), -1)
        for row, (text, tag) in enumerate(zip(texts, languages, strict=True)):
            for place, letter in enumerate([tag, *text]):
                slots[row, place] = crc32(letter.encode()) % BUCKETS
        return {"slots": slots}

    def logits(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        slots = batch["slots"]
        counts = torch.zeros(len(slots), BUCKETS + 1)
        counts.scatter_add_(1, slots % (BUCKETS + 1), torch.ones(slots.shape))
        counts = counts[:, :BUCKETS]
        return self.module(counts / counts.sum(1, keepdim=True).clamp(min=1))

    def lengths(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([len(text) + 1 for text in texts], dtype=np.int64)

    def embed(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return self.logits(batch).detach()

    def packed(self, texts: Sequence[str], languages: Sequence[str], *, device: str) -> Any:
        return packed_by_length(self, texts, languages, device=device)

    def answer(self, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        return self.logits(batch), self.embed(batch)

    def prepare(self, texts: Sequence[str], languages: Sequence[str]) -> None:
        """Nothing to make room for."""

    def trainable(self) -> list[torch.nn.Parameter]:
        return list(self.module.parameters())

    def settings(self) -> dict[str, Any]:
        return {"labels": list(self.labels)}

    def save(self, folder: Path) -> None:
        (folder / "network.json").write_text(json.dumps(self.settings()))
        save_file(self.module.state_dict(), folder / "model.safetensors")


def open_tiny(name: str, *, labels: Sequence[str], seed: int) -> TinyNetwork:
    return TinyNetwork(labels, seed=seed)


def load_tiny(folder: Path) -> TinyNetwork:
    settings = json.loads((folder / "network.json").read_text())
    network = TinyNetwork(settings["labels"])
    network.module.load_state_dict(load_file(folder / "model.safetensors"))
    return network
