"""Estimates: what the answers of one language amount to, one module a shape of answer.

An estimate reads and reckons and writes nothing; ``annotation.actions.consensus`` locks, asks here
and writes what it is told. A kind of question that is not named below is one of classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from annotation.actions.pooling import Standings
from annotation.models import Campaign, CampaignLanguage, Label

DIGITS = 6
DISPUTED_BELOW = 0.7

# By sample, what the serving version thinks of it: calibrated, in the shape of its answers.
Priors = Mapping[int, Any]


@dataclass(frozen=True)
class Question:
    """What is estimated: a language's answers, with all that they may lean on."""

    home: CampaignLanguage
    labels: Sequence[Label]
    standings: Standings
    priors: Priors | None = None

    @property
    def subjective(self) -> bool:
        """Whether differing answers are the answer."""
        return self.home.campaign.subjective


@dataclass(frozen=True)
class Estimated:
    """The rows that ought to stand: of consensus by sample, of reliability by annotator.

    ``answers`` and ``samples`` are how much was read.
    """

    consensus: Mapping[int, dict[str, Any]]
    reliabilities: Mapping[int, dict[str, Any]]
    answers: int
    samples: int


class Shape(Protocol):
    """What a module here offers."""

    def estimate(self, question: Question) -> Estimated:
        """Return what all rows of a language ought to say; may note what people are like alone."""

    def on_gold(self, home: CampaignLanguage, *, samples: Sequence[int]) -> dict[int, list[float]]:
        """Return by sample what answers make of gold where it is not known; nothing if untold."""


def shape_of(campaign: Campaign) -> Shape:
    """The module that estimates the answers of a campaign."""
    from annotation.actions.estimates import classes, several, spans

    shapes: dict[str, Shape] = {"several": several, "spans": spans}
    return shapes.get(campaign.objective, classes)


def rounded(values: Any) -> list[float]:
    """Numbers with as many digits as are stored."""
    return [round(float(value), DIGITS) for value in values]
