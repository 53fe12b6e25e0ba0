"""Marking: what a version reads in texts, mark by mark, and how sure it is of them all."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from annotation.methods.spans import units
from annotation.objectives.spans import answer_of
from learning.methods.tagging import Read, decoded, log_probabilities
from learning.models import ModelVersion

# Start, end and class of a mark, and how sure the version is of exactly this one.
Mark = tuple[int, int, str, float]


class Marked(NamedTuple):
    """What a version marks in one text: the key of that answer, its marks, and how sure of all."""

    label: str
    marks: list[Mark]
    confidence: float


def marked_with(
    version: ModelVersion,
    *,
    texts: Sequence[str],
    languages: Sequence[str],
    temperatures: Mapping[str, float],
) -> list[Marked]:
    """Have a version mark texts; its tags are as probable as the temperatures of languages say."""
    from learning.inference import logits_of  # torch is for workers only

    labels = list(version.manifest["labels"])
    found = []
    told = logits_of(version, texts=texts, languages=languages)
    for text, logits, tag in zip(texts, told, languages, strict=True):
        logs = log_probabilities([logits], temperature=temperatures.get(tag, 1.0))
        (read,) = decoded(logs, units=[units(text)], labels=labels)
        found.append(_marked(read))
    return found


def _marked(read: Read) -> Marked:
    marks = zip(read.spans, read.confidence, strict=True)
    return Marked(
        answer_of(read.spans)["label"],
        [(one.start, one.end, one.label, round(sure, 4)) for one, sure in marks],
        read.whole,
    )
