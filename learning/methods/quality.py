"""Quality: a head that learns what people's ratings of texts would be.

A mean grade (:mod:`annotation.methods.ratings`) lies between two whole ones and becomes their mixture, which
any network with a label a grade learns as it learns labels: source and output are a pair of texts,
and the starter and every encoder read pairs. What it then says of a text nobody rated is the mean of
the grades by their probabilities. A campaign's own network is such a head: it learns the grades that
people agreed on, with how sure they are, chooses what they see next by its doubt, and grades what a
generator writes (:mod:`learning.actions.grading`).

Shapes: N texts, K grades from 1.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

GRADES = 5


def targets_of(means: npt.ArrayLike, *, grades: int = GRADES) -> Floats:
    """Return mean grades (N) as shares of the two whole grades around each (N x K).

    >>> targets_of([1.0, 3.25])[:, :4].tolist()
    [[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.75, 0.25]]
    """
    told = np.asarray(means, np.float64)
    if told.size and not (told.min() >= 1 and told.max() <= grades):
        row = int(np.argmax((told < 1) | (told > grades) | np.isnan(told)))
        raise ValueError(
            f"Row {row}: {told[row]} is no grade. Give means from 1 to {grades}, and leave out what"
            " nobody rated."
        )
    away = np.abs(told[:, None] - np.arange(1, grades + 1)[None, :])
    return np.asarray(np.maximum(1.0 - away, 0.0))


def mean_grades(probabilities: npt.ArrayLike) -> Floats:
    """Return the mean grade (N) that probabilities of grades (N x K) tell.

    >>> mean_grades(targets_of([2.0, 4.5])).tolist()
    [2.0, 4.5]
    """
    told = np.asarray(probabilities, np.float64)
    return np.asarray(told @ np.arange(1, told.shape[1] + 1))
