"""Standings: whose answers count in a campaign, alone or beside one more, and since when."""

from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from annotation.errors import InvalidInputError
from annotation.models import (
    Annotator,
    CalibrationSession,
    Campaign,
    Standing,
    StandingChange,
    User,
)
from annotation.models.disagreeing import MOST_EYES, OPINIONS
from annotation.objectives import several, spans

State = Standing.State
# In these states answers count.
COUNTING = (State.QUALIFIED, State.SUPERVISED)
WAITS = "It counts as soon as a calibration session lets its author through."
SESSIONS = (
    "calibrate",
    "qualify_low",
    "qualify_high",
    "qualify_alpha",
    "qualify_beta",
    "qualify_cap",
    "qualify_after_hours",
)
DISAGREEING = ("most_answers", "subjective")
SETTINGS = SESSIONS + DISAGREEING


class SettingError(InvalidInputError):
    """Settings do not go together; the door shows it where ``setting`` is."""

    def __init__(self, message: str, *, remedy: str, setting: str) -> None:
        super().__init__(message, remedy=remedy)
        self.setting = setting


def standing_of(annotator: Annotator, campaign: Campaign) -> Standing:
    """Return a person's standing; whoever has none yet is a newcomer."""
    found = Standing.objects.filter(annotator=annotator, campaign=campaign).first()
    return found or Standing(annotator=annotator, campaign=campaign)


def may_answer(annotator: Annotator, campaign: Campaign) -> bool:
    """Whether a person's answers count; where no sessions are asked for, everybody's do."""
    return not campaign.calibrate or standing_of(annotator, campaign).state in COUNTING


def counting(campaign: Campaign, people: "QuerySet[Annotator]") -> "QuerySet[Annotator]":
    """Of these people, those whose answers count."""
    if not campaign.calibrate:
        return people
    through = Standing.objects.filter(campaign=campaign, state__in=COUNTING)
    return people.filter(pk__in=through.values("annotator"))


@transaction.atomic
def stand(  # noqa: PLR0913 - what a change of standing is
    annotator: Annotator,
    campaign: Campaign,
    *,
    state: str,
    reason: str,
    now: datetime,
    session: CalibrationSession | None = None,
    actor: User | None = None,
) -> Standing:
    """Give a person a standing and write down why; the same again changes nothing."""
    Annotator.objects.select_for_update().get(pk=annotator.pk)
    standing = standing_of(annotator, campaign)
    told = standing.pk and (session is None or standing.session_id == session.pk)
    if told and standing.state == state:
        return standing
    if standing.state != state or standing.since is None:
        standing.state, standing.since = State(state), now
    standing.session = session
    standing.save()
    StandingChange.objects.create(
        standing=standing, state=state, reason=reason[:300], session=session, actor=actor, at=now
    )
    return standing


@transaction.atomic
def set_calibration(
    campaign: Campaign, *, values: dict[str, Any], now: datetime, actor: User | None = None
) -> Campaign:
    """Set what sessions ask and what follows where people differ; the same again changes nothing.

    When sessions are switched on, whoever has answered already goes on with a second pair of
    eyes: nothing that they gave is lost, and their way to a session is open.
    """
    locked = Campaign.objects.select_for_update().get(pk=campaign.pk)
    if unknown := sorted(set(values) - set(SETTINGS)):
        raise InvalidInputError(_("Calibration has no setting %s.") % unknown[0])
    began = bool(values.get("calibrate")) and not locked.calibrate
    for name, value in values.items():
        setattr(locked, name, value)
    _check(locked)
    locked.save(update_fields=list(values))
    if began:
        known = Annotator.objects.filter(
            annotations__item__campaign_language__campaign=locked
        ).exclude(standings__campaign=locked)
        for annotator in known.distinct():
            reason = _("Answered before sessions were asked for.")
            stand(annotator, locked, state=State.SUPERVISED, reason=reason, now=now, actor=actor)
    return locked


def _refuse_what_marks_have_not(campaign: Campaign) -> None:
    """Refuse what means nothing where people mark stretches of a text."""
    if campaign.objective != spans.NAME:
        return
    if campaign.subjective:
        raise SettingError(
            _(
                "Marks in texts cannot be asked for as opinions: what is learned is one set of marks."
            ),
            remedy=_("Leave opinions off."),
            setting="subjective",
        )
    if campaign.relabel_share:
        raise SettingError(
            _("Marks in texts are not asked again by how much they are doubted."),
            remedy=_("Set the share asked again to 0; disputed texts are shown to more people."),
            setting="relabel_share",
        )


def refuse_contradictions(campaign: Campaign) -> None:
    """Refuse settings that each are fine and together do something else than they say."""
    if campaign.qualify_low >= campaign.qualify_high:
        raise SettingError(
            _("What is not good enough must be less than what is good."),
            remedy=_("Lower the first or raise the second."),
            setting="qualify_low",
        )
    answers, most = campaign.answers_per_item, campaign.most_answers
    if most < min(answers, MOST_EYES):
        values = {"answers": answers, "most": most}
        raise SettingError(
            _(
                "%(answers)d people answer every text, but only %(most)d may answer a disputed"
                " one: nobody more would ever be asked."
            )
            % values,
            remedy=_("Set “most answers per item” to %(answers)d or more.") % values,
            setting="most_answers",
        )
    _refuse_what_marks_have_not(campaign)
    if campaign.objective == several.NAME and campaign.relabel_share:
        raise SettingError(
            _("Answers of several labels are not asked again by how much they are doubted."),
            remedy=_("Set the share asked again to 0; disputed texts are shown to more people."),
            setting="relabel_share",
        )
    if campaign.subjective and answers < 2:
        raise SettingError(
            _("Opinions need two people on every text at least: one answer has no spread."),
            remedy=_("Set “answers per item” to 2, better to 3 or more."),
            setting="answers_per_item",
        )
    if campaign.subjective and most < OPINIONS:
        raise SettingError(
            _("Differing answers count as opinions from %d people on.") % OPINIONS,
            remedy=_("Set “most answers per item” to %d or more.") % OPINIONS,
            setting="most_answers",
        )


def _check(campaign: Campaign) -> None:
    try:
        campaign.clean_fields(
            exclude={field.name for field in campaign._meta.fields if field.name not in SETTINGS}
        )
    except ValidationError as error:
        told = "; ".join(f"{name}: {' '.join(said)}" for name, said in error.message_dict.items())
        raise InvalidInputError(told) from error
    refuse_contradictions(campaign)
