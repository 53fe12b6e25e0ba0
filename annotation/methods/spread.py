"""Spread: where a question is a matter of opinion, what people say is the label.

Plank (2022) on human label variation: differing answers to a subjective question are no noise to
be removed. A single truth behind them, as Dawid and Skene assume, would make the spread vanish.
"""

import numpy as np

from annotation.methods.aggregation import Answers, Fit, Floats


def spread(answers: Answers, fitted: Fit) -> Floats:
    """Return N x K: shares of the answers, each counted as probably as its author is competent.

    One more vote is the posterior's, so that a single answer is no certainty; known labels stay.

    >>> from annotation.methods.aggregation import fit
    >>> two = Answers(
    ...     item=np.array([0, 0]), person=np.array([0, 1]), label=np.array([0, 1]),
    ...     known=np.array([-1]), people=2, labels=2,
    ... )
    >>> spread(two, fit(two)).round(2).tolist()
    [[0.5, 0.5]]
    """
    votes = fitted.posterior.copy()
    np.add.at(votes, (answers.item, answers.label), fitted.competent[answers.person])
    votes /= votes.sum(axis=1, keepdims=True)
    known = answers.known >= 0
    votes[known] = fitted.posterior[known]
    return np.asarray(votes)
