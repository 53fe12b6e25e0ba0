"""A generator that nobody touches any more, with LoRA for each language that it writes.

The layers are those of :mod:`learning.networks.routing`: each row of a batch goes by the adapter
of the language that is to be written, so no other language changes by a bit, however many share
the batch. All linear layers carry them but the last, whose words all languages share; the
network below may be in bfloat16, the adapters are in float32. Of large networks the layers are
passed through once more on the way back instead of being kept (Chen et al. 2016, arXiv 1604.06174).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from annotation.errors import InvalidInputError
from learning.networks import Batch
from learning.networks.adapted import BOTTLENECK, O_LORA, Adapters, Carrier
from learning.networks.asking import Manners
from learning.networks.generator import Generator
from learning.networks.routing import Lora, Routed, reached, routed

LARGE = 1_000_000_000


class AdaptedGenerator(Carrier, Generator):
    """A frozen generator whose layers add to each row what its language's adapter says."""

    kind = "adapted-generator"

    def __init__(
        self, *, name: str, module: Any, tokenizer: Any, manners: Manners, adapters: Adapters
    ) -> None:
        super().__init__(name=name, module=module, tokenizer=tokenizer, manners=manners)
        self.adapters = adapters

    @classmethod
    def over(cls, generator: Generator, *, method: str, rank: int) -> "AdaptedGenerator":
        """Make a generator's layers ready for adapters; it still writes as it did."""
        if method == BOTTLENECK:
            raise InvalidInputError(
                "Bottlenecks find no place in a generator.", remedy="Use the method lora."
            )
        module = generator.module
        network = cls(
            name=generator.name,
            module=module,
            tokenizer=generator.asking.tokenizer,
            manners=generator.manners,
            adapters=Adapters(method, rank),
        )
        last = module.get_output_embeddings()
        also = ("decoder_input_ids",) if generator.asking.two_sided else ()
        names = [
            name for name in reached(module, also=also) if module.get_submodule(name) is not last
        ]
        if not names:
            raise InvalidInputError(
                f"{generator.name} has no layers that adapters fit.",
                remedy="Train it whole (method update), or use another generator.",
            )
        kinds: dict[str, type[Routed]] = dict.fromkeys(names, Lora)
        network._wrap(kinds)
        if sum(part.numel() for part in module.parameters()) > LARGE:
            module.activation_checkpointing_enable({"use_reentrant": False})
        return network

    def add(self, languages: Sequence[str]) -> None:
        """Give these languages adapters that add nought yet, in float32 whatever lies below."""
        super().add(languages)
        for layer in routed(self.module).values():
            for number in range(len(self.adapters.languages)):
                for part in layer.tensors(number).values():
                    part.data = part.data.float()

    def collate(self, texts: Sequence[str], languages: Sequence[str]) -> Batch:
        """Turn lessons into padded tokens, with the number of each row's adapter."""
        return {**super().collate(texts, languages), **self.beside(languages)}

    def beside(self, languages: Sequence[str]) -> Batch:
        """Return the number of each row's adapter."""
        return {"adapters": self.adapters.numbers(languages)}

    def packed(
        self, texts: Sequence[str], languages: Sequence[str], *, device: str
    ) -> Iterator[tuple[npt.NDArray[np.intp], Batch]]:
        """Yield batches of about as many tokens, languages mixed as lengths have it."""
        numbers = self.adapters.numbers(languages)
        for rows, batch in super().packed(texts, languages, device=device):
            yield rows, {**batch, "adapters": numbers[torch.from_numpy(rows)]}

    def forward(self, batch: Batch, **more: Any) -> Any:
        """Pass a batch through, each row by its own adapter."""
        if "adapters" in batch:
            self._route(batch["adapters"])
        given = {name: part for name, part in batch.items() if name != "adapters"}
        return super().forward(given, **more)

    @contextmanager
    def speaking(self, languages: Sequence[str]) -> Iterator[None]:
        """Have rows of these languages answered, each by its own adapter."""
        home = next(self.module.parameters()).device
        self._route(self.adapters.numbers(languages).to(home))
        yield

    def _route(self, numbers: torch.Tensor) -> None:
        apart = self.adapters.method != O_LORA and bool(self.adapters.languages)
        self.module.route.rows = numbers if apart else None

    def settings(self) -> dict[str, Any]:
        """Return what, beside the weights, makes this network."""
        return {**super().settings(), "kind": self.kind, "adapters": asdict(self.adapters)}

    def save(self, folder: Path) -> None:
        """Write the generator as it would write itself, and the adapters beside it."""
        with self._bare():
            super().save(folder)
        self._keep(folder)

    @classmethod
    def load(
        cls, folder: Path, *, settings: Mapping[str, Any], dtype: torch.dtype = torch.float32
    ) -> "AdaptedGenerator":
        """Bring a stored network back, bit for bit, without the network."""
        generator = Generator.load(folder, settings=settings, dtype=dtype)
        told = Adapters.of(settings["adapters"])
        network = cls.over(generator, method=told.method, rank=told.rank)
        network._take_up(folder, told=told)
        return network
