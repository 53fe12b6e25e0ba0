"""The loop without a desk: ``python -m benchmarks.loop DATA [--seeds 5] [--set NusaX] [--quick]``.

Score, select within the quota, have simulated people answer, weigh the answers, fine-tune the
serving network with replay, calibrate, and again; once with margin, once at random, the same
seeds, people and budget. Nothing is judged by a gate here: what is compared is what the labels
that were bought are worth. Numbers are macro-F1 on ``test``, means over the languages of a set;
the gain is paired by seed, its 95 % interval is Student's over seeds.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import t as student

from annotation.methods import aggregation
from benchmarks import report
from learning.methods.calibration import fit_temperatures
from learning.methods.probabilities import softmax
from learning.methods.requests import LanguageState, SelectionRequest
from learning.methods.selection import select
from learning.networks import Batch, Network
from learning.networks.opening import open_network
from training.methods.loop import Job, Lessons, Recipe, fit

SETS = {
    "NusaX": "sentiment/nusax-senti",
    "NollySenti": "sentiment/nollysenti",
    "SIB-200": "topic/sib200",
}
ROUNDS = 5
PER_LANGUAGE = 12
DEV = 40
# Of three people in a language one is careful, one average; the third never looks.
RIGHT = (0.95, 0.85, 0.0)
TURNS = (0.45, 0.45, 0.10)
KNOWN_SHARE = 0.1
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Split:
    """N labelled texts of some languages, with their features once they were scored."""

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    languages: tuple[str, ...]
    truth: Ints
    batches: list[Batch] = field(default_factory=list, repr=False)

    def collated(self, network: Network) -> list[Batch]:
        """Return small batches of all texts; what the starter learns never changes them."""
        for start in range(256 * len(self.batches), len(self.texts), 256):
            part = slice(start, start + 256)
            self.batches.append(network.collate(self.texts[part], self.languages[part]))
        return self.batches

    def of(self, language: str) -> Ints:
        """Return the places of one language."""
        return np.flatnonzero(np.array(self.languages) == language)


@dataclass(frozen=True)
class Set:
    """A set: the pool to buy from, known answers for tuning, and the test."""

    labels: tuple[str, ...]
    languages: tuple[str, ...]
    pool: Split
    dev: Split
    test: Split


@dataclass
class State:
    """What one run has: its network, what it bought, and the curve so far."""

    network: Network
    temperatures: dict[str, float] = field(default_factory=dict)
    bought: list[int] = field(default_factory=list)
    curve: list[float] = field(default_factory=list)


def read(folder: Path) -> Set:
    """Read every language of a set; its ``valid`` part is cut to a small development set."""
    rows = [
        {**json.loads(line), "file": path.stem}
        for path in sorted(folder.glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    labels = tuple(sorted({row["label"] for row in rows}))
    languages = tuple(sorted({row["file"] for row in rows}))
    test_texts = {row["text"] for row in rows if row["split"] == "test"}

    def split(name: str, most: int | None = None) -> Split:
        found: list[dict[str, Any]] = []
        for language in languages:
            mine = {
                row["text"]: row
                for row in rows
                if row["file"] == language and row["split"] == name
                if name == "test" or row["text"] not in test_texts
            }
            found += list(mine.values())[:most]
        return Split(
            ids=tuple(f"{row['file']} {row['id']}" for row in found),
            texts=tuple(row["text"] for row in found),
            languages=tuple(row["file"] for row in found),
            truth=np.array([labels.index(row["label"]) for row in found]),
        )

    return Set(labels, languages, split("train"), split("valid", DEV), split("test"))


@torch.no_grad()
def logits(network: Network, part: Split) -> Floats:
    """Score all texts."""
    network.module.eval()
    rows = [network.logits(batch).numpy() for batch in part.collated(network)]
    return np.asarray(np.concatenate(rows), dtype=np.float64)


def answer(data: Set, places: Sequence[int], *, seed: int) -> tuple[Floats, Floats]:
    """Have people answer once each, some known answers among them; return targets and weights."""
    size = len(data.labels)
    targets = np.zeros((len(places), size))
    rows = np.array(places)
    for language in data.languages:
        mine = np.flatnonzero([data.pool.languages[place] == language for place in places])
        rng = np.random.default_rng([seed, data.languages.index(language)])
        # One draw per text of the language, so that both strategies meet the same people.
        home = data.pool.of(language)
        person = rng.choice(len(RIGHT), p=TURNS, size=len(home))
        luck, other = rng.random(len(home)), rng.integers(1, size, size=len(home))
        at = np.searchsorted(home, rows[mine])
        truth = data.pool.truth[rows[mine]]
        right = luck[at] < np.array(RIGHT)[person[at]]
        said = np.where(right, truth, (truth + other[at]) % size)
        said = np.where(person[at] == 2, 0, said)
        known = np.full(len(mine), aggregation.UNKNOWN)
        extra_item, extra_person, extra_said, extra_known = _gold(data, language, len(mine), rng)
        fitted = aggregation.fit(
            aggregation.Answers(
                item=np.concatenate([np.arange(len(mine)), len(mine) + extra_item]),
                person=np.concatenate([person[at], extra_person]),
                label=np.concatenate([said, extra_said]),
                known=np.concatenate([known, extra_known]),
                people=len(RIGHT),
                labels=size,
            )
        )
        targets[mine] = fitted.posterior[: len(mine)]
    return targets, aggregation.weights(targets)


def _gold(
    data: Set, language: str, asked: int, rng: np.random.Generator
) -> tuple[Ints, Ints, Ints, Ints]:
    """Known items mixed in: everybody answers each of them."""
    home = data.dev.of(language)
    count = min(len(home), max(2, round(KNOWN_SHARE * asked)))
    truth = data.dev.truth[home[:count]]
    item, person = np.repeat(np.arange(count), len(RIGHT)), np.tile(np.arange(len(RIGHT)), count)
    size = len(data.labels)
    wrong = (truth[item] + rng.integers(1, size, size=len(item))) % size
    said = np.where(rng.random(len(item)) < np.array(RIGHT)[person], truth[item], wrong)
    return item, person, np.where(person == 2, 0, said), truth


def choose(data: Set, state: State, *, strategy: str, seed: int) -> list[int]:
    """Select one round's items of every language."""
    free = np.setdiff1d(np.arange(len(data.pool.ids)), state.bought)
    ids = tuple(data.pool.ids[i] for i in free)
    states = tuple(
        LanguageState(tag, temperature=state.temperatures.get(tag, 1.0)) for tag in data.languages
    )
    batch = select(
        SelectionRequest(
            item_ids=ids,
            language=np.array([data.languages.index(data.pool.languages[i]) for i in free]),
            languages=states,
            labels=data.labels,
            logits=logits(state.network, data.pool)[free],
            batch=PER_LANGUAGE * len(data.languages),
            seed=seed,
            strategy=strategy,
        )
    )
    place = {name: int(i) for name, i in zip(ids, free, strict=True)}
    return [place[pick.item_id] for pick in batch.items]


def learn(data: Set, state: State, *, fresh: Sequence[int], seed: int) -> None:
    """Fine-tune on what was bought last, with replay of everything before, and calibrate."""
    targets, weights = answer(data, state.bought, seed=seed)
    lessons = Lessons(
        texts=[data.pool.texts[i] for i in state.bought],
        languages=[data.pool.languages[i] for i in state.bought],
        targets=targets.astype(np.float32),
        weights=weights.astype(np.float32),
        fresh=np.isin(state.bought, fresh),
    )
    settings = state.network.settings()
    with tempfile.TemporaryDirectory() as folder:
        fit(
            state.network,
            job=Job(
                lessons=lessons,
                measure=lambda network: _f1_by_language(data, network, data.dev),
                recipe=Recipe.of(settings.get("recipe", {}), {"curve_points": 1}),
                seed=seed,
                snapshot="benchmark",
            ),
            folder=Path(folder),
            watch=lambda step, **_: None,
            should_stop=lambda: False,
        )
    told = logits(state.network, data.dev)
    homes = {tag: data.dev.of(tag) for tag in data.languages}
    fitted = fit_temperatures({tag: (told[at], data.dev.truth[at]) for tag, at in homes.items()})
    state.temperatures = {tag: one.value for tag, one in fitted.items()}


def _f1_by_language(data: Set, network: Network, part: Split) -> dict[str, float]:
    best = softmax(logits(network, part)).argmax(axis=1)
    return {tag: _f1(part.truth[at], best[at]) for tag, at in _homes(data, part).items()}


def _homes(data: Set, part: Split) -> dict[str, Ints]:
    return {tag: part.of(tag) for tag in data.languages}


def _f1(truth: Ints, said: Ints) -> float:
    classes = np.unique(truth)
    hits = [
        (2 * ((truth == k) & (said == k)).sum(), (truth == k).sum() + (said == k).sum())
        for k in classes
    ]
    return float(np.mean([right / total for right, total in hits]))


def run(data: Set, *, strategy: str, seed: int, rounds: int) -> list[float]:
    """Go round and round; return macro-F1 on test after each round."""
    state = State(open_network("starter", labels=data.labels, seed=seed))
    for number in range(rounds):
        fresh = choose(data, state, strategy=strategy, seed=1000 * seed + number)
        state.bought += fresh
        learn(data, state, fresh=fresh, seed=seed)
        state.curve.append(
            float(np.mean(list(_f1_by_language(data, state.network, data.test).values())))
        )
    return state.curve


def interval(gains: Floats) -> tuple[float, float, float]:
    """Mean of paired gains and its 95 % interval."""
    mean = float(gains.mean())
    if len(gains) < 2:
        return mean, float("-inf"), float("inf")
    half = student.ppf(0.975, len(gains) - 1) * gains.std(ddof=1) / np.sqrt(len(gains))
    return mean, mean - float(half), mean + float(half)


def compare(name: str, data: Set, *, seeds: int, rounds: int) -> tuple[report.Row, dict[str, Any]]:
    """Run both strategies over the seeds."""
    curves: dict[str, list[list[float]]] = {"margin": [], "random": []}
    for seed in range(seeds):
        for strategy, found in curves.items():
            began = time.monotonic()
            found.append(run(data, strategy=strategy, seed=seed, rounds=rounds))
            told = " ".join(f"{value:.3f}" for value in found[-1])
            print(f"{name} seed {seed} {strategy:<6} {told}  {time.monotonic() - began:.0f} s")
    margin, chance = np.array(curves["margin"]), np.array(curves["random"])
    details: dict[str, Any] = {}
    for what, gains in (
        ("last round", margin[:, -1] - chance[:, -1]),
        ("mean of the curve", margin.mean(axis=1) - chance.mean(axis=1)),
        ("last round over first", margin[:, -1] - margin[:, 0]),
    ):
        mean, low, high = interval(gains)
        details[what] = {"gain": round(mean, 4), "interval": [round(low, 4), round(high, 4)]}
        print(f"{name}: {what}: {mean:+.4f} [{low:+.4f}, {high:+.4f}]")
    ratios = margin[:, -1] / chance[:, -1]
    row = report.Row(
        row=f"{name}, margin against random, macro-F1 after {rounds} rounds",
        ours=float(margin[:, -1].mean()),
        peer=float(chance[:, -1].mean()),
        bar=1.0,
        spread=float(np.abs(ratios - ratios.mean()).max()),
    )
    return row, {"gains": details, "curves": curves}


def main() -> None:
    """Compare on each set and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder that holds the sets")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--set", choices=sorted(SETS), action="append")
    parser.add_argument("--quick", action="store_true", help="one seed, two rounds, not written")
    given = parser.parse_args()
    torch.set_num_threads(1)
    seeds, rounds = (1, 2) if given.quick else (given.seeds, given.rounds)
    rows, details = [], {}
    for name in given.set or sorted(SETS):
        row, details[name] = compare(
            name, read(given.data / SETS[name]), seeds=seeds, rounds=rounds
        )
        rows.append(row)
        if not given.quick:  # after each set: what is measured is not lost if the next is stopped
            report.write("loop", rows, notes=(str(__doc__).strip(),), seeds=seeds, sets=details)
    print(report.table(rows))


if __name__ == "__main__":
    main()
