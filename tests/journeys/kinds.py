"""Every kind of question as a file to import, and what a speaker would answer at the desk."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from annotation.methods.spans import Span
from annotation.objectives import preferences, ratings, several, spans
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


def _rated(rng: np.random.Generator) -> list[Row]:
    labels = ["135"[n % 3] for n in range(48)]
    words = dict(zip("135", GRADES.values(), strict=True))
    rows = [{"output": _sentence(words[key], rng), "system": "gen"} for key in labels]
    # One in two has a source; without one the output stands alone.
    return _known(
        [row | {"source": f"baat{n}"} if n % 2 else row for n, row in enumerate(rows)], labels
    )


def _rating(text: str) -> Result:
    grade = {"bad": 1, "fair": 3, "good": 5}[_told(GRADES, text)]
    more = {"issues": ["made_up"], "corrected": "Neex na lool"} if grade == 1 else {}
    return ratings.result_of({"ratings": dict.fromkeys(ratings.ASPECTS, grade), **more})


def _compared(rng: np.random.Generator) -> list[Row]:
    labels = ["first" if n % 2 else "second" for n in range(48)]
    rows = []
    for label in labels:
        both = [_sentence(GRADES[key], rng) for key in ("good", "bad")]
        one, other = both if label == "first" else both[::-1]
        systems = {"system_a": "old", "system_b": "new"}
        rows.append({"output_a": one, "output_b": other, "source": "baat1", **systems})
    return _known(rows, labels)


def _preferred(text: str) -> Result:
    return choice("first" if _told(GRADES, text.split("\u0004")[0]) == "good" else "second")


# Names stand behind the same words, so that little is enough to learn them.
NAMES = {"per": ("si", ("Awa", "Inti")), "loc": ("ca", ("Dakar", "Cusco"))}


def _marks(text: str) -> list[Span]:
    found = [
        Span(text.index(name), text.index(name) + len(name), key)
        for key, (_, names) in NAMES.items()
        for name in names
        if name in text
    ]
    return sorted(found)


def _named(rng: np.random.Generator) -> list[Row]:
    rows: list[Row] = []
    for n in range(48):
        words = [f"baat{number}" for number in rng.integers(0, 300, 3)]
        for before, names in NAMES.values():
            words += [before, names[int(rng.integers(0, 2))]] if n % 4 else []
        text = " ".join(words)
        split = {0: {"split": "gate"}, 1: {"split": "dev"}}[n % 2]
        told = {"spans": [[one.start, one.end, one.label] for one in _marks(text)]}
        rows.append({"text": text} | ((told | split) if n < 24 else {}))
    return rows


def _marked(text: str) -> Result:
    return spans.result_of(spans.answer_of(_marks(text)), text=text)


FELT = {"joy": "mbégte", "anger": "mer", "fear": "ragal"}


def _feelings(rng: np.random.Generator) -> list[Row]:
    rows: list[Row] = []
    for n in range(48):
        felt = [key for number, key in enumerate(FELT) if n >> number & 1]
        words = [f"baat{number}" for number in rng.integers(0, 300, 3)]
        text = " ".join([*words, *(FELT[key] for key in felt)])
        split = {0: {"split": "gate"}, 1: {"split": "dev"}}[n % 2]
        told = {"label": "|".join(felt) or "none"}
        rows.append({"text": text} | ((told | split) if n < 24 else {}))
    return rows


def _felt(text: str) -> Result:
    return several.result_of({"value": [key for key, word in FELT.items() if word in text]})


KINDS = {
    kind.name: kind
    for kind in (
        Kind("classes", tuple(TELLING), _classes(TELLING), lambda t: choice(_told(TELLING, t))),
        Kind("grades", tuple(GRADES), _classes(GRADES), lambda t: choice(_told(GRADES, t))),
        Kind("pairs", ("right", "wrong"), _pairs, _is_right),
        Kind("ratings", tuple(ratings.LABELS), _rated, _rating),
        Kind("preferences", tuple(preferences.LABELS), _compared, _preferred),
        Kind("several", tuple(FELT), _feelings, _felt),
        Kind("spans", tuple(NAMES), _named, _marked),
    )
}
