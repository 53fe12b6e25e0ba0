"""An encoder that nobody touches any more, with an adapter for each language.

What is learned in one language is stored in its own adapter, so no other language can change
by a bit; an adapter that is taken away leaves what was there before it came. See
:mod:`learning.networks.routing` for the layers, :mod:`learning.networks.own_rows` for the starter.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import save_file

from annotation.errors import InvalidInputError
from learning.networks import Batch
from learning.networks.encoder import RECIPE, Encoder
from learning.networks.folders import read_weights
from learning.networks.routing import Bottleneck, Head, Lora, Route, Routed, put_in, reached, routed

ADAPTERS = "adapters.safetensors"
LORA, BOTTLENECK, O_LORA = "lora", "bottleneck", "o-lora"
# A few fresh weights learn at another pace than a whole encoder that was learned before.
ADVICE: dict[str, Any] = {"lr": 1e-3, "weight_decay": 0.0, "epochs": 8}


@dataclass(frozen=True)
class Adapters:
    """Which kind of adapters a network carries, how wide they are, and whose they are."""

    method: str
    rank: int
    languages: tuple[str, ...] = ()

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "Adapters":
        """Read what ``settings`` wrote."""
        return cls(settings["method"], int(settings["rank"]), tuple(settings["languages"]))

    def place(self, language: str) -> int:
        """Return the place of a language's adapter, counted from 0."""
        if language not in self.languages:
            known = ", ".join(self.languages) or "none"
            raise InvalidInputError(
                f"There is no adapter for {language}.", remedy=f"Languages that have one: {known}."
            )
        return self.languages.index(language)

    def with_languages(self, *languages: str) -> "Adapters":
        """Return the same kind for these languages."""
        return replace(self, languages=languages)

    def without(self, language: str) -> "Adapters":
        """Return the same for all languages but one."""
        return replace(self, languages=tuple(tag for tag in self.languages if tag != language))

    def numbers(self, tags: Sequence[str]) -> torch.Tensor:
        """Return by which adapter each of N rows goes: from 1, and 0 for none."""
        number = {tag: place for place, tag in enumerate(self.languages, 1)}
        return torch.tensor([number.get(tag, 0) for tag in tags], dtype=torch.int64)


class Carrier:
    """A network that nobody touches any more, whose layers carry an adapter for each language.

    What is a kind of network beside that says how to call its layers for a batch.
    """

    module: Any
    adapters: Adapters
    _learning: tuple[str, ...] | None = None

    def _wrap(self, kinds: Mapping[str, type[Routed]]) -> None:
        self.module.route = route = Route()
        for name, kind in kinds.items():
            put_in(self.module, name, kind(self.module.get_submodule(name), route=route))

    def add(self, languages: Sequence[str]) -> None:
        """Give these languages adapters that add nought yet; those that have one keep it.

        Adapters of one network begin alike, so that they can be averaged later; those that act
        together begin apart.
        """
        known = self.adapters.languages
        new = tuple(sorted(set(languages) - set(known)))
        for name, layer in routed(self.module).items():
            for tag in new:
                begins = f"{name} {tag}" if self.adapters.method == O_LORA else name
                layer.add(rank=self.adapters.rank, seed=begins)
        self.adapters = self.adapters.with_languages(*known, *new)

    def drop(self, language: str) -> None:
        """Take a language's adapter away: its rows are answered as before it came."""
        number = self.adapters.place(language)
        for layer in routed(self.module).values():
            layer.drop(number)
        self.adapters = self.adapters.without(language)

    def learn(self, languages: Sequence[str]) -> None:
        """Let these languages' adapters learn and nothing else."""
        self._learning = tuple(sorted(set(languages)))
        learning = {id(part) for part in self.trainable()}
        for part in self.module.parameters():
            part.requires_grad_(id(part) in learning)

    @property
    def learning(self) -> tuple[str, ...]:
        """Return the languages whose adapters learn; all, where everything does."""
        return self.adapters.languages if self._learning is None else self._learning

    def trainable(self) -> list[torch.nn.Parameter]:
        """Return the adapters of the languages that learn; everything, if none were named."""
        if self._learning is None:
            return [part for part in self.module.parameters() if part.requires_grad]
        numbers = [self.adapters.place(tag) for tag in self._learning]
        layers = routed(self.module).values()
        return [part for n in numbers for layer in layers for part in layer.tensors(n).values()]

    @contextmanager
    def _bare(self) -> Iterator[None]:
        """Take the layers' additions off for a while."""
        layers = routed(self.module)
        for name, layer in layers.items():
            put_in(self.module, name, layer.base)
        try:
            yield
        finally:
            for name, layer in layers.items():
                put_in(self.module, name, layer)

    def _keep(self, folder: Path) -> None:
        """Write the adapters beside the network that carries them."""
        weights = {
            f"{name}.{part}.{tag}": tensor.detach().cpu().contiguous()
            for name, layer in routed(self.module).items()
            for number, tag in enumerate(self.adapters.languages)
            for part, tensor in layer.tensors(number).items()
        }
        save_file(weights, folder / ADAPTERS)

    def _take_up(self, folder: Path, *, told: Adapters) -> None:
        """Bring stored adapters back."""
        self.add(told.languages)
        self.adapters = told
        weights = read_weights(folder / ADAPTERS)
        with torch.no_grad():
            for name, layer in routed(self.module).items():
                for number, tag in enumerate(told.languages):
                    for part, tensor in layer.tensors(number).items():
                        tensor.copy_(_weights(weights, f"{name}.{part}.{tag}", like=tensor))


class AdaptedEncoder(Carrier, Encoder):
    """A frozen encoder whose layers add to each row what its language's adapter says."""

    kind = "adapted"

    def __init__(
        self, labels: Sequence[str], *, name: str, module: Any, tokenizer: Any, adapters: Adapters
    ) -> None:
        super().__init__(labels, name=name, module=module, tokenizer=tokenizer)
        self.adapters = adapters

    @classmethod
    def over(cls, encoder: Encoder, *, method: str, rank: int) -> "AdaptedEncoder":
        """Make an encoder's layers ready for adapters; it still answers as it did."""
        module = encoder.module
        network = cls(
            encoder.labels,
            name=encoder.name,
            module=module,
            tokenizer=encoder._tokenizer,
            adapters=Adapters(method, rank),
        )
        network.several = encoder.several
        names = reached(module)
        heads = [name for name in names if _width(module, name) == len(encoder.labels)]
        if not heads:
            raise InvalidInputError(
                f"The head of {encoder.name} is of a kind that adapters do not fit.",
                remedy="Use another encoder, or another method of training.",
            )
        layers = _feed_forward(module, names) if method == BOTTLENECK else names
        kinds: dict[str, type[Routed]] = dict.fromkeys(
            layers, Bottleneck if method == BOTTLENECK else Lora
        )
        network._wrap(kinds | {heads[-1]: Head})
        return network

    def collate(self, texts: Sequence[str], languages: Sequence[str]) -> Batch:
        """Turn texts into padded tokens, with the number of each row's adapter."""
        return {
            **super().collate(texts, languages),
            "adapters": self.adapters.numbers(languages),
        }

    def packed(
        self, texts: Sequence[str], languages: Sequence[str], *, device: str
    ) -> Iterator[tuple[npt.NDArray[np.intp], Batch]]:
        """Yield batches of about as many tokens, languages mixed as lengths have it."""
        numbers = self.adapters.numbers(languages)
        for rows, batch in super().packed(texts, languages, device=device):
            yield rows, {**batch, "adapters": numbers[torch.from_numpy(rows)]}

    def logits(self, batch: Batch) -> torch.Tensor:
        """Return N x K logits, each row by its own adapter."""
        return super().logits(self._sent(batch))

    def answer(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits and embeddings of one pass."""
        return super().answer(self._sent(batch))

    def embed(self, batch: Batch) -> torch.Tensor:
        """Return the mean of the last layer over each text's tokens: N x d."""
        return super().embed(self._sent(batch))

    def _sent(self, batch: Batch) -> Batch:
        """Tell the layers by which adapter each row goes; return what the encoder itself takes."""
        apart = self.adapters.method != O_LORA and bool(self.adapters.languages)
        self.module.route.rows = batch["adapters"] if apart else None
        return {name: part for name, part in batch.items() if name != "adapters"}

    def settings(self) -> dict[str, Any]:
        """Return what, beside the weights, makes this network."""
        return {
            **super().settings(),
            "kind": self.kind,
            "backbone": Encoder.kind,
            "adapters": asdict(self.adapters),
            "recipe": RECIPE | dict.fromkeys((LORA, BOTTLENECK, O_LORA), ADVICE),
        }

    def save(self, folder: Path) -> None:
        """Write the encoder as it would write itself, and the adapters beside it."""
        with self._bare():
            super().save(folder)
        self._keep(folder)

    @classmethod
    def load(cls, folder: Path, *, settings: Mapping[str, Any]) -> "AdaptedEncoder":
        """Bring a stored network back, bit for bit, without the network."""
        encoder = Encoder.load(folder, settings=settings)
        told = Adapters.of(settings["adapters"])
        network = cls.over(encoder, method=told.method, rank=told.rank)
        network._take_up(folder, told=told)
        return network


def _weights(weights: Mapping[str, torch.Tensor], name: str, *, like: torch.Tensor) -> torch.Tensor:
    found = weights.get(name)
    if found is None or found.shape != like.shape:
        raise InvalidInputError(
            f"The stored adapters do not fit the encoder: {name} is missing or of another shape."
        )
    return found


def _width(module: Any, name: str) -> int:
    return int(module.get_submodule(name).out_features)


def _feed_forward(module: Any, names: Sequence[str]) -> list[str]:
    """Return the last linear of each layer: the way out of its feed-forward block."""
    count = int(getattr(module.config, "num_hidden_layers", 0))
    homes = [
        name
        for name, part in module.named_modules()
        if isinstance(part, torch.nn.ModuleList) and len(part) == count
    ]
    last = {
        name.removeprefix(f"{home}.").split(".")[0]: name
        for home in homes[:1]
        for name in names
        if name.startswith(f"{home}.")
    }
    if not last:
        raise InvalidInputError(
            "The layers of this encoder cannot be told apart, so bottlenecks find no place.",
            remedy="Use the method lora.",
        )
    return list(last.values())
