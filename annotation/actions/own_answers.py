"""Own answers: everything that somebody gave, row by row, for them to keep.

What was asked goes along, what others said and what is held to be right does not. Of what was
taken back nothing but that it was given is left, here as everywhere.
"""

import csv
import json
from collections.abc import Iterator
from itertools import chain
from typing import Any

from django.db.models import Prefetch, Q

from annotation.actions.reports.sealed import unseal
from annotation.methods.cells import inert
from annotation.models import (
    Annotation,
    AnnotationRevision,
    Annotator,
    CalibrationSession,
    Concern,
    Consent,
    GroupAnswer,
    GroupRemark,
    Label,
    Membership,
    QuarantinedAnswer,
    Report,
    ReportMessage,
    ReportVote,
    SessionAnswer,
    User,
)
from annotation.objectives.spans import MARKS

CHUNK = 500
Row = dict[str, Any]
COLUMNS = (
    *("kind", "campaign", "language", "at", "number", "text", "state", "label", "flag", "note"),
    *("seconds", "guideline_version", "where", "detail"),
)


def own_rows(user: User) -> Iterator[Row]:
    """Yield everything that somebody gave, a dictionary a row, without holding all of it."""
    yield _row("person", detail={"username": user.username, "name": user.name})
    yield from chain(_languages(user), _memberships(user), _consents(user))
    yield from chain(_answers(user), _quarantined(user))
    yield from chain(_sessions(user), _tested(user), _groups(user), _replies(user))
    yield from chain(_reports(user), _messages(user), _votes(user))


def as_json(user: User) -> Iterator[str]:
    """Yield a JSON array, a row a line; what says nothing is left out."""
    for number, row in enumerate(own_rows(user)):
        told = {name: value for name, value in row.items() if value not in ("", None, {})}
        line = json.dumps(told, ensure_ascii=False, default=str)
        yield ("[\n" if number == 0 else ",\n") + line
    yield "\n]\n"


def as_csv(user: User) -> Iterator[str]:
    """Yield CSV that a spreadsheet opens and runs nothing of."""
    writer = csv.writer(_Echo())
    yield "\ufeff" + writer.writerow(COLUMNS)
    for row in own_rows(user):
        yield writer.writerow([_cell(row[name]) for name in COLUMNS])


class _Echo:
    """A file that gives each line back to whoever wrote it."""

    def write(self, line: str) -> str:
        return line


def _cell(value: object) -> object:
    if isinstance(value, dict):
        value = json.dumps(value, ensure_ascii=False, default=str) if value else ""
    return inert(value) if isinstance(value, str) else "" if value is None else value


def _row(kind: str, **told: object) -> Row:
    return {name: told.get(name, "") for name in COLUMNS} | {"kind": kind}


def _told(label: Label | None) -> str:
    """An answer in a cell: a label's key; sets with | between, as they come in; marks as JSON."""
    if label is None:
        return ""
    if isinstance(label.value, list) and all(isinstance(one, str) for one in label.value):
        return "|".join(label.value) or "none"
    marks = label.value is not None and label.key.startswith(MARKS)
    return json.dumps(label.value, ensure_ascii=False) if marks else label.key


def _languages(user: User) -> Iterator[Row]:
    for who in Annotator.objects.filter(user=user).select_related("language"):
        yield _row(
            "language",
            language=who.language.tag,
            at=who.joined_at.isoformat(),
            detail={"dialect": who.dialect, "script": who.script, "active": who.active},
        )


def _memberships(user: User) -> Iterator[Row]:
    held = Membership.objects.filter(user=user).select_related("campaign", "language")
    for one in held.order_by("pk"):
        yield _row(
            "membership",
            campaign=one.campaign.slug,
            language=one.language.tag if one.language else "",
            at=one.added_at.isoformat(),
            state="active" if one.active else "ended",
            label=one.role,
        )


def _consents(user: User) -> Iterator[Row]:
    for one in Consent.objects.filter(user=user).select_related("text").order_by("pk"):
        yield _row(
            "consent",
            at=one.given_at.isoformat(),
            state="ended" if one.ended_at else "standing",
            where=one.how,
            detail={
                "purposes": one.granted,
                "ended_at": one.ended_at.isoformat() if one.ended_at else None,
                "text": str(one.text) if one.text else None,
                "sha256": one.text.digest if one.text else None,
            },
        )


def _answers(user: User) -> Iterator[Row]:
    """Each answer as it stands, and beneath it everything that it said before."""
    past = AnnotationRevision.objects.select_related("label").order_by("number")
    given = (
        Annotation.objects.filter(annotator__user=user)
        .select_related("item__campaign_language__campaign", "item__sample__language", "label")
        .prefetch_related(Prefetch("revisions", queryset=past))
        .order_by("pk")
    )
    for one in given.iterator(chunk_size=CHUNK):
        sample = one.item.sample
        place = {
            "campaign": one.item.campaign_language.campaign.slug,
            "language": sample.language.tag,
            "text": "" if sample.withdrawn_at else sample.shown,
        }
        yield _row(
            "answer",
            **place,
            **_said(one),
            at=(one.given_at or one.created_at).isoformat(),
            number=one.revision,
            guideline_version=one.guideline_version,
            where=one.source,
            detail=one.answer,
        )
        for before in one.revisions.all():
            yield _row(
                "revision",
                campaign=place["campaign"],
                language=place["language"],
                **_said(before),
                at=before.received_at.isoformat(),
                number=before.number,
                detail=before.answer,
            )


def _said(one: Annotation | AnnotationRevision) -> Row:
    return {
        "state": one.state,
        "label": _told(one.label),
        "flag": one.flag,
        "note": one.note,
        "seconds": one.lead_seconds,
    }


def _quarantined(user: User) -> Iterator[Row]:
    """What came in and does not count, whole."""
    rows = QuarantinedAnswer.objects.filter(annotator__user=user).order_by("pk")
    for one in rows.select_related(
        "campaign_language__campaign", "campaign_language__language"
    ).iterator(chunk_size=CHUNK):
        yield _row(
            "set aside",
            campaign=one.campaign_language.campaign.slug,
            language=one.campaign_language.language.tag,
            at=one.created_at.isoformat(),
            state=one.reason,
            detail=one.payload,
        )


def _sessions(user: User) -> Iterator[Row]:
    held = CalibrationSession.objects.filter(annotator__user=user).order_by("pk")
    for one in held.select_related("campaign_language__campaign", "campaign_language__language"):
        yield _row(
            "session",
            campaign=one.campaign_language.campaign.slug,
            language=one.campaign_language.language.tag,
            at=one.began_at.isoformat(),
            state=one.result or "open",
            label=one.kind,
            detail={"right": one.right, "wrong": one.wrong},
        )


def _tested(user: User) -> Iterator[Row]:
    told = SessionAnswer.objects.filter(session__annotator__user=user, answered_at__isnull=False)
    home = "session__campaign_language"
    rows = told.select_related(f"{home}__campaign", f"{home}__language", "label", "gold__sample")
    for one in rows.order_by("pk").iterator(chunk_size=CHUNK):
        yield _row(
            "session answer",
            campaign=one.session.campaign_language.campaign.slug,
            language=one.session.campaign_language.language.tag,
            at=one.answered_at.isoformat() if one.answered_at else "",
            number=one.position,
            text=one.gold.sample.shown,
            label=_told(one.label),
            note=one.objection,
        )


def _groups(user: User) -> Iterator[Row]:
    home = "text__session__campaign_language"
    said = GroupAnswer.objects.filter(annotator__user=user).order_by("pk")
    for one in said.select_related(
        f"{home}__campaign", f"{home}__language", "label", "text__sample"
    ):
        place = one.text.session.campaign_language
        yield _row(
            "group answer",
            campaign=place.campaign.slug,
            language=place.language.tag,
            at=one.answered_at.isoformat(),
            text=one.text.sample.shown,
            label=_told(one.label),
            note=one.why,
        )
    remarks = GroupRemark.objects.filter(author=user).order_by("pk")
    home = "session__campaign_language"
    for remark in remarks.select_related(f"{home}__campaign", f"{home}__language"):
        yield _row(
            "group remark",
            campaign=remark.session.campaign_language.campaign.slug,
            language=remark.session.campaign_language.language.tag,
            at=remark.at.isoformat(),
            note=remark.says,
        )


def _replies(user: User) -> Iterator[Row]:
    """What somebody answered to private notes."""
    notes = Concern.objects.filter(annotator__user=user).exclude(reply="").order_by("pk")
    for one in notes.select_related("campaign_language__campaign", "campaign_language__language"):
        yield _row(
            "reply",
            campaign=one.campaign_language.campaign.slug,
            language=one.campaign_language.language.tag,
            at=one.replied_at.isoformat() if one.replied_at else "",
            note=one.reply,
        )


def _reports(user: User) -> Iterator[Row]:
    """What somebody reported while signed in."""
    told = Report.objects.filter(user=user).select_related("campaign", "contact")
    for one in told.order_by("pk").iterator(chunk_size=CHUNK):
        yield _row(
            "report",
            campaign=one.campaign.slug,
            language=one.tag,
            at=one.received_at.isoformat(),
            text=one.input_text,
            state=one.state,
            where=one.surface,
            detail={
                "output": one.output_text,
                "expected": one.expected_text,
                "description": one.description,
                "reasons": one.reasons,
                "severity": one.severity_told,
                "dialect": one.dialect,
                "contact": unseal(one.contact.sealed) if hasattr(one, "contact") else "",
            },
        )


def _messages(user: User) -> Iterator[Row]:
    """What somebody wrote about a report: answers about their own, questions about others'."""
    answers = Q(report__user=user, kind=ReportMessage.Kind.ANSWER)
    said = ReportMessage.objects.filter(answers | Q(written_by=user)).order_by("pk")
    for one in said.select_related("report__campaign").iterator(chunk_size=CHUNK):
        yield _row(
            "report message",
            campaign=one.report.campaign.slug,
            language=one.report.tag,
            at=one.at.isoformat(),
            state=one.kind,
            note=one.text,
        )


def _votes(user: User) -> Iterator[Row]:
    """What somebody said of a report, as a speaker or as who made it."""
    cast = ReportVote.objects.filter(Q(voter=user) | Q(report__user=user, voter=None))
    for one in cast.select_related("report__campaign").order_by("pk").iterator(chunk_size=CHUNK):
        yield _row(
            "report vote",
            campaign=one.report.campaign.slug,
            language=one.report.tag,
            at=one.at.isoformat(),
            state=one.about,
            label=one.verdict,
            note=one.note,
        )
