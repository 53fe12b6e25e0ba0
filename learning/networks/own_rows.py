"""The starter with adapters: each language has rows and a bias of its own, the rest is frozen.

The starter itself gives a language a second copy of every n-gram, but hashes the copies of all
languages into one table, where two of them may meet in a row. Here they are tables apart, so
that what one language learns cannot move another by a bit.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch.nn import functional

from annotation.errors import InvalidInputError
from learning.networks import Batch
from learning.networks.adapted import ADAPTERS, Adapters
from learning.networks.folders import read_weights
from learning.networks.starter import Starter

OWN_ROWS = "own-rows"


class OwnRows(torch.nn.Module):
    """One language's weights: K numbers for each n-gram met in learning, and for none at all.

    As in the starter, ``places`` tells which buckets have a row; the others have row 0, noughts.
    """

    places: torch.Tensor

    def __init__(self, *, bits: int, labels: int) -> None:
        super().__init__()
        self.register_buffer("places", torch.zeros(1 << bits, dtype=torch.int32), persistent=False)
        self.values = torch.nn.Parameter(torch.zeros(1, labels))
        self.bias = torch.nn.Parameter(torch.zeros(labels))

    def buckets(self) -> torch.Tensor:
        """Return the buckets that have a row, in the order of the rows after the first."""
        return self.places.nonzero().squeeze(1)

    @torch.no_grad()
    def widen(self, buckets: torch.Tensor) -> None:
        """Give these buckets rows of noughts where they have none."""
        old, here = self.buckets(), self.places.device
        wanted = torch.unique(torch.cat([old, buckets.to(here)]))
        table = self.values.new_zeros(len(wanted) + 1, self.values.shape[1])
        self.places[wanted] = torch.arange(1, len(wanted) + 1, dtype=torch.int32, device=here)
        table[self.places[old].long()] = self.values[1:]
        self.values = torch.nn.Parameter(table, requires_grad=self.values.requires_grad)

    def forward(
        self, buckets: torch.Tensor, *, weights: torch.Tensor, starts: torch.Tensor
    ) -> torch.Tensor:
        """Return what M texts add to their logits: M x K."""
        bags = functional.embedding_bag(
            self.places[buckets].long(),
            self.values,
            starts,
            mode="sum",
            per_sample_weights=weights,
            padding_idx=0,
        )
        return bags + self.bias


class AdaptedStarter(Starter):
    """A frozen starter to whose logits each row adds what its own language learned."""

    kind = "adapted"

    def __init__(
        self,
        labels: Sequence[str],
        *,
        vectors: torch.Tensor,
        tokenizer: str,
        features: Mapping[str, Any],
    ) -> None:
        super().__init__(labels, vectors=vectors, tokenizer=tokenizer, features=features)
        self.module.add_module("own", torch.nn.ModuleDict())
        self.adapters = Adapters(OWN_ROWS, rank=0)
        self._learning: tuple[str, ...] | None = None

    @classmethod
    def over(cls, starter: Starter) -> "AdaptedStarter":
        """Take a starter's weights over; it still answers as it did."""
        network = cls(
            starter.labels,
            vectors=starter.module.vectors,
            tokenizer=starter._tokenizer_text,
            features=starter.features,
        )
        network.several = starter.several
        network.module.widen(starter.module.buckets())
        network.module.load_state_dict(starter.module.state_dict(), strict=False)
        network.module.to(starter.module.bias.device)
        return network

    @property
    def own(self) -> Any:
        """Return each language's rows, by name."""
        return self.module.get_submodule("own")

    def add(self, languages: Sequence[str]) -> None:
        """Give these languages rows of their own, still empty; those that have some keep them."""
        known, home = self.adapters.languages, self.module.bias.device
        new = tuple(sorted(set(languages) - set(known)))
        for tag in new:
            own = OwnRows(bits=self.features["bits"], labels=len(self.labels))
            self.own[_name(tag)] = own.to(home)
        self.adapters = self.adapters.with_languages(*known, *new)

    def drop(self, language: str) -> None:
        """Take a language's rows away: its texts are answered as before they came."""
        self.adapters.place(language)  # or say that there is none
        del self.own[_name(language)]
        self.adapters = self.adapters.without(language)

    def learn(self, languages: Sequence[str]) -> None:
        """Let these languages' rows and biases learn and nothing else."""
        self._learning = tuple(sorted(set(languages)))
        learning = {id(part) for part in self.trainable()}
        for part in self.module.parameters():
            part.requires_grad_(id(part) in learning)

    @property
    def learning(self) -> tuple[str, ...]:
        """Return the languages whose rows learn; all, where everything does."""
        return self.adapters.languages if self._learning is None else self._learning

    def trainable(self) -> list[torch.nn.Parameter]:
        """Return rows and bias of the languages that learn; everything, if none were named."""
        shared = super().trainable() if self._learning is None else []
        own = [self._rows_of(tag) for tag in self.learning]
        return [*shared, *(part for rows in own for part in (rows.values, rows.bias))]

    def _rows_of(self, language: str) -> Any:
        self.adapters.place(language)  # or say that there is none
        return self.own[_name(language)]

    def prepare(self, texts: Sequence[str], languages: Sequence[str]) -> None:
        """Give every n-gram a weight to learn, in its own language's rows."""
        if self._learning is None:
            super().prepare(texts, languages)
        for tag in self.learning:
            mine = [text for text, spoken in zip(texts, languages, strict=True) if spoken == tag]
            met = self._met(mine, [tag] * len(mine))
            self._rows_of(tag).widen(met[met < len(self._rows_of(tag).places)])

    def collate(self, texts: Sequence[str], languages: Sequence[str]) -> Batch:
        """Turn texts into hashed features and subwords, with the number of each row's adapter."""
        return {**super().collate(texts, languages), "adapters": self.adapters.numbers(languages)}

    def logits(self, batch: Batch) -> torch.Tensor:
        """Return N x K logits, each row with what its own language adds."""
        logits = super().logits(batch)
        rows = batch["adapters"]
        # shared and language's own buckets are interleaved: the shared ones know the n-gram
        end = batch["starts"].new_tensor([len(batch["buckets"])])
        counts = torch.diff(torch.cat((batch["starts"], end))) // 2
        owners = torch.repeat_interleave(rows, counts)
        for number, own in self._present(rows):
            here = (owners == number).nonzero().squeeze(1)
            mine = (rows == number).nonzero().squeeze(1)
            added = own(
                batch["buckets"][2 * here],
                weights=batch["weights"][2 * here],
                starts=counts[mine].cumsum(0) - counts[mine],
            )
            logits = logits.index_add(0, mine, added)
        return logits

    def _present(self, rows: torch.Tensor) -> Iterator[tuple[int, Any]]:
        for number in rows.unique().tolist():
            if number:
                yield number, self._rows_of(self.adapters.languages[number - 1])

    def settings(self) -> dict[str, Any]:
        """Return what, beside the weights, makes this network."""
        return {
            **super().settings(),
            "kind": self.kind,
            "backbone": Starter.kind,
            "adapters": asdict(self.adapters),
        }

    def save(self, folder: Path) -> None:
        """Write the starter as it would write itself, and each language's rows beside it."""
        super().save(folder)
        weights = {}
        for tag in self.adapters.languages:
            own = self._rows_of(tag)
            table = own.values.detach().cpu()[1:]
            learned = table.view(torch.int32).any(dim=1)
            weights[f"rows.{tag}"] = own.buckets().cpu()[learned].to(torch.int32)
            weights[f"values.{tag}"] = table[learned].contiguous()
            weights[f"bias.{tag}"] = own.bias.detach().cpu().contiguous()
        save_file(weights, folder / ADAPTERS)

    @classmethod
    def load(cls, folder: Path, *, settings: Mapping[str, Any]) -> "AdaptedStarter":
        """Bring a stored network back, bit for bit."""
        network = cls.over(Starter.load(folder, settings=settings))
        network.add(settings["adapters"]["languages"])
        network.adapters = Adapters.of(settings["adapters"])
        weights = read_weights(folder / ADAPTERS)
        wanted = {f"bias.{tag}" for tag in network.adapters.languages}
        if wanted - set(weights):
            raise InvalidInputError(f"{folder} lacks rows of {', '.join(sorted(wanted))}.")
        with torch.no_grad():
            for tag in network.adapters.languages:
                own = network._rows_of(tag)
                own.widen(weights[f"rows.{tag}"].long())
                own.values[1:] = weights[f"values.{tag}"]
                own.bias.copy_(weights[f"bias.{tag}"])
        return network


def _name(tag: str) -> str:
    """Return a name that no attribute of a module has: ``pop`` and ``to`` are languages too."""
    return f"of_{tag}"
