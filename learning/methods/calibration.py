"""Calibration: one temperature a language, shrunk towards what languages have in common.

log T of a language is drawn from N(mu, tau^2); mu and tau come from all languages together
(empirical Bayes, Laplace's approximation), so a language with ten gold items borrows from the
others and one with a thousand stands on its own. Fit on gold only: on labels that were
aggregated from answers or models, the temperature that is found is another one.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from learning.methods.metrics import adaptive_ece
from learning.methods.probabilities import softmax

__all__ = ["FittedTemperature", "adaptive_ece", "fit_temperatures", "softmax"]

Floats = npt.NDArray[np.float64]
BOUNDS = (float(np.log(0.05)), float(np.log(20.0)))
# One language says nothing about how languages differ: mu is weakly drawn to 0 (T = 1) and tau
# to 0.3, each with the weight of a single language.
MU_SPREAD = 1.0
TAU_GUESS = 0.3


@dataclass(frozen=True)
class FittedTemperature:
    """A temperature, its approximate 95 % interval, and how many gold items it rests on."""

    value: float
    low: float
    high: float
    gold: int


@dataclass(frozen=True)
class _Peak:
    """Where a language's posterior of log T is highest, and how wide it is there."""

    at: float
    variance: float


def fit_temperatures(
    gold: Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike]], *, rounds: int = 30
) -> dict[str, FittedTemperature]:
    """Fit from each language's (n x K logits, n true positions); n may be 0.

    >>> rng = np.random.default_rng(0)
    >>> z = rng.standard_normal((2000, 3)) * 2
    >>> y = (z + rng.gumbel(size=z.shape)).argmax(axis=1)
    >>> fitted = fit_temperatures({"wo": (3 * z, y), "qu": (3 * z[:5], y[:5]), "aa": ([], [])})
    >>> bool(abs(fitted["wo"].value - 3) < 0.2), fitted["wo"].gold, fitted["aa"].gold
    (True, 2000, 0)
    """
    languages = {tag: _arrays(*gold[tag]) for tag in sorted(gold)}
    if not languages:
        return {}
    mu, tau2 = 0.0, 1.0
    peaks: dict[str, _Peak] = {}
    for _ in range(rounds):
        peaks = {tag: _peak(z, y, mu=mu, tau2=tau2) for tag, (z, y) in languages.items()}
        before = (mu, tau2)
        mu, tau2 = _update(list(peaks.values()), tau2=tau2)
        if max(abs(mu - before[0]), abs(tau2 - before[1])) < 1e-5:
            break
    return {tag: _fitted(peak, gold=len(languages[tag][1])) for tag, peak in peaks.items()}


def _arrays(logits: npt.ArrayLike, truth: npt.ArrayLike) -> tuple[Floats, npt.NDArray[np.int64]]:
    z, y = np.asarray(logits, dtype=np.float64), np.asarray(truth, dtype=np.int64)
    if len(z) != len(y):
        raise ValueError("every row of logits needs its true position")
    if not np.isfinite(z).all():
        raise ValueError("a temperature cannot be fitted on logits that are not finite")
    return z.reshape(len(y), -1) if len(y) else z.reshape(0, 1), y


def _peak(z: Floats, y: npt.NDArray[np.int64], *, mu: float, tau2: float) -> _Peak:
    if not len(y):
        return _Peak(mu, tau2)
    from scipy.optimize import minimize_scalar  # heavy, and the web never fits

    truth = z[np.arange(len(y)), y]

    def loss(theta: float) -> float:
        scaled = z * np.exp(-theta)
        top = scaled.max(axis=1)
        total = top + np.log(np.exp(scaled - top[:, None]).sum(axis=1))
        fit = (total - truth * np.exp(-theta)).sum()
        return float(fit + (theta - mu) ** 2 / (2 * tau2))

    best = float(minimize_scalar(loss, bounds=BOUNDS, method="bounded").x)
    step = 1e-3
    bend = (loss(best + step) - 2 * loss(best) + loss(best - step)) / step**2
    return _Peak(best, 1.0 / max(bend, 1.0 / tau2 * 0.5))


def _update(peaks: list[_Peak], *, tau2: float) -> tuple[float, float]:
    """Return mu and tau^2 anew; languages that know little weigh little."""
    at = np.array([peak.at for peak in peaks])
    variance = np.array([peak.variance for peak in peaks])
    count = len(peaks)
    mu = float(at.sum() / tau2 / (count / tau2 + 1.0 / MU_SPREAD**2))
    spread = ((at - mu) ** 2 + variance).sum()
    return mu, float((spread + TAU_GUESS**2) / (count + 1))


def _fitted(peak: _Peak, *, gold: int) -> FittedTemperature:
    half = 1.96 * float(np.sqrt(peak.variance))
    low, value, high = np.exp([peak.at - half, peak.at, peak.at + half]).tolist()
    return FittedTemperature(value, low, high, gold)
