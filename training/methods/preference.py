"""Preference optimisation: what people chose side by side, as lessons for a generator.

Direct preference optimisation (Rafailov et al. 2023, arXiv 2305.18290) on soft choices: a pair on
which raters were torn, or that was a tie, asks for as much of either (Mitchell 2023, "A note on DPO
with noisy preferences"). ``trl`` has it too, but only inside a trainer of its own, which knows
neither our plan, replay and gate nor resuming to the bit, and would bring pandas, datasets and
their kin into every installation; the loss is the ten lines of :func:`chosen`, and the loop is ours.

A lesson is a text of three parts: the source and two outputs. :class:`Chooser` is a network whose two
logits say which of them the generator has come to prefer since it began, so that the loop's
cross-entropy is the loss of the paper, and replay, checkpoints and adapters work as for any network:

    network = Chooser(generator)
    job = Job(lessons_of(rows), measure=on_generator(likelihood(cases)), recipe=..., seed=..., snapshot=...)
    fit(network, job=job, folder=..., watch=..., should_stop=...)

Shapes: N pairs; sums of log-probabilities of the tokens of the first and the second output.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from annotation.errors import InvalidInputError
from annotation.methods.texts import GLUE, glued
from learning.networks import Batch, Network
from learning.networks.generator import Generator, Row, lesson, sizes_of
from learning.networks.packing import batches
from learning.networks.writing import home_of, precision
from training.methods.lessons import Lessons, Measure

BETA = 0.1
# A generator that has learned to write is to be moved gently.
ADVICE: dict[str, Any] = {"lr": 5e-6, "epochs": 1, "hold_weight": 0.0, "curve_points": 5}


@dataclass(frozen=True)
class Preference:
    """Two outputs for one source, and how often the first was preferred: 1 always, .5 as often."""

    source: str
    first: str
    second: str
    language: str
    share: float = 1.0
    weight: float = 1.0
    fresh: bool = True
    name: str = ""


def chosen(sums: torch.Tensor, *, before: torch.Tensor, beta: float = BETA) -> torch.Tensor:
    """Return by how many log odds (N) the first of two outputs is preferred more than before.

    ``sums`` and ``before`` (N x 2) are log-probabilities of both outputs, now and by the network that
    training began with. The loss of a choice is ``-logsigmoid`` of this.

    >>> now, then = torch.tensor([[-1.0, -9.0]]), torch.tensor([[-3.0, -5.0]])
    >>> chosen(now, before=then, beta=0.5)
    tensor([3.])
    """
    moved = sums - before
    return beta * (moved[:, 0] - moved[:, 1])


def loss(
    sums: torch.Tensor, *, before: torch.Tensor, share: torch.Tensor, beta: float = BETA
) -> torch.Tensor:
    """Return what each pair costs (N) if its first output was preferred in so many cases (N).

    >>> even = torch.zeros(1, 2)
    >>> loss(even, before=even, share=torch.tensor([1.0])).exp().round(decimals=4)
    tensor([2.])
    """
    odds = chosen(sums, before=before, beta=beta)
    return -share * functional.logsigmoid(odds) - (1 - share) * functional.logsigmoid(-odds)


def lessons_of(preferences: Sequence[Preference]) -> Lessons:
    """Return preferences as lessons; what is the same twice teaches nothing and is refused."""
    if not preferences:
        raise InvalidInputError(
            "There is no preference to learn from.", remedy="Collect some choices first."
        )
    for place, one in enumerate(preferences):
        if one.first == one.second or not 0 <= one.share <= 1:
            raise InvalidInputError(
                f"Pair {place} cannot be learned: "
                + (
                    "both outputs are the same."
                    if one.first == one.second
                    else f"a share of {one.share} is none."
                ),
                remedy="Leave it out." if one.first == one.second else "It goes from 0 to 1.",
            )
    shares = np.array([one.share for one in preferences], np.float32)
    return Lessons(
        texts=[glued([one.source, one.first, one.second]) for one in preferences],
        languages=[one.language for one in preferences],
        targets=np.stack([shares, 1 - shares], axis=1),
        weights=np.array([one.weight for one in preferences], np.float32),
        fresh=np.array([one.fresh for one in preferences], bool),
    )


class Chooser:
    """A generator as a network that says which of two outputs it has come to prefer."""

    kind = "chooser"
    labels: tuple[str, ...] = ("first", "second")
    several = False

    def __init__(self, generator: Generator, *, beta: float = BETA) -> None:
        self.generator = generator
        self.beta = beta
        self._before: dict[tuple[str, str], tuple[float, float]] = {}

    @property
    def module(self) -> Any:
        """Return what holds the generator's parameters."""
        return self.generator.module

    def prepare(self, texts: Sequence[str], languages: Sequence[str]) -> None:
        """Ask the generator, before it learns, how likely it holds all outputs."""
        home = home_of(self.generator)
        pairs = list(zip(texts, languages, strict=True))
        self.module.eval()
        for rows in batches(self._sizes(texts, languages), budget=self.generator.budget(home.type)):
            both = self._both([texts[i] for i in rows], [languages[i] for i in rows])
            sent = {name: part.to(home) for name, part in both.items()}
            with torch.no_grad(), precision(home):
                told = self._sums(sent).cpu().tolist()
            for row, (first, second) in zip(rows, told, strict=True):
                self._before[pairs[row]] = (first, second)

    def collate(self, texts: Sequence[str], languages: Sequence[str]) -> Batch:
        """Turn pairs into padded tokens, the first outputs of all and then the second ones.

        ``before`` (N x 2) is what the generator said of them before it learned.
        """
        pairs = list(zip(texts, languages, strict=True))
        if any(pair not in self._before for pair in pairs):
            self.prepare(texts, languages)
        told = torch.tensor([self._before[pair] for pair in pairs]).reshape(-1, 2)
        return {**self._both(texts, languages), "before": told}

    def packed(
        self, texts: Sequence[str], languages: Sequence[str], *, device: str
    ) -> Iterator[tuple[npt.NDArray[np.intp], Batch]]:
        """Yield batches of about as many tokens."""
        for rows in batches(self._sizes(texts, languages), budget=self.generator.budget(device)):
            yield rows, self.collate([texts[i] for i in rows], [languages[i] for i in rows])

    def logits(self, batch: Batch) -> torch.Tensor:
        """Return N x 2 logits, whose difference is :func:`chosen`.

        Nothing drops out: the chance of it would drown a small change of a long output's sum.
        """
        if not self.module.is_activation_checkpointing:  # which works while training alone
            self.module.eval()
        odds = chosen(self._sums(batch), before=batch["before"], beta=self.beta)
        return torch.stack((odds, -odds), dim=1) / 2

    def answer(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits, and these as embeddings."""
        logits = self.logits(batch)
        return logits, logits.detach()

    def embed(self, batch: Batch) -> torch.Tensor:
        """Return the logits without gradient: N x 2."""
        return self.logits(batch).detach()

    def lengths(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return how many characters each pair has."""
        return np.array([len(text) for text in texts], np.int64)

    def trainable(self) -> list[torch.nn.Parameter]:
        """Return what of the generator learns."""
        return self.generator.trainable()

    def settings(self) -> dict[str, Any]:
        """Return the generator's settings: it is what is kept."""
        return {**self.generator.settings(), "recipe": ADVICE}

    def save(self, folder: Path) -> None:
        """Write the generator."""
        self.generator.save(folder)

    def _both(self, texts: Sequence[str], languages: Sequence[str]) -> Batch:
        firsts, seconds = self._rows(texts, languages)
        batch = dict(self.generator.padded([*firsts, *seconds]))
        beside = self.generator.beside([*languages, *languages])
        return {**batch, **beside}

    def _rows(self, texts: Sequence[str], languages: Sequence[str]) -> tuple[list[Row], list[Row]]:
        parts = [text.split(GLUE, 2) for text in texts]
        first, second = (
            self.generator.rows([lesson(part[0], part[at]) for part in parts], languages)
            for at in (1, 2)
        )
        return first, second

    def _sizes(self, texts: Sequence[str], languages: Sequence[str]) -> npt.NDArray[np.int64]:
        first, second = self._rows(texts, languages)
        both: npt.NDArray[np.int64] = 2 * np.maximum(sizes_of(first), sizes_of(second))
        return both

    def _sums(self, batch: Batch) -> torch.Tensor:
        given = {name: part for name, part in batch.items() if name != "before"}
        sums, _ = self.generator.sums(given)
        return sums.view(2, -1).T


def on_generator(measure: Measure) -> Measure:
    """Return a measure of generators as one of choosers."""

    def measured(network: Network) -> dict[str, float]:
        return measure(network.generator if isinstance(network, Chooser) else network)

    return measured
