"""One language after another: ``python -m benchmarks.continual [DATA] [--stream S3] [--quick]``.

The same small BERT from the same seeds learns four made-up languages full of false friends (S3)
and, with the data at hand, NusaX, SIB-200 and BRIGHTER; by our methods, and by Avalanche's in an
environment of its own. All see the same token numbers, 8 epochs of each language (4 on real streams, which are long)
in batches of 32 (replay adds 32 from the store), and nobody has a development set, so nothing is
interpolated and nothing leans. Unless a memory is named, ours keep every label, as the service does.
All cut no batch into pieces, as Avalanche does not; one row shows what the service does unless told
otherwise, four pieces, so that any number of processes comes to the same weights.
The starter and TF-IDF with logistic regression (each language alone on its own; one for all)
stand beside the real streams; they read the text itself. Figures: see
:mod:`training.methods.transfer`; CPU seconds are those of learning alone. The file is written after
each way through a stream, and ``--go-on`` leaves out what is in it already.
"""

import argparse
import json
import math
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmarks import report
from benchmarks.continual_model import accuracies, made
from benchmarks.continual_network import TokenNetwork
from benchmarks.continual_runs import REGRESSIONS, Run, means, regression, restored, told_of
from benchmarks.continual_streams import REAL, Part, Stream, false_friends, real
from benchmarks.peers import ROOT, continual_environment, peer_python
from learning.networks import Network
from learning.networks.opening import open_network
from training.methods.loop import Job, Lessons, Recipe, fit

BATCH, RATE, MEMORY = 32, 1e-3, 200
SMALL = {"memory": MEMORY}
OURS: dict[str, dict[str, Any]] = {
    "update": {"method": "update"},
    "update, in 4 pieces": {"method": "update", "pieces": 4},
    "update, memory 200": {"method": "update", **SMALL},
    "DER++, memory 200": {"method": "der++", **SMALL},
    "ER, memory 200": {"method": "er", **SMALL},
    "A-GEM, memory 200": {"method": "a-gem", **SMALL},
    "LwF": {"method": "lwf"},
    "EWC": {"method": "ewc"},
    "naive": {"method": "naive"},
    "cumulative": {"method": "cumulative"},
}
PEERS = ("DER++", "Cumulative", "ER", "ER+LwF", "A-GEM", "LwF", "EWC", "naive")
ON_REAL = ("update", "DER++, memory 200")
PEERS_ON_REAL = ("DER++", "Cumulative")
QUICK = ("update",)
BARS = (
    ("average against Cumulative", "acc", "Cumulative", 0.98, False),
    ("average against DER++", "acc", "DER++", 1.01, False),
    ("CPU seconds against Cumulative", "cpu", "Cumulative", 1 / 0.60, True),
    ("forgetting against ER", "forgetting", "ER", 1 / 0.35, True),
    ("forgetting against DER++", "forgetting", "DER++", 1 / 0.60, True),
    ("worst language against DER++", "worst", "DER++", 1.03, False),
)


Found = dict[str, list[Run]]


def main() -> None:
    """Run the streams and write what was found after each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="?", help="folder that holds the sets")
    parser.add_argument("--stream", choices=["S3", *REAL], action="append")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="S3, one seed, not written")
    parser.add_argument("--go-on", action="store_true", help="keep what the file has of a stream")
    parser.add_argument("--minutes", type=float, help="begin nothing more after so long")
    given = parser.parse_args()
    torch.set_num_threads(1)
    until = time.monotonic() + 60 * given.minutes if given.minutes else math.inf
    wished = given.stream or ["S3", *(REAL if given.data and not given.quick else ())]
    rows: dict[str, list[report.Row]] = {}
    kept: dict[str, Any] = {}
    for name in wished:
        stream = false_friends() if name == "S3" else real(given.data, name=name)
        found = restored(report.RESULTS / "continual.json", stream) if given.go_on else {}
        for _ in walk(stream, found, seeds=1 if given.quick else given.seeds, quick=given.quick):
            rows[name], kept[name] = summary(stream, found), told_of(stream, found)
            if not given.quick:
                keep([row for mine in rows.values() for row in mine], kept)
            if time.monotonic() > until:
                break
    print(report.table([row for mine in rows.values() for row in mine]))


def walk(stream: Stream, found: Found, *, seeds: int, quick: bool) -> Iterator[None]:
    """Learn the stream in every way that is not found yet, seed by seed; pause after each."""
    synthetic = stream.name == "S3"
    ours = OURS if synthetic else {name: OURS[name] for name in ON_REAL}
    peers: Sequence[str] = PEERS if synthetic else PEERS_ON_REAL
    if quick:
        ours, peers = {name: OURS[name] for name in QUICK}, PEERS[:3]
    with avalanche(stream) as ask:
        for seed in range(seeds):
            ways = {
                f"ours {name}": partial(ours_of, stream, ours[name], seed=seed) for name in ours
            }
            ways |= {f"Avalanche {name}": partial(ask, name, seed) for name in peers}
            if not synthetic and not seed:
                ways |= {"ours starter": partial(starter_of, stream)}
                ways |= {name: partial(regression, stream, name) for name in REGRESSIONS}
            for name, way in ways.items():
                if len(found.get(name, ())) <= seed:
                    tell(found, name, way())
                    yield


def tell(found: Found, name: str, run: Run) -> None:
    """Keep a run and say how it went."""
    found.setdefault(name, []).append(run)
    figures = run.figures
    print(
        f"{name:<40} ACC {figures.acc:.3f}  worst {figures.worst:.3f}  BWT {figures.bwt:+.3f}"
        f"  forgetting {figures.forgetting:+.3f}  {run.cpu:.1f} CPU s",
        flush=True,
    )


def ours_of(stream: Stream, settings: Mapping[str, Any], *, seed: int) -> Run:
    """Learn with our loop and the small BERT."""
    network = TokenNetwork(made(stream.shape, seed=seed), classes=stream.classes)
    tests = [(torch.from_numpy(p.tokens), torch.from_numpy(p.truth)) for p in stream.test]
    texts = [network.spelled(part.tokens) for part in stream.train]

    def measure() -> list[float]:
        return accuracies(network.module, tests)

    recipe = {"lr": RATE, "epochs": stream.epochs, "curve_points": 1, "lean": 1.0, "pieces": 1}
    recipe |= settings
    return _learn(stream, network, texts=texts, recipe=recipe, measure=measure, seed=seed)


def starter_of(stream: Stream) -> Run:
    """Learn with our loop and the starter, as it ships; no seed changes its weights' beginning."""
    network = open_network("starter", labels=[str(k) for k in range(stream.classes)], seed=0)

    @torch.no_grad()
    def measure() -> list[float]:
        network.module.eval()
        return [
            float((_logits(network, part, tag).argmax(1) == part.truth).mean())
            for part, tag in zip(stream.test, stream.languages, strict=True)
        ]

    texts = [part.texts for part in stream.train]
    advice = network.settings()["recipe"]
    recipe = {**advice, "curve_points": 1, "lean": 1.0}
    return _learn(stream, network, texts=texts, recipe=recipe, measure=measure, seed=0)


def _logits(network: Network, part: Part, tag: str) -> npt.NDArray[np.float32]:
    found = [
        network.logits(
            network.collate(part.texts[at : at + 256], [tag] * len(part.texts[at:][:256]))
        )
        for at in range(0, len(part.texts), 256)
    ]
    return np.asarray(torch.cat(found).numpy(), np.float32)


def _learn(
    stream: Stream,
    network: Network,
    *,
    texts: Sequence[Sequence[str]],
    recipe: Mapping[str, Any],
    measure: Any,
    seed: int,
) -> Run:
    matrix, spent = [measure()], 0.0
    store: npt.NDArray[np.float32] | None = None
    left: Mapping[str, torch.Tensor] = {}
    advised = int(recipe.get("batch", 0))
    for place in range(len(stream.languages)):
        lessons = lessons_of(stream, texts, place=place, stored=store)
        batch = advised or (2 * BATCH if _replays(recipe) and place else BATCH)
        job = Job(
            lessons=lessons,
            measure=lambda _: {},
            recipe=Recipe.of(recipe, {"batch": batch}),
            seed=seed * 1000 + place,
            snapshot=f"{stream.name} {place}",
            carried=left,
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
        spent += time.process_time() - began
        store, left = learned.logits, learned.carried
        matrix.append(measure())
    return Run(matrix, spent)


def _replays(recipe: Mapping[str, Any]) -> bool:
    return recipe.get("method", "update") in ("update", "er", "der++", "a-gem")


def lessons_of(
    stream: Stream,
    texts: Sequence[Sequence[str]],
    *,
    place: int,
    stored: npt.NDArray[np.float32] | None,
) -> Lessons:
    """Return the language that comes now, and all that came before it as the store."""
    parts = stream.train[: place + 1]
    truth = np.concatenate([part.truth for part in parts])
    fresh = np.zeros(len(truth), bool)
    fresh[-len(parts[-1].truth) :] = True
    logits = np.full((len(truth), stream.classes), np.nan, np.float32)
    if stored is not None:
        logits[: len(stored)] = stored
    return Lessons(
        texts=[text for mine in texts[: place + 1] for text in mine],
        languages=[
            tag
            for tag, part in zip(stream.languages, parts, strict=False)
            for _ in range(len(part.truth))
        ],
        targets=np.eye(stream.classes, dtype=np.float32)[truth],
        weights=np.ones(len(truth), np.float32),
        fresh=fresh,
        logits=logits,
    )


@contextmanager
def avalanche(stream: Stream) -> Iterator[Any]:
    """Start Avalanche's side and return what asks it."""
    python = peer_python(continual_environment())
    with tempfile.TemporaryDirectory() as folder:
        stream.save(Path(folder))
        with subprocess.Popen(
            [str(python), "-W", "ignore", "-m", "benchmarks.continual_peer"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
        ) as process:
            lines, answers = process.stdin, process.stdout
            assert lines is not None
            assert answers is not None

            def ask(method: str, seed: int) -> Run:
                asked = {
                    "folder": folder,
                    "shape": stream.shape,
                    "method": method,
                    "seed": seed,
                    "epochs": stream.epochs,
                    "memory": MEMORY,
                    "rate": RATE,
                }
                print(json.dumps(asked), file=lines, flush=True)
                answer = answers.readline()
                if not answer:
                    raise RuntimeError(f"Avalanche ended while it learned by {method}")
                return Run(**json.loads(answer))

            yield ask
            lines.close()


def summary(stream: Stream, found: Found) -> list[report.Row]:
    """Hold what is compared side by side, with its bar where it has one."""
    figures_of = {name: means(runs) for name, runs in found.items()}
    mine = figures_of["ours update"]
    rows = []
    if stream.name == "S3":
        for told, figure, peer, bar, less in BARS:
            theirs = figures_of.get(f"Avalanche {peer}")
            if theirs:
                own, other = found["ours update"], found[f"Avalanche {peer}"]
                rows.append(
                    report.Row(
                        f"S3: {told}",
                        max(mine[figure], 1e-4),
                        theirs[figure],
                        bar,
                        spread=_spread(own, other, figure=figure, less=less),
                        less=less,
                    )
                )
        if all(f"ours {name}" in figures_of for name in OURS) and "Avalanche DER++" in figures_of:
            small = max(figures_of[f"ours {name}"]["acc"] for name in OURS if "memory" in name)
            rows.append(
                report.Row(
                    "S3: memory of 200, ours best", small, figures_of["Avalanche DER++"]["acc"], 1.0
                )
            )
    for name, figures in figures_of.items():
        if name == "ours update":
            continue
        for figure in ("acc", "worst"):
            rows.append(
                report.Row(
                    f"{stream.name}: {figure}, update : {name}", mine[figure], figures[figure], None
                )
            )
    return rows


def _spread(own: Sequence[Run], other: Sequence[Run], *, figure: str, less: bool) -> float:
    """Return how far one seed's ratio lies from the mean ratio at most."""
    pairs = [(means([a])[figure], means([b])[figure]) for a, b in zip(own, other, strict=False)]
    ratios = [b / max(a, 1e-4) if less else a / b for a, b in pairs]
    return float(max(abs(ratio - np.mean(ratios)) for ratio in ratios))


def keep(rows: Sequence[report.Row], kept: Mapping[str, Any]) -> None:
    """Write the file; streams that an earlier call measured stay in it."""
    path = report.RESULTS / "continual.json"
    before = json.loads(path.read_text()) if path.exists() else {"rows": [], "streams": {}}
    names = tuple(f"{name}:" for name in kept)
    others = [
        report.Row(**_plain(row)) for row in before["rows"] if not row["row"].startswith(names)
    ]
    streams = {**before["streams"], **kept}
    report.write("continual", [*others, *rows], notes=(str(__doc__).strip(),), streams=streams)


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in ("ratio", "met")}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
