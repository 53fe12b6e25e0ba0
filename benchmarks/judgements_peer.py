"""Run in the peers' own environment: choices or ratings in, what other libraries make of them out.

Each line is JSON with ``folder`` (whose ``told.npz`` holds the columns) and ``method``; what is
found is written there as ``found.npz``, and the reply is JSON: CPU seconds.
"""

import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

RESAMPLES = 300


def strengths_of_choix(told: Any) -> dict[str, Any]:
    """Bradley-Terry by Newton-CG; it knows no ties, so that each counts as one win either way."""
    import choix

    pairs = []
    for first, second, outcome in zip(told["first"], told["second"], told["outcome"], strict=True):
        pairs += [(first, second)] * (1 + outcome) + [(second, first)] * (1 - outcome)
    return {"strength": choix.opt_pairwise(int(told["writers"]), pairs, alpha=0.01)}


def strengths_of_evalica(told: Any) -> dict[str, Any]:
    """Bradley-Terry with half ties, and the bootstrap of choices that comes with it."""
    import evalica

    names = [int(one) for one in range(int(told["writers"]))]
    said = {1: evalica.Winner.X, -1: evalica.Winner.Y, 0: evalica.Winner.Draw}
    columns = (told["first"].tolist(), told["second"].tolist())
    winners = [said[int(one)] for one in told["outcome"]]
    found = evalica.bootstrap(
        evalica.bradley_terry,
        *columns,
        winners,
        n_resamples=RESAMPLES,
        bootstrap_method="percentile",
        random_state=0,
    )
    scores = np.log(found.result.scores.reindex(names).to_numpy())
    drawn = np.log(found.distribution.reindex(columns=names).to_numpy())
    drawn -= drawn.mean(axis=1, keepdims=True)
    low, high = np.nanquantile(drawn, [0.025, 0.975], axis=0)
    return {"strength": scores - scores.mean(), "low": low, "high": high}


def qualities_of_girth(told: Any) -> dict[str, Any]:
    """The graded response model with raters as its items and texts as its participants."""
    import girth

    table = np.full((int(told["raters"]), int(told["items"])), girth.INVALID_RESPONSE)
    table[told["rater"], told["item"]] = told["rating"]
    kept = [len(set(row[row > 0])) > 1 for row in table]
    found = girth.grm_mml_eap(girth.tag_missing_data(table[kept], [1, 2, 3, 4, 5]))
    return {"quality": found["Ability"]}


def alpha_of_evalica(told: Any) -> dict[str, Any]:
    """Krippendorff's alpha with the ordinal distance."""
    import evalica
    import pandas as pd

    frame = pd.DataFrame({name: told[name] for name in ("item", "rater", "rating")})
    table = frame.pivot(index="rater", columns="item", values="rating")
    return {"alpha": np.array(evalica.alpha(table, distance="ordinal").alpha)}


METHODS = {
    "choix": strengths_of_choix,
    "evalica": strengths_of_evalica,
    "girth": qualities_of_girth,
    "alpha": alpha_of_evalica,
}


def answer(asked: dict[str, Any]) -> dict[str, Any]:
    """Fit and write what was found."""
    folder = Path(asked["folder"])
    told = dict(np.load(folder / "told.npz"))
    start = time.process_time()
    found = METHODS[asked["method"]](told)
    cpu = time.process_time() - start
    np.savez(folder / "found.npz", **found)
    return {"cpu": cpu}


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)
