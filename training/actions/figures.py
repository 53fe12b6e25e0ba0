"""Figures: calibration error, slices, gain and tokenizer of what serves, taken where nobody waits.

Pages read rows. A version's rows are taken anew when it was measured on other gold since.
"""

import logging
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db import transaction
from django.db.models import Max

from annotation.actions.judging import judging
from annotation.models import Campaign, GoldItem, Language, Sample
from learning.actions.pieces import Pieces, pieces_of
from learning.methods import metrics
from learning.models import Deployment, ModelVersion
from training.actions.dispatches import Work
from training.actions.evaluation import Gold, gold_of
from training.methods.paired import discordance, tango_interval
from training.models import Evaluation, LanguageFigures

Answers = Mapping[str, Sequence[Any]]
Values = dict[str, Any]

# A dialect with fewer gold items is told by no number.
LEAST_SLICE = 20
MOST_SLICES = 12
TASK = "training.tasks.take_figures"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Known:
    """What a version said of one language's gold, item by item, as far as it is gold still."""

    samples: Sequence[int]
    right: npt.NDArray[np.bool_]
    sure: npt.NDArray[np.float64]


def due_figures() -> list[Work]:
    """Return the serving versions whose figures are missing or older than their evaluations."""
    newest = Deployment.objects.order_by().values("campaign").annotate(last=Max("number"))
    last = {row["campaign"]: row["last"] for row in newest}
    rows = Deployment.objects.filter(number__in=set(last.values()))
    pairs = rows.values_list("campaign", "number", "version")
    serving = [version for campaign, number, version in pairs if last[campaign] == number]
    measured = _newest(Evaluation.objects.filter(version__in=serving, split="gate"), "pk")
    figures = LanguageFigures.objects.filter(version__in=serving)
    taken, there = _newest(figures, "evaluation"), set(figures.values_list("version", flat=True))
    return [
        Work(TASK, {"version_id": pk})
        for pk in sorted(serving)
        if pk not in there or measured.get(pk) != taken.get(pk)
    ]


def _newest(rows: Any, field: str) -> dict[int, int | None]:
    return dict(rows.order_by().values_list("version").annotate(Max(field)))


def take_figures(version: ModelVersion, *, now: datetime) -> list[LanguageFigures]:
    """Take and keep the figures of every language in which the version can be asked."""
    homes = version.campaign.languages.filter(active=True).select_related("language")
    languages = [home.language for home in homes]
    values = _measured(version, languages=languages)
    pieces = _pieces(version, languages=languages)
    with transaction.atomic():
        LanguageFigures.objects.filter(version=version).exclude(language__in=languages).delete()
        return [
            LanguageFigures.objects.update_or_create(
                version=version,
                language=language,
                defaults=values[language.pk] | _told(pieces, language) | {"taken_at": now},
            )[0]
            for language in languages
        ]


def _pieces(version: ModelVersion, *, languages: Sequence[Language]) -> Pieces:
    try:
        return pieces_of(version, languages=languages)
    except Exception:
        # What fails here costs a figure on a page, and must not be tried again without end.
        log.exception("the tokenizer of version %s could not be looked at", version.pk)
        return Pieces({}, {})


def _told(pieces: Pieces, language: Language) -> Values:
    cut, premium = pieces.cuts.get(language.tag), pieces.premiums.get(language.tag)
    return {
        "tokens_per_word": cut.tokens_per_word if cut else None,
        "whole_words": cut.whole_words if cut else None,
        "words": cut.words if cut else 0,
        "premium": premium.value if premium else None,
        "premium_low": premium.low if premium else None,
        "premium_high": premium.high if premium else None,
        "parallel": premium.texts if premium else 0,
    }


@judging()
def _measured(version: ModelVersion, *, languages: Sequence[Language]) -> dict[int, Values]:
    """Return calibration, gain and slices by language, from stored answers on the gate's gold."""
    golds = {gold.language.pk: gold for gold in gold_of(version.campaign, split=GATE)}
    first = first_served(version.campaign)
    newest = _evaluations(version)
    before = _evaluations(first) if first and first.pk != version.pk else {}
    found = {}
    for language in languages:
        row, gold = newest.get(language.pk), golds.get(language.pk)
        values: Values = {"evaluation": row, "since": None, "slices": [], **_ends("ece", None)}
        values |= {"gain": None, "gain_low": None, "gain_high": None, "gain_items": 0}
        if row and gold and row.items:
            now = _known(row.answers, gold)
            values |= _ends("ece", _error(now, gold)) | {"slices": _slices(now)}
            if old := before.get(language.pk):
                values |= _gain(now, _known(old.answers, gold)) | {"since": first}
        found[language.pk] = values
    return found


GATE = GoldItem.Split.GATE


def first_served(campaign: Campaign) -> ModelVersion | None:
    """Return the version that served first of all."""
    row = campaign.deployments.select_related("version").order_by("number").first()
    return row.version if row else None


def _evaluations(version: ModelVersion) -> dict[int, Evaluation]:
    rows = Evaluation.objects.filter(version=version, split=GATE).order_by("created_at", "pk")
    return {row.language_id: row for row in rows}


def _known(answers: Answers, gold: Gold) -> _Known:
    """Hold what was said against what is right today; an item that is gold no more is left out."""
    kept = [n for n, sample in enumerate(gold.samples) if str(sample) in answers]
    rows = [answers[str(gold.samples[n])] for n in kept]
    right = [row[0] == gold.truth[n] for row, n in zip(rows, kept, strict=True)]
    sure = [float(row[2]) for row in rows]
    return _Known([gold.samples[n] for n in kept], np.array(right, bool), np.array(sure, float))


def _error(known: _Known, gold: Gold) -> metrics.Estimate | None:
    """Return the calibration error of what was said: it needs no label but the one that was said."""
    said = np.stack([known.sure, np.zeros_like(known.sure)], axis=1)
    # The draws depend on the gold alone, so that a figure taken twice is the same.
    rng = np.random.default_rng(zlib.crc32(gold.digest.encode()))
    return metrics.adaptive_ece(said, truth=~known.right, rng=rng)


def _ends(name: str, found: metrics.Estimate | None) -> Values:
    return {
        name: found.value if found else None,
        f"{name}_low": found.low if found else None,
        f"{name}_high": found.high if found else None,
        f"{name}_items": found.items if found else 0,
    }


def _gain(now: _Known, before: _Known) -> Values:
    """Return the paired difference on the items that both versions were asked."""
    told = dict(zip(before.samples, before.right.tolist(), strict=True))
    both = [n for n, sample in enumerate(now.samples) if sample in told]
    if not both:
        return {}
    old = np.array([told[now.samples[n]] for n in both], bool)
    fixed, broken = discordance(old, now.right[both])
    low, high = tango_interval(fixed, broken=broken, items=len(both), level=0.95)
    return {
        "gain": (fixed - broken) / len(both),
        "gain_low": low,
        "gain_high": high,
        "gain_items": len(both),
    }


def _slices(known: _Known) -> list[Values]:
    """Return accuracy on the gold of each dialect that texts name; other slices are kept apart."""
    dialects = Sample.objects.filter(pk__in=known.samples).exclude(dialect="")
    named = dict(dialects.values_list("pk", "dialect"))
    parts: dict[str, list[int]] = {}
    for n, sample in enumerate(known.samples):
        if sample in named:
            parts.setdefault(named[sample], []).append(n)
    large = sorted((p for p in parts.items() if len(p[1]) >= LEAST_SLICE), key=lambda p: -len(p[1]))
    return [
        {"kind": "dialect", "name": name, "items": len(at), **_accuracy(known.right[at])}
        for name, at in large[:MOST_SLICES]
    ]


def _accuracy(right: npt.NDArray[np.bool_]) -> Values:
    found = metrics.accuracy(right)
    return {"value": found.value, "low": found.low, "high": found.high}
