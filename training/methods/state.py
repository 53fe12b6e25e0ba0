"""Where a run stands between two steps: all of it goes into the checkpoint and comes back."""

from dataclasses import dataclass, field
from typing import Any

import torch

from learning.networks import Network
from training.methods.checkpoints import random_states, restore_random_states
from training.methods.distributed import laid_like, whole
from training.methods.interpolation import put


@dataclass
class State:
    """Where a run stands, which is what its checkpoints hold.

    ``before`` is what the champion is worth on the development set, ``taught`` (N x K) what rows
    are to be held to, ``fisher`` what the champion's answers hang on; ``told`` sums the loss
    since the last point of the curve, with its rows: a line a language, last the whole. ``pieces``
    is into how many parts a batch is cut that draw at random apart.
    """

    network: Network
    optimizer: torch.optim.AdamW
    schedule: torch.optim.lr_scheduler.LambdaLR
    warm: int
    champion: list[torch.Tensor]
    average: list[torch.Tensor]
    taught: torch.Tensor
    told: torch.Tensor
    pieces: int = 1
    before: dict[str, float] = field(default_factory=dict)
    fisher: list[torch.Tensor] = field(default_factory=list)
    best: list[torch.Tensor] = field(default_factory=list)
    step: int = 0
    curve: list[Any] = field(default_factory=list)


def pack(state: State) -> dict[str, Any]:
    """Return what a checkpoint holds: tensors and plain values, nothing of them elsewhere."""
    module = state.network.module
    moving = any(getattr(part, "track_running_stats", False) for part in module.modules())
    held = {
        "step": state.step,
        "warm": state.warm,
        "pieces": state.pieces,
        "curve": state.curve,
        "before": state.before,
        "told": state.told,
        "taught": state.taught,
        "fisher": state.fisher,
        "best": state.best,
        "weights": [weights.detach() for weights in state.network.trainable()],
        # Training moves buffers too where there are running means of normalisation.
        "buffers": dict(module.named_buffers()) if moving else {},
        "average": state.average,
        "optimizer": state.optimizer.state_dict(),
        "schedule": state.schedule.state_dict(),
        "random": random_states(),
    }
    return {name: whole(value) for name, value in held.items()}


def unpack(state: State, kept: dict[str, Any]) -> None:
    """Put a run back to where its checkpoint was written, every generator too."""
    device = state.told.device
    put(state.network, kept["weights"])
    buffers = dict(state.network.module.named_buffers())
    for name, value in kept["buffers"].items():
        buffers[name].copy_(value)
    for mean, value in zip(state.average, kept["average"], strict=True):
        mean.copy_(laid_like(value, mean))
    state.fisher = [part.to(device) for part in kept["fisher"]]
    trainable = state.network.trainable()
    state.best = [laid_like(a, b) for a, b in zip(kept["best"], trainable, strict=False)]
    state.told, state.taught = kept["told"].to(device), kept["taught"]
    state.before, state.step, state.curve = kept["before"], kept["step"], kept["curve"]
    state.optimizer.load_state_dict(kept["optimizer"])
    for weights, moments in state.optimizer.state.items():
        for name in moments.keys() - {"step"}:
            moments[name] = laid_like(moments[name], weights)
    state.schedule.load_state_dict(kept["schedule"])
    restore_random_states(kept["random"])
