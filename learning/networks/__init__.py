"""Networks: texts in, logits out. One module a kind; all speak the protocol below.

A network is a ``torch.nn.Module`` with words around it: it knows its labels, turns texts into
a batch, and can be stored as safetensors and brought back bit for bit. ``open_network`` makes
a fresh one by name (``starter``, or an encoder's name or path); ``load_network`` brings back a
stored one.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

Batch = Mapping[str, torch.Tensor]


class Network(Protocol):
    """What every kind of network offers."""

    kind: str
    labels: tuple[str, ...]
    # Whether labels do not exclude each other: then each logit is a question of its own (sigmoid).
    several: bool

    @property
    def module(self) -> torch.nn.Module:
        """Return what holds the parameters and can be moved to a device."""

    def collate(self, texts: Sequence[str], languages: Sequence[str]) -> Batch:
        """Turn N texts with their language tags into a batch on the CPU."""

    def logits(self, batch: Batch) -> torch.Tensor:
        """Return N x K logits, differentiable in the trainable parameters."""

    def lengths(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return a cheap length of each text, for packing batches."""

    def packed(
        self, texts: Sequence[str], languages: Sequence[str], *, device: str
    ) -> Iterator[tuple[npt.NDArray[np.intp], Batch]]:
        """Yield positions of texts and their batch, each about as much work as suits the device."""

    def answer(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits N x K and embeddings N x d of one pass through the network."""

    def embed(self, batch: Batch) -> torch.Tensor:
        """Return N x d sentence embeddings, without gradient."""

    def prepare(self, texts: Sequence[str], languages: Sequence[str]) -> None:
        """Make room for what these texts may teach, before ``trainable`` is asked for."""

    def trainable(self) -> list[torch.nn.Parameter]:
        """Return the parameters that fine-tuning may change, in a fixed order."""

    def settings(self) -> dict[str, Any]:
        """Return what, beside the weights, is needed to build the network again (JSON)."""

    def save(self, folder: Path) -> None:
        """Write ``network.json`` and ``model.safetensors`` (and what a tokenizer needs)."""
