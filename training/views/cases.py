"""Doors of regression cases: what must stay right in a campaign."""

from functools import partial

from django.core.paginator import Paginator
from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from annotation.actions.reports.welfare import show_more
from annotation.errors import VernacularError
from annotation.models import Campaign, GoldItem, Label
from annotation.permissions import Ability, person_of, required
from annotation.views.outcomes import attempt
from training.actions.case_veils import veils_of_cases
from training.actions.cases import add_case, case_from_gold, switch_case
from training.forms import CaseForm
from training.models import RegressionCase

PAGE = 50


@required(Ability.LEAD)
@require_http_methods(["GET", "HEAD", "POST"])
def cases(request: HttpRequest, slug: str) -> HttpResponse:
    campaign = get_object_or_404(Campaign, slug=slug)
    if request.method == "POST" and "more" in request.POST:
        show_more(person_of(request), now=timezone.now())
        return redirect("cases", slug)
    form = CaseForm(request.POST or None, campaign=campaign)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            add_case(
                campaign,
                tag=data["language"],
                text=data["text"],
                expected=data["expected"],
                source=data["source"],
                created_by=person_of(request),
            )
        except VernacularError as error:
            form.add_error(None, str(error))
        else:
            attempt(request, lambda: None, done=_("Every candidate is asked it from now on."))
            return redirect("cases", slug)
    rows = (
        RegressionCase.objects.filter(campaign=campaign)
        .select_related("language")
        .prefetch_related(Prefetch("expected", queryset=Label.everything.all()))
    )
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    veils = veils_of_cases(page.object_list, user=person_of(request), now=timezone.now())
    context = {
        "campaign": campaign,
        "form": form,
        "page": page,
        "rows": [(one, veils[one.pk]) for one in page.object_list],
        "enough": next((veil for veil in veils.values() if veil.kept), None),
    }
    status = 422 if form.errors else 200
    return render(request, "training/cases.html", context, status=status)


@required(Ability.LEAD)
@require_POST
def switch(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    case = get_object_or_404(RegressionCase, pk=pk, campaign__slug=slug)
    done = _("It is asked no more.") if case.active else _("It is asked again.")
    attempt(
        request,
        partial(switch_case, case, active=not case.active, by=person_of(request)),
        done=done,
    )
    return redirect("cases", slug)


@required(Ability.LEAD)
@require_POST
def from_gold(request: HttpRequest, slug: str) -> HttpResponse:
    """Make a case of the gold item whose sample is named by our number or by the import's id."""
    campaign = get_object_or_404(Campaign, slug=slug)
    name = request.POST.get("sample", "").strip()
    gold = GoldItem.objects.filter(sample__campaign=campaign).select_related(
        "sample__language", "sample__campaign", "label"
    )
    by_number = (
        gold.filter(sample=int(name)) if name.isdecimal() and len(name) < 18 else gold.none()
    )
    found = (
        by_number.first()
        or gold.filter(sample__external_id=name).exclude(sample__external_id=None).first()
    )
    if found is None:
        attempt(request, partial(_refuse, name), done="")
    else:
        act = partial(case_from_gold, found, created_by=person_of(request))
        attempt(request, act, done=_("Every candidate is asked it from now on."))
    return redirect("cases", slug)


def _refuse(name: str) -> None:
    raise VernacularError(_("No gold text has the number or id %s.") % (name or "–"))
