"""Evaluation: what a version is worth on gold, language by language, and on nothing but gold.

Nothing here may read a consensus: what people's answers or a model were aggregated into can
train, but it flatters whoever helped to make it.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from django.db import transaction

from annotation.actions.judging import judging
from annotation.models import Campaign, GoldItem, Language
from learning.models import ModelVersion, Temperature
from training.actions.by_label import told_by_label
from training.actions.calibrations import check_calibrations, fit_calibrations
from training.actions.shapes import Shape, shape_of
from training.methods.findings import Answers
from training.models import Evaluation

if TYPE_CHECKING:
    from training.methods.loop import Measure


@dataclass(frozen=True)
class Gold:
    """The gold items of one language, in a fixed order; ``truth`` as the campaign's shape codes it.

    ``keys`` are the campaign's labels in their order.
    """

    language: Language
    samples: tuple[int, ...]
    texts: tuple[str, ...]
    truth: tuple[Any, ...]
    groups: tuple[str, ...]
    digest: str
    keys: tuple[str, ...]
    shape: Shape


def gold_of(campaign: Campaign, *, split: str) -> list[Gold]:
    """Return the present gold of every active language, also where there is none."""
    homes = campaign.languages.filter(active=True).select_related("language")
    keys = tuple(campaign.labels.order_by("position").values_list("key", flat=True))
    shape = shape_of(campaign)
    return [
        _gold(campaign, language=home.language, split=split, keys=keys, shape=shape)
        for home in homes
    ]


def _gold(
    campaign: Campaign, *, language: Language, split: str, keys: tuple[str, ...], shape: Shape
) -> Gold:
    items = GoldItem.objects.present(campaign.pk, language=language.pk).filter(split=split)
    rows = list(
        items.order_by("sample__uid").values_list(
            "sample_id",
            "sample__uid",
            "sample__text",
            "sample__group",
            "label__position",
            "label__key",
            "label__value",
        )
    )
    truth = shape.truth([row[4:] for row in rows], keys=keys)
    digest = hashlib.sha256(f"{split}\n".encode())
    for (_, uid, text, group, *_rest), code in zip(rows, truth, strict=True):
        digest.update(f"{uid.hex}\0{text}\0{code}\0{group}\n".encode())
    return Gold(
        language,
        samples=tuple(row[0] for row in rows),
        texts=tuple(row[2] for row in rows),
        truth=tuple(truth),
        groups=tuple(row[3] for row in rows),
        digest=digest.hexdigest(),
        keys=keys,
        shape=shape,
    )


def answers_of(evaluation: Evaluation, *, gold: Gold) -> Answers:
    """Return what was kept of a version's answers to gold, as they are compared."""
    rows = [evaluation.answers[str(sample)] for sample in gold.samples]
    return gold.shape.answers(rows, truth=gold.truth, labels=len(gold.keys))


@judging()
def evaluate(version: ModelVersion, *, campaign: Campaign, split: str = "gate") -> list[Evaluation]:
    """Measure a version on the gold as it is now; what was measured on the same gold is kept.

    The same gold means both: what it is measured on, and what its temperatures were fitted on.
    """
    fitted_on = fit_version_temperatures(version, campaign=campaign)
    temperatures = dict(version.temperatures.values_list("language", "value"))
    golds = gold_of(campaign, split=split)
    evaluations = [
        _evaluated(
            version,
            gold=gold,
            split=split,
            temperature=temperatures.get(gold.language.pk, 1.0),
            fitted_on=fitted_on,
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
    outputs = {gold.language.tag: _outputs(version, gold) for gold in golds}
    fitted = golds[0].shape.temperatures(outputs) if golds else {}
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
        fit_calibrations(version, golds=golds, outputs=outputs, temperatures=values)


def _outputs(version: ModelVersion, gold: Gold) -> tuple[Any, Any]:
    if not gold.samples:
        return [], []
    from learning.inference import logits_of

    tags = [gold.language.tag] * len(gold.texts)
    ask = partial(logits_of, version)
    return gold.shape.read(ask, texts=gold.texts, languages=tags), gold.truth


def _evaluated(
    version: ModelVersion,
    *,
    gold: Gold,
    split: str,
    temperature: float,
    fitted_on: str,
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
        return _with_labels(known, gold=gold)
    values: dict[str, Any] = {"items": 0, "answers": {}}
    if gold.samples:
        outputs, _ = _outputs(version, gold)
        values = gold.shape.measured(outputs, gold=gold, temperature=temperature, keys=gold.keys)
    made, _fresh = Evaluation.objects.get_or_create(**name, defaults=values)
    return _with_labels(made, gold=gold)


def _with_labels(evaluation: Evaluation, *, gold: Gold) -> Evaluation:
    """Tell each label of what was measured; before it was kept, only means were."""
    if gold.samples and not evaluation.by_label:
        answers = answers_of(evaluation, gold=gold)
        evaluation.by_label = told_by_label(answers, keys=gold.keys, digest=gold.digest)
        evaluation.save(update_fields=["by_label"])
    return evaluation


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

    @judging()
    def measure(network: Any) -> dict[str, float]:
        team = distributed.team()
        said: dict[int, Any] = {}
        for gold in golds:
            rows = team.share(np.arange(len(gold.texts)))
            tags = [gold.language.tag] * len(rows)
            texts = [gold.texts[row] for row in rows]
            ask = partial(network_logits, network)
            best = gold.shape.said(gold.shape.read(ask, texts=texts, languages=tags))
            said |= {gold.samples[row]: code for row, code in zip(rows, best, strict=True)}
            beat()
        said = team.gathered(said)
        return {
            gold.language.tag: gold.shape.dev_metric(
                [said[sample] for sample in gold.samples], gold=gold, keys=gold.keys
            )
            for gold in golds
        }

    return measure
