"""How honest probabilities are made, and by how little gold: ``python -m benchmarks.calibration``.

Temperatures: none, one for all languages, one a language by itself, ours (shrunk), scikit-learn's
for each language, and the true one where it is known; negative log-likelihood (NLL) and expected
calibration error (ECE, 15 bins) on items that nobody has fitted on. On synthetic languages, and
on the starter's answers to NusaX and NollySenti after 50 labels a language. Then coverage of
sets, and what people's answers are worth beside gold. `--quick` takes under a minute.
"""

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from annotation.methods import aggregation
from benchmarks import report
from benchmarks.figures import Figure, mean_of, table
from learning.methods import conformal
from learning.methods.calibration import fit_temperatures
from learning.methods.metrics import Z95, nll_of_each
from learning.methods.ppi import powered_mean
from learning.methods.probabilities import softmax
from learning.networks import Network

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Set = tuple[Floats, Ints]
Sets = Mapping[str, Set]

SIZES = (10, 20, 50, 100, 300, 1000)
CLASSES, TEST = 5, 3000
FOLDERS = {"NusaX": "sentiment/nusax-senti", "NollySenti": "sentiment/nollysenti"}
NOTES = (
    "Synthetic: logits of a Gaussian mixture, log T ~ N(.45, .35), test 3,000 a language.",
    "Rows 'ours less …' are differences of NLL, paired by language and seed; below 0 is better.",
    "scikit-learn: CalibratedClassifierCV(method='temperature') on each language by itself; it"
    " refuses gold that has a label less than twice, and the temperature stays 1 there.",
    "short: share of languages whose sets hold the truth in less than 85 % where 90 % is promised.",
    "PPI++: a majority of good people, one adversary and one lazy of five; 2,400 items.",
)


def synthetic(seed: int, *, languages: int, most: int) -> tuple[Sets, Sets, dict[str, float]]:
    """Return gold and test of each language, and the temperature that makes it honest."""
    rng = np.random.default_rng(seed)
    gold: dict[str, Set] = {}
    test: dict[str, Set] = {}
    heats = {}
    for number in range(languages):
        tag, heat = f"l{number:02d}", float(np.exp(rng.normal(0.45, 0.35)))
        clear = rng.uniform(1.2, 2.6)
        heats[tag] = heat
        for where, count in ((gold, most), (test, TEST)):
            truth = rng.integers(0, CLASSES, count)
            z = 1.2 * rng.standard_normal((count, CLASSES))
            z[np.arange(count), truth] += clear
            where[tag] = (z * clear / 1.44 * heat, truth)
    return gold, test, heats


def alone(z: Floats, y: Ints) -> float:
    """Return the temperature of the highest likelihood."""

    def loss(theta: float) -> float:
        return float(nll_of_each(softmax(z, temperature=float(np.exp(theta))), truth=y).sum())

    return float(np.exp(minimize_scalar(loss, bounds=(-2.5, 2.5), method="bounded").x))


def scikit_learn(z: Floats, y: Ints) -> float | None:
    """Return the temperature that scikit-learn finds; None where it refuses: a label that gold has less than twice."""
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator

    class Told(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
        def fit(self, x: Floats, truth: Ints) -> "Told":
            self.classes_ = np.arange(x.shape[1])
            return self

        def decision_function(self, x: Floats) -> Floats:
            return x if x.shape[1] > 2 else (x[:, 1] - x[:, 0]) / 2  # it takes -d and d

        def predict(self, x: Floats) -> Ints:
            return np.asarray(x.argmax(axis=1))

    if np.bincount(y, minlength=z.shape[1]).min() < 2:
        return None
    fitted = CalibratedClassifierCV(FrozenEstimator(Told().fit(z, y)), method="temperature", cv=2)
    fitted.fit(z, y)
    return 1.0 / float(fitted.calibrated_classifiers_[0].calibrators[0].beta_)


def temperatures(gold: Sets) -> dict[str, dict[str, float]]:
    """Return every way's temperature of every language."""
    pooled = alone(*(np.concatenate(part) for part in zip(*gold.values(), strict=True)))
    own = {tag: alone(*both) for tag, both in gold.items()}
    theirs = {tag: scikit_learn(*both) or 1.0 for tag, both in gold.items()}
    shrunk = {tag: found.value for tag, found in fit_temperatures(gold).items()}
    return {
        "none": dict.fromkeys(gold, 1.0),
        "pooled": dict.fromkeys(gold, pooled),
        "alone": own,
        "scikit-learn": theirs,
        "ours": shrunk,
    }


def judged(test: Sets, heats: Mapping[str, float]) -> tuple[list[float], list[float]]:
    """Return the NLL and the ECE of each language."""
    losses, errors = [], []
    for tag, (z, y) in test.items():
        p = softmax(z, temperature=heats[tag])
        losses.append(float(nll_of_each(p, truth=y).mean()))
        errors.append(ece(p, y))
    return losses, errors


def ece(p: Floats, y: Ints, *, bins: int = 15) -> float:
    """Return the plug-in ECE of the best label in equal bins, as the literature reports it."""
    sure, right = p.max(axis=1), p.argmax(axis=1) == y
    at = np.minimum((sure * bins).astype(np.int64), bins - 1)
    return float(np.abs(np.bincount(at, sure - right, minlength=bins)).sum() / len(y))


def compared(cases: Sequence[tuple[Sets, Sets, dict[str, float]]], *, name: str) -> list[Figure]:
    """Compare the ways over cases of gold, test and true temperatures (empty: not known)."""
    losses: dict[str, list[float]] = {}
    errors: dict[str, list[float]] = {}
    for gold, test, true in cases:
        found = temperatures(gold) | ({"oracle": true} if true else {})
        for way, heats in found.items():
            loss, error = judged(test, heats)
            losses.setdefault(way, []).extend(loss)
            errors.setdefault(way, []).extend(error)
    figures = []
    for way in losses:
        figures.append(Figure(f"{name}: NLL, {way}", float(np.mean(losses[way])), less=True))
        figures.append(Figure(f"{name}: ECE, {way}", float(np.mean(errors[way])), less=True))
    for way in ("none", "pooled", "alone", "scikit-learn"):
        step = (np.array(losses["ours"]) - np.array(losses[way])).tolist()
        figures.append(Figure(f"{name}: NLL, ours less {way}", **mean_of(step), bar=0, less=True))
    return figures


def synthetic_figures(*, seeds: int, languages: int, sizes: Sequence[int]) -> list[Figure]:
    """Compare temperatures at each number of gold items."""
    made = [synthetic(seed, languages=languages, most=max(sizes)) for seed in range(seeds)]
    figures = []
    for size in sizes:
        cases = [
            ({tag: (z[:size], y[:size]) for tag, (z, y) in gold.items()}, test, heats)
            for gold, test, heats in made
        ]
        figures += compared(cases, name=f"synthetic, {size} gold")
        figures += coverage(cases, size=size)
    return figures


def coverage(cases: Sequence[tuple[Sets, Sets, dict[str, float]]], *, size: int) -> list[Figure]:
    """Return how often sets hold the truth, how many languages fall short, and how large they are."""
    held: dict[str, list[float]] = {}
    wide: dict[str, list[float]] = {}
    for gold, test, _ in cases:
        heats = {tag: found.value for tag, found in fit_temperatures(gold).items()}
        own = {tag: _scores(z, y, heats[tag])[1] for tag, (z, y) in gold.items()}
        everyone = np.concatenate(list(own.values()))
        pooled = conformal.mondrian({"all": everyone})["all"]
        ways = {
            "pooled": dict.fromkeys(gold, pooled),
            "Mondrian": conformal.mondrian(own),
            "ours": conformal.weighted(own),
        }
        for tag, (z, y) in test.items():
            labels, true = _scores(z, y, heats[tag])
            for way, rules in ways.items():
                held.setdefault(way, []).append(float((true <= rules[tag].threshold).mean()))
                sets = conformal.label_sets(labels, threshold=rules[tag].threshold)
                wide.setdefault(way, []).append(float(sets.sum(axis=1).mean()))
    figures = []
    for way in held:
        name = f"sets, {size} gold, {way}"
        figures.append(Figure(f"{name}: coverage", float(np.mean(held[way]))))
        short = float((np.array(held[way]) < 0.85).mean())
        figures.append(Figure(f"{name}: short", short, less=True))
        figures.append(Figure(f"{name}: labels in a set", float(np.mean(wide[way])), less=True))
    return figures


def _scores(z: Floats, y: Ints, heat: float) -> tuple[Floats, Floats]:
    labels = conformal.lac(softmax(z, temperature=heat))
    return labels, conformal.of_truth(labels, truth=y)


def people_figures(*, seeds: int, sizes: Sequence[int]) -> list[Figure]:
    """Measure accuracy by gold alone, by people's answers alone, and by both together."""
    figures = []
    for size in sizes:
        found = [_people(seed, gold=size) for seed in range(seeds)]
        truth = np.array([each["truth"] for each in found])
        for way in ("gold", "people", "both"):
            off = np.array([each[way] for each in found]) - truth
            hit = np.mean([each[f"{way} held"] for each in found])
            figures.append(Figure(f"accuracy from {size} gold, {way}: bias", float(off.mean())))
            figures.append(Figure(f"accuracy from {size} gold, {way}: spread", float(off.std())))
            bar = 0.90 if way == "both" else None
            figures.append(Figure(f"accuracy from {size} gold, {way}: cover", float(hit), bar=bar))
        worth = [each["worth"] for each in found]
        row = f"accuracy from {size} gold, both: worth times the gold"
        figures.append(Figure(row, **mean_of(worth), bar=1.0))
    return figures


def _people(seed: int, *, gold: int, items: int = 2400, classes: int = 3) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    truth = rng.choice(classes, items, p=[0.55, 0.30, 0.15])
    z = rng.standard_normal((items, classes))
    z[np.arange(items), truth] += 1.05
    best = z.argmax(axis=1)
    item, person, label = _answers(rng, truth, classes=classes)
    q: Floats = np.zeros((items, classes))
    for fold in range(2):
        known = np.full(items, aggregation.UNKNOWN)
        known[:gold][fold::2] = truth[:gold][fold::2]
        told = aggregation.fit(
            aggregation.Answers(item, person, label, known, int(person.max()) + 1, classes),
            rounds=25,
        )
        q += np.where((known == aggregation.UNKNOWN)[:, None], told.posterior, 0)
    q[gold:] /= 2
    right, agreed = (best == truth).astype(float), q[np.arange(items), best]
    both = powered_mean(right[:gold], proxy=agreed[:gold], rest=agreed[gold:])
    plain = powered_mean(right[:gold], proxy=np.zeros(gold), rest=[]).estimate
    half = Z95 * agreed[gold:].std() / np.sqrt(items - gold)
    true, said = float(right.mean()), float(agreed[gold:].mean())
    return {
        "truth": true,
        "gold": plain.value,
        "gold held": plain.low <= true <= plain.high,
        "people": said,
        "people held": abs(said - true) <= half,
        "both": both.estimate.value,
        "both held": both.estimate.low <= true <= both.estimate.high,
        "worth": both.worth,
    }


def _answers(rng: np.random.Generator, truth: Ints, *, classes: int) -> tuple[Ints, Ints, Ints]:
    """Return one to three answers an item by three good people, an adversary and a lazy one.

    Eight languages of equal size have five people each.
    """
    rows = []
    per = len(truth) // 8
    for at, true in enumerate(truth):
        who = rng.choice(5, rng.choice([1, 2, 3], p=[0.2, 0.4, 0.4]), replace=False)
        for one in who:
            if one < 3:
                said = true if rng.random() < 0.85 else rng.integers(0, classes)
            elif one == 3:
                said = (true + 1) % classes if rng.random() < 0.8 else rng.integers(0, classes)
            else:
                said = 0 if rng.random() < 0.8 else rng.integers(0, classes)
            rows.append((at, 5 * (at // per) + one, said))
    item, person, label = np.array(rows, np.int64).T
    return item, person, label


def real_figures(data: Path, *, sizes: Sequence[int], seeds: int) -> list[Figure]:
    """Compare temperatures on what the starter answers after 50 labels a language."""
    figures = []
    for name, folder in FOLDERS.items():
        if not (data / folder).is_dir():
            print(f"{name} is left out: there is no {data / folder}")
            continue
        answered = [_starter(data / folder, seed=seed) for seed in range(seeds)]
        for size in sizes:
            cases: list[tuple[Sets, Sets, dict[str, float]]] = []
            for seed, (valid, test) in enumerate(answered):
                rng = np.random.default_rng([seed, size])
                gold = {}
                for tag, (z, y) in valid.items():
                    at = rng.permutation(len(y))[:size]
                    gold[tag] = (z[at], y[at])
                cases.append((gold, test, {}))
            figures += compared(cases, name=f"{name}, {size} gold")
    return figures


def _starter(folder: Path, *, seed: int) -> tuple[Sets, Sets]:
    """Teach the starter 50 labels of every language; return its logits on valid and test."""
    from benchmarks.starter import draw, of, read, teach
    from learning.networks.starter import Starter

    data = read(folder)
    labels = sorted({each.label for examples in data.values() for each in examples})
    network = Starter.fresh(labels, seed=seed)
    train = [each for name in data for each in draw(data[name], count=50, seed=seed)]
    teach(network, train, seed=seed)
    told: list[dict[str, Set]] = []
    for split in ("valid", "test"):
        rows = {tag: of(data[tag], split) for tag in data}
        told.append(
            {
                tag: (
                    _logits(network, [e.text for e in some], tag),
                    np.array([labels.index(e.label) for e in some]),
                )
                for tag, some in rows.items()
            }
        )
    return told[0], told[1]


def _logits(network: Network, texts: Sequence[str], tag: str) -> Floats:
    from learning.inference import network_logits

    return network_logits(network, texts=texts, languages=[tag] * len(texts)).astype(np.float64)


def main() -> None:
    """Run everything, print the table and write it down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--quick", action="store_true", help="few seeds, nothing written")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    quick = options.quick
    figures = synthetic_figures(
        seeds=1 if quick else 2, languages=12 if quick else 48, sizes=(10, 100) if quick else SIZES
    )
    figures += people_figures(seeds=5 if quick else 40, sizes=(120,) if quick else (240, 120, 60))
    figures += real_figures(
        options.data, sizes=(20,) if quick else (10, 20, 50, 100), seeds=1 if quick else 3
    )
    print(table(figures))
    if not quick:
        print(report.write("calibration", figures, notes=NOTES))


if __name__ == "__main__":
    main()
