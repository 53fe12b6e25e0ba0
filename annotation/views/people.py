"""Doors for people: those who answer, and what they answered that does not fit."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, Prefetch, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from annotation.actions.quarantine import lay_aside
from annotation.models import Annotation, Annotator, Campaign, QuarantinedAnswer, Reliability
from annotation.permissions import staff_required


@staff_required
@require_safe
def people(request: HttpRequest, slug: str) -> HttpResponse:
    campaign = get_object_or_404(Campaign, slug=slug)
    here = Q(annotations__item__campaign_language__campaign=campaign)
    answered = Q(annotations__state=Annotation.State.ANSWERED)
    annotators = (
        Annotator.objects.filter(language__campaigns__campaign=campaign)
        .select_related("user", "language")
        .prefetch_related(
            Prefetch(
                "reliabilities",
                queryset=Reliability.objects.filter(campaign=campaign),
                to_attr="here",
            )
        )
        .annotate(given=Count("annotations", filter=here & answered))
        .order_by("language__tag", "user__username")
    )
    context = {"campaign": campaign, "annotators": annotators}
    return render(request, "annotation/people.html", context)


@staff_required
@require_safe
def quarantine(request: HttpRequest, slug: str) -> HttpResponse:
    campaign = get_object_or_404(Campaign, slug=slug)
    everything = request.GET.get("show") == "all"
    answers = QuarantinedAnswer.objects.filter(campaign_language__campaign=campaign).select_related(
        "campaign_language__language", "item__sample"
    )
    if not everything:
        answers = answers.filter(resolved_at=None)
    context = {
        "campaign": campaign,
        "page": Paginator(answers, 20).get_page(request.GET.get("page")),
        "everything": everything,
        "query": "&show=all" if everything else "",
    }
    return render(request, "annotation/quarantine.html", context)


@staff_required
@require_POST
def lay_aside_quarantined(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    answer = get_object_or_404(QuarantinedAnswer, campaign_language__campaign__slug=slug, pk=pk)
    if lay_aside(answer, now=timezone.now()):
        messages.success(request, _("Laid aside. It stays stored and is never trained on."))
    return redirect("quarantine", slug)
