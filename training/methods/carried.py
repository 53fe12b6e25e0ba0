"""Carried on: what a run leaves for the next one beside the weights.

Adam's moments, because an optimizer that starts anew forgets (Winata et al. 2023, arXiv
2305.16252, lower the rate for the same reason), and the Fisher of online EWC. Tensors are named
by the place of their weights: ``0.exp_avg``, ``0.fisher``. A network whose tables grow says
what each row stands for (``row_keys``), and the rows are carried to where they are then.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from learning.networks import Network
from training.methods.distributed import laid_like, whole

MOMENTS = ("step", "exp_avg", "exp_avg_sq")
FISHER = "fisher"
ROWS = "rows"

Carried = Mapping[str, torch.Tensor]


def row_keys(network: Network) -> dict[int, torch.Tensor]:
    """Return, by place among the trainable tensors, what the rows after the first stand for."""
    told: Any = getattr(network, "row_keys", dict)
    return dict(told())


def to_carry(
    network: Network, *, optimizer: torch.optim.Optimizer, fisher: Sequence[torch.Tensor] = ()
) -> dict[str, torch.Tensor]:
    """Return what the next run may take up, on the CPU."""
    found: dict[str, torch.Tensor] = {}
    for place, weights in enumerate(network.trainable()):
        for name in MOMENTS:
            if name in optimizer.state.get(weights, {}):
                found[f"{place}.{name}"] = optimizer.state[weights][name]
    found |= {f"{place}.{FISHER}": value for place, value in enumerate(fisher)}
    found |= {f"{place}.{ROWS}": keys for place, keys in row_keys(network).items()}
    return {name: whole(value.detach()).cpu().contiguous() for name, value in found.items()}


def take_up(network: Network, *, optimizer: torch.optim.Optimizer, carried: Carried) -> bool:
    """Go on with the moments of the run before; False, and nothing is done, if they do not fit."""
    states = []
    for place, weights in enumerate(network.trainable()):
        parts = {name: fitted(network, place=place, name=name, carried=carried) for name in MOMENTS}
        if any(part is None for part in parts.values()):
            return False
        states.append((weights, parts))
    for weights, parts in states:
        optimizer.state[weights] = {
            name: part if name == "step" else laid_like(part, weights)
            for name, part in parts.items()
            if part is not None
        }
    return bool(states)


def fisher_of(network: Network, *, carried: Carried) -> list[torch.Tensor]:
    """Return the Fisher that the run before left, in today's shapes; empty if there is none."""
    places = range(len(network.trainable()))
    found = [fitted(network, place=place, name=FISHER, carried=carried) for place in places]
    whole = [part for part in found if part is not None]
    return whole if len(whole) == len(found) else []


def fitted(network: Network, *, place: int, name: str, carried: Carried) -> torch.Tensor | None:
    """Return one carried tensor in the shape that its weights have now; None if it cannot be."""
    value, weights = carried.get(f"{place}.{name}"), network.trainable()[place]
    if value is None:
        return None
    if name == "step":
        # The optimizer is a fused one, which counts its steps where its weights are.
        return value.to(weights.device, copy=True)
    keys, before = row_keys(network).get(place), carried.get(f"{place}.{ROWS}")
    if keys is not None and before is not None and len(before) + 1 == len(value):
        value = _moved(value, keys=keys.cpu(), before=before)
    return value.to(weights.device, copy=True) if value.shape == weights.shape else None


def _moved(value: torch.Tensor, *, keys: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
    """Return the rows in the order of the keys; a row that is new is nought, one that went is lost."""
    moved = value.new_zeros(len(keys) + 1, *value.shape[1:])
    if not len(keys):
        return moved
    places = torch.searchsorted(keys, before)
    stays = (places < len(keys)) & (keys[places.clamp_max(len(keys) - 1)] == before)
    moved[places[stays] + 1] = value[1:][stays]
    return moved
