"""Covers of regression cases: the words of a report that hurt are no milder where they became a case."""

from collections.abc import Iterable
from datetime import datetime

from annotation.actions.reports.welfare import OPEN, Veil, veils_of
from annotation.models import User
from training.models import RegressionCase, ReportCase


def veils_of_cases(
    cases: Iterable[RegressionCase], *, user: User, now: datetime
) -> dict[int, Veil]:
    """Return by case how its words are shown to somebody: as those of the hardest report behind it.

    What is written for a case in words of our own may still be what was reported.
    """
    order = [one.pk for one in cases]
    found = ReportCase.objects.filter(case__in=order).select_related("report")
    rows = sorted(found, key=lambda row: (order.index(row.case_id), row.pk))
    known = veils_of((row.report for row in rows), user=user, now=now)
    veils = dict.fromkeys(order, OPEN)
    for row in rows:
        one = known[row.report_id]
        veils[row.case_id] = max(veils[row.case_id], one, key=_hides)
    return veils


def _hides(veil: Veil) -> tuple[bool, bool]:
    return veil.kept, veil.covered
