"""Verdicts on counts, by the product's own tests, for ``python -m benchmarks.gate``."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from training.methods.paired import harm_p, holm, tango_z

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

MARGIN = 0.03
LANGUAGES = 12
LOOKS = 3


def of_tables(measure: Callable[[int, int], float], fixed: Floats, broken: Floats) -> Floats:
    """Ask the product's own function about every table, each different one once."""
    pairs = np.stack([fixed, broken], axis=-1).astype(np.int64).reshape(-1, 2)
    tables, place = np.unique(pairs, axis=0, return_inverse=True)
    told = np.array([measure(int(up), int(down)) for up, down in tables])
    return np.asarray(told[place.reshape(-1)].reshape(fixed.shape))


def shown(fixed: Floats, broken: Floats, items: int, *, margin: float, alpha: float) -> Bools:
    """Where the product's test of Tango shows that no more than the margin was lost."""

    def z(up: int, down: int) -> float:
        return tango_z(up, broken=down, items=items, margin=margin)

    return np.asarray(of_tables(z, fixed, broken) > norm.ppf(1 - alpha))


def harm(fixed: Floats, broken: Floats) -> Floats:
    """The product's exact one-sided McNemar."""
    return of_tables(lambda up, down: harm_p(up, broken=down), fixed, broken)


def verdicts(fixed: Floats, broken: Floats, items: int, *, alpha: float) -> tuple[Bools, Bools]:
    """Return who passes harm and non-inferiority, and who is blocked."""
    blocked = np.array([min(holm(row)) < alpha for row in harm(fixed, broken).tolist()])
    passed = shown(fixed, broken, items, margin=MARGIN, alpha=alpha).all(axis=1)
    return passed & ~blocked, blocked
