"""Safeguards against forgetting, each a function that the loop calls in sight.

A batch has B rows and K classes. Terms of the loss come a row at a time (B), so that whoever
sums them may hold any part of the batch.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from learning.networks import Batch, Network
from learning.networks.tokens import text_losses
from training.methods import distributed
from training.methods.lessons import Floats, Lessons

Tensors = Sequence[torch.Tensor]


def surprise(
    logits: torch.Tensor,
    *,
    targets: torch.Tensor,
    several: bool = False,
    raised: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return the cross-entropy of soft targets (B x K), a row at a time (B).

    Of ``several`` labels that do not exclude each other, the sum of each one's own, more of it where
    a label holds that is ``raised`` (K).

    >>> surprise(torch.zeros(1, 2), targets=torch.tensor([[0.5, 0.5]])).round(decimals=3)
    tensor([0.6930])
    """
    if several:
        apart = functional.binary_cross_entropy_with_logits(
            logits, targets, pos_weight=raised, reduction="none"
        )
        return apart.sum(dim=1)
    return -(targets * functional.log_softmax(logits, dim=1)).sum(dim=1)


def of_texts(terms: torch.Tensor, *, batch: Batch) -> torch.Tensor:
    """Return a term a text of a term a row: the mean over its units where a text has several."""
    return text_losses(terms, units=batch["units"]) if "units" in batch else terms


def held(logits: torch.Tensor, *, stored: torch.Tensor) -> torch.Tensor:
    """Return the squared distance (B) to what was said when a row was stored (B x K, NaN: nothing).

    Dark experience replay (Buzzega et al. 2020, arXiv 2004.07211); with the cross-entropy on the
    store it is DER++.

    >>> held(torch.zeros(2, 2), stored=torch.tensor([[1.0, 3.0], [torch.nan, torch.nan]]))
    tensor([5., 0.])
    """
    known = ~stored.isnan()
    apart = torch.where(known, logits - stored.nan_to_num(), 0.0)
    return apart.square().mean(dim=1)


def distilled(
    logits: torch.Tensor, *, taught: torch.Tensor, temperature: float, several: bool = False
) -> torch.Tensor:
    """Return the divergence (B) from what the champion says of the row (B x K, NaN: nothing).

    Of ``several`` labels, the sum of each one's own.

    Learning without forgetting (Li & Hoiem 2016, arXiv 1606.09282).

    >>> distilled(torch.ones(1, 2), taught=torch.zeros(1, 2), temperature=2.0).abs().round()
    tensor([0.])
    """
    known = ~taught.isnan().any(dim=1)
    if several:
        # Each label and its absence are two classes, [z, 0].
        logits, taught = (
            torch.stack((part, torch.zeros_like(part)), dim=2).flatten(0, 1)
            for part in (logits, taught)
        )
    teacher = functional.log_softmax(taught.nan_to_num() / temperature, dim=1)
    student = functional.log_softmax(logits / temperature, dim=1)
    apart = (teacher.exp() * (teacher - student)).sum(dim=1)
    if several:
        apart = apart.view(len(known), -1).sum(dim=1)
    return torch.where(known, apart, 0.0) * temperature**2


def drifted(weights: Tensors, *, champion: Tensors, fisher: Tensors) -> torch.Tensor:
    """Return half the squared distance from the champion, weighed by what its answers hang on.

    Elastic weight consolidation (Kirkpatrick et al. 2017, arXiv 1612.00796), online (Schwarz
    et al. 2018, arXiv 1805.06370): one Fisher for all that came before, anchored at the last.

    >>> drifted([torch.ones(2)], champion=[torch.zeros(2)], fisher=[torch.tensor([1.0, 3.0])])
    tensor(2.)
    """
    parts = zip(weights, champion, fisher, strict=True)
    return 0.5 * torch.stack([(f * (w - c).square()).sum() for w, c, f in parts]).sum()


def fisher(
    network: Network, *, lessons: Lessons, rows: npt.NDArray[np.int64]
) -> list[torch.Tensor]:
    """Return the diagonal Fisher of each trainable tensor: the mean squared gradient of one row.

    One row at a time: the square of a batch's mean gradient, which many libraries take for it,
    is smaller by about the size of the batch (van de Ven 2025, arXiv 2502.11756).
    Processes share the rows.
    """
    weights, team = network.trainable(), distributed.team()
    found = [torch.zeros_like(part) for part in weights]
    network.module.eval()
    for row in team.share(rows):
        one = lessons.only(np.array([row]))
        batch = sent(one.batch(network, np.array([0])), weights[0].device)
        logits = network.logits(batch)
        targets = torch.from_numpy(one.targets).to(logits.device)
        cost = surprise(logits.float(), targets=targets, several=lessons.several)
        loss = of_texts(cost, batch=batch).sum()
        grads = torch.autograd.grad(loss, weights, allow_unused=True)
        for total, grad in zip(found, grads, strict=True):
            if grad is not None:
                total += grad.square()
    team.sum(found)
    return [total / max(1, len(rows)) for total in found]


def together(
    parts: Sequence[Sequence[torch.Tensor | None]], *, weights: Tensors
) -> list[torch.Tensor]:
    """Return the sum of gradients over the parts of a batch and over processes."""
    found = [torch.zeros_like(part) for part in weights]
    for part in parts:
        for total, grad in zip(found, part, strict=True):
            if grad is not None:
                total += grad
    distributed.team().sum(found)
    return found


def project(
    weights: Sequence[torch.nn.Parameter], *, reference: Sequence[torch.Tensor | None]
) -> None:
    """Take out of the gradients what would make the store worse, if they would.

    Averaged gradient episodic memory (Chaudhry et al. 2019, arXiv 1812.00420): where the
    gradient g points against the store's gradient r, it becomes g - (g.r / r.r) r.

    >>> weight = torch.nn.Parameter(torch.zeros(2))
    >>> weight.grad = torch.tensor([1.0, -1.0])
    >>> project([weight], reference=[torch.tensor([0.0, 1.0])])
    >>> weight.grad
    tensor([1., 0.])
    """
    pairs = [
        (own.grad, other)
        for own, other in zip(weights, reference, strict=True)
        if own.grad is not None and other is not None
    ]
    if not pairs:
        return
    along = torch.stack([(own * other).sum() for own, other in pairs]).sum()
    length = torch.stack([other.square().sum() for _, other in pairs]).sum()
    factor = torch.where(along < 0, along / length.clamp_min(1e-12), torch.zeros_like(along))
    for own, other in pairs:
        own.sub_(factor * other)


@torch.no_grad()
def answers(network: Network, *, lessons: Lessons, rows: npt.NDArray[np.int64]) -> Floats:
    """Return the network's logits N x K, NaN for all texts but these; processes share the texts."""
    found, team = np.full(lessons.targets.shape, np.nan, np.float32), distributed.team()
    asked, home = lessons.only(mine := team.share(rows)), network.trainable()[0].device
    network.module.eval()
    for places, batch in asked.packed(network, device=home.type):
        at = lessons.places(mine[places])
        found[at] = network.logits(sent(batch, home)).float().cpu().numpy()
    said = {int(row): found[lessons.places(np.array([row]))] for row in mine}
    for row, logits in team.gathered(said).items():
        found[lessons.places(np.array([row]))] = logits
    return found


def sent(batch: Batch, device: torch.device) -> Batch:
    """Return a batch on the device; a GPU need not be done with what it was given before.

    From memory that may be swapped out a copy waits until the GPU has nothing left to do, which
    then stands idle while the next batch is made.
    """
    if device.type != "cuda":
        return {name: part.to(device) for name, part in batch.items()}
    return {name: part.pin_memory().to(device, non_blocking=True) for name, part in batch.items()}
