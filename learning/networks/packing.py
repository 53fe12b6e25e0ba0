"""Packing: batches of about equal work, in which no short text is padded to a long neighbour."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from learning.networks import Batch, Network

# Length units (see Network.lengths) in one batch, padding included; measured in `benchmarks`.
BUDGET = {"cpu": 8_192, "cuda": 131_072}
MOST_TEXTS = 1024


def batches(lengths: npt.NDArray[np.int64], *, budget: int) -> Iterator[npt.NDArray[np.intp]]:
    """Yield positions, longest first, so many that longest times count stays in the budget."""
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        longest = max(1, int(lengths[order[start]]))
        count = min(MOST_TEXTS, max(1, budget // longest))
        yield order[start : start + count]
        start += count


def packed_by_length(
    network: Network, texts: Sequence[str], languages: Sequence[str], *, device: str
) -> Iterator[tuple[npt.NDArray[np.intp], Batch]]:
    """Pack by the network's own cheap lengths, and collate a batch when it is its turn."""
    for rows in batches(network.lengths(texts), budget=BUDGET[device]):
        yield rows, network.collate([texts[i] for i in rows], [languages[i] for i in rows])
