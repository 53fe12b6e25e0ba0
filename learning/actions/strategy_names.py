"""Strategies by name, as people choose them: what each needs, and what a campaign can give it."""

from collections.abc import Mapping

from django.conf import settings
from django.utils.translation import gettext as _

from annotation.models import Campaign

# What a round brings to a strategy beside predictions, which each of them can use.
SUPPLIED = ("embeddings", "mc", "surprise", "cost_seconds")
NOISE = "noise"
STARTER = "starter"


def strategy_groups() -> dict[str, list[str]]:
    """Return, by what they need beside predictions, the names that a campaign may rank by."""
    # SciPy comes with them: a web process that never shows this page does without.
    from learning.methods.strategies import BATCHES, UNCERTAINTIES, needs_of

    every = [*UNCERTAINTIES, *BATCHES, "anchors:margin", "anchors:badge"]
    plain = [name for name in UNCERTAINTIES if not needs_of(name)]
    noisy = [f"{prefix}:{name}" for prefix in ("power", "gumbel") for name in plain]
    found = {"": plain, NOISE: [name for name in noisy if not name.endswith(":random")]}
    for need in SUPPLIED:
        found[need] = [name for name in every if needs_of(name) == (need,)]
    found["mc"] += ["power:bald", "gumbel:bald"]
    found["cost_seconds"] = [f"per_second:{name}" for name in plain if name != "random"]
    found["cost_seconds"] += ["per_second:power:margin", "per_second:bald"]
    return found


def offered_strategies() -> list[str]:
    """Return all of these names, one after the other."""
    return [name for names in strategy_groups().values() for name in names]


def group_names() -> Mapping[str, str]:
    """Return what each group is called, with what happens where its need cannot be met."""
    embedded = _("From stored embeddings; where there are none: margin")
    if not settings.ENV.embeddings:
        embedded = _("From embeddings, which are not stored here: margin ranks instead")
    return {
        "": _("From predictions alone"),
        NOISE: _("With noise, against near-copies"),
        "embeddings": embedded,
        "mc": _("From several passes; where all agree: margin"),
        "surprise": _("From an encoder's masked head; where it has none: margin"),
        "cost_seconds": _("Per second of reading; without answers: all texts alike"),
    }


def refusal(campaign: Campaign, name: str) -> str:
    """Return why the campaign cannot rank by a strategy, empty if it can."""
    from learning.methods.strategies import needs_of

    if "surprise" in needs_of(name) and campaign.network == STARTER:
        return _(
            "%s needs an encoder with a masked-language head, and the starter has none. Choose an"
            " encoder such as xlm-roberta-base, or typiclust."
        ) % (name,)
    return ""
