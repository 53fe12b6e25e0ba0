"""chrF: how alike two texts are by the letters that they share, in any language and script.

Popović 2015 ("chrF: character n-gram F-score for automatic MT evaluation", WMT): n-grams of 1 to 6
characters, blanks left out, recall counting ``beta`` times as much as precision. Precision and recall
are averaged over those orders that both texts are long enough for, as sacreBLEU does, with whose
numbers these are compared in ``benchmarks.generation``. What is counted a text can be summed over
any draw of texts, which is what a bootstrap needs and a library's one number does not give.

Shapes: N texts, six orders; three counts each: n-grams said, n-grams that are right, shared ones.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt

ORDER = 6
BETA = 2.0

Floats = npt.NDArray[np.float64]
Statistic = Callable[[Floats], Floats]


def counts(said: Sequence[str], *, right: Sequence[str]) -> Floats:
    """Return N x 6 x 3 counts of what was said against what is right.

    >>> counts(["ab c"], right=["abd"])[0, :3].tolist()
    [[3.0, 3.0, 2.0], [2.0, 2.0, 1.0], [1.0, 1.0, 0.0]]
    """
    rows = [_counted(one, other) for one, other in zip(said, right, strict=True)]
    return np.array(rows, np.float64).reshape(-1, ORDER, 3)


def chrf(counted: Floats, *, beta: float = BETA) -> Floats:
    """Return chrF between 0 and 1 of counts (... x 6 x 3), a text or a sum of texts each.

    >>> chrf(counts(["Na nga def?", "Na", ""], right=["Na nga def?", "qu", "a"])).tolist()
    [1.0, 0.0, 0.0]
    """
    said, right, shared = np.moveaxis(counted, -1, 0)
    known = (said > 0) & (right > 0)
    orders = np.maximum(known.sum(axis=-1), 1)
    precision = np.where(known, shared / np.maximum(said, 1), 0.0).sum(axis=-1) / orders
    recall = np.where(known, shared / np.maximum(right, 1), 0.0).sum(axis=-1) / orders
    below = beta**2 * precision + recall
    return np.asarray((1 + beta**2) * precision * recall / np.where(below > 0, below, 1.0))


def weighed(counted: Floats) -> Statistic:
    """Return chrF of all texts together as a function of how often each was drawn: B x N to B.

    >>> float(weighed(counts(["ab", "xy"], right=["ab", "ab"]))(np.array([[1.0, 0.0]]))[0])
    1.0
    """
    flat = counted.reshape(len(counted), -1)

    def statistic(weights: Floats) -> Floats:
        return chrf((weights @ flat).reshape(-1, ORDER, 3))

    return statistic


def difference(old: Floats, new: Floats) -> Statistic:
    """Return by how much chrF of all texts together changes, for a resampling of paired texts.

    >>> tables = [counts(said, right=["abc", "abd"]) for said in (["abc", "x"], ["abc", "abd"])]
    >>> bool(difference(*tables)(np.ones((1, 2)))[0] > 0)
    True
    """
    before, after = weighed(old), weighed(new)
    return lambda weights: after(weights) - before(weights)


def disagreement(texts: Sequence[str]) -> float:
    """Return how unlike texts are to one another: the mean of 1 - chrF over all pairs.

    Precision and recall count alike, so that a pair has one number whichever stands first. Fomicheva
    et al. 2020 (arXiv 2005.10608) found the likeness of sampled translations to tell of their
    quality; here what differs is what counts.

    >>> disagreement(["waaw", "waaw", "waaw"]), disagreement(["ab", "xy"]), disagreement(["", ""])
    (0.0, 1.0, 0.0)
    """
    pairs = list(combinations(texts, 2))
    if not pairs:
        return 0.0
    counted = counts([one for one, _ in pairs], right=[other for _, other in pairs])
    same = np.array([one == other for one, other in pairs])
    return float(np.where(same, 0.0, 1.0 - chrf(counted, beta=1.0)).mean())


def _counted(said: str, right: str) -> list[tuple[int, int, int]]:
    found = []
    one, other = ("".join(text.split()) for text in (said, right))
    for order in range(1, ORDER + 1):
        mine, theirs = _ngrams(one, order), _ngrams(other, order)
        shared = sum(min(count, theirs[gram]) for gram, count in mine.items() if gram in theirs)
        # Where nothing that is right is so long, nothing that was said can be held against it.
        found.append((mine.total() if theirs else 0, theirs.total(), shared))
    return found


def _ngrams(text: str, order: int) -> Counter[str]:
    return Counter(text[at : at + order] for at in range(len(text) - order + 1))
