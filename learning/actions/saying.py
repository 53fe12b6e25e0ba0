"""Saying: what a version answered in words that people read, whatever the kind of question."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from annotation.methods.texts import excerpt
from annotation.models import Campaign
from annotation.objectives import objective, several
from learning.actions.answering import Answer

LONGEST_NAME = 200
# Of a mark, where many are told in one line.
LONGEST_MARK = 40
# More parts than a page lists; the name tells of the first ones, the answer's key of all.
MOST_PARTS = 100
# From here on a label of a set is held to be there.
HOLDS = 0.5


@dataclass(frozen=True)
class Said:
    """An answer as people read it.

    ``value`` is what a composed answer is made of, None for a single label. ``parts`` are its marks
    or its labels, each with its ``name``, how sure the version is of it alone, and of a mark its words.
    """

    name: str
    value: Any = None
    parts: list[dict[str, Any]] = field(default_factory=list)


def said_of(answer: Answer, *, campaign: Campaign, text: str) -> Said:
    """Put an answer into words of the language that was asked in."""
    names = {one.key: one.name_in(answer.language) for one in campaign.labels.all()}
    if answer.marks is not None:
        return _marks(answer, names=names, text=text)
    if campaign.objective == several.NAME:
        return _labels(answer, names=names)
    return Said(names.get(answer.label, answer.label))


def _marks(answer: Answer, *, names: Mapping[str, str], text: str) -> Said:
    marks = sorted(answer.marks or ())
    parts: list[dict[str, Any]] = [
        {
            "label": key,
            "name": names.get(key, key),
            "start": start,
            "end": end,
            "text": text[start:end],
            "confidence": sure,
        }
        for start, end, key, sure in marks
    ]
    told = (f"{one['name']}: {excerpt(one['text'], length=LONGEST_MARK)}" for one in parts)
    name = excerpt(" · ".join(told), length=LONGEST_NAME) or "–"
    return Said(name, [[start, end, key] for start, end, key, _ in marks], parts[:MOST_PARTS])


def _labels(answer: Answer, *, names: Mapping[str, str]) -> Said:
    held = {key: p for key, p in answer.probabilities.items() if p > HOLDS}
    value = several.composed(held)["value"]
    parts: list[dict[str, Any]] = [
        {"label": key, "name": names.get(key, key), "confidence": round(p, 4)}
        for key, p in held.items()
    ]
    name = objective(several.NAME).name_of(value, names=names)
    return Said(excerpt(name, length=LONGEST_NAME), value, parts)
