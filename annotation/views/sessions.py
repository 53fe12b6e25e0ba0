"""Doors of whoever answers: the guideline, calibration sessions, private notes, group sessions."""

from functools import partial

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotation.actions.calibration_story import feedback_on, labels_of, mixed_in, mixed_up
from annotation.actions.concerns import note_read, reply_to
from annotation.actions.exposures import seen_once
from annotation.actions.sessions import (
    answer_question,
    begin_session,
    object_to,
    offer_to,
    question_of,
)
from annotation.actions.standings import standing_of
from annotation.errors import VernacularError
from annotation.methods.guidelines import changed, paragraphs
from annotation.models import (
    Annotator,
    CalibrationSession,
    CampaignLanguage,
    Concern,
    Reliability,
    SessionAnswer,
)
from annotation.permissions import Ability, person_of, required
from annotation.views.fields import fields_of, form_of
from annotation.views.outcomes import attempt


def home_at(slug: str, tag: str) -> CampaignLanguage:
    """The campaign and language of an address."""
    return get_object_or_404(
        CampaignLanguage.objects.select_related("campaign", "language"),
        campaign__slug=slug,
        language__tag=tag,
    )


def number_in(request: HttpRequest, name: str) -> int | None:
    """A whole number that a form has sent, or nothing."""
    told = request.POST.get(name, "")
    return int(told) if told.isdecimal() and len(told) < 18 else None


def annotator_of(request: HttpRequest, home: CampaignLanguage) -> Annotator:
    """Who is signed in, as somebody who answers in the language."""
    found = Annotator.objects.filter(
        user=person_of(request), language=home.language_id, active=True
    ).first()
    if found is None:
        raise Http404(_("You do not answer in this language."))
    return found


@required(Ability.ANSWER)
@require_safe
def guideline(request: HttpRequest, slug: str, tag: str) -> HttpResponse:
    """A guideline with an address for each paragraph; older versions stay readable."""
    home = home_at(slug, tag)
    versions = list(home.guidelines.order_by("-version"))
    wanted = request.GET.get("version", "")
    shown = next((v for v in versions if str(v.version) == wanted), None)
    if wanted and shown is None:
        raise Http404
    shown = shown or (versions[0] if versions else None)
    before = next((v for v in versions if shown and v.version == shown.version - 1), None)
    new = set(changed(before.text, shown.text)) if before and shown else set()
    context = {
        "home": home,
        "campaign": home.campaign,
        "shown": shown,
        "versions": versions,
        "paragraphs": [
            (number, text, number - 1 in new)
            for number, text in enumerate(paragraphs(shown.text) if shown else [], 1)
        ],
        "labels": labels_of(home),
    }
    return render(request, "annotation/guideline.html", context)


@required(Ability.ANSWER)
@require_safe
@never_cache
def calibrate(request: HttpRequest, slug: str, tag: str) -> HttpResponse:
    """Where a person stands, what is open to them, and what explains the labels."""
    home = home_at(slug, tag)
    annotator = annotator_of(request, home)
    offer = offer_to(annotator, home, now=timezone.now())
    sessions = annotator.calibrations.filter(campaign_language=home, ended_at__isnull=False)
    reliability = Reliability.objects.filter(annotator=annotator, campaign=home.campaign).first()
    context = {
        "home": home,
        "campaign": home.campaign,
        "offer": offer,
        "practice": offer.practice and bool(seen_once(annotator, home)),
        "standing": standing_of(annotator, home.campaign),
        "concern": _open_concern(annotator, home),
        "sessions": sessions[:20],
        "labels": labels_of(home),
        "guideline": home.guidelines.order_by("-version").first(),
        "groups": annotator.group_sessions.filter(campaign_language=home).exclude(state="closed"),
        "reliability": reliability,
    }
    return render(request, "annotation/calibrate.html", context)


@required(Ability.ANSWER)
@require_POST
def begin(request: HttpRequest, slug: str, tag: str) -> HttpResponse:
    home = home_at(slug, tag)
    annotator = annotator_of(request, home)
    kind = request.POST.get("kind", "")
    try:
        session = begin_session(annotator, home, kind=kind, now=timezone.now())
    except VernacularError as error:
        messages.error(request, str(error))
        return redirect("calibrate", slug, tag)
    return redirect("calibration_session", slug, tag, session.pk)


@required(Ability.ANSWER)
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def session(request: HttpRequest, slug: str, tag: str, pk: int) -> HttpResponse:
    """The question that waits, with what was right of the last one; in the end the result."""
    home = home_at(slug, tag)
    annotator = annotator_of(request, home)
    mine = get_object_or_404(
        CalibrationSession.objects.select_related("guideline"),
        pk=pk,
        annotator=annotator,
        campaign_language=home,
    )
    if request.method == "POST":
        return _take_answer(request, mine)
    last = mine.answers.filter(label__isnull=False).order_by("-position").first()
    context: dict[str, object] = {
        "home": home,
        "campaign": home.campaign,
        "session": mine,
        "question": question_of(mine),
        "labels": labels_of(home),
        "form": form_of(home.campaign),
        "feedback": feedback_on(last, home=home) if last else None,
    }
    if mine.ended_at is None:
        return render(request, "annotation/calibrate_question.html", context)
    context |= {
        "mixed": mixed_up(mine),
        "offer": offer_to(annotator, home, now=timezone.now()),
        "standing": standing_of(annotator, home.campaign),
    }
    return render(request, "annotation/calibrate_result.html", context)


def _take_answer(request: HttpRequest, mine: CalibrationSession) -> HttpResponse:
    here = redirect("calibration_session", *_address(mine), mine.pk)
    position = number_in(request, "position")
    if position is None:
        messages.error(request, _("The answer came without its question: answer this one."))
        return here
    try:
        answer_question(
            mine,
            position=position,
            fields=fields_of(request),
            now=timezone.now(),
        )
    except VernacularError as error:
        messages.error(request, str(error))
    return here


@required(Ability.ANSWER)
@require_POST
def objection(request: HttpRequest, slug: str, tag: str, pk: int) -> HttpResponse:
    home = home_at(slug, tag)
    answer = get_object_or_404(
        SessionAnswer,
        pk=pk,
        session__annotator=annotator_of(request, home),
        session__campaign_language=home,
    )
    act = partial(object_to, answer, says=request.POST.get("says", ""))
    attempt(request, act, done=_("Thank you. Somebody will look at this text."))
    return redirect("calibration_session", slug, tag, answer.session_id)


@required(Ability.ANSWER)
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def concern(request: HttpRequest, slug: str, tag: str, pk: int) -> HttpResponse:
    """A private note: what was noticed, what it can mean, and room to answer."""
    home = home_at(slug, tag)
    annotator = annotator_of(request, home)
    note = get_object_or_404(Concern, pk=pk, annotator=annotator, campaign_language=home)
    if request.method == "POST":
        act = partial(reply_to, note, says=request.POST.get("says", ""), now=timezone.now())
        attempt(request, act, done=_("Your answer is kept; the coordinator reads it."))
        return redirect("concern", slug, tag, pk)
    note_read(note, now=timezone.now())
    context = {
        "home": home,
        "campaign": home.campaign,
        "concern": note,
        "mixed": mixed_in(note),
        "offer": offer_to(annotator, home, now=timezone.now()),
        "guideline": home.guidelines.order_by("-version").first(),
    }
    return render(request, "annotation/concern.html", context)


def _open_concern(annotator: Annotator, home: CampaignLanguage) -> Concern | None:
    return annotator.concerns.filter(campaign_language=home, closed_at=None).first()


def _address(mine: CalibrationSession) -> tuple[str, str]:
    home = mine.campaign_language
    return home.campaign.slug, home.language.tag
