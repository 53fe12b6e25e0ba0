"""Doors of fixes: speakers judge blindly, and a case is written in words of our own."""

from functools import partial

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from annotation.actions.choosing import chosen_label
from annotation.errors import VernacularError
from annotation.models import Campaign, CampaignLanguage, Label, Report, User
from annotation.objectives import objective, whole
from annotation.permissions import Ability, person_of, required
from annotation.views.fields import fields_of, form_of
from annotation.views.outcomes import attempt
from training.actions.cases import add_case
from training.actions.report_collecting import keep_case
from training.actions.report_verifying import judge_probe, may_judge, open_probes
from training.models import Probe, ReportCase, Verification


@required(Ability.ANSWER)
@require_http_methods(["GET", "HEAD", "POST"])
def probes(request: HttpRequest, slug: str, tag: str) -> HttpResponse:
    """Two answers to one text; which is the new model's nobody knows."""
    home = _home(slug, tag)
    user = person_of(request)
    if request.method == "POST":
        told = request.POST.get("probe", "")
        pk = int(told) if told.isdecimal() and len(told) < 18 else 0
        probe = get_object_or_404(
            Probe,
            pk=pk,
            verification__report__campaign=home.campaign,
            verification__report__language=home.language,
        )
        choice = request.POST.get("choice", "")
        act = partial(judge_probe, probe, user=user, choice=choice, now=timezone.now())
        attempt(request, act, done=_("Thank you."))
        return redirect("report_probes", slug, tag)
    probe_, left = _next(home, user)
    first: Label | None = probe_.old_label if probe_ else None
    second: Label | None = probe_.new_label if probe_ else None
    if probe_ and probe_.new_first:
        first, second = second, first
    context = {
        "campaign": home.campaign,
        "language": home.language,
        "probe": probe_,
        "left": left,
        "first": first,
        "second": second,
    }
    return render(request, "training/report_probes.html", context)


def _next(home: CampaignLanguage, user: User) -> tuple[Probe | None, int]:
    """Return the next probe for somebody, and how many wait for them."""
    running = Verification.objects.filter(
        state=Verification.State.JUDGING,
        report__campaign=home.campaign,
        report__language=home.language,
    )
    first: Probe | None = None
    left = 0
    for one in running.select_related("report__campaign", "report__language"):
        if may_judge(one.report, user):
            rows = open_probes(one, without=user).select_related("sample", "old_label", "new_label")
            left += rows.count()
            first = first or rows.order_by("pk").first()
    return first, left


@required(Ability.TRIAGE)
@require_http_methods(["GET", "HEAD", "POST"])
def case(request: HttpRequest, slug: str, tag: str, pk: int) -> HttpResponse:
    """Write a case in words of our own, where a report's may not be kept."""
    home = _home(slug, tag)
    report = get_object_or_404(Report.objects.in_language(home.campaign, home.language), pk=pk)
    if request.method == "POST":
        try:
            made = add_case(
                home.campaign,
                tag=tag,
                text=request.POST.get("text", ""),
                expected=_expected(request, home.campaign),
                source=f"report {report.pk}",
                created_by=person_of(request),
            )
            keep_case(report, case=made, own_words=True, by=person_of(request), now=timezone.now())
        except VernacularError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, _("Every candidate is asked it from now on."))
            return redirect("report_detail", slug, tag, pk)
    context = {
        "campaign": home.campaign,
        "language": home.language,
        "report": report,
        "labels": [
            (one.key, one.name_in(tag)) for one in home.campaign.labels.order_by("position")
        ],
        "told": request.POST,
        "chosen": request.POST.getlist("expected"),
        "form": "" if objective(home.campaign.objective).PLAIN else form_of(home.campaign),
        "cases": ReportCase.objects.filter(report=report).select_related("case"),
        "verifications": Verification.objects.filter(report=report).select_related(
            "version", "against"
        ),
    }
    return render(request, "training/report_case.html", context)


def _expected(request: HttpRequest, campaign: Campaign) -> list[str]:
    """Return the keys of the right answers: any label that was ticked, or the one that is composed."""
    if objective(campaign.objective).PLAIN:
        return request.POST.getlist("expected")
    text = whole(campaign.objective, told=request.POST.get("text", ""))
    return [chosen_label(campaign, fields=fields_of(request), text=text).key]


def _home(slug: str, tag: str) -> CampaignLanguage:
    homes = CampaignLanguage.objects.select_related("campaign", "language")
    return get_object_or_404(homes, campaign__slug=slug, language__tag=tag)
