"""Known answers: what a cell of a file or a line of a form says, as the kind of question reads it."""

from collections.abc import Callable, Mapping
from typing import Any

from annotation.errors import InvalidInputError
from annotation.methods.readers.cleaning import Composes
from annotation.models import Campaign
from annotation.objectives import Fields, objective, read_form


def composes(campaign: Campaign) -> Composes | None:
    """What reads the labels of a file; None where each is one of the campaign's own.

    A kind says by ``fields_in(cell, names=...)`` what a form of ours would have sent; ``names`` lead
    from keys, and from names where no key is called so, to keys.
    """
    kind = objective(campaign.objective)
    if kind.PLAIN:
        return None
    fields_in: Callable[..., Fields] | None = getattr(kind, "fields_in", None)
    pairs = list(campaign.labels.order_by("position").values_list("key", "name"))
    names = {name.casefold(): key for key, name in pairs} | {key: key for key, _ in pairs}
    keys = [key for key, _ in pairs]

    def read(cell: object, text: str) -> Mapping[str, Any]:
        if fields_in is None:
            raise ValueError("answers to this kind of question cannot be known beforehand")
        parsed = read_form(campaign.objective, fields_in(cell, names=names), keys=keys, text=text)
        if not parsed.label:
            raise ValueError(f"{parsed.detail} The campaign has: {', '.join(keys)}")
        return parsed.answer

    return read


def known_answer(campaign: Campaign, *, told: str, text: str) -> Mapping[str, Any]:
    """What somebody typed as the right answer; raise if it is none."""
    reads = composes(campaign)
    if reads is None:
        if not campaign.labels.filter(key=told).exists():
            raise InvalidInputError(f"There is no label {told}.")
        return {"label": told}
    try:
        return reads(told, text)
    except ValueError as error:
        raise InvalidInputError(str(error)) from None
