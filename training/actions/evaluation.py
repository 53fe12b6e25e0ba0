"""Evaluation: what a version is worth on gold, language by language, and on nothing but gold.

Nothing here may read a consensus: what people's answers or a model were aggregated into can
train, but it flatters whoever helped to make it.
"""

import hashlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from django.db import transaction

from annotation.actions.judging import judging
from annotation.models import Campaign, GoldItem, Language, Sample
from annotation.objectives import objective
from learning.methods import metrics
from learning.methods.calibration import fit_temperatures
from learning.methods.probabilities import softmax
from learning.models import ModelVersion, Temperature
from training.actions.calibrations import check_calibrations, fit_calibrations
from training.models import Evaluation

if TYPE_CHECKING:
    from training.methods.loop import Measure

DIGITS = 6


@dataclass(frozen=True)
class Gold:
    """The gold items of one language, in a fixed order."""

    language: Language
    samples: tuple[int, ...]
    texts: tuple[str, ...]
    truth: tuple[int, ...]
    groups: tuple[str, ...]
    digest: str


@dataclass(frozen=True)
class _Scale:
    """What can be answered: how many labels, and whether they stand in an order."""

    classes: int
    ordered: bool


def gold_of(campaign: Campaign, *, split: str) -> list[Gold]:
    """Return the present gold of every active language, also where there is none."""
    homes = campaign.languages.filter(active=True).select_related("language")
    return [_gold(campaign, language=home.language, split=split) for home in homes]


def _gold(campaign: Campaign, *, language: Language, split: str) -> Gold:
    ready = Sample.objects.filter(campaign=campaign, language=language).ready()
    items = GoldItem.objects.filter(sample__in=ready, split=split, retired_at=None)
    rows = list(
        items.order_by("sample__uid").values_list(
            "sample_id", "sample__uid", "sample__text", "label__position", "sample__group"
        )
    )
    digest = hashlib.sha256(f"{split}\n".encode())
    for _, uid, text, position, group in rows:
        digest.update(f"{uid.hex}\0{text}\0{position}\0{group}\n".encode())
    return Gold(
        language,
        samples=tuple(row[0] for row in rows),
        texts=tuple(row[2] for row in rows),
        truth=tuple(row[3] for row in rows),
        groups=tuple(row[4] for row in rows),
        digest=digest.hexdigest(),
    )


@judging()
def evaluate(version: ModelVersion, *, campaign: Campaign, split: str = "gate") -> list[Evaluation]:
    """Measure a version on the gold as it is now; what was measured on the same gold is kept.

    The same gold means both: what it is measured on, and what its temperatures were fitted on.
    """
    fitted_on = fit_version_temperatures(version, campaign=campaign)
    temperatures = dict(version.temperatures.values_list("language", "value"))
    golds = gold_of(campaign, split=split)
    scale = _Scale(campaign.labels.count(), ordered=objective(campaign.objective).ORDERED)
    evaluations = [
        _evaluated(
            version,
            gold=gold,
            split=split,
            temperature=temperatures.get(gold.language.pk, 1.0),
            fitted_on=fitted_on,
            scale=scale,
        )
        for gold in golds
    ]
    if split == GoldItem.Split.GATE:
        check_calibrations(version, golds=golds, evaluations=evaluations)
    return evaluations


@judging()
def fit_version_temperatures(version: ModelVersion, *, campaign: Campaign) -> str:
    """Fit what makes the version honest on the development gold, unless that is done already.

    Return the digest of that gold. A language leans on the others, so any text or answer that
    changed in any of them makes all be fitted anew.
    """
    golds = gold_of(campaign, split=GoldItem.Split.DEV)
    digest = digest_of(golds)
    fitted = set(version.temperatures.values_list("language", "fitted_on"))
    calibrated = set(version.calibrations.values_list("language", flat=True))
    languages = {gold.language.pk for gold in golds}
    if fitted != {(pk, digest) for pk in languages} or calibrated != languages:
        _fit_temperatures(version, golds=golds, digest=digest)
    return digest


def digest_of(golds: list[Gold]) -> str:
    """Return SHA-256 over the gold of several languages, whatever their order."""
    told = sorted(f"{gold.language.tag}\0{gold.digest}\n" for gold in golds)
    return hashlib.sha256("".join(told).encode()).hexdigest()


def _fit_temperatures(version: ModelVersion, *, golds: list[Gold], digest: str) -> None:
    logits = {gold.language.tag: _logits(version, gold) for gold in golds}
    fitted = fit_temperatures(logits)
    values: dict[int, float] = {}
    with transaction.atomic():
        for gold in golds:
            found = fitted[gold.language.tag]
            Temperature.objects.update_or_create(
                version=version,
                language=gold.language,
                defaults={
                    "value": found.value,
                    "gold": len(gold.samples),
                    "fitted_on": digest,
                },
            )
            values[gold.language.pk] = found.value
        version.temperatures.exclude(language__in=values).delete()
        fit_calibrations(version, golds=golds, logits=logits, temperatures=values)


def _logits(version: ModelVersion, gold: Gold) -> tuple[Any, Any]:
    if not gold.samples:
        return [], []
    from learning.inference import logits_of

    tags = [gold.language.tag] * len(gold.texts)
    return logits_of(version, texts=gold.texts, languages=tags), gold.truth


def _evaluated(
    version: ModelVersion,
    *,
    gold: Gold,
    split: str,
    temperature: float,
    fitted_on: str,
    scale: "_Scale",
) -> Evaluation:
    name = {
        "version": version,
        "language": gold.language,
        "split": split,
        "gold_digest": gold.digest,
        "fitted_on": fitted_on,
    }
    known = Evaluation.objects.filter(**name).first()
    if known:
        return known
    values: dict[str, Any] = {"items": 0, "answers": {}}
    if gold.samples:
        logits, _ = _logits(version, gold)
        told = softmax(logits, temperature=temperature)
        values = _measured(told, gold=gold, classes=scale.classes)
        if scale.ordered:
            values |= _graded(told.argmax(axis=1), gold=gold, classes=scale.classes)
    return Evaluation.objects.get_or_create(**name, defaults=values)[0]


def _measured(probabilities: metrics.Floats, *, gold: Gold, classes: int) -> dict[str, Any]:
    truth, best = np.array(gold.truth), probabilities.argmax(axis=1)
    # The draws depend on the gold alone, so that two versions are drawn alike.
    rng = np.random.default_rng(zlib.crc32(gold.digest.encode()))
    right = metrics.accuracy(best == truth)
    f1 = metrics.macro_f1(best, truth=truth, classes=classes, rng=rng)
    true = probabilities[np.arange(len(truth)), truth]
    told = zip(best.tolist(), true.tolist(), probabilities.max(axis=1).tolist(), strict=True)
    return {
        "items": len(truth),
        "accuracy": right.value,
        "accuracy_low": right.low,
        "accuracy_high": right.high,
        "macro_f1": f1.value,
        "macro_f1_low": f1.low,
        "macro_f1_high": f1.high,
        "nll": float(metrics.nll_of_each(probabilities, truth=truth).mean()),
        "brier": float(metrics.brier_of_each(probabilities, truth=truth).mean()),
        "answers": {
            str(sample): [label, round(p, DIGITS), round(top, DIGITS)]
            for sample, (label, p, top) in zip(gold.samples, told, strict=True)
        },
    }


def _graded(best: Any, *, gold: Gold, classes: int) -> dict[str, float]:
    """How far off the grades are, which accuracy does not tell."""
    rng = np.random.default_rng(zlib.crc32(gold.digest.encode()))
    kappa = metrics.weighted_kappa(best, truth=gold.truth, classes=classes, rng=rng)
    return {"kappa": kappa.value, "kappa_low": kappa.low, "kappa_high": kappa.high}


def dev_items(campaign: Campaign) -> dict[str, int]:
    """Return on how many items of development gold a network in training is measured, by tag."""
    golds = gold_of(campaign, split=GoldItem.Split.DEV)
    return {gold.language.tag: len(gold.samples) for gold in golds if gold.samples}


@judging()
def dev_measure(campaign: Campaign, *, beat: Callable[[], None]) -> "Measure":
    """Return what measures a network in training: macro-F1 per language on development gold.

    The processes of a run share the items, and each item counts once.
    """
    from learning.inference import network_logits
    from training.methods import distributed

    golds = [gold for gold in gold_of(campaign, split=GoldItem.Split.DEV) if gold.samples]
    classes = campaign.labels.count()

    @judging()
    def measure(network: Any) -> dict[str, float]:
        team = distributed.team()
        said: dict[int, int] = {}
        for gold in golds:
            rows = team.share(np.arange(len(gold.texts)))
            tags = [gold.language.tag] * len(rows)
            texts = [gold.texts[row] for row in rows]
            best = network_logits(network, texts=texts, languages=tags).argmax(axis=1)
            said |= {gold.samples[row]: int(label) for row, label in zip(rows, best, strict=True)}
            beat()
        said = team.gathered(said)
        return {
            gold.language.tag: metrics.macro_f1(
                np.array([said[sample] for sample in gold.samples]),
                truth=gold.truth,
                classes=classes,
                rng=np.random.default_rng(0),
                draws=1,
            ).value
            for gold in golds
        }

    return measure
