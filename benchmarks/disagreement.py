"""Real disagreement, with raw answers of real people: ``python -m benchmarks.disagreement DATA``.

AfriSenti (Hausa, Twi and Darija; sentiment, 2 to 3 answers a text) and BRIGHTER (Afrikaans and
Algerian Arabic; is the emotion there, six questions, 3 to 9 answers). Two figures a language: how
often the most probable label is the one that was released, and the mean log probability of
answers that were held out, one of a person on every second text, given the other answers. What
was released came from these very answers by a majority of people, which favours majority vote. Ours is what one refit does.
Peers are crowd-kit's majority vote, Dawid-Skene and MACE in the peers' environment. Every
prediction is mixed with 1 % of how common answers are, or one surprise would be infinite.
The file is written after each language, and ``--go-on`` leaves out what is in it already.
"""

import argparse
import json
import math
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import numpy.typing as npt

from annotation.methods.aggregation import UNKNOWN, Answers, fit
from benchmarks import report
from benchmarks.crowd_made import Floats, Ints
from benchmarks.figures import Figure, mean_of, table
from benchmarks.peers import ROOT, peer_python

PEERS = ("majority", "Dawid-Skene", "MACE")
OURS = "ours"
EMOTIONS = ("anger", "disgust", "fear", "joy", "sadness", "surprise")
NAMES = {
    "ary": "Darija",
    "hau": "Hausa",
    "twi": "Twi",
    "afr": "Afrikaans",
    "arq": "Algerian Arabic",
}
SURPRISE = 0.01
DRAWS = 500
KEPT = report.RESULTS / "disagreement.json"
NOTES = (
    "Agreement: percentile bootstrap over texts. Log score: Student's interval over seeds.",
    "BRIGHTER: one yes-or-no question for each of six emotions, averaged.",
)


@dataclass(frozen=True)
class Question:
    """One language's answers: A items, people and labels; ``gold`` N, -1 where none is released."""

    name: str
    item: Ints
    person: Ints
    label: Ints
    gold: Ints
    labels: int

    def told(self, keep: npt.NDArray[np.bool_] | None = None) -> Answers:
        """Return the answers that are kept, as the aggregators take them."""
        kept = np.ones(len(self.item), dtype=bool) if keep is None else keep
        people = int(self.person.max()) + 1
        known = np.full(len(self.gold), UNKNOWN)
        return Answers(
            self.item[kept], self.person[kept], self.label[kept], known, people, self.labels
        )


def questions(data: Path) -> Iterator[list[Question]]:
    """Read every file; a file of many emotions gives as many questions."""
    for path in sorted(data.glob("multi_annotator/*/*.jsonl")):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        people = sorted({one["annotator"] for row in rows for one in row["annotations"]})
        said = [
            (number, people.index(one["annotator"]), one)
            for number, row in enumerate(rows)
            for one in row["annotations"]
        ]
        item, person = (np.array([each[at] for each in said]) for at in (0, 1))
        name = NAMES[path.stem]
        if path.parent.name == "afrisenti":
            names = sorted({one["label"] for _, _, one in said})
            label = np.array([names.index(one["label"]) for _, _, one in said])
            gold = np.array([_at(names, row.get("gold")) for row in rows])
            yield [Question(name, item, person, label, gold, len(names))]
            continue
        yield [
            Question(
                name,
                item,
                person,
                np.array([int(one["labels"].get(emotion, 0) > 0) for _, _, one in said]),
                np.array([_has(emotion, row.get("gold")) for row in rows]),
                2,
            )
            for emotion in EMOTIONS
        ]


def _at(names: Sequence[str], label: str | None) -> int:
    return names.index(label) if label in names else UNKNOWN


def _has(emotion: str, gold: Sequence[str] | None) -> int:
    return UNKNOWN if gold is None else int(emotion in gold)


class CrowdKit:
    """The peers' side, in an environment of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [str(peer_python()), "-W", "ignore", "-m", "benchmarks.crowd_peer"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def __call__(self, told: Answers, method: str) -> tuple[Floats, Floats | None]:
        """Return the posterior, and how people answer where the method says so."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        columns = {name: getattr(told, name) for name in ("item", "person", "label", "known")}
        np.savez(self.folder / "answers.npz", **columns)
        (self.folder / "says.npy").unlink(missing_ok=True)
        asked = {"folder": str(self.folder), "method": method, "labels": told.labels}
        print(json.dumps(asked), file=self.process.stdin, flush=True)
        if not self.process.stdout.readline():
            raise RuntimeError(f"crowd-kit ended while it aggregated by {method}")
        says = self.folder / "says.npy"
        return np.load(self.folder / "posterior.npy"), np.load(says) if says.exists() else None


def aggregated(told: Answers, method: str, ask: CrowdKit) -> tuple[Floats, Floats | None]:
    """Return posterior and how people answer, by ours or by a peer."""
    if method == OURS:
        found = fit(told)
        return found.posterior, found.confusion
    return ask(told, method)


def held_out(question: Question, method: str, ask: CrowdKit, *, seed: int) -> float:
    """Return the mean log probability of answers that the method was not shown."""
    rng = np.random.default_rng(seed)
    keep = np.ones(len(question.item), dtype=bool)
    order = rng.permutation(len(question.item))
    first = {int(question.item[at]): int(at) for at in order if question.item[at] % 2}
    hidden = np.array(sorted(first.values()))
    keep[hidden] = False
    told = question.told(keep)
    posterior, says = aggregated(told, method, ask)
    common = np.bincount(told.label, minlength=told.labels) + 1.0
    common /= common.sum()
    q = posterior[question.item[hidden]]
    if says is None:
        # A share of few votes is drawn towards what is common, by one vote.
        votes = np.bincount(told.item, minlength=len(question.gold))[question.item[hidden], None]
        predicted = (votes * q + common) / (votes + 1)
    else:
        people = np.where(np.isnan(says), common[None, None, :], says)[question.person[hidden]]
        predicted = np.einsum("nt,nty->ny", q, people)
    predicted /= predicted.sum(axis=1, keepdims=True)
    mixed = (1 - SURPRISE) * predicted + SURPRISE * common
    return float(np.log(mixed[np.arange(len(hidden)), question.label[hidden]]).mean())


def agreeing(question: Question, method: str, ask: CrowdKit) -> Floats:
    """Return for each released text whether the most probable label is the released one."""
    posterior, _ = aggregated(question.told(), method, ask)
    released = question.gold != UNKNOWN
    right = posterior.argmax(axis=1) == question.gold
    return np.asarray(right[released], dtype=float)


def compared(group: Sequence[Question], ask: CrowdKit, *, seeds: int) -> list[Figure]:
    """Return both figures of every method for one language."""
    rng = np.random.default_rng(0)
    figures = []
    agreed = {
        way: np.mean([agreeing(one, way, ask) for one in group], axis=0) for way in (OURS, *PEERS)
    }
    peer = float(agreed["Dawid-Skene"].mean())
    for way, each in agreed.items():
        draws = rng.choice(each, (DRAWS, len(each))).mean(axis=1)
        low, high = (float(np.quantile(draws, p)) for p in (0.025, 0.975))
        row = f"{group[0].name}: agreement with what was released, {way}"
        beside = peer if way == OURS else None
        figures.append(Figure(row, float(each.mean()), beside, low=low, high=high))
    scores = {
        way: [
            float(np.mean([held_out(one, way, ask, seed=seed) for one in group]))
            for seed in range(seeds)
        ]
        for way in (OURS, *PEERS)
    }
    peer = float(np.mean(scores["Dawid-Skene"]))
    return figures + [
        Figure(
            f"{group[0].name}: log score of held-out answers, {way}",
            **mean_of(found),
            peer=peer if way == OURS else None,
        )
        for way, found in scores.items()
    ]


def restored(path: Path) -> list[Figure]:
    """Return the figures that a file holds."""
    rows = json.loads(path.read_text())["rows"] if path.exists() else []
    names = {field.name for field in fields(Figure)}
    return [Figure(**{name: row[name] for name in names}) for row in rows]


def main() -> None:
    """Run everything, print the table and write it down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with multi_annotator/")
    parser.add_argument("--quick", action="store_true", help="two seeds, AfriSenti, unwritten")
    parser.add_argument("--go-on", action="store_true", help="keep the languages in the file")
    parser.add_argument("--minutes", type=float, help="begin nothing more after so long")
    asked = parser.parse_args()
    until = time.monotonic() + 60 * asked.minutes if asked.minutes else math.inf
    figures = restored(KEPT) if asked.go_on else []
    with tempfile.TemporaryDirectory() as folder:
        ask = CrowdKit(Path(folder))
        for group in questions(asked.data):
            there = any(figure.row.startswith(f"{group[0].name}:") for figure in figures)
            if there or time.monotonic() > until or (asked.quick and len(group) > 1):
                continue
            figures += compared(group, ask, seeds=2 if asked.quick else 5)
            if not asked.quick:
                print(report.write("disagreement", figures, notes=NOTES), group[0].name, flush=True)
        ask.process.terminate()
    print(table(figures))


if __name__ == "__main__":
    main()
