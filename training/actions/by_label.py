"""Label by label: how well a version finds each, so that no mean hides the one that it misses.

Made of the answers that an evaluation keeps, for every kind of question: of classes and grades
a hit is the right label, of several a label that was rightly ticked, of spans a whole mark.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from annotation.methods.charts import Estimate
from annotation.methods.span_metrics import MEANT, Score, scores
from annotation.models import GoldItem, Language
from learning.models import ModelVersion
from training.actions.shapes import counted
from training.methods.findings import Answers
from training.models import Evaluation

Told = dict[str, Any]
PARTS = ("f1", "precision", "recall")


@dataclass(frozen=True)
class LabelRow:
    """How well one label is found in one language; ``gold`` is how often it should have been."""

    language: Language
    key: str
    name: str
    gold: int
    f1: Estimate
    precision: Estimate
    recall: Estimate


def told_by_label(answers: Answers, *, keys: Sequence[str], digest: str) -> dict[str, Told]:
    """Return precision, recall and F1 of each label with 95 % intervals, as an evaluation keeps them.

    A label that was neither right nor given anywhere has no numbers: there is nothing to measure.
    """
    counts = counted(answers).astype(np.int64)
    # The draws depend on the gold alone, so that two versions are drawn alike.
    rng = np.random.default_rng(zlib.crc32(digest.encode()))
    found = scores(counts, labels=keys, rng=rng)
    meant = counts[:, :, MEANT].sum(axis=0).tolist()
    return {
        key: {"gold": number, **_parts(found.by_class[key])}
        for key, number in zip(keys, meant, strict=True)
    }


def _parts(score: Score) -> Told:
    found = {name: getattr(score, name) for name in PARTS}
    return {name: [one.value, one.low, one.high] for name, one in found.items()}


def label_rows(version: ModelVersion) -> list[LabelRow]:
    """Return every label of every language as last measured on the gate's gold, worst F1 first."""
    newest: dict[int, Evaluation] = {}
    rows = Evaluation.objects.filter(version=version, split=GoldItem.Split.GATE)
    for row in rows.select_related("language").defer("answers").order_by("created_at", "pk"):
        newest[row.language_id] = row
    names = dict(version.campaign.labels.values_list("key", "name"))
    found = [
        _row(row.language, key, told, names=names)
        for row in newest.values()
        for key, told in row.by_label.items()
    ]
    return sorted(found, key=_place)


def _row(language: Language, key: str, told: Told, *, names: Mapping[str, str]) -> LabelRow:
    f1, precision, recall = (Estimate(*told[name]) for name in PARTS)
    return LabelRow(language, key, names.get(key, key), told["gold"], f1, precision, recall)


def _place(row: LabelRow) -> tuple[bool, float, str, str]:
    return row.f1.value is None, row.f1.value or 0.0, row.language.tag, row.key
