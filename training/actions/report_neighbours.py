"""Neighbours of a report: texts of the pool like it, by their letters and as the network sees them."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from annotation.methods.grams import Grams
from annotation.methods.texts import parts_of
from annotation.models import Report, Sample
from annotation.objectives import whole
from learning.actions.embeddings import gather
from learning.actions.served_writing import source_of, writes
from learning.actions.serving import serving_version
from learning.methods.lots import lots
from learning.models import ModelVersion
from training.actions.gold_marks import GoldMarks

# So much of a large pool is compared, drawn by lot.
MOST_COMPARED = 20_000
# Ranks are added, so that neither measure has to be of the other's size (Cormack et al. 2009).
FLAT = 60


def neighbours(report: Report, *, most: int) -> list[Sample]:
    """Return unasked texts of the report's language that are most like it, the likest first.

    None that is near gold, a regression case or the reported text itself: what is asked of people
    here is what is learned from, or what a fix is proven on. Whoever did not consent to texts like
    theirs being looked for gets texts of their language by lot: their own then finds nothing.
    """
    if report.language is None or not report.input_text:
        return []
    rows = _pool(report)
    text = asked_text(report)
    if not report.consent_train:
        return _fit(report, _by_lot(report, [pk for pk, _ in rows]), text=text, most=most)
    if writes(report.campaign):
        # What was written there is not what is like it: the source is.
        rows = [(pk, parts_of(one)[-1]) for pk, one in rows]
    ranks = [_rank(Grams([one for _, one in rows], rare=True).cosines(text))] if rows else []
    ids = [pk for pk, _ in rows]
    if seen := _seen_alike(report, text=text, ids=ids):
        ranks.append(_rank(seen[0]))
    if not ranks:
        return []
    fused = sum(1 / (FLAT + rank) for rank in ranks)
    order = np.lexsort((np.arange(len(ids)), -np.asarray(fused)))
    return _fit(report, [ids[at] for at in order], text=text, most=most)


def asked_text(report: Report) -> str:
    """Return what a version was asked: a text as samples hold it, or what is to be written from."""
    if writes(report.campaign):
        return source_of(report)
    return whole(report.campaign.objective, told=report.input_text)


def _pool(report: Report) -> list[tuple[int, str]]:
    free = Sample.objects.unasked().filter(campaign=report.campaign_id, language=report.language_id)
    ids = list(free.order_by("pk").values_list("pk", flat=True))
    if len(ids) > MOST_COMPARED:
        ids = sorted(_by_lot(report, ids)[:MOST_COMPARED])
        rows: list[tuple[int, str]] = []
        for start in range(0, len(ids), 500):
            some = Sample.objects.filter(pk__in=ids[start : start + 500]).order_by("pk")
            rows += some.values_list("pk", "text")
        return rows
    return list(free.order_by("pk").values_list("pk", "text"))


def _by_lot(report: Report, ids: Sequence[int]) -> list[int]:
    drawn = lots((str(pk) for pk in ids), seed=report.campaign.seed, purpose=f"report {report.pk}")
    return [ids[at] for at in np.argsort(drawn, kind="stable")]


def _seen_alike(report: Report, *, text: str, ids: Sequence[int]) -> list[npt.NDArray[np.float64]]:
    """Return cosines of the embeddings, where the serving version has left any; else nothing."""
    version = serving_version(report.campaign)
    if version is None or report.language is None:
        return []
    rows, missing = gather(version, ids=ids)
    if not rows.size or len(missing) == len(ids):
        return []
    own = _embedding(version, text=text, tag=report.language.tag)
    wide = rows.astype(np.float64)
    norms = np.linalg.norm(wide, axis=1) * np.linalg.norm(own)
    return [wide @ own / np.maximum(norms, 1e-12)]


def _embedding(version: ModelVersion, *, text: str, tag: str) -> npt.NDArray[np.float64]:
    from learning.inference import answers_of  # torch is for workers only

    batch = next(iter(answers_of(version, texts=[text], languages=[tag])))
    return np.asarray(batch.embeddings[0], dtype=np.float64)


def _rank(cosines: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Return the place of each, 1 for the likest; equals in their order."""
    order = np.lexsort((np.arange(len(cosines)), -cosines))
    ranks = np.empty(len(cosines), np.int64)
    ranks[order] = np.arange(1, len(cosines) + 1)
    return ranks


def _fit(report: Report, ids: Sequence[int], *, text: str, most: int) -> list[Sample]:
    """Return the first of them that resemble neither what examines nor the reported text."""
    marks, own = GoldMarks.of(report.campaign), Grams([text])
    found: list[Sample] = []
    for start in range(0, len(ids), 200):
        few = Sample.objects.in_bulk(ids[start : start + 200])
        for pk in ids[start : start + 200]:
            sample = few.get(pk)
            if sample is None or marks.near(sample):
                continue
            if any(own.like(one, threshold=0.8) for one in (sample.text, *parts_of(sample.text))):
                continue
            found.append(sample)
            if len(found) >= most:
                return found
    return found
