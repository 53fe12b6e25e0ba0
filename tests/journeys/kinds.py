"""Every kind of question as a file to import, and what a speaker would answer at the desk."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.fakes import choice

Row = dict[str, Any]
Result = list[dict[str, Any]]

# Two words that tell each class, so that even a small network can learn something of them.
TELLING = {"admin": ("kilifa", "saytu"), "accounts": ("limat", "xaalis"), "dates": ("bis", "at")}
GRADES = {"bad": ("bon", "naxari"), "fair": ("yem", "digg"), "good": ("baax", "neex")}


@dataclass(frozen=True)
class Kind:
    """One kind: its labels, rows of gold and pool, and what is answered to a text."""

    name: str
    labels: tuple[str, ...]
    rows: Callable[[np.random.Generator], list[Row]]
    answer: Callable[[str], Result]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def file(self) -> bytes:
        """The rows as JSON Lines, gold first."""
        made = self.rows(np.random.default_rng(0))
        usual = {"language": "wo", "licence": "CC0-1.0"}
        return "".join(json.dumps(usual | row) + "\n" for row in made).encode()


def _sentence(telling: tuple[str, ...], rng: np.random.Generator) -> str:
    others = [f"baat{n}" for n in rng.integers(0, 300, 4)]
    return " ".join([telling[int(rng.integers(0, len(telling)))], *others])


def _told(words: Mapping[str, tuple[str, ...]], text: str) -> str:
    return next(key for key, telling in words.items() if text.split()[0] in telling)


def _known(rows: list[Row], labels: list[str]) -> list[Row]:
    """Gold for the gate, then for development, then the pool, which nobody knows."""
    split = {0: {"split": "gate"}, 1: {"split": "dev"}}
    return [
        row | {"label": label} | split[n % 2] if n < 24 else row
        for n, (row, label) in enumerate(zip(rows, labels, strict=True))
    ]


def _classes(words: Mapping[str, tuple[str, ...]]) -> Callable[[np.random.Generator], list[Row]]:
    def rows(rng: np.random.Generator) -> list[Row]:
        labels = [list(words)[n % len(words)] for n in range(48)]
        return _known([{"text": _sentence(words[key], rng)} for key in labels], labels)

    return rows


def _pairs(rng: np.random.Generator) -> list[Row]:
    labels = ["right" if n % 2 else "wrong" for n in range(48)]
    rows = []
    for label in labels:
        first = _sentence(TELLING["admin"], rng)
        second = first if label == "right" else _sentence(TELLING["dates"], rng)
        rows.append({"text": first, "second": second})
    return _known(rows, labels)


def _is_right(text: str) -> Result:
    first, _, second = text.partition("\u0004")
    return choice("right" if first == second else "wrong")


KINDS = {
    kind.name: kind
    for kind in (
        Kind("classes", tuple(TELLING), _classes(TELLING), lambda t: choice(_told(TELLING, t))),
        Kind("grades", tuple(GRADES), _classes(GRADES), lambda t: choice(_told(GRADES, t))),
        Kind("pairs", ("right", "wrong"), _pairs, _is_right),
    )
}
