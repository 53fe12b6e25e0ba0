"""Build the representation that ships with the starter, from a folder of unlabelled text."""

import csv
import json
import time
from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from annotation.errors import InvalidInputError
from learning.networks.ngrams import normalise
from training.methods.starter_vectors import (
    Corpus,
    Floats,
    Ints,
    Material,
    Recipe,
    align,
    train_vectors,
)

LICENCES = ("CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0", "Apache-2.0")
HUB = "eng-Latn"
FARTHEST = 200

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Part:
    """The lines of one language that came from one source."""

    language: str
    source: str
    licence: str
    lines: list[str]


@dataclass(frozen=True)
class Plan:
    """What is read and how it is cut."""

    leave_out: Collection[str] = ()
    parallel: Collection[str] = ()
    most_characters: int = 250_000
    tokenizer_characters: int = 120_000
    vocabulary: int = 32_000
    recipe: Recipe = field(default_factory=Recipe)
    seed: int = 0


def build_starter(text: Path, *, out: Path, plan: Plan, tell: Tell) -> dict[str, Any]:
    """Write ``tokenizer.json``, ``model.safetensors`` and the manifest of what they are made of."""
    begun = time.process_time()
    parts = read_parts(text, plan=plan)
    tell(f"{len(parts)} parts, {sum(_size(part) for part in parts) / 1e6:.1f} M characters")
    tokenizer = train_tokenizer(parts, plan=plan)
    out.mkdir(parents=True, exist_ok=True)
    (out / "tokenizer.json").write_text(tokenizer.to_str(), encoding="utf-8")
    tell(f"tokenizer: {tokenizer.get_vocab_size()} subwords, {time.process_time() - begun:.0f} s")
    material = _material(parts, tokenizer=tokenizer, plan=plan, tell=tell)
    tell(f"{len(material.parallel)} pairings, {time.process_time() - begun:.0f} s")
    vectors: Floats = np.zeros((0, 0), np.float32)
    rng = np.random.default_rng(plan.seed)
    for step, loss, vectors in train_vectors(  # noqa: B007  # the last vectors are kept
        material, vocabulary=tokenizer.get_vocab_size(), recipe=plan.recipe, rng=rng
    ):
        tell(f"step {step}: loss {loss:.3f}, {time.process_time() - begun:.0f} s")
    save_file({"vectors": torch.from_numpy(vectors).half()}, out / "model.safetensors")
    manifest = _manifest(parts, material, plan=plan, seconds=time.process_time() - begun)
    (out / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return manifest


def _size(part: Part) -> int:
    return sum(map(len, part.lines))


def read_parts(text: Path, *, plan: Plan) -> list[Part]:
    """Read each language's file, cut into its sources as ``MANIFEST.tsv`` counts them."""
    rows: dict[str, list[dict[str, str]]] = defaultdict(list)
    with (text / "MANIFEST.tsv").open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines, delimiter="\t"):
            if row["licence"] in LICENCES:
                rows[row["lang-Script"]].append(row)
    parts = []
    for language, sources in sorted(rows.items()):
        path = next(iter(text.glob(f"**/{language}.txt")), None)
        if path is not None:
            parts += _cut(path, language=language, sources=sources, plan=plan)
    if not parts:
        raise InvalidInputError(f"{text} holds no text that {text / 'MANIFEST.tsv'} names.")
    return parts


def _cut(path: Path, *, language: str, sources: list[dict[str, str]], plan: Plan) -> list[Part]:
    lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    counted = sum(int(row["lines"]) for row in sources)
    if len(lines) != counted:
        raise InvalidInputError(f"{path} has {len(lines)} lines; its manifest counts {counted}.")
    parts, start = [], 0
    for row in sources:
        end = start + int(row["lines"])
        names = {row["source"], f"{row['source']}:{language}"}
        if end > start and not names & set(plan.leave_out):
            whole = row["source"] in plan.parallel  # cutting would break the alignment
            most = None if whole else plan.most_characters
            chosen = _first([normalise(line) for line in lines[start:end]], most=most)
            parts.append(Part(language, row["source"], row["licence"], chosen))
        start = end
    return parts


def _first(lines: list[str], *, most: int | None) -> list[str]:
    """Take lines spread evenly over the part, about as many characters as allowed."""
    total = sum(map(len, lines))
    if most is None or total <= most:
        return lines
    places = np.linspace(0, len(lines) - 1, int(len(lines) * most / total)).astype(int)
    return [lines[place] for place in np.unique(places)]


def train_tokenizer(parts: list[Part], *, plan: Plan) -> Tokenizer:
    """Learn subwords (BPE) from about as much text of each part, so that no language rules."""
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))  # noqa: S106  # not a password
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Metaspace(),
            pre_tokenizers.Punctuation(),
            pre_tokenizers.Digits(individual_digits=True),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=plan.vocabulary,
        special_tokens=["[UNK]"],
        limit_alphabet=6000,
        min_frequency=3,
        max_token_length=16,
        show_progress=False,
    )
    some = (_first(part.lines, most=plan.tokenizer_characters) for part in parts)
    tokenizer.train_from_iterator((line for lines in some for line in lines), trainer)
    return tokenizer


def _material(parts: list[Part], *, tokenizer: Tokenizer, plan: Plan, tell: Tell) -> Material:
    """Number the subwords, put each language's parts end to end, and pair translations."""
    lines: dict[str, list[list[int]]] = defaultdict(list)
    begins: dict[tuple[str, str], int] = {}
    for part in parts:
        begins[part.language, part.source] = len(lines[part.language])
        encodings = tokenizer.encode_batch_fast(part.lines, add_special_tokens=False)
        lines[part.language] += [encoding.ids for encoding in encodings]
    parallel: dict[tuple[str, str, str], Ints] = {}
    for source in plan.parallel:
        these = {part.language: part for part in parts if part.source == source}
        if not these:
            continue
        hub = HUB if HUB in these else max(these, key=lambda name: len(these[name].lines))
        for language, part in these.items():
            ours = these[hub].lines
            if language == hub or abs(len(ours) - len(part.lines)) > FARTHEST:
                continue
            pairs = align(ours, part.lines)
            shift = np.array([begins[hub, source], begins[language, source]])
            parallel[hub, language, source] = np.array(pairs, np.int64) + shift
        tell(f"{source}: {len(these)} languages aligned to {hub}")
    return Material({name: Corpus.of(each) for name, each in lines.items()}, parallel)


def _manifest(
    parts: list[Part], material: Material, *, plan: Plan, seconds: float
) -> dict[str, Any]:
    return {
        "plan": {**asdict(plan), "recipe": asdict(plan.recipe)},
        "cpu_seconds": round(seconds),
        "parts": [
            {
                "language": part.language,
                "source": part.source,
                "licence": part.licence,
                "lines": len(part.lines),
                "characters": _size(part),
            }
            for part in parts
        ],
        "pairings": [
            {"hub": hub, "language": language, "source": source, "pairs": len(pairs)}
            for (hub, language, source), pairs in material.parallel.items()
        ],
    }
