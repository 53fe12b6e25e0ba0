"""Recipes: by which method a network is fine-tuned, and with which numbers.

Four layers, the later before the earlier: the defaults here, what the method is made of
(``OWN``), what the network advises, what the campaign asks for. What a layer says under a
method's name counts for that method alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import isfinite
from typing import Any

from annotation.errors import InvalidInputError

UPDATE, NAIVE, CUMULATIVE = "update", "naive", "cumulative"
ER, DER, LWF, EWC, A_GEM = "er", "der++", "lwf", "ewc", "a-gem"
LORA, BOTTLENECK, O_LORA = "lora", "bottleneck", "o-lora"

# What each method brings along. Interpolation with the champion, the average of the weights and
# the leaning belong to the default; the others are what their papers say and nothing more.
PLAIN: dict[str, Any] = {"average": 0.0, "least_share": 1.0, "lean": 1.0, "keep_optimizer": 0}
OWN: dict[str, dict[str, Any]] = {
    UPDATE: {},
    NAIVE: PLAIN,
    CUMULATIVE: PLAIN,
    ER: PLAIN,
    DER: PLAIN | {"store_weight": 0.5, "hold_weight": 0.1},
    LWF: PLAIN,
    EWC: PLAIN,
    A_GEM: PLAIN,
    LORA: PLAIN,
    BOTTLENECK: PLAIN,
    O_LORA: PLAIN,
}
METHODS = tuple(OWN)
SAMPLINGS = ("unimax", "proportional", "temperature")
CURRICULA = ("", "likeness")
WEIGHINGS = ("", "uniform", "proportional")

# Methods that see half of each batch from the store, and those that hold on to its stored logits.
REPLAYING = (UPDATE, ER, DER, A_GEM)
HOLDING = (UPDATE, DER)
# Methods under which a language learns in an adapter of its own, and the rest of the network rests.
ADAPTING = (LORA, BOTTLENECK, O_LORA)


@dataclass(frozen=True)
class Recipe:
    """How a network is fine-tuned.

    ``balance`` is how many times a rare label may be raised against a common one, ``lean`` how
    many times a losing language is drawn more often (1: not at all), ``memory`` how many rows
    the store is cut down to (0: everything), ``patience`` after how many points of the curve
    without a better one the run ends (0: never), ``least_share`` the smallest share of the new
    weights that interpolation with the champion may keep (1: no interpolation). ``sampling`` shares
    out the store's draws among languages, ``weighing`` their say in the loss (empty: as drawn);
    with a ``curriculum`` languages begin one after the other, nearest first. ``pieces`` is into how
    many parts a batch is cut that drop out at random apart (0: 4 on a CPU, one a process on GPUs);
    with as many, runs of different numbers of processes end alike, and runs of more processes leave
    some idle. With ``shard`` each process holds but a part of the weights, for networks that no device holds.
    """

    method: str = UPDATE
    lr: float = 1e-3
    weight_decay: float = 0.01
    eps: float = 1e-8
    balance: float = 1.0
    batch: int = 32
    pieces: int = 0
    shard: int = 0
    epochs: int = 4
    least_steps: int = 0
    repeats: int = 4
    sampling: str = "unimax"
    temperature: float = 2.0
    curriculum: str = ""
    weighing: str = ""
    memory: int = 0
    # Half the say for the store and .1 for its logits forgot twice as much, learning no better.
    store_weight: float = 1.0
    hold_weight: float = 0.3
    distil_weight: float = 1.0
    distil_temperature: float = 2.0
    penalty: float = 1000.0
    fisher_decay: float = 0.9
    fisher_rows: int = 256
    lean: float = 2.0
    patience: int = 0
    layer_decay: float = 1.0
    unfreeze_every: int = 0
    rank: int = 8
    orthogonality: float = 0.5
    lr_adjust: float = 1.0
    keep_optimizer: int = 1
    warmup: float = 0.1
    average: float = 0.999
    least_share: float = 0.5
    clip: float = 1.0
    curve_points: int = 20
    checkpoint_steps: int = 50
    checkpoint_seconds: float = 60.0

    def __post_init__(self) -> None:
        """Refuse what cannot be trained by, with what can."""
        _one_of("method", self.method, METHODS)
        _one_of("sampling", self.sampling, SAMPLINGS)
        _one_of("curriculum", self.curriculum, CURRICULA)
        _one_of("weighing", self.weighing, WEIGHINGS)
        for name, (low, high) in BOUNDS.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise InvalidInputError(
                    f"A recipe's {name} cannot be {value}.", remedy=f"It goes from {low} to {high}."
                )
        if self.shard and self.method in (EWC, A_GEM, *ADAPTING):
            raise InvalidInputError(
                f"The method {self.method} needs whole weights, and shard cuts them.",
                remedy="Leave shard at 0, or choose another method, such as update.",
            )

    @classmethod
    def of(cls, *layers: Mapping[str, Any]) -> "Recipe":
        """Lay settings over the defaults, later layers last; what is no setting is left out.

        >>> Recipe.of({"epochs": 6, "update": {"average": 0}}, {"optimizer": "adamw"}).average
        0.0
        >>> Recipe.of({"epochs": 6, "update": {"average": 0}}, {"method": "er"}).epochs
        6
        """
        known = {knob.name: type(knob.default) for knob in fields(cls)}
        method = next((said["method"] for said in reversed(layers) if "method" in said), UPDATE)
        _one_of("method", method, METHODS)
        merged: dict[str, Any] = {**OWN[method], "method": method}
        for layer in layers:
            own = layer.get(method)
            merged |= {**layer, **(own if isinstance(own, Mapping) else {})}
        return cls(
            **{name: _as(known[name], name, merged[name]) for name in known if name in merged}
        )

    @classmethod
    def knobs(cls) -> dict[str, type]:
        """Return every setting and its type, for what asks people."""
        return {knob.name: type(knob.default) for knob in fields(cls)}


TOP = float("inf")
BOUNDS: dict[str, tuple[float, float]] = {
    "lr": (0.0, TOP),
    "balance": (1.0, TOP),
    "batch": (1, TOP),
    "pieces": (0, TOP),
    "shard": (0, 1),
    "epochs": (1, TOP),
    "repeats": (1, TOP),
    "temperature": (1.0, TOP),
    "memory": (0, TOP),
    "store_weight": (0.0, TOP),
    "hold_weight": (0.0, TOP),
    "distil_weight": (0.0, TOP),
    "distil_temperature": (0.01, TOP),
    "penalty": (0.0, TOP),
    "fisher_decay": (0.0, 1.0),
    "fisher_rows": (0, TOP),
    "lean": (1.0, TOP),
    "patience": (0, TOP),
    "layer_decay": (0.01, 1.0),
    "unfreeze_every": (0, TOP),
    "rank": (1, 1024),
    "orthogonality": (0.0, TOP),
    "lr_adjust": (0.0, 1.0),
    "warmup": (0.0, 1.0),
    "average": (0.0, 1.0),
    "least_share": (0.0, 1.0),
    "curve_points": (1, TOP),
    "checkpoint_steps": (1, TOP),
}


def _one_of(name: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InvalidInputError(
            f"There is no {name} called {value!r}.",
            remedy=f"Known are: {', '.join(filter(None, known))}.",
        )


def _as(kind: type, name: str, value: Any) -> Any:
    """Return the value as the setting's kind, or say which setting is at fault."""
    try:
        told = kind(value)
    except (TypeError, ValueError, OverflowError):
        told = None
    if told is None or (kind is float and not isfinite(told)):
        raise InvalidInputError(
            f"A recipe's {name} cannot be {value!r}.", remedy=f"It wants {kind.__name__}."
        )
    return told
