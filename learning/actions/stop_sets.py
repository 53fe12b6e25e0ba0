"""Stop sets: what each version says of the same samples, which nobody was ever asked."""

import json
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from annotation.models import CampaignLanguage, Sample
from annotation.models.samples import SampleQuerySet
from annotation.objectives import spans
from learning.actions.doubts import of_sets
from learning.actions.marking import marked_with
from learning.methods.several import chosen, sigmoid
from learning.models import ModelVersion, Prediction, StopReading

# Kappa of .99 on fewer would be a matter of one or two samples.
SIZE = 300
# Marks that differ have the same number once in so many times.
NUMBERS = 65_521


def read_stop_sets(version: ModelVersion) -> list[StopReading]:
    """Have the version answer the stop set of every active language, once; for workers only."""
    known = set(version.stop_readings.values_list("language_id", flat=True))
    homes = version.campaign.languages.filter(active=True).select_related("language")
    return [_read(version, home) for home in homes if home.language_id not in known]


def stop_set(home: CampaignLanguage) -> SampleQuerySet:
    """Return the language's stop set: of all that is unasked, the first by a number drawn once.

    Samples get that number, their random uid, when they come in: so the set stays the same but
    for those that were asked meanwhile, and those that were imported.
    """
    pool = Sample.objects.unasked().filter(campaign=home.campaign_id, language=home.language_id)
    return pool.order_by("uid")[:SIZE]


def _read(version: ModelVersion, home: CampaignLanguage) -> StopReading:
    rows = list(stop_set(home).values_list("pk", "text"))
    scored = Prediction.objects.filter(version=version, sample__in=[pk for pk, _ in rows])
    answers = {
        str(pk): _code(version, logits=logits, best=best, answer=answer)
        for pk, logits, best, answer in scored.values_list(
            "sample_id", "logits", "label_position", "answer"
        )
    }
    new = [(pk, text) for pk, text in rows if str(pk) not in answers]
    if new:
        answers |= _asked(version, new, tag=home.language.tag)
    reading, _ = StopReading.objects.get_or_create(
        version=version, language=home.language, defaults={"answers": answers}
    )
    return reading


def _asked(version: ModelVersion, rows: list[tuple[int, str]], *, tag: str) -> dict[str, int]:
    """Return the best labels by sample id; a text without a finite answer is left out."""
    from learning.inference import logits_of  # torch is for workers only

    texts, tags = [text for _, text in rows], [tag] * len(rows)
    if version.campaign.objective == spans.NAME:
        told = marked_with(version, texts=texts, languages=tags, temperatures={})
        marks = [[list(mark) for mark in one.marks] for one in told]
        return {str(pk): _number(mine) for (pk, _), mine in zip(rows, marks, strict=True)}
    logits = logits_of(version, texts=texts, languages=tags)
    return {
        str(pk): _code(version, logits=row, best=int(row.argmax()))
        for (pk, _), row in zip(rows, logits, strict=True)
        if np.isfinite(row).all()
    }


def _code(version: ModelVersion, *, logits: npt.ArrayLike, best: int, answer: Any = None) -> int:
    """Return one number an answer: the best label's position, or that of the whole set or marks."""
    if version.campaign.objective == spans.NAME:
        return _number((answer or {}).get("spans", ()))
    if not of_sets(version.campaign):
        return best
    return int(chosen(sigmoid(np.asarray(logits)[None]))[0])


def _number(marks: Sequence[Sequence[Any]]) -> int:
    """Return a number of marks, the same for the same ones: small, as answers are counted by it."""
    told = json.dumps([list(mark[:3]) for mark in marks])
    return zlib.crc32(told.encode()) % NUMBERS
