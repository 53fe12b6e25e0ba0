"""Kinds: what a version's stored network is made as, told without opening it (the web has no torch)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from learning.gateways.weights import weights_dir
from learning.models import ModelVersion

SETTINGS = "network.json"
ADAPTED = "adapted"


@dataclass(frozen=True)
class Kind:
    """The kind of a network; how its adapters work and whose they are, if it has any."""

    name: str = ""
    backbone: str = ""
    method: str = ""
    languages: tuple[str, ...] = ()

    @property
    def adapted(self) -> bool:
        """Whether languages have adapters of their own in it."""
        return self.name == ADAPTED


def kind_in(folder: Path) -> dict[str, Any]:
    """Return what of a network's folder belongs into its version's manifest."""
    try:
        told = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    known = {name: told[name] for name in ("kind", "backbone", "adapters") if told.get(name)}
    return {"made_as": known} if known else {}


def kind_of(version: ModelVersion) -> Kind:
    """Return the kind of a version's network; an empty one where nobody can tell from here."""
    told: Mapping[str, Any] = version.manifest.get("made_as") or {}
    if not told:
        # Of a version that was made before kinds were written down, this machine may have a copy.
        told = kind_in(weights_dir() / version.path).get("made_as", {})
    adapters = told.get("adapters") or {}
    return Kind(
        name=str(told.get("kind", "")),
        backbone=str(told.get("backbone", "")),
        method=str(adapters.get("method", "")),
        languages=tuple(adapters.get("languages", ())),
    )


def advice_of(version: ModelVersion) -> dict[str, Any]:
    """Return the settings of training that a version's network advises; none if it lies elsewhere."""
    path = weights_dir() / version.path / SETTINGS
    try:
        told = json.loads(path.read_text(encoding="utf-8")).get("recipe")
    except (OSError, ValueError):
        return {}
    return dict(told) if isinstance(told, dict) else {}
