"""Reports that may say the same, for people to look at side by side.

A worker compares each report with all of its language, by letters and by what the network that
serves makes of it (``learning.actions.report_comparing``); the page reads what it has found.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Q, QuerySet

from annotation.methods.grams import Grams
from annotation.models import Report, ReportImprint, ReportLikeness, ReportState

State = ReportState
MOST = 5
LEAST = 0.2
# So many come first by their letters; the rest by what they mean, where a network serves.
BY_LETTERS = 3
# Whoever looks before a worker came sees the likest of so few, at once.
AT_ONCE = 200


@dataclass(frozen=True)
class Alike:
    """A report, how much of its letters' runs it shares, and how near the network sees it."""

    report: Report
    cosine: float
    sense: float | None = None


@dataclass(frozen=True)
class Found:
    """What a worker found like a report: which one, and how much."""

    pk: int
    letters: float
    sense: float | None


def candidates(report: Report, *, most: int = MOST) -> list[Alike]:
    """Return the reports of the same language that are most like this one, the likest first.

    The very same text comes first whatever else; nothing across languages, nothing by itself.
    """
    if not text_of(report):
        return []
    found = _found(report) if ReportImprint.objects.filter(report=report).exists() else []
    known = {one.report.pk for one in found}
    same = comparable(report).filter(digest=report.digest).exclude(pk__in=[report.pk, *known])
    found += [Alike(one, 1.0) for one in same.order_by("pk")[:most]]
    if not known:
        found += _quickly(report, without={one.report.pk for one in found})
    # The machine's own order stands where letters tell little.
    ordered = sorted(
        enumerate(found), key=lambda row: (row[1].report.digest != report.digest, row[0])
    )
    return [one for _, one in ordered][:most]


def _found(report: Report) -> list[Alike]:
    """Return what a worker found, when this report came and when others came after it."""
    rows = ReportLikeness.objects.filter(Q(report=report) | Q(other=report)).order_by("place", "pk")
    near = {
        (row.other_id if row.report_id == report.pk else row.report_id): row for row in rows[:50]
    }
    there = comparable(report).in_bulk(list(near))
    return [Alike(there[pk], row.letters, row.sense) for pk, row in near.items() if pk in there]


def _quickly(report: Report, *, without: set[int]) -> list[Alike]:
    rows = list(comparable(report).exclude(pk__in=[report.pk, *without]).order_by("-pk")[:AT_ONCE])
    near = Grams([text_of(one) for one in rows], rare=True).nearest(text_of(report), most=MOST)
    return [Alike(rows[at], cosine) for at, cosine in near if cosine >= LEAST]


@transaction.atomic
def keep_likenesses(
    report: Report, *, found: list[Found], numbers: bytes, version_digest: str, now: datetime
) -> None:
    """Write down what a worker has found, in place of what was found before.

    Nothing if it was erased, or masked while it was compared: then it is compared anew.
    """
    held = Report.objects.select_for_update(no_key=True).get(pk=report.pk)
    if not text_of(held) or text_of(held) != text_of(report):
        return
    ReportImprint.objects.update_or_create(
        report=held,
        defaults={"version_digest": version_digest, "numbers": numbers, "at": now},
    )
    ReportLikeness.objects.filter(report=held).delete()
    there = set(
        comparable(held).filter(pk__in=[one.pk for one in found]).values_list("pk", flat=True)
    )
    ReportLikeness.objects.bulk_create(
        ReportLikeness(
            report=held, other_id=one.pk, place=place, letters=one.letters, sense=one.sense
        )
        for place, one in enumerate(found, start=1)
        if one.pk in there and one.pk != held.pk
    )


def text_of(report: Report) -> str:
    """Return what a report is compared by."""
    return report.input_text or report.description


def comparable(report: Report) -> "QuerySet[Report]":
    """Return the reports that may say the same: of one campaign and language, and still there."""
    same = Report.objects.filter(campaign=report.campaign_id, language=report.language_id)
    if report.language_id is None:
        same = same.filter(tag=report.tag)
    return same.exclude(state__in=(State.WITHDRAWN, State.CLOSED_SPAM, State.NEW))
