"""Reading: how many seconds of a speaker's time a text will take, from answers given so far.

What counts is which texts of a language take longer, not which language: seconds grow with a
power of the length, of which each language has its own. A language with few answers leans on
the others, and all of them together on *every text takes the same time*, so that without any
answer nothing is preferred.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# What the leaning is worth, in squared logarithms of length: about so many answers whose
# lengths differ by a factor of e. For a language it is the others that count so much, for all
# of them together that length does not matter.
LEANING = 20.0
# Longer than so many times the usual time of the language is a page that was left open.
SPREAD = 10.0
STEEPEST = 1.5


@dataclass(frozen=True)
class Reading:
    """Seconds of a text of ``length`` letters: ``seconds * (length / letters) ** power``.

    ``answers`` is on how many it rests.
    """

    power: float = 0.0
    seconds: float = 1.0
    letters: float = 1.0
    answers: int = 0

    def expected(self, lengths: npt.ArrayLike) -> Floats:
        """Return the seconds that N texts of so many letters take.

        >>> Reading(power=0.5, seconds=8.0, letters=100.0).expected([25, 100, 400]).tolist()
        [4.0, 8.0, 16.0]
        """
        relative = np.maximum(np.asarray(lengths, dtype=np.float64), 1.0) / self.letters
        return np.asarray(self.seconds * relative**self.power)


def fit_readings(answers: Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike]]) -> dict[str, Reading]:
    """Fit each language's reading from (lengths, seconds) of its answers: two rows of numbers.

    Least squares of log seconds on log length, with a ridge that pulls a language's power to
    that of all languages together, whose own is pulled to 0 (empirical Bayes with fixed
    leaning; Hoerl & Kennard 1970). Times of 0, and such as are :data:`SPREAD` times longer or
    shorter than the language's median, are no reading times and are left out.

    >>> rng = np.random.default_rng(0)
    >>> lengths = rng.integers(20, 400, 300)
    >>> seconds = 2.0 * lengths**0.7 * rng.lognormal(0.0, 0.3, 300)
    >>> fitted = fit_readings({"wo": (lengths, seconds), "bug": ([], [])})
    >>> round(fitted["wo"].power, 1), round(fitted["bug"].power, 1)
    (0.7, 0.7)
    """
    told = {tag: _logs(*pair) for tag, pair in answers.items()}
    sums = {tag: _sums(x, y) for tag, (x, y) in told.items()}
    every = np.sum(list(sums.values()), axis=0) if sums else np.zeros(2)
    shared = float(every[0] / (every[1] + LEANING))
    found = {}
    for tag, (x, y) in told.items():
        both, squares = sums[tag]
        power = float((both + LEANING * shared) / (squares + LEANING))
        letters, seconds = (float(np.exp(v.mean())) if len(x) else 1.0 for v in (x, y))
        found[tag] = Reading(float(np.clip(power, 0.0, STEEPEST)), seconds, letters, len(x))
    return found


def _logs(lengths: npt.ArrayLike, seconds: npt.ArrayLike) -> tuple[Floats, Floats]:
    x, y = np.asarray(lengths, dtype=np.float64), np.asarray(seconds, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1:
        raise ValueError("every answer needs a length and a time")
    fit = np.isfinite(x) & np.isfinite(y) & (x > 0) & (y > 0)
    x, y = x[fit], y[fit]
    usual = float(np.median(y)) if len(y) else 1.0
    kept = (y <= SPREAD * usual) & (y >= usual / SPREAD)
    return np.log(x[kept]), np.log(y[kept])


def _sums(x: Floats, y: Floats) -> Floats:
    """Return the sum of products and of squares about the language's own means."""
    if not len(x):
        return np.zeros(2)
    apart = x - x.mean()
    return np.array([float(apart @ (y - y.mean())), float(apart @ apart)])
