"""Grading: what a campaign's own network thinks that people would rate an output, before they do."""

from collections.abc import Callable, Sequence

import numpy as np

from annotation.errors import ConflictError
from annotation.methods.texts import glued
from annotation.models import Campaign
from learning.actions.answering import answer_with
from learning.actions.serving import serving_version
from learning.errors import NothingServesError
from learning.methods.quality import GRADES, mean_grades

# Outputs, sources and languages in, the mean grade of each output.
Grader = Callable[[Sequence[str], Sequence[str], Sequence[str]], list[float]]


def grader_of(campaign: Campaign) -> Grader:
    """Return what grades outputs by the version that serves a campaign of ratings now."""
    if campaign.objective != "ratings":
        raise ConflictError(
            f"{campaign.slug!r} asks for no ratings, so nothing learns them.",
            remedy="Name a campaign of ratings.",
        )
    version = serving_version(campaign)
    if version is None:
        raise NothingServesError(
            f"Nothing serves {campaign} yet.", remedy="Start it; its first version follows."
        )
    keys = [str(grade) for grade in range(1, GRADES + 1)]

    def grades(outputs: Sequence[str], sources: Sequence[str], tags: Sequence[str]) -> list[float]:
        pairs = zip(outputs, sources, strict=True)
        texts = [glued([said, *([source] if source else [])]) for said, source in pairs]
        told = answer_with(version, texts=texts, languages=tags)
        chances = np.array([[one.probabilities[key] for key in keys] for one in told])
        return [float(one) for one in mean_grades(chances.reshape(-1, GRADES))]

    return grades
