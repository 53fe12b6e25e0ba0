"""Vector scaling: a scale and a shift for each label, where a language has gold enough for it.

A temperature cannot mend a network that is sure of one label and shy of another. Vector scaling
(Guo et al. 2017) can, with 2 K numbers instead of one: so only from 20 K gold items on, drawn by
a Gaussian prior towards the language's temperature, and only if it does better on gold that it
has not seen, by more than one standard error (Breiman et al. 1984): the simpler one wins ties.
It can change which label is best; a temperature never does.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

GOLD_PER_LABEL = 20
FOLDS = 5
# Prior spread of the scales relative to 1 / T, and of the shifts in logits.
SCALE_SPREAD = 0.5
SHIFT_SPREAD = 1.0


@dataclass(frozen=True)
class Scaling:
    """Calibrated logits are ``scale * z + shift``; ``kind`` is temperature or vector.

    ``gain`` is how much lower the mean negative log-likelihood of the vector was on gold that it
    had not seen, ``error`` its standard error; both None where it was not tried.
    """

    kind: str
    scale: tuple[float, ...]
    shift: tuple[float, ...]
    gain: float | None = None
    error: float | None = None

    def apply(self, logits: npt.ArrayLike) -> Floats:
        """Return N x K calibrated logits.

        >>> Scaling("vector", (0.5, 1.0), (0.0, 1.0)).apply([[2.0, 1.0]]).tolist()
        [[1.0, 2.0]]
        """
        z = np.asarray(logits, dtype=np.float64)
        return np.asarray(z * np.array(self.scale) + np.array(self.shift))


def choose_scaling(
    logits: npt.ArrayLike,
    *,
    truth: npt.ArrayLike,
    temperature: float,
    rng: np.random.Generator,
) -> Scaling:
    """Return the temperature as it is, or a vector where that is shown to be better.

    >>> rng = np.random.default_rng(0)
    >>> z = rng.standard_normal((600, 3)) * 2
    >>> y = (z + rng.gumbel(size=z.shape)).argmax(axis=1)
    >>> choose_scaling(z, truth=y, temperature=1.0, rng=rng).kind
    'temperature'
    >>> choose_scaling(z + [2, 0, 0], truth=y, temperature=1.0, rng=rng).kind
    'vector'
    """
    z, y = np.asarray(logits, dtype=np.float64), np.asarray(truth, dtype=np.int64)
    labels = z.shape[1] if z.ndim == 2 else 0
    plain = (1.0 / temperature,) * labels
    simple = Scaling("temperature", plain, (0.0,) * labels)
    if labels < 2 or len(y) < GOLD_PER_LABEL * labels:
        return simple
    better = _held_out(z, y, temperature=temperature, rng=rng)
    gain = float(better.mean())
    error = float(better.std(ddof=1) / np.sqrt(len(better)))
    if gain <= error:
        return Scaling("temperature", simple.scale, simple.shift, gain, error)
    scale, shift = fit_vector(z, truth=y, temperature=temperature)
    return Scaling("vector", tuple(scale.tolist()), tuple(shift.tolist()), gain, error)


def fit_vector(logits: Floats, *, truth: Ints, temperature: float) -> tuple[Floats, Floats]:
    """Return K scales and K shifts at the peak of the posterior."""
    labels = logits.shape[1]
    told = np.eye(labels)[truth]

    def loss(theta: Floats) -> tuple[float, Floats]:
        a, b = theta[:labels], theta[labels:]
        s = logits * a + b
        s = s - s.max(axis=1, keepdims=True)
        total = np.log(np.exp(s).sum(axis=1))
        slope = np.exp(s - total[:, None]) - told
        away, shift = (a * temperature - 1.0) / SCALE_SPREAD, b / SHIFT_SPREAD
        value = float((total - s[np.arange(len(truth)), truth]).sum())
        value += 0.5 * float(away @ away + shift @ shift)
        return value, np.concatenate(
            [
                (slope * logits).sum(axis=0) + away * temperature / SCALE_SPREAD,
                slope.sum(axis=0) + shift / SHIFT_SPREAD,
            ]
        )

    start = np.concatenate([np.full(labels, 1.0 / temperature), np.zeros(labels)])
    found = minimize(loss, start, jac=True, method="L-BFGS-B").x
    return found[:labels], found[labels:]


def _held_out(z: Floats, y: Ints, *, temperature: float, rng: np.random.Generator) -> Floats:
    """Return N differences of negative log-likelihood, temperature less vector, out of fold."""
    fold = rng.permutation(len(y)) % FOLDS
    better = np.empty(len(y))
    for number in range(FOLDS):
        out = fold == number
        a, b = fit_vector(z[~out], truth=y[~out], temperature=temperature)
        better[out] = _losses(z[out] / temperature, y[out]) - _losses(z[out] * a + b, y[out])
    return better


def _losses(z: Floats, y: Ints) -> Floats:
    s = z - z.max(axis=1, keepdims=True)
    return np.asarray(np.log(np.exp(s).sum(axis=1)) - s[np.arange(len(y)), y])
