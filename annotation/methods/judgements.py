"""What ratings and preferences share: columns that are checked, islands, and a pooled climb.

Both models estimate many numbers of a kind (a severity for each rater, a strength for each
writer) from few answers. Numbers of a kind are drawn from one bell curve whose width is itself
estimated (MacKay 1992, *Bayesian interpolation*, Neural Computation 4): what little is known of
one is helped out by the others, and nothing runs off to infinity. The posterior is taken to be
a bell curve around its peak (Laplace).

Shapes: A answers, P parameters, R rows of a pool.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
# From P parameters to the log-likelihood, its slope (P) and minus its curvature (P x P).
Look = Callable[[Floats], tuple[float, Floats, Floats]]

ROUNDS = 200
NARROWEST = 1e-3


class JudgementError(ValueError):
    """An answer that cannot be reckoned with: the row (from 0), the field, and what to do."""

    code = "invalid_judgement"

    def __init__(self, what: str, *, row: int, field: str, remedy: str) -> None:
        super().__init__(f"Row {row}, {field}: {what} {remedy}")
        self.row, self.field, self.remedy = row, field, remedy


def whole(values: npt.ArrayLike, *, field: str, low: int, high: int, remedy: str) -> Ints:
    """Return a column as whole numbers from ``low`` to ``high``; name the first that is none.

    >>> whole([1, 5, 6], field="rating", low=1, high=5, remedy="Rate from 1 to 5.")
    Traceback (most recent call last):
    annotation.methods.judgements.JudgementError: Row 2, rating: 6 is not from 1 to 5. Rate from 1 to 5.
    """
    found = np.asarray(values)
    if not len(found):
        return np.zeros(0, np.int64)
    numbers = _numbers(found, field=field, remedy=remedy)
    with np.errstate(invalid="ignore"):
        bad = ~((numbers == np.floor(numbers)) & (numbers >= low) & (numbers <= high))
    if bad.any():
        row = int(bad.argmax())
        what = f"{numbers[row]:g} is not from {low} to {high}."
        raise JudgementError(what, row=row, field=field, remedy=remedy)
    return numbers.astype(np.int64)


def weighed(values: npt.ArrayLike | None, *, rows: int) -> Floats:
    """Return how much each of A answers counts: 1 where nothing is said, never below 0."""
    if values is None:
        return np.ones(rows)
    remedy = "Give a finite weight of 0 or more, 1 for an answer that counts in full."
    found = _numbers(np.asarray(values), field="weight", remedy=remedy)
    bad = ~(np.isfinite(found) & (found >= 0))
    if bad.any():
        row = int(bad.argmax())
        raise JudgementError(
            f"{found[row]:g} is no weight.", row=row, field="weight", remedy=remedy
        )
    return found


def same_length(**columns: npt.NDArray[np.generic]) -> None:
    """Refuse columns of unequal length, naming where the shorter ends."""
    first, *others = columns
    for name in others:
        short = min(len(columns[first]), len(columns[name]))
        if len(columns[first]) != len(columns[name]):
            what = f"{first} has {len(columns[first])} rows, {name} {len(columns[name])}."
            raise JudgementError(
                what, row=short, field=name, remedy="Give every row all its fields."
            )


def once_each(item: Ints, *, rater: Ints) -> None:
    """Refuse a rater who judges a text a second time: they would agree with themselves."""
    both = rater * (item.max(initial=0) + 1) + item
    first = np.unique(both, return_index=True)[1]
    if len(first) < len(both):
        row = int(np.setdiff1d(np.arange(len(both)), first)[0])
        what = f"rater {rater[row]} rates text {item[row]} again."
        remedy = "Keep the newest rating of a rater and text."
        raise JudgementError(what, row=row, field="rater", remedy=remedy)


def _numbers(found: npt.NDArray[np.generic], *, field: str, remedy: str) -> Floats:
    try:
        return np.asarray(found, np.float64)
    except (TypeError, ValueError):
        for row, one in enumerate(found):
            try:
                float(one)
            except (TypeError, ValueError):
                what = f"{one!r} is no number."
                raise JudgementError(what, row=row, field=field, remedy=remedy) from None
        raise


def islands(one: Ints, other: Ints, *, size: int) -> Ints:
    """Number the connected parts of ``size`` nodes, given A edges; nodes without any stand alone.

    >>> islands(np.array([0, 1]), np.array([1, 2]), size=5).tolist()
    [0, 0, 0, 1, 2]
    """
    edges = coo_array((np.ones(len(one)), (one, other)), shape=(size, size))
    return np.asarray(connected_components(edges, directed=False)[1], np.int64)


@dataclass(frozen=True)
class Pool:
    """Numbers of one kind: ``rows @ beta`` (R) are drawn from a bell curve around nought.

    Its width is estimated, and believed to be near ``usual`` as much as ``belief`` rows would.
    """

    rows: Floats
    usual: float
    belief: float = 2.0

    def width(self, beta: Floats, covariance: Floats, before: float) -> float:
        """Return the width that explains the rows: MacKay's step from the one before."""
        size = len(self.rows)
        if not size:
            return self.usual
        unsure = float(np.einsum("rp,pq,rq->", self.rows, covariance, self.rows))
        known = max(size - unsure / before**2, 0.0)
        seen = float(((self.rows @ beta) ** 2).sum())
        square = (seen + self.belief * self.usual**2) / (known + self.belief)
        return float(max(square**0.5, NARROWEST))


@dataclass(frozen=True)
class Peak:
    """Where the posterior is highest: ``beta`` P, ``covariance`` P x P, a width for each pool."""

    beta: Floats
    covariance: Floats
    widths: tuple[float, ...]


def climb(
    look: Look, *, start: Floats, pools: Sequence[Pool], rounds: int = ROUNDS, tolerance: float
) -> Peak:
    """Find the posterior's peak and the pools' widths together, by damped Newton steps.

    >>> seen = np.array([1.0, 3.0])
    >>> def look(beta):
    ...     return -((seen - beta) ** 2).sum() / 2, seen - beta, np.eye(2)
    >>> peak = climb(look, start=np.zeros(2), pools=[Pool(np.eye(2), 1.0, belief=1e9)],
    ...              tolerance=1e-9)
    >>> peak.beta.round(3).tolist()  # half-way to nought, where both are believed alike
    [0.5, 1.5]
    """
    beta, here = start, look(start)
    widths = [pool.usual for pool in pools]
    covariance: Floats = np.zeros((len(beta), len(beta)))
    for _ in range(rounds):
        held = _precision(pools, widths, size=len(beta))
        moved, here, covariance = _step(look, beta, here, held=held)
        wider = [
            pool.width(moved, covariance, width) for pool, width in zip(pools, widths, strict=True)
        ]
        change = np.abs(moved - beta).max(initial=0.0)
        change = max(change, *(abs(a - b) for a, b in zip(wider, widths, strict=True)), 0.0)
        beta, widths = moved, wider
        if change < tolerance:
            break
    return Peak(beta, covariance, tuple(widths))


def _precision(pools: Sequence[Pool], widths: Sequence[float], *, size: int) -> Floats:
    held: Floats = np.zeros((size, size))
    for pool, width in zip(pools, widths, strict=True):
        held += pool.rows.T @ pool.rows / width**2
    return held


def _step(
    look: Look, beta: Floats, here: tuple[float, Floats, Floats], *, held: Floats
) -> tuple[Floats, tuple[float, Floats, Floats], Floats]:
    """Take one Newton step that does not go down; return where, what is seen there, covariance."""
    value, slope, curve = here
    height = value - float(beta @ held @ beta) / 2
    uphill = slope - held @ beta
    damping = 0.0
    for _ in range(40):
        try:
            factor = cho_factor(curve + held + damping * np.eye(len(beta)))
        except np.linalg.LinAlgError:
            damping = max(4 * damping, 1e-3 * float(np.abs(np.diag(curve + held)).max()))
            continue
        moved = beta + cho_solve(factor, uphill)
        there = look(moved)
        if there[0] - float(moved @ held @ moved) / 2 >= height - 1e-9 * (1 + abs(height)):
            return moved, there, np.asarray(cho_solve(factor, np.eye(len(beta))))
        damping = max(4 * damping, 1e-3 * float(np.abs(np.diag(curve + held)).max()))
    return beta, here, np.asarray(np.linalg.pinv(curve + held), np.float64)
