"""A model that is wrong in one language only: ``python -m benchmarks.consensus_trap [--quick]``.

Language A: 1,500 items, eight people right in .80, a model right in .92. Language B: 300 items,
four people right in .92, and the same model right in .45 but just as sure of itself. Two answers
an item, four labels. What matters is the accuracy of the consensus in B: pooling must not carry
the trust that the model earned in A. *Calibrated* is the product's way: a temperature a language,
from 60 gold items each that are not among those judged.
"""

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from annotation.methods.aggregation import UNKNOWN, Answers, fit_languages
from benchmarks import report
from benchmarks.crowd_made import Floats, Ints
from benchmarks.figures import Figure, mean_of, table
from learning.methods.calibration import fit_temperatures
from learning.methods.probabilities import softmax

LABELS, GOLD = 4, 60
SIZES, PEOPLE = (1500, 300), (8, 4)
RIGHT, MODEL_RIGHT, SURE = (0.80, 0.92), (0.92, 0.45), 0.9
BAR = 0.935
WAYS = {
    "people alone": None,
    "with the model as it is": None,
    "with the model, calibrated": BAR,
}
NOTES = ("The bar is for what training uses: people with the calibrated model.",)


def mostly(rng: np.random.Generator, truth: Ints, right: Floats) -> Ints:
    """Return the truth as often as ``right`` says, and any other label else."""
    other = (truth + rng.integers(1, LABELS, len(truth))) % LABELS
    return np.asarray(np.where(rng.random(len(truth)) < right, truth, other))


def model(rng: np.random.Generator, truth: Ints, language: Ints) -> Floats:
    """Return what the model thinks: always sure, seldom right in B."""
    said = mostly(rng, truth, np.asarray(MODEL_RIGHT)[language])
    told = np.full((len(truth), LABELS), (1 - SURE) / (LABELS - 1))
    told[np.arange(len(truth)), said] = SURE
    return told


def consensus(seed: int) -> list[float]:
    """Return the accuracy in B of each way."""
    rng = np.random.default_rng(seed)
    language = np.repeat((0, 1), SIZES)
    truth = rng.integers(0, LABELS, len(language))
    item = np.repeat(np.arange(len(truth)), 2)
    pairs = [rng.choice(PEOPLE[home], 2, replace=False) + home * PEOPLE[0] for home in language]
    label = mostly(rng, truth[item], np.asarray(RIGHT)[language[item]])
    known = np.full(len(truth), UNKNOWN)
    told = Answers(item, np.concatenate(pairs), label, known, sum(PEOPLE), LABELS)
    raw = model(rng, truth, language)
    gold_home = np.repeat((0, 1), GOLD)
    gold = rng.integers(0, LABELS, 2 * GOLD)
    seen = np.log(model(rng, gold, gold_home))
    heats = fit_temperatures(
        {str(home): (seen[gold_home == home], gold[gold_home == home]) for home in (0, 1)}
    )
    calibrated = np.concatenate(
        [
            softmax(np.log(raw[language == home]), temperature=heats[str(home)].value)
            for home in (0, 1)
        ]
    )
    judged = language == 1
    fits = [fit_languages(told, language=language, item_prior=p) for p in (None, raw, calibrated)]
    return [float((each.posterior.argmax(axis=1)[judged] == truth[judged]).mean()) for each in fits]


def main() -> None:
    """Run everything, print the table and write it down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few seeds, nothing written")
    quick = parser.parse_args().quick
    found = np.array([consensus(seed) for seed in range(3 if quick else 40)])
    figures = [
        Figure(f"accuracy in B, {way}", **mean_of(each), bar=bar)
        for (way, bar), each in zip(WAYS.items(), found.T.tolist(), strict=True)
    ]
    print(table(figures))
    if not quick:
        print(report.write("consensus_trap", figures, notes=NOTES))


if __name__ == "__main__":
    main()
