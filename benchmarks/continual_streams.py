"""Streams for :mod:`benchmarks.continual`: one language after another, as token numbers."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

Ints = npt.NDArray[np.int64]

REAL = {
    "NusaX": "sentiment/nusax-senti",
    "SIB-200": "topic/sib200",
    "BRIGHTER": "emotion/brighter",
}
WORDS = 4000
LENGTH = 48
# Of the 90 words of a made-up language: the same word and class in all; the same word, another class.
COGNATES, FALSE_FRIENDS, OWN = 27, 36, 27
CLASSES = 3
NONE = "none"


@dataclass(frozen=True)
class Part:
    """N texts of one language: as text where there is one, as N x L numbers, and their classes."""

    texts: tuple[str, ...]
    tokens: Ints
    truth: Ints


@dataclass(frozen=True)
class Stream:
    """Languages in the order in which they come, each with what to learn and what to test on."""

    name: str
    languages: tuple[str, ...]
    train: tuple[Part, ...]
    test: tuple[Part, ...]
    words: int
    classes: int
    epochs: int

    @property
    def shape(self) -> dict[str, int]:
        """What the network is made for."""
        length = self.train[0].tokens.shape[1]
        return {"words": self.words, "length": length, "classes": self.classes}

    def save(self, folder: Path) -> None:
        """Write what Avalanche's side reads."""
        arrays = {
            f"{split}_{letter}{number}": values
            for split, parts in (("train", self.train), ("test", self.test))
            for number, part in enumerate(parts)
            for letter, values in (("x", part.tokens), ("y", part.truth))
        }
        np.savez(folder / "stream.npz", **arrays)  # type: ignore[arg-type]


def false_friends(*, languages: int = 4, seed: int = 7) -> Stream:
    """Make languages whose words look alike and mean something else (stream S3).

    A text is twelve words, drawn three to one quarter in favour of its class; the class of a
    false friend moves on by one from language to language.
    """
    rng = np.random.default_rng(seed)
    shared = COGNATES + FALSE_FRIENDS
    train: list[Part] = []
    test: list[Part] = []
    for number in range(languages):
        own = 2 + shared + number * OWN
        words = np.concatenate([np.arange(2, 2 + shared), np.arange(own, own + OWN)])
        meaning = np.concatenate(
            [
                np.arange(COGNATES) % CLASSES,
                (np.arange(FALSE_FRIENDS) + number) % CLASSES,
                np.arange(OWN) % CLASSES,
            ]
        )
        for parts, count in ((train, 500), (test, 400)):
            truth = rng.integers(0, CLASSES, count)
            tokens = np.empty((count, 12), np.int64)
            for row, label in enumerate(truth):
                odds = np.where(meaning == label, 3.0, 0.75)
                tokens[row] = rng.choice(words, 12, p=odds / odds.sum())
            parts.append(Part(tuple(" ".join(map(str, t)) for t in tokens), tokens, truth))
    names = tuple(f"made-up {number + 1}" for number in range(languages))
    size = 2 + shared + languages * OWN
    return Stream("S3", names, tuple(train), tuple(test), words=size, classes=CLASSES, epochs=8)


def real(data: Path, *, name: str) -> Stream:
    """Read a set's languages in alphabetical order, with subwords learned on its training texts.

    Of a set with several labels a text, those with one at most are taken.
    """
    rows = {
        path.stem: [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for path in sorted((data / REAL[name]).glob("*.jsonl"))
    }
    single = {tag: [row for row in mine if _single(row)] for tag, mine in rows.items()}
    labels = sorted({_label(row) for mine in single.values() for row in mine})
    held_out = {row["text"] for mine in single.values() for row in mine if row["split"] == "test"}
    learned = [
        row["text"]
        for mine in single.values()
        for row in mine
        if row["split"] == "train" and row["text"] not in held_out
    ]
    tokenizer = _tokenizer(learned)

    def part(tag: str, split: str) -> Part:
        mine = [row for row in single[tag] if row["split"] == split]
        mine = [row for row in mine if split == "test" or row["text"] not in held_out]
        texts = tuple(row["text"] for row in mine)
        truth = np.array([labels.index(_label(row)) for row in mine], np.int64)
        return Part(texts, _numbers(tokenizer, texts), truth)

    return Stream(
        name,
        tuple(single),
        tuple(part(tag, "train") for tag in single),
        tuple(part(tag, "test") for tag in single),
        words=tokenizer.get_vocab_size(),
        classes=len(labels),
        epochs=4,
    )


def _single(row: dict[str, object]) -> bool:
    labels = row.get("labels")
    return not isinstance(labels, list) or len(labels) <= 1


def _label(row: dict[str, object]) -> str:
    labels = row.get("labels")
    if isinstance(labels, list):
        return str(labels[0]) if labels else NONE
    return str(row["label"])


def _tokenizer(texts: Sequence[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(vocab_size=WORDS, special_tokens=["[PAD]", "[UNK]"])
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def _numbers(tokenizer: Tokenizer, texts: Sequence[str]) -> Ints:
    numbers = np.zeros((len(texts), LENGTH), np.int64)
    for row, encoding in enumerate(tokenizer.encode_batch(list(texts))):
        ids = encoding.ids[:LENGTH]
        numbers[row, : len(ids)] = ids
    return numbers
