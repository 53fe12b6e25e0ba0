"""Rounded matrices: int8 weights row by row, activations rounded token by token.

Every row of a weight matrix and every token's vector has a scale of its own (Dettmers et al.
2022, "LLM.int8()", arXiv 2208.07339, §3.1: vector-wise quantisation), so one token with a large
number cannot coarsen another's, and what a text is told does not depend on who shared its batch.
Products are summed in whole numbers, which are exact: a processor with kernels for int8 and one
that multiplies the same whole numbers in float32 agree to the last digits.
"""

import copy
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import torch

Part = TypeVar("Part", bound=torch.nn.Module)

TOP = 127
# Half of an unsigned byte: the kernels want bytes from 0, and take this off again.
MIDDLE = 128
# Tokens in a batch that the kernel is laid out for; others work as well.
TYPICAL = 512
# Without these a processor adds bytes in pairs and cuts what does not fit sixteen bits.
EXACT_FLAGS = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})
LEAST = 1e-30
# Nothing follows the multiplication: no activation, no arguments of it, no kind of it.
PLAIN: tuple[Any, ...] = ("none", [], "")


def rounded_rows(matrix: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return N x K whole numbers in -127..127 and the N scales that bring the rows back.

    >>> levels, scales = rounded_rows(torch.tensor([[1.0, -2.0], [0.0, 0.0]]))
    >>> levels.tolist(), [round(float(scale), 4) for scale in scales]
    ([[64, -127], [0, 0]], [0.0157, 0.0])
    """
    scales = matrix.abs().amax(dim=1).div(TOP)
    safe = torch.where(scales > 0, scales, torch.ones_like(scales))
    return (matrix / safe.unsqueeze(1)).round().to(torch.int8), scales


class RoundedLinear(torch.nn.Module):
    """A linear layer in int8; its bias and what comes out stay in float32."""

    weight: torch.Tensor
    scale: torch.Tensor
    bias: torch.Tensor | None

    def __init__(self, inputs: int, outputs: int, *, bias: bool) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(outputs, inputs, dtype=torch.int8))
        self.register_buffer("scale", torch.zeros(outputs))
        self.register_buffer("bias", torch.zeros(outputs) if bias else None)
        self._packed: tuple[torch.Tensor, torch.Tensor] | None = None

    @classmethod
    def of(cls, linear: torch.nn.Linear) -> "RoundedLinear":
        """Round a linear layer."""
        made = cls(linear.in_features, linear.out_features, bias=linear.bias is not None)
        made.weight, made.scale = rounded_rows(linear.weight.detach().float())
        if linear.bias is not None:
            made.bias = linear.bias.detach().float().clone()
        return made

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        """Return ... x N for ... x K."""
        flat = given.reshape(-1, self.weight.shape[1]).float()
        widest = torch.maximum(flat.amax(dim=1, keepdim=True), -flat.amin(dim=1, keepdim=True))
        scales = widest.clamp_min_(LEAST).div_(TOP)
        levels = (flat / scales).round_()
        exact = not flat.is_cuda and has_kernels()
        sums = self._by_kernel(levels) if exact else self._by_floats(levels)
        told = sums.mul_(scales)
        if self.bias is not None:
            told.add_(self.bias)
        return told.reshape(*given.shape[:-1], -1)

    def _by_kernel(self, levels: torch.Tensor) -> torch.Tensor:
        if self._packed is None:
            kernels: Any = torch.ops.onednn
            packed = kernels.qlinear_prepack(self.weight, [TYPICAL, self.weight.shape[1]])
            self._packed = packed, torch.zeros(len(self.scale), dtype=torch.int32)
        packed, zeros = self._packed
        # By way of signed bytes: converting to unsigned ones at once takes six times as long.
        bytes_ = levels.to(torch.int8).view(torch.uint8).add_(MIDDLE)
        sums: torch.Tensor = torch.ops.onednn.qlinear_pointwise(
            bytes_,
            *(1.0, MIDDLE, packed, self.scale, zeros, None, 1.0, 0, torch.float32),
            *PLAIN,
        )
        return sums

    def _by_floats(self, levels: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.linear(levels, self.weight.float()) * self.scale


class RoundedEmbedding(torch.nn.Module):
    """A table of vectors in int8, each row with its scale."""

    weight: torch.Tensor
    scale: torch.Tensor

    def __init__(self, rows: int, width: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(rows, width, dtype=torch.int8))
        self.register_buffer("scale", torch.zeros(rows))

    @classmethod
    def of(cls, table: torch.nn.Embedding) -> "RoundedEmbedding":
        """Round a table."""
        made = cls(table.num_embeddings, table.embedding_dim)
        made.weight, made.scale = rounded_rows(table.weight.detach().float())
        return made

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the vectors of these rows in float32."""
        return self.weight[rows].float() * self.scale[rows].unsqueeze(-1)


@cache
def has_kernels() -> bool:
    """Tell whether this processor and this build of torch multiply bytes quickly and exactly."""
    told = Path("/proc/cpuinfo")
    flags = set(told.read_text().split()) if told.is_file() else set()
    offered: bool = hasattr(torch.ops.onednn, "qlinear_pointwise")
    return offered and not EXACT_FLAGS.isdisjoint(flags)


def rounded(module: Any, *, tables: bool) -> Any:
    """Return a copy of an encoder with its matrices rounded, and its tables of vectors if told so.

    The head, which a few numbers make up and every answer goes through, stays as it is.
    """
    twin = copy.deepcopy(module)
    for name, linear in matrices(twin):
        _replace(twin, name, RoundedLinear.of(linear))
    if tables:
        for name, table in embeddings(twin):
            _replace(twin, name, RoundedEmbedding.of(table))
    return twin


def hollow(module: Any) -> None:
    """Put empty rounded parts where a stored rounded encoder has its own."""
    for name, linear in list(matrices(module)):
        bias = linear.bias is not None
        _replace(module, name, RoundedLinear(linear.in_features, linear.out_features, bias=bias))
    for name, table in list(embeddings(module)):
        _replace(module, name, RoundedEmbedding(table.num_embeddings, table.embedding_dim))


def whole(module: Any) -> Any:
    """Return a copy of a rounded encoder in float32, with what its whole numbers stand for."""
    twin = copy.deepcopy(module)
    for name, part in _inside(twin, RoundedLinear):
        linear = torch.nn.Linear(part.weight.shape[1], len(part.scale), bias=part.bias is not None)
        with torch.no_grad():
            linear.weight.copy_(part.weight.float() * part.scale.unsqueeze(1))
            if part.bias is not None:
                linear.bias.copy_(part.bias)
        _replace(twin, name, linear)
    for name, table in _inside(twin, RoundedEmbedding):
        vectors = table.weight.float() * table.scale.unsqueeze(1)
        _replace(twin, name, torch.nn.Embedding.from_pretrained(vectors, freeze=False))
    return twin


def is_rounded(module: torch.nn.Module) -> bool:
    """Tell whether a network answers in whole numbers already."""
    return any(isinstance(part, RoundedLinear) for part in module.modules())


def matrices(module: Any) -> list[tuple[str, torch.nn.Linear]]:
    """Return the linear layers inside an encoder, the head not among them, by name."""
    return _inside(module, torch.nn.Linear)


def embeddings(module: Any) -> list[tuple[str, torch.nn.Embedding]]:
    """Return the tables of vectors inside an encoder by name."""
    return _inside(module, torch.nn.Embedding)


def _inside(module: Any, kind: type[Part]) -> list[tuple[str, Part]]:
    inner = f"{module.base_model_prefix}."
    return [
        (name, part)
        for name, part in module.named_modules()
        if isinstance(part, kind) and name.startswith(inner)
    ]


def _replace(module: Any, name: str, part: torch.nn.Module) -> None:
    home, _, last = name.rpartition(".")
    setattr(module.get_submodule(home), last, part.train(module.training))
