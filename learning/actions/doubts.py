"""Doubts: what a version says of texts as classes that exclude each other, for what chooses by them.

Strategies, quotas and quality of choices know a row of logits a text. Where answers are sets of
labels, the row is that of the text's most doubtful label: it holds, or it does not.
"""

import numpy as np
import numpy.typing as npt

from annotation.models import Campaign
from annotation.objectives import objective, several
from learning.methods import several as sets

Floats = npt.NDArray[np.float64]

# What the two classes say of a set's most doubtful label.
HOLDING = {"label-in-doubt-not": "the label in doubt not", "label-in-doubt": "the label in doubt"}


def of_sets(campaign: Campaign) -> bool:
    """Whether answers to the campaign's question are sets of labels."""
    return campaign.objective == several.NAME


def as_classes(campaign: Campaign, *, logits: npt.ArrayLike) -> Floats:
    """Return N x C logits of classes that exclude each other."""
    rows = np.asarray(logits, dtype=np.float64)
    if not of_sets(campaign) or not len(rows):
        return rows
    return sets.doubtful(rows)[:, ::-1]


def suggested(campaign: Campaign, *, logits: npt.ArrayLike, keys: tuple[str, ...]) -> list[str]:
    """Return what the version would answer, as labels' keys; of sets the composed ones."""
    rows = np.asarray(logits, dtype=np.float64)
    if not of_sets(campaign):
        return [keys[best] for best in rows.argmax(axis=1)]
    there = sets.sigmoid(rows) > 0.5
    return [
        several.composed([k for k, yes in zip(keys, row, strict=True) if yes])["label"]
        for row in there
    ]


def positions_mean_classes(campaign: Campaign) -> bool:
    """Whether a label's position says all of an answer."""
    return objective(campaign.objective).PLAIN
