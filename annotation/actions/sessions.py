"""Calibration sessions: begun, gone on with on any device, answered one by one, ended once."""

import hashlib
from collections.abc import Container
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

import numpy as np
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from annotation.actions.choosing import chosen_label
from annotation.actions.concerns import close_well
from annotation.actions.exposures import (
    ENOUGH_UNSEEN,
    exposures,
    seen_once,
    supply_of,
    unseen_gold,
)
from annotation.actions.quarantine import requalify
from annotation.actions.standings import COUNTING, stand, standing_of
from annotation.errors import ConflictError
from annotation.methods.guidelines import paragraphs, speaks_of
from annotation.methods.qualification import (
    Decision,
    Rules,
    State,
    balanced,
    chance,
    closing,
    decide,
    needed,
)
from annotation.models import (
    Annotator,
    CalibrationSession,
    CampaignLanguage,
    GoldItem,
    Recalibration,
    SessionAnswer,
    Standing,
)
from annotation.objectives import Fields

Kind = CalibrationSession.Kind
Result = CalibrationSession.Result

# Of a refresher, of what a changed guideline asks, and of practice.
SHORT = 8


@dataclass(frozen=True)
class Offer:
    """What a person may begin now, and from when what they may not."""

    kind: str = ""
    session: CalibrationSession | None = None
    wait_until: datetime | None = None
    recalibration: Recalibration | None = None
    practice: bool = False


def offer_to(annotator: Annotator, home: CampaignLanguage, *, now: datetime) -> Offer:
    """Say what is open to a person: to go on, to calibrate, to look at what changed, to wait."""
    session = open_session(annotator, home)
    if session is not None:
        return Offer(kind=session.kind, session=session)
    concern = annotator.concerns.filter(
        campaign_language=home, closed_at=None, refresher=None
    ).first()
    if concern is not None:
        return Offer(kind=Kind.REFRESH, practice=True)
    standing = standing_of(annotator, home.campaign)
    if standing.state in COUNTING and (due := recalibration_due(annotator, home)):
        return Offer(kind=Kind.CHANGED, recalibration=due, practice=True)
    last = _tries(annotator, home).first()
    if last is None:
        return Offer(kind=Kind.QUALIFY)
    if standing.state == Standing.State.QUALIFIED:
        return Offer(practice=True)
    hours = timedelta(hours=home.campaign.qualify_after_hours)
    until = last.ended_at + hours if last.ended_at else now
    if until > now:
        return Offer(wait_until=until, practice=True)
    return Offer(kind=Kind.QUALIFY, practice=True)


def open_session(annotator: Annotator, home: CampaignLanguage) -> CalibrationSession | None:
    """The session that waits for a person's next answer."""
    return (
        CalibrationSession.objects.open()
        .filter(annotator=annotator, campaign_language=home)
        .first()
    )


def recalibration_due(annotator: Annotator, home: CampaignLanguage) -> Recalibration | None:
    """The newest change of the guideline that a person was asked to look at and has not."""
    newest = (
        Recalibration.objects.filter(guideline__campaign_language=home)
        .select_related("guideline")
        .order_by("-guideline__version")
        .first()
    )
    if newest is None:
        return None
    later = CalibrationSession.objects.filter(
        annotator=annotator,
        campaign_language=home,
        kind__in=(Kind.QUALIFY, Kind.CHANGED),
        guideline__version__gte=newest.guideline.version,
        ended_at__isnull=False,
    )
    return None if later.exists() else newest


@transaction.atomic
def begin_session(
    annotator: Annotator, home: CampaignLanguage, *, kind: str, now: datetime
) -> CalibrationSession:
    """Begin a session and show its first question; one that is open is gone on with instead."""
    Annotator.objects.select_for_update().get(pk=annotator.pk)
    offer = offer_to(annotator, home, now=now)
    if offer.session is not None:
        return offer.session
    if kind != offer.kind and not (kind == Kind.PRACTICE and offer.practice):
        raise ConflictError(_not_now(offer))
    gold, provisional = _gold_for(annotator, home, kind=kind, recalibration=offer.recalibration)
    if not gold:
        raise ConflictError(
            _("There is no text with a known answer left that you have not seen."),
            remedy=_(
                "An admin can import more of them: tell your coordinator, whose page says so, too."
            ),
        )
    plan = _plan(gold, home=home, annotator=annotator, kind=kind)
    session = CalibrationSession.objects.create(
        annotator=annotator,
        campaign_language=home,
        kind=kind,
        guideline=home.guidelines.order_by("-version").first(),
        rules=_rules(plan, home=home, kind=kind),
        plan=[one.pk for one in plan],
        provisional=provisional,
        began_at=now,
    )
    if kind == Kind.REFRESH:
        annotator.concerns.filter(campaign_language=home, closed_at=None).update(refresher=session)
    _show_next(session, now=now)
    return session


def question_of(session: CalibrationSession) -> SessionAnswer | None:
    """The text that waits for an answer; None once the session is over."""
    waiting = session.answers.filter(label=None).select_related("gold__sample", "truth")
    return waiting.first() if session.ended_at is None else None


@transaction.atomic
def answer_question(
    session: CalibrationSession, *, position: int, fields: Fields, now: datetime
) -> SessionAnswer:
    """Take one answer, show the next question or end; an answer that is there stays as it is."""
    locked = CalibrationSession.objects.select_for_update().get(pk=session.pk)
    answer = locked.answers.filter(position=position).first()
    if answer is None:
        raise ConflictError(_("That question was not asked yet."))
    if answer.label_id is not None:
        return answer
    campaign, text = locked.campaign_language.campaign, answer.gold.sample.text
    label = chosen_label(campaign, fields=fields, text=text)
    answer.label, answer.answered_at = label, now
    answer.save(update_fields=["label", "answered_at"])
    right = label.pk == answer.truth_id
    locked.right, locked.wrong = locked.right + right, locked.wrong + (not right)
    locked.save(update_fields=["right", "wrong"])
    result = _result(locked)
    if not result and not _show_next(locked, now=now):
        # What was planned was taken out meanwhile: it ends with what there is.
        result = _result(locked, over=True)
    if result:
        _end(locked, result=result, now=now)
    return answer


@transaction.atomic
def object_to(answer: SessionAnswer, *, says: str) -> SessionAnswer:
    """Keep why somebody holds a known answer to be wrong; coordinators see it, models never do."""
    if answer.label_id is None:
        raise ConflictError(_("Answer first: then you see what is held to be right."))
    answer.objection = says.strip()[:500]
    answer.save(update_fields=["objection"])
    return answer


def _tries(annotator: Annotator, home: CampaignLanguage) -> QuerySet[CalibrationSession]:
    return CalibrationSession.objects.filter(
        annotator=annotator, campaign_language=home, kind=Kind.QUALIFY, ended_at__isnull=False
    ).order_by("-ended_at", "-pk")


def _not_now(offer: Offer) -> str:
    if offer.wait_until is not None:
        return _("The next try opens later: read the guideline again until then.")
    return _("There is nothing to begin now.")


def _gold_for(
    annotator: Annotator,
    home: CampaignLanguage,
    *,
    kind: str,
    recalibration: Recalibration | None,
) -> tuple[list[GoldItem], bool]:
    """Gold to choose from, best first, and whether it is less than a session wants.

    Whoever remembers an answer has not been tested: nobody is let through on what they were told.
    """
    if kind == Kind.PRACTICE:
        return seen_once(annotator, home), False
    fresh = unseen_gold(annotator, home)
    few = not supply_of(home).enough or len(fresh) < ENOUGH_UNSEEN
    if kind == Kind.QUALIFY:
        return fresh, few
    if recalibration is not None:
        concerned = labels_concerned(recalibration, home)
        fresh.sort(key=lambda gold: gold.label_id not in concerned)
    return (fresh, False) if len(fresh) >= SHORT else (fresh + seen_once(annotator, home), True)


def labels_concerned(recalibration: Recalibration, home: CampaignLanguage) -> set[int]:
    """Labels that the changed paragraphs name; all of them where they name none."""
    parts = paragraphs(recalibration.guideline.text)
    text = "\n".join(parts[n] for n in recalibration.paragraphs if n < len(parts))
    labels = list(home.campaign.labels.all())
    tag = home.language.tag
    named = {
        label.pk
        for label in labels
        if any(speaks_of(text, name) for name in {label.name_in(tag), label.name})
    }
    return named or {label.pk for label in labels}


def _plan(
    gold: list[GoldItem], *, home: CampaignLanguage, annotator: Annotator, kind: str
) -> list[GoldItem]:
    size = home.campaign.qualify_cap if kind == Kind.QUALIFY else SHORT
    if kind == Kind.CHANGED:
        gold = gold[: 2 * size]
    number = annotator.calibrations.filter(campaign_language=home).count()
    seed = hashlib.sha256(f"{annotator.pk}:{home.pk}:{number}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(seed[:8], "big"))
    places = balanced([one.label_id for one in gold], size=size, rng=rng)
    return [gold[place] for place in places]


def _rules(plan: list[GoldItem], *, home: CampaignLanguage, kind: str) -> dict[str, float | None]:
    if kind != Kind.QUALIFY:
        return {"cap": len(plan), "enough": needed(len(plan))}
    campaign = home.campaign
    labels = campaign.labels.count()
    counts = [sum(one.label_id == pk for one in plan) for pk in {one.label_id for one in plan}]
    # With gold of one label only, guessing is as easy as among all that may be answered.
    guessing = chance(counts) if len(counts) > 1 else 1 / max(labels, 2)
    rules = Rules(
        chance=guessing,
        low=float(campaign.qualify_low),
        high=float(campaign.qualify_high),
        alpha=float(campaign.qualify_alpha),
        beta=float(campaign.qualify_beta),
        cap=len(plan),
    )
    return asdict(closing(rules))


def _show_next(session: CalibrationSession, *, now: datetime) -> SessionAnswer | None:
    shown = list(session.answers.values_list("gold_id", flat=True))
    open_to = GoldItem.objects.filter(pk__in=session.plan, retired_at=None, example=None)
    there = {gold.pk: gold for gold in open_to.filter(sample__withdrawn_at=None)}
    past: Container[int] = shown
    if session.kind == Kind.QUALIFY:
        # What was met elsewhere since the session began is no test any more.
        past = exposures(session.annotator, session.campaign_language)
    left = [pk for pk in session.plan if pk in there and pk not in past]
    if not left:
        return None
    gold = there[left[0]]
    return SessionAnswer.objects.create(
        session=session, gold=gold, truth=gold.label, position=len(shown), shown_at=now
    )


def _result(session: CalibrationSession, *, over: bool = False) -> str:
    """What the answers so far come to; empty while it goes on."""
    asked = session.right + session.wrong
    if session.kind == Kind.QUALIFY:
        return _verdict(session, over=over)
    if asked < session.rules["cap"] and not over:
        return ""
    if session.kind == Kind.PRACTICE:
        return Result.DONE
    return Result.QUALIFIED if session.right >= needed(asked) else Result.SUPERVISED


def _verdict(session: CalibrationSession, *, over: bool) -> str:
    rules = Rules(**session.rules)
    decision = decide(State(session.right, session.wrong), rules=rules)
    ends = {
        Decision.OPEN: Result.SUPERVISED if over else "",
        Decision.QUALIFIED: Result.QUALIFIED,
        Decision.SUPERVISED: Result.SUPERVISED,
        Decision.NOT_YET: Result.NOT_YET,
    }
    return str(ends[decision])


def _end(session: CalibrationSession, *, result: str, now: datetime) -> None:
    session.result, session.ended_at = Result(result), now
    session.save(update_fields=["result", "ended_at"])
    if session.kind == Kind.REFRESH:
        if result == Result.QUALIFIED:
            close_well(session, now=now)
    elif session.kind == Kind.QUALIFY:
        _stand(session, reason=_("Came out of a calibration session."), now=now)
        requalify(session.campaign_language, now=now)
    elif result == Result.SUPERVISED:
        _stand(session, reason=_("Answers differ from the changed guideline."), now=now)


def _stand(session: CalibrationSession, *, reason: str, now: datetime) -> None:
    campaign = session.campaign_language.campaign
    stand(
        session.annotator,
        campaign,
        state=session.result,
        reason=reason,
        now=now,
        session=session,
    )
