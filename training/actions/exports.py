"""Exports: a version as a folder for people elsewhere, with its card."""

import json
import shutil
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from annotation.errors import ConflictError
from learning.actions.identities import check_identity
from learning.gateways.weights import open_weights
from learning.models import ModelVersion
from training.actions.cards import card_of
from training.methods.recipes import BOTTLENECK

CARD = "card.json"
CALIBRATION = "calibration.json"
ADAPTERS = "adapters"
HUGGING_FACE = "encoder"
SETS = (
    " They do not exclude each other: the sigmoid of each logit says how probable its label is, and"
    " the answer is all labels above one half. Accuracy is of whole answers, macro-F1 the mean over"
    " labels."
)


def export_version(version: ModelVersion, *, folder: Path) -> dict[str, Any]:
    """Write the version's files, its card and what makes its confidence honest; return the card.

    The folder is there whole or not at all. An encoder opens with plain ``transformers``, labels
    named, and its languages' adapters with ``peft``; other networks open with this product.
    """
    if folder.exists():
        raise ConflictError(f"{folder} is there already.", remedy="Name a folder that is not.")
    check_identity(version)
    home = open_weights(version.path, digest=version.digest)
    _refuse_bottlenecks(version, home)
    card = card_of(version)
    folder.parent.mkdir(parents=True, exist_ok=True)
    arriving = folder.with_name(f".{folder.name}-{uuid.uuid4().hex}")
    try:
        shutil.copytree(home, arriving, copy_function=shutil.copyfile)
        tags = _as_others_read_it(arriving)
        told = _settings(arriving)
        kind, several = told["kind"], bool(told.get("several"))
        card |= {"opens_with": _opens_with(kind, tags), "adapters": tags, "several": several}
        if kind == HUGGING_FACE:
            _name_labels(arriving / "config.json", labels=card["labels"], several=several)
        _write(arriving / CARD, card)
        scales = {tag: row["temperature"] for tag, row in card["quality"].items()}
        _write(arriving / CALIBRATION, {"temperature_by_language": scales})
        (arriving / "README.md").write_text(_readme(card), encoding="utf-8")
        arriving.rename(folder)
    finally:
        shutil.rmtree(arriving, ignore_errors=True)
    return card


def _refuse_bottlenecks(version: ModelVersion, home: Path) -> None:
    """Raise for adapters that no other library reads and that no matrix can take in."""
    told = _settings(home)
    if _is_adapted(told) and told["adapters"]["method"] == BOTTLENECK:
        raise ConflictError(
            f"{version} answers through bottleneck adapters, which nothing but this product opens.",
            remedy="Teach a starter what it says (manage.py compress CAMPAIGN --kind distil --set"
            " student=starter), or train with the method lora and export that.",
        )


def _is_adapted(told: Mapping[str, Any]) -> bool:
    return told["kind"] == "adapted" and told.get("backbone") == HUGGING_FACE


def _as_others_read_it(folder: Path) -> list[str]:
    """Make a plain encoder of an adapted one, with a folder for each adapter; return whose."""
    told = _settings(folder)
    if not _is_adapted(told):
        return []
    from learning.networks.adapted import O_LORA, AdaptedEncoder
    from learning.networks.folding import folded
    from learning.networks.opening import load_network
    from training.methods.peft_folders import write_adapters

    network = load_network(folder)
    assert isinstance(network, AdaptedEncoder)  # noqa: S101 - its settings say so
    # What all texts go through is one sum, and lies in the encoder as well as beside it.
    together = network.adapters.method == O_LORA
    shutil.rmtree(folder)
    folded(network, languages=network.adapters.languages if together else ()).save(folder)
    return [] if together else write_adapters(network, folder=folder / ADAPTERS)


def _settings(folder: Path) -> dict[str, Any]:
    return {"kind": ""} | dict(json.loads((folder / "network.json").read_text(encoding="utf-8")))


def _opens_with(kind: str, tags: Sequence[str]) -> list[str]:
    if kind != HUGGING_FACE:
        return ["vernacular"]
    return ["transformers", "peft"] if tags else ["transformers"]


def _name_labels(config: Path, *, labels: list[str], several: bool) -> None:
    """Have ``transformers`` say our labels instead of LABEL_0, and whether several may hold."""
    told = json.loads(config.read_text(encoding="utf-8"))
    told["id2label"] = {str(number): label for number, label in enumerate(labels)}
    told["label2id"] = {label: number for number, label in enumerate(labels)}
    if several:
        told["problem_type"] = "multi_label_classification"
    _write(config, told)


def _write(path: Path, record: Mapping[str, Any]) -> None:
    text = json.dumps(record, ensure_ascii=False, indent=1, sort_keys=True)
    path.write_text(text + "\n", encoding="utf-8")


def _readme(card: Mapping[str, Any]) -> str:
    """Return the card as Markdown, with the header that model hubs read."""
    languages = sorted(set(card["quality"]) | set(card["learned_from"]["languages"]))
    licences = [name or "not stated" for name in card["learned_from"]["licences"]]
    head = [
        "---",
        f"language: {json.dumps(languages)}",
        "pipeline_tag: text-classification",
        *(["library_name: transformers"] if "transformers" in card["opens_with"] else []),
        "---",
        "",
    ]
    graded = any(_is_graded(row) for row in card["quality"].values())
    lines = [
        f"# {card['title']}, version {card['version']}",
        "",
        f"{card['question']} Labels: {', '.join(card['labels'])}.{SETS * card['several']}",
        "",
        _how_to_open(card),
        "",
        "## Quality on gold, with 95 % intervals",
        "",
        f"| language | gold items | accuracy | macro-F1 |{' weighted kappa |' * graded} temperature |",
        f"|---|--:|---|---|{'---|' * graded}--:|",
        *(_quality_line(tag, row, graded=graded) for tag, row in card["quality"].items()),
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


def _how_to_open(card: Mapping[str, Any]) -> str:
    honest = (
        f"Divide logits by the language's temperature in `{CALIBRATION}` for honest probabilities."
    )
    opens = "`AutoModelForSequenceClassification.from_pretrained` of `transformers`"
    if card["adapters"]:
        tags = ", ".join(f"`{tag}`" for tag in card["adapters"])
        return (
            f"Opens with {opens}; texts in {tags} want their own adapter over it, others the encoder"
            f" alone: `PeftModel.from_pretrained(encoder, folder / '{ADAPTERS}' / tag)` of `peft`."
            f" {honest}"
        )
    if "transformers" in card["opens_with"]:
        return f"Opens with {opens}. {honest}"
    return (
        "Opens with Vernacular (`learning.networks.opening.load_network`), not with `transformers`."
    )


def _quality_line(tag: str, row: Mapping[str, Any], *, graded: bool) -> str:
    scale = "–" if row["temperature"] is None else f"{row['temperature']:.2f}"
    measured = ["accuracy", "macro_f1", *(["kappa"] if graded else [])]
    numbers = " | ".join(_interval(row[name]) for name in measured)
    return f"| {tag} | {row['items']} | {numbers} | {scale} |"


def _is_graded(row: Mapping[str, Any]) -> bool:
    return row["kappa"][0] is not None


def _interval(told: list[float | None]) -> str:
    value, low, high = told
    if value is None or low is None or high is None:
        return "not measured"
    return f"{value:.3f} ({low:.3f}–{high:.3f})"
