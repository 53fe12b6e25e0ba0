"""From logits to probabilities, and the checks that keep bad numbers out by name."""

from collections.abc import Sequence

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


def faults(
    rows: npt.ArrayLike, *, ids: Sequence[str], probabilities: bool = False
) -> dict[str, str]:
    """Return, by id, why a row cannot be used: ``nan``, ``inf``, and for probabilities ``bad_sum``.

    >>> faults([[0.5, 0.5], [np.nan, 1.0], [0.9, 0.9]], ids=["a", "b", "c"], probabilities=True)
    {'b': 'nan', 'c': 'bad_sum'}
    """
    values = np.asarray(rows, dtype=np.float64)
    nan: npt.NDArray[np.bool_] = np.asarray(np.isnan(values).any(axis=1))
    infinite: npt.NDArray[np.bool_] = np.asarray(np.isinf(values).any(axis=1))
    named = [(nan, "nan"), (infinite & ~nan, "inf")]
    if probabilities:
        finite = ~nan & ~infinite
        sums = np.where(finite[:, None], values, 0.0).sum(axis=1)
        bad = (np.abs(sums - 1.0) > 1e-3) | (np.where(finite[:, None], values, 0.0) < 0).any(axis=1)
        named.append((finite & bad, "bad_sum"))
    return {ids[i]: reason for mask, reason in named for i in np.flatnonzero(mask)}
