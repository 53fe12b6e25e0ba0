"""What a registered generator writes: for visitors who try it, for reports, and for regression cases.

A worker keeps one generator at hand; the web never comes here.
"""

import logging
from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING

from annotation.errors import InvalidInputError
from annotation.methods.texts import parts_of
from annotation.models import Campaign, Report
from learning.actions.generators import JUDGING, folder_of
from learning.models import GeneratorVersion

if TYPE_CHECKING:
    from learning.networks.generator import Generator
    from learning.networks.writing import Written

logger = logging.getLogger(__name__)
# What visitors wait for is no novel.
LONGEST = 256
TEMPERATURE = 0.7
_held: "dict[str, Generator]" = {}
_lock = Lock()


def writes(campaign: Campaign) -> bool:
    """Tell whether what is tried and reported here is what a generator writes.

    Such a campaign asks people to judge what a model wrote; the model is what they judge.
    """
    return campaign.objective in JUDGING


def source_of(report: Report) -> str:
    """Return what a report wants written anew; of one told from an item that is its source alone."""
    return parts_of(report.input_text)[-1]


def output_of(report: Report) -> str:
    """Return what was reported to have been written, as far as anybody told."""
    parts = parts_of(report.input_text)
    return report.output_text or (parts[0] if len(parts) > 1 else "")


def write_with(
    version: GeneratorVersion,
    *,
    sources: Sequence[str],
    languages: Sequence[str],
    seed: int | None = None,
) -> "list[Written]":
    """Return what a generator writes for each source, as visitors read it; with a seed it is drawn."""
    if not sources:
        return []
    from learning.networks.writing import Wish, write  # torch is for workers only

    wish = Wish(longest=LONGEST)
    if seed is not None:
        wish = Wish(longest=LONGEST, draw=True, temperature=TEMPERATURE, seed=seed)
    with _lock:
        return write(_opened(version), sources, languages, wish=wish)


def written_by(version: GeneratorVersion, *, source: str, language: str) -> "Written":
    """Return what a generator writes for one source, or say why there is nothing."""
    told = write_with(version, sources=[source], languages=[language])[0]
    if told.problem:
        raise InvalidInputError(told.problem)
    return told


def _opened(version: GeneratorVersion) -> "Generator":
    from learning.actions.generating import open_for_writing

    if version.digest not in _held:
        folder = folder_of(version)
        _held.clear()
        _held[version.digest] = open_for_writing(str(folder))
    return _held[version.digest]
