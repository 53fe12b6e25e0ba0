"""What coordinators see of calibration: gold, people, open notes, and signs for a human eye."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from django.db.models import Count

from annotation.actions.exposures import (
    ENOUGH_GOLD,
    ENOUGH_UNSEEN,
    Supply,
    supply_of,
    unseen_gold,
)
from annotation.actions.sessions import open_session, recalibration_due
from annotation.methods.qualification import Course, Rules, closing, course
from annotation.methods.signals import Pair, Streak, pace, pairs, streak
from annotation.models import (
    Annotation,
    Annotator,
    CalibrationSession,
    Campaign,
    CampaignLanguage,
    Concern,
    Label,
    Language,
    Reliability,
    Standing,
)
from annotation.permissions import team_of

SKILLS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
# So many of the newest answers are looked at for signs.
NEWEST = 5_000
# A run that comes by chance less often than this is named.
UNLIKELY = 0.001
MOSTLY_QUICK = 0.2


@dataclass(frozen=True)
class LanguageRow:
    """One language: its gold, its people by standing, and what waits."""

    home: CampaignLanguage
    supply: Supply
    states: dict[str, int]
    concerns: int
    lacking: tuple[int, int] = (ENOUGH_GOLD, ENOUGH_UNSEEN)


@dataclass(frozen=True)
class PersonRow:
    """One person: standing, newest session, skill, and whether something waits.

    ``stuck``: they are to calibrate, and have seen all gold that there is.
    """

    annotator: Annotator
    standing: Standing
    last: CalibrationSession | None
    skill: Reliability | None
    concern: Concern | None
    due: bool
    stuck: bool = False


@dataclass(frozen=True)
class Sign:
    """Something odd in how one person's answers came, for a human to look at; never a weight."""

    annotator: Annotator
    quick: float | None = None
    run: Streak | None = None
    run_label: Label | None = None
    beside: Annotator | None = None
    pair: Pair | None = None


def overview(campaign: Campaign, *, languages: Sequence[Language]) -> list[LanguageRow]:
    """One row a language of those named."""
    homes = campaign.languages.filter(language__in=languages).select_related("language", "campaign")
    rows = []
    for home in homes:
        people = team_of(campaign, home.language)
        states = dict(
            Standing.objects.filter(campaign=campaign, annotator__in=people)
            .order_by()
            .values_list("state")
            .annotate(Count("pk"))
        )
        states["newcomer"] = people.count() - sum(
            number for state, number in states.items() if state != "newcomer"
        )
        concerns = Concern.objects.filter(campaign_language=home, closed_at=None).count()
        rows.append(LanguageRow(home, supply_of(home), states, concerns))
    return rows


def odds(campaign: Campaign) -> list[tuple[float, Course]]:
    """What the campaign's settings do to people of some skills, where gold has all labels evenly."""
    rules = closing(
        Rules(
            chance=1 / max(campaign.labels.count(), 2),
            low=float(campaign.qualify_low),
            high=float(campaign.qualify_high),
            alpha=float(campaign.qualify_alpha),
            beta=float(campaign.qualify_beta),
            cap=campaign.qualify_cap,
        )
    )
    return [(skill, course(skill, rules=rules)) for skill in SKILLS]


def people_of(home: CampaignLanguage) -> list[PersonRow]:
    """Everybody who answers in the language, those with an open note first."""
    people = team_of(home.campaign, home.language)
    standings = {one.annotator_id: one for one in Standing.objects.filter(campaign=home.campaign)}
    skills = {one.annotator_id: one for one in Reliability.objects.filter(campaign=home.campaign)}
    concerns = {
        one.annotator_id: one
        for one in Concern.objects.filter(campaign_language=home, closed_at=None)
    }
    sessions: dict[int, CalibrationSession] = {}
    for session in home.calibrations.filter(ended_at__isnull=False).exclude(kind="practice"):
        sessions.setdefault(session.annotator_id, session)
    rows = [
        PersonRow(
            annotator=person,
            standing=standings.get(person.pk) or Standing(annotator=person, campaign=home.campaign),
            last=sessions.get(person.pk),
            skill=skills.get(person.pk),
            concern=concerns.get(person.pk),
            due=person.pk in sessions and recalibration_due(person, home) is not None,
            stuck=_stuck(person, home, standing=standings.get(person.pk)),
        )
        for person in people.select_related("user", "language").order_by("user__username")
    ]
    return sorted(rows, key=lambda row: (row.concern is None, not row.stuck))


def _stuck(person: Annotator, home: CampaignLanguage, *, standing: Standing | None) -> bool:
    if not home.campaign.calibrate or (standing and standing.state == Standing.State.QUALIFIED):
        return False
    return open_session(person, home) is None and not unseen_gold(person, home)


def signs_of(home: CampaignLanguage, *, newest: int = NEWEST) -> list[Sign]:
    """What stands out among the newest answers of a language: pace, long runs, twins."""
    rows = list(
        Annotation.objects.answered()
        .filter(item__campaign_language=home, label__isnull=False, annotator__active=True)
        .select_related("annotator__user", "item__sample", "label")
        .order_by("-pk")[:newest]
    )[::-1]
    by_person: dict[int, list[Annotation]] = defaultdict(list)
    for answer in rows:
        by_person[answer.annotator_id].append(answer)
    usual = _usual(rows)
    labels = {label.position: label for label in home.campaign.labels.all()}
    signs = []
    for answers in by_person.values():
        person = answers[0].annotator
        timed = [answer for answer in answers if answer.lead_seconds is not None]
        quick = pace(
            [answer.lead_seconds or 0.0 for answer in timed],
            lengths=[len(answer.item.sample.text) for answer in timed],
            usual=usual,
        )
        run = streak([answer.label.position for answer in answers if answer.label])
        if quick is not None and quick >= MOSTLY_QUICK:
            signs.append(Sign(person, quick=quick))
        if run is not None and run.chance < UNLIKELY:
            signs.append(Sign(person, run=run, run_label=labels.get(run.label)))
    return signs + _twins(by_person)


def _twins(by_person: dict[int, list[Annotation]]) -> list[Sign]:
    said = {
        person: {
            answer.item.sample_id: (_when(answer), answer.label.position)
            for answer in answers
            if answer.label
        }
        for person, answers in by_person.items()
    }
    return [
        Sign(
            by_person[pair.first][0].annotator,
            beside=by_person[pair.second][0].annotator,
            pair=pair,
        )
        for pair in pairs(said)
    ]


def _when(answer: Annotation) -> datetime:
    """When it was given: many come home together, so when it came says nothing."""
    try:
        return answer.given_at or datetime.fromisoformat(answer.desk_updated_at)
    except ValueError:
        return answer.created_at


def _usual(rows: Sequence[Annotation]) -> float:
    """The team's seconds a character, in the middle."""
    each = [
        answer.lead_seconds / len(answer.item.sample.text)
        for answer in rows
        if answer.lead_seconds is not None and answer.item.sample.text
    ]
    return median(each) if each else 0.0
