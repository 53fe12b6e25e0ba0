"""Inference: one network per worker; texts in, logits out, in the order they came.

Texts are sorted by length and packed into batches of about equal work, so that no short text
is padded to a long neighbour; what comes out does not depend on who shared the batch, beyond
the last bits of a float.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache

import numpy as np
import numpy.typing as npt
import torch
from django.conf import settings

from learning.gateways.weights import open_weights
from learning.models import ModelVersion
from learning.networks import Network
from learning.networks.opening import load_network

KEPT = 2
# Length units (see Network.lengths) in one batch, padding included; measured in `benchmarks`.
BUDGET = {"cpu": 8_192, "cuda": 131_072}
MOST_TEXTS = 1024

_networks: OrderedDict[str, Network] = OrderedDict()
_lock = threading.Lock()


def network_of(version: ModelVersion) -> Network:
    """Return the version's network, verified, on the device and ready to answer.

    The last two stay in memory: champion and candidate.
    """
    with _lock:
        network = _networks.get(version.digest)
        if network is None:
            network = load_network(open_weights(version.path, digest=version.digest))
            network.module.to(device()).eval()
            _networks[version.digest] = network
        _networks.move_to_end(version.digest)
        while len(_networks) > KEPT:
            _networks.popitem(last=False)
        return network


def logits_of(
    version: ModelVersion, *, texts: Sequence[str], languages: Sequence[str]
) -> npt.NDArray[np.float32]:
    """Return N x K logits of the texts, in their order; ``languages`` are their tags."""
    return network_logits(network_of(version), texts=texts, languages=languages)


def network_logits(
    network: Network, *, texts: Sequence[str], languages: Sequence[str]
) -> npt.NDArray[np.float32]:
    """Return N x K logits under a network that is at hand, such as one in training."""
    if len(texts) != len(languages):
        raise ValueError("every text needs its language tag")
    answers = np.empty((len(texts), len(network.labels)), dtype=np.float32)
    if not texts:
        return answers
    home = next(network.module.parameters()).device
    training = network.module.training
    network.module.eval()
    try:
        with torch.inference_mode(), _precision(home):
            for rows in batches(network.lengths(texts), budget=BUDGET[home.type]):
                batch = network.collate([texts[i] for i in rows], [languages[i] for i in rows])
                there = {name: tensor.to(home) for name, tensor in batch.items()}
                answers[rows] = network.logits(there).float().cpu().numpy()
    finally:
        network.module.train(training)
    return answers


def batches(lengths: npt.NDArray[np.int64], *, budget: int) -> Iterator[npt.NDArray[np.intp]]:
    """Yield positions, longest first, so many that longest times count stays in the budget."""
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        longest = max(1, int(lengths[order[start]]))
        count = min(MOST_TEXTS, max(1, budget // longest))
        yield order[start : start + count]
        start += count


@cache
def device() -> torch.device:
    """Return where networks run, as the settings say; set the threads of a CPU once."""
    wish = settings.ENV.device
    if wish == "auto":
        wish = "cuda" if torch.cuda.is_available() else "cpu"
    if wish == "cpu" and settings.ENV.torch_threads:
        torch.set_num_threads(settings.ENV.torch_threads)
    return torch.device(wish)


def _precision(home: torch.device) -> AbstractContextManager[object]:
    if home.type == "cuda" and torch.cuda.is_bf16_supported():
        return torch.autocast("cuda", dtype=torch.bfloat16)
    return nullcontext()
