"""Doors of one regression case and of a language's: who leads settles it, speakers dispute it."""

from functools import partial
from typing import Any

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from annotation.actions.reports.welfare import show_more
from annotation.models import CampaignLanguage, GoldItem, Label, Severity
from annotation.permissions import Ability, person_of, required
from annotation.views.outcomes import attempt
from training.actions.case_veils import veils_of_cases
from training.actions.case_versions import Terms, asked_since, dispute, settle, terms_of
from training.methods import predicates
from training.models import CaseDispute, CaseVersion, RegressionCase

PAGE = 20
Predicate = CaseVersion.Predicate


@required(Ability.LEAD)
@require_http_methods(["GET", "HEAD", "POST"])
def case(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """One case: what it asks for, how it came to be, what speakers say; and what is decided."""
    cases = RegressionCase.objects.select_related("campaign", "language")
    found = get_object_or_404(cases, pk=pk, campaign__slug=slug)
    terms, user, now = terms_of([found])[found.pk], person_of(request), timezone.now()
    if request.method == "POST" and "more" in request.POST:
        show_more(user, now=now)
        return redirect("case_detail", slug, pk)
    if request.method == "POST":
        severity = request.POST.get("severity", "")
        work = partial(
            settle,
            found,
            by=user,
            now=now,
            reason=request.POST.get("reason", ""),
            retire=request.POST.get("act") == "retire",
            predicate=request.POST.get("predicate", ""),
            told=[one.strip() for one in request.POST.get("told", "").splitlines() if one.strip()],
            severity=int(severity) if severity in map(str, Severity.values) else None,
        )
        attempt(request, work, done=_("Settled. The next gate goes by it."))
        return redirect("case_detail", slug, pk)
    told = told_by(found, terms)
    context = {
        "campaign": found.campaign,
        "case": found,
        "terms": terms,
        "veil": veils_of_cases([found], user=user, now=now)[found.pk],
        "state": CaseVersion.State(terms.state).label,
        "predicate": Predicate(terms.predicate).label,
        "predicates": _choices(terms),
        "severity": Severity(terms.severity).label,
        "severities": Severity.choices,
        "told": told,
        "told_lines": "\n".join(terms.told or _keys(found)),
        "reports": list(found.reports.values_list("report", flat=True)),
        "disputes": found.disputes.select_related("user"),
        "versions": found.versions.order_by("-number").select_related("made_by"),
    }
    return render(request, "training/case_detail.html", context)


def _choices(terms: Terms) -> list[tuple[str, Any]]:
    """Return what may hold of an answer: of texts that are written, or of labels."""
    fit = predicates.WRITTEN if terms.written else predicates.LABELLED
    return [(value, words) for value, words in Predicate.choices if value in fit]


def _keys(found: RegressionCase) -> list[str]:
    return list(found.expected(manager="everything").values_list("key", flat=True))


def told_by(found: RegressionCase, terms: Terms) -> list[str]:
    """Return the words that a case is about, or the names of its labels."""
    if terms.written:
        return list(terms.told)
    keys = _keys(found) if terms.predicate == predicates.RIGHT else terms.told
    labels = Label.everything.filter(campaign=found.campaign_id, key__in=keys)
    return [one.name_in(found.language.tag) for one in labels.order_by("position", "pk")]


def _of_speakers(home: CampaignLanguage) -> "QuerySet[RegressionCase]":
    """Return the cases that speakers may read: no gold text, whose right answer judges them, too."""
    gold = GoldItem.objects.filter(
        sample__campaign=home.campaign_id, sample__language=home.language_id
    )
    rows = RegressionCase.objects.filter(campaign=home.campaign_id, language=home.language_id)
    known = rows.filter(active=True, gold=None).exclude(text="")
    return known.exclude(digest__in=gold.values("sample__digest"))


@required(Ability.ANSWER)
@require_http_methods(["GET", "HEAD", "POST"])
def language_cases(request: HttpRequest, slug: str, tag: str) -> HttpResponse:
    """What models are held to in a language, for its speakers, who may say that it is not right."""
    homes = CampaignLanguage.objects.select_related("campaign", "language")
    home = get_object_or_404(homes, campaign__slug=slug, language__tag=tag)
    user, now = person_of(request), timezone.now()
    rows = _of_speakers(home).select_related("campaign", "language")
    if request.method == "POST" and "more" in request.POST:
        show_more(user, now=now)
        return redirect("language_cases", slug, tag)
    if request.method == "POST":
        number = request.POST.get("case", "")
        pk = int(number) if number.isdecimal() and len(number) < 18 else 0
        note = request.POST.get("note", "")
        work = partial(dispute, get_object_or_404(rows, pk=pk), user=user, note=note)
        attempt(request, partial(work, now=now), done=_("Thank you: it is kept."))
        return redirect("language_cases", slug, tag)
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    cases = list(page.object_list)
    known = terms_of(cases)
    mine = CaseDispute.objects.filter(case__in=cases, user=user)
    veils = veils_of_cases(cases, user=user, now=now)
    said = set(mine.values_list("case", "number"))
    shown = [
        {
            "case": one,
            "veil": veils[one.pk],
            "predicate": Predicate(known[one.pk].predicate).label,
            "told": told_by(one, known[one.pk]),
            "disputed": known[one.pk].disputed,
            "mine": (one.pk, asked_since(one)) in said,
        }
        for one in cases
    ]
    context = {"campaign": home.campaign, "language": home.language, "page": page, "cases": shown}
    context["enough"] = next((veil for veil in veils.values() if veil.kept), None)
    return render(request, "training/cases_language.html", context)
