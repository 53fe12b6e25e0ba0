"""Ways through a stream for :mod:`benchmarks.continual`: what one found, and regression's."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.continual_streams import Stream
from training.methods.transfer import Transfer, transfer


@dataclass(frozen=True)
class Run:
    """One way through a stream: the accuracy matrix and what it cost."""

    matrix: list[list[float]]
    cpu: float

    @property
    def figures(self) -> Transfer:
        """What the matrix says."""
        return transfer(self.matrix)


def regressions(stream: Stream) -> dict[str, Run]:
    """Fit TF-IDF with logistic regression on everything so far, anew after each language."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    def pipeline() -> Any:
        words = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True)
        return make_pipeline(words, LogisticRegression(C=10.0, max_iter=2000))

    chance = [0.0] * len(stream.languages)
    together, alone, spent = [chance], [chance], [0.0, 0.0]
    for place in range(len(stream.languages)):
        seen = stream.train[: place + 1]
        began = time.process_time()
        one = pipeline().fit(
            [text for part in seen for text in part.texts],
            np.concatenate([part.truth for part in seen]),
        )
        spent[0] += time.process_time() - began
        together.append([float(one.score(part.texts, part.truth)) for part in stream.test])
        began = time.process_time()
        own = pipeline().fit(seen[-1].texts, seen[-1].truth)
        spent[1] += time.process_time() - began
        row = list(alone[-1])
        row[place] = float(own.score(stream.test[place].texts, stream.test[place].truth))
        alone.append(row)
    return {
        "TF-IDF + LR, one for all": Run(together, spent[0]),
        "TF-IDF + LR, one a language": Run(alone, spent[1]),
    }
