"""From logits to probabilities, and the checks that keep bad numbers out by name."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def softmax(logits: npt.ArrayLike, *, temperature: float | npt.NDArray[np.float64] = 1.0) -> Floats:
    """Turn N x K logits into probabilities, each row divided by its temperature first.

    A temperature above 1 makes a network less sure of itself (Guo et al. 2017,
    *On Calibration of Modern Neural Networks*).

    >>> softmax([[0.0, 0.0], [2.0, 0.0]], temperature=2.0).round(3).tolist()
    [[0.5, 0.5], [0.731, 0.269]]
    >>> softmax([[1000.0, 0.0]]).tolist()
    [[1.0, 0.0]]
    """
    scale = np.asarray(temperature, dtype=np.float64)
    if not (np.isfinite(scale).all() and (scale > 0).all()):
        raise ValueError("a temperature must be a positive number")
    values = np.asarray(logits, dtype=np.float64) / (scale[:, None] if scale.ndim else scale)
    values = values - values.max(axis=1, keepdims=True, initial=-np.inf)
    exponentials = np.exp(values)
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


# What a code of :func:`fault_codes` means; 0 is a row that can be used.
FAULTS = ("", "nan", "inf", "bad_sum")
ROWS = 16_384


def faults(
    rows: npt.ArrayLike, *, ids: Sequence[str], probabilities: bool = False
) -> dict[str, str]:
    """Return, by id, why a row cannot be used: ``nan``, ``inf``, and for probabilities ``bad_sum``.

    >>> faults([[0.5, 0.5], [np.nan, 1.0], [0.9, 0.9]], ids=["a", "b", "c"], probabilities=True)
    {'b': 'nan', 'c': 'bad_sum'}
    """
    codes = fault_codes(np.asarray(rows, dtype=np.float64), probabilities=probabilities)
    return {ids[at]: FAULTS[codes[at]] for at in np.flatnonzero(codes)}


def fault_codes(
    rows: npt.NDArray[np.floating[Any]], *, probabilities: bool = False
) -> npt.NDArray[np.int8]:
    """Return, for N rows of any shape, 0 or the place in ``FAULTS`` of what is wrong with each.

    >>> fault_codes(np.array([[0.5, 0.5], [np.inf, 0.0]])).tolist()
    [0, 2]
    """
    found = np.zeros(len(rows), dtype=np.int8)
    for start in range(0, len(rows), ROWS):
        part = slice(start, start + ROWS)
        block = np.asarray(rows[part]).reshape(len(found[part]), -1)
        if not np.isfinite(block).all():
            nan = np.isnan(block).any(axis=1)
            found[part] = np.where(nan, 1, np.where(np.isinf(block).any(axis=1), 2, 0))
        if probabilities:
            sums = block.sum(axis=1, dtype=np.float64)
            # What is not finite has its code already, whatever it sums to.
            wrong = ~(np.abs(sums - 1.0) <= 1e-3) | (block < 0).any(axis=1)
            found[part] = np.where(found[part] == 0, np.where(wrong, 3, 0), found[part])
    return found
