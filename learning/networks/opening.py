"""Opening networks: a fresh one by name, a stored one by its folder."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from annotation.errors import ConflictError, InvalidInputError
from annotation.methods.spans import tag_names
from learning.networks import Network
from learning.networks.folders import read_settings
from learning.networks.tokens import TokenNetwork

HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")


def open_network(
    name: str, *, labels: Sequence[str], seed: int, spans: bool = False, several: bool = False
) -> Network:
    """Make a fresh network: ``starter``, or an encoder by its hub name or its path.

    The labels of one for ``several`` do not exclude each other. One for ``spans`` says of every unit of a text which tag it has (:mod:`learning.networks.tokens`).
    """
    if spans:
        return _token_network(name, classes=labels, seed=seed)
    if len(labels) < 2 or len(set(labels)) != len(labels):
        raise InvalidInputError(
            "A network needs at least two labels, all different.",
            remedy="Give the campaign its labels first.",
        )
    network: Network = _network(name, labels=labels, seed=seed)
    network.several = several
    return network


def _network(name: str, *, labels: Sequence[str], seed: int) -> Network:
    if name == "starter":
        from learning.networks.starter import Starter

        return Starter.fresh(labels, seed=seed)
    _check_name(name)
    from learning.networks.encoder import Encoder

    return Encoder.fresh(labels, name=name, seed=seed)


def _token_network(name: str, *, classes: Sequence[str], seed: int) -> TokenNetwork:
    if not classes or len(set(classes)) != len(classes):
        raise InvalidInputError(
            "A network for spans needs at least one class, all different.",
            remedy="Give the campaign its labels first.",
        )
    if name == "starter":
        from learning.networks.token_starter import TokenStarter

        return TokenStarter.fresh(tag_names(classes), seed=seed)
    _check_name(name)
    from learning.networks.token_encoder import TokenEncoder

    return TokenEncoder.fresh(tag_names(classes), name=name, seed=seed)


def _check_name(name: str) -> None:
    if not Path(name).is_dir() and not HUB_NAME.fullmatch(name):
        raise InvalidInputError(
            f"There is no network called {name!r}.",
            remedy="Use starter, the name of an encoder such as xlm-roberta-base, or the path"
            " of a folder that holds one.",
        )


def load_network(folder: Path, *, labels: Sequence[str] | None = None) -> Network:
    """Bring a stored network back; with ``labels``, only if it speaks of exactly these."""
    settings = read_settings(folder)
    network = _loaded(folder, settings=settings, labels=labels)
    network.several = bool(settings.get("several"))
    return network


def _loaded(folder: Path, *, settings: Mapping[str, Any], labels: Sequence[str] | None) -> Network:
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
        return _tagging(folder, settings=settings)
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


def _tagging(folder: Path, *, settings: Mapping[str, Any]) -> TokenNetwork:
    if settings["kind"] == "token-starter":
        from learning.networks.token_starter import TokenStarter

        return TokenStarter.load(folder, settings=settings)
    from learning.networks.token_encoder import TokenEncoder

    return TokenEncoder.load(folder, settings=settings)
