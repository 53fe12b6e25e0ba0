"""Trying: a visitor's text is answered by what serves, by a worker, and forgotten within the hour."""

import logging
import math
from datetime import datetime, timedelta
from threading import Lock

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from annotation.actions.reports.limits import throttle
from annotation.actions.reports.triage import standing_workarounds
from annotation.errors import InvalidInputError, VernacularError
from annotation.methods.grams import Grams
from annotation.methods.texts import unstorable
from annotation.models import Campaign, Language
from annotation.objectives import whole
from learning.actions.answering import Answer, answer_with
from learning.actions.generators import JUDGING, serving_generator
from learning.actions.saying import said_of
from learning.actions.served_writing import writes, written_by
from learning.actions.serving import serving_version
from learning.errors import NothingServesError
from learning.models import LanguageCalibration, ModelVersion, Trial

logger = logging.getLogger(__name__)
# Kinds of question whose answers a visitor can read, and say of that they are wrong.
ANSWERABLE = ("classes", "grades", "pairs", "several", "spans")
KEPT = timedelta(hours=1)
LOST = timedelta(seconds=10)
GIVEN_UP = timedelta(minutes=10)
# A worker that has not answered by then is gone: whoever comes next may answer.
CLAIMED = timedelta(minutes=5)
# Whoever was asked to answer is asked again after so long, and not each time somebody looks.
GIVEN = timedelta(minutes=2)
AN_HOUR = timedelta(hours=1)
PER_HOUR = 60
# So many wait at most, of everybody together: who comes later would wait for nothing.
MOST_WAITING = 100
MOST_CHARACTERS = 4_000
# From so much in common a text is like one whose answer is held back.
LIKE = 0.8
# One thread at most of a worker writes for visitors: the others have imports and letters to do.
_desk = Lock()


class TooManyTrialsError(VernacularError):
    """One client has tried very often within the hour."""

    code = "too_many_trials"
    status = 429

    def __init__(self, message: str, *, until: datetime, now: datetime) -> None:
        self.seconds = max(1, math.ceil((until - now).total_seconds()))
        super().__init__(message, remedy=_in_minutes(-(-self.seconds // 60)))


class FullOfTrialsError(TooManyTrialsError):
    """More texts wait for an answer than can be answered before everybody has left."""

    code = "full_of_trials"


def _in_minutes(number: int) -> str:
    told = ngettext("Try it again in %d minute.", "Try it again in %d minutes.", number)
    return told % number


def ask(campaign: Campaign, *, language: Language, text: str, client: str, now: datetime) -> Trial:
    """Take a visitor's text; a worker answers it."""
    if client:  # programs with a key have none, and would all be one
        throttle(client, now=now)
    if len(text) > MOST_CHARACTERS:
        raise InvalidInputError(
            _("This text is too long."), remedy=_("Try at most 4,000 characters.")
        )
    told = text if writes(campaign) else whole(campaign.objective, told=text)
    if not told.strip() or unstorable(told):
        raise InvalidInputError(_("Write a text."), remedy=_("Plain text is all that is needed."))
    if nothing := why_nothing(campaign):
        raise NothingServesError(nothing)
    _refuse_too_many(client, now=now)
    return Trial.objects.create(
        campaign=campaign, language=language, text=told, client=client, asked_at=now
    )


def _refuse_too_many(client: str, *, now: datetime) -> None:
    """Raise where one tries too often, or all together: until so many are old enough not to count."""
    lately = Trial.objects.filter(client=client, asked_at__gt=now - AN_HOUR)
    if client and (until := _room_at(lately, most=PER_HOUR, after=AN_HOUR)):
        raise TooManyTrialsError(_("Very many texts were tried from here."), until=until, now=now)
    waiting = _free(now).filter(asked_at__gt=now - GIVEN_UP)
    if until := _room_at(waiting, most=MOST_WAITING, after=GIVEN_UP):
        told = _("Very many people are trying texts at the moment.")
        raise FullOfTrialsError(told, until=until, now=now)


def _room_at(rows: "QuerySet[Trial]", *, most: int, after: timedelta) -> datetime | None:
    """Return when there is room for one more at the latest; None where there is."""
    asked = rows.order_by("-asked_at").values_list("asked_at", flat=True)[most - 1 : most]
    return next((at + after for at in asked), None)


def why_nothing(campaign: Campaign) -> str:
    """Say why nothing can be tried here; nothing where something can be."""
    if writes(campaign):
        if serving_generator(campaign) is None:
            return _(
                "People judge here what models wrote. No model that writes serves yet, so there is"
                " nothing to try."
            )
    elif serving_version(campaign) is None:
        return _("No model serves here yet.")
    return ""


def answer_trial(trial_id: int, *, now: datetime) -> Trial | None:
    """Answer one text with what serves now; an answered one, or one that somebody is at, stays as it is.

    What is to be written waits while another is written here: whoever writes it asks for the next.
    """
    trial = Trial.objects.select_related("campaign", "language").filter(pk=trial_id).first()
    if trial is None or trial.state != Trial.State.WAITING:
        return trial
    if not writes(trial.campaign):
        return _answer(trial, now=now)
    if not _desk.acquire(blocking=False):
        return trial
    try:
        return _answer(trial, now=now)
    finally:
        _desk.release()


def _free(now: datetime) -> "QuerySet[Trial]":
    """Return what waits and nobody is at, or only somebody who must be gone."""
    claimed = Q(claimed_at=None) | Q(claimed_at__lte=now - CLAIMED)
    return Trial.objects.filter(claimed, state=Trial.State.WAITING)


def _answer(trial: Trial, *, now: datetime) -> Trial:
    if not _free(now).filter(pk=trial.pk).update(claimed_at=now):
        return trial
    values: dict[str, object] = {"answered_at": now}
    try:
        values |= {"state": Trial.State.DONE, "answer": _answered(trial, now=now)}
    except VernacularError as error:
        values |= {"state": Trial.State.FAILED, "error": str(error)[:200]}
    except Exception:
        logger.exception("trial %s could not be answered", trial.pk)
        values |= {"state": Trial.State.FAILED, "error": _("Something went wrong here.")}
    Trial.objects.filter(pk=trial.pk, state=Trial.State.WAITING).update(**values)
    trial.refresh_from_db()
    return trial


def next_written(*, now: datetime) -> int | None:
    """Return which text that is to be written waits the longest; nothing where none does."""
    waiting = _free(now).filter(asked_at__gt=now - GIVEN_UP, campaign__objective__in=JUDGING)
    return waiting.order_by("asked_at", "pk").values_list("pk", flat=True).first()


def _answered(trial: Trial, *, now: datetime) -> dict[str, object]:
    if writes(trial.campaign):
        return _written(trial, now=now)
    version = serving_version(trial.campaign)
    if version is None:
        raise NothingServesError(_("No model serves here yet."))
    if _is_held_back(trial, now=now):
        return {"version": version.number, "digest": version.digest, "held_back": True}
    tag = trial.language.tag
    answer = answer_with(version, texts=[trial.text], languages=[tag])[0]
    said = said_of(answer, campaign=trial.campaign, text=trial.text)
    told: dict[str, object] = {
        "version": version.number,
        "digest": version.digest,
        "label": answer.label,
        "name": said.name,
        "confidence": round(answer.confidence, 4),
        "honest": answer.honest,
        **_undecided(trial, version, answer),
    }
    return told if said.value is None else told | {"value": said.value, "parts": said.parts}


def _written(trial: Trial, *, now: datetime) -> dict[str, object]:
    version = serving_generator(trial.campaign)
    if version is None:
        raise NothingServesError(why_nothing(trial.campaign))
    about: dict[str, object] = {"version": version.number, "digest": version.digest}
    if _is_held_back(trial, now=now):
        return about | {"held_back": True}
    told = written_by(version, source=trial.text, language=trial.language.tag)
    return about | {
        "written": told.text,
        "finished": told.finished,
        "log_probability": told.log_probability,
    }


def _undecided(trial: Trial, version: ModelVersion, answer: Answer) -> dict[str, object]:
    """Say what else the answer may be: of one label which ones, of a set which ones may hold too."""
    names = {label.key: label.name_in(answer.language) for label in trial.campaign.labels.all()}
    rule = LanguageCalibration.objects.filter(version=version, language=trial.language).first()
    likely = sorted(answer.probabilities.items(), key=lambda one: -one[1])
    held = [key for key, p in likely if rule and 1 - p <= rule.set_threshold]
    return {
        "set": [{"label": key, "name": names.get(key, key)} for key in held],
        "set_level": rule.set_level if rule else None,
        "probabilities": {key: round(p, 4) for key, p in likely},
    }


def _is_held_back(trial: Trial, *, now: datetime) -> bool:
    """Tell whether the text is like one that does harm until it is mended."""
    held = [
        one.input_text
        for one in standing_workarounds(trial.campaign, now=now)
        if one.input_text and one.language_id == trial.language_id
    ]
    return bool(held) and Grams(held).like(trial.text, threshold=LIKE)


def tend_trials(*, now: datetime) -> list[int]:
    """Forget what is an hour old; return what waits although somebody was asked a while ago."""
    Trial.objects.filter(asked_at__lt=now - KEPT).delete()
    _free(now).filter(asked_at__lt=now - GIVEN_UP).update(
        state=Trial.State.FAILED, error=_("Nobody could answer it in time. Try it once more.")
    )
    asked = Q(given_at=None) | Q(given_at__lte=now - GIVEN)
    lost = _free(now).filter(asked, asked_at__range=(now - GIVEN_UP, now - LOST))
    found = list(lost.order_by("asked_at", "pk").values_list("pk", flat=True)[:MOST_WAITING])
    Trial.objects.filter(pk__in=found).update(given_at=now)
    return found
