"""Doors of fixes: speakers judge blindly, and a case is written in words of our own."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from annotation.actions.choosing import chosen_label
from annotation.actions.reports.welfare import OPEN, show_more, veil_of
from annotation.errors import VernacularError
from annotation.models import Campaign, CampaignLanguage, Label, Report, User
from annotation.objectives import objective, whole
from annotation.objectives.ratings import LABELS
from annotation.permissions import Ability, person_of, required
from annotation.views.fields import fields_of, form_of
from annotation.views.outcomes import attempt
from learning.actions.served_writing import writes
from training.actions.case_veils import veils_of_cases
from training.actions.cases import add_case, add_written_case
from training.actions.report_collecting import erase_case, keep_case
from training.actions.report_verifying import judge_probe, may_judge, open_probes
from training.actions.report_writing import judge_writing, open_writings
from training.actions.written_cases import rate, to_rate
from training.methods.predicates import WRITTEN
from training.models import (
    CaseVersion,
    Probe,
    RegressionCase,
    ReportCase,
    Verification,
    WritingCheck,
    WritingProbe,
)

GRADES = tuple(LABELS)


@required(Ability.ANSWER)
@require_http_methods(["GET", "HEAD", "POST"])
def probes(request: HttpRequest, slug: str, tag: str) -> HttpResponse:
    """Two answers to one text; which is the new model's nobody knows."""
    home = _home(slug, tag)
    if writes(home.campaign):
        return redirect("report_writings", slug, tag)
    user, now = person_of(request), timezone.now()
    if request.method == "POST" and "more" in request.POST:
        show_more(user, now=now)
        return redirect("report_probes", slug, tag)
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
        act = partial(judge_probe, probe, user=user, choice=choice, now=now)
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
        "veil": veil_of(probe_.verification.report, user=user, now=now) if probe_ else OPEN,
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
            rows = open_probes(one, without=user).select_related(
                "sample", "old_label", "new_label", "verification__report"
            )
            left += rows.count()
            first = first or rows.order_by("pk").first()
    return first, left


@required(Ability.ANSWER)
@require_http_methods(["GET", "HEAD", "POST"])
def writings(request: HttpRequest, slug: str, tag: str) -> HttpResponse:
    """Two texts that were written for one source, or one to be rated; whose they are nobody knows."""
    home = _home(slug, tag)
    user, now = person_of(request), timezone.now()
    if request.method == "POST":
        _take_word(request, home, user=user, now=now)
        return redirect("report_writings", slug, tag)
    mine = [
        one
        for check in WritingCheck.objects.filter(
            state=WritingCheck.State.JUDGING,
            report__campaign=home.campaign,
            report__language=home.language,
        ).select_related("report__campaign", "report__language")
        if may_judge(check.report, user)
        for one in open_writings(check, without=user).order_by("pk")
    ]
    rates = to_rate(home.campaign, language=home.language, user=user)
    first = mine[0] if mine else None
    rated = None if first else next(iter(rates), None)
    veil = OPEN
    if first:
        veil = veil_of(first.check_of.report, user=user, now=now)
    elif rated:
        veil = veils_of_cases([rated[0]], user=user, now=now)[rated[0].pk]
    sides = [first.old_text, first.new_text] if first else []
    context = {
        "campaign": home.campaign,
        "language": home.language,
        "probe": first,
        "sides": sides[::-1] if first and first.new_first else sides,
        "rated": rated,
        "veil": veil,
        "grades": [(value, LABELS[value]) for value in GRADES],
        "left": len(mine) + len(rates),
    }
    return render(request, "training/report_writings.html", context)


def _take_word(request: HttpRequest, home: CampaignLanguage, *, user: User, now: datetime) -> None:
    """Keep a choice, or a grade; or show somebody more hard texts today."""
    if "more" in request.POST:
        show_more(user, now=now)
        return
    act: Callable[[], object]
    if grade := request.POST.get("grade", ""):
        cases = RegressionCase.objects.filter(campaign=home.campaign, language=home.language)
        found = get_object_or_404(cases, pk=_number(request, "case"))
        text, told = request.POST.get("text", ""), int(grade) if grade in GRADES else 0
        act = partial(rate, found, text=text, user=user, grade=told, now=now)
    else:
        here = WritingProbe.objects.filter(
            check_of__report__campaign=home.campaign, check_of__report__language=home.language
        )
        probe = get_object_or_404(here, pk=_number(request, "probe"))
        choice = request.POST.get("choice", "")
        act = partial(judge_writing, probe, user=user, choice=choice, now=now)
    attempt(request, act, done=_("Thank you."))


def _number(request: HttpRequest, name: str) -> int:
    told = request.POST.get(name, "")
    return int(told) if told.isdecimal() and len(told) < 18 else 0


@required(Ability.TRIAGE)
@require_http_methods(["GET", "HEAD", "POST"])
def case(request: HttpRequest, slug: str, tag: str, pk: int) -> HttpResponse:
    """Write a case in words of our own, where a report's may not be kept."""
    home = _home(slug, tag)
    report = get_object_or_404(Report.objects.in_language(home.campaign, home.language), pk=pk)
    user, now = person_of(request), timezone.now()
    if request.method == "POST" and "more" in request.POST:
        show_more(user, now=now)
        return redirect("report_case", slug, tag, pk)
    if request.method == "POST" and "erase" in request.POST:
        rows = ReportCase.objects.filter(report=report).select_related("case")
        old = get_object_or_404(rows, case=_number(request, "erase")).case
        work = partial(erase_case, report, case=old, user=user, now=now)
        attempt(request, work, done=_("Its words are erased, and it is asked no more."))
        return redirect("report_case", slug, tag, pk)
    if request.method == "POST":
        try:
            made = _made(request, report, tag=tag)
            keep_case(report, case=made, own_words=True, by=user, now=now)
        except VernacularError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, _("Every candidate is asked it from now on."))
            return redirect("report_detail", slug, tag, pk)
    brought = list(ReportCase.objects.filter(report=report).select_related("case"))
    veils = veils_of_cases([one.case for one in brought], user=user, now=now)
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
        "cases": [(one, veils[one.case_id]) for one in brought],
        "enough": next((veil for veil in veils.values() if veil.kept), None),
        "verifications": [
            *report.verifications.select_related("version__campaign"),
            *report.writingchecks.select_related("version__campaign"),
        ],
        "predicates": [
            (value, words)
            for value, words in CaseVersion.Predicate.choices
            if writes(home.campaign) and value in WRITTEN
        ],
    }
    return render(request, "training/report_case.html", context)


def _made(request: HttpRequest, report: Report, *, tag: str) -> RegressionCase:
    """Make the case that somebody wrote down: of answers, or of what is written."""
    about: dict[str, Any] = {
        "tag": tag,
        "text": request.POST.get("text", ""),
        "source": f"report {report.pk}",
        "created_by": person_of(request),
        "severity": report.severity,
    }
    if not writes(report.campaign):
        expected = _expected(request, report.campaign)
        return add_case(report.campaign, expected=expected, **about)
    lines = request.POST.get("told", "").splitlines()
    predicate = request.POST.get("predicate", "")
    told = [one.strip() for one in lines if one.strip()]
    return add_written_case(report.campaign, predicate=predicate, told=told, **about)


def _expected(request: HttpRequest, campaign: Campaign) -> list[str]:
    """Return the keys of the right answers: any label that was ticked, or the one that is composed."""
    if objective(campaign.objective).PLAIN:
        return request.POST.getlist("expected")
    text = whole(campaign.objective, told=request.POST.get("text", ""))
    return [chosen_label(campaign, fields=fields_of(request), text=text).key]


def _home(slug: str, tag: str) -> CampaignLanguage:
    homes = CampaignLanguage.objects.select_related("campaign", "language")
    return get_object_or_404(homes, campaign__slug=slug, language__tag=tag)
