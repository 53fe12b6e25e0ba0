"""What a report weighs: told by how many, how bad by that, and nothing before somebody has looked."""

from typing import Any

from django.db.models import Q, QuerySet

from annotation.methods import report_priority
from annotation.models import Report


def weigh(report: Report) -> None:
    """Count the different people and networks behind a report anew, and how bad it is with them.

    Clients are forgotten after a month; what was counted before stays. What a newcomer told and
    nobody has looked at does not count yet; once somebody who counts tells the very same, it does,
    so that nobody sinks a danger by telling it first.
    """
    rows = _family(report).filter(Q(pk=report.pk) | Q(unseen_since=None))
    told = list(
        rows.values_list(
            *("pk", "client", "origin__network", "user", "arrival__first", "frozen"),
            *("reasons", "severity_told"),
        )
    )
    number = max(1, _different(told))
    severity = max(
        report_priority.severity_of(reasons, told=how, reporters=1 if report.frozen else number)
        for *_, reasons, how in told
    )
    vouched = any(pk != report.pk and not frozen for pk, *_, frozen, _reasons, _how in told)
    Report.objects.filter(pk=report.pk).update(
        reporters=number,
        severity=max(severity, report.severity),
        **({"unseen_since": None} if vouched else {}),
    )
    report.refresh_from_db()


def _different(told: list[tuple[Any, ...]]) -> int:
    """Count different people: one wherever they tell it from, a network whatever its browsers.

    Who tells several from one secret page is one, and a brigade counts as one altogether.
    """
    firsts = {first for _, _, _, _, first, *_ in told if first}
    known, unknown = set(), 0
    for pk, client, network, user, first, frozen, *_ in told:
        teller = first or (pk if pk in firsts else None)
        who = ("frozen",) if frozen else (user, teller) if user or teller else (network or client,)
        if any(who):
            known.add(who)
        else:
            unknown += 1
    return len(known) + unknown


def unseen(report: Report) -> int:
    """Count the newcomers who told a report, or the very same, at which nobody has looked yet."""
    return _family(report).filter(unseen_since__isnull=False).count()


def lock_family(*reports: Report) -> None:
    """Hold reports with all that belong to them, in one order whoever asks: nobody waits in a ring.

    Rows that only point at them are written meanwhile: no key of theirs changes.
    """
    own = [one.pk for one in reports]
    above = Report.objects.filter(pk__in=own).values("duplicate_of")
    family = Report.objects.filter(Q(pk__in=own) | Q(pk__in=above) | Q(duplicate_of__in=own))
    list(family.order_by("pk").select_for_update(no_key=True).values_list("pk", flat=True))


def look(report: Report) -> bool:
    """Let a newcomer's report count, now that one of us has looked, and what says the very same.

    True where it was the first look.
    """
    if not _family(report).filter(unseen_since__isnull=False).update(unseen_since=None):
        return False
    weigh(report.duplicate_of or report)
    report.refresh_from_db()
    return True


def _family(report: Report) -> "QuerySet[Report]":
    return Report.objects.filter(Q(pk=report.pk) | Q(duplicate_of=report))
