"""What people's answers amount to, against other aggregators: ``python -m benchmarks.aggregation``.

Made-up people (:mod:`benchmarks.crowd_made`) answer made-up items: accuracy and negative
log-likelihood (NLL) of the posterior on items that are not gold, and who is recognised as bad.
*Pooled* fits all languages at once, *each alone* is one language without the others, *product* is what a
refit does: one language by itself, which knows how common labels are among the others' answers. Peers are crowd-kit's majority vote and Dawid-Skene at their defaults, all languages at
once, in the peers' environment. `--quick` takes two seeds and a tenth of the answers.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from annotation.methods.aggregation import UNKNOWN, Answers, Fit, class_pool, fit, fit_languages
from benchmarks import report
from benchmarks.crowd_made import ADVERSARIAL, GOOD, LAZY, TEAM, Crowd, Floats, crowd
from benchmarks.figures import Figure, mean_of, table
from benchmarks.peers import ROOT, peer_python

MAJORITY, DAWID_SKENE = "majority", "Dawid-Skene"
PEERS = (MAJORITY, DAWID_SKENE)
Ask = Callable[[Answers, str], tuple[Floats, float]]
NOTES = (
    "6 languages of 5 people each, who know one language; 1 to 3 answers an item; 3 labels.",
    "Intervals: Student's over seeds. `peer` is crowd-kit 1.4.2 on the same answers.",
    "CPU seconds of one thread, user and system, without reading; one run each.",
    "One refit is the estimate alone, without the database; median of 9.",
)


@contextmanager
def crowd_kit() -> Iterator[Ask]:
    """Start crowd-kit's side and return what asks it for a posterior and its CPU seconds."""
    command = [str(peer_python()), "-W", "ignore", "-m", "benchmarks.crowd_peer"]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        ) as process,
    ):
        lines, said = process.stdin, process.stdout
        assert lines is not None
        assert said is not None

        def ask(told: Answers, method: str) -> tuple[Floats, float]:
            columns = {name: getattr(told, name) for name in ("item", "person", "label", "known")}
            np.savez(Path(folder) / "answers.npz", **columns)
            asked = {"folder": folder, "method": method, "labels": told.labels}
            print(json.dumps(asked), file=lines, flush=True)
            answer = said.readline()
            if not answer:
                raise RuntimeError(f"crowd-kit ended while it aggregated by {method}")
            return np.load(Path(folder) / "posterior.npy"), float(json.loads(answer)["cpu"])

        yield ask


def score(posterior: Floats, made: Crowd) -> tuple[float, float]:
    """Return accuracy and NLL on items that are not gold."""
    free = made.answers.known == UNKNOWN
    q, truth = posterior[free], made.truth[free]
    told = np.clip(q[np.arange(len(q)), truth], 1e-6, 1.0)
    return float((q.argmax(axis=1) == truth).mean()), float(-np.log(told).mean())


def refitted(made: Crowd) -> Floats:
    """Return the posterior of one refit a language, each with the votes of the others."""
    told = made.answers
    homes = range(int(made.language.max()) + 1)
    votes = np.array([_votes(made, home) for home in homes])
    posterior = np.empty((len(made.truth), made.answers.labels))
    for home in homes:
        items = np.flatnonzero(made.language == home)
        number = np.full(len(made.truth), -1)
        number[items] = np.arange(len(items))
        at = made.language[told.item] == home
        people, person = np.unique(told.person[at], return_inverse=True)
        alone = Answers(
            number[told.item[at]],
            person,
            told.label[at],
            told.known[items],
            len(people),
            told.labels,
        )
        posterior[items] = fit(
            alone, class_pool=class_pool(votes.sum(axis=0) - votes[home])
        ).posterior
    return posterior


def _votes(made: Crowd, home: int) -> Floats:
    """Return one language's answers as shares of its items by label."""
    at = made.language[made.answers.item] == home
    counted = np.bincount(made.answers.label[at], minlength=made.answers.labels)
    return np.asarray(counted / at.sum() * (made.language == home).sum())


def found(told: Fit, made: Crowd) -> tuple[float, float]:
    """Return how many of the bad are recognised, and how many of the good are accused."""
    flagged = told.competent < 0.5
    caught = flagged[made.bad].mean() if made.bad.any() else np.nan
    return float(caught), float(flagged[~made.bad].mean())


def precision(told: Fit, made: Crowd) -> float:
    """Return how many of those flagged are bad; 1 where nobody is."""
    flagged = told.competent < 0.5
    return float(made.bad[flagged].mean()) if flagged.any() else 1.0


def compared(
    ask: Ask,
    name: str,
    *,
    worlds: Sequence[Crowd],
    accuracy: float | None = None,
    nll: float | None = None,
    flags: tuple[float, float] | None = None,
) -> list[Figure]:
    """Compare all ways on the same worlds; the bars are for our posteriors of people alone."""
    fits = [fit_languages(made.answers, language=made.language) for made in worlds]
    ours = {
        "product": [refitted(made) for made in worlds],
        "pooled": [told.posterior for told in fits],
        "each alone": [
            fit_languages(made.answers, language=made.language, pooled=False).posterior
            for made in worlds
        ],
        "pooled, with the model": [
            fit_languages(made.answers, language=made.language, item_prior=made.model).posterior
            for made in worlds
        ],
    }
    peers = {way: [ask(made.answers, way)[0] for made in worlds] for way in PEERS}
    scores = {
        way: np.array([score(q, made) for q, made in zip(each, worlds, strict=True)])
        for way, each in (ours | peers).items()
    }
    theirs = scores[DAWID_SKENE].mean(axis=0)
    figures = []
    for way, each in scores.items():
        people = way in {"product", "pooled", "each alone"}
        bars = (accuracy, nll) if people else (None, None)
        best = theirs if way in ours else (None, None)
        row = f"{name}: {{}}, {way if way in ours else 'crowd-kit ' + way}"
        figures += [
            Figure(
                row.format("accuracy"), **mean_of(each[:, 0].tolist()), peer=best[0], bar=bars[0]
            ),
            Figure(
                row.format("NLL"),
                **mean_of(each[:, 1].tolist()),
                peer=best[1],
                bar=bars[1],
                less=True,
            ),
        ]
    return figures + flagging(name, fits=fits, worlds=worlds, bars=flags)


def flagging(
    name: str,
    *,
    fits: Sequence[Fit],
    worlds: Sequence[Crowd],
    bars: tuple[float, float] | None,
) -> list[Figure]:
    """Say who is recognised: of the bad, of those flagged, and who is accused of the good."""
    pairs = list(zip(fits, worlds, strict=True))
    caught, accused = (mean_of(each) for each in zip(*(found(*p) for p in pairs), strict=True))
    figures = [Figure(f"{name}: good people accused", **accused, less=True)]
    if worlds[0].bad.any():
        wanted = bars or (None, None)
        exact = mean_of([precision(*pair) for pair in pairs])
        figures = [
            Figure(f"{name}: bad people found", **caught, bar=wanted[0]),
            Figure(f"{name}: of those flagged are bad", **exact, bar=wanted[1]),
            *figures,
        ]
    return figures


def cases(ask: Ask, *, seeds: int) -> list[Figure]:
    """Compare on every kind of team."""

    def worlds(items: int, team: Sequence[str], gold: float = 0.0) -> list[Crowd]:
        return [crowd(seed, items=items, team=team, gold=gold) for seed in range(seeds)]

    figures = []
    for items in (20, 40, 100):
        judged = items == 40
        figures += compared(
            ask,
            f"2 bad of 5, {items} items",
            worlds=worlds(items, TEAM),
            accuracy=0.80 if judged else None,
            nll=0.53 if judged else None,
            flags=(0.95, 0.80) if judged else None,
        )
    many = (GOOD, GOOD, ADVERSARIAL, ADVERSARIAL, ADVERSARIAL)
    for items in (40, 100):
        name = f"3 adversarial of 5, {items} items, "
        figures += compared(ask, f"{name}20 % gold", worlds=worlds(items, many, 0.2), accuracy=0.84)
        figures += compared(ask, f"{name}no gold", worlds=worlds(items, many))
    lazy = worlds(100, (GOOD, GOOD, LAZY, LAZY, LAZY))
    figures += compared(ask, "3 lazy of 5, 100 items", worlds=lazy)
    return figures + compared(ask, "5 good, 40 items", worlds=worlds(40, (GOOD,) * 5))


def speed(ask: Ask, *, languages: int) -> list[Figure]:
    """Time all languages at once against crowd-kit, and one language by itself."""
    made = crowd(0, languages=languages, items=1667, answers=(0.0, 0.0, 1.0))
    start = time.process_time()
    told = fit_languages(made.answers, language=made.language)
    ours = time.process_time() - start
    posterior, theirs = ask(made.answers, DAWID_SKENE)
    name = f"{len(made.answers.item):,} answers"
    one = crowd(0, languages=1, items=1667, answers=(0.0, 0.0, 1.0)).answers
    return [
        Figure(f"{name}: CPU s (bar: a quarter)", ours, theirs, bar=0.25 * theirs, less=True),
        Figure(f"{name}: accuracy", score(told.posterior, made)[0], score(posterior, made)[0]),
        Figure("5,001 answers of one language: CPU s of a refit", _refit(one), bar=0.2, less=True),
    ]


def _refit(answers: Answers) -> float:
    taken = []
    for _ in range(9):
        start = time.process_time()
        fit(answers)
        taken.append(time.process_time() - start)
    return median(taken)


def main() -> None:
    """Run everything, print the table and write it down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few seeds, nothing written")
    quick = parser.parse_args().quick
    with crowd_kit() as ask:
        figures = cases(ask, seeds=2 if quick else 12)
        figures += speed(ask, languages=20 if quick else 200)
    print(table(figures))
    if not quick:
        print(report.write("aggregation", figures, notes=NOTES))


if __name__ == "__main__":
    main()
