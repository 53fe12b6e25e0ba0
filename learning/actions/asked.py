"""What was asked before, as the selection wants to know it: where it lies, and what it was."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import structlog

from annotation.models import Campaign, CampaignLanguage, Consensus, Item
from learning.actions.doubts import as_classes
from learning.actions.embeddings import gather
from learning.errors import EmbeddingsError
from learning.methods.batches import Selected, SelectionBatch
from learning.methods.nearest import nearest
from learning.methods.probabilities import softmax
from learning.methods.rationale import with_distance
from learning.models import ModelVersion, Prediction

# The newest of a language: far more than one round asks, few enough to look through at once.
MOST = 5_000
CHUNK = 500

log = structlog.get_logger(__name__)


@dataclass(frozen=True, eq=False)
class Asked:
    """M samples that were put to the desk, gold aside, and were embedded by a version.

    ``labels`` are positions of what people agreed on, -1 where they have not.
    """

    samples: tuple[int, ...]
    languages: npt.NDArray[np.int64]
    embeddings: npt.NDArray[np.float16]
    labels: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float64]


def asked_before(
    campaign: Campaign,
    languages: Sequence[CampaignLanguage],
    *,
    version: ModelVersion,
    labels: Sequence[str],
) -> Asked:
    """Return the newest of what each language was asked, with what the version thinks of it."""
    samples, places = [], []
    for place, home in enumerate(languages):
        newest = _newest(home)
        samples += newest
        places += [place] * len(newest)
    embeddings, missing = gather(version, ids=samples)
    told = _logits(samples, version=version)
    there = [at for at, pk in enumerate(samples) if pk not in missing and pk in told]
    kept = [samples[at] for at in there]
    agreed = _labels(kept, labels=labels)
    logits = as_classes(campaign, logits=[told[pk] for pk in kept] or np.zeros((0, len(labels))))
    return Asked(
        samples=tuple(kept),
        languages=np.array([places[at] for at in there], dtype=np.int64),
        embeddings=embeddings[there],
        labels=np.array([agreed.get(pk, -1) for pk in kept], dtype=np.int64),
        probabilities=softmax(logits),
    )


def with_nearest(
    batch: SelectionBatch, languages: Sequence[CampaignLanguage], *, version: ModelVersion
) -> SelectionBatch:
    """Say of every pick how far it is from what its language was asked, if that is not said yet.

    Only the picks and what was asked are read, not the pool: a strategy that looks at no
    embeddings needs them for this alone.
    """
    if any(pick.nearest_distance is not None for pick in batch.items):
        return batch
    told: dict[str, Selected] = {}
    try:
        for home in languages:
            picks = [
                pick
                for pick in batch.items
                if pick.language == home.language.tag and pick.slot != "relabel"
            ]
            told |= {pick.item_id: pick for pick in _placed(picks, home, version=version)}
    except EmbeddingsError as error:
        # The file is made again by itself; the choice did not rest on it and need not wait.
        log.warning("round.without_distances", error=str(error))
        return batch
    return replace(batch, items=tuple(told.get(pick.item_id, pick) for pick in batch.items))


def _placed(
    picks: Sequence[Selected], home: CampaignLanguage, *, version: ModelVersion
) -> list[Selected]:
    before = _newest(home) if picks else []
    if not before:
        return []
    # What has no embedding comes as zeros, which are near to nothing.
    points, _ = gather(version, ids=[int(pick.item_id) for pick in picks])
    known, _ = gather(version, ids=before)
    near = nearest(points, known=known, ids=list(map(str, before)))
    placed = []
    for at, pick in enumerate(picks):
        name, distance = near.of(at)
        if distance is not None:
            told = pick.rationale
            if pick.slot != "audit":
                told = with_distance(told, distance=distance, usual=near.usual)
            placed.append(replace(pick, nearest_id=name, nearest_distance=distance, rationale=told))
    return placed


def _newest(home: CampaignLanguage) -> list[int]:
    """Return the samples that the language was asked last, each once, newest first."""
    items = Item.objects.filter(campaign_language=home).exclude(kind__in=Item.EXAMINING)
    return list(dict.fromkeys(items.order_by("-pk").values_list("sample_id", flat=True)[:MOST]))


def _logits(samples: Sequence[int], *, version: ModelVersion) -> dict[int, list[float]]:
    found: dict[int, list[float]] = {}
    for start in range(0, len(samples), CHUNK):
        part = samples[start : start + CHUNK]
        rows = Prediction.objects.filter(version=version, sample__in=part)
        found |= dict(rows.values_list("sample_id", "logits"))
    return found


def _labels(samples: Sequence[int], *, labels: Sequence[str]) -> dict[int, int]:
    """Return, by sample, the position of the label that people agreed on."""
    position = {key: at for at, key in enumerate(labels)}
    found: dict[int, int] = {}
    for start in range(0, len(samples), CHUNK):
        part = samples[start : start + CHUNK]
        rows = Consensus.objects.filter(sample__in=part).values_list("sample_id", "label__key")
        found |= {pk: position[key] for pk, key in rows if key in position}
    return found
