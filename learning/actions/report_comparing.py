"""Comparing reports: a worker finds which may say the same, by letters and by embeddings.

One index a campaign and language stays in the worker's memory; it holds numbers, no text
for good, and what was erased meanwhile is left out of every answer.
"""

import logging
from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime
from threading import Lock

import numpy as np
import numpy.typing as npt
from django.db.models import Q, QuerySet

from annotation.actions.reports.alike import (
    BY_LETTERS,
    MOST,
    Found,
    comparable,
    keep_likenesses,
    text_of,
)
from annotation.errors import VernacularError
from annotation.models import Campaign, Report, ReportImprint, ReportState
from annotation.models.reports import OPEN
from annotation.objectives import spans
from learning.actions.serving import serving_version
from learning.actions.trying import ANSWERABLE
from learning.methods.alike import Index
from learning.models import ModelVersion

logger = logging.getLogger(__name__)
AT_ONCE = 200
READ = 2_000
# Languages whose reports a worker keeps at hand.
KEPT = 8
FLOAT16 = "<f2"
Floats = npt.NDArray[np.float32]
Key = tuple[int, int | None, str, str]
_indexes: OrderedDict[Key, Index] = OrderedDict()
_lock = Lock()
BEFORE = (ReportState.RECEIVED, ReportState.SCREENED)


def is_anything_due() -> bool:
    """Tell whether a worker should be asked to come."""
    return any(_due(campaign).exists() for campaign in _waiting())


def compare_due(*, now: datetime) -> int:
    """Compare every open report that was not compared since the network changed; safe to run twice."""
    return sum(_compare(campaign, now=now) for campaign in _waiting())


def _waiting() -> list[Campaign]:
    there = Report.objects.filter(state__in=OPEN).exclude(state__in=BEFORE).values("campaign")
    return list(Campaign.objects.filter(pk__in=there))


def _due(campaign: Campaign) -> "QuerySet[Report]":
    rows = Report.objects.filter(campaign=campaign, state__in=OPEN).exclude(state__in=BEFORE)
    rows = rows.exclude(input_text="", description="")
    seen = ReportImprint.objects.filter(version_digest=_digest_of(campaign))
    return rows.exclude(pk__in=seen.values("report")).order_by("pk")


def _digest_of(campaign: Campaign) -> str:
    version = _network_for(campaign)
    return version.digest if version else ""


def _network_for(campaign: Campaign) -> ModelVersion | None:
    """Return the version whose embeddings are of whole texts, if one serves."""
    if campaign.objective == spans.NAME or campaign.objective not in ANSWERABLE:
        return None
    return serving_version(campaign)


def _compare(campaign: Campaign, *, now: datetime) -> int:
    rows = list(_due(campaign).select_related("language")[:AT_ONCE])
    if not rows:
        return 0
    digest = _digest_of(campaign)
    senses = _embedded(campaign, rows)
    if senses is not None:
        _take_in(rows, senses, digest=digest)
    for at, report in enumerate(rows):
        sense = senses[at] if senses is not None else None
        with _lock:
            index = _index_for(report, digest=digest)
            near = index.nearest(
                text_of(report), sense=sense, most=MOST + 1, by_letters=BY_LETTERS + 1
            )
        keep_likenesses(
            report,
            found=[Found(o.id, o.letters, o.sense) for o in near if o.id != report.pk][:MOST],
            numbers=b"" if sense is None else sense.astype(FLOAT16).tobytes(),
            version_digest=digest,
            now=now,
        )
    return len(rows)


def _take_in(rows: Sequence[Report], senses: Floats, *, digest: str) -> None:
    """Let reports that came together be found by each other, too."""
    for language, tag in {(one.language_id, one.tag) for one in rows}:
        mine = [at for at, one in enumerate(rows) if (one.language_id, one.tag) == (language, tag)]
        with _lock:
            index = _index_for(rows[mine[0]], digest=digest)
            index.add_senses([rows[at].pk for at in mine], senses=senses[mine])


def _embedded(campaign: Campaign, rows: Sequence[Report]) -> Floats | None:
    """Return what the serving network makes of the texts, of length one; nothing where none can."""
    version = _network_for(campaign)
    if version is None:
        return None
    from learning.inference import answers_of  # torch is for workers only

    texts = [text_of(one) for one in rows]
    tags = [one.language.tag if one.language else one.tag for one in rows]
    found: Floats | None = None
    try:
        for batch in answers_of(version, texts=texts, languages=tags):
            if found is None:
                found = np.zeros((len(texts), batch.embeddings.shape[1]), np.float32)
            found[batch.rows] = batch.embeddings
    except VernacularError as error:
        logger.warning("reports are compared by letters alone: %s", type(error).__name__)
        return None
    if found is None:
        return None
    norms = np.linalg.norm(found, axis=1, keepdims=True)
    alike: Floats = (found / np.maximum(norms, 1e-12)).astype(np.float32)
    return alike


def _index_for(report: Report, *, digest: str) -> Index:
    """Return the index of a report's language, with all that has come since it was last asked."""
    tag = "" if report.language_id else report.tag
    key = (report.campaign_id, report.language_id, tag, digest)
    index = _indexes.setdefault(key, Index())
    _indexes.move_to_end(key)
    while len(_indexes) > KEPT:
        _indexes.popitem(last=False)
    fresh = not index.last
    while rows := list(comparable(report).filter(pk__gt=index.last).order_by("pk")[:READ]):
        index.add([one.pk for one in rows], texts=[text_of(one) for one in rows])
    if fresh:
        _read_senses(report, index=index, digest=digest)
    return index


def _read_senses(report: Report, *, index: Index, digest: str) -> None:
    """Give an index that was just made the embeddings that are kept of its reports."""
    if not digest:
        return
    kept = ReportImprint.objects.filter(
        Q(report__in=comparable(report).values("pk")), version_digest=digest
    ).exclude(numbers=b"")
    rows = list(kept.order_by("report").values_list("report", "numbers"))
    if rows:
        senses = np.stack([np.frombuffer(bytes(one), FLOAT16) for _, one in rows])
        index.add_senses([pk for pk, _ in rows], senses=senses.astype(np.float32))
