"""Run in the peers' own environment: tagged sentences in, what a CRF makes of them out.

Each line is JSON. With ``train``, ``valid`` and ``test`` (``tokens`` and ``tags`` each) a linear-chain
CRF of sklearn-crfsuite is taught with each regularisation and the best on ``valid`` tags ``test``;
the reply holds ``tags``, ``cpu`` and what was ``chosen``. With ``meant`` and ``found`` (tags) the reply
is seqeval's F1 of each class and of all (``micro``).
"""

import json
import sys
import time
import warnings
from collections.abc import Sequence
from typing import Any

CHOICES = ((0.1, 0.1), (0.05, 0.01))


def features(tokens: Sequence[str], at: int) -> dict[str, Any]:
    """Return what is usual: the word, its beginnings and ends, its shape, and two words around."""
    word = tokens[at]
    found: dict[str, Any] = {"bias": 1.0, "word": word.lower()} | _shape(word, "")
    for size in (1, 2, 3, 4):
        found[f"first {size}"] = word[:size].lower()
        found[f"last {size}"] = word[-size:].lower()
    for offset in (-2, -1, 1, 2):
        if not 0 <= at + offset < len(tokens):
            found[f"{offset} none"] = True
            continue
        other = tokens[at + offset]
        found[f"{offset} word"] = other.lower()
        if abs(offset) == 1:
            found |= _shape(other, f"{offset} ") | {f"{offset} last 3": other[-3:].lower()}
    return found


def _shape(word: str, where: str) -> dict[str, Any]:
    return {
        f"{where}upper": word.isupper(),
        f"{where}title": word.istitle(),
        f"{where}digit": word.isdigit(),
        f"{where}digits": any(letter.isdigit() for letter in word),
    }


def taught(asked: dict[str, Any]) -> dict[str, Any]:
    """Teach with each choice, keep the best on ``valid``, tag ``test``."""
    from seqeval.metrics import f1_score
    from sklearn_crfsuite import CRF

    seen = {
        part: [[features(row, at) for at in range(len(row))] for row in asked[part]["tokens"]]
        for part in ("train", "valid", "test")
    }
    start, tried = time.process_time(), []
    for c1, c2 in CHOICES:
        made = CRF(
            algorithm="lbfgs", c1=c1, c2=c2, max_iterations=100, all_possible_transitions=True
        )
        made.fit(seen["train"], asked["train"]["tags"])
        found = float(f1_score(asked["valid"]["tags"], made.predict(seen["valid"])))
        tried.append((found, made, (c1, c2)))
    _, made, chosen = max(tried, key=lambda one: one[0])
    tags = [list(row) for row in made.predict(seen["test"])]
    return {"tags": tags, "cpu": time.process_time() - start, "chosen": chosen}


def measured(asked: dict[str, Any]) -> dict[str, Any]:
    """Return seqeval's F1."""
    from seqeval.metrics import classification_report

    told = classification_report(asked["meant"], asked["found"], output_dict=True, zero_division=0)
    names = {"micro avg": "micro", "macro avg": "macro"}
    return {
        names.get(name, name): float(row["f1-score"])
        for name, row in told.items()
        if name != "weighted avg"
    }


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    for line in sys.stdin:
        given = json.loads(line)
        print(json.dumps(taught(given) if "train" in given else measured(given)), flush=True)
