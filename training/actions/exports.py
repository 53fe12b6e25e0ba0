"""Exports: a version as a folder for people elsewhere, with its card."""

import json
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from annotation.errors import ConflictError
from learning.actions.identities import check_identity
from learning.gateways.weights import open_weights
from learning.models import ModelVersion
from training.actions.cards import card_of

CARD = "card.json"
CALIBRATION = "calibration.json"
HUGGING_FACE = "encoder"


def export_version(version: ModelVersion, *, folder: Path) -> dict[str, Any]:
    """Write the version's files, its card and what makes its confidence honest; return the card.

    The folder is there whole or not at all. An encoder opens with plain ``transformers``, labels
    named; other networks open with this product.
    """
    if folder.exists():
        raise ConflictError(f"{folder} is there already.", remedy="Name a folder that is not.")
    check_identity(version)
    home = open_weights(version.path, digest=version.digest)
    card = card_of(version)
    folder.parent.mkdir(parents=True, exist_ok=True)
    arriving = folder.with_name(f".{folder.name}-{uuid.uuid4().hex}")
    try:
        shutil.copytree(home, arriving, copy_function=shutil.copyfile)
        kind = _kind(arriving)
        if kind == HUGGING_FACE:
            _name_labels(arriving / "config.json", labels=card["labels"])
        _write(arriving / CARD, card)
        scales = {tag: row["temperature"] for tag, row in card["quality"].items()}
        _write(arriving / CALIBRATION, {"temperature_by_language": scales})
        (arriving / "README.md").write_text(_readme(card, kind=kind), encoding="utf-8")
        arriving.rename(folder)
    finally:
        shutil.rmtree(arriving, ignore_errors=True)
    return card


def _kind(folder: Path) -> str:
    return str(json.loads((folder / "network.json").read_text(encoding="utf-8")).get("kind", ""))


def _name_labels(config: Path, *, labels: list[str]) -> None:
    """Have ``transformers`` say our labels instead of LABEL_0."""
    told = json.loads(config.read_text(encoding="utf-8"))
    told["id2label"] = {str(number): label for number, label in enumerate(labels)}
    told["label2id"] = {label: number for number, label in enumerate(labels)}
    _write(config, told)


def _write(path: Path, record: Mapping[str, Any]) -> None:
    text = json.dumps(record, ensure_ascii=False, indent=1, sort_keys=True)
    path.write_text(text + "\n", encoding="utf-8")


def _readme(card: Mapping[str, Any], *, kind: str) -> str:
    """Return the card as Markdown, with the header that model hubs read."""
    languages = sorted(set(card["quality"]) | set(card["learned_from"]["languages"]))
    licences = [name or "not stated" for name in card["learned_from"]["licences"]]
    head = [
        "---",
        f"language: {json.dumps(languages)}",
        "pipeline_tag: text-classification",
        *(["library_name: transformers"] if kind == HUGGING_FACE else []),
        "---",
        "",
    ]
    lines = [
        f"# {card['title']}, version {card['version']}",
        "",
        f"{card['question']} Labels: {', '.join(card['labels'])}.",
        "",
        _how_to_open(kind),
        "",
        "## Quality on gold, with 95 % intervals",
        "",
        "| language | gold items | accuracy | macro-F1 | temperature |",
        "|---|--:|---|---|--:|",
        *(_quality_line(tag, row) for tag, row in card["quality"].items()),
        "",
        "## What it learned from",
        "",
        "| language | samples | answers | people |",
        "|---|--:|--:|--:|",
        *(
            f"| {tag} | {row['samples']} | {row['answers']} | {row['people']} |"
            for tag, row in card["learned_from"]["languages"].items()
        ),
        "",
        f"Licences of the texts: {', '.join(licences) or 'it has learned from no texts yet'}.",
        "",
        "## Limits",
        "",
        *(f"- {sentence}" for sentence in card["limits"]),
        "",
        f"SHA-256 of the weights as they were stored: `{card['digest']}`. All numbers: `{CARD}`.",
    ]
    return "\n".join([*head, *lines]) + "\n"


def _how_to_open(kind: str) -> str:
    if kind == HUGGING_FACE:
        return (
            "Opens with `AutoModelForSequenceClassification.from_pretrained` of `transformers`. Divide"
            f" logits by the language's temperature in `{CALIBRATION}` for honest probabilities."
        )
    return (
        "Opens with Vernacular (`learning.networks.opening.load_network`), not with `transformers`."
    )


def _quality_line(tag: str, row: Mapping[str, Any]) -> str:
    scale = "–" if row["temperature"] is None else f"{row['temperature']:.2f}"
    numbers = " | ".join(_interval(row[name]) for name in ("accuracy", "macro_f1"))
    return f"| {tag} | {row['items']} | {numbers} | {scale} |"


def _interval(told: list[float | None]) -> str:
    value, low, high = told
    if value is None or low is None or high is None:
        return "not measured"
    return f"{value:.3f} ({low:.3f}–{high:.3f})"
