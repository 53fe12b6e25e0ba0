"""Reproducing: what the version that serves says now of a text that was reported."""

import logging
from datetime import datetime
from functools import partial

from django.db.models import Exists, OuterRef, QuerySet

from annotation.actions.known import known_answer
from annotation.actions.reports.triage import follow_votes
from annotation.errors import InvalidInputError, VernacularError
from annotation.models import Campaign, Report, ReportState, Reproduction
from annotation.objectives import whole
from learning.actions.answering import answer_with
from learning.actions.saying import said_of
from learning.actions.serving import serving_version
from learning.actions.trying import ANSWERABLE
from learning.models import ModelVersion

logger = logging.getLogger(__name__)
AT_ONCE = 200
# Whose decision rests on what the model says now.
STATES = (ReportState.AWAITING_TRIAGE, ReportState.NEEDS_INFO)


def is_anything_due() -> bool:
    """Tell whether a worker should be asked to come."""
    return any(_due(campaign, version).exists() for campaign, version in _served())


def reproduce_due(*, now: datetime) -> int:
    """Ask what serves of every report that it was not asked of yet; safe to run twice."""
    done = 0
    for campaign, version in _served():
        for report in _due(campaign, version)[:AT_ONCE]:
            try:
                reproduce(report, version=version, now=now)
                done += 1
            except VernacularError as error:
                logger.warning("%s could not be reproduced: %s", report, type(error).__name__)
    return done


def reproduce(report: Report, *, version: ModelVersion, now: datetime) -> Reproduction:
    """Keep what a version says of a report's text, once; then follow what speakers have said.

    The mistake is still there if the answer is the one that was reported. Where nobody told which
    one that was, it is if the answer is not the expected one; without either, people look.
    """
    text = whole(report.campaign.objective, told=report.input_text)
    tag = report.language.tag if report.language else report.tag
    told = answer_with(version, texts=[text], languages=[tag])[0]
    said = said_of(told, campaign=report.campaign, text=text)
    known = partial(_key, report, text=text)
    if report.output_text:
        wrong = told.label == known(report.output_text)
    else:
        wrong = not report.expected_text or told.label != known(report.expected_text)
    kept, _made = Reproduction.objects.get_or_create(
        report=report,
        version_digest=version.digest,
        defaults={
            "version_number": version.number,
            "label": told.label,
            "told": {
                "confidence": told.confidence,
                "probabilities": dict(told.probabilities),
                "name": said.name,
                "value": said.value,
            },
            "still_wrong": wrong,
            "at": now,
        },
    )
    report.refresh_from_db()
    follow_votes(report, now=now)
    return kept


def _key(report: Report, told: str, *, text: str) -> str:
    """Return the key of the answer that somebody named: by its key, or as a file would tell it."""
    try:
        return str(known_answer(report.campaign, told=told, text=text)["label"])
    except InvalidInputError:
        return told


def _served() -> list[tuple[Campaign, ModelVersion]]:
    waiting = Report.objects.filter(state__in=STATES).values("campaign")
    found = []
    for campaign in Campaign.objects.filter(pk__in=waiting, objective__in=ANSWERABLE):
        version = serving_version(campaign)
        if version is not None:
            found.append((campaign, version))
    return found


def _due(campaign: Campaign, version: ModelVersion) -> "QuerySet[Report]":
    known = Reproduction.objects.filter(report=OuterRef("pk"), version_digest=version.digest)
    waiting = Report.objects.filter(campaign=campaign, state__in=STATES, language__isnull=False)
    rows = waiting.exclude(input_text="").filter(~Exists(known))
    return rows.select_related("campaign", "language").order_by("pk")
