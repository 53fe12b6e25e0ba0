"""Doors of comparisons: two versions side by side."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from annotation.errors import VernacularError
from annotation.models import Campaign
from annotation.permissions import Ability, person_of, required
from annotation.templatetags.charts import Comparison
from annotation.views.numbers import number_in
from learning.models import ModelVersion
from training import tasks
from training.actions.dispatches import due
from training.actions.wishes import ask_to_measure, wishes_for


@required(Ability.WATCH)
@require_safe
def compare(request: HttpRequest, slug: str) -> HttpResponse:
    from training.actions.comparisons import compare_measured  # SciPy comes with it

    campaign = get_object_or_404(Campaign, slug=slug)
    a, b = (_version(campaign, request.GET.get(name, "")) for name in ("a", "b"))
    if a is None or b is None:
        messages.error(request, _("Choose two versions to compare."))
        return redirect("versions", slug)
    try:
        found = compare_measured(a, b)
    except VernacularError as error:
        messages.error(request, str(error))
        return redirect("versions", slug)
    measured = [row for row in found.rows if row.measured]
    context = {
        "campaign": campaign,
        "a": found.a,
        "b": found.b,
        "found": found,
        "wishes": wishes_for((a, b)),
        "lacking": [row for row in found.rows if row.items and not row.measured],
        "comparisons": [Comparison(row.language, row.a, row.b) for row in measured],
        "last": campaign.model_versions.count(),
    }
    return render(request, "training/version_compare.html", context)


@required(Ability.LEAD)
@require_POST
def measure(request: HttpRequest, slug: str) -> HttpResponse:
    """Have a worker measure both on the gold of today; the page shows it when that is done."""
    campaign = get_object_or_404(Campaign, slug=slug)
    versions = [_version(campaign, request.POST.get(name, "")) for name in ("a", "b")]
    found = [version for version in versions if version is not None]
    now = timezone.now()
    works = ask_to_measure(found, actor=person_of(request), now=now)
    tasks.send(due(works, now=now))
    messages.success(
        request, _("A worker measures them as soon as one is free. Look again in a moment.")
    )
    if len(found) < len(versions):
        return redirect("versions", slug)
    a, b = found
    return redirect(f"{reverse('version_compare', args=[slug])}?a={a.number}&b={b.number}")


def _version(campaign: Campaign, told: str) -> ModelVersion | None:
    number = number_in(told)
    if number is None:
        return None
    return campaign.model_versions.select_related("campaign").filter(number=number).first()
