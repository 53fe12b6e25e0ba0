"""Spans: beside a CRF, bought by MNLP, agreed on: ``python -m benchmarks.spans DATA [--quick]``.

On NArabizi and the first texts of KazNERD's sample (25 classes): F1 of each class of the starter for spans beside
a linear-chain CRF of sklearn-crfsuite on the same tokens; both from words alone, which the
treebank's tokens sometimes cut; its learning curve where texts are bought by MNLP, within
a budget of tokens, against random; and what made-up people's answers on the training texts amount
to (:mod:`benchmarks.spans_people`). The CRF's spans are measured by seqeval, too, and the run ends if
that says anything else. `--set` and `--seed` measure one and keep what is known of the others.
"""

import argparse
import hashlib
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from annotation.methods.span_metrics import measures, tally
from annotation.methods.spans import Span, decode, encode, tag_names
from benchmarks import report
from benchmarks.figures import Figure, mean_of, table
from benchmarks.peers import ROOT, peer_python
from benchmarks.spans_data import MOST, QUICK, SETS, Marked, read
from benchmarks.spans_learning import MNLP, RANDOM, Lessons, curve, found, micro, taught
from benchmarks.spans_people import TEAMS, measured
from learning.networks.tokens import units_of

SEEDS = 3
BUDGETS = (500, 1000, 2000, 3000, 4000)
Ask = Callable[[dict[str, Any]], dict[str, Any]]
NOTES = (
    str(__doc__).strip(),
    "Intervals: Student's over seeds. A peer of single classes and of `micro` is the CRF, of a curve"
    " random, of a consensus the better of majority and Dawid-Skene.",
)


def main() -> None:
    """Measure each set, and write what is known after each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder that holds the sets")
    parser.add_argument("--set", choices=sorted(SETS), action="append")
    parser.add_argument("--seed", type=int, choices=range(SEEDS), action="append")
    parser.add_argument("--quick", action="store_true", help="little of each, not written")
    given = parser.parse_args()
    torch.set_num_threads(1)
    figures: dict[str, list[Figure]] = {}
    with peer() as ask:
        for name in given.set or sorted(SETS):
            data = read(given.data / SETS[name], most=QUICK if given.quick else MOST.get(name))
            about = about_before(name, data) if not given.quick else None
            about = about or about_set(data, ask=ask)
            for seed in given.seed or range(1 if given.quick else SEEDS):
                told = one_seed(data, seed=seed, quick=given.quick)
                figures[name] = kept(name, about, seed=seed, told=told, write=not given.quick)
    print(table([row for rows in figures.values() for row in rows]))


def kept(
    name: str, about: dict[str, Any], *, seed: int, told: dict[str, Any], write: bool
) -> list[Figure]:
    """Put a seed beside what is known by now, by whichever run, and return the set's figures."""
    path = report.RESULTS / "spans.json"
    known = json.loads(path.read_text())["sets"] if write and path.is_file() else {}
    seeds = known.get(name, {}).get("seeds", {}) | {str(seed): told}
    known[name] = about | {"seeds": seeds}
    if write:
        rows = [row for one in sorted(known) for row in rows_of(one, known[one])]
        report.write("spans", rows, notes=NOTES, sets=known)
    return rows_of(name, known[name])


def about_before(name: str, data: Marked) -> dict[str, Any] | None:
    """Return what an earlier run knows of a set; no seed changes it, and the CRF takes a minute."""
    path = report.RESULTS / "spans.json"
    known = json.loads(path.read_text())["sets"].get(name) if path.is_file() else None
    if known is None or known.get("of") != of(data):
        return None
    return {part: value for part, value in known.items() if part != "seeds"}


def of(data: Marked) -> str:
    """Return a digest of the texts, their tags, and how the CRF is taught."""
    told = [[part.tokens, part.tags] for part in data.parts.values()]
    taught = (ROOT / "benchmarks" / "spans_peer.py").read_bytes()
    return hashlib.sha256(taught + json.dumps(told).encode()).hexdigest()[:16]


@contextmanager
def peer() -> Iterator[Ask]:
    """Start the CRF's side and return what asks it."""
    command = [str(peer_python()), "-W", "ignore", "-m", "benchmarks.spans_peer"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        lines, said = process.stdin, process.stdout
        assert lines is not None
        assert said is not None

        def ask(asked: dict[str, Any]) -> dict[str, Any]:
            lines.write(json.dumps(asked) + "\n")
            lines.flush()
            answer = said.readline()
            if not answer:
                raise SystemExit("The peers' process ended while it was asked.")
            return dict(json.loads(answer))

        yield ask
        lines.close()


def about_set(data: Marked, *, ask: Ask) -> dict[str, Any]:
    """Return what no seed changes: the sizes, and what the CRF finds."""
    test = data.parts["test"].spans
    return {
        "texts": {part: len(data.parts[part].texts) for part in data.parts},
        "rebuilt": data.rebuilt,
        "spans_in_test": {
            label: sum(span.label == label for one in test for span in one) for label in data.labels
        },
        "of": of(data),
        "budgets": BUDGETS,
        "crf": beside(data, ask=ask),
        "crf_words": from_words(data, ask=ask),
    }


def one_seed(data: Marked, *, seed: int, quick: bool) -> dict[str, Any]:
    """Return what the starter learns with a seed: from all, from words alone, and from what is bought."""
    began = time.process_time()
    train, test, words, words_test = (
        Lessons.of(data.parts[part], labels=data.labels, tokens=tokens)
        for tokens in (True, False)
        for part in ("train", "test")
    )
    spans = found(taught(train, data=data, seed=seed), test, data=data)
    learning = time.process_time() - began
    alone = found(taught(words, data=data, seed=seed), words_test, data=data)
    budgets = BUDGETS[:2] if quick else BUDGETS
    return {
        "ours": f1s(spans, data=data),
        "from_words": micro(alone, words_test, data=data),
        "curves": {
            strategy: curve(strategy, data=data, pool=train, test=test, budgets=budgets, seed=seed)
            for strategy in (MNLP, RANDOM)
        },
        "people": {
            team: asdict(measured(data.parts["train"], labels=data.labels, team=kinds, seed=seed))
            for team, kinds in TEAMS.items()
        },
        "cpu": {"learning": round(learning, 1), "all": round(time.process_time() - began, 1)},
    }


def beside(data: Marked, *, ask: Ask) -> dict[str, Any]:
    """Return the CRF's F1, which seqeval and our own measure must agree on."""
    told = {
        part: {"tokens": data.parts[part].tokens, "tags": data.parts[part].tags}
        for part in ("train", "valid", "test")
    }
    answer = ask(told)
    test, names = data.parts["test"], tag_names(data.labels)
    spans = [
        decode([names.index(tag) for tag in tags], units=np.array(places), labels=data.labels)
        for tags, places in zip(answer["tags"], test.places, strict=True)
    ]
    ours = f1s(spans, data=data)
    for name, value in ask({"meant": test.tags, "found": answer["tags"]}).items():
        if abs(ours[name] - value) > 1e-9:
            raise SystemExit(f"seqeval says {value} of {name}, our own measure {ours[name]}.")
    return ours | {"cpu": answer["cpu"], "chosen": answer["chosen"]}


def from_words(data: Marked, *, ask: Ask) -> float:
    """Return the CRF's F1 of all spans where it, too, is told no tokens but the words of a text."""
    told: dict[str, dict[str, list[list[str]]]] = {}
    cut = {part: units_of(one.texts) for part, one in data.parts.items()}
    names = tag_names(data.labels)
    for part, one in data.parts.items():
        words = zip(one.texts, one.spans, cut[part], strict=True)
        told[part] = {"tokens": [], "tags": []}
        for text, meant, units in words:
            told[part]["tokens"].append([text[start:end] for start, end in units.tolist()])
            tags = encode(meant, units=units, labels=data.labels)
            told[part]["tags"].append([names[tag] for tag in tags])
    spans = [
        decode([names.index(tag) for tag in tags], units=units, labels=data.labels)
        for tags, units in zip(ask(told)["tags"], cut["test"], strict=True)
    ]
    return float(f1s(spans, data=data)["micro"])


def f1s(spans: Sequence[Sequence[Span]], *, data: Marked) -> dict[str, Any]:
    """Return the F1 on ``test`` of each class that is there, and together."""
    counts = tally(data.parts["test"].spans, found=spans, labels=data.labels)
    values = measures(counts.sum(axis=0)[None])[0, :, 2]
    named = zip((*data.labels, "micro", "macro"), values.tolist(), strict=True)
    return {name: value for name, value in named if not np.isnan(value)}


def rows_of(name: str, known: dict[str, Any]) -> list[Figure]:
    """Return the figures of one set, over the seeds that were measured."""
    crf, seeds = known["crf"], [known["seeds"][seed] for seed in sorted(known["seeds"])]
    ours = [one["ours"] for one in seeds]
    rows = [
        beaten(f"{name}, all spans", [one["micro"] for one in ours], by=crf["micro"]),
        beaten(f"{name}, mean of classes", [one["macro"] for one in ours], by=crf["macro"]),
        beaten(
            f"{name}, from words alone",
            [one["from_words"] for one in seeds],
            by=known.get("crf_words", crf["micro"]),
        ),
    ]
    rows += [
        Figure(
            f"{name}, {label} ({number})",
            **mean_of([one.get(label, 0.0) for one in ours]),
            peer=crf.get(label, 0.0),
        )
        for label, number in known["spans_in_test"].items()
        if number
    ]
    return [*rows, *bought(name, known["budgets"], seeds), *agreed(name, seeds)]


def beaten(row: str, values: Sequence[float], *, by: float) -> Figure:
    """Return a figure that is to reach its peer, once there are seeds to tell it from chance."""
    return Figure(row, **mean_of(values), peer=by, bar=by if len(values) > 1 else None)


def bought(name: str, budgets: Sequence[int], seeds: Sequence[dict[str, Any]]) -> list[Figure]:
    """Return the learning curve beside random's, and the gain over all of it but its beginning."""
    both = {way: np.array([one["curves"][way] for one in seeds]) for way in (MNLP, RANDOM)}
    rows = [
        Figure(
            f"{name}, {budget} tokens by MNLP",
            **mean_of(both[MNLP][:, place].tolist()),
            peer=float(both[RANDOM][:, place].mean()),
        )
        for place, budget in enumerate(budgets[: both[MNLP].shape[1]])
        if place
    ]
    gain = (both[MNLP] - both[RANDOM])[:, 1:].mean(axis=1)
    bar = 0.0 if len(gain) > 1 else None
    row = f"{name}, gain of MNLP over the curve"
    return [*rows, Figure(row, **mean_of(gain.tolist()), bar=bar, low_bar=bar)]


def agreed(name: str, seeds: Sequence[dict[str, Any]]) -> list[Figure]:
    """Return the consensus of each team beside the better of its peers."""
    rows = []
    for team in TEAMS:
        runs = [one["people"][team] for one in seeds]
        best = max(float(np.mean([one[by] for one in runs])) for by in ("majority", "dawid_skene"))
        rows.append(beaten(f"{name}, consensus of {team}", [one["ours"] for one in runs], by=best))
    return rows


if __name__ == "__main__":
    main()
