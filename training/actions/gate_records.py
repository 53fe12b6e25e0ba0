"""Gate records: everything that a decision rests on, so that it can be checked years later."""

import gzip
import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from importlib.metadata import version as library_version
from pathlib import Path
from typing import Any

from django.conf import settings

from learning.actions.versions import libraries
from learning.gateways.weights import open_weights
from learning.models import ModelVersion
from training.actions.comparing import Compared
from training.methods import gate as checks
from training.methods.findings import Finding
from training.models import GatePredictions, GateRun

# Files that a tokenizer is made of, whatever the network; the n-grams of the starter are code.
TOKENIZER = (
    "tokenizer",
    "vocab",
    "merges",
    "spiece",
    "sentencepiece",
    "special_tokens",
    "added_tokens",
)


def facts_of(
    pooled: Sequence[Finding],
    *,
    candidate: ModelVersion,
    champion: ModelVersion,
    seed: int,
    now: datetime,
) -> dict[str, Any]:
    """Return what is recorded of a decision beside its languages."""
    return {
        "pooled": [told(finding) for finding in pooled],
        "champion_digest": champion.digest,
        "tokenizer_sha256": tokenizer_digest(candidate),
        "champion_tokenizer_sha256": tokenizer_digest(champion),
        "judged_in": "float32",
        "code": code_commit(),
        "seed": seed,
        "libraries": libraries() | {"scipy": library_version("scipy")},
        "judged_at": now.isoformat(),
    }


def told(finding: Finding) -> dict[str, Any]:
    """Return a finding as it is stored."""
    return asdict(finding) | {"numbers": dict(finding.numbers)}


def tokenizer_digest(version: ModelVersion) -> str:
    """Return SHA-256 over the names and bytes of a version's tokenizer files; empty without any."""
    folder = open_weights(version.path, digest=version.digest)
    names = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.name.startswith(TOKENIZER)
    )
    if not names:
        return ""
    digest = hashlib.sha256()
    for name in names:
        digest.update(f"{name}\0".encode() + (folder / name).read_bytes())
    return digest.hexdigest()


def code_commit() -> str:
    """Return the commit of the checkout that runs, or the release where there is no checkout."""
    git = Path(settings.BASE_DIR) / ".git"
    try:
        head = (git / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return head
        name = head.removeprefix("ref: ")
        if (git / name).is_file():
            return (git / name).read_text().strip()
        packed = (git / "packed-refs").read_text().splitlines()
        return next(line.split()[0] for line in packed if line.endswith(f" {name}"))
    except (OSError, StopIteration):
        about = tomllib.loads((Path(settings.BASE_DIR) / "pyproject.toml").read_text())
        return f"release {about['project']['version']}"


def predictions_of(
    gate: GateRun, *, compared: Compared, champion: ModelVersion, candidate: ModelVersion
) -> GatePredictions:
    """Pack what each version said of each gold item into one file with its hash."""
    lines: list[str] = []
    for comparison in compared.comparisons:
        gold = compared.golds[comparison.language]
        anchor = compared.anchors.get(comparison.language)
        named: Mapping[str, tuple[ModelVersion | None, checks.Answers | None]] = {
            "champion": (champion, comparison.old),
            "candidate": (candidate, comparison.new),
            "anchor": (anchor, comparison.anchor),
        }
        for at, sample in enumerate(gold.samples):
            row: dict[str, Any] = {
                "language": comparison.language,
                "sample": sample,
                "group": gold.groups[at],
                "truth": gold.truth[at],
            }
            row |= {
                name: _said(answers, at)
                for name, (version, answers) in named.items()
                if version is not None and answers is not None
            }
            lines.append(json.dumps(row, ensure_ascii=False))
    content = "".join(f"{line}\n" for line in lines).encode()
    return GatePredictions(
        gate=gate,
        sha256=hashlib.sha256(content).hexdigest(),
        rows=len(lines),
        content=gzip.compress(content, mtime=0),
    )


def unpacked(predictions: GatePredictions) -> bytes:
    """Return the file as it was hashed."""
    return gzip.decompress(bytes(predictions.content))


def _said(answers: checks.Answers, at: int) -> dict[str, Any]:
    return {
        "label": answers.label[at].item() if answers.label is not None else None,
        "right": bool(answers.right[at]),
        "confidence": float(answers.confidence[at]),
        "truth_probability": float(answers.truth[at]),
    }
