"""Shortlist: the few texts of each language that are worth a dear second look.

Several passes of a network, or a language model's surprise, cost as much a text as scoring
does, or many times that. So the pool is cut down first: to some times as many texts as the
quota will ask, either those that are most in doubt, or any, where no doubt is worth anything yet.
"""

from typing import Literal

import numpy as np
import numpy.typing as npt

from learning.methods.acquisition import margin, order_of
from learning.methods.candidates import Pool, candidates
from learning.methods.quotas import allot
from learning.methods.requests import SelectionRequest

WIDTH = 10
LEAST = 100
By = Literal["margin", "lot"]


def shortlist(
    request: SelectionRequest, *, by: By, width: int = WIDTH, least: int = LEAST
) -> tuple[str, ...]:
    """Return the ids of the texts to look at, ``width`` times as many as each language will get.

    Language by language, in order of tag; a language that gets anything has ``least`` texts at
    least, if it has so many. ``by`` margin they are the least certain, by lot any. Like the
    batch, the list is a function of the request, whatever the order of its samples.

    >>> from learning.methods.requests import LanguageState
    >>> request = SelectionRequest(
    ...     item_ids=("a", "b", "c"), language=[0, 0, 0], languages=(LanguageState("wo"),),
    ...     labels=("yes", "no"), logits=[[3, 0], [0.1, 0], [2, 0]], batch=1, seed=1)
    >>> shortlist(request, by="margin", width=2, least=1)
    ('b', 'c')
    """
    pools, _ = candidates(request)
    quotas = allot(
        [pool.standing for pool in pools],
        batch=request.batch,
        policy=request.quota,
        seed=request.seed,
    )
    return tuple(
        pool.id_of(int(text))
        for pool, quota in zip(pools, quotas, strict=True)
        for text in _order(pool, by=by)[: max(width * quota.got, least) if quota.got else 0]
    )


def _order(pool: Pool, *, by: By) -> npt.NDArray[np.intp]:
    if by == "lot":
        return np.argsort(pool.lots("look"), kind="stable")
    return order_of(margin(pool.probabilities), lots=pool.lots("ties"))
