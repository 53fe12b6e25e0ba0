"""Several of many on BRIGHTER: ``python -m benchmarks.several [DATA] [--quick]``.

Emotions of short texts in Hausa, Sundanese, Tatar and Makhuwa (Muhammad et al. 2025), of which none,
one or several hold. The starter with sigmoid heads, taught by the product's own loop with its own
recipe, beside TF-IDF and one logistic regression a label (scikit-learn's one-vs-rest: characters
within words 1-5 and words 1-2, balanced classes, C chosen by macro-F1 on ``valid``). Both see the same
texts of one language: all of ``train``, or as many as are drawn. The starter sees ``valid`` only where
the product looks at its development gold. Numbers are macro-F1 over labels on ``test``, where each label
is held to hold from one half on.
"""

import argparse
import json
import os
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import numpy.typing as npt
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_union

from annotation.methods import composing
from benchmarks import report
from learning.methods import several
from learning.networks.starter import Starter
from training.methods.loop import Job, Lessons, Recipe, fit

STRENGTHS = (1.0, 10.0, 100.0)
COUNTS: tuple[int | None, ...] = (200, None)
Bits = npt.NDArray[np.bool_]
NOTES = (
    str(__doc__).strip(),
    "Labels that neither occur nor are said in a language's test texts do not count.",
)


@dataclass(frozen=True)
class Part:
    """Texts of one language with their labels, N x K."""

    texts: list[str]
    labels: Bits

    def drawn(self, count: int | None, *, seed: int) -> "Part":
        """Return that many texts, the same for whoever asks; all of them for None."""
        if count is None:
            return self
        order = np.random.default_rng([seed, count]).permutation(len(self.texts))[:count]
        return Part([self.texts[at] for at in order], self.labels[order])


@dataclass(frozen=True)
class Language:
    """What there is of one language."""

    tag: str
    parts: dict[str, Part]


def read(folder: Path) -> tuple[list[Language], list[str]]:
    """Read every language, and the labels of all."""
    rows = {
        path.stem: [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for path in sorted(folder.glob("*.jsonl"))
    }
    keys = sorted({key for each in rows.values() for row in each for key in row["labels"]})
    languages = []
    for tag, told in rows.items():
        parts = {}
        for split in ("train", "valid", "test"):
            some = [row for row in told if row["split"] == split]
            bits = composing.bits_of([row["labels"] for row in some], keys=keys)
            parts[split] = Part([row["text"] for row in some], bits)
        languages.append(Language(tag, parts))
    return languages, keys


def f1_of(said: Bits, truth: Bits) -> tuple[float, list[float]]:
    """Return macro-F1 over the labels that occur, and each label's own."""
    table = several.counts(
        composing.numbers(said), truth=composing.numbers(truth), labels=truth.shape[1]
    )
    each = several.f1_of_each(table)
    return float(np.nanmean(each)), [round(float(one), 4) for one in each]


def peer(train: Part, *, valid: Part, test: Part) -> Bits:
    """Fit TF-IDF and a logistic regression a label, choose C on valid, and answer test."""
    words = make_union(
        TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 5), sublinear_tf=True),
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
    )
    features = words.fit_transform(train.texts)
    ahead, last = words.transform(valid.texts), words.transform(test.texts)
    best, found = -1.0, np.zeros(test.labels.shape, np.bool_)
    for strength in STRENGTHS:
        one = LogisticRegression(C=strength, class_weight="balanced", max_iter=1000)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a label that nobody drew is never said
            model = OneVsRestClassifier(one).fit(features, train.labels.astype(int))
        score = f1_of(model.predict(ahead).astype(bool), valid.labels)[0]
        if score > best:
            best, found = score, model.predict(last).astype(bool)
    return found


def ours(train: Part, *, valid: Part, test: Part, tag: str, keys: Sequence[str], seed: int) -> Bits:
    """Teach a fresh starter as the product does, and answer test."""
    network = Starter.fresh(keys, seed=seed)
    network.several = True
    lessons = Lessons(
        texts=train.texts,
        languages=[tag] * len(train.texts),
        targets=train.labels.astype(np.float32),
        weights=np.ones(len(train.texts), np.float32),
        fresh=np.ones(len(train.texts), bool),
        several=True,
    )

    def measure(one: Any) -> dict[str, float]:
        return {tag: f1_of(answered(one, valid.texts, tag=tag), valid.labels)[0]}

    recipe = Recipe.of(network.settings()["recipe"])
    with tempfile.TemporaryDirectory() as folder:
        fit(
            network,
            job=Job(lessons, measure, recipe, seed=seed, snapshot="benchmark"),
            folder=Path(folder),
            watch=lambda step, **_: None,
            should_stop=lambda: False,
        )
    return answered(network, test.texts, tag=tag)


def answered(network: Starter, texts: Sequence[str], *, tag: str) -> Bits:
    """Return which labels the network holds to hold."""
    network.module.eval()
    found = []
    with torch.no_grad():
        for start in range(0, len(texts), 256):
            part = texts[start : start + 256]
            found.append(network.logits(network.collate(part, [tag] * len(part))).numpy() > 0)
    return np.concatenate(found)


def run(
    language: Language, *, count: int | None, keys: Sequence[str], seeds: int
) -> tuple[report.Row, dict[str, Any]]:
    """Run one language over the seeds; return its row and what is behind it."""
    valid, test = language.parts["valid"], language.parts["test"]
    told: dict[str, list[tuple[float, list[float]]]] = {"ours": [], "peer": []}
    cpu = {"ours": 0.0, "peer": 0.0}
    theirs: Bits | None = None
    for seed in range(seeds):
        train = language.parts["train"].drawn(count, seed=seed)
        begun = time.process_time()
        if theirs is None or count is not None:  # nothing is drawn of all, and nothing in the peer
            theirs = peer(train, valid=valid, test=test)
        middle = time.process_time()
        found = ours(train, valid=valid, test=test, tag=language.tag, keys=keys, seed=seed)
        cpu["peer"] += middle - begun
        cpu["ours"] += time.process_time() - middle
        told["ours"].append(f1_of(found, test.labels))
        told["peer"].append(f1_of(theirs, test.labels))
    means = {side: [score for score, _ in scores] for side, scores in told.items()}
    ratios = np.array(means["ours"]) / np.array(means["peer"])
    row = report.Row(
        row=f"{language.tag}, {'all' if count is None else count} texts",
        ours=float(np.mean(means["ours"])),
        peer=float(np.mean(means["peer"])),
        bar=None,
        spread=float(np.abs(ratios - ratios.mean()).max()),
    )
    by_label = {
        side: dict(zip(keys, np.mean([each for _, each in scores], axis=0).round(4), strict=True))
        for side, scores in told.items()
    }
    seconds = {side: round(value, 1) for side, value in cpu.items()}
    return row, {"row": row.row, "cpu_seconds": seconds, "by_label": by_label, "seeds": means}


def main() -> None:
    """Compare on every language, print the table and write it down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "data", type=Path, nargs="?", default=Path("../shared/data/emotion/brighter")
    )
    parser.add_argument("--quick", action="store_true", help="one seed, 200 texts, nothing written")
    given = parser.parse_args()
    torch.set_num_threads(1)
    languages, keys = read(given.data)
    counts, seeds = ((200,), 1) if given.quick else (COUNTS, 3)
    found: list[tuple[report.Row, dict[str, Any]]] = []
    for count in counts:
        for language in languages:
            found.append(run(language, count=count, keys=keys, seeds=seeds))
            rows = [row for row, _ in found]
            if not given.quick:
                report.write("several", rows, notes=NOTES, runs=[about for _, about in found])
    print(report.table(rows))


if __name__ == "__main__":
    main()
