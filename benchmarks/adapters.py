"""An adapter a language against all weights: ``python -m benchmarks.adapters [DATA --stream NusaX]``.

A small BERT learns the first language whole; that is what every method goes on from. Then the
others come, one after the other: four made-up ones full of false friends (S3) and, with the data
at hand, four of NusaX. *Update* is the default (all weights, every label so far replayed), *naive*
all weights and the new language alone; the others freeze the BERT and learn an adapter of their
own. All see 8 epochs of each language in batches of 32 (update: and 32 of the store).
*Changed elsewhere* is the share of test texts of other languages whose logits are not the same
bits after a language was learned; *kilobytes* are the weights that one more language adds to
what is stored, against all of them where everything learns. The rates of the adapters
(1e-2) were chosen on a seed of their own; nobody has a development set.
"""

import argparse
import json
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import BertConfig, BertForSequenceClassification

from benchmarks import report
from benchmarks.continual import BATCH, RATE, lessons_of
from benchmarks.continual_runs import Run
from benchmarks.continual_streams import Stream, false_friends, real
from learning.networks import Network
from learning.networks.encoder import Encoder
from training.methods.adapters import dressed
from training.methods.loop import Job, Recipe, fit

NUSAX = ("ind", "jav", "bug", "bbc")
ADAPTER_RATE = 1e-2
METHODS: dict[str, dict[str, Any]] = {
    "update": {"method": "update", "lr": RATE, "lean": 1.0},
    "naive": {"method": "naive", "lr": RATE},
    "lora": {"method": "lora", "lr": ADAPTER_RATE, "weight_decay": 0.0},
    "bottleneck": {"method": "bottleneck", "lr": ADAPTER_RATE, "weight_decay": 0.0},
    "o-lora": {"method": "o-lora", "lr": ADAPTER_RATE, "weight_decay": 0.0},
}
SHAPE: dict[str, Any] = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "max_position_embeddings": 128,
}
TUNED_ON = 100

# By method and seed: a walk's figures.
Found = dict[str, dict[str, dict[str, Any]]]


class Numbers:
    """A tokenizer of texts that are numbers already; a start of its own comes first."""

    pad_token_id = 0
    model_max_length = 128

    def __init__(self, start: int) -> None:
        self.start = start

    def __call__(self, texts: Sequence[str], **_: Any) -> dict[str, list[list[int]]]:
        """Return the numbers of each text."""
        return {"input_ids": [[self.start, *map(int, text.split())] for text in texts]}


@dataclass(frozen=True)
class Walk:
    """One way through a stream: accuracies, and what happened to the languages that rested."""

    run: Run
    changed: float
    kilobytes: float


def main() -> None:
    """Walk the streams by every method and write what was found; other seeds' walks stay."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="?", help="folder that holds the sets")
    parser.add_argument("--stream", choices=["S3", "NusaX"], default="S3")
    parser.add_argument("--seed", type=int, action="append")
    parser.add_argument("--quick", action="store_true", help="S3, one seed, not written")
    parser.add_argument("--rates", action="store_true", help="show how the rates were chosen")
    given = parser.parse_args()
    torch.set_num_threads(1)
    real_one = given.stream == "NusaX" and not given.quick
    stream = some(real(given.data, name="NusaX")) if real_one else false_friends()
    if given.rates:
        rates(stream)
        return
    found = walks(stream, seeds=[0] if given.quick else given.seed or [0, 1, 2])
    streams: dict[str, Any] = {stream.name: {"languages": stream.languages, "walks": found}}
    if not given.quick:
        streams = together(streams)
        rows = [row for name, one in streams.items() for row in summary(name, one["walks"])]
        report.write("adapters", rows, notes=(str(__doc__).strip(),), streams=streams)
    print(report.table(summary(stream.name, streams[stream.name]["walks"])))


def together(streams: dict[str, Any]) -> dict[str, Any]:
    """Return these walks with those of other streams and seeds that were written before."""
    path = report.RESULTS / "adapters.json"
    known = json.loads(path.read_text())["streams"] if path.exists() else {}
    for name, one in streams.items():
        before = known.get(name, {"walks": {}})["walks"]
        walks = {method: before.get(method, {}) | made for method, made in one["walks"].items()}
        known[name] = {"languages": one["languages"], "walks": walks}
    return known


def some(stream: Stream) -> Stream:
    """Return four languages of NusaX, in the order in which other work takes them."""
    places = [stream.languages.index(tag) for tag in NUSAX]
    train, test = (tuple(parts[place] for place in places) for parts in (stream.train, stream.test))
    return replace(stream, languages=NUSAX, train=train, test=test, epochs=8)


def rates(stream: Stream) -> None:
    """Learn with several rates of adapters, on a seed that is used for nothing else."""
    for method in ("lora", "bottleneck", "o-lora"):
        for rate in (3e-3, 1e-2, 3e-2):
            made = walk(stream, METHODS[method] | {"lr": rate}, seed=TUNED_ON)
            tell(f"{method} {rate}", made)


def walks(stream: Stream, *, seeds: Sequence[int]) -> Found:
    """Walk the stream by every method, seed by seed."""
    found: Found = {name: {} for name in METHODS}
    for seed in seeds:
        for name, settings in METHODS.items():
            made = walk(stream, settings, seed=seed)
            found[name][str(seed)] = figures_of(made)
            tell(f"{stream.name}, {name}, seed {seed}", made)
    return found


def tell(name: str, made: Walk) -> None:
    """Say how a walk went."""
    figures = made.run.figures
    print(
        f"{name:<28} ACC {figures.acc:.3f}  worst {figures.worst:.3f}  forgetting"
        f" {figures.forgetting:+.3f}  changed elsewhere {made.changed:.3f}"
        f"  {made.kilobytes:.0f} kB  {made.run.cpu:.1f} CPU s",
        flush=True,
    )


def walk(stream: Stream, settings: dict[str, Any], *, seed: int) -> Walk:
    """Learn the first language whole and the others by the method."""
    network: Network = encoder(stream, seed=seed)
    texts = [[spelled(row) for row in part.tokens] for part in stream.train]
    before = said(network, stream)
    matrix, spent = [right(stream, before)], 0.0
    changed: list[float] = []
    left: dict[str, Any] = {"logits": None, "carried": {}}
    for place, tag in enumerate(stream.languages):
        own = settings if place else METHODS["update"]
        replays = own["method"] == "update" and place
        recipe = Recipe.of(
            {"epochs": stream.epochs, "curve_points": 1, "batch": 2 * BATCH if replays else BATCH},
            own,
        )
        network = dressed(network, recipe=recipe, languages=[tag])
        lessons = lessons_of(stream, texts, place=place, stored=left["logits"])
        spent += learn(network, lessons=lessons, recipe=recipe, left=left, seed=seed, place=place)
        after = said(network, stream)
        if place:
            changed.append(moved(before, after, but=place))
        before = after
        matrix.append(right(stream, after))
    added = sum(part.numel() * part.element_size() for part in network.trainable())
    return Walk(Run(matrix, spent), float(np.mean(changed)), added / 1000)


def encoder(stream: Stream, *, seed: int) -> Encoder:
    """Make a small BERT that knows nothing."""
    shape = SHAPE | {"vocab_size": stream.words + 1, "num_labels": stream.classes}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = BertForSequenceClassification(BertConfig(**shape))
    labels = [str(number) for number in range(stream.classes)]
    return Encoder(labels, name="small", module=module, tokenizer=Numbers(stream.words))


def learn(
    network: Network, *, lessons: Any, recipe: Recipe, left: dict[str, Any], seed: int, place: int
) -> float:
    """Fit one language; return the processor's seconds."""
    job = Job(
        lessons=lessons,
        measure=lambda _: {},
        recipe=recipe,
        seed=seed * 1000 + place,
        snapshot=f"{place}",
        carried=left["carried"],
    )
    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        learned = fit(
            network,
            job=job,
            folder=Path(folder),
            watch=lambda *_, **__: None,
            should_stop=lambda: False,
        )
    left.update(logits=learned.logits, carried=learned.carried)
    return time.process_time() - began


def spelled(row: npt.NDArray[np.int64]) -> str:
    """Write a row of numbers as a text, without what only fills it up."""
    return " ".join(str(number) for number in row if number)


@torch.no_grad()
def said(network: Network, stream: Stream) -> Sequence[npt.NDArray[np.float32]]:
    """Return the logits of every language's test texts, languages mixed in each batch."""
    network.module.eval()
    rows = [
        (place, row, spelled(numbers))
        for place, part in enumerate(stream.test)
        for row, numbers in enumerate(part.tokens)
    ]
    rows.sort(key=lambda row: row[1])
    found = [np.empty((len(part.truth), stream.classes), np.float32) for part in stream.test]
    for at in range(0, len(rows), 256):
        some_rows = rows[at : at + 256]
        tags = [stream.languages[place] for place, _, _ in some_rows]
        batch = network.collate([text for _, _, text in some_rows], tags)
        for (place, row, _), logits in zip(some_rows, network.logits(batch).numpy(), strict=True):
            found[place][row] = logits
    return found


def right(stream: Stream, logits: Sequence[npt.NDArray[np.float32]]) -> list[float]:
    """Return the accuracy in each language."""
    pairs = zip(logits, stream.test, strict=True)
    return [float((mine.argmax(axis=1) == part.truth).mean()) for mine, part in pairs]


def moved(
    before: Sequence[npt.NDArray[np.float32]],
    after: Sequence[npt.NDArray[np.float32]],
    *,
    but: int,
) -> float:
    """Return the share of texts of all languages but one whose logits are not the same bits."""
    pairs = [
        (old.view(np.int32), new.view(np.int32))
        for place, (old, new) in enumerate(zip(before, after, strict=True))
        if place != but
    ]
    return float(np.mean(np.concatenate([(old != new).any(axis=1) for old, new in pairs])))


def figures_of(made: Walk) -> dict[str, Any]:
    """Return a walk's figures and its matrix: a row before anything, then one a language."""
    told, matrix = made.run.figures, made.run.matrix
    figures = {
        "acc": told.acc,
        "worst": told.worst,
        "forgetting": told.forgetting,
        "just learned": float(np.mean([row[n] for n, row in enumerate(matrix[1:])])),
        "changed": made.changed,
        "kilobytes": made.kilobytes,
        "cpu": made.run.cpu,
    }
    rounded = {name: round(value, 4) for name, value in figures.items()}
    return {**rounded, "matrix": np.round(matrix, 3).tolist()}


def summary(stream: str, found: Found) -> list[report.Row]:
    """Hold each method against learning with all weights, over the seeds that both have."""
    rows = []
    for name, made in found.items():
        seeds = sorted(set(made) & set(found["update"]))
        if name == "update" or not seeds:
            continue
        for figure, less in (("acc", False), ("worst", False), ("cpu", True), ("kilobytes", True)):
            pairs = [(made[seed][figure], found["update"][seed][figure]) for seed in seeds]
            ratios = [whole / mine if less else mine / whole for mine, whole in pairs]
            mine, whole = (float(np.mean(side)) for side in zip(*pairs, strict=True))
            spread = float(max(abs(ratio - np.mean(ratios)) for ratio in ratios))
            told = f"{stream}: {figure}, {name} : update"
            rows.append(report.Row(told, mine, whole, None, spread=spread, less=less))
    return rows


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
