"""Sets of marked texts for :mod:`benchmarks.spans`, read as an import would read them."""

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from annotation.methods.conll import Sentence, read_columns
from annotation.methods.spans import Span

SETS = {
    "narabizi": "sequence/narabizi-ner-pos/arq-Latn.jsonl",
    "kaznerd": "sequence/kaznerd-sample/kaz.jsonl",
}
PARTS = ("train", "valid", "test")
# Of a larger set as much as two busy cores measure in minutes.
MOST = {"kaznerd": {"train": 700, "valid": 150, "test": 400}}
QUICK = dict.fromkeys(PARTS, 120)


@dataclass
class Part:
    """Texts with their spans, the tokens of the treebank (as places and as forms) and its tags."""

    texts: list[str] = field(default_factory=list)
    spans: list[tuple[Span, ...]] = field(default_factory=list)
    cuts: list[list[int]] = field(default_factory=list)
    tokens: list[list[str]] = field(default_factory=list)
    places: list[list[tuple[int, int]]] = field(default_factory=list)
    tags: list[list[str]] = field(default_factory=list)


@dataclass(frozen=True)
class Marked:
    """One set: its language, its classes, its parts, and how many texts had to be put together."""

    language: str
    labels: tuple[str, ...]
    parts: dict[str, Part]
    rebuilt: int


def read(path: Path, *, most: Mapping[str, int] | None = None) -> Marked:
    """Read a set, the first ``most`` texts of each part.

    A text that its tokens do not fit is put together from them, with spaces.
    """
    bounds = most or {}
    parts = {name: Part() for name in PARTS}
    rebuilt, language = 0, ""
    for line in path.read_text(encoding="utf-8").splitlines():
        told = json.loads(line)
        part, language = parts[told["split"]], told["lang"]
        if len(part.texts) >= bounds.get(told["split"], len(part.texts) + 1):
            continue
        sentence = next(_sentences(told["tokens"], tags=told["tags"], text=told["text"]), None)
        if sentence is None:
            rebuilt += 1
            sentence = next(_sentences(told["tokens"], tags=told["tags"], text=None))
        part.texts.append(sentence.text)
        part.spans.append(sentence.spans)
        places = [(token.start, token.end) for token in sentence.tokens]
        part.places.append(places)
        part.cuts.append(sorted({place for both in places for place in both}))
        part.tokens.append(told["tokens"])
        part.tags.append(told["tags"])
    labels = {span.label for part in parts.values() for spans in part.spans for span in spans}
    return Marked(language, tuple(sorted(labels)), parts, rebuilt)


def _sentences(
    tokens: Sequence[str], *, tags: Sequence[str], text: str | None
) -> Iterator[Sentence]:
    lines = [f"{token}\t{tag}" for token, tag in zip(tokens, tags, strict=True)]
    told = [] if text is None else [f"# text = {text}"]
    file = io.BytesIO("\n".join([*told, *lines, ""]).encode())
    for found in read_columns(file):
        if isinstance(found, Sentence):
            yield found
