"""Pieces: into how many tokens a tokenizer cuts a language's words, and how unequally.

Whoever speaks a language that is cut finer pays more time, and gets less text into the network, for
the same thing said (Petrov et al. 2023, *Language Model Tokenizers Introduce Unfairness Between
Languages*; Rust et al. 2021, *How Good is Your Tokenizer?*). Words are what spaces part; where a
script has none between words, only the premium on parallel texts is told.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import regex

Z95 = 1.959963984540054
TURNS = 30
# Fewer words, or fewer texts that say the same, tell too little.
LEAST_WORDS = 200
LEAST_PARALLEL = 20
SPACELESS = frozenset(
    {"Hans", "Hant", "Hani", "Jpan", "Hira", "Kana", "Thai", "Laoo", "Khmr", "Mymr", "Tibt", "Java"}
)
_WORD = regex.compile(r"\S*[\p{L}\p{M}]\S*")


@dataclass(frozen=True)
class Cut:
    """How finely words are cut: tokens a word, and the share that is one token, over so many."""

    tokens_per_word: float
    whole_words: float
    words: int


@dataclass(frozen=True)
class Premium:
    """How many times the tokens of the most frugal language the same content takes."""

    value: float
    low: float
    high: float
    texts: int


def words_of(text: str) -> list[tuple[int, int]]:
    """Return where the words of a text begin and end: what stands between spaces and has a letter.

    >>> words_of("Baatu-jàll bi 12")
    [(0, 10), (11, 13)]
    """
    return [match.span() for match in _WORD.finditer(text)]


def tokens_of_words(
    words: Sequence[tuple[int, int]],
    *,
    tokens: Sequence[tuple[int, int]],
    unknown: Sequence[bool] = (),
) -> npt.NDArray[np.int64]:
    """Count the tokens of each word; both are given by where they begin and end in the text.

    A token belongs to the word in which it ends, and one that is only the space before a word to
    that word. A token that stands for what the tokenizer does not know counts as two at least, and
    as its characters: what is lost is not what is known whole.

    >>> tokens_of_words([(0, 4), (5, 9)], tokens=[(0, 4), (4, 5), (5, 7), (7, 9)]).tolist()
    [1, 3]
    >>> tokens_of_words([(0, 4)], tokens=[(0, 4)], unknown=[True]).tolist()
    [4]
    """
    counts = np.zeros(len(words), np.int64)
    if not words:
        return counts
    begins, ends = np.array(words, np.int64).T
    spans = np.array(tokens, np.int64).reshape(-1, 2)
    lost = np.array(unknown or [False] * len(spans), bool)
    last, length = spans[:, 1] - 1, spans[:, 1] - spans[:, 0]
    weight = np.where(lost, np.maximum(length, 2), 1)
    at = np.searchsorted(ends, last, side="right")
    inside = (at < len(words)) & (length > 0)
    at, last, weight = at[inside], last[inside], weight[inside]
    # Marks that stand alone between two words are no part of the next one.
    near = last >= begins[at] - 1
    np.add.at(counts, at[near], weight[near])
    return counts


def cut_of(counts: npt.ArrayLike) -> Cut | None:
    """Sum up the tokens of N words; nothing where there are too few.

    >>> cut_of([1] * 150 + [3] * 50)
    Cut(tokens_per_word=1.5, whole_words=0.75, words=200)
    """
    numbers = np.asarray(counts, np.int64)
    numbers = numbers[numbers > 0]
    if len(numbers) < LEAST_WORDS:
        return None
    return Cut(float(numbers.mean()), float((numbers == 1).mean()), len(numbers))


def premiums(tokens: Mapping[str, Mapping[str, int]]) -> dict[str, Premium]:
    """Compare languages by the tokens of texts that say the same: language to group to tokens.

    ``log tokens = group + language``, fitted by least squares, so that a language is held against
    others on the texts that they share, whichever these are. 95 % intervals from the residuals.

    >>> parallel = {str(k): 10 + k for k in range(30)}
    >>> found = premiums({"en": parallel, "wo": {k: 2 * n for k, n in parallel.items()}})
    >>> [round(found[tag].value, 3) for tag in ("en", "wo")]
    [1.0, 2.0]
    """
    table = _Table.of(tokens)
    if table is None:
        return {}
    effect, error = table.fitted()
    best = int(np.argmin(effect))
    found = {}
    for number, tag in enumerate(table.tags):
        spread = Z95 * float(np.hypot(error[number], error[best])) if number != best else 0.0
        shift = float(effect[number] - effect[best])
        ends = (float(np.exp(shift - spread)), float(np.exp(shift + spread)))
        found[tag] = Premium(float(np.exp(shift)), *ends, table.texts(number))
    return found


@dataclass(frozen=True)
class _Table:
    """Logarithms of tokens as columns: of which language, of which group."""

    tags: list[str]
    language: npt.NDArray[np.int64]
    group: npt.NDArray[np.int64]
    logs: npt.NDArray[np.float64]

    @classmethod
    def of(cls, tokens: Mapping[str, Mapping[str, int]]) -> "_Table | None":
        """Keep groups that two languages share at least, and languages that have enough of them."""
        shared: dict[str, int] = {}
        for groups in tokens.values():
            for name in groups:
                shared[name] = shared.get(name, 0) + 1
        kept = {
            tag: {g: n for g, n in tokens[tag].items() if shared[g] > 1 and n > 0}
            for tag in sorted(tokens)
        }
        tags = [tag for tag, groups in kept.items() if len(groups) >= LEAST_PARALLEL]
        if len(tags) < 2:
            return None
        names = {name: at for at, name in enumerate(sorted({g for t in tags for g in kept[t]}))}
        rows = [
            (k, names[g], n) for k, tag in enumerate(tags) for g, n in sorted(kept[tag].items())
        ]
        columns = np.array(rows, np.float64).T
        return cls(
            tags, columns[0].astype(np.int64), columns[1].astype(np.int64), np.log(columns[2])
        )

    def fitted(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return each language's effect and its standard error."""
        effect: npt.NDArray[np.float64] = np.zeros(len(self.tags))
        counts = np.bincount(self.language)
        for _ in range(TURNS):
            means = self._mean(self.group, self.logs - effect[self.language])
            effect = self._mean(self.language, self.logs - means[self.group])
        left = self.logs - means[self.group] - effect[self.language]
        # Every group's mean was fitted, too: with two languages half of what differs went into it.
        groups = int(self.group.max()) + 1
        free = max(len(left) - groups - len(self.tags) + 1, 1)
        blocks = len(left) / groups
        variance = self._mean(self.language, left**2) * len(left) / free
        error = np.sqrt(variance / counts * blocks / max(blocks - 1, 0.5))
        return effect, error

    def texts(self, number: int) -> int:
        """Return how many texts of a language were compared."""
        return int((self.language == number).sum())

    @staticmethod
    def _mean(
        places: npt.NDArray[np.int64], values: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        sums = np.bincount(places, values)
        return np.asarray(sums / np.maximum(np.bincount(places), 1), np.float64)
