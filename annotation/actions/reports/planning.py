"""The plan of collecting: how many texts like a report's speakers answer, how much gold, for how much."""

from datetime import datetime

from django.db import transaction
from django.db.models import Sum
from django.utils.translation import gettext as _

from annotation.actions.reports.table import LEAST, Actor
from annotation.actions.reports.transitions import StepError
from annotation.errors import InvalidInputError
from annotation.models import (
    Annotator,
    CampaignLanguage,
    Report,
    ReportLink,
    ReportPlan,
    ReportState,
)

State, Kind = ReportState, ReportLink.Kind
PLANNED_IN = (State.AWAITING_TRIAGE, State.NEEDS_INFO, State.CONFIRMED, State.REOPENED)
JUDGES = 2
MOST_TEXTS, MOST_GOLD, MOST_ANSWERS = 500, 50, 100_000


@transaction.atomic
def plan(
    report: Report,
    *,
    texts: int,
    gold_percent: int,
    budget: int | None,
    actor: Actor,
    now: datetime,
) -> ReportPlan:
    """Say what a report may cost before anything is asked; a later word takes the earlier's place.

    Where the budget pays for fewer texts than are wanted, as many are asked as it pays for; what
    was asked in earlier tries is paid already.
    """
    held = Report.objects.select_for_update(no_key=True).get(pk=report.pk)
    if actor.user is None or actor.user.pk == held.user_id:
        raise StepError(_("This report is yours: somebody else decides it."))
    if held.state not in PLANNED_IN:
        raise StepError(_("It is planned before texts like it are looked for."))
    if not LEAST <= texts <= MOST_TEXTS or not 0 <= gold_percent <= MOST_GOLD:
        raise InvalidInputError(
            _("Choose from 10 to 500 texts, and from 0 to 50 known ones in a hundred.")
        )
    paid = _paid_by(held, budget, texts=texts, gold_percent=gold_percent)
    told = {"texts": texts, "gold_percent": gold_percent, "budget": budget}
    made = ReportPlan.objects.update_or_create(
        report=held, defaults={**told, "by": actor.user, "at": now}
    )[0]
    Report.objects.filter(pk=held.pk).update(planned=min(texts, paid))
    report.refresh_from_db()
    return made


def _paid_by(report: Report, budget: int | None, *, texts: int, gold_percent: int) -> int:
    """Return how many texts a budget pays for beside what was asked already, ten at least."""
    if budget is None:
        return texts
    if budget > MOST_ANSWERS:
        raise InvalidInputError(_("Choose 100,000 answers at most, or no limit."))
    spent = _spent(report)
    paid = _paid_for(report, max(0, budget - spent), gold_percent=gold_percent)
    if paid >= LEAST:
        return paid
    if spent:
        raise InvalidInputError(
            _("%(spent)d answers are used up: the rest pays for %(texts)d texts, and 10 are least.")
            % {"spent": spent, "texts": paid}
        )
    raise InvalidInputError(
        _("These answers pay for %(texts)d texts, and 10 are the least.") % {"texts": paid}
    )


def _paid_for(report: Report, answers: int, *, gold_percent: int) -> int:
    home = report.campaign.languages.filter(language=report.language).first()
    each = answers_each(home) if home else JUDGES
    return answers * 100 // (each * (100 + gold_percent))


def answers_each(home: CampaignLanguage) -> int:
    """Return how many people are asked each text that a report brings."""
    people = Annotator.objects.filter(language=home.language_id, active=True).values("user")
    return max(home.campaign.answers_per_item, min(JUDGES, people.distinct().count()), 1)


def texts_left(report: Report, *, home: CampaignLanguage) -> int | None:
    """Return how many more texts a report's budget pays for; None where nobody set one."""
    found = ReportPlan.objects.filter(report=report).first()
    if found is None or found.budget is None:
        return None
    left = max(0, found.budget - _spent(report))
    return left * 100 // (answers_each(home) * (100 + found.gold_percent))


def _spent(report: Report) -> int:
    """Return how many answers were asked of people for a report, in all its tries."""
    asked = report.links.filter(kind__in=(Kind.NEIGHBOUR, Kind.GOLD), item__isnull=False)
    return asked.aggregate(there=Sum("item__wanted"))["there"] or 0
