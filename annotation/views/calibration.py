"""Doors of coordinators and admins: who stands where, open notes, gold, examples, settings."""

from functools import partial

from django.contrib import messages
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotation.actions.calibration_overview import odds, overview, people_of, signs_of
from annotation.actions.calibration_story import labels_of, mixed_in, mixed_up
from annotation.actions.concerns import decide_concern
from annotation.actions.exposures import glance, gold_for_people, supply_of
from annotation.actions.gold_care import doubtful_gold, make_example, retire_gold, set_rule
from annotation.actions.standings import set_calibration, standing_of
from annotation.errors import VernacularError
from annotation.models import (
    Annotator,
    CalibrationSession,
    Campaign,
    CampaignLanguage,
    Concern,
    DriftChart,
    GoldItem,
    Reliability,
    Standing,
    StandingChange,
)
from annotation.permissions import Ability, languages_with, may, members_of, person_of, required
from annotation.templatetags.charts import Series
from annotation.views.calibration_form import CalibrationForm
from annotation.views.outcomes import attempt
from annotation.views.sessions import home_at, number_in

# So much gold is offered to be made an example at a time.
OFFERED = 30


@required(Ability.PEOPLE)
@require_safe
def calibration(request: HttpRequest, slug: str) -> HttpResponse:
    campaign = get_object_or_404(Campaign, slug=slug)
    there = languages_with(person_of(request), Ability.PEOPLE, campaign=campaign)
    context = {
        "campaign": campaign,
        "rows": overview(campaign, languages=list(there)),
        "leads": may(person_of(request), Ability.LEAD, campaign=campaign),
    }
    return render(request, "annotation/calibration.html", context)


@required(Ability.LEAD)
@require_http_methods(["GET", "HEAD", "POST"])
def calibration_settings(request: HttpRequest, slug: str) -> HttpResponse:
    campaign = get_object_or_404(Campaign, slug=slug)
    form = CalibrationForm(request.POST or None, instance=campaign)
    if request.method == "POST" and form.is_valid():
        try:
            set_calibration(
                campaign,
                values=dict(form.cleaned_data),
                now=timezone.now(),
                actor=person_of(request),
            )
        except VernacularError as error:
            setting = getattr(error, "setting", None)
            form.add_error(setting if setting in form.fields else None, str(error))
        else:
            messages.success(request, _("Saved. Sessions that are open keep their rules."))
            return redirect("calibration", slug)
    # The form has put what was typed on the campaign: what is shown is what is saved.
    saved = Campaign.objects.get(pk=campaign.pk)
    context = {"campaign": saved, "form": form, "odds": odds(saved)}
    status = 422 if form.errors else 200
    return render(request, "annotation/calibration_settings.html", context, status=status)


@required(Ability.PEOPLE)
@require_safe
@never_cache
def calibration_language(request: HttpRequest, slug: str, tag: str) -> HttpResponse:
    """One language: its people, signs for a human eye, gold, examples and group sessions."""
    home = home_at(slug, tag)
    person = person_of(request)
    guides = may(person, Ability.GUIDE, campaign=home.campaign, language=home.language)
    answers = Annotator.objects.filter(user=person, language=home.language, active=True).exists()
    # Whoever answers here themselves is told first what it costs to look.
    offers = guides and (not answers or "gold" in request.GET)
    doubtful = doubtful_gold(home) if offers else []
    offered = list(_offered(home)) if offers else []
    glance(person, golds=[*offered, *(one.gold for one in doubtful)], now=timezone.now())
    context = {
        "home": home,
        "campaign": home.campaign,
        "supply": supply_of(home),
        "people": people_of(home),
        "signs": signs_of(home),
        "doubtful": doubtful,
        "labels": labels_of(home),
        "offered": offered,
        "offers": offers,
        "groups": home.group_sessions.all()[:20],
        "guides": guides,
    }
    return render(request, "annotation/calibration_language.html", context)


def _offered(home: CampaignLanguage) -> QuerySet[GoldItem]:
    """Gold that could become a worked example, and that no session has shown yet."""
    gold = gold_for_people(home).order_by("label__position", "pk")
    return gold.filter(session_answers=None)[:OFFERED]


@required(Ability.GUIDE)
@require_POST
def label_rule(request: HttpRequest, slug: str, tag: str) -> HttpResponse:
    home = home_at(slug, tag)
    label = get_object_or_404(home.campaign.labels, key=request.POST.get("label", ""))
    text = request.POST.get("text", "")
    act = partial(set_rule, home, label=label, text=text, actor=person_of(request))
    attempt(request, act, done=_("The rule is saved."))
    return redirect("calibration_language", slug, tag)


@required(Ability.GUIDE)
@require_POST
def worked_example(request: HttpRequest, slug: str, tag: str) -> HttpResponse:
    home = home_at(slug, tag)
    gold = get_object_or_404(
        GoldItem.objects.filter(sample__campaign=home.campaign, sample__language=home.language),
        pk=number_in(request, "gold"),
    )
    act = partial(
        make_example,
        gold,
        explanation=request.POST.get("explanation", ""),
        actor=person_of(request),
    )
    attempt(request, act, done=_("Everybody sees this text with its answer from now on."))
    return redirect("calibration_language", slug, tag)


@required(Ability.GUIDE)
@require_POST
def gold_retire(request: HttpRequest, slug: str, tag: str, pk: int) -> HttpResponse:
    home = home_at(slug, tag)
    gold = get_object_or_404(
        GoldItem, pk=pk, sample__campaign=home.campaign, sample__language=home.language
    )
    act = partial(
        retire_gold,
        gold,
        reason=request.POST.get("reason", ""),
        now=timezone.now(),
        actor=person_of(request),
    )
    attempt(request, act, done=_("Retired: nobody is asked it, and nothing is judged by it."))
    return redirect("calibration_language", slug, tag)


@required(Ability.PEOPLE)
@require_safe
@never_cache
def calibration_person(request: HttpRequest, slug: str, tag: str, pk: int) -> HttpResponse:
    """One person: sessions and what was mixed up, charts, notes and what is to follow."""
    home = home_at(slug, tag)
    annotator = get_object_or_404(_known_here(home).select_related("user", "language"), pk=pk)
    sessions = annotator.calibrations.filter(campaign_language=home, ended_at__isnull=False)
    concerns = annotator.concerns.filter(campaign_language=home)
    context = {
        "home": home,
        "campaign": home.campaign,
        "annotator": annotator,
        "mine": annotator.user_id == person_of(request).pk,
        "standing": standing_of(annotator, home.campaign),
        "changes": StandingChange.objects.filter(
            standing__annotator=annotator, standing__campaign=home.campaign
        ).select_related("actor")[:20],
        "reliability": Reliability.objects.filter(
            annotator=annotator, campaign=home.campaign
        ).first(),
        "sessions": [(one, mixed_up(one)) for one in sessions.select_related("guideline")[:10]],
        "charts": [_drawn(chart) for chart in _charts(annotator, home)],
        "concerns": [(one, mixed_in(one)) for one in concerns.select_related("refresher")[:10]],
    }
    return render(request, "annotation/calibration_person.html", context)


@required(Ability.PEOPLE)
@require_POST
def concern_decide(request: HttpRequest, slug: str, tag: str, pk: int) -> HttpResponse:
    home = home_at(slug, tag)
    note = get_object_or_404(Concern, pk=pk, campaign_language=home)
    act = partial(
        decide_concern,
        note,
        outcome=request.POST.get("outcome", ""),
        remark=request.POST.get("remark", ""),
        actor=person_of(request),
        now=timezone.now(),
    )
    attempt(request, act, done=_("Decided; the person sees it with your remark."))
    return redirect("calibration_person", slug, tag, note.annotator_id)


def _known_here(home: CampaignLanguage) -> QuerySet[Annotator]:
    """Who answers in the language of this campaign, or was judged in it before they left."""
    team = members_of(home.campaign, home.language)
    people = Annotator.objects.filter(language=home.language)
    was_here = (
        Exists(CalibrationSession.objects.filter(annotator=OuterRef("pk"), campaign_language=home))
        | Exists(Concern.objects.filter(annotator=OuterRef("pk"), campaign_language=home))
        | Exists(Standing.objects.filter(annotator=OuterRef("pk"), campaign=home.campaign))
    )
    return people.filter(Q(pk__in=team.values("pk")) | was_here)


def _charts(annotator: Annotator, home: CampaignLanguage) -> list[DriftChart]:
    """The charts that run, and those of an open note."""
    charts = DriftChart.objects.filter(annotator=annotator, campaign_language=home.pk)
    if home.campaign.subjective:
        # Where opinions are asked for it does not run: to differ is no sign of anything.
        charts = charts.exclude(kind=DriftChart.Kind.SURPRISE)
    running = charts.filter(ended_at=None) | charts.filter(concern__closed_at=None)
    return list(running.distinct().order_by("kind"))


def _drawn(chart: DriftChart) -> tuple[DriftChart, list[Series]]:
    levels = list(chart.points.order_by("pk").values_list("level", flat=True))
    points = [(0.0, 0.0), *((float(n), level) for n, level in enumerate(levels, 1))]
    limit = [(0.0, chart.limit), (float(max(len(levels), 1)), chart.limit)]
    return chart, [Series(_("level"), points), Series(_("alarm"), limit)]
