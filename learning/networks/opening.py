"""Opening networks: a fresh one by name, a stored one by its folder."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from annotation.errors import ConflictError, InvalidInputError
from learning.networks import Network
from learning.networks.folders import read_settings

HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")


def open_network(name: str, *, labels: Sequence[str], seed: int) -> Network:
    """Make a fresh network: ``starter``, or an encoder by its hub name or its path."""
    if len(labels) < 2 or len(set(labels)) != len(labels):
        raise InvalidInputError(
            "A network needs at least two labels, all different.",
            remedy="Give the campaign its labels first.",
        )
    if name == "starter":
        from learning.networks.starter import Starter

        return Starter.fresh(labels, seed=seed)
    if not Path(name).is_dir() and not HUB_NAME.fullmatch(name):
        raise InvalidInputError(
            f"There is no network called {name!r}.",
            remedy="Use starter, the name of an encoder such as xlm-roberta-base, or the path"
            " of a folder that holds one.",
        )
    from learning.networks.encoder import Encoder

    return Encoder.fresh(labels, name=name, seed=seed)


def load_network(folder: Path, *, labels: Sequence[str] | None = None) -> Network:
    """Bring a stored network back; with ``labels``, only if it speaks of exactly these."""
    settings = read_settings(folder)
    if labels is not None and list(labels) != settings["labels"]:
        raise ConflictError(
            f"The network in {folder} knows the labels {', '.join(settings['labels'])},"
            f" not {', '.join(labels)}.",
            remedy="Open a fresh network for these labels.",
        )
    if settings.get("kind") == "starter":
        from learning.networks.starter import Starter

        return Starter.load(folder, settings=settings)
    if settings.get("kind") == "encoder":
        from learning.networks.encoder import Encoder

        return Encoder.load(folder, settings=settings)
    if settings.get("kind") in ("starter-int8", "encoder-int8"):
        from learning.networks.compressed import RoundedEncoder, RoundedStarter

        kinds = {kind.kind: kind for kind in (RoundedStarter, RoundedEncoder)}
        return kinds[settings["kind"]].load(folder, settings=settings)
    if settings.get("kind") == "adapted":
        return _adapted(folder, settings=settings)
    if settings.get("kind") in ("token-starter", "token-encoder"):
        from learning.networks.tokens import load_token_network

        return load_token_network(folder, settings=settings)
    if settings.get("kind") in ("generator", "adapted-generator"):
        from learning.networks.generator import open_generator

        return open_generator(str(folder))
    raise InvalidInputError(
        f"The network in {folder} is of an unknown kind: {settings.get('kind')!r}.",
        remedy="It may come from a newer version of the product.",
    )


def _adapted(folder: Path, *, settings: Mapping[str, Any]) -> Network:
    if settings.get("backbone") == "starter":
        from learning.networks.own_rows import AdaptedStarter

        return AdaptedStarter.load(folder, settings=settings)
    from learning.networks.adapted import AdaptedEncoder

    return AdaptedEncoder.load(folder, settings=settings)
