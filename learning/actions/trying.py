"""Trying: a visitor's text is answered by what serves, by a worker, and forgotten within the hour."""

import logging
from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from annotation.actions.reports.limits import throttle
from annotation.actions.reports.triage import standing_workarounds
from annotation.errors import InvalidInputError, VernacularError
from annotation.methods.grams import Grams
from annotation.models import Campaign, Language
from annotation.objectives import whole
from learning.actions.answering import Answer, answer_with
from learning.actions.saying import said_of
from learning.actions.serving import serving_version
from learning.errors import NothingServesError
from learning.models import LanguageCalibration, ModelVersion, Trial

logger = logging.getLogger(__name__)
# Kinds of question whose answers a visitor can read, and say of that they are wrong.
ANSWERABLE = ("classes", "grades", "pairs", "several", "spans")
KEPT = timedelta(hours=1)
LOST = timedelta(seconds=10)
GIVEN_UP = timedelta(minutes=10)
PER_HOUR = 60
MOST_CHARACTERS = 4_000
# From so much in common a text is like one whose answer is held back.
LIKE = 0.8


class TooManyTrialsError(VernacularError):
    """One client has tried very often within the hour."""

    code = "too_many_trials"
    status = 429


def ask(campaign: Campaign, *, language: Language, text: str, client: str, now: datetime) -> Trial:
    """Take a visitor's text; a worker answers it."""
    if client:  # programs with a key have none, and would all be one
        throttle(client, now=now)
    if campaign.objective not in ANSWERABLE:
        raise InvalidInputError(_("This kind of model cannot be tried here yet."))
    if len(text) > MOST_CHARACTERS:
        raise InvalidInputError(
            _("This text is too long."), remedy=_("Try at most 4,000 characters.")
        )
    told = whole(campaign.objective, told=text)
    if serving_version(campaign) is None:
        raise NothingServesError(_("No model serves here yet."))
    lately = Trial.objects.filter(client=client, asked_at__gt=now - timedelta(hours=1))
    if client and lately.count() >= PER_HOUR:
        raise TooManyTrialsError(_("Very many texts were tried from here."), remedy=_("Wait."))
    return Trial.objects.create(
        campaign=campaign, language=language, text=told, client=client, asked_at=now
    )


def answer_trial(trial_id: int, *, now: datetime) -> Trial | None:
    """Answer one text with what serves now; an answered one stays as it is."""
    trial = Trial.objects.select_related("campaign", "language").filter(pk=trial_id).first()
    if trial is None or trial.state != Trial.State.WAITING:
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


def _answered(trial: Trial, *, now: datetime) -> dict[str, object]:
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
    """Forget what is an hour old; return what waits although somebody was asked."""
    Trial.objects.filter(asked_at__lt=now - KEPT).delete()
    waiting = Trial.objects.filter(state=Trial.State.WAITING)
    waiting.filter(asked_at__lt=now - GIVEN_UP).update(
        state=Trial.State.FAILED, error=_("Nobody could answer it in time. Try it once more.")
    )
    return list(
        waiting.filter(asked_at__range=(now - GIVEN_UP, now - LOST)).values_list("pk", flat=True)
    )
