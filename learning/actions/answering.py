"""Answering: what the serving version says of a text, stamped with that version.

The pointer is read anew for every call, and networks are kept by the digest of their bytes: a process
that still holds the network that served before notices at its next call, and no answer is put
together from two versions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from annotation.errors import InvalidInputError
from annotation.models import Campaign, Language
from annotation.objectives import spans
from learning.actions.doubts import Floats, of_sets, suggested
from learning.actions.marking import Mark, marked_with
from learning.actions.serving import serving_version
from learning.errors import NothingServesError
from learning.methods import several
from learning.methods.probabilities import softmax
from learning.models import ModelVersion, Temperature

MOST_TEXTS = 10_000


@dataclass(frozen=True)
class Answer:
    """What one version says of one text; ``honest`` if its confidence was fitted on gold.

    Of several labels ``label`` names the whole set, and ``probabilities`` do not sum to 1. Of
    marks ``marks`` are these, in code points, each with how sure the version is of it; there are
    too many answers to tell the probabilities of all.
    """

    version: int
    digest: str
    language: str
    label: str
    confidence: float
    honest: bool
    probabilities: Mapping[str, float]
    marks: Sequence[Mark] | None = None

    def record(self) -> dict[str, Any]:
        """Return plain names and numbers."""
        told = asdict(self)
        if self.marks is None:
            del told["marks"]
        return told


def answer(campaign: Campaign, *, texts: Sequence[str], languages: Sequence[str]) -> list[Answer]:
    """Have the version that serves now answer every text; all of one call come from one version."""
    version = serving_version(campaign)
    if version is None:
        raise NothingServesError(
            f"Nothing serves {campaign} yet.",
            remedy="Start the campaign; its first version follows.",
        )
    return answer_with(version, texts=texts, languages=languages)


def answer_with(
    version: ModelVersion, *, texts: Sequence[str], languages: Sequence[str]
) -> list[Answer]:
    """Have one version answer, whether it serves or not."""
    from learning.inference import logits_of  # torch is for workers only

    _check(texts, languages=languages)
    if not texts:
        return []
    labels = tuple(version.manifest["labels"])
    scales = _temperatures(version, languages)
    if version.campaign.objective == spans.NAME:
        return _with_marks(version, texts=texts, languages=languages, scales=scales)
    logits = logits_of(version, texts=texts, languages=languages).astype(np.float64)
    heat = np.array([scales.get(tag, 1.0) for tag in languages])
    best, sure, told = _read(version.campaign, logits, temperature=heat, labels=labels)
    return [
        Answer(
            version=version.number,
            digest=version.digest,
            language=tag,
            label=said,
            confidence=float(confidence),
            honest=tag in scales,
            probabilities=dict(zip(labels, map(float, row), strict=True)),
        )
        for tag, said, confidence, row in zip(languages, best, sure, told, strict=True)
    ]


def _with_marks(
    version: ModelVersion,
    *,
    texts: Sequence[str],
    languages: Sequence[str],
    scales: Mapping[str, float],
) -> list[Answer]:
    told = marked_with(version, texts=texts, languages=languages, temperatures=scales)
    return [
        Answer(
            version=version.number,
            digest=version.digest,
            language=tag,
            label=one.label,
            confidence=one.confidence,
            honest=tag in scales,
            probabilities={},
            marks=one.marks,
        )
        for tag, one in zip(languages, told, strict=True)
    ]


def _read(
    campaign: Campaign, logits: Floats, *, temperature: Floats, labels: tuple[str, ...]
) -> tuple[list[str], Floats, Floats]:
    """Return the best answers, how sure each is, and the probabilities of all labels.

    Of sets of labels: the whole set, all of it being right, and each label by itself.
    """
    best = suggested(campaign, logits=logits, keys=labels)
    if not of_sets(campaign):
        told = softmax(logits, temperature=temperature)
        return best, told.max(axis=1), told
    told = several.sigmoid(logits, temperature=temperature)
    return best, several.joint(told, sets=several.chosen(told)), told


def _check(texts: Sequence[str], *, languages: Sequence[str]) -> None:
    if len(texts) > MOST_TEXTS:
        raise InvalidInputError(f"{len(texts)} texts at once.", remedy=f"Ask {MOST_TEXTS} at most.")
    known = set(Language.objects.filter(tag__in=set(languages)).values_list("tag", flat=True))
    strange = sorted(set(languages) - known)
    if strange:
        raise InvalidInputError(
            f"Nobody has told us of the language {strange[0]!r}.",
            remedy="Use a tag of a language that is here, such as wo.",
        )


def _temperatures(version: ModelVersion, languages: Sequence[str]) -> dict[str, float]:
    fitted = Temperature.objects.filter(
        version=version, language__tag__in=set(languages), gold__gt=0
    )
    return dict(fitted.values_list("language__tag", "value"))
