"""The small BERT of :mod:`benchmarks.continual` as a network of ours; its texts are numbers."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.continual_model import SmallBert
from learning.networks import Batch

AT_ONCE = 256


class TokenNetwork:
    """Reads token numbers written as text, so that both sides see the very same ones."""

    kind = "tokens"
    several = False

    def __init__(self, module: SmallBert, *, classes: int) -> None:
        self.module: SmallBert = module
        self.labels = tuple(str(number) for number in range(classes))
        self._numbers: dict[str, npt.NDArray[np.int64]] = {}

    def spelled(self, tokens: npt.NDArray[np.int64]) -> list[str]:
        """Return the rows as texts, and remember what each means."""
        texts = [" ".join(map(str, row)) for row in tokens.tolist()]
        self._numbers |= dict(zip(texts, tokens, strict=True))
        return texts

    def collate(self, texts: Sequence[str], languages: Sequence[str]) -> Batch:
        """Return the numbers of these texts."""
        return {"tokens": torch.from_numpy(np.stack([self._numbers[text] for text in texts]))}

    def logits(self, batch: Batch) -> torch.Tensor:
        """Return N x K logits."""
        logits: torch.Tensor = self.module(batch["tokens"])
        return logits

    def lengths(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return the number of tokens, padding included."""
        return np.array([len(self._numbers[text]) for text in texts], np.int64)

    def packed(
        self, texts: Sequence[str], languages: Sequence[str], *, device: str
    ) -> Iterator[tuple[npt.NDArray[np.intp], Batch]]:
        """Yield them in their order."""
        for start in range(0, len(texts), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            rows = np.arange(start, min(start + AT_ONCE, len(texts)), dtype=np.intp)
            yield rows, self.collate(texts[part], languages[part])

    def answer(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits twice: nobody asks for embeddings here."""
        logits = self.logits(batch)
        return logits, logits

    def embed(self, batch: Batch) -> torch.Tensor:
        """Return the logits."""
        return self.logits(batch)

    def prepare(self, texts: Sequence[str], languages: Sequence[str]) -> None:
        """Do nothing: all weights are there."""

    def trainable(self) -> list[torch.nn.Parameter]:
        """Return all weights."""
        return list(self.module.parameters())

    def settings(self) -> dict[str, Any]:
        """Return nothing that advises a recipe."""
        return {"kind": self.kind, "labels": list(self.labels)}

    def save(self, folder: Path) -> None:
        """Refuse: it lives as long as a benchmark."""
        raise NotImplementedError(str(folder))
