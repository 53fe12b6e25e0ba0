"""Ways through a stream for :mod:`benchmarks.continual`: what one found, and regression's."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.continual_streams import Stream
from training.methods.transfer import Transfer, transfer

# Of regression: on everything so far, anew after each language, or on each language alone.
TOGETHER, ALONE = "TF-IDF + LR, one for all", "TF-IDF + LR, one a language"
REGRESSIONS = (TOGETHER, ALONE)


@dataclass(frozen=True)
class Run:
    """One way through a stream: the accuracy matrix and what it cost."""

    matrix: list[list[float]]
    cpu: float

    @property
    def figures(self) -> Transfer:
        """What the matrix says."""
        return transfer(self.matrix)

    @property
    def told(self) -> dict[str, float]:
        """The figures by name, and the seconds of processor time."""
        return asdict(self.figures) | {"cpu": self.cpu}


def means(runs: Sequence[Run]) -> dict[str, float]:
    """Return the mean of every figure."""
    every = [run.told for run in runs]
    return {figure: float(np.mean([one[figure] for one in every])) for figure in every[0]}


def regression(stream: Stream, name: str) -> Run:
    """Fit TF-IDF with logistic regression after each language."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    matrix, spent = [[0.0] * len(stream.languages)], 0.0
    for place in range(len(stream.languages)):
        seen = stream.train[: place + 1] if name == TOGETHER else stream.train[place : place + 1]
        words = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True)
        fitted: Any = make_pipeline(words, LogisticRegression(C=10.0, max_iter=2000))
        began = time.process_time()
        fitted.fit(
            [text for part in seen for text in part.texts],
            np.concatenate([part.truth for part in seen]),
        )
        spent += time.process_time() - began
        row = list(matrix[-1])
        asked = range(len(row)) if name == TOGETHER else (place,)
        for at in asked:
            row[at] = float(fitted.score(stream.test[at].texts, stream.test[at].truth))
        matrix.append(row)
    return Run(matrix, spent)


def told_of(stream: Stream, found: Mapping[str, Sequence[Run]]) -> dict[str, Any]:
    """Return all figures and matrices, for the file."""
    return {
        "languages": stream.languages,
        "epochs": stream.epochs,
        "runs": {
            name: {
                "mean": _rounded(means(runs)),
                "each seed": [_rounded(run.told) for run in runs],
                "matrices": [np.round(run.matrix, 4).tolist() for run in runs],
            }
            for name, runs in found.items()
        },
    }


def restored(path: Path, stream: Stream) -> dict[str, list[Run]]:
    """Return the runs of a stream that a file holds, if they were learned as they would be now."""
    streams = json.loads(path.read_text())["streams"] if path.exists() else {}
    kept = streams.get(stream.name, {})
    if kept.get("epochs") != stream.epochs or kept["languages"] != list(stream.languages):
        return {}
    return {
        name: [
            Run(matrix, told["cpu"])
            for matrix, told in zip(runs["matrices"], runs["each seed"], strict=True)
        ]
        for name, runs in kept["runs"].items()
    }


def _rounded(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in figures.items()}
