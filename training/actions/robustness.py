"""Robustness: a version on gold that mixes languages, is in a dialect, or is typed without marks.

What gold itself tells of its texts makes slices that are held against the rest; what is done to the
texts (:mod:`learning.methods.noise`) is held against the same texts as they are. On the gate's gold
and on nothing else; measured once on each state of it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from annotation.actions.judging import judging
from annotation.methods.charts import Estimate
from annotation.models import Campaign, GoldItem, Sample
from learning.methods.metrics import accuracy
from learning.methods.noise import PERTURBATIONS
from learning.models import ModelVersion
from training.actions import evaluation
from training.actions.evaluation import Gold, answers_of, gold_of
from training.methods.findings import BoolArray
from training.methods.slices import SEVERAL, apart, changed_by, is_switched, right_of
from training.models import Slice

Kind = Slice.Kind
# Fewer texts than these say nothing of a slice.
LEAST = 5


@dataclass(frozen=True)
class _Found:
    kind: str
    right: BoolArray
    beside: BoolArray | None = None
    difference: Estimate | None = None


def measure_robustness(version: ModelVersion, *, campaign: Campaign) -> list[Slice]:
    """Measure a version on the slices of today's gold; what was measured on it before is kept."""
    evaluations = {row.language_id: row for row in evaluation.evaluate(version, campaign=campaign)}
    found: list[Slice] = []
    for gold in gold_of(campaign, split=GoldItem.Split.GATE):
        if not gold.samples:
            continue
        mine = {"version": version, "language": gold.language, "gold_digest": gold.digest}
        known = list(Slice.objects.filter(**mine))
        if not known:
            right = answers_of(evaluations[gold.language.pk], gold=gold).right
            known = _measured(version, gold=gold, right=right)
        found += known
    return found


def slices_of(version: ModelVersion, *, campaign: Campaign) -> list[Slice]:
    """Return what was measured on the gold as it is now, language by language."""
    digests = {gold.digest for gold in gold_of(campaign, split=GoldItem.Split.GATE)}
    rows = Slice.objects.filter(version=version, gold_digest__in=digests)
    return list(rows.select_related("language"))


@judging()
def _measured(version: ModelVersion, *, gold: Gold, right: BoolArray) -> list[Slice]:
    told = [*_natural(gold, right=right), *_noisy(version, gold=gold, right=right)]
    rows = [_row(version, gold, one) for one in told if len(one.right) >= LEAST]
    # Whoever measured the same meanwhile found the same.
    Slice.objects.bulk_create(rows, ignore_conflicts=True)
    mine = Slice.objects.filter(version=version, language=gold.language, gold_digest=gold.digest)
    return list(mine)


def _natural(gold: Gold, *, right: BoolArray) -> Iterator[_Found]:
    """Slices of which gold itself tells, against the texts that are in none of them."""
    samples = Sample.objects.in_bulk(gold.samples)
    told = gold.language.tag == SEVERAL
    mixed = np.array([told or is_switched(samples[pk].meta) for pk in gold.samples], bool)
    dialect = np.array([bool(samples[pk].dialect) for pk in gold.samples], bool)
    clean = ~mixed & ~dialect
    yield _Found(Kind.CLEAN, right[clean])
    rest = right[clean]
    for kind, where in ((Kind.SWITCHED, mixed), (Kind.DIALECT, dialect)):
        some = right[where]
        enough = len(some) >= LEAST and len(rest) >= LEAST
        yield _Found(
            kind, some, rest if enough else None, apart(some, others=rest) if enough else None
        )


def _noisy(version: ModelVersion, *, gold: Gold, right: BoolArray) -> Iterator[_Found]:
    """The texts that a way of typing changes, against the same ones as they are.

    Marks move with their words; a text whose marks nobody can follow is left out.
    """
    from learning.inference import logits_of

    ask = partial(logits_of, version)
    for kind, typed in PERTURBATIONS.items():
        changed = _retyped(gold, typed=typed)
        if len(changed) < LEAST:
            continue
        rows, texts = list(changed), [text for text, _ in changed.values()]
        tags = [gold.language.tag] * len(rows)
        outputs = gold.shape.read(ask, texts=texts, languages=tags)
        truth = [code for _, code in changed.values()]
        after, before = right_of(gold.shape.said(outputs), truth=truth), right[rows]
        yield _Found(kind, after, before, changed_by(after, before=before))


def _retyped(gold: Gold, *, typed: Callable[[str], str]) -> dict[int, tuple[str, Any]]:
    """Return the texts that are another when so typed, and what is right of them, by their place."""
    found = {}
    for at, (text, code) in enumerate(zip(gold.texts, gold.truth, strict=True)):
        if (new := typed(text)) != text:
            true = gold.shape.retyped(code, text=text, typed=typed)
            if true is not None:
                found[at] = (new, true)
    return found


def _row(version: ModelVersion, gold: Gold, found: _Found) -> Slice:
    measured = accuracy(found.right)
    told: dict[str, Any] = {}
    if found.beside is not None and found.difference is not None:
        told = {
            "beside": float(found.beside.mean()),
            "difference": found.difference.value,
            "difference_low": found.difference.low,
            "difference_high": found.difference.high,
        }
    return Slice(
        version=version,
        language=gold.language,
        kind=found.kind,
        gold_digest=gold.digest,
        items=measured.items,
        accuracy=measured.value,
        accuracy_low=measured.low,
        accuracy_high=measured.high,
        **told,
    )
