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
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import distributed as dist
from torch import nn
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

IntArray = npt.NDArray[np.int64]
Key = TypeVar("Key")
Value = TypeVar("Value")

# A process that says nothing for so long is lost; reading weights and tokenising take less.
PATIENCE = timedelta(minutes=30)
# Gradients travel together until they are so many numbers.
BUCKET = 1 << 24
# Parts of a batch on a CPU. A step of an encoder of 4 layers by 384 on 32 texts of unequal length
# took .76 times the CPU of a whole batch in 4 parts, .73 in 8 (one thread, median of 3).
PIECES = 4


class BrokenTeamError(Exception):
    """Another process of the team is gone; the checkpoint is as good as before."""


@dataclass(frozen=True)
class Team:
    """The processes of a run, and which of them this is.

    ``sharded`` are those that hold a part of each weight: all have to do the same at each moment,
    so each looks at every row that is only asked for an answer.
    """

    rank: int = 0
    size: int = 1
    words: Any = None
    sharded: bool = False

    @property
    def leads(self) -> bool:
        """Tell whether this one writes, beats and registers."""
        return self.rank == 0

    def share(self, rows: IntArray) -> IntArray:
        """Return this process's part of N rows: every W-th, or all if weights are sharded.

        >>> Team(rank=1, size=2).share(np.arange(5))
        array([1, 3])
        """
        return rows if self.sharded else rows[self.rank :: self.size]

    def pieces(self, count: int) -> range:
        """Return which of the fixed parts of a batch are this process's.

        Where weights are sharded all have as many; who has a part too many learns nothing from it.

        >>> [list(Team(rank=rank, size=4).pieces(6)) for rank in range(4)]
        [[0, 4], [1, 5], [2], [3]]
        """
        most = -(-count // self.size) * self.size if self.sharded else count
        return range(self.rank, most, self.size)

    def sum_gradients(self, weights: Sequence[nn.Parameter]) -> None:
        """Give each weight the sum of all processes' gradients; none where nobody has one."""
        if self.size == 1 or self.sharded:  # a sharded weight's gradient is summed on its way back
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

    def one_for_all(self, said: bool) -> bool:
        """Tell what any process says where all have to do alike; where not, what this one says."""
        return self.any(said) if self.sharded else said

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


def spread(module: nn.Module) -> None:
    """Leave each process a part of every weight (FSDP), layer by layer.

    Zhao et al. 2023, arXiv 2304.11277. For networks of more than about a billion weights, which
    one device does not hold; it costs messages at every layer. A network without layers stays whole.
    """
    global _team
    lists = [part for part in module.modules() if isinstance(part, nn.ModuleList)]
    layers = [layer for part in lists for layer in part if len(part) > 1]
    if _team.size == 1 or not layers:
        return
    for layer in layers:
        fully_shard(layer)
    # What is asked for its weights between two passes must not be found with whole ones.
    root: Any = fully_shard(module, reshard_after_forward=True)
    for part in (*layers, root):
        part.set_gradient_divide_factor(1.0)  # a sum, as of one batch, and not a mean
        part.set_force_sum_reduction_for_comms(True)
    _team = replace(_team, sharded=True)


def whole(value: Any) -> Any:
    """Return tensors, however they lie in lists and dictionaries, with no part of them elsewhere.

    All processes have to ask for it.
    """
    if isinstance(value, DTensor):
        return value.full_tensor()
    if isinstance(value, dict):
        return {name: whole(part) for name, part in value.items()}
    if isinstance(value, list):
        return [whole(part) for part in value]
    return value


def laid_like(value: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
    """Return a tensor on the device, and in the parts, of another of its shape."""
    there = value.to(own.device)
    if not isinstance(own, DTensor) or isinstance(value, DTensor) or value.shape != own.shape:
        return there
    return distribute_tensor(there, own.device_mesh, own.placements)


def made_whole(module: nn.Module) -> None:
    """Give each process all weights again, on the CPU, to be stored."""
    global _team
    if not _team.sharded:
        return
    for part in module.modules():
        for name, weights in list(part.named_parameters(recurse=False)):
            part.register_parameter(name, nn.Parameter(whole(weights.detach()).cpu()))
        if type(part).__name__.startswith("FSDP"):
            part.__class__ = type(part).__bases__[-1]
            part._forward_pre_hooks.clear()
            part._forward_hooks.clear()
    _team = replace(_team, sharded=False)


def draw_for(seed: int, *, step: int, piece: int) -> None:
    """Start torch's generators anew for one part of one step, whoever learns it."""
    state = np.random.SeedSequence((seed, step, piece)).generate_state(2)
    torch.manual_seed(int(state[0]) << 31 | int(state[1]) >> 1)


def usual_pieces(device: torch.device) -> int:
    """Return into how many parts a batch is cut for dropout where no recipe says it.

    A fixed number on a CPU, so that runs of any number of processes end alike; that is cheaper
    there too, since short texts are padded less. On a GPU small parts are dear, and it is one a
    process: there a recipe's ``pieces`` makes runs alike.
    """
    return PIECES if device.type == "cpu" else _team.size


def draws(module: nn.Module) -> bool:
    """Tell whether learning draws random numbers: whether anything drops out."""
    config = vars(module.config) if hasattr(module, "config") else {}
    said = [value for name, value in config.items() if "drop" in name]
    parts = [part.p for part in module.modules() if isinstance(part, nn.modules.dropout._DropoutNd)]
    return any(isinstance(p, float) and p > 0 for p in [*said, *parts])
