"""Generators: corrections, preferences, quality and speed (``python -m benchmarks.generation``).

A network of some 90,000 weights learns from scratch to write four made-up languages, one of them in
a neighbour's dialect (:mod:`benchmarks.generation_made`). Corrections of 120 outputs are then learned by the
product's own loop: does the error fall, and what becomes of the other languages, with replay, with
adapters, and with neither? Where the network writes the dialect every other time, simulated people choose between two
of its outputs; what is learned from that is put before other people, blindly. A quality head learns
from simulated ratings of damaged translations of NusaX and is held against ratings of others. The quick run takes
one seed, fewer ways to learn, and writes nothing. GPU rows need a GPU and stand empty without one.
"""

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import generation_gpu, report
from benchmarks.figures import Figure, mean_of, table
from benchmarks.generation_made import CORRECTED, TAGS, Judges, World, copied, exact
from benchmarks.generation_quality import quality
from benchmarks.peers import peer_python
from learning.methods.chrf import chrf, counts
from learning.networks import Network
from learning.networks.generator import Generator
from learning.networks.writing import Wish, home_of, write
from training.methods import corrections, preference
from training.methods.adapters import dressed
from training.methods.judged import non_inferior, win_share
from training.methods.lessons import Job, Lessons
from training.methods.loop import fit
from training.methods.preference import Chooser, Preference, on_generator
from training.methods.recipes import Recipe
from training.methods.written import Cases, change_by_language, likelihood, said_by

MARGIN = 0.03
# So long until the network writes what it was taught: one that is still learning when corrections come
# loses by replay of its store, too (see RESULTS.md).
STEPS = 500
STORE, DRAWS = 400, 1_999
# Held-out sources a language. With 100 the interval of a change reaches .03 by itself, which is
# the margin: 400 were decided on before anything was looked at with them.
SOURCES = 400
WISH = Wish(longest=16)
# One set of numbers for all seeds, tried on seed 0 alone, whose rows are no better than the others'.
KNOBS: dict[str, Any] = {"lr": 1e-3, "epochs": 8, "batch": 32}
METHODS: dict[str, dict[str, Any]] = {
    "update (replay, the default)": {"method": "update"},
    "er (replay alone)": {"method": "er"},
    "lora, a language its own": {"method": "lora", "lr": 5e-3, "epochs": 12},
    "naive": {"method": "naive"},
}
CHOOSING: dict[str, dict[str, Any]] = {
    "preferences, whole network": {"method": "cumulative", "lr": 3e-4, "epochs": 3},
    "preferences, lora": {"method": "lora", "lr": 3e-3, "epochs": 6},
}
BETA = 0.3
NOTES = [
    "Corrected and other languages are made up; so are all people. What a real network does in a"
    " real language has to be seen there.",
    f"error: share of outputs that are not right to the letter, {SOURCES} held-out sources a language.",
    "others, worst: change of chrF in the language that changed worst; its interval is that of the"
    " lower ends over seeds for replay and adapters.",
    "tokens/s by processor time on a CPU: ratios within the run.",
]


def learn(network: Network, lessons: Lessons, *, recipe: Recipe, dev: Cases, seed: int) -> None:
    """Teach a network by the product's loop."""
    with tempfile.TemporaryDirectory() as folder:
        job = Job(
            lessons,
            on_generator(likelihood(dev)),
            recipe,
            seed=seed,
            snapshot="benchmark",
            items={tag: len(rows) for tag, rows in dev.places().items()},
        )
        fit(
            network,
            job=job,
            folder=Path(folder),
            watch=lambda step, *, steps, curve: None,
            should_stop=lambda: False,
        )


def recipe_of(generator: Generator, **over: Any) -> Recipe:
    """Return the generator's own recipe with what a run changes."""
    plain = {
        name: value for name, value in generator.settings()["recipe"].items() if name != "lora"
    }
    return Recipe.of(plain, KNOBS, over)


def corrected(seeds: int, *, methods: Sequence[str] = tuple(METHODS)) -> list[Figure]:
    """Learn corrections in one language, by each method."""
    errors: dict[str, list[float]] = {name: [] for name in ("before", *methods)}
    change: dict[str, list[float]] = {name: [] for name in methods}
    worst: dict[str, list[float]] = {name: [] for name in methods}
    lowest: dict[str, list[float]] = {name: [] for name in methods}
    for seed in range(seeds):
        world = World(seed)
        base, rows = world.learned(steps=STEPS), world.corrections(120, store=STORE)
        cases, dev = world.cases(SOURCES, part=5), world.cases(20, part=6)
        before = said_by(base, cases, wish=WISH)
        errors["before"].append(exact(before, cases, CORRECTED))
        for name in methods:
            generator = copied(base)
            recipe = recipe_of(generator, **METHODS[name])
            network = dressed(generator, recipe=recipe, languages=[CORRECTED])
            learn(network, corrections.lessons_of(rows), recipe=recipe, dev=dev, seed=seed)
            after = said_by(_generator(network), cases, wish=WISH)
            errors[name].append(exact(after, cases, CORRECTED))
            rng = np.random.default_rng(seed)
            told = change_by_language(before, after, cases=cases, rng=rng, draws=DRAWS)
            others = [told[tag] for tag in TAGS[1:]]
            change[name].append(told[CORRECTED].value)
            worst[name].append(min(one.value for one in others))
            lowest[name].append(min(one.low for one in others))
    found = []
    was = float(np.mean(errors["before"]))
    for name in methods:
        found += [
            Figure(
                f"corrections, {name}: error, corrected language",
                **mean_of(errors[name]),
                peer=was,
                bar=was / 2,
                less=True,
            ),
            Figure(f"corrections, {name}: chrF gained there", **mean_of(change[name])),
            Figure(
                f"corrections, {name}: others, worst",
                **mean_of(worst[name]),
                bar=-MARGIN,
                less=name == "naive",
            ),
            Figure(
                f"corrections, {name}: others, lowest bound",
                float(np.min(lowest[name])),
                bar=None if name == "naive" else -MARGIN,
            ),
        ]
    return found


def _generator(network: Network) -> Generator:
    assert isinstance(network, Generator)
    return network


@dataclass
class Asked:
    """What was drawn for sources in the corrected language, and what people chose."""

    world: World

    def preferences(self, generator: Generator) -> list[Preference]:
        """Return pairs of different draws with the share of three people who chose the first."""
        asked = self.world.cases(300, part=7, tags=[CORRECTED])
        wish = Wish(longest=WISH.longest, samples=2, seed=self.world.seed)
        drawn = [one.drawn for one in write(generator, asked.sources, asked.languages, wish=wish)]
        first, second = [one for one, _ in drawn], [two for _, two in drawn]
        told = Judges(self.world.seed).choose(first, second, right=asked.right, each=3)
        shares = np.zeros(len(drawn))
        for item, _, outcome in told:
            shares[item] += (1 + outcome) / 6
        return [
            Preference(
                asked.sources[at],
                first[at],
                second[at],
                CORRECTED,
                share=float(np.clip(share, 0, 1)),
            )
            for at, share in enumerate(shares)
            if first[at] != second[at]
        ]


def preferred(seeds: int, *, choosing: Sequence[str] = tuple(CHOOSING)) -> list[Figure]:
    """Learn preferences, and have other people choose blindly between candidate and champion."""
    ways = (*choosing, "corrections made of what was chosen")
    shares: dict[str, list[float]] = {name: [] for name in ways}
    lows: dict[str, list[float]] = {name: [] for name in ways}
    worst: dict[str, list[float]] = {name: [] for name in ways}
    passed: dict[str, list[float]] = {name: [] for name in ways}
    pairs: list[float] = []
    for seed in range(seeds):
        world = World(seed)
        base = world.learned(steps=STEPS, dialect=0.5)
        told = Asked(world).preferences(base)
        pairs.append(len(told))
        cases, dev = world.cases(100, part=8), world.cases(20, part=6)
        before = said_by(base, cases, wish=WISH)
        rows = cases.places()[CORRECTED]
        judged = Cases(
            *([part[i] for i in rows] for part in (cases.sources, cases.right, cases.languages))
        )
        for name in ways:
            generator = _taught(copied(base), told, name=name, dev=dev, seed=seed)
            after = said_by(generator, cases, wish=WISH)
            duel = Judges(seed, part=1).duel(
                [after[i] for i in rows], [before[i] for i in rows], cases=judged, each=3
            )
            share = win_share(duel)
            shares[name].append(share.value)
            lows[name].append(share.low)
            passed[name].append(float(non_inferior(duel).verdict == "PASS"))
            rng = np.random.default_rng(seed)
            change = change_by_language(before, after, cases=cases, rng=rng, draws=DRAWS)
            worst[name].append(min(change[tag].value for tag in TAGS[1:]))
    plain = float(np.mean(shares[ways[-1]]))
    found = [Figure("preferences: pairs that differ", **mean_of(pairs))]
    for name in ways:
        own = name in CHOOSING
        found += [
            Figure(
                f"{name}: win share",
                **mean_of(shares[name]),
                peer=plain if own else None,
                bar=0.5 if own else None,
            ),
            Figure(
                f"{name}: win share, lowest bound",
                float(np.min(lows[name])),
                bar=0.5 if own else None,
            ),
            Figure(f"{name}: people's gate passed", **mean_of(passed[name])),
            Figure(f"{name}: others, worst", **mean_of(worst[name])),
        ]
    return found


def _taught(
    generator: Generator, told: Sequence[Preference], *, name: str, dev: Cases, seed: int
) -> Generator:
    if name not in CHOOSING:
        best = [
            corrections.Correction(
                one.source, one.first if one.share > 0.5 else one.second, one.language
            )
            for one in told
            if one.share != 0.5
        ]
        recipe = recipe_of(generator, method="cumulative", lr=3e-4, epochs=3)
        learn(generator, corrections.lessons_of(best), recipe=recipe, dev=dev, seed=seed)
        return generator
    recipe = recipe_of(generator, **CHOOSING[name])
    network = dressed(generator, recipe=recipe, languages=[CORRECTED])
    chooser = Chooser(_generator(network), beta=BETA)
    learn(chooser, preference.lessons_of(told), recipe=recipe, dev=dev, seed=seed)
    return chooser.generator


def speed(*, sources: int, steps: int = STEPS // 2) -> list[Figure]:
    """Write many outputs at once, with their log-probabilities, and one by one by ``generate``."""
    world = World(0)
    generator, cases = world.learned(steps=steps), world.cases(sources // len(TAGS), part=9)
    write(generator, cases.sources[:8], cases.languages[:8], wish=WISH)
    start = time.process_time()
    told = write(generator, cases.sources, cases.languages, wish=WISH)
    ours = sum(one.tokens for one in told) / (time.process_time() - start)
    some = slice(0, max(len(cases.sources) // 4, 1))
    rate, texts = plain_loop(generator, cases.sources[some], cases.languages[some])
    same = np.mean([one.text == text for one, text in zip(told[some], texts, strict=True)])
    return [
        Figure("writing: tokens per CPU second, in batches and scored", ours, rate, bar=rate),
        Figure("writing: the same outputs as one by one", float(same), bar=1.0),
    ]


def plain_loop(
    generator: Generator, sources: Sequence[str], languages: Sequence[str]
) -> tuple[float, list[str]]:
    """Return tokens per CPU second (GPU: second) of ``generate`` text by text, and the texts."""
    home = home_of(generator)
    clock = time.perf_counter if home.type == "cuda" else time.process_time
    asked, tokens, texts, start = generator.asking.asked(sources, languages), 0, [], clock()
    for one in asked:
        with torch.no_grad():
            said = generator.module.generate(
                input_ids=torch.tensor([one.given], device=home),
                decoder_input_ids=torch.tensor([one.begun], device=home),
                max_new_tokens=WISH.longest,
                do_sample=False,
            )[0, len(one.begun) :]
        texts.append(generator.asking.text(said.tolist()))
        tokens += len(said)
    return tokens / (clock() - start), texts


@contextmanager
def sacrebleu() -> Iterator[Any]:
    """Have sacreBLEU in the environment of the other libraries answer."""
    command = [str(peer_python()), "-m", "benchmarks.generation_peer"]

    def ask(said: Sequence[str], right: Sequence[str]) -> dict[str, Any]:
        asked = json.dumps({"said": list(said), "right": list(right)})
        told = subprocess.run(command, input=asked, capture_output=True, text=True, check=True)
        return dict(json.loads(told.stdout))

    yield ask


def held_against_sacrebleu() -> list[Figure]:
    """Compare chrF of outputs, and of all of them together, with sacreBLEU's."""
    rng = np.random.default_rng(0)
    alphabets = ["abcdefgh ", "ابتثجحخد ", "ሀለሐመሠረሰሸ ", "𞤀𞤁𞤂𞤃𞤄𞤅 ", "é\u0301ọ̀🙂👩🏾‍🌾 "]
    said, right = (
        ["".join(rng.choice(list(alphabets[n % 5]), n % 23)) for n in range(250)] for _ in range(2)
    )
    right = [
        two if at % 3 else one[: len(one) // 2] + two
        for at, (one, two) in enumerate(zip(said, right, strict=True))
    ]
    counted = counts(said, right=right)
    with sacrebleu() as ask:
        told = ask(said, right)
    apart = float(np.abs(chrf(counted) - np.array(told["each"]) / 100).max())
    whole = abs(float(chrf(counted.sum(axis=0))) - told["whole"] / 100)
    return [
        Figure("chrF: furthest from sacreBLEU's, an output", apart, bar=1e-9, less=True),
        Figure("chrF: apart from sacreBLEU's, all together", whole, bar=1e-9, less=True),
    ]


def main() -> None:
    """Run everything, or a part of it, print the tables and write them down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--quick", action="store_true", help="one seed, nothing written")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--part", choices=PARTS, action="append", help="this alone, beside the rest"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    seeds = options.seeds
    parts: dict[str, Callable[[], list[Figure]]] = {
        "chrf": held_against_sacrebleu,
        "speed": lambda: speed(sources=400),
        "corrections": lambda: corrected(seeds),
        "preferences": lambda: preferred(seeds),
        "quality": lambda: quality(options.data, seeds=seeds),
    }
    if options.quick:
        parts |= {
            "speed": lambda: speed(sources=80, steps=100),
            "corrections": lambda: corrected(1, methods=list(METHODS)[::3]),
            "preferences": lambda: preferred(1, choosing=list(CHOOSING)[:1]),
            "quality": lambda: quality(options.data, seeds=1),
        }
    for name in options.part or PARTS:
        figures = parts[name]()
        print(table(figures), flush=True)
        if not options.quick:
            print(kept([{**one.record(), "part": name} for one in figures]))
    later = generation_gpu.rows()
    for row in later:
        print(row.told())
    if not options.quick:
        print(kept([{**one.record(), "part": "gpu"} for one in later]))


PARTS = ("chrf", "speed", "corrections", "preferences", "quality")


@dataclass(frozen=True)
class Kept:
    """A row as it stands in the file."""

    row: dict[str, Any]

    def record(self) -> dict[str, Any]:
        """Return it."""
        return self.row


def kept(rows: Sequence[dict[str, Any]]) -> Path:
    """Write a part's rows beside those of the others, in the place of its own from before."""
    path = report.RESULTS / "generation.json"
    before = json.loads(path.read_text())["rows"] if path.is_file() else []
    part = rows[0]["part"]
    told = [row for row in before if row["part"] != part] + list(rows)
    return report.write("generation", [Kept(row) for row in told], notes=NOTES)


if __name__ == "__main__":
    main()
