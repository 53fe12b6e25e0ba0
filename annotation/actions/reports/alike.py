"""Reports that may say the same: the likest by their letters, for people to look at side by side."""

from dataclasses import dataclass
from threading import Lock

from django.db.models import QuerySet

from annotation.methods.grams import Grams
from annotation.models import Report, ReportState

State = ReportState
MOST = 5
LEAST = 0.2
# An index is made anew when so much has come since; what came meanwhile is compared by itself.
GROWTH, FEW = 0.1, 200
# Somebody waits for the page, and what was told years ago is seldom what is told now.
MOST_COMPARED = 20_000


@dataclass(frozen=True)
class Alike:
    """A report and how much of its letters' runs it shares."""

    report: Report
    cosine: float


@dataclass(frozen=True)
class _Index:
    grams: Grams
    pks: list[int]


_indexes: dict[tuple[int, int | None, str], _Index] = {}
_lock = Lock()


def candidates(report: Report, *, most: int = MOST) -> list[Alike]:
    """Return the reports of the same language that are most like this one, the likest first.

    The very same text comes first whatever else; nothing across languages, nothing by itself.
    """
    text = report.input_text or report.description
    if not text:
        return []
    found: dict[int, float] = {}
    for index in _parts(report):
        for at, cosine in index.grams.nearest(text, most=most + 1):
            found[index.pks[at]] = max(cosine, found.get(index.pks[at], 0.0))
    there = _comparable(report).exclude(pk=report.pk).in_bulk(list(found))
    rows = [
        Alike(one, 1.0 if one.digest == report.digest else found[pk]) for pk, one in there.items()
    ]
    likely = [one for one in rows if one.cosine >= LEAST]
    return sorted(likely, key=lambda one: (-one.cosine, one.report.pk))[:most]


def _parts(report: Report) -> list[_Index]:
    """Return the index of the language and, by themselves, the reports that it lacks."""
    key = (report.campaign_id, report.language_id, "" if report.language_id else report.tag)
    with _lock:
        index = _indexes.get(key) or _Index(Grams([]), [])
        last = index.pks[-1] if index.pks else 0
        fresh = list(
            _comparable(report)
            .filter(pk__gt=last)
            .order_by("pk")
            .values_list("pk", "input_text", "description")
        )
        if len(fresh) > max(FEW, GROWTH * len(index.pks)):
            index = _indexes[key] = _made(_rows(report))
            fresh = []
    return [index, _made(fresh)]


def _rows(report: Report) -> list[tuple[int, str, str]]:
    newest = _comparable(report).order_by("-pk").values_list("pk", "input_text", "description")
    return list(newest[:MOST_COMPARED])[::-1]


def _made(rows: list[tuple[int, str, str]]) -> _Index:
    texts = [text or description for _, text, description in rows]
    return _Index(Grams(texts, rare=True), [pk for pk, _, _ in rows])


def _comparable(report: Report) -> "QuerySet[Report]":
    same = Report.objects.filter(campaign=report.campaign_id, language=report.language_id)
    if report.language_id is None:
        same = same.filter(tag=report.tag)
    return same.exclude(state__in=(State.WITHDRAWN, State.CLOSED_SPAM, State.NEW))
