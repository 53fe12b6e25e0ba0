"""Several processes, one run: the same weights come out, however many there are.

The plan says what a step learns; process r of W takes every W-th row of it, and what all have
found is summed, so that the gradient is that of the whole batch, also of the last one that
cannot be divided. Whoever drops out at random draws for fixed parts of the batch and not for a
process, so a run that was begun by four goes on with one and ends alike. Everything else that
is long - Fisher, stored logits, evaluation - is cut in the same way and put together by row.

One process leads: it writes checkpoints, tells how far the run is, and is told when to stop;
what it decides the others do. Without a launcher there is a team of one, and nothing here costs
anything.

`torchrun` and `accelerate launch` say to a process who it is by the same environment variables
(RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, MASTER_PORT); that is all that is needed of either.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import distributed as dist
from torch import nn

IntArray = npt.NDArray[np.int64]
Key = TypeVar("Key")
Value = TypeVar("Value")

# A process that says nothing for so long is lost; reading weights and tokenising take less.
PATIENCE = timedelta(minutes=30)
# Gradients travel together until they are so many numbers.
BUCKET = 1 << 24


class BrokenTeamError(Exception):
    """Another process of the team is gone; the checkpoint is as good as before."""


@dataclass(frozen=True)
class Team:
    """The processes of a run, and which of them this is."""

    rank: int = 0
    size: int = 1
    words: Any = None

    @property
    def leads(self) -> bool:
        """Tell whether this one writes, beats and registers."""
        return self.rank == 0

    def share(self, rows: IntArray) -> IntArray:
        """Return this process's part of N rows: every W-th.

        >>> Team(rank=1, size=2).share(np.arange(5))
        array([1, 3])
        """
        return rows[self.rank :: self.size]

    def pieces(self, count: int) -> range:
        """Return which of the fixed parts of a batch are this process's.

        >>> [list(Team(rank=rank, size=4).pieces(6)) for rank in range(4)]
        [[0, 4], [1, 5], [2], [3]]
        """
        return range(self.rank, count, self.size)

    def sum_gradients(self, weights: Sequence[nn.Parameter]) -> None:
        """Give each weight the sum of all processes' gradients; none where nobody has one."""
        if self.size == 1:
            return
        held = torch.tensor([float(part.grad is not None) for part in weights])
        met = [bool(n) for n in self._summed(held, group=self.words)]
        asked = [part for part, some in zip(weights, met, strict=True) if some]
        for part in asked:
            if part.grad is None:
                part.grad = torch.zeros_like(part)
        self.sum([part.grad for part in asked if part.grad is not None])

    def sum(self, tensors: Sequence[torch.Tensor]) -> None:
        """Put in place of each tensor its sum over all processes."""
        if self.size == 1:
            return
        for together in _buckets(tensors):
            flat = self._summed(torch.cat([part.reshape(-1) for part in together]))
            parts = flat.split([part.numel() for part in together])
            for own, value in zip(together, parts, strict=True):
                own.copy_(value.view_as(own))

    def _summed(self, flat: torch.Tensor, *, group: Any = None) -> torch.Tensor:
        with _whole():
            dist.all_reduce(flat, group=group)
        return flat

    def any(self, said: bool) -> bool:
        """Tell whether any process says so."""
        if self.size == 1:
            return said
        return bool(self._summed(torch.tensor([float(said)]), group=self.words)[0])

    def told(self, value: Value) -> Value:
        """Return what the leader has; the value of the others is nothing but a place for it."""
        if self.size == 1:
            return value
        box = [value if self.leads else None]
        with _whole():
            dist.broadcast_object_list(box, src=0, group=self.words)
        return box[0]  # type: ignore[return-value]

    def led(self, act: Callable[[], object]) -> None:
        """Have the leader act; if that fails nobody goes on."""
        failure: Exception | None = None
        if self.leads:
            try:
                act()
            except Exception as error:  # noqa: BLE001 - raised again as soon as the others know
                failure = error
        failed = self.any(failure is not None)
        if failure:
            raise failure
        if failed:
            raise BrokenTeamError("The leading process has stopped.")

    def gathered(self, found: Mapping[Key, Value]) -> dict[Key, Value]:
        """Return what all have found, each key once, in the order of the keys."""
        if self.size == 1:
            return dict(found)
        boxes: list[Any] = [None] * self.size
        with _whole():
            dist.all_gather_object(boxes, dict(found), group=self.words)
        return dict(sorted({k: v for box in boxes for k, v in box.items()}.items()))


def _buckets(tensors: Sequence[torch.Tensor]) -> Iterator[list[torch.Tensor]]:
    """Yield neighbours of one type that travel together."""
    together: list[torch.Tensor] = []
    for tensor in tensors:
        if together and (
            sum(part.numel() for part in together) + tensor.numel() > BUCKET
            or together[0].dtype != tensor.dtype
        ):
            yield together
            together = []
        together.append(tensor)
    if together:
        yield together


@contextmanager
def _whole() -> Iterator[None]:
    """Say of a message that cannot be delivered that the team is broken."""
    try:
        yield
    except RuntimeError as error:
        raise BrokenTeamError(f"Another process of this run is gone: {error}") from error


_team = Team()


def team() -> Team:
    """Return the team that this process is in."""
    return _team


def launched() -> bool:
    """Tell whether a launcher has started this process as one of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


@contextmanager
def joined(*, cuda: bool) -> Iterator[Team]:
    """Be in the team that the launcher speaks of, or alone without one, until the end."""
    global _team
    if not launched() or dist.is_initialized():
        yield _team
        return
    here = int(os.environ.get("LOCAL_RANK", "0"))
    own = cuda and int(os.environ.get("LOCAL_WORLD_SIZE", "1")) <= torch.cuda.device_count()
    if cuda:
        torch.cuda.set_device(here % torch.cuda.device_count())
    with _whole():
        dist.init_process_group("nccl" if own else "gloo", timeout=PATIENCE)
        words = dist.new_group(backend="gloo", timeout=PATIENCE)
    _team = Team(dist.get_rank(), dist.get_world_size(), words)
    try:
        yield _team
    finally:
        _team = Team()
        dist.destroy_process_group()


def draw_for(seed: int, *, step: int, piece: int) -> None:
    """Start torch's generators anew for one part of one step, whoever learns it."""
    state = np.random.SeedSequence((seed, step, piece)).generate_state(2)
    torch.manual_seed(int(state[0]) << 31 | int(state[1]) >> 1)


def draws(module: nn.Module) -> bool:
    """Tell whether learning draws random numbers: whether anything drops out."""
    config = vars(module.config) if hasattr(module, "config") else {}
    said = [value for name, value in config.items() if "drop" in name]
    parts = [part.p for part in module.modules() if isinstance(part, nn.modules.dropout._DropoutNd)]
    return any(isinstance(p, float) and p > 0 for p in [*said, *parts])
