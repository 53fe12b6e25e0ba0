"""The science of what to ask and how sure one may be: arrays in, arrays out.

NumPy and SciPy are all it needs; no Django, no torch. ``README.md`` beside this file walks
through a case of the size of a notebook. A name is looked up when it is first used, so that
whoever needs one function does not pay for all of them.

>>> from learning.methods import margin, select
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from learning.methods.acquisition import entropy, least_confidence, margin
    from learning.methods.batches import Selected, SelectionBatch
    from learning.methods.calibration import fit_temperatures
    from learning.methods.coldstart import alps, prob_cover, typiclust
    from learning.methods.conformal import mondrian, weighted
    from learning.methods.contrast import anchors, contrastive
    from learning.methods.disagreement import bald, batch_bald
    from learning.methods.diversity import k_center
    from learning.methods.gain import selection_gain
    from learning.methods.ppi import powered_mean
    from learning.methods.probabilities import softmax
    from learning.methods.quotas import QuotaPolicy, Standing, allot
    from learning.methods.relabelling import active_lab
    from learning.methods.requests import LanguageState, SelectionRequest
    from learning.methods.seeding import badge, kmeans_plus_plus
    from learning.methods.selection import select
    from learning.methods.selective import answer_alone
    from learning.methods.sequences import mnlp, token_bald, within_budget
    from learning.methods.sieve import Chunk, Sieve
    from learning.methods.stopping import StopPolicy, decide
    from learning.methods.streaming import top_k

_HOMES = {
    "acquisition": (
        "entropy",
        "least_confidence",
        "margin",
    ),
    "batches": (
        "Selected",
        "SelectionBatch",
    ),
    "calibration": ("fit_temperatures",),
    "coldstart": (
        "alps",
        "prob_cover",
        "typiclust",
    ),
    "conformal": (
        "mondrian",
        "weighted",
    ),
    "contrast": (
        "anchors",
        "contrastive",
    ),
    "disagreement": (
        "bald",
        "batch_bald",
    ),
    "diversity": ("k_center",),
    "gain": ("selection_gain",),
    "ppi": ("powered_mean",),
    "probabilities": ("softmax",),
    "quotas": (
        "QuotaPolicy",
        "Standing",
        "allot",
    ),
    "relabelling": ("active_lab",),
    "requests": (
        "LanguageState",
        "SelectionRequest",
    ),
    "seeding": (
        "badge",
        "kmeans_plus_plus",
    ),
    "selection": ("select",),
    "selective": ("answer_alone",),
    "sequences": (
        "mnlp",
        "token_bald",
        "within_budget",
    ),
    "sieve": ("Chunk", "Sieve"),
    "stopping": (
        "StopPolicy",
        "decide",
    ),
    "streaming": ("top_k",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Chunk",
    "LanguageState",
    "QuotaPolicy",
    "Selected",
    "SelectionBatch",
    "SelectionRequest",
    "Sieve",
    "Standing",
    "StopPolicy",
    "active_lab",
    "allot",
    "alps",
    "anchors",
    "answer_alone",
    "badge",
    "bald",
    "batch_bald",
    "contrastive",
    "decide",
    "entropy",
    "fit_temperatures",
    "k_center",
    "kmeans_plus_plus",
    "least_confidence",
    "margin",
    "mnlp",
    "mondrian",
    "powered_mean",
    "prob_cover",
    "select",
    "selection_gain",
    "softmax",
    "token_bald",
    "top_k",
    "typiclust",
    "weighted",
    "within_budget",
]


def __getattr__(name: str) -> Any:
    """Bring a public name from its module."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
