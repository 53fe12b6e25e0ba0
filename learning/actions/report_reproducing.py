"""Reproducing: what the version that serves says now of a text that was reported."""

import logging
from datetime import datetime
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from annotation.actions.known import known_answer
from annotation.actions.reports.sealed import TEXTS
from annotation.actions.reports.triage import WATCHED, follow_votes
from annotation.errors import ConflictError, InvalidInputError, VernacularError
from annotation.methods.texts import normalise
from annotation.models import Campaign, Report, ReportState, ReportVote, Reproduction
from annotation.objectives import whole
from learning.actions.answering import answer_with
from learning.actions.generators import serving_generator
from learning.actions.saying import said_of
from learning.actions.served_writing import output_of, source_of, writes, written_by
from learning.actions.serving import serving_version
from learning.models import GeneratorVersion, ModelVersion

logger = logging.getLogger(__name__)
AT_ONCE = 200
Served = ModelVersion | GeneratorVersion
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
                if isinstance(version, GeneratorVersion):
                    rewrite(report, version=version, now=now)
                else:
                    reproduce(report, version=version, now=now)
                done += 1
            except VernacularError as error:
                logger.warning("%s could not be reproduced: %s", report, type(error).__name__)
    return done


def rewrite(report: Report, *, version: GeneratorVersion, now: datetime) -> Reproduction:
    """Keep what a generator writes now where something wrong was reported; then follow the votes.

    Other words may be as wrong, so nothing but the expected ones takes the mistake away: speakers
    read what stands there now, and say.
    """
    tag = report.language.tag if report.language else report.tag
    told = written_by(version, source=source_of(report), language=tag).text
    wanted = normalise(report.expected_text)
    kept = keep(
        report,
        version_number=version.number,
        version_digest=version.digest,
        label=told[:200],
        told={"name": told, "same": normalise(told) == normalise(output_of(report))},
        still_wrong=not wanted or normalise(told) != wanted,
        now=now,
    )
    report.refresh_from_db()
    follow_votes(report, now=now)
    return kept


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
    kept = keep(
        report,
        version_number=version.number,
        version_digest=version.digest,
        label=told.label,
        told={
            "confidence": told.confidence,
            "probabilities": dict(told.probabilities),
            "name": said.name,
            "value": said.value,
        },
        still_wrong=wrong,
        now=now,
    )
    report.refresh_from_db()
    follow_votes(report, now=now)
    return kept


@transaction.atomic
def keep(  # noqa: PLR0913 - which version said what, of which report, and when
    report: Report,
    *,
    version_number: int,
    version_digest: str,
    label: str,
    told: dict[str, Any],
    still_wrong: bool,
    now: datetime,
) -> Reproduction:
    """Keep what a version said of a report as it was read, once.

    Words that were masked or taken back meanwhile would come back with it: then it is asked anew.
    """
    held = Report.objects.select_for_update(no_key=True).get(pk=report.pk)
    if any(getattr(held, name) != getattr(report, name) for name in TEXTS):
        raise ConflictError("The report was changed meanwhile.", remedy="A worker asks it again.")
    return Reproduction.objects.get_or_create(
        report=held,
        version_digest=version_digest,
        defaults={
            "version_number": version_number,
            "label": label,
            "told": told,
            "still_wrong": still_wrong,
            "at": now,
        },
    )[0]


def _key(report: Report, told: str, *, text: str) -> str:
    """Return the key of the answer that somebody named: by its key, or as a file would tell it."""
    try:
        return str(known_answer(report.campaign, told=told, text=text)["label"])
    except InvalidInputError:
        return told


def asked_of() -> Q:
    """What is put to the version that serves: what waits for people, and fixes that are doubted."""
    doubts = ReportVote.objects.filter(report=OuterRef("pk"), about="better", verdict="no")
    return Q(state__in=STATES) | Q(Exists(doubts), state__in=WATCHED)


def _served() -> list[tuple[Campaign, Served]]:
    waiting = Report.objects.filter(asked_of()).values("campaign")
    found: list[tuple[Campaign, Served]] = []
    for campaign in Campaign.objects.filter(pk__in=waiting):
        version: Served | None = (
            serving_generator(campaign) if writes(campaign) else serving_version(campaign)
        )
        if version is not None:
            found.append((campaign, version))
    return found


def _due(campaign: Campaign, version: Served) -> "QuerySet[Report]":
    known = Reproduction.objects.filter(report=OuterRef("pk"), version_digest=version.digest)
    waiting = Report.objects.filter(asked_of(), campaign=campaign, language__isnull=False)
    rows = waiting.exclude(input_text="").filter(~Exists(known))
    return rows.select_related("campaign", "language").order_by("pk")
