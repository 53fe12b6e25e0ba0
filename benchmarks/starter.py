"""The starter against TF-IDF with logistic regression: ``python -m benchmarks.starter [--quick]``.

Both see the same labels, 50 or 500 of each language, of one language alone (own) or of all
languages of a set together (pooled). The peer is scikit-learn's: characters within words 1-5 and
words 1-2, balanced classes, C chosen by macro-F1 on ``valid``. The starter is taught by the
product's own training loop with its own recipe; nothing of it is chosen on ``valid``.
Numbers are macro-F1 on ``test``, means over languages.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import make_union

from benchmarks import report
from learning.networks.starter import Starter
from training.methods.loop import Job, Lessons, Recipe, fit

SETS = {
    "NusaX": "sentiment/nusax-senti",
    "NollySenti": "sentiment/nollysenti",
    "SIB-200": "topic/sib200",
}
STRENGTHS = (1.0, 10.0, 100.0)
BAR = 1.0
NOTES = (
    "ours: recipe fixed; peer: C chosen on valid.",
    "Labels per language, or as many as there are (NollySenti hau, ibo, pcm have 410).",
    "No text of the benchmarked languages and sets was read in training the representation;"
    " SIB-200's training sentences in other languages were, without labels.",
)


@dataclass(frozen=True)
class Example:
    """One labelled text."""

    text: str
    label: str
    language: str
    split: str


Examples = list[Example]
F1 = dict[str, float]


def read(folder: Path) -> dict[str, Examples]:
    """Read every language of a set."""
    found = {}
    for path in sorted(folder.glob("*.jsonl")):
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        found[path.stem] = [
            Example(row["text"], row["label"], path.stem, row["split"]) for row in rows
        ]
    return found


def of(examples: Sequence[Example], split: str) -> Examples:
    """Keep one split."""
    return [example for example in examples if example.split == split]


def draw(examples: Sequence[Example], *, count: int, seed: int) -> Examples:
    """Draw that many labelled examples, the same for whoever asks."""
    train = of(examples, "train")
    order = np.random.default_rng([seed, count]).permutation(len(train))
    return [train[place] for place in order[:count]]


def macro(found: Sequence[str], examples: Examples) -> F1:
    """Return macro-F1 of each language."""
    result = {}
    for language in sorted({example.language for example in examples}):
        ours = [place for place, each in enumerate(examples) if each.language == language]
        wanted = [examples[place].label for place in ours]
        result[language] = float(
            f1_score(wanted, [found[place] for place in ours], average="macro", zero_division=0)
        )
    return result


def mean(scores: F1) -> float:
    """Return the mean over languages."""
    return float(np.mean(list(scores.values())))


def peer(train: Examples, valid: Examples, test: Examples) -> F1:
    """Fit TF-IDF and logistic regression, choose C on valid, and judge on test."""
    words = make_union(
        TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 5), sublinear_tf=True),
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
    )
    features = words.fit_transform([each.text for each in train])
    ahead, last = (words.transform([each.text for each in part]) for part in (valid, test))
    best, chosen = -1.0, []
    # scikit-learn's own tolerance: with a laxer one it stopped at the start on SIB-200, pooled
    for strength in STRENGTHS:
        model = LogisticRegression(C=strength, class_weight="balanced", max_iter=1000)
        model.fit(features, [each.label for each in train])
        score = mean(macro(model.predict(ahead), valid))
        if score > best:
            best, chosen = score, model.predict(last)
    return macro(chosen, test)


def teach(network: Starter, train: Examples, *, seed: int) -> None:
    """Fine-tune as the product does, by the starter's own recipe."""
    known = [network.labels.index(each.label) for each in train]
    lessons = Lessons(
        texts=[each.text for each in train],
        languages=[each.language for each in train],
        targets=np.eye(len(network.labels), dtype=np.float32)[known],
        weights=np.ones(len(train), np.float32),
        fresh=np.ones(len(train), bool),
    )
    recipe = Recipe.of(network.settings()["recipe"])
    with tempfile.TemporaryDirectory() as folder:
        fit(
            network,
            job=Job(lessons, lambda _: {}, recipe, seed=seed, snapshot="benchmark"),
            folder=Path(folder),
            watch=lambda step, **_: None,
            should_stop=lambda: False,
        )


def ours(train: Examples, test: Examples, *, labels: Sequence[str], seed: int) -> F1:
    """Teach a fresh starter and judge it on test."""
    network = Starter.fresh(labels, seed=seed)
    teach(network, train, seed=seed)
    found: list[str] = []
    with torch.no_grad():
        for start in range(0, len(test), 256):
            part = test[start : start + 256]
            batch = network.collate([e.text for e in part], [e.language for e in part])
            best = network.logits(batch).argmax(dim=1).tolist()
            found += [network.labels[position] for position in best]
    return macro(found, test)


def compare(
    data: dict[str, Examples], *, count: int, pooled: bool, seed: int
) -> tuple[F1, F1, float, float]:
    """Return both sides' macro-F1 by language, and the CPU seconds each took."""
    groups = [list(data)] if pooled else [[language] for language in data]
    labels = sorted({each.label for examples in data.values() for each in examples})
    theirs: F1 = {}
    found: F1 = {}
    seconds = np.zeros(2)
    for group in groups:
        train = [each for name in group for each in draw(data[name], count=count, seed=seed)]
        valid = [each for name in group for each in of(data[name], "valid")]
        test = [each for name in group for each in of(data[name], "test")]
        begun = time.process_time()
        theirs |= peer(train, valid, test)
        middle = time.process_time()
        found |= ours(train, test, labels=labels, seed=seed)
        seconds += (middle - begun, time.process_time() - middle)
    return found, theirs, float(seconds[1]), float(seconds[0])


@dataclass(frozen=True)
class Case:
    """One set at one size, pooled or own."""

    name: str
    count: int
    pooled: bool

    def __str__(self) -> str:
        return f"{self.name}, {self.count} labels, {'pooled' if self.pooled else 'own'}"


def run(
    case: Case, data: dict[str, Examples], *, seeds: int
) -> tuple[report.Row, dict[str, object]]:
    """Run one case over its seeds; return its row and its table by language."""
    runs = [compare(data, count=case.count, pooled=case.pooled, seed=seed) for seed in range(seeds)]
    ratios = np.array([mean(found) / mean(theirs) for found, theirs, _, _ in runs])
    row = report.Row(
        row=str(case),
        ours=float(np.mean([mean(found) for found, _, _, _ in runs])),
        peer=float(np.mean([mean(theirs) for _, theirs, _, _ in runs])),
        bar=BAR,
        spread=float(np.abs(ratios - ratios.mean()).max()),
    )
    by_language = {
        language: {
            "ours": round(float(np.mean([found[language] for found, _, _, _ in runs])), 4),
            "peer": round(float(np.mean([theirs[language] for _, theirs, _, _ in runs])), 4),
        }
        for language in data
    }
    cpu = {
        "ours": round(sum(each[2] for each in runs)),
        "peer": round(sum(each[3] for each in runs)),
    }
    return row, {"row": str(case), "cpu_seconds": cpu, "languages": by_language}


def speed(data: dict[str, Examples]) -> float:
    """Return how many texts a second are scored, from strings to logits, on one thread."""
    examples = [each for part in data.values() for each in part][:6000]
    network = Starter.fresh(sorted({each.label for each in examples}))
    texts, languages = [e.text for e in examples], [e.language for e in examples]
    begun = time.process_time()
    with torch.no_grad():
        for start in range(0, len(texts), 128):
            here = slice(start, start + 128)
            network.logits(network.collate(texts[here], languages[here]))
    return len(texts) / (time.process_time() - begun)


def main() -> None:
    """Compare on every set, print the table and write it down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--quick", action="store_true", help="one seed, 50 labels, nothing written")
    options = parser.parse_args()
    torch.set_num_threads(1)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    rows, tables = [], []
    for name, folder in SETS.items():
        data = read(options.data / folder)
        for count in (50,) if options.quick else (50, 500):
            for pooled in (True, False):
                case = Case(name, count, pooled)
                row, by_language = run(case, data, seeds=1 if options.quick else 3)
                rows.append(row)
                tables.append(by_language)
                print(report.table([row]).splitlines()[1], flush=True)
    fast = speed(read(options.data / SETS["NusaX"]))
    print(report.table(rows), f"\n{fast:.0f} texts scored a second on one thread")
    if not options.quick:
        path = report.write(
            "starter", rows, notes=NOTES, by_language=tables, texts_per_second=round(fast)
        )
        print(path)


if __name__ == "__main__":
    main()
