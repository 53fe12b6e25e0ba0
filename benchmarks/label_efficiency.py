"""What a label is worth: ``python -m benchmarks.label_efficiency DATA [--seeds 5] [--quick]``.

With ``--ours`` no peer is asked: the default against ``two_stage``, with what each seed gave, kept
set by set in a file of its own, so that sets and seeds may be measured at different times.

Pools of NusaX, NollySenti and SIB-200; the starter is taught anew from all labels bought, true
ones, after every round. Every strategy starts from the same few random labels of each language
and buys as many again each round; ours within equal quotas per language, the peers over the
whole pool, as their users would. The peers see the starter's probabilities and its shared
representation. Reported is the area under the learning curve: macro-F1 on ``test``, mean over
rounds, per language; gains are paired by seed, with Student's 95 % interval over seeds.
"""

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import f1_score

from benchmarks import report
from benchmarks.loop import SETS, Floats, Ints, Set, Split, interval, read
from benchmarks.peers import peer_python
from learning.methods.probabilities import softmax
from learning.methods.requests import LanguageState, SelectionRequest
from learning.methods.selection import select
from learning.networks import Batch, Network
from learning.networks.opening import open_network
from training.methods.loop import Job, Lessons, Recipe, fit

START = 6
PER_ROUND = 6
ROUNDS = 6
OURS = ("margin", "two_stage", "random")
DEFAULT = "margin"
# Compared with ``--ours``: what is the default, and what might be.
CONTENDERS = ("margin", "two_stage")
PEERS = (
    "small-text BreakingTies",
    "small-text EmbeddingKMeans",
    "scikit-activeml TypiClust",
    "scikit-activeml CoreSet",
)
Ask = Callable[[str, "Moment", int, int], list[int]]


@dataclass(frozen=True)
class Task:
    """A set with its texts as the starter reads them: that is the same in every round."""

    data: Set
    pool: list[Batch]
    test: list[Batch]

    @classmethod
    def of(cls, data: Set) -> "Task":
        """Read all texts once."""
        reader = open_network("starter", labels=data.labels, seed=0)
        return cls(data, collated(reader, data.pool), collated(reader, data.test))


@dataclass(frozen=True)
class Moment:
    """The pool as one round sees it: logits, representation, and what was bought."""

    data: Set
    logits: Floats
    embeddings: Floats
    bought: list[int]


def main() -> None:
    """Compare on every set and write what was found after each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder that holds the sets")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--set", choices=sorted(SETS), action="append")
    parser.add_argument("--quick", action="store_true", help="a seed, two rounds, not written")
    parser.add_argument("--ours", action="store_true", help="our own strategies, without peers")
    parser.add_argument("--first-seed", type=int, default=0, help="with --ours: go on from here")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.ours:
        compare_ours(given)
        return
    rows: list[report.Row] = []
    found: dict[str, Any] = {}
    with peers_at_work() as ask:
        for name in given.set or sorted(SETS)[: 1 if given.quick else None]:
            task = Task.of(read(given.data / SETS[name]))
            curves = measure(
                name,
                task,
                seeds=1 if given.quick else given.seeds,
                rounds=2 if given.quick else ROUNDS,
                ask=ask,
            )
            more, found[name] = summary(name, task.data, curves)
            rows += more
            if not given.quick:
                notes = (str(__doc__).strip(),)
                report.write("label_efficiency", rows, notes=notes, seeds=given.seeds, sets=found)
    print(report.table(rows))


def compare_ours(given: argparse.Namespace) -> None:
    """Measure some seeds of some sets, and write them beside those that were measured before."""
    kept = report.RESULTS / "label_efficiency_ours.json"
    known = json.loads(kept.read_text())["sets"] if kept.is_file() else {}
    rounds = 2 if given.quick else ROUNDS
    for name in given.set or sorted(SETS)[: 1 if given.quick else None]:
        task = Task.of(read(given.data / SETS[name]))
        found = known.setdefault(name, {"languages": list(task.data.languages), "areas": {}})
        for seed in range(given.first_seed, given.first_seed + (1 if given.quick else given.seeds)):
            for strategy in CONTENDERS:
                began = time.process_time()
                curve = run(task, strategy=strategy, seed=seed, rounds=rounds, ask=nobody)
                area = np.mean(curve, axis=0)
                found["areas"].setdefault(strategy, {})[str(seed)] = area.round(4).tolist()
                took = time.process_time() - began
                print(
                    f"{name} seed {seed} {strategy} {area.mean():.4f} {took:.0f} CPU s", flush=True
                )
            _kept(known, write=not given.quick)
    print(report.table(_kept(known, write=not given.quick)))


def _kept(known: dict[str, Any], *, write: bool) -> list[report.Row]:
    """Compare whatever is known by now, and write it down."""
    rows = [row for name in known for row in among_ourselves(name, known[name])]
    if write:
        report.write("label_efficiency_ours", rows, notes=(str(__doc__).strip(),), sets=known)
    return rows


def among_ourselves(name: str, found: dict[str, Any]) -> list[report.Row]:
    """Return a row for each other strategy against the default, and keep its paired gains."""
    rows, gains = [], {}
    by_seed = {one: found["areas"].get(one, {}) for one in CONTENDERS}
    seeds = sorted(set.intersection(*(set(areas) for areas in by_seed.values())), key=int)
    areas = {one: np.array([areas[seed] for seed in seeds]) for one, areas in by_seed.items()}
    for strategy in CONTENDERS:
        if strategy == DEFAULT or not seeds:
            continue
        apart = areas[strategy] - areas[DEFAULT]
        worst = areas[strategy].min(axis=1) - areas[DEFAULT].min(axis=1)
        lines = [*apart.T, apart.mean(axis=1), worst]
        titles = [*found["languages"], "mean", "worst language"]
        gains[strategy] = {t: told(line) for t, line in zip(titles, lines, strict=True)}
        ratios = areas[strategy].mean(axis=1) / areas[DEFAULT].mean(axis=1)
        rows.append(
            report.Row(
                row=f"{name}, {strategy} against {DEFAULT}, {len(seeds)} seeds",
                ours=float(areas[strategy].mean()),
                peer=float(areas[DEFAULT].mean()),
                bar=None,
                spread=float(np.abs(ratios - ratios.mean()).max()),
            )
        )
    found["gain_over_default"] = gains
    return rows


def nobody(strategy: str, moment: Moment, count: int, seed: int) -> list[int]:
    """Stand where the peers are asked; among ourselves nobody is."""
    raise SystemExit(f"{strategy} is none of ours")


def measure(
    name: str, task: Task, *, seeds: int, rounds: int, ask: Ask
) -> dict[str, list[list[Floats]]]:
    """Return, by strategy and seed, macro-F1 of every language after every round."""
    curves: dict[str, list[list[Floats]]] = {strategy: [] for strategy in (*OURS, *PEERS)}
    for seed in range(seeds):
        for strategy, all_seeds in curves.items():
            began = time.process_time()
            all_seeds.append(run(task, strategy=strategy, seed=seed, rounds=rounds, ask=ask))
            told = " ".join(f"{float(each.mean()):.3f}" for each in all_seeds[-1])
            took = time.process_time() - began
            print(f"{name} seed {seed} {strategy:<28} {told}  {took:.0f} CPU s", flush=True)
    return curves


def run(task: Task, *, strategy: str, seed: int, rounds: int, ask: Ask) -> list[Floats]:
    """Buy and learn, round after round."""
    data = task.data
    network = open_network("starter", labels=data.labels, seed=seed)
    embeddings = through(network.embed, task.pool)
    nothing = np.zeros((len(data.pool.ids), len(data.labels)))
    bought = choose(Moment(data, nothing, embeddings, []), START, seed=seed)
    curve = []
    for number in range(rounds + 1):
        network = taught(data, bought, seed=seed)
        curve.append(scores(data, through(network.logits, task.test)))
        if number == rounds:
            break
        moment = Moment(data, through(network.logits, task.pool), embeddings, bought)
        draw = 1000 * seed + number + 1
        if strategy in OURS:
            bought = bought + choose(moment, PER_ROUND, seed=draw, strategy=strategy)
        else:
            bought = bought + ask(strategy, moment, PER_ROUND * len(data.languages), draw)
    return curve


def choose(moment: Moment, each: int, *, seed: int, strategy: str = "random") -> list[int]:
    """Select so many of every language, as the product does."""
    data = moment.data
    free = np.setdiff1d(np.arange(len(data.pool.ids)), moment.bought)
    home = {tag: number for number, tag in enumerate(data.languages)}
    batch = select(
        SelectionRequest(
            item_ids=tuple(data.pool.ids[i] for i in free),
            language=np.array([home[data.pool.languages[i]] for i in free]),
            languages=tuple(LanguageState(tag) for tag in data.languages),
            labels=data.labels,
            logits=moment.logits[free],
            embeddings=moment.embeddings[free],
            batch=each * len(data.languages),
            seed=seed,
            strategy=strategy,
        )
    )
    place = {data.pool.ids[i]: int(i) for i in free}
    return [place[pick.item_id] for pick in batch.items]


def collated(network: Network, part: Split) -> list[Batch]:
    """Read texts, a few hundred at a time."""
    places = [slice(start, start + 256) for start in range(0, len(part.texts), 256)]
    return [network.collate(part.texts[here], part.languages[here]) for here in places]


@torch.no_grad()
def through(answer: Callable[[Batch], torch.Tensor], batches: Sequence[Batch]) -> Floats:
    """Return what a network says of all texts."""
    return np.asarray(torch.cat([answer(batch) for batch in batches]).numpy())


def taught(data: Set, bought: Sequence[int], *, seed: int) -> Network:
    """Teach a fresh starter what was bought, by the product's own recipe and loop."""
    network = open_network("starter", labels=data.labels, seed=seed)
    rows = np.array(bought)
    lessons = Lessons(
        texts=[data.pool.texts[i] for i in rows],
        languages=[data.pool.languages[i] for i in rows],
        targets=np.eye(len(data.labels), dtype=np.float32)[data.pool.truth[rows]],
        weights=np.ones(len(rows), dtype=np.float32),
        fresh=np.ones(len(rows), dtype=np.bool_),
    )
    recipe = Recipe.of(network.settings().get("recipe", {}), {"curve_points": 1})
    with tempfile.TemporaryDirectory() as folder:
        fit(
            network,
            job=Job(lessons, lambda _: {}, recipe, seed, "benchmark"),
            folder=Path(folder),
            watch=lambda step, **_: None,
            should_stop=lambda: False,
        )
    return network


def scores(data: Set, logits: Floats) -> Floats:
    """Return macro-F1 on test, one number a language."""
    said, homes = logits.argmax(axis=1), map(data.test.of, data.languages)
    return np.array([f1_score(data.test.truth[at], said[at], average="macro") for at in homes])


@contextmanager
def peers_at_work() -> Any:
    """Keep the peers' process as long as it is needed; give a function that asks it."""
    command = [str(peer_python()), str(Path(__file__).with_name("peer_picks.py"))]
    with (
        subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as process,
        tempfile.TemporaryDirectory() as folder,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        listening, telling = process.stdin, process.stdout

        def ask(strategy: str, moment: Moment, count: int, seed: int) -> list[int]:
            pool = moment.data.pool
            given: dict[str, Floats | Ints] = {
                "embeddings": moment.embeddings,
                "probabilities": softmax(moment.logits),
                "labelled": np.array(moment.bought),
                "classes": pool.truth[moment.bought],
                "unlabelled": np.setdiff1d(np.arange(len(pool.ids)), moment.bought),
            }
            for name, array in given.items():
                np.save(f"{folder}/{name}.npy", array)
            asked = {"strategy": strategy, "folder": folder, "count": count, "seed": seed}
            listening.write(json.dumps(asked) + "\n")
            listening.flush()
            answer = telling.readline()
            if not answer:
                raise SystemExit(f"The peers' process ended while it was asked for {strategy}.")
            return [int(pick) for pick in json.loads(answer)]

        yield ask
        listening.close()


def summary(
    name: str, data: Set, curves: dict[str, list[list[Floats]]]
) -> tuple[list[report.Row], dict[str, Any]]:
    """Return a row per rival, and the table per language with intervals."""
    areas = {  # seeds x languages
        strategy: np.array([np.mean(curve, axis=0) for curve in found])
        for strategy, found in curves.items()
    }
    best = {
        library: max(
            (strategy for strategy in PEERS if strategy.startswith(library)),
            key=lambda strategy: float(areas[strategy].mean()),
        )
        for library in ("small-text", "scikit-activeml")
    }
    rows, tables = [], {}
    for rival in ("random", *best.values()):
        ratios = areas[DEFAULT].mean(axis=1) / areas[rival].mean(axis=1)
        rows.append(
            report.Row(
                row=f"{name}, {DEFAULT} against {rival}",
                ours=float(areas[DEFAULT].mean()),
                peer=float(areas[rival].mean()),
                bar=None,
                spread=float(np.abs(ratios - ratios.mean()).max()),
            )
        )
        tables[rival] = {
            tag: told(areas[DEFAULT][:, at] - areas[rival][:, at])
            for at, tag in enumerate(data.languages)
        } | {
            "mean": told((areas[DEFAULT] - areas[rival]).mean(axis=1)),
            "worst language": told(areas[DEFAULT].min(axis=1) - areas[rival].min(axis=1)),
        }
    every = {strategy: round(float(area.mean()), 4) for strategy, area in areas.items()}
    worst = {strategy: round(float(area.min(axis=1).mean()), 4) for strategy, area in areas.items()}
    return rows, {"areas": every, "worst_language": worst, "gain_of_default": tables}


def told(gains: Floats) -> list[float]:
    """Return a mean gain with its interval."""
    return [round(number, 4) for number in interval(gains)]


if __name__ == "__main__":
    main()
