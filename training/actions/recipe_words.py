"""What each setting of a recipe means, as the page of recipes says it, in groups that belong together."""

from typing import Any

from django.utils.translation import gettext_lazy as _

from training.methods.recipes import BOUNDS, CURRICULA, METHODS, SAMPLINGS, TOP, WEIGHINGS

CHOICES: dict[str, tuple[str, ...]] = {
    "method": METHODS,
    "sampling": SAMPLINGS,
    "curriculum": CURRICULA,
    "weighing": WEIGHINGS,
}

GROUPS: tuple[tuple[Any, dict[str, Any]], ...] = (
    (
        _("How it learns"),
        {
            "method": _(
                "update: half of each batch is new, half is drawn from all that was ever learned."
                " naive, er, der++, lwf, ewc, a-gem: the methods of their papers. cumulative: all"
                " data anew. lora, bottleneck, o-lora: each language in an adapter of its own."
            ),
            "lr": _("Learning rate: how far one step moves the weights."),
            "epochs": _("How many times what is new is gone through."),
            "batch": _("Texts in one step."),
            "least_steps": _("At least so many steps, even if little is new."),
            "repeats": _("At most so many times as many steps as one pass over everything has."),
            "warmup": _("Share of the steps in which the rate rises from nought."),
            "weight_decay": _("How strongly weights are drawn towards nought."),
            "clip": _("Longest gradient that a step may follow."),
            "eps": _("Smallest divisor of AdamW; raise it if losses jump."),
            "balance": _("How many times a rare label may be raised against a common one; 1: not."),
            "patience": _("End after so many points of the curve without a better one; 0: never."),
        },
    ),
    (
        _("What is kept of before"),
        {
            "memory": _("Texts that may be learned again; 0: all."),
            "store_weight": _("Weight of texts that are learned again, beside new ones."),
            "hold_weight": _("How strongly it is held to what it said of them before."),
            "average": _("Share of the running average of weights that a step keeps; 0: none."),
            "least_share": _(
                "Smallest share of the new weights when they are mixed with the serving version's;"
                " 1: not mixed."
            ),
            "keep_optimizer": _("1: the optimizer goes on where the last run left it; 0: anew."),
            "lean": _("How many times a losing language is drawn more often; 1: not."),
            "distil_weight": _("lwf: how strongly it is held to the old network's answers."),
            "distil_temperature": _("lwf: how far those answers are softened."),
            "penalty": _("ewc: how dear it is to move weights that mattered."),
            "fisher_decay": _("ewc: share of earlier runs' say in which weights mattered."),
            "fisher_rows": _("ewc: texts by which that is measured."),
        },
    ),
    (
        _("Languages"),
        {
            "sampling": _(
                "How languages share what is learned again: unimax as evenly as their texts allow,"
                " proportional as many as there are, temperature in between."
            ),
            "temperature": _("Under temperature: 1 is in proportion, more is evener."),
            "weighing": _(
                "Say of each language in the loss: as drawn, uniform, or in proportion to its texts."
            ),
            "curriculum": _("likeness: languages begin one after the other, relatives first."),
            "lr_adjust": _("Smallest share of the rate for languages that are new; 1: all alike."),
        },
    ),
    (
        _("Layers and adapters"),
        {
            "layer_decay": _("Rate of each layer as a share of the one above it; 1: all alike."),
            "unfreeze_every": _("Thaw one more layer, from the top, after so many steps; 0: all."),
            "rank": _("Width of adapters."),
            "orthogonality": _("o-lora: how strongly adapters are kept apart."),
        },
    ),
    (
        _("Machines"),
        {
            "pieces": _(
                "Parts of a batch that drop out apart; with as many, runs on different numbers of"
                " processes end alike. 0: 4 on a CPU, one a process on GPUs."
            ),
            "shard": _("1: each process holds a part of the weights, for very large networks."),
            "curve_points": _("Points of the curve on the run's page."),
            "checkpoint_steps": _("Most steps between two checkpoints."),
            "checkpoint_seconds": _("Most seconds between two checkpoints."),
        },
    ),
)


def span(name: str) -> str:
    """Say from where to where a setting goes, nothing if it may be anything.

    >>> span("rank"), span("epochs"), span("eps")
    ('1 – 1024', '≥ 1', '')
    """
    if name not in BOUNDS:
        return ""
    low, high = BOUNDS[name]
    return f"≥ {low:g}" if high == TOP else f"{low:g} – {high:g}"
