"""Spans: beside a CRF, bought by MNLP, agreed on: ``python -m benchmarks.spans DATA [--quick]``.

On NArabizi and a sample of KazNERD (25 classes): F1 of each class of the starter for spans beside
a linear-chain CRF of sklearn-crfsuite on the same tokens; the same starter from words alone, which
the treebank's tokens sometimes cut; its learning curve where texts are bought by MNLP, within
a budget of tokens, against random; and what made-up people's answers on the training texts amount
to (:mod:`benchmarks.spans_people`). The CRF's spans are measured by seqeval, too, and the run ends if
that says anything else. `--set` measures one set and keeps what is known of the other.
"""

import argparse
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
from annotation.methods.spans import Span, decode, tag_names
from benchmarks import report
from benchmarks.figures import Figure, mean_of, table
from benchmarks.peers import ROOT, peer_python
from benchmarks.spans_data import SETS, Marked, read
from benchmarks.spans_learning import MNLP, RANDOM, Lessons, curve, found, micro, taught
from benchmarks.spans_people import TEAMS, measured

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
    parser.add_argument("--quick", action="store_true", help="little of each, not written")
    given = parser.parse_args()
    torch.set_num_threads(1)
    kept = report.RESULTS / "spans.json"
    known = json.loads(kept.read_text())["sets"] if kept.is_file() and not given.quick else {}
    figures: list[Figure] = []
    with peer() as ask:
        for name in given.set or sorted(SETS):
            data = read(given.data / SETS[name], most=120 if given.quick else None)
            began = time.process_time()
            known[name] = everything(data, ask=ask, quick=given.quick)
            known[name]["cpu_seconds"] = round(time.process_time() - began)
            figures = [row for one in sorted(known) for row in rows_of(one, known[one])]
            if not given.quick:
                report.write("spans", figures, notes=NOTES, sets=known)
    print(table(figures))


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


def everything(data: Marked, *, ask: Ask, quick: bool) -> dict[str, Any]:
    """Return all that is measured on one set."""
    seeds = range(1 if quick else SEEDS)
    crf = beside(data, ask=ask)
    train, test = (
        Lessons.of(data.parts[part], labels=data.labels, tokens=True) for part in ("train", "test")
    )
    ours = []
    for seed in seeds:
        began = time.process_time()
        spans = found(taught(train, data=data, seed=seed), test, data=data)
        ours.append(f1s(spans, data=data) | {"cpu": time.process_time() - began})
    from_words = Lessons.of(data.parts["train"], labels=data.labels, tokens=False)
    words_test = Lessons.of(data.parts["test"], labels=data.labels, tokens=False)
    alone = taught(from_words, data=data, seed=0)
    budgets = (200, 400) if quick else BUDGETS
    return {
        "texts": {part: len(data.parts[part].texts) for part in data.parts},
        "rebuilt": data.rebuilt,
        "spans_in_test": {
            label: sum(span.label == label for one in test.spans for span in one)
            for label in data.labels
        },
        "crf": crf,
        "ours": ours,
        "from_words": micro(found(alone, words_test, data=data), words_test, data=data),
        "budgets": list(budgets),
        "curves": {
            strategy: [
                curve(strategy, data=data, pool=train, test=test, budgets=budgets, seed=seed)
                for seed in seeds
            ]
            for strategy in (MNLP, RANDOM)
        },
        "people": {
            team: [
                asdict(measured(data.parts["train"], labels=data.labels, team=kinds, seed=seed))
                for seed in seeds
            ]
            for team, kinds in TEAMS.items()
        },
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


def f1s(spans: Sequence[Sequence[Span]], *, data: Marked) -> dict[str, Any]:
    """Return the F1 on ``test`` of each class that is there, and together."""
    counts = tally(data.parts["test"].spans, found=spans, labels=data.labels)
    values = measures(counts.sum(axis=0)[None])[0, :, 2]
    named = zip((*data.labels, "micro", "macro"), values.tolist(), strict=True)
    return {name: value for name, value in named if not np.isnan(value)}


def rows_of(name: str, known: dict[str, Any]) -> list[Figure]:
    """Return the figures of one set."""
    crf, ours = known["crf"], known["ours"]
    rows = [
        Figure(
            f"{name}, all spans",
            **mean_of([one["micro"] for one in ours]),
            peer=crf["micro"],
            bar=crf["micro"],
        ),
        Figure(
            f"{name}, mean of classes", **mean_of([one["macro"] for one in ours]), peer=crf["macro"]
        ),
        Figure(f"{name}, all spans, from words alone", known["from_words"], peer=crf["micro"]),
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
    both = {strategy: np.array(known["curves"][strategy]) for strategy in (MNLP, RANDOM)}
    for place, budget in enumerate(known["budgets"][1:], start=1):
        means = {strategy: points[:, place] for strategy, points in both.items()}
        rows.append(
            Figure(
                f"{name}, {budget} tokens by MNLP",
                **mean_of(means[MNLP]),
                peer=float(means[RANDOM].mean()),
            )
        )
    gain = (both[MNLP] - both[RANDOM])[:, 1:].mean(axis=1)
    rows.append(
        Figure(f"{name}, gain of MNLP over the curve", **mean_of(gain), bar=0.0, low_bar=0.0)
    )
    for team, runs in known["people"].items():
        peers = (np.mean([one[key] for one in runs]) for key in ("majority", "dawid_skene"))
        best = float(max(peers))
        rows.append(
            Figure(
                f"{name}, consensus of {team}",
                **mean_of([one["ours"] for one in runs]),
                peer=best,
                bar=best,
            )
        )
    return rows


if __name__ == "__main__":
    main()
