"""Run in the peers' own environment: answers in, what crowd-kit makes of them out.

Each line is JSON with ``folder`` (whose ``answers.npz`` holds ``item``, ``person``, ``label`` and
``known``, -1 where nothing is), ``method`` and ``labels``. ``posterior.npy`` (N x K) is written
there, and ``says.npy`` (M x K x K: true label, answer) where the method knows how people answer; the
reply is JSON: CPU seconds, and the rounds where the method has them.
"""

import json
import sys
import time
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np


def aggregate(asked: dict[str, Any]) -> dict[str, Any]:
    """Fit and write the posterior."""
    import pandas as pd
    from crowdkit.aggregation import MACE, DawidSkene, MajorityVote

    folder = Path(asked["folder"])
    told = np.load(folder / "answers.npz")
    frame = pd.DataFrame({"task": told["item"], "worker": told["person"], "label": told["label"]})
    known = told["known"]
    at = np.flatnonzero(known >= 0)
    gold = pd.Series(known[at], index=at) if len(at) else None
    # Every restart of crowd-kit's MACE begins from the same seed, so that one gives the bits of its
    # ten, in a tenth of the time; nothing else of any peer is other than its default.
    ways = {
        "majority": MajorityVote,
        "Dawid-Skene": DawidSkene,
        "MACE": partial(MACE, n_restarts=1),
    }
    made = ways[asked["method"]]()
    start = time.process_time()
    if asked["method"] == "Dawid-Skene":
        found = made.fit_predict_proba(frame, gold)
    else:
        found = made.fit_predict_proba(frame)
    cpu = time.process_time() - start
    found = found.reindex(index=range(len(known)), columns=range(asked["labels"]))
    empty = found.isna().all(axis=1)
    posterior = found.fillna(0.0).to_numpy(copy=True)
    posterior[empty.to_numpy()] = 1.0 / asked["labels"]
    np.save(folder / "posterior.npy", posterior)
    says = _says(made, people=int(told["person"].max()) + 1, labels=asked["labels"])
    if says is not None:
        np.save(folder / "says.npy", says)
    return {"cpu": cpu, "rounds": len(getattr(made, "loss_history_", []))}


def _says(made: Any, *, people: int, labels: int) -> Any:
    """Return how people answer, M x K x K, in the terms of each method."""
    if hasattr(made, "errors_"):
        rows = made.errors_.unstack("worker").stack("worker", future_stack=True)
        says = np.full((people, labels, labels), np.nan)
        for (answer, person), row in rows.iterrows():
            says[int(person), [int(true) for true in row.index], int(answer)] = row.to_numpy()
        return says
    if hasattr(made, "spamming_"):
        # A share of what somebody says is habit whatever the text; the rest is right.
        habit = made.spamming_[:, 0, None, None] * made.thetas_[:, None, :]
        return habit + made.spamming_[:, 1, None, None] * np.eye(made.thetas_.shape[1])[None]
    return None


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    for line in sys.stdin:
        print(json.dumps(aggregate(json.loads(line))), flush=True)
