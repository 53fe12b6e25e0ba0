"""Drift: has somebody who was reliable begun to answer otherwise?

Two charts and a memory. On hidden gold, Page's cumulative sum of log likelihood ratios
(1954, *Continuous inspection schemes*, Biometrika 41; for right and wrong answers: Reynolds and
Stoumbos 1999, J Qual Technol 31). Gold is rare, so a second chart watches every answer that
others gave to the same item: how surprising is it, from what the others said and from how this
person used to answer? And what was seen long ago counts for less each week. An alarm is a
reason to write a private note and to offer a refresher, never a verdict on a person.

Shapes: A answers, K classes, W weeks.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.linalg import spsolve

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

GOLD_LIMIT = 3.0
SURPRISE_LIMIT = 12.0
SLACK = 0.25
LARGEST = 4.0
FORGETTING = 0.98
DIAGONAL = 0.8
STRENGTH = 6.0


@dataclass(frozen=True)
class Chart:
    """A one-sided cumulative sum, which is all that need be stored of what came before.

    ``alarmed`` stays until the chart is begun anew, after whatever was done about it.
    """

    level: float = 0.0
    seen: int = 0
    alarmed: bool = False

    def after(self, step: float, *, limit: float) -> "Chart":
        """Return the chart after one more answer: S' = max(0, S + step), alarm at the limit.

        >>> chart = Chart()
        >>> for right in (False, True, False, False, False, False):
        ...     chart = chart.after(gold_step(right), limit=3.0)
        >>> round(chart.level, 2), chart.seen, chart.alarmed
        (3.97, 6, True)
        """
        level = max(0.0, self.level + step)
        # Sums of the same steps in another order differ in their last digits.
        return Chart(level, self.seen + 1, self.alarmed or level >= limit - 1e-9)


def gold_step(right: bool, *, good: float = 0.85, bad: float = 0.65) -> float:
    """Return log P(answer | bad) / P(answer | good) of one answer to hidden gold.

    >>> round(gold_step(True), 3), round(gold_step(False), 3)
    (-0.268, 0.847)
    """
    if not 0 < bad < good < 1:
        raise ValueError("bad must be less than good, and both between 0 and 1")
    return math.log(bad / good) if right else math.log((1 - bad) / (1 - good))


def run_length(
    accuracy: float, *, limit: float = GOLD_LIMIT, good: float = 0.85, bad: float = 0.65
) -> float:
    """Return how many gold items it takes on average until the alarm, from a fresh chart.

    With nothing wrong that is the time between false alarms, otherwise the delay of detection.
    The levels that can be reached, to four digits, are a Markov chain, whose mean time to
    absorption is solved for (Brook and Evans 1972, Biometrika 59).

    >>> round(run_length(0.85, limit=2)), round(run_length(0.65, limit=2))
    (74, 12)
    """
    steps = (
        (gold_step(True, good=good, bad=bad), accuracy),
        (
            gold_step(False, good=good, bad=bad),
            1 - accuracy,
        ),
    )
    number = {0.0: 0}
    waiting = [0.0]
    moves: list[tuple[int, int, float]] = []
    while waiting:
        level = waiting.pop()
        for step, chance in steps:
            then = round(max(0.0, level + step), 4)
            if then >= limit - 1e-9:
                continue
            if then not in number:
                number[then] = len(number)
                waiting.append(then)
            moves.append((number[level], number[then], chance))
    size = len(number)
    start, end, chances = zip(*moves, strict=True) if moves else ((), (), ())
    stay = sparse.csc_matrix((chances, (start, end)), shape=(size, size))
    lengths = spsolve(sparse.identity(size, format="csc") - stay, np.ones(size))
    return float(lengths[0])


def without(posterior: Floats, *, confusion: Floats, label: Ints) -> Floats:
    """Return what all others alone say of an item, A x K: q_t / pi[t, y], made to sum to 1.

    ``posterior`` (A x K) is of the answers' items, from people only; ``confusion`` (A x K x K,
    true class by answer) is of the person who gave ``label`` (A), as the posterior used it.

    >>> pi = np.array([[[0.8, 0.2], [0.2, 0.8]]])
    >>> without(np.array([[0.8, 0.2]]), confusion=pi, label=np.array([0])).tolist()
    [[0.5, 0.5]]
    """
    said = confusion[np.arange(len(label)), :, label]
    rest = posterior / np.clip(said, 1e-12, None)
    return np.asarray(rest / rest.sum(axis=1, keepdims=True))


def surprise(others: Floats, *, confusion: Floats, label: Ints) -> Floats:
    """Return A standardised surprises: mean 0 and variance 1 while a person answers as ever.

    An answer's surprise is -log p_y with p_y = sum_t q_t pi[t, y]; its mean is p's entropy.
    ``others`` is from `without`; ``confusion`` must come from earlier answers than these, or
    it would learn the drift that it ought to notice. A single answer counts at most 4, so that
    one slip of the finger raises no alarm.

    >>> pi = np.array([[[0.9, 0.1], [0.1, 0.9]]] * 2)
    >>> sure = np.array([[1.0, 0.0]] * 2)
    >>> surprise(sure, confusion=pi, label=np.array([0, 1])).round(2).tolist()
    [-0.33, 3.0]
    """
    expected = np.clip(np.einsum("at,aty->ay", others, confusion), 1e-12, 1.0)
    each = -np.log(expected)
    mean = (expected * each).sum(axis=1)
    spread = np.sqrt((expected * (each - mean[:, None]) ** 2).sum(axis=1))
    found = each[np.arange(len(label)), label] - mean
    # Where every answer is as likely as any other, none says anything.
    telling = spread > 1e-9
    return np.asarray(
        np.minimum(np.where(telling, found / np.where(telling, spread, 1.0), 0.0), LARGEST)
    )


def surprise_step(standardised: float, *, slack: float = SLACK) -> float:
    """Return what a standardised surprise adds to its chart: what exceeds the slack.

    >>> surprise_step(3.0), surprise_step(-0.25)
    (2.75, -0.5)
    """
    return standardised - slack


def memory(days: Floats, *, factor: float = FORGETTING) -> Floats:
    """Return how much answers of an age in days still count: .98 to the number of whole weeks.

    Whole weeks, so that nothing is estimated anew because a night has passed.

    >>> memory(np.array([0.0, 6.9, 7.0, 365.0])).round(3).tolist()
    [1.0, 1.0, 0.98, 0.35]
    """
    if not 0 < factor <= 1:
        raise ValueError("the factor must be more than 0 and at most 1")
    weeks = np.floor(np.maximum(np.asarray(days, float), 0.0) / 7)
    return np.asarray(factor**weeks)


def habit(counts: Floats, *, days: Floats, factor: float = FORGETTING) -> Floats:
    """Return how somebody is expected to answer, K x K, from W counts (W x K x K) of so many days ago.

    Before any answer that is right in 80 %, held as firmly as six answers a label would show it.
    Only counts from before an answer may be used for it: what has changed must not excuse itself.

    >>> habit(np.zeros((0, 2, 2)), days=np.array([])).round(2).tolist()
    [[0.8, 0.2], [0.2, 0.8]]
    >>> habit(np.array([[[94.0, 0.0], [0.0, 0.0]]]), days=np.array([0.0])).round(3).tolist()
    [[0.988, 0.012], [0.2, 0.8]]
    """
    labels = counts.shape[-1]
    expected = np.full((labels, labels), (1 - DIAGONAL) / max(labels - 1, 1))
    np.fill_diagonal(expected, DIAGONAL)
    seen = np.einsum("w,wty->ty", memory(days, factor=factor), counts)
    total = STRENGTH * expected + seen
    return np.asarray(total / total.sum(axis=1, keepdims=True))


def counted(others: Floats, *, confusion: Floats, label: Ints) -> Floats:
    """Return how often a person said what where what was true, K x K, from A answers.

    What is true is weighed by what others say (A x K) and by how this person is expected to
    answer (K x K): q_t pi[t, y], made to sum to 1, the E-step of Dawid and Skene. Weighed by
    others alone, their doubt would be counted as this person's mistakes, and somebody blurred
    so far surprises nobody any more.

    >>> pi = np.array([[0.9, 0.1], [0.1, 0.9]])
    >>> counted(np.array([[0.9, 0.1]]), confusion=pi, label=np.array([0])).round(3).tolist()
    [[0.988, 0.0], [0.012, 0.0]]
    """
    both = others * confusion[:, label].T
    both = both / np.clip(both.sum(axis=1, keepdims=True), 1e-12, None)
    return np.asarray(np.einsum("at,ay->ty", both, np.eye(len(confusion))[label]))


def faded(counts: Floats, *, factor: float = FORGETTING) -> Floats:
    """Return what W weeks of counts (W x K x K, the newest last) still amount to, K x K.

    N <- factor N + n each week, which never keeps more than 1 / (1 - factor) weeks' worth.

    >>> faded(np.array([[[10.0]], [[0.0]], [[10.0]]])).round(3).tolist()
    [[19.604]]
    """
    ages: Floats = np.arange(len(counts) - 1, -1, -1) * np.float64(7.0)
    return np.asarray(np.einsum("w,wty->ty", memory(ages, factor=factor), counts))
