"""Versions, and what the serving one says; a worker answers, and the web waits a moment for it."""

import time
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Router, Schema, Status
from pydantic import Field

from annotation.api.door import A_PAGE, After, Limit, Page, campaign_in, page
from annotation.errors import NotFoundError
from annotation.methods.texts import READABLE
from annotation.models import Campaign, Language, Scope
from annotation.tasks import soon
from learning.actions import trying
from learning.actions.serving import serving_version
from learning.models import ModelVersion, Trial
from learning.tasks import answer_trial

router = Router(tags=["versions"])
PATIENCE_S, LOOK_EVERY_S = 2.0, 0.05


class VersionOut(Schema):
    """Weights that can be served."""

    number: int
    digest: str
    network: str
    base: int | None
    serving: bool
    kept: bool
    created_at: datetime


class PredictionIn(Schema):
    """A text; of pairs: two with a tab between."""

    text: Annotated[str, Field(max_length=trying.MOST_CHARACTERS, pattern=READABLE)]
    language: Annotated[str, Field(max_length=35)]


class PredictionOut(Schema):
    """What the serving version says; while a worker is at it, `state` is `waiting`."""

    id: UUID
    state: str
    language: str
    answer: dict[str, Any]
    error: str


def find_version(campaign: Campaign, number: int) -> ModelVersion:
    """A version of the campaign by its number."""
    rows = campaign.model_versions.select_related("base")
    found = rows.filter(number=number).first() if 0 < number < 2**31 else None
    if found is None:
        raise NotFoundError(f"There is no version {number} of {campaign.slug}.")
    return found


def _version(one: ModelVersion, *, serving: ModelVersion | None) -> VersionOut:
    return VersionOut(
        number=one.number,
        digest=one.digest,
        network=one.network,
        base=one.base.number if one.base else None,
        serving=one == serving,
        kept=one.pruned_at is None,
        created_at=one.created_at,
    )


@router.get("/campaigns/{slug}/versions", response=Page[VersionOut], summary="Its versions")
def list_versions(
    request: HttpRequest, slug: str, after: After = "", limit: Limit = A_PAGE
) -> dict[str, Any]:
    campaign = campaign_in(request, slug, scope=Scope.READ)
    serving = serving_version(campaign)
    rows = campaign.model_versions.select_related("base")
    return page(rows, after=after, limit=limit, as_row=lambda one: _version(one, serving=serving))


@router.get("/campaigns/{slug}/versions/{number}", response=VersionOut, summary="One version")
def get_version(request: HttpRequest, slug: str, number: int) -> VersionOut:
    campaign = campaign_in(request, slug, scope=Scope.READ)
    return _version(find_version(campaign, number), serving=serving_version(campaign))


@router.post(
    "/campaigns/{slug}/predictions",
    response={200: PredictionOut, 202: PredictionOut},
    summary="Ask what serves",
    description="200 with the answer, or 202 and its address in Location. Kept for an hour.",
)
def create_prediction(
    request: HttpRequest, response: HttpResponse, slug: str, asked: PredictionIn
) -> Status[PredictionOut]:
    campaign = campaign_in(request, slug, scope=Scope.PREDICT)
    language = Language.objects.filter(campaigns__campaign=campaign, tag=asked.language).first()
    if language is None:
        raise NotFoundError(
            f"There is no language {asked.language!r} in {slug}.", remedy="See its languages."
        )
    made = trying.ask(campaign, language=language, text=asked.text, client="", now=timezone.now())
    soon(answer_trial, trial_id=made.pk)
    _wait(made)
    made.refresh_from_db()
    response["Location"] = f"{request.path}/{made.uid}"
    return Status(200 if made.answered_at else 202, _prediction(made))


@router.get("/campaigns/{slug}/predictions/{uid}", response=PredictionOut, summary="What it said")
def get_prediction(request: HttpRequest, slug: str, uid: UUID) -> PredictionOut:
    campaign = campaign_in(request, slug, scope=Scope.PREDICT)
    found = campaign.trials.select_related("language").filter(uid=uid).first()
    if found is None:
        raise NotFoundError("It was never asked, or has been forgotten by now.")
    return _prediction(found)


def _prediction(made: Trial) -> PredictionOut:
    return PredictionOut(
        id=made.uid,
        state=made.state,
        language=made.language.tag,
        answer=made.answer,
        error=made.error,
    )


def _wait(made: Trial) -> None:
    """Look a moment whether it is answered already."""
    until = time.monotonic() + PATIENCE_S
    waiting = Trial.objects.filter(pk=made.pk, state=Trial.State.WAITING)
    while time.monotonic() < until and waiting.exists():
        time.sleep(LOOK_EVERY_S)
