"""Networks for spans: a tag for every unit of a text, and the spans that follow from the tags.

A token network is a :class:`learning.networks.Network` whose ``logits`` have a row for each unit of
each text (:func:`annotation.methods.spans.units`), one text after the other, instead of a row for
each text. That is all that differs:

- ``labels`` are tags: ``O``, ``B-PER``, ``I-PER``, ...;
- a batch says under ``units`` (N) how many rows each of its texts has;
- ``collate`` and ``packed`` take ``cuts``, for each text more places to cut words at, for what
  was tokenised elsewhere or was cut by people's spans.

So whoever weighs rows weighs units, and :func:`text_losses` makes of them what a loop over texts
needs: a number a text. Units follow from the text alone: targets that people's answers gave
(``Agreed.posterior``) fit every kind of network.

Shapes: N texts, U units of all of them, C classes, K = 2 C + 1 tags.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeGuard

import numpy as np
import numpy.typing as npt
import torch

from annotation.methods.spans import classes_of, units
from learning.methods.tagging import Read, decoded
from learning.networks import Batch, Network

Ints = npt.NDArray[np.int64]
Cuts = Sequence[Sequence[int]]


class TokenNetwork(Network, Protocol):
    """A network whose logits have a row for each unit of each text."""

    def collate(self, texts: Sequence[str], languages: Sequence[str], *, cuts: Cuts = ()) -> Batch:
        """Turn N texts into a batch on the CPU; ``units`` (N) says how many rows each has."""

    def packed(
        self, texts: Sequence[str], languages: Sequence[str], *, device: str, cuts: Cuts = ()
    ) -> Iterator[tuple[npt.NDArray[np.intp], Batch]]:
        """Yield positions of texts and their batch."""


def tags_units(network: Network) -> TypeGuard[TokenNetwork]:
    """Tell whether a network's logits have a row for each unit, not for each text."""
    return network.kind.startswith("token-")


def units_of(texts: Sequence[str], *, cuts: Cuts = ()) -> list[Ints]:
    """Return each text's units; without ``cuts`` they follow from the text alone."""
    given = cuts or [()] * len(texts)
    return [units(text, cuts=at) for text, at in zip(texts, given, strict=True)]


def text_losses(
    losses: torch.Tensor, *, units: torch.Tensor, weights: torch.Tensor | None = None
) -> torch.Tensor:
    """Return the mean loss of each text (N) over its units (U), weighed if ``weights`` (U) are given.

    A mean, so that a long text is no louder than a short one; what nobody was sure of weighs less.

    >>> text_losses(torch.tensor([1.0, 3.0, 5.0]), units=torch.tensor([2, 0, 1]))
    tensor([2., 0., 5.])
    """
    text = torch.repeat_interleave(torch.arange(len(units), device=units.device), units)
    weighed = losses if weights is None else losses * weights
    return losses.new_zeros(len(units)).index_add_(0, text, weighed) / units.clamp_min(1)


@torch.no_grad()
def read(
    network: TokenNetwork,
    texts: Sequence[str],
    *,
    languages: Sequence[str],
    device: str = "cpu",
    cuts: Cuts = (),
) -> list[Read]:
    """Ask a network for the spans of many texts."""
    network.module.eval()
    cut = units_of(texts, cuts=cuts)
    found: list[Read | None] = [None] * len(texts)
    for rows, batch in network.packed(texts, languages, device=device, cuts=cuts):
        sent = {name: part.to(device) for name, part in batch.items()}
        logits = network.logits(sent).double().log_softmax(dim=1).cpu().numpy()
        told = decoded(logits, units=[cut[at] for at in rows], labels=classes_of(network.labels))
        for at, one in zip(rows, told, strict=True):
            found[at] = one
    return [one for one in found if one is not None]
