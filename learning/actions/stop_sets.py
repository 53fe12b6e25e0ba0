"""Stop sets: what each version says of the same samples, which nobody was ever asked."""

import numpy.typing as npt

from annotation.models import CampaignLanguage, Sample
from annotation.models.samples import SampleQuerySet
from learning.actions.doubts import of_sets
from learning.methods.several import chosen, sigmoid
from learning.models import ModelVersion, Prediction, StopReading

# Kappa of .99 on fewer would be a matter of one or two samples.
SIZE = 300


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
        str(pk): _code(version, logits=logits, best=best)
        for pk, logits, best in scored.values_list("sample_id", "logits", "label_position")
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
    import numpy as np

    from learning.inference import logits_of  # torch is for workers only

    logits = logits_of(version, texts=[text for _, text in rows], languages=[tag] * len(rows))
    return {
        str(pk): _code(version, logits=row, best=int(row.argmax()))
        for (pk, _), row in zip(rows, logits, strict=True)
        if np.isfinite(row).all()
    }


def _code(version: ModelVersion, *, logits: npt.ArrayLike, best: int) -> int:
    """Return one number an answer: the best label's position, or that of the whole set."""
    if not of_sets(version.campaign):
        return best
    return int(chosen(sigmoid([logits]))[0])
