"""Routing: linear layers to which each row of a batch adds what its own language learned.

The layer under it is never touched: a row without an adapter adds nought and answers bit for
bit as before. All rows go through together: every row's matrices are picked out of one stack and
multiplied in one batched product, so a batch of many languages costs one pass.
"""

import hashlib
from collections.abc import Iterable, Sequence

import torch
from torch import nn
from torch.nn import functional


class Route:
    """Which adapter each row of the batch at hand goes by: N numbers from 1, 0 for none.

    Without rows all adapters act on every row, one added to the other.
    """

    def __init__(self) -> None:
        self.rows: torch.Tensor | None = None

    def of(self, states: torch.Tensor) -> torch.Tensor | None:
        """Return the rows of these states: a search by beams puts several for each of the batch."""
        if self.rows is None or len(states) == len(self.rows):
            return self.rows
        return self.rows.repeat_interleave(len(states) // len(self.rows))


class Routed(nn.Module):
    """A linear layer with adapters, one a language; a kind says what they add."""

    parts: tuple[str, ...] = ()
    down: nn.ParameterList
    up: nn.ParameterList
    down_bias: nn.ParameterList
    up_bias: nn.ParameterList

    def __init__(self, base: nn.Linear, *, route: Route) -> None:
        super().__init__()
        self.base = base
        self.route = route
        for part in self.parts:
            setattr(self, part, nn.ParameterList())

    @property
    def weight(self) -> torch.Tensor:
        """Return the shared weights, as some encoders ask a layer for their kind of number."""
        return self.base.weight

    def shapes(self, *, rank: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each part of an adapter."""
        raise NotImplementedError

    def add(self, *, rank: int, seed: str) -> None:
        """Give one more language its adapter, which adds nought until it has learned."""
        for part, shape in self.shapes(rank=rank).items():
            like = self.base.weight
            fresh = torch.zeros(shape, dtype=like.dtype)
            if part == "down":
                fresh.uniform_(-1, 1, generator=_generator(seed)).div_(shape[1] ** 0.5)
            getattr(self, part).append(nn.Parameter(fresh.to(like.device)))

    def drop(self, number: int) -> None:
        """Take one language's adapter away, counted from 0."""
        for part in self.parts:
            kept = [own for place, own in enumerate(getattr(self, part)) if place != number]
            setattr(self, part, nn.ParameterList(kept))

    def tensors(self, number: int) -> dict[str, nn.Parameter]:
        """Return the weights of one language's adapter, counted from 0."""
        return {part: getattr(self, part)[number] for part in self.parts}


class Lora(Routed):
    """Adds a product of two thin matrices (Hu et al. 2022, arXiv 2106.09685).

    Where all adapters act together it is O-LoRA's sum (Wang et al. 2023, arXiv 2310.14152).
    """

    parts = ("down", "up")
    scale = 2.0

    def shapes(self, *, rank: int) -> dict[str, tuple[int, ...]]:
        """Return A (r x d) and B (o x r)."""
        return {
            "down": (rank, self.base.in_features),
            "up": (self.base.out_features, rank),
        }

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Return what the layer says and, scaled, what the adapters add: ... x o."""
        said: torch.Tensor = self.base(states)
        rows = self.route.of(states)
        if rows is not None:
            added = mapped(mapped(states, self.down, rows=rows), self.up, rows=rows)
        elif len(self.down):
            thin = functional.linear(states, torch.cat(list(self.down)))
            added = functional.linear(thin, torch.cat(list(self.up), dim=1))
        else:
            return said
        return said + self.scale * added


class Bottleneck(Routed):
    """Adds a small network of its own to what a feed-forward block says.

    Houlsby et al. 2019 (arXiv 1902.00751), in the one place a layer that Pfeiffer et al. 2021
    (arXiv 2005.00247) found to be enough.
    """

    parts = ("down", "up", "down_bias", "up_bias")

    def shapes(self, *, rank: int) -> dict[str, tuple[int, ...]]:
        """Return the way down (r x o) and up (o x r), each with its bias."""
        wide = self.base.out_features
        return {"down": (rank, wide), "up": (wide, rank), "down_bias": (rank,), "up_bias": (wide,)}

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Return what the layer says and what the row's own adapter adds: N x T x o."""
        said: torch.Tensor = self.base(states)
        rows = self.route.of(states)
        if rows is None:
            return said
        thin = mapped(said, self.down, rows=rows, biases=self.down_bias)
        return said + mapped(functional.relu(thin), self.up, rows=rows, biases=self.up_bias)


class Head(Routed):
    """Adds a language's own head to the shared one: what its labels hang on, and how frequent."""

    parts = ("up", "up_bias")

    def shapes(self, *, rank: int) -> dict[str, tuple[int, ...]]:
        """Return the matrix (K x d) and the bias (K)."""
        labels = self.base.out_features
        return {"up": (labels, self.base.in_features), "up_bias": (labels,)}

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Return logits: N x K."""
        said: torch.Tensor = self.base(states)
        rows = self.route.of(states)
        if rows is not None:
            return said + mapped(states, self.up, rows=rows, biases=self.up_bias)
        for weight, bias in zip(self.up, self.up_bias, strict=True):
            said = said + functional.linear(states, weight, bias)
        return said


def mapped(
    states: torch.Tensor,
    weights: Iterable[nn.Parameter],
    *,
    rows: torch.Tensor,
    biases: Iterable[nn.Parameter] = (),
) -> torch.Tensor:
    """Map each row's states (N x T x d, or N x d) by its own matrix (o x d), and add its bias (o).

    >>> one = torch.nn.Parameter(torch.eye(2))
    >>> mapped(torch.ones(2, 2), [one], rows=torch.tensor([0, 1])).tolist()
    [[0.0, 0.0], [1.0, 1.0]]
    """
    wide = states if states.dim() == 3 else states.unsqueeze(1)
    said = torch.bmm(wide, _picked(weights, rows=rows).transpose(1, 2))
    if shifts := list(biases):
        said = said + _picked(shifts, rows=rows).unsqueeze(1)
    return said if states.dim() == 3 else said.squeeze(1)


def _picked(weights: Iterable[nn.Parameter], *, rows: torch.Tensor) -> torch.Tensor:
    """Return what belongs to each row, N x (shape of one): noughts to a row without an adapter."""
    stack = list(weights)
    return torch.stack([torch.zeros_like(stack[0]), *stack]).index_select(0, rows)


def routed(module: nn.Module) -> dict[str, Routed]:
    """Return the layers that carry adapters, by name, in the module's order."""
    return {name: part for name, part in module.named_modules() if isinstance(part, Routed)}


def put_in(module: nn.Module, name: str, part: nn.Module) -> None:
    """Put a part into a module where its name says."""
    home, _, last = name.rpartition(".")
    setattr(module.get_submodule(home), last, part)


@torch.no_grad()
def reached(
    module: nn.Module, *, rows: int = 3, tokens: int = 5, also: Sequence[str] = ()
) -> list[str]:
    """Return the linear layers that see a batch row by row, in the order of their work.

    ``also`` names what else the module wants to be given tokens as.

    Some layers of some encoders see the batch flattened, or see places instead of texts; what
    belongs to a row cannot be told there, and they are left as they are.
    """
    calls: dict[str, list[bool]] = {}
    order: list[str] = []

    def watched(name: str) -> torch.utils.hooks.RemovableHandle:
        def see(_: nn.Module, given: Sequence[torch.Tensor]) -> None:
            order.append(name)
            calls.setdefault(name, []).append(given[0].shape[0] == rows)

        return module.get_submodule(name).register_forward_pre_hook(see)

    linear = [name for name, part in module.named_modules() if isinstance(part, nn.Linear)]
    handles = [watched(name) for name in linear]
    home = next(module.parameters()).device
    ones = torch.ones((rows, tokens), dtype=torch.int64, device=home)
    try:
        module(input_ids=ones * 0, attention_mask=ones, **dict.fromkeys(also, ones * 0))
    finally:
        for handle in handles:
            handle.remove()
    return [name for name in dict.fromkeys(order) if all(calls[name])]


def _generator(seed: str) -> torch.Generator:
    number = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:7], "big")
    return torch.Generator().manual_seed(number)
