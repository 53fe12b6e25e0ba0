"""False friends in small: languages that share words, some of which turn their meaning round."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from training.methods.lessons import Lessons
from training.methods.loop import Job, fit
from training.methods.recipes import Recipe

LANGUAGES = ("ff", "wo", "qu")
CLASSES = 3
WORDS = {"shared": 12, "turned": 15, "own": 9}


class Bag(torch.nn.Module):
    """The mean of word vectors through one hidden layer: enough to read a word by its company."""

    def __init__(self, words: int, *, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.words = torch.nn.EmbeddingBag(words, 16)
            self.hidden = torch.nn.Linear(16, 32)
            self.head = torch.nn.Linear(32, CLASSES)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.hidden(self.words(ids))))


class BagNetwork:
    """Texts are numbers of words."""

    kind = "bag"
    several = False
    labels = ("a", "b", "c")

    def __init__(self, *, seed: int) -> None:
        words = WORDS["shared"] + WORDS["turned"] + len(LANGUAGES) * WORDS["own"]
        self.module: torch.nn.Module = Bag(words, seed=seed)

    def collate(self, texts: Sequence[str], languages: Sequence[str]) -> dict[str, torch.Tensor]:
        return {"ids": torch.tensor([[int(word) for word in text.split()] for text in texts])}

    def logits(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return self.module(batch["ids"])

    def packed(
        self, texts: Sequence[str], languages: Sequence[str], *, device: str
    ) -> Iterator[Any]:
        yield np.arange(len(texts)), self.collate(texts, languages)

    def prepare(self, texts: Sequence[str], languages: Sequence[str]) -> None:
        """Nothing to make room for."""

    def trainable(self) -> list[torch.nn.Parameter]:
        return list(self.module.parameters())


def sentences(
    language: int, *, count: int, rng: np.random.Generator
) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Texts of ten words, most of which point to the label, in the sense of that language."""
    shared, turned = np.arange(WORDS["shared"]), np.arange(WORDS["turned"])
    own = np.arange(WORDS["own"])
    first = WORDS["shared"] + WORDS["turned"] + language * WORDS["own"]
    ids = np.concatenate([shared, WORDS["shared"] + turned, first + own])
    senses = np.concatenate([shared, turned + language, own]) % CLASSES
    labels = rng.integers(0, CLASSES, count)
    odds = np.where(senses[None] == labels[:, None], 4.0, 1.0)
    texts = [" ".join(map(str, rng.choice(ids, 10, p=row / row.sum()))) for row in odds]
    return texts, labels


def learn_stream(
    *, rows: int = 240, stages: int = len(LANGUAGES), seed: int = 0, **settings: Any
) -> npt.NDArray[np.float64]:
    """Learn one language after the other by a method; return accuracies: language by stage."""
    rng, network = np.random.default_rng(5), BagNetwork(seed=seed)
    taught = [sentences(k, count=rows, rng=rng) for k in range(stages)]
    asked = [sentences(k, count=300, rng=rng) for k in range(stages)]
    recipe = Recipe.of(
        {"lr": 0.01, "batch": 32, "epochs": 8, "curve_points": 1, "checkpoint_steps": 10**6},
        settings,
    )
    carried: Any = {}
    stored = np.full((stages * rows, CLASSES), np.nan, np.float32)
    table = []
    for stage in range(stages):
        seen = (stage + 1) * rows
        labels = np.concatenate([part[1] for part in taught[: stage + 1]])
        lessons = Lessons(
            texts=[text for part in taught[: stage + 1] for text in part[0]],
            languages=[tag for tag in LANGUAGES[: stage + 1] for _ in range(rows)],
            targets=np.eye(CLASSES, dtype=np.float32)[labels],
            weights=np.ones(seen, np.float32),
            fresh=np.arange(seen) >= stage * rows,
            logits=stored[:seen],
        )
        with tempfile.TemporaryDirectory() as folder:
            learned = fit(
                network,
                job=Job(lessons, lambda _: {}, recipe, seed, "stream", carried=carried),
                folder=Path(folder),
                watch=lambda *_, **__: None,
                should_stop=lambda: False,
            )
        carried = learned.carried
        if learned.logits is not None:
            stored[:seen] = learned.logits
        table.append([_accuracy(network, *part) for part in asked])
    return np.array(table)


@torch.no_grad()
def _accuracy(network: BagNetwork, texts: list[str], labels: npt.NDArray[np.int64]) -> float:
    network.module.eval()
    said = network.logits(network.collate(texts, [])).argmax(dim=1).numpy()
    return float((said == labels).mean())


def backward_transfer(table: npt.NDArray[np.float64]) -> float:
    """Mean over earlier languages: accuracy at the end less accuracy when just learned."""
    return float(np.mean([table[-1, k] - table[k, k] for k in range(len(table) - 1)]))
