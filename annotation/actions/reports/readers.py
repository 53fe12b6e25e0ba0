"""Who reads a language: reports that nobody can look at say so, and how to help."""

from dataclasses import dataclass

from annotation.models import Campaign, CampaignLanguage, Language, Membership, Report, ReportState
from annotation.permissions import Ability, roles_with, team_of

State = ReportState
WAITING = (State.RECEIVED, State.SCREENED, State.AWAITING_TRIAGE)


@dataclass(frozen=True)
class Waiting:
    """A report waits for somebody who reads a language, as it was told or as ours is called."""

    language: Language | None
    told: str


def is_read(campaign: Campaign, language: Language) -> bool:
    """Whether anybody answers in a language of a campaign or looks after its reports."""
    if team_of(campaign, language).exists():
        return True
    held = Membership.objects.within(campaign, language).exclude(language=None)
    return held.filter(role__in=roles_with(Ability.TRIAGE)).exists()


def waits_for_a_reader(report: Report) -> Waiting | None:
    """Return what a report waits for where nobody reads its language; nothing where somebody does."""
    leading = report.duplicate_of or report
    if leading.state not in WAITING:
        return None
    if leading.language is None:
        return Waiting(None, leading.tag)
    if is_read(leading.campaign, leading.language):
        return None
    return Waiting(leading.language, leading.tag)


def unread_reports(home: CampaignLanguage) -> int:
    """Return how many reports of a language wait since nobody reads it; none where somebody does."""
    rows = Report.objects.in_language(home.campaign, home.language).filter(state__in=WAITING)
    number = rows.count()
    return number if number and not is_read(home.campaign, home.language) else 0
