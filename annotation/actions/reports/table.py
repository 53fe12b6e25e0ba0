"""The table of reports: from which state to which, by whom, and under which conditions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from annotation.models import (
    Consensus,
    Report,
    ReportEvent,
    ReportLink,
    ReportState,
    ReportVote,
    Severity,
    User,
)
from annotation.models.reports import OPEN, Reason

By, State, Kind = ReportEvent.By, ReportState, ReportLink.Kind
# Two speakers agree, or one and whoever looks after the language.
VOTES = 2
SURE = 0.8
ENOUGH, LEAST = 30, 10
MOST_ATTEMPTS = 3
GREEN_RELEASES = 2
LONGEST_WATCH = timedelta(days=90)
COLLECTS_FOR = timedelta(days=30)


@dataclass(frozen=True)
class Actor:
    """Who makes a step: a role, and the person where there is one."""

    by: str
    user: User | None = None


# Who looks at what they do something with.
PEOPLE: frozenset[str] = frozenset({By.COORDINATOR, By.ADMIN})
SYSTEM = Actor(By.SYSTEM)
REPORTER = Actor(By.REPORTER)


@dataclass(frozen=True)
class Step:
    """What was asked for: where to, by whom, why, when, and into which other report."""

    to: str
    actor: Actor
    now: datetime
    reason: str = ""
    target: Report | None = None


Guard = Callable[[Report, Step], str]


def anything(_report: Report, _step: Step) -> str:
    """Nothing stands in the way."""
    return ""


@dataclass(frozen=True)
class Rule:
    """Who may make a step, and what must be so; a guard returns what is missing."""

    who: frozenset[str]
    guard: Guard = anything


def votes_of(report: Report) -> dict[str, int]:
    """Count the verdicts of speakers; whoever reported is not among them."""
    found = dict.fromkeys(ReportVote.Verdict.values, 0)
    votes = report.votes.filter(about=ReportVote.About.DEFECT, voter__isnull=False)
    for verdict in votes.exclude(voter=report.user_id).values_list("verdict", flat=True):
        found[verdict] += 1
    return found


def word_on_appeal(report: Report) -> str:
    """Return what the speaker said who looked at a report once more, where its maker asked for that.

    Whoever had said something before does not decide it: ``vote`` takes no second word from them.
    """
    asked = report.log.filter(by=By.REPORTER, reason=Reason.APPEAL).last()
    if asked is None:
        return ""
    natives = report.votes.filter(about=ReportVote.About.DEFECT, voter__isnull=False)
    since = natives.filter(at__gt=asked.at).exclude(voter=report.user_id)
    told = since.exclude(verdict=ReportVote.Verdict.UNSURE).order_by("at", "pk").first()
    return told.verdict if told else ""


def _reproduced_and_agreed(report: Report, step: Step) -> str:
    newest = report.reproductions.first()
    if newest is None or not newest.still_wrong:
        return _("The model that answers now was not seen to make this mistake.")
    if word_on_appeal(report) == ReportVote.Verdict.YES:
        return ""
    votes = votes_of(report)
    leads = step.actor.by in (By.COORDINATOR, By.ADMIN)
    critical = leads and report.severity == Severity.CRITICAL
    if votes["yes"] >= VOTES or (leads and votes["yes"] >= 1) or critical:
        return ""
    return _("Two speakers have to find it wrong, or one and a coordinator.")


def _found_right(report: Report, step: Step) -> str:
    if step.actor.by in (By.COORDINATOR, By.ADMIN) or votes_of(report)["no"] >= VOTES:
        return ""
    if word_on_appeal(report) == ReportVote.Verdict.NO:
        return ""
    return _("Two speakers have to find it right, or a coordinator.")


def _not_seen(report: Report, step: Step) -> str:
    newest = report.reproductions.first()
    if newest is not None and not newest.still_wrong:
        return ""
    return _("It has to be seen first that the model does not make this mistake.")


def _asked(report: Report, _step: Step) -> str:
    last = report.messages.last()
    return "" if last and last.kind == "question" else _("Ask one question first.")


def _appeals_once(report: Report, step: Step) -> str:
    if step.actor.by != By.REPORTER:
        return ""
    again = report.log.filter(by=By.REPORTER, reason=Reason.APPEAL).exists()
    return _("It was looked at once more already.") if again else ""


def _planned(report: Report, _step: Step) -> str:
    return "" if report.planned else _("Say first how many texts like it speakers answer.")


def agreed_neighbours(report: Report) -> int:
    """Count the neighbours of this attempt of which speakers are sure what they are."""
    texts = report.links.filter(kind=Kind.NEIGHBOUR).values("sample")
    return Consensus.objects.filter(sample__in=texts, confidence__gte=SURE).count()


def _tries(report: Report) -> int:
    """Count the tries since it was confirmed, or opened again: each asks for as much again."""
    return report.attempts % MOST_ATTEMPTS + 1


def _enough(report: Report, step: Step) -> str:
    there = agreed_neighbours(report)
    waited = report.since is not None and step.now - report.since >= COLLECTS_FOR
    wanted = min(LEAST if waited else ENOUGH * _tries(report), report.planned)
    if wanted and there >= wanted:
        return ""
    return _("%(there)d of %(wanted)d examples have come.") % {"there": there, "wanted": wanted}


def _has(kind: str, words: str) -> Guard:
    def guard(report: Report, _step: Step) -> str:
        found = report.links.filter(kind=kind, attempt=report.attempts).exists()
        return "" if found else words

    return guard


def _may_try_again(report: Report, step: Step) -> str:
    if report.attempts % MOST_ATTEMPTS + 1 >= MOST_ATTEMPTS:
        return _("It was tried three times: put it on hold and say so.")
    return _has(Kind.FAILED, _("It has to be seen first that it is not mended."))(report, step)


def _verified_with_a_case(report: Report, _step: Step) -> str:
    """The database asks the same of the cases and versions themselves."""
    kinds = set(report.links.values_list("kind", flat=True))
    return "" if {Kind.CASE, Kind.VERIFIED} <= kinds else _("No fix was verified.")


def words_on_fix(report: Report) -> "QuerySet[ReportVote]":
    """Return what was said of whether it is better, of the newest release alone."""
    told = report.votes.filter(about=ReportVote.About.BETTER).exclude(voter=report.user_id or 0)
    released = report.log.filter(to_state=State.RELEASED).last()
    return told.filter(at__gte=released.at) if released else told


def confirmed_no(report: Report) -> int:
    """Count who says that it is not better: speakers, and whoever reported where one agrees."""
    against = words_on_fix(report).filter(verdict=ReportVote.Verdict.NO)
    natives = against.filter(voter__isnull=False).count()
    own = against.filter(voter__isnull=True).exists()
    return natives + (1 if own and natives else 0)


def _steady(report: Report, step: Step) -> str:
    since, against = report.since or step.now, confirmed_no(report)
    if against < VOTES and step.now - since >= LONGEST_WATCH:
        return ""
    if against:
        return _("Somebody finds it is not better.")
    seen = report.links.filter(kind=Kind.VERSION, at__gt=since).count()
    return "" if seen >= GREEN_RELEASES else _("It stays under watch for two more releases.")


def _says_why(_report: Report, step: Step) -> str:
    return "" if step.reason else _("Say why.")


def _was_there(report: Report, step: Step) -> str:
    held = report.log.filter(to_state=State.ON_HOLD).last()
    return "" if held and held.from_state == step.to else _("It goes back to where it was held.")


def _mergeable(report: Report, step: Step) -> str:
    target = step.target
    if target is None or target.pk == report.pk:
        return _("Choose the other report.")
    if target.state in (State.MERGED, State.WITHDRAWN, State.NEW):
        return _("The other report is not there any more: choose the one it belongs to.")
    same = target.campaign_id == report.campaign_id and target.language_id == report.language_id
    if not same or (report.language_id is None and target.tag != report.tag):
        return _("Only reports of one language are put together.")
    if report.followers.exists():
        return _("Others were put to this one: they have to move first.")
    seen = report.glances.filter(other=target, user=step.actor.user).exists()
    if step.actor.by != By.SYSTEM and not seen:
        return _("Look at both texts first.")
    return ""


def _nobody_follows(report: Report, _step: Step) -> str:
    return _("Others were put to this one.") if report.followers.exists() else ""


def _rules() -> dict[tuple[str, str], Rule]:
    system, people = frozenset({By.SYSTEM}), PEOPLE
    all_of_us, reporter = system | people, frozenset({By.REPORTER})
    s = State
    table: dict[tuple[str, str], Rule] = {
        (s.NEW, s.RECEIVED): Rule(system | reporter),
        (s.RECEIVED, s.SCREENED): Rule(system),
        (s.SCREENED, s.QUARANTINED): Rule(system, _says_why),
        (s.SCREENED, s.AWAITING_TRIAGE): Rule(system),
        (s.QUARANTINED, s.AWAITING_TRIAGE): Rule(all_of_us),
        (s.QUARANTINED, s.CLOSED_SPAM): Rule(all_of_us, _says_why),
        (s.AWAITING_TRIAGE, s.AWAITING_TRIAGE): Rule(system, _says_why),
        (s.AWAITING_TRIAGE, s.QUARANTINED): Rule(people, _says_why),
        (s.AWAITING_TRIAGE, s.NEEDS_INFO): Rule(people, _asked),
        (s.AWAITING_TRIAGE, s.CONFIRMED): Rule(all_of_us, _reproduced_and_agreed),
        (s.AWAITING_TRIAGE, s.CLOSED_NOT_A_DEFECT): Rule(all_of_us, _found_right),
        (s.AWAITING_TRIAGE, s.CLOSED_OUT_OF_SCOPE): Rule(people, _says_why),
        (s.AWAITING_TRIAGE, s.CLOSED_CANNOT_REPRODUCE): Rule(all_of_us, _not_seen),
        (s.AWAITING_TRIAGE, s.CLOSED_WONT_FIX): Rule(all_of_us, _says_why),
        (s.AWAITING_TRIAGE, s.CLOSED_SPAM): Rule(people, _says_why),
        (s.NEEDS_INFO, s.AWAITING_TRIAGE): Rule(people | reporter),
        (s.NEEDS_INFO, s.CLOSED_CANNOT_REPRODUCE): Rule(all_of_us, _says_why),
        (s.CLOSED_CANNOT_REPRODUCE, s.AWAITING_TRIAGE): Rule(people | reporter),
        (s.CLOSED_NOT_A_DEFECT, s.AWAITING_TRIAGE): Rule(people | reporter, _appeals_once),
        (s.CLOSED_OUT_OF_SCOPE, s.AWAITING_TRIAGE): Rule(people | reporter, _appeals_once),
        (s.CLOSED_WONT_FIX, s.AWAITING_TRIAGE): Rule(people | reporter, _appeals_once),
        (s.CLOSED_SPAM, s.AWAITING_TRIAGE): Rule(people),
        (s.CONFIRMED, s.COLLECTING): Rule(all_of_us, _planned),
        (s.CONFIRMED, s.CLOSED_WONT_FIX): Rule(people, _says_why),
        (s.COLLECTING, s.TRAINING): Rule(system, _enough),
        (s.TRAINING, s.VERIFYING): Rule(system, _has(Kind.VERSION, _("No run has ended yet."))),
        (s.VERIFYING, s.FIX_PENDING_RELEASE): Rule(
            system, _has(Kind.VERIFIED, _("No fix was verified."))
        ),
        (s.VERIFYING, s.COLLECTING): Rule(system, _may_try_again),
        (s.FIX_PENDING_RELEASE, s.RELEASED): Rule(system, _verified_with_a_case),
        (s.FIX_PENDING_RELEASE, s.TRAINING): Rule(system, _says_why),
        (s.RELEASED, s.CLOSED_FIXED): Rule(system, _steady),
        (s.RELEASED, s.REOPENED): Rule(system, _says_why),
        (s.CLOSED_FIXED, s.REOPENED): Rule(system, _says_why),
        (s.REOPENED, s.COLLECTING): Rule(all_of_us),
        (s.ON_HOLD, s.CLOSED_WONT_FIX): Rule(people, _says_why),
        (s.MERGED, s.MERGED): Rule(system, _mergeable),
        (s.MERGED, s.AWAITING_TRIAGE): Rule(all_of_us),
    }
    held = (s.CONFIRMED, s.COLLECTING, s.TRAINING, s.VERIFYING, s.FIX_PENDING_RELEASE)
    table |= {(one, s.ON_HOLD): Rule(all_of_us, _says_why) for one in held}
    table |= {(s.ON_HOLD, one): Rule(all_of_us, _was_there) for one in held}
    table |= {(one, s.MERGED): Rule(all_of_us, _mergeable) for one in OPEN}
    there = [one for one in s if one not in (s.NEW, s.WITHDRAWN)]
    return table | {(one, s.WITHDRAWN): Rule(reporter | people, _nobody_follows) for one in there}


RULES: Mapping[tuple[str, str], Rule] = _rules()
