"""A network's folder on disk: settings in JSON, weights in safetensors, nothing that can run."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from annotation.errors import InvalidInputError, NotFoundError

SETTINGS = "network.json"
WEIGHTS = "model.safetensors"
TOKENIZER = "tokenizer.json"


def write_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    """Write the settings so that the same settings are the same bytes."""
    text = json.dumps(settings, ensure_ascii=False, indent=1, sort_keys=True)
    (folder / SETTINGS).write_text(text + "\n", encoding="utf-8")


def read_settings(folder: Path) -> dict[str, Any]:
    """Return a stored network's settings, or say what is wrong with its folder."""
    missing = [name for name in (SETTINGS, WEIGHTS) if not (folder / name).is_file()]
    if missing:
        raise NotFoundError(
            f"{folder} holds no stored network: {', '.join(missing)} is missing.",
            remedy="Store the network again, or point at the folder that was written by it.",
        )
    try:
        settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidInputError(f"{folder / SETTINGS} is not JSON: {error}.") from error
    labels = settings.get("labels") if isinstance(settings, dict) else None
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise InvalidInputError(f"{folder / SETTINGS} names no labels.")
    return dict(settings)


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of one file, or say that it is damaged."""
    try:
        return load_file(path)
    except SafetensorError as error:
        raise InvalidInputError(
            f"The weights in {path} are damaged: {error}.",
            remedy="Bring the file back from a copy, or deploy another version.",
        ) from error
