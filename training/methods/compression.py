"""Compression: a network that is smaller, quicker or both, and says nearly the same.

Rounding and cutting need no data; a student learns from its teacher's answers. Compression hurts
small languages first (Ogueji et al. 2022, arXiv 2211.02738; Marchisio et al. 2024, arXiv
2407.03211), which no mean shows: what comes of it goes through the gate language by language.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from annotation.errors import InvalidInputError
from learning.networks import Batch, Network
from learning.networks.compressed import RoundedEncoder, RoundedStarter, learnable
from learning.networks.encoder import Encoder
from learning.networks.starter import Starter

Floats = npt.NDArray[np.float32]


def quantised(network: Network) -> Network:
    """Return the network in int8, as it will be stored and served."""
    if type(network) is Encoder:
        return RoundedEncoder.over(network)
    if type(network) is Starter:
        return RoundedStarter.over(network)
    raise InvalidInputError(
        f"A network of the kind {network.kind} cannot be rounded to int8.",
        remedy="Quantise a plain encoder or starter; adapters are added into theirs by:"
        " manage.py merge_adapters CAMPAIGN --languages … --plain",
    )


def pruned(network: Network, *, keep: float) -> Network:
    """Return the network without its smallest weights; ``keep`` is the share that stays.

    Of a starter n-grams go, of an encoder units between the two matrices of each feed-forward
    part: whole rows and columns, so that the file is smaller and the network quicker.
    """
    if not 0 < keep < 1:
        raise InvalidInputError(
            f"keep is {keep}.", remedy="Say which share stays: between 0 and 1."
        )
    thawed = learnable(network)
    if type(thawed) is Starter:
        return _without_small_ngrams(thawed, keep=keep)
    if type(thawed) is Encoder:
        return _without_weak_units(thawed, keep=keep)
    raise InvalidInputError(
        f"A network of the kind {network.kind} cannot be pruned.",
        remedy="Prune a plain encoder or starter; adapters are added into theirs by:"
        " manage.py merge_adapters CAMPAIGN --languages … --plain",
    )


def student_of(network: Network, *, layers: int) -> Network:
    """Return an encoder with some of the teacher's layers, evenly spaced, last one included.

    Sanh et al. 2019, "DistilBERT" (arXiv 1910.01108): a student that starts from every k-th layer.
    """
    teacher = learnable(network)
    if type(teacher) is not Encoder:
        raise InvalidInputError(
            f"A network of the kind {network.kind} has no layers to leave out.",
            remedy="A starter is small already: prune or quantise it.",
        )
    module = copy.deepcopy(teacher.module)
    stack = _layers(module)
    if not 0 < layers < len(stack):
        raise InvalidInputError(
            f"A student of {len(stack)} layers cannot have {layers}.",
            remedy=f"Give it between 1 and {len(stack) - 1}.",
        )
    for place, stay in enumerate(kept_layers(len(stack), layers)):
        stack[place] = stack[stay]
    del stack[layers:]
    module.config.num_hidden_layers = layers
    return _encoder(teacher, module)


def kept_layers(count: int, layers: int) -> list[int]:
    """Return which of ``count`` layers a student gets.

    >>> kept_layers(12, 6), kept_layers(12, 4), kept_layers(6, 1)
    ([1, 3, 5, 7, 9, 11], [2, 5, 8, 11], [5])
    """
    return [round((place + 1) * count / layers) - 1 for place in range(layers)]


@dataclass(frozen=True)
class Softened:
    """A student in school: while it trains, its logits are divided by a temperature.

    Cross-entropy with a teacher's probabilities at the same temperature is then the loss of Hinton
    et al. 2015, "Distilling the knowledge in a neural network" (arXiv 1503.02531), but for a
    constant and for a scale that AdamW does not see. Outside training it answers as it is.
    """

    network: Any
    temperature: float

    def __getattr__(self, name: str) -> Any:
        """Everything else is the network's."""
        return getattr(self.network, name)

    def logits(self, batch: Batch) -> torch.Tensor:
        """Return N x K logits."""
        told: torch.Tensor = self.network.logits(batch)
        return told / self.temperature if self.network.module.training else told


def softened(logits: Floats, *, temperature: float) -> Floats:
    """Return N x K probabilities of N x K logits at a temperature.

    >>> softened(np.array([[2.0, 0.0]], np.float32), temperature=2.0).round(3).tolist()
    [[0.7310000061988831, 0.26899999380111694]]
    """
    scaled = logits.astype(np.float64) / temperature
    raised = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), np.float32)


def lesson_targets(
    teacher: Floats, *, agreed: Sequence[Sequence[float] | None], temperature: float
) -> Floats:
    """Return what a student is taught of N texts: N x K.

    Where people have agreed, half of it is what they say; elsewhere it is the teacher's word.
    """
    targets = softened(teacher, temperature=temperature)
    for row, told in enumerate(agreed):
        if told is not None:
            targets[row] = (targets[row] + np.asarray(told, np.float32)) / 2
    return targets


def _without_small_ngrams(network: Starter, *, keep: float) -> Starter:
    """Drop the n-grams whose largest weight is smallest (Han et al. 2015, arXiv 1506.02626).

    Those that all languages share and those of one language alone are ranked apart: a language's
    own are learned from less, and would all go first.
    """
    made = copy.copy(network)
    module = copy.deepcopy(network.module)
    buckets, table = module.buckets(), module.ngrams.detach()[1:]
    size, shared = table.abs().amax(dim=1), buckets < (1 << network.features["bits"])
    stays = torch.zeros(len(buckets), dtype=torch.bool)
    for half in (shared, ~shared):
        rows = half.nonzero().squeeze(1)
        best = size[rows].argsort(descending=True, stable=True)[: round(keep * len(rows))]
        stays[rows[best]] = True
    kept = table[stays].clone()
    module.places.zero_()
    module.ngrams = torch.nn.Parameter(torch.zeros(1, table.shape[1]))
    module.widen(buckets[stays])
    with torch.no_grad():
        module.ngrams[1:] = kept
    made.module = module
    return made


def _without_weak_units(network: Encoder, *, keep: float) -> Encoder:
    """Drop the units with the least to say: length of the way in times length of the way out.

    Li et al. 2017, "Pruning filters for efficient convnets" (arXiv 1608.08710), for units.
    """
    module = copy.deepcopy(network.module)
    for layer in _layers(module):
        into, out = getattr(layer, "intermediate", None), getattr(layer, "output", None)
        if into is None or out is None:
            raise InvalidInputError(
                f"The layers of {network.name} are not of a kind that can be pruned.",
                remedy="Distil or quantise it instead.",
            )
        count = max(1, round(keep * into.dense.out_features))
        weight = into.dense.weight.detach().norm(dim=1) * out.dense.weight.detach().norm(dim=0)
        stay = weight.argsort(descending=True, stable=True)[:count].sort().values
        into.dense = _part(into.dense, rows=stay)
        out.dense = _part(out.dense, columns=stay)
        module.config.intermediate_size = count
    return _encoder(network, module)


def _part(
    linear: torch.nn.Linear,
    *,
    rows: torch.Tensor | None = None,
    columns: torch.Tensor | None = None,
) -> torch.nn.Linear:
    weight = linear.weight.detach()
    weight = weight if rows is None else weight[rows]
    weight = weight if columns is None else weight[:, columns]
    made = torch.nn.Linear(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        made.weight.copy_(weight)
        made.bias.copy_(linear.bias if rows is None else linear.bias[rows])
    return made


def _layers(module: Any) -> torch.nn.ModuleList:
    """Return an encoder's stack of layers."""
    inner, count = getattr(module, module.base_model_prefix), module.config.num_hidden_layers
    for part in inner.modules():
        if isinstance(part, torch.nn.ModuleList) and len(part) == count:
            return part
    raise InvalidInputError(
        "This encoder has no stack of layers that could be told apart.",
        remedy="Quantise it instead.",
    )


def _encoder(network: Encoder, module: Any) -> Encoder:
    made = Encoder(network.labels, name=network.name, module=module, tokenizer=network._tokenizer)
    made.several = network.several
    return made
