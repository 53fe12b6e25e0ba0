"""What learning one language after another did to the others; libraries disagree, so: formulas.

``R`` is (T+1) x T: ``R[k, i]`` is the metric in language ``i`` after the first ``k`` languages were
learned; row 0 is before any. With 1 <= i <= T counting languages in the order they came:

- ACC = mean_i R[T, i]; worst = min_i R[T, i]
- BWT = mean_{i<T} (R[T, i] - R[i, i]) (Lopez-Paz and Ranzato 2017, arXiv 1706.08840)
- forgetting = mean_{i<T} (max_{i<=k<T} R[k, i] - R[T, i]) (Chaudhry et al. 2018, arXiv 1801.10112,
  counted from when the language was learned); negative where a language got better still
- FWT = mean_{i>1} (R[i-1, i] - R[0, i])
- of all updates and the languages learned before them: the share that got better, and by how much
  those that got worse lost on average (Badola et al. 2023, arXiv 2209.06767)
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Transfer:
    """The figures of one run through a stream."""

    acc: float
    worst: float
    bwt: float
    forgetting: float
    fwt: float
    improved: float
    loss_of_losers: float


def transfer(matrix: npt.ArrayLike) -> Transfer:
    """Read the figures off an accuracy matrix, (T+1) x T with row 0 before learning.

    >>> found = transfer([[0.0, 0.25, 0.0], [1.0, 0.5, 0.0], [0.75, 1.0, 0.25], [0.5, 0.75, 1.0]])
    >>> found.acc, found.worst, found.bwt, found.forgetting, found.fwt
    (0.75, 0.5, -0.375, 0.375, 0.25)
    >>> found.improved, found.loss_of_losers
    (0.0, 0.25)
    """
    table: Floats = np.asarray(matrix, dtype=np.float64)
    if table.ndim != 2 or table.shape[0] != table.shape[1] + 1 or not table.shape[1]:
        raise ValueError("the matrix needs one row more than it has languages")
    last, count = table[-1], table.shape[1]
    earlier = range(count - 1)
    then = np.array([table[i + 1, i] for i in earlier])
    best = np.array([table[i + 1 : count, i].max() for i in earlier])
    before = np.array([table[i, i] - table[0, i] for i in range(1, count)])
    changes = np.array([table[k + 1, i] - table[k, i] for k in range(1, count) for i in range(k)])
    return Transfer(
        acc=float(last.mean()),
        worst=float(last.min()),
        bwt=_mean(last[:-1] - then),
        forgetting=_mean(best - last[:-1]),
        fwt=_mean(before),
        improved=_mean((changes > 0).astype(np.float64)),
        loss_of_losers=-_mean(changes[changes < 0]),
    )


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else 0.0
