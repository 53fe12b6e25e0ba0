"""The starter: the network that ships, small enough for any machine and never in need of a hub.

Hashed n-grams of characters and words stand beside a small frozen representation shared by all
languages, under one linear head. Every n-gram is also hashed a second time with the language's
tag, so what is peculiar to one language has its own weights while the rest is shared. Nothing
about the text is fitted: features never move under weights that were learned before, which is
what lets the head go on learning from version to version.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch.nn import functional

from annotation.methods.texts import GLUE, glued
from learning.networks import Batch
from learning.networks.folders import TOKENIZER, WEIGHTS, read_weights, write_settings
from learning.networks.ngrams import NgramCounts, hash_texts, in_pairs, normalise, salted
from learning.networks.packing import packed_by_length

SHIPPED = Path(__file__).parent / "shipped"
LONGEST = 20_000
PREPARED = 1024

UNKNOWN = 0

FEATURES: dict[str, Any] = {
    "bits": 18,
    "sizes": [1, 2, 3, 4, 5],
    "shared": 1.0,
    "own": 1.0,
    "dense": 0.5,
}

# Chosen on held-out training texts and the `valid` parts of NusaX, NollySenti and SIB-200: at 500
# labels a gentle, short run leaves rare n-grams small, as a penalty would.
RECIPE: dict[str, Any] = {
    "optimizer": "adamw",
    "lr": 0.02,
    "eps": 3e-5,
    "weight_decay": 0.0,
    "batch": 64,
    "epochs": 6,
    "least_steps": 60,
    "balance": 4.0,
    "warmup": 0.1,
    # Each point measures the whole development gold, which costs more than ten steps.
    "curve_points": 6,
}

Ints = npt.NDArray[np.int64]


def _counting(text: str) -> str:
    """What counts of a text: its beginning, of a pair that of both texts."""
    if GLUE not in text:
        return text[:LONGEST]
    return glued([part[: LONGEST // 2] for part in text.split(GLUE, 1)])


class StarterModule(torch.nn.Module):
    """The weights: a frozen table of subword vectors and one linear head in three parts.

    Of the hashed table only buckets met in learning have a row; ``places`` tells which, and
    every other bucket has row 0, which stays nought. An optimiser then works on what the texts
    hold instead of on the whole table.
    """

    vectors: torch.Tensor
    places: torch.Tensor

    def __init__(self, vectors: torch.Tensor, *, bits: int, labels: int) -> None:
        super().__init__()
        self.register_buffer("vectors", vectors, persistent=False)
        self.register_buffer("places", torch.zeros(2 << bits, dtype=torch.int32), persistent=False)
        self.ngrams = torch.nn.Parameter(torch.zeros(1, labels))
        self.dense = torch.nn.Parameter(torch.zeros(vectors.shape[1], labels))
        self.bias = torch.nn.Parameter(torch.zeros(labels))

    def buckets(self) -> torch.Tensor:
        """Return the buckets that have a row, in the order of the rows after the first."""
        return self.places.nonzero().squeeze(1)

    @torch.no_grad()
    def widen(self, buckets: torch.Tensor) -> None:
        """Give these buckets rows of noughts where they have none; rows stay in buckets' order."""
        old, here = self.buckets(), self.places.device
        wanted = torch.unique(torch.cat([old, buckets.to(here)]))
        table = self.ngrams.new_zeros(len(wanted) + 1, self.ngrams.shape[1])
        self.places[wanted] = torch.arange(1, len(wanted) + 1, dtype=torch.int32, device=here)
        table[self.places[old].long()] = self.ngrams[1:]
        self.ngrams = torch.nn.Parameter(table)

    def represent(self, batch: Batch) -> torch.Tensor:
        """Return the shared representation: N x d, each row of length one (or nought)."""
        bags = functional.embedding_bag(
            batch["tokens"], self.vectors, batch["token_starts"], mode="sum"
        )
        return functional.normalize(bags, dim=1, eps=1e-6)

    def forward(self, batch: Batch, *, dense_scale: float) -> torch.Tensor:
        """Return N x K logits."""
        sparse = functional.embedding_bag(
            self.places[batch["buckets"]].long(),
            self.ngrams,
            batch["starts"],
            mode="sum",
            per_sample_weights=batch["weights"],
            padding_idx=0,
        )
        return sparse + dense_scale * self.represent(batch) @ self.dense + self.bias


@cache
def _shipped_vectors() -> torch.Tensor:
    return read_weights(SHIPPED / WEIGHTS)["vectors"].float()


@cache
def _shipped_tokenizer() -> str:
    return (SHIPPED / TOKENIZER).read_text(encoding="utf-8")


@lru_cache(maxsize=4)
def _tokenizer(text: str) -> Tokenizer:
    return Tokenizer.from_str(text)


class Starter:
    """Hashed n-grams and a frozen shared representation under one linear head."""

    kind = "starter"
    several = False

    def __init__(
        self,
        labels: Sequence[str],
        *,
        vectors: torch.Tensor,
        tokenizer: str,
        features: Mapping[str, Any] = FEATURES,
    ) -> None:
        self.labels = tuple(labels)
        self.features = dict(features)
        self.module: StarterModule = StarterModule(
            vectors, bits=self.features["bits"], labels=len(self.labels)
        )
        self._tokenizer_text = tokenizer
        self._tokenizer = _tokenizer(tokenizer)

    @classmethod
    def fresh(cls, labels: Sequence[str], *, seed: int = 0) -> "Starter":
        """Return a starter that has learned nothing: its head is zero, whatever the seed."""
        return cls(labels, vectors=_shipped_vectors(), tokenizer=_shipped_tokenizer())

    def collate(self, texts: Sequence[str], languages: Sequence[str]) -> Batch:
        """Turn texts into hashed features and subwords; a text counts up to ``LONGEST``."""
        clean = [normalise(_counting(text)) for text in texts]
        buckets, weights, starts = self._hashed(clean, languages)
        tokens, token_starts = self._subwords(clean)
        return {
            "buckets": torch.from_numpy(buckets),
            "weights": torch.from_numpy(weights),
            "starts": torch.from_numpy(starts),
            "tokens": torch.from_numpy(tokens),
            "token_starts": torch.from_numpy(token_starts),
        }

    def _hashed(
        self, texts: Sequence[str], languages: Sequence[str]
    ) -> tuple[Ints, npt.NDArray[np.float32], Ints]:
        """Return shared and language's own buckets, weighted and scaled to length one each."""
        bits = self.features["bits"]
        counts = self._counted(texts)
        weights = 1.0 + np.log(counts.counts)
        squares = np.bincount(counts.rows, weights * weights, minlength=len(texts))
        weights = weights / np.sqrt(squares)[counts.rows]
        own = salted(counts, languages, bits=bits) + (1 << bits)
        # each text's shared features, then its language's own: two equal halves, interleaved
        buckets = np.stack((counts.buckets, own), axis=1).ravel()
        scales = np.array([self.features["shared"], self.features["own"]])
        both = (weights[:, None] * scales).astype(np.float32).ravel()
        starts = 2 * np.searchsorted(counts.rows, np.arange(len(texts)))
        return buckets, both, starts

    def _counted(self, texts: Sequence[str]) -> NgramCounts:
        """Count n-grams; those of pairs by whether both texts have them."""
        told = {"bits": self.features["bits"], "sizes": self.features["sizes"]}
        pairs = np.array([GLUE in text for text in texts], bool)
        # A text beside a pair is counted as if it stood alone.
        single = hash_texts([text for text in texts if GLUE not in text], **told)
        if not pairs.any():
            return single
        both = [text.partition(GLUE)[::2] for text in texts if GLUE in text]
        paired = in_pairs(
            *(hash_texts(part, **told) for part in zip(*both, strict=True)), bits=told["bits"]
        )
        rows = [
            np.flatnonzero(where)[one.rows] for where, one in ((~pairs, single), (pairs, paired))
        ]
        order = np.argsort(np.concatenate(rows), kind="stable")
        return NgramCounts(
            buckets=np.concatenate([single.buckets, paired.buckets])[order],
            rows=np.concatenate(rows)[order],
            counts=np.concatenate([single.counts, paired.counts])[order],
        )

    def _subwords(self, texts: Sequence[str]) -> tuple[Ints, Ints]:
        encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        known = [np.array(encoding.ids, np.int64) for encoding in encodings]
        known = [ids[ids != UNKNOWN] for ids in known]
        sizes = np.array([len(ids) for ids in known], np.int64)
        return np.concatenate([*known, np.zeros(0, np.int64)]), np.cumsum(sizes) - sizes

    def logits(self, batch: Batch) -> torch.Tensor:
        """Return N x K logits, differentiable in the head."""
        logits: torch.Tensor = self.module(batch, dense_scale=self.features["dense"])
        return logits

    def lengths(self, texts: Sequence[str]) -> Ints:
        """Return how many characters of each text count."""
        return np.array([min(len(text), LONGEST) for text in texts], np.int64)

    def packed(
        self, texts: Sequence[str], languages: Sequence[str], *, device: str
    ) -> Iterator[tuple[npt.NDArray[np.intp], Batch]]:
        """Yield batches of about as many characters."""
        return packed_by_length(self, texts, languages, device=device)

    def answer(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits and the shared representation."""
        return self.logits(batch), self.embed(batch)

    @torch.no_grad()
    def embed(self, batch: Batch) -> torch.Tensor:
        """Return the shared representation of each text: N x d, of length one."""
        return self.module.represent(batch)

    def prepare(self, texts: Sequence[str], languages: Sequence[str]) -> None:
        """Give every n-gram of these texts a weight to learn; no answer changes by that."""
        self.module.widen(self._met(texts, languages))

    def _met(self, texts: Sequence[str], languages: Sequence[str]) -> torch.Tensor:
        """Return the buckets of all n-grams of these texts."""
        met = [torch.zeros(0, dtype=torch.int64)]
        for start in range(0, len(texts), PREPARED):
            part = slice(start, start + PREPARED)
            clean = [normalise(_counting(text)) for text in texts[part]]
            buckets, _, _ = self._hashed(clean, languages[part])
            met.append(torch.from_numpy(np.unique(buckets)))
        return torch.cat(met)

    def trainable(self) -> list[torch.nn.Parameter]:
        """Return the head's three parts; ``prepare`` decides how many n-grams are in the first."""
        return [self.module.ngrams, self.module.dense, self.module.bias]

    def row_keys(self) -> dict[int, torch.Tensor]:
        """Return the buckets that the rows after the first of ``trainable()[0]`` stand for."""
        return {0: self.module.buckets()}

    def settings(self) -> dict[str, Any]:
        """Return what, beside the weights, makes this network."""
        return {
            "kind": self.kind,
            "labels": list(self.labels),
            **({"several": True} if self.several else {}),
            "features": self.features,
            "recipe": RECIPE,
        }

    def save(self, folder: Path) -> None:
        """Write the head, the representation under it, the tokenizer and the settings.

        Only rows that ever learned are kept; the others are exactly zero.
        """
        folder.mkdir(parents=True, exist_ok=True)
        table = self.module.ngrams.detach().cpu()[1:]
        learned = table.view(torch.int32).any(dim=1)
        weights = {
            "ngrams.rows": self.module.buckets().cpu()[learned].to(torch.int32),
            "ngrams.values": table[learned].contiguous(),
            "dense": self.module.dense.detach().cpu().contiguous(),
            "bias": self.module.bias.detach().cpu().contiguous(),
            "vectors": self.module.vectors.cpu().half().contiguous(),
        }
        save_file(self.packed_weights(weights), folder / WEIGHTS)
        (folder / TOKENIZER).write_text(self._tokenizer_text, encoding="utf-8")
        write_settings(folder, self.settings())

    @staticmethod
    def packed_weights(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Return the weights as they are stored: a kind that stores them otherwise says how."""
        return dict(weights)

    @staticmethod
    def unpacked_weights(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Return stored weights as numbers to calculate with."""
        return dict(weights)

    @classmethod
    def load(cls, folder: Path, *, settings: Mapping[str, Any]) -> Self:
        """Bring a stored starter back, bit for bit."""
        weights = cls.unpacked_weights(read_weights(folder / WEIGHTS))
        network = cls(
            settings["labels"],
            vectors=weights["vectors"].float(),
            tokenizer=(folder / TOKENIZER).read_text(encoding="utf-8"),
            features=settings["features"],
        )
        network.module.widen(weights["ngrams.rows"].long())
        with torch.no_grad():
            network.module.ngrams[1:] = weights["ngrams.values"]
            network.module.dense.copy_(weights["dense"])
            network.module.bias.copy_(weights["bias"])
        return network
