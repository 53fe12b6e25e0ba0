"""A network of a few thousand numbers that learns in a blink and draws random numbers."""

import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file, save_file

from learning.networks.packing import packed_by_length

BUCKETS = 256


class TinyModule(torch.nn.Module):
    """The weights."""

    def __init__(self, labels: int, *, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.words = torch.nn.Parameter(torch.randn(BUCKETS, 8, generator=generator) / 3)
        self.head = torch.nn.Parameter(torch.zeros(8, labels))
        self.drop = torch.nn.Dropout(0.2)


class Tiny:
    """Hashed words, their mean, dropout, one linear head."""

    kind = "tiny"
    several = False

    def __init__(self, labels: Sequence[str], *, seed: int = 0) -> None:
        self.labels = tuple(labels)
        self.module = TinyModule(len(labels), seed=seed)

    def collate(self, texts: Sequence[str], languages: Sequence[str]) -> dict[str, torch.Tensor]:
        words = [[zlib.crc32(w.encode()) % BUCKETS for w in text.split()] or [0] for text in texts]
        starts = np.cumsum([0, *map(len, words)])[:-1]
        flat = [word for row in words for word in row]
        return {"words": torch.tensor(flat), "starts": torch.tensor(starts)}

    def logits(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        bags = torch.nn.functional.embedding_bag(batch["words"], self.module.words, batch["starts"])
        logits: torch.Tensor = self.module.drop(bags) @ self.module.head
        return logits

    def lengths(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
        return np.array([len(text) for text in texts], np.int64)

    def packed(self, texts: Sequence[str], languages: Sequence[str], *, device: str) -> Any:
        return packed_by_length(self, texts, languages, device=device)

    def answer(self, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        return self.logits(batch), self.embed(batch)

    def embed(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        words = self.module.words.detach()
        return torch.nn.functional.embedding_bag(batch["words"], words, batch["starts"])

    def prepare(self, texts: Sequence[str], languages: Sequence[str]) -> None:
        """Nothing to make room for."""

    def trainable(self) -> list[torch.nn.Parameter]:
        return [self.module.words, self.module.head]

    def settings(self) -> dict[str, Any]:
        recipe = {"lr": 0.05, "batch": 16, "epochs": 6, "weight_decay": 0.0, "optimizer": "adamw"}
        return {"kind": self.kind, "labels": list(self.labels), "recipe": recipe}

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        parts = {"words": self.module.words, "head": self.module.head}
        save_file(
            {k: v.detach().contiguous() for k, v in parts.items()}, folder / "model.safetensors"
        )
        (folder / "network.json").write_text(json.dumps(self.settings()))

    @classmethod
    def load(cls, folder: Path, **_: Any) -> "Tiny":
        network = cls(json.loads((folder / "network.json").read_text())["labels"])
        weights = load_file(folder / "model.safetensors")
        with torch.no_grad():
            network.module.words.copy_(weights["words"])
            network.module.head.copy_(weights["head"])
        return network


def open_tiny(name: str, *, labels: Sequence[str], seed: int) -> Tiny:
    """What takes the place of ``open_network``."""
    return Tiny(labels, seed=seed)
