"""What pages and programs are told of a report: its state in plain words, and what may be done."""

from dataclasses import dataclass
from datetime import datetime

from annotation.actions.known import known_answer
from annotation.actions.reports.following import ANSWERABLE, APPEALABLE
from annotation.actions.reports.triage import QUESTIONS
from annotation.errors import VernacularError
from annotation.models import PublicDoor, Report, ReportLink, ReportMessage, ReportState
from annotation.models.campaigns import Campaign
from annotation.models.reports import CLOSED, Reason
from annotation.objectives import objective, spans, whole

State = ReportState
# What is reported there is what a model wrote.
WRITING = ("ratings", "preferences")
# The way that a report goes if all goes well, as it is drawn.
WAY = (
    (State.RECEIVED, State.SCREENED, State.QUARANTINED),
    (State.AWAITING_TRIAGE, State.NEEDS_INFO),
    (State.CONFIRMED,),
    (State.COLLECTING, State.REOPENED),
    (State.TRAINING,),
    (State.VERIFYING, State.FIX_PENDING_RELEASE),
    (State.RELEASED, State.CLOSED_FIXED),
)


@dataclass(frozen=True)
class Standing:
    """How a report stands, for whoever made it; what is done to its target is done to it."""

    report: Report
    leading: Report
    steps: list[tuple[str, str]]
    reason: str
    question: str
    may_answer: bool
    may_appeal: bool
    may_judge: bool
    log: list[tuple[str, str, datetime]]


def standing_of(report: Report) -> Standing:
    """Return how a report stands; one that was put to another stands as that one does."""
    leading = report.duplicate_of or report
    last = leading.log.last()
    asked = report.messages.filter(kind=ReportMessage.Kind.QUESTION).last()
    question = str(QUESTIONS.get(asked.template, "")) if asked else ""
    appealed = report.log.filter(reason=Reason.APPEAL).exists()
    return Standing(
        report=report,
        leading=leading,
        steps=_steps(leading),
        reason=str(Reason(last.reason).label) if last and last.reason else "",
        question=question if report.state in ANSWERABLE else "",
        may_answer=report.state in ANSWERABLE,
        may_appeal=report.state in APPEALABLE and not appealed,
        may_judge=leading.state in (State.RELEASED, State.CLOSED_FIXED) and leading == report,
        log=[
            (
                str(ReportState(one.to_state).label),
                str(Reason(one.reason).label) if one.reason else "",
                one.at,
            )
            for one in report.log.order_by("-number")[:30]
        ],
    )


def _steps(report: Report) -> list[tuple[str, str]]:
    """Return the main steps with past, now or to come, for those on their way."""
    at = next((n for n, states in enumerate(WAY) if report.state in states), None)
    if at is None:
        return []
    return [
        (str(ReportState(states[0]).label), "past" if n < at else "now" if n == at else "")
        for n, states in enumerate(WAY)
    ]


def record_of(report: Report) -> dict[str, object]:
    """Return how a report stands, as programs read it; none of its text."""
    told = standing_of(report)
    return {
        "id": str(report.uid),
        "state": report.state,
        "state_words": str(ReportState(told.leading.state).label),
        "language": report.language.tag if report.language else report.tag,
        "received_at": report.received_at.isoformat(),
        "since": report.since.isoformat() if report.since else None,
        "reason": told.reason,
        "question": told.question,
        "closed": report.state in CLOSED,
        "may": [
            name
            for name, allowed in (
                ("answer", told.may_answer),
                ("appeal", told.may_appeal),
                ("say_if_better", told.may_judge),
                ("withdraw", report.state != State.WITHDRAWN),
            )
            if allowed
        ],
    }


def words_of(report: Report, told: str) -> str:
    """Return what somebody said that the model answers, as people read it: names, and marked words.

    What is no answer of the campaign, such as a text that was written, stays as it is.
    """
    campaign, text = report.campaign, report.input_text
    tag = report.language.tag if report.language else report.tag
    names = {one.key: one.name_in(tag) for one in campaign.labels.all()}
    if not told or told in names or campaign.objective in WRITING:
        return names.get(told, told)
    try:
        value = known_answer(campaign, told=told, text=whole(campaign.objective, told=text))[
            "value"
        ]
    except (VernacularError, KeyError):
        return told
    if campaign.objective == spans.NAME:
        marks = (f"{names.get(key, key)}: {text[start:end]}" for start, end, key in value)
        return " · ".join(marks) or "–"
    return objective(campaign.objective).name_of(value, names=names)


@dataclass(frozen=True)
class Led:
    """One thing that a report led to, and when: a text asked, a case, a run, a version."""

    words: str
    text: str
    ref: str
    attempt: int
    state: str
    at: datetime


def led_to(report: Report) -> list[Led]:
    """Return what a report led to, in its order: the texts that speakers answer, and all that came of them."""
    links = report.links.select_related("sample", "item").order_by("at", "pk")
    return [
        Led(
            words=str(ReportLink.Kind(one.kind).label),
            text=one.sample.text if one.sample else "",
            ref=_ref(one),
            attempt=one.attempt + 1,
            state=str(one.item.get_state_display()) if one.item else "",
            at=one.at,
        )
        for one in links
    ]


def _ref(link: ReportLink) -> str:
    """Return the number in its own app as people know it; the try behind it is told beside it."""
    return link.ref.partition(".")[0] if link.kind != ReportLink.Kind.RUN else link.ref


def open_to_everybody(slug: str) -> Campaign | None:
    """Return a campaign whose model anybody may try and report."""
    door = PublicDoor.objects.filter(campaign__slug=slug, open=True).select_related("campaign")
    found = door.first()
    return found.campaign if found else None
