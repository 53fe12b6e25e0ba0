"""Several of many: what logits of labels that do not exclude each other say.

Each of K labels is a question of its own, yes or no; labels are taken as independent given the
text. A set of labels is also one number (:mod:`annotation.methods.composing`).

Shapes: N texts, K labels.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from annotation.methods import composing
from learning.methods.calibration import FittedTemperature, fit_temperatures

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def sigmoid(logits: npt.ArrayLike, *, temperature: float | Floats = 1.0) -> Floats:
    """Turn N x K logits into marginal probabilities, each row divided by its temperature first.

    >>> sigmoid([[0.0, 2.0]], temperature=2.0).round(3).tolist()
    [[0.5, 0.731]]
    """
    scale = np.asarray(temperature, dtype=np.float64)
    if not (np.isfinite(scale).all() and (scale > 0).all()):
        raise ValueError("a temperature must be a positive number")
    values = np.asarray(logits, dtype=np.float64)
    return np.asarray(0.5 + 0.5 * np.tanh(values / (scale[:, None] if scale.ndim else scale) / 2))


def doubtful(logits: npt.ArrayLike) -> Floats:
    """Return N x 2: the logit of each text's most doubtful label, beside nought for its absence.

    As two classes, [z, 0] has the same probabilities as the label has; whatever ranks texts by
    doubt then asks about the label that the network knows least of (Brinker 2006's binary
    minimum: the text whose closest decision is closest).

    >>> doubtful([[3.0, -0.5], [1.0, 2.0]]).tolist()
    [[-0.5, 0.0], [1.0, 0.0]]
    """
    values = np.asarray(logits, dtype=np.float64)
    least = np.abs(values).argmin(axis=1)
    nearest = values[np.arange(len(values)), least]
    return np.stack([nearest, np.zeros_like(nearest)], axis=1)


def doubtful_opinions(probabilities: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return N x T x 2 of N x T x K: of the label that all T passes together doubt most, no and yes.

    >>> doubtful_opinions(np.array([[[0.9, 0.25], [0.7, 0.5]]], np.float32)).tolist()
    [[[0.75, 0.25], [0.5, 0.5]]]
    """
    least = np.abs(probabilities.mean(axis=1) - 0.5).argmin(axis=1)
    yes = np.take_along_axis(probabilities, least[:, None, None], axis=2)
    return np.asarray(np.concatenate([1 - yes, yes], axis=2))


def chosen(probabilities: npt.ArrayLike) -> Ints:
    """Return N numbers of the most probable sets: of all labels more probable than not.

    >>> chosen([[0.9, 0.6], [0.1, 0.2]]).tolist()
    [3, 0]
    """
    return composing.numbers(np.asarray(probabilities, dtype=np.float64) > 0.5)


def joint(probabilities: npt.ArrayLike, *, sets: npt.ArrayLike) -> Floats:
    """Return N probabilities of whole sets, given by their numbers.

    >>> joint([[0.9, 0.5]], sets=[1]).round(2).tolist()
    [0.45]
    """
    p = np.asarray(probabilities, dtype=np.float64)
    there = composing.bits(sets, labels=p.shape[1])
    return np.asarray(np.where(there, p, 1.0 - p).prod(axis=1))


def least_true(probabilities: npt.ArrayLike, *, truth: npt.ArrayLike) -> Floats:
    """Return N: the smallest probability of a label that is right; 1 where none is.

    All right labels are above a threshold exactly if this is.

    >>> least_true([[0.9, 0.5], [0.1, 0.2]], truth=[3, 0]).tolist()
    [0.5, 1.0]
    """
    p = np.asarray(probabilities, dtype=np.float64)
    there = composing.bits(truth, labels=p.shape[1])
    return np.asarray(np.where(there, p, 1.0).min(axis=1))


def nll_of_each(probabilities: npt.ArrayLike, *, truth: npt.ArrayLike) -> Floats:
    """Return N negative log-likelihoods of the whole truth.

    >>> nll_of_each([[1.0, 1.0]], truth=[3]).tolist()
    [0.0]
    """
    p = np.asarray(probabilities, dtype=np.float64)
    there = composing.bits(truth, labels=p.shape[1])
    right = np.clip(np.where(there, p, 1.0 - p), 1e-12, 1.0)
    return np.asarray(np.abs(np.log(right)).sum(axis=1))


def brier_of_each(probabilities: npt.ArrayLike, *, truth: npt.ArrayLike) -> Floats:
    """Return N squared distances, the mean over labels of two classes each: 0 to 2.

    >>> brier_of_each([[0.5, 1.0]], truth=[3]).tolist()
    [0.25]
    """
    p = np.asarray(probabilities, dtype=np.float64)
    there = composing.bits(truth, labels=p.shape[1])
    return np.asarray(2 * ((p - there) ** 2).mean(axis=1))


def counts(said: npt.ArrayLike, *, truth: npt.ArrayLike, labels: int) -> Floats:
    """Return N x K x 3: hits, answers and truths of each label, of which F1 is made.

    >>> counts([1], truth=[3], labels=2)[0].tolist()
    [[1.0, 1.0, 1.0], [0.0, 0.0, 1.0]]
    """
    ours, true = (composing.bits(one, labels=labels).astype(np.float64) for one in (said, truth))
    return np.stack([ours * true, ours, true], axis=2)


def f1_of_each(table: Floats) -> Floats:
    """Return K: the F1 of every label over all texts; NaN where it is neither said nor true.

    >>> f1_of_each(counts([1, 1], truth=[3, 1], labels=2)).tolist()
    [1.0, 0.0]
    """
    hits, said, true = np.asarray(table, dtype=np.float64).sum(axis=0).T
    with np.errstate(invalid="ignore"):
        return np.asarray(2 * hits / (said + true))


def temperatures(
    gold: Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike]],
) -> dict[str, FittedTemperature]:
    """Fit one temperature a language on the likelihood of all labels: n x K logits, n sets.

    A label and its absence are two classes [z, 0], so that what holds of classes holds here.

    >>> rng = np.random.default_rng(0)
    >>> z = rng.standard_normal((900, 3)) * 2
    >>> true = composing.numbers(rng.random(z.shape) < sigmoid(z))
    >>> bool(abs(temperatures({"wo": (3 * z, true)})["wo"].value - 3) < 0.3)
    True
    """
    pairs = {}
    for tag, (logits, truth) in gold.items():
        z = np.asarray(logits, dtype=np.float64)
        there = composing.bits(truth, labels=z.shape[1]) if len(z) else np.zeros((0, 0))
        flat = z.reshape(-1)
        pairs[tag] = (np.stack([np.zeros_like(flat), flat], axis=1), there.reshape(-1).astype(int))
    return fit_temperatures(pairs)
