"""Run in the peers' own environment: a line in, a peer's picks out.

Each line is JSON with ``strategy``, ``folder``, ``count`` and ``seed``; the folder holds
``embeddings`` (N x d), ``probabilities`` (N x K), ``labelled`` and ``unlabelled`` (positions) and
``classes`` (of the labelled) as NumPy files. The answer is a JSON list of positions. Neither
peer knows languages, so each gets the whole pool, as it would in their users' hands.
"""

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np


class _Known:
    """A classifier that has answered already: its input is the row's number."""

    def __init__(self, given: dict[str, Any]) -> None:
        self._given = given

    def predict_proba(self, dataset: Any) -> Any:
        """Look the rows up."""
        return self._given["probabilities"][self._rows(dataset)]

    def embed(self, dataset: Any, *, return_proba: bool, pbar: Any) -> Any:
        """Look both up."""
        return self._given["embeddings"][self._rows(dataset)], self.predict_proba(dataset)

    @staticmethod
    def _rows(dataset: Any) -> Any:
        return np.asarray(dataset.x.todense()).ravel().astype(int) - 1


def small_text(name: str, given: dict[str, Any], *, count: int) -> Any:
    """Ask small-text."""
    from scipy.sparse import csr_matrix
    from small_text import query_strategies
    from small_text.data import SklearnDataset

    numbers = csr_matrix(np.arange(1, len(given["embeddings"]) + 1, dtype=float)[:, None])
    labels = np.zeros(len(given["embeddings"]), dtype=int)
    labels[: given["probabilities"].shape[1]] = np.arange(given["probabilities"].shape[1])
    dataset = SklearnDataset(numbers, labels)
    return getattr(query_strategies, name)().query(
        _Known(given),
        dataset,
        given["unlabelled"],
        given["labelled"],
        given["classes"],
        n=count,
    )


def skactiveml(name: str, given: dict[str, Any], *, count: int, seed: int) -> Any:
    """Ask scikit-activeml."""
    from skactiveml import pool

    free = given["unlabelled"]
    if name == "margin":
        doubt = pool.uncertainty_scores(given["probabilities"][free], method="margin_sampling")
        return free[np.argsort(-doubt, kind="stable")[:count]]
    known = np.full(len(given["embeddings"]), np.nan)
    known[given["labelled"]] = given["classes"]
    strategy = getattr(pool, name)(random_state=seed)
    return strategy.query(given["embeddings"], known, batch_size=count)


def main() -> None:
    """Answer until nobody asks."""
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        asked = json.loads(line)
        folder = Path(asked["folder"])
        given = {path.stem: np.load(path) for path in folder.glob("*.npy")}
        library, name = asked["strategy"].split(" ")
        np.random.seed(asked["seed"])  # noqa: NPY002 - what small-text draws from
        if library == "small-text":
            picks = small_text(name, given, count=asked["count"])
        else:
            picks = skactiveml(name, given, count=asked["count"], seed=asked["seed"])
        print(json.dumps([int(pick) for pick in picks]), flush=True)


if __name__ == "__main__":
    main()
