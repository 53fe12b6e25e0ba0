"""Shapes of answers, as versions are measured by them: one module a shape.

An answer is kept with an evaluation as a row that begins with its code, how probable the truth
was, and how sure the version was of what it said. Equal answers have equal codes. A kind of
question that is not named below is one of classes.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from annotation.models import Campaign
from annotation.objectives import Answer, objective
from learning.methods import conformal
from learning.methods.calibration import FittedTemperature
from training.methods.findings import Answers

if TYPE_CHECKING:
    from training.actions.evaluation import Gold

Floats = npt.NDArray[np.float64]
DIGITS = 6

# What a version says of texts, as its network gives it: rows of logits, or what a shape makes of it.
Outputs = Any
# Reads texts with their language tags: outputs of a stored version, or of a network in training.
Ask = Callable[..., Outputs]


class Shape(Protocol):
    """What a module here offers; ``keys`` are the campaign's labels in order."""

    def truth(self, rows: Sequence[tuple[int, str, Any]], *, keys: Sequence[str]) -> list[Any]:
        """Return the codes of labels, each told by position, key and value."""

    def read(self, ask: Ask, *, texts: Sequence[str], languages: Sequence[str]) -> Outputs:
        """Return what is said of texts; ``ask`` is ``logits_of`` or ``network_logits``, bound."""

    def said(self, outputs: Outputs) -> list[Any]:
        """Return the codes of the best answers."""

    def retyped(self, code: Any, *, text: str, typed: Callable[[str], str]) -> Any:
        """Return what is right of a text as it is typed another way; None where nobody can tell."""

    def temperatures(
        self, outputs: Mapping[str, tuple[Outputs, Sequence[Any]]]
    ) -> Mapping[str, FittedTemperature]:
        """Fit a temperature a language on outputs and true codes."""

    def sureness(self, outputs: Outputs, *, truth: Sequence[Any], temperature: float) -> "Sureness":
        """Return how sure the version is, as thresholds are fitted on it."""

    def measured(
        self, outputs: Outputs, *, gold: "Gold", temperature: float, keys: Sequence[str]
    ) -> dict[str, Any]:
        """Return the columns of an evaluation, its answers among them."""

    def answer(self, code: Any, *, keys: Sequence[str]) -> Answer:
        """Return the answer behind a code, as annotations keep it."""

    def dev_metric(self, said: Sequence[Any], *, gold: "Gold", keys: Sequence[str]) -> float:
        """Return the F1 by which a network in training is watched."""

    def covered(self, rows: Sequence[Sequence[Any]], *, threshold: float) -> npt.NDArray[np.bool_]:
        """Return which kept answers' sets hold the truth."""

    def answers(
        self, rows: Sequence[Sequence[Any]], *, truth: Sequence[Any], labels: int
    ) -> Answers:
        """Return kept answers as the gate compares them, with the counts of which F1 is made."""


class Sureness:
    """How sure a version is on N development texts, right or not, and how strange the truth was.

    ``strange`` (N) are nonconformities of the truth, ``sets`` says how large the set of a text is
    at a threshold.
    """

    def __init__(
        self,
        *,
        sure: Floats,
        right: npt.NDArray[np.bool_],
        strange: Floats,
        sets: Callable[[float], Floats],
    ) -> None:
        self.sure, self.right, self.strange, self.sets = sure, right, strange, sets

    @classmethod
    def nothing(cls) -> "Sureness":
        """What is known without gold."""
        none: Floats = np.zeros(0)
        return cls(sure=none, right=none.astype(bool), strange=none, sets=lambda threshold: none)


def shape_of(campaign: Campaign) -> Shape:
    """The module by which versions of a campaign are measured."""
    from training.actions.shapes import classes, grades, several, spans

    shapes: dict[str, Shape] = {"several": several, "spans": spans}
    plain: Shape = grades if objective(campaign.objective).ORDERED else classes
    return shapes.get(campaign.objective, plain)


def counted(answers: Answers) -> Floats:
    """Return the N x C x 3 counts that answers were compared by."""
    if answers.counts is None:
        raise ValueError("F1 needs to know what was answered, and what is right")
    return answers.counts


def set_sizes(probabilities: Floats) -> Callable[[float], Floats]:
    """Return what tells how many labels are in each text's set at a threshold."""
    told = conformal.lac(probabilities)
    return lambda threshold: conformal.label_sets(told, threshold=threshold).sum(axis=1) * 1.0
