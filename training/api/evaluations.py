"""Evaluations and gates, to read."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema

from annotation.api.door import A_PAGE, After, Limit, Page, campaign_in, page
from annotation.models import Scope
from learning.api import find_version
from training.models import Evaluation, GateRun

router = Router(tags=["evaluations"])


class EstimateOut(Schema):
    """A number with its 95 % interval; null where it was not measured."""

    value: float | None
    low: float | None
    high: float | None


class EvaluationOut(Schema):
    """One version in one language on one state of its gold."""

    language: str
    split: str
    gold_digest: str
    items: int
    accuracy: EstimateOut
    macro_f1: EstimateOut
    kappa: EstimateOut
    nll: float | None
    brier: float | None
    created_at: datetime


class GateOut(Schema):
    """What a gate said of a candidate, and why."""

    run: int
    look: int
    looks: int
    candidate: int
    champion: int
    verdict: str
    margin: float
    reasons: list[Any]
    created_at: datetime


def _evaluation(one: Evaluation) -> EvaluationOut:
    def estimate(name: str) -> EstimateOut:
        value, low, high = (getattr(one, f"{name}{end}") for end in ("", "_low", "_high"))
        return EstimateOut(value=value, low=low, high=high)

    return EvaluationOut(
        language=one.language.tag,
        split=one.split,
        gold_digest=one.gold_digest,
        items=one.items,
        accuracy=estimate("accuracy"),
        macro_f1=estimate("macro_f1"),
        kappa=estimate("kappa"),
        nll=one.nll,
        brier=one.brier,
        created_at=one.created_at,
    )


def _gate(one: GateRun) -> GateOut:
    return GateOut(
        run=one.run_id,
        look=one.look,
        looks=one.looks,
        candidate=one.candidate.number,
        champion=one.champion.number,
        verdict=one.verdict,
        margin=one.margin,
        reasons=one.reasons,
        created_at=one.created_at,
    )


@router.get(
    "/campaigns/{slug}/versions/{number}/evaluations",
    response=Page[EvaluationOut],
    summary="What gold says of a version",
)
def list_evaluations(
    request: HttpRequest,
    slug: str,
    number: int,
    after: After = "",
    limit: Limit = A_PAGE,
) -> dict[str, Any]:
    version = find_version(campaign_in(request, slug, scope=Scope.READ), number)
    rows = version.evaluations.select_related("language").defer("answers")
    return page(rows, after=after, limit=limit, as_row=_evaluation)


@router.get("/campaigns/{slug}/gates", response=Page[GateOut], summary="What its gates said")
def list_gates(
    request: HttpRequest, slug: str, after: After = "", limit: Limit = A_PAGE
) -> dict[str, Any]:
    campaign = campaign_in(request, slug, scope=Scope.READ)
    rows = GateRun.objects.filter(run__campaign=campaign).select_related("candidate", "champion")
    return page(rows.defer("record"), after=after, limit=limit, as_row=_gate)
