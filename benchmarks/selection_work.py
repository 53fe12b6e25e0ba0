"""One measurement of one library in a process of its own; see :mod:`benchmarks.selection`.

Called with JSON: ``library``, ``strategy``, ``folder``, ``count``, ``seed`` and perhaps ``cap_gb``.
Says in JSON what was picked, the CPU seconds (user and system), and the peak of resident memory
above what was there with the data loaded. Each library sees the same arrays, and none gets a
classifier to run: probabilities are given.
"""

import json
import resource
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Work = Callable[[], Any]
WARM = 64


class Data:
    """The arrays of a case: a pool in which the labelled lie scattered."""

    def __init__(self, folder: Path, *, count: int, seed: int) -> None:
        self.folder, self.count, self.seed = folder, count, seed

    def load(self, name: str) -> Any:
        """Read an array into memory."""
        return np.load(self.folder / f"{name}.npy")

    def split(self) -> tuple[Any, Any, Any]:
        """Return the rows to choose from, the labelled rows, and where the former were."""
        rows, labelled = self.load("embeddings"), self.load("labelled")
        free = np.setdiff1d(np.arange(len(rows)), labelled)
        return rows[free], rows[labelled], free


def ours(strategy: str, data: Data) -> Work:
    """Prepare one of our own strategies."""
    from learning.methods.coldstart import typiclust
    from learning.methods.diversity import k_center
    from learning.methods.seeding import badge
    from learning.methods.streaming import blocks, file_blocks, top_k

    if strategy == "margin":
        probabilities = data.load("probabilities")
        return lambda: top_k(blocks(probabilities), count=data.count)[0]
    if strategy == "margin from disk":
        path = data.folder / "probabilities.f32"
        return lambda: top_k(file_blocks(path, columns=3), count=data.count)[0]
    pool, known, free = data.split()
    rng = np.random.default_rng(data.seed)
    if strategy == "k-center":
        return lambda: free[k_center(pool, known=known, count=data.count)]
    if strategy == "TypiClust":
        return lambda: free[typiclust(pool, known=known, count=data.count, rng=rng)]
    if strategy == "BADGE":
        chances = data.load("probabilities")[free]
        return lambda: free[badge(pool, probabilities=chances, count=data.count, rng=rng)]
    raise ValueError(strategy)


def floor(strategy: str, data: Data) -> Work:
    """Prepare the plain way that is known to be exact, without any idea of ours."""
    if strategy == "margin from disk":
        path = data.folder / "probabilities.f32"
        return lambda: _plain_stream(path, count=data.count)
    pool, _, free = data.split()
    if strategy == "one pass":
        one = pool[0].copy()
        return lambda: (pool @ one).argmin()[None]
    if strategy == "BADGE":
        chances = data.load("probabilities")[free]
        return lambda: free[_plain_badge(pool, chances, count=data.count, seed=data.seed)]
    raise ValueError(strategy)


def _plain_badge(rows: Any, probabilities: Any, *, count: int, seed: int) -> Any:
    """Draw k-means++ in factored gradients, reading the pool for every pick."""
    rng = np.random.default_rng(seed)
    lean = probabilities.copy()
    lean[np.arange(len(lean)), lean.argmax(axis=1)] -= 1
    square = (lean * lean).sum(axis=1) * np.einsum("ij,ij->i", rows, rows)
    picks = [int(square.argmax())]
    nearest = np.full(len(rows), np.inf, dtype=np.float32)
    while len(picks) < count:
        last = picks[-1]
        away = square + square[last] - 2 * (lean @ lean[last]) * (rows @ rows[last])
        np.minimum(nearest, np.maximum(away, 0, out=away), out=nearest)
        nearest[picks] = 0
        sums = np.cumsum(nearest, dtype=np.float64)
        picks.append(int(np.searchsorted(sums, rng.random() * sums[-1])))
    return np.array(picks)


def _plain_stream(path: Path, *, count: int) -> Any:
    """Keep the smallest margins of rows of three, chunk by chunk."""
    best, where, limit, start = np.empty(0, np.float32), np.empty(0, np.int64), np.inf, 0
    with path.open("rb") as file:
        while len(chunk := np.fromfile(file, np.float32, 3 * 65_536)):
            rows = chunk.reshape(-1, 3)
            high = np.maximum(np.maximum(rows[:, 0], rows[:, 1]), rows[:, 2])
            low = np.minimum(np.minimum(rows[:, 0], rows[:, 1]), rows[:, 2])
            margins = high - (rows.sum(axis=1) - high - low)
            fresh = np.flatnonzero(margins < limit)
            if len(fresh):
                best, where = np.r_[best, margins[fresh]], np.r_[where, fresh + start]
                if len(best) > count:
                    kept = np.argpartition(best, count)[:count]
                    best, where = best[kept], where[kept]
                    limit = best.max()
            start += len(rows)
    return where[np.lexsort((where, best))]


def scikit_activeml(strategy: str, data: Data) -> Work:
    """Prepare a strategy of scikit-activeml."""
    from skactiveml import pool
    from skactiveml.base import SkactivemlClassifier

    rows, labelled = data.load("embeddings"), data.load("labelled")
    known = np.full(len(rows), np.nan)
    known[labelled] = np.arange(len(labelled)) % 3
    if strategy != "BADGE":
        query = {"k-center": pool.CoreSet, "TypiClust": pool.TypiClust}[strategy]
        chosen = query(random_state=data.seed)
        return lambda: chosen.query(rows, known, batch_size=data.count)
    probabilities = np.delete(data.load("probabilities"), labelled, axis=0)

    class Given(SkactivemlClassifier):  # type: ignore[misc]
        """A classifier whose answers are there already."""

        def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:  # noqa: N803
            self.classes_ = np.arange(probabilities.shape[1])
            return self

        def predict_proba(self, X: Any) -> Any:  # noqa: N803
            return probabilities

    given = Given(classes=list(range(probabilities.shape[1]))).fit(None, None)
    badge = pool.Badge(random_state=data.seed)
    return lambda: badge.query(rows, known, given, fit_clf=False, batch_size=data.count)


def small_text(strategy: str, data: Data) -> Work:
    """Prepare BADGE of small-text."""
    from small_text.integrations.pytorch.query_strategies import BADGE

    rows, labelled = data.load("embeddings"), data.load("labelled")
    probabilities = data.load("probabilities")

    class Given:
        """A classifier whose answers are there already."""

        def embed(self, dataset: Any, return_proba: bool = False, **_: Any) -> Any:
            return (rows[dataset], probabilities[dataset]) if return_proba else rows[dataset]

        def predict_proba(self, dataset: Any, **_: Any) -> Any:
            return probabilities[dataset]

    everything = np.arange(len(rows))
    free = np.setdiff1d(everything, labelled)
    badge = {"BADGE": BADGE}[strategy](probabilities.shape[1])
    marks = np.arange(len(labelled)) % 3
    return lambda: badge.query(Given(), everything, free, labelled, marks, n=data.count)


def modal(strategy: str, data: Data) -> Work:
    """Prepare margin sampling of modAL."""
    from modAL.uncertainty import margin_sampling

    probabilities = data.load("probabilities")

    class Given:
        """A classifier whose answers are there already."""

        def predict_proba(self, rows: Any, **_: Any) -> Any:
            return probabilities

    sampling = {"margin": margin_sampling}[strategy]
    return lambda: sampling(Given(), probabilities, n_instances=data.count)


LIBRARIES: dict[str, Callable[[str, Data], Work]] = {
    "ours": ours,
    "floor": floor,
    "scikit-activeml": scikit_activeml,
    "small-text": small_text,
    "modAL": modal,
}


def memory(field: str) -> float:
    """Return a line of this process's status in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1000
    return 0.0


def main() -> None:
    """Measure once."""
    warnings.simplefilter("ignore")
    asked = json.loads(sys.argv[1])
    data = Data(Path(asked["folder"]), count=asked["count"], seed=asked["seed"])
    work = LIBRARIES[asked["library"]](asked["strategy"], data)
    few = np.ones((WARM, WARM), dtype=np.float32)
    (few @ few).sum()
    if cap := asked.get("cap_gb"):
        resource.setrlimit(resource.RLIMIT_DATA, (int(cap * 1e9), int(cap * 1e9)))
    Path("/proc/self/clear_refs").write_text("5")
    before, begun = memory("VmRSS"), time.process_time()
    try:
        picks = [int(at) for at in np.asarray(work()).ravel()]
        failed = ""
    except MemoryError as error:
        picks, failed = [], f"MemoryError: {error}"[:200]
    seconds = time.process_time() - begun
    extra = memory("VmHWM") - before
    print(json.dumps({"picks": picks, "cpu": seconds, "extra_mb": extra, "failed": failed}))


if __name__ == "__main__":
    main()
