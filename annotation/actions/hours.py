"""Hours: what each person of a language did in a span of days, as payment wants to know it."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django.db.models import Count, Exists, F, FloatField, OuterRef, Q, Sum, Value
from django.db.models.functions import Coalesce, Greatest, Least
from django.utils import timezone
from django.utils.translation import gettext as _

from annotation.errors import InvalidInputError
from annotation.models import Annotation, Annotator, CampaignLanguage, SessionAnswer

# Whoever leaves a text open over lunch has not worked on it all the while.
LONGEST_SECONDS = 300.0
LONGEST_SPAN = timedelta(days=3 * 366)
State = Annotation.State


@dataclass(frozen=True)
class Work:
    """One person's work: items answered, said to be unfit or skipped, test items, and seconds.

    Each item counts once, however often and wherever it was answered.
    ``untimed`` of the items came without a time; their seconds are not guessed.
    """

    annotator: Annotator
    answered: int
    flagged: int
    skipped: int
    tested: int
    untimed: int
    seconds: float

    @property
    def items(self) -> int:
        """Everything that was looked at and dealt with."""
        return self.answered + self.flagged + self.skipped + self.tested

    @property
    def hours(self) -> float:
        """Time at work in hours."""
        return self.seconds / 3600

    @property
    def clock(self) -> str:
        """Time at work in hours and minutes, as people tell it."""
        minutes = round(self.seconds / 60)
        return f"{minutes // 60}:{minutes % 60:02d}"


def work_done(home: CampaignLanguage, *, since: date, until: date) -> list[Work]:
    """Return what everybody did from the first day to the last, both included, most work first.

    What was taken back was work all the same and stays counted; nothing of its content is told.
    """
    if until < since:
        raise InvalidInputError(
            _("The last day lies before the first."), remedy=_("Swap the two days.")
        )
    if until - since > LONGEST_SPAN:
        raise InvalidInputError(
            _("That is more than three years."), remedy=_("Ask for a shorter span of days.")
        )
    return _work(home, _span(since, until))


def timed_seconds() -> Coalesce:
    """The seconds of answers, capped each; what came without a time adds nothing.

    PostgreSQL's LEAST leaves NULL out where SQLite's is NULL, so these are left out before.
    """
    capped = Greatest(
        Least(F("lead_seconds"), Value(LONGEST_SECONDS), output_field=FloatField()),
        Value(0.0),
        output_field=FloatField(),
    )
    timed = Sum(capped, filter=Q(lead_seconds__isnull=False))
    return Coalesce(timed, 0.0, output_field=FloatField())


def own_work(annotator: Annotator, *, home: CampaignLanguage, since: date, until: date) -> Work:
    """Return what one person did in a language of a campaign, by the same rule; all of it is theirs."""
    done = _work(home, _span(since, until), annotator=annotator)
    return done[0] if done else Work(annotator, 0, 0, 0, 0, 0, 0.0)


def _work(
    home: CampaignLanguage, span: tuple[datetime, datetime], *, annotator: Annotator | None = None
) -> list[Work]:
    answers = _answers(home, span, annotator=annotator)
    tests = _tests(home, span, annotator=annotator)
    people = Annotator.objects.filter(pk__in=answers.keys() | tests.keys())
    done = []
    for person in people.select_related("user", "language"):
        said, tested = answers.get(person.pk, {}), tests.get(person.pk, (0, 0.0))
        done.append(
            Work(
                annotator=person,
                answered=said.get("answered", 0),
                flagged=said.get("flagged", 0),
                skipped=said.get("skipped", 0),
                tested=tested[0],
                untimed=said.get("untimed", 0),
                seconds=said.get("seconds", 0.0) + tested[1],
            )
        )
    return sorted(done, key=lambda work: (-work.items, work.annotator.pk))


def _span(since: date, until: date) -> tuple[datetime, datetime]:
    return _edge(since), _edge(until + timedelta(days=1))


def _edge(day: date) -> datetime:
    """The beginning of a day where the installation is."""
    return timezone.make_aware(datetime.combine(day, time.min)).astimezone(UTC)


def _answers(
    home: CampaignLanguage, span: tuple[datetime, datetime], *, annotator: Annotator | None
) -> dict[int, dict[str, int]]:
    flagged = ~Q(flag="")
    # Whoever changes an answer later does not move it to another day, which is paid by itself.
    given = Annotation.objects.filter(item__campaign_language=home).annotate(
        at=Coalesce(Least("given_at", "created_at"), "created_at")
    )
    if annotator is not None:
        given = given.filter(annotator=annotator)
    rows = (
        given.filter(~_counted_before(), at__gte=span[0], at__lt=span[1])
        .exclude(state=State.DELETED)
        .order_by()
        .values("annotator")
        .annotate(
            flagged=Count("pk", filter=flagged),
            skipped=Count("pk", filter=Q(state=State.SKIPPED) & ~flagged),
            all=Count("pk"),
            untimed=Count("pk", filter=Q(lead_seconds=None)),
            seconds=timed_seconds(),
        )
    )
    return {
        row["annotator"]: {
            "answered": row["all"] - row["flagged"] - row["skipped"],
            "flagged": row["flagged"],
            "skipped": row["skipped"],
            "untimed": row["untimed"],
            "seconds": row["seconds"],
        }
        for row in rows
    }


def _counted_before() -> Exists:
    """An answer of the same person on the same item, at the other desk for instance.

    The first counts, with its day and its time, so that what was paid for stays as it was.
    """
    first = Annotation.objects.filter(
        item=OuterRef("item"), annotator=OuterRef("annotator"), pk__lt=OuterRef("pk")
    )
    return Exists(first.exclude(state=State.DELETED))


def _tests(
    home: CampaignLanguage, span: tuple[datetime, datetime], *, annotator: Annotator | None
) -> dict[int, tuple[int, float]]:
    """Items of calibration sessions: how many and how long, each capped as answers are."""
    asked = SessionAnswer.objects.filter(
        session__campaign_language=home, answered_at__gte=span[0], answered_at__lt=span[1]
    )
    if annotator is not None:
        asked = asked.filter(session__annotator=annotator)
    rows = asked.values_list("session__annotator", "shown_at", "answered_at")
    found: dict[int, tuple[int, float]] = {}
    for person, shown, answered in rows:
        number, seconds = found.get(person, (0, 0.0))
        taken = (answered - shown).total_seconds() if answered else 0.0
        found[person] = (number + 1, seconds + min(max(taken, 0.0), LONGEST_SECONDS))
    return found
