"""Priors: what the serving version thinks of the samples that people answered."""

from django.db.models import QuerySet

from annotation.models import Annotation, Language
from learning.actions.doubts import of_sets
from learning.methods.probabilities import softmax
from learning.methods.several import sigmoid
from learning.models import ModelVersion, Prediction, Temperature
from training.models import SnapshotRow


def priors_of(version: ModelVersion, *, language: Language) -> dict[int, list[float]]:
    """Return calibrated probabilities by sample id, where the version has a prediction.

    Of several labels each one's own, which do not sum to 1.

    Without a temperature fitted on gold the version's confidence is not to be trusted, and it
    has no say. Nor has it on what it was trained on: it would only repeat, with much confidence,
    what the same people said, their mistakes included.
    """
    temperature = Temperature.objects.filter(version=version, language=language, gold__gt=0).first()
    if temperature is None:
        return {}
    answered = Annotation.objects.answered().filter(
        item__sample__campaign=version.campaign_id, item__sample__language=language
    )
    rows = list(
        Prediction.objects.filter(version=version, sample__in=answered.values("item__sample"))
        .exclude(sample__in=_learned(version))
        .values_list("sample_id", "logits")
    )
    if not rows:
        return {}
    read = sigmoid if of_sets(version.campaign) else softmax
    told = read([logits for _, logits in rows], temperature=temperature.value)
    return {sample: p.tolist() for (sample, _), p in zip(rows, told, strict=True)}


def _learned(version: ModelVersion) -> QuerySet[SnapshotRow, int]:
    """Samples that the version was trained on; its snapshot holds what its ancestors learned."""
    rows = SnapshotRow.objects.filter(snapshot__runs__candidate=version)
    return rows.values_list("sample_id", flat=True)
