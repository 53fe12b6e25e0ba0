"""Hindsight: what a round tells about stopping and about selection, once its candidate is there."""

import logging
from collections.abc import Iterable
from typing import Any

from annotation.models import Campaign, GoldItem
from learning.actions.gains import measure_gains
from learning.actions.stop_sets import read_stop_sets
from learning.actions.stopping import Outcomes, decide_stops, versions_compared
from learning.models import Round, StopDecision
from training.actions.shapes import shape_of
from training.models import Evaluation, TrainingRun

log = logging.getLogger(__name__)


def look_back(run: TrainingRun) -> None:
    """Read the stop sets and measure the gain of selection; for workers, as it takes networks.

    What fails here costs a figure, never the round.
    """
    if run.candidate is None or run.round is None:
        return
    try:
        for version in (run.base, run.candidate):
            read_stop_sets(version)
        measure_gains(run.round)
    except Exception:
        log.exception("run %s could not be looked back on", run.pk)


def record_stops(round_: Round) -> list[StopDecision]:
    """Say of every language whether it may stop, as the round's candidate has turned out.

    What fails here leaves every language going on.
    """
    run = TrainingRun.objects.filter(round=round_).select_related("candidate").first()
    if run is None or run.candidate is None:
        return []
    versions = versions_compared(round_.campaign) | {run.candidate.pk, round_.version_id}
    try:
        return decide_stops(
            round_, candidate=run.candidate, outcomes=_outcomes(round_.campaign, versions)
        )
    except (ArithmeticError, LookupError, ValueError):
        log.exception("round %s says nothing about stopping", round_.pk)
        return []


def _outcomes(campaign: Campaign, versions: Iterable[int]) -> dict[int, Outcomes]:
    """Return the newest outcomes of each version on gate gold that still stands, by language."""
    rows = Evaluation.objects.filter(version__in=versions, split=GoldItem.Split.GATE)
    newest = {(row.language_id, row.version_id): row for row in rows.order_by("created_at", "pk")}
    told = {int(pk) for row in newest.values() for pk in row.answers}
    truth = _truth(campaign, told)
    found: dict[int, Outcomes] = {}
    for (language, version), row in newest.items():
        best = {int(pk): said[0] for pk, said in row.answers.items() if int(pk) in truth}
        here = found.setdefault(language, Outcomes({}, {}))
        found[language] = Outcomes(
            {**here.right, version: {pk: label == truth[pk] for pk, label in best.items()}},
            {**here.best, version: best},
        )
    return found


def _truth(campaign: Campaign, samples: set[int], *, at_once: int = 500) -> dict[int, Any]:
    """Return the code of what is right, by sample."""
    names, shape = sorted(samples), shape_of(campaign)
    keys = list(campaign.labels.order_by("position").values_list("key", flat=True))
    found: dict[int, Any] = {}
    for start in range(0, len(names), at_once):
        gold = GoldItem.objects.filter(sample__in=names[start : start + at_once], retired_at=None)
        rows = list(gold.values_list("sample_id", "label__position", "label__key", "label__value"))
        codes = shape.truth([row[1:] for row in rows], keys=keys)
        found |= {row[0]: code for row, code in zip(rows, codes, strict=True)}
    return found
