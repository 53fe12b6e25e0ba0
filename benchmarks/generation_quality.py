"""A quality head on made-up ratings: how well it tells what people would rate texts that nobody did.

Indonesian sentences of NusaX with their translations, damaged to a degree that is drawn: words of
another language, words lost, words of another text, letters mistyped. Raters who are strict or lenient
rate the training part 1 to 5; the head learns the mean grades of :mod:`annotation.methods.ratings`
through the starter, which reads source and output as a pair, and is asked about other sentences.
"""

import json
import tempfile
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge

from annotation.methods import ratings
from annotation.methods.judgements import Floats, Ints
from benchmarks.figures import Figure, mean_of
from learning.methods.quality import mean_grades, targets_of
from learning.networks import Network
from learning.networks.generator import lesson
from learning.networks.opening import open_network
from training.methods import continual
from training.methods.lessons import Job, Lessons
from training.methods.loop import fit
from training.methods.recipes import Recipe

LANGUAGES = ("jav", "ace", "bug")
OTHER = "eng"
RATED, HELD_OUT = 300, 100
RATERS, EACH = 8, 3


def quality(data: Path, *, seeds: int) -> list[Figure]:
    """Return rank correlations with what is planted, and with the ratings of others."""
    planted: list[float] = []
    rated: list[float] = []
    plain: list[float] = []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        texts, tags, worth = damaged(data / "sentiment/nusax-senti", rng=rng)
        train = np.concatenate([np.flatnonzero(np.array(tags) == tag)[:RATED] for tag in LANGUAGES])
        told = _rated(worth, tags, rng=rng)
        test = np.setdiff1d(np.arange(len(texts)), train)
        means = np.full(len(texts), np.nan)
        for tag in LANGUAGES:
            rows = train[[tags[row] == tag for row in train]]
            means[rows] = _means(told[rows])
        head = _taught(texts, tags, means, train, seed=seed)
        said = continual.answers(head, lessons=_lessons(texts, tags, means), rows=test)[test]
        grades = mean_grades(np.exp(said) / np.exp(said).sum(axis=1, keepdims=True))
        other = _ridge([texts[i] for i in train], means[train], [texts[i] for i in test])
        given = np.nanmean(np.where(told > 0, told, np.nan), axis=1)
        for found, values, truth in (
            (planted, grades, worth),
            (rated, grades, given),
            (plain, other, given),
        ):
            found.append(_alike(values, truth[test], [tags[i] for i in test]))
    return [
        Figure(
            "quality head: rank correlation with others' ratings",
            **mean_of(rated),
            peer=float(np.mean(plain)),
        ),
        Figure("quality head: rank correlation with what was planted", **mean_of(planted), bar=0.5),
    ]


def damaged(folder: Path, *, rng: np.random.Generator) -> tuple[list[str], list[str], Floats]:
    """Return pairs of source and damaged translation, languages, and how good each is (0 to 1)."""
    told = {tag: _read(folder / f"{tag}.jsonl") for tag in ("ind", OTHER, *LANGUAGES)}
    names = sorted(set.intersection(*(set(rows) for rows in told.values())))
    texts, tags, worth = [], [], []
    for tag in LANGUAGES:
        for name in rng.permutation(names)[: RATED + HELD_OUT].tolist():
            harm = float(rng.beta(1, 1.5))
            strange = told[tag][str(rng.choice(names))].split()
            output = _harmed(
                told[tag][name].split(), told[OTHER][name].split(), strange, harm=harm, rng=rng
            )
            texts.append(lesson(told["ind"][name], output))
            tags.append(tag)
            worth.append(1 - harm)
    return texts, tags, np.array(worth)


def _read(path: Path) -> dict[str, str]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {str(row["group"]): row["text"] for row in rows}


def _harmed(
    words: list[str],
    others: list[str],
    strange: list[str],
    *,
    harm: float,
    rng: np.random.Generator,
) -> str:
    found = []
    for place, word in enumerate(words):
        if rng.random() >= harm:
            found.append(word)
            continue
        kind = int(rng.integers(4))
        if kind == 0 and others:
            found.append(others[place % len(others)])
        elif kind == 1 and strange:
            found.append(strange[place % len(strange)])
        elif kind == 2 and len(word) > 2:
            found.append("".join(rng.permutation(list(word))))
    return " ".join(found) or words[0]


def _rated(worth: Floats, tags: list[str], *, rng: np.random.Generator) -> Floats:
    """Return ratings of N texts by M raters, 0 where there is none: strict, lenient, unsteady."""
    severity = rng.normal(0, 0.4, RATERS)
    found = np.zeros((len(worth), RATERS))
    for row, value in enumerate(worth):
        for rater in rng.permutation(RATERS)[:EACH]:
            felt = 1 + 4 * value + severity[rater] + rng.normal(0, 0.6)
            found[row, rater] = np.clip(round(felt), 1, 5)
    return found


def _means(told: Floats) -> Floats:
    item, rater = np.nonzero(told)
    fit_ = ratings.fit(
        ratings.Ratings.of(
            item, rater, told[item, rater].astype(int), items=len(told), raters=RATERS
        )
    )
    return np.clip(fit_.quality[:, 0], 1, 5)


def _taught(texts: list[str], tags: list[str], means: Floats, rows: Ints, *, seed: int) -> Network:
    head = open_network("starter", labels=["1", "2", "3", "4", "5"], seed=seed)
    lessons = _lessons(texts, tags, means).only(rows)
    recipe = Recipe.of(head.settings()["recipe"], {"balance": 1.0})
    with tempfile.TemporaryDirectory() as folder:
        fit(
            head,
            job=Job(lessons, lambda _: {}, recipe, seed=seed, snapshot="benchmark"),
            folder=Path(folder),
            watch=lambda step, *, steps, curve: None,
            should_stop=lambda: False,
        )
    return head


def _lessons(texts: list[str], tags: list[str], means: Floats) -> Lessons:
    targets = targets_of(np.nan_to_num(means, nan=1.0)).astype(np.float32)
    ones = np.ones(len(texts))
    return Lessons(texts, tags, targets, ones.astype(np.float32), ones.astype(bool))


def _ridge(texts: list[str], means: Floats, asked: list[str]) -> Floats:
    """Return what ridge regression on n-grams of letters says."""
    vectors = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True)
    head = Ridge(alpha=1.0).fit(vectors.fit_transform(texts), means)
    return np.asarray(head.predict(vectors.transform(asked)))


def _alike(said: Floats, truth: Floats, tags: list[str]) -> float:
    """Return the mean over languages of the rank correlation inside each."""
    names = np.array(tags)
    each = [
        float(spearmanr(said[names == tag], truth[names == tag]).statistic) for tag in LANGUAGES
    ]
    return float(np.mean(each))
