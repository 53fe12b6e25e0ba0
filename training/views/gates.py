"""Doors of a gate: its verdict explained, its record to take away, and who answers for a hold."""

import csv
import io
from functools import partial

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotation.models import Campaign
from annotation.permissions import person_of, staff_required
from annotation.views.outcomes import attempt
from training.actions.gate_records import unpacked
from training.actions.gate_story import COLUMNS, record_of, row_of, story_of
from training.actions.promotion import promote
from training.actions.review import verdict_sentence
from training.actions.waivers import grant_waiver, revoke_waiver
from training.forms import GateSettingsForm, WaiverForm
from training.models import GatePredictions, GateRun, Waiver


@staff_required
@require_safe
def detail(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    return _page(request, _gate(request, slug, pk), form=WaiverForm())


@staff_required
@require_POST
def waive(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    gate, form = _gate(request, slug, pk), WaiverForm(request.POST)
    if not form.is_valid():
        return _page(request, gate, form=form, status=422)
    act = partial(
        grant_waiver, gate, **form.cleaned_data, granted_by=person_of(request), now=timezone.now()
    )
    attempt(request, act, done=_("The waiver holds. The version serves when you say so."))
    return redirect("gate_detail", slug, pk)


@staff_required
@require_POST
def revoke(request: HttpRequest, slug: str, pk: int, waiver: int) -> HttpResponse:
    found = get_object_or_404(Waiver, pk=waiver, gate__run=pk, gate__run__campaign__slug=slug)
    act = partial(revoke_waiver, found, actor=person_of(request), now=timezone.now())
    attempt(request, act, done=_("The waiver is taken back."))
    return redirect("gate_detail", slug, pk)


@staff_required
@require_POST
def serve(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    gate = _gate(request, slug, pk)
    act = partial(promote, gate, actor=person_of(request), now=timezone.now())
    done = _("Version %d serves from now on.") % gate.candidate.number
    attempt(request, act, done=done)
    return redirect("gate_detail", slug, pk)


@staff_required
@require_safe
def as_csv(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    gate = _gate(request, slug, pk)
    file = io.StringIO()
    writer = csv.DictWriter(file, COLUMNS)
    writer.writeheader()
    for line in story_of(gate, now=timezone.now()).lines:
        writer.writerow(row_of(line, gate=gate))
    return _file(file.getvalue().encode(), gate, kind="text/csv; charset=utf-8", ending="csv")


@staff_required
@require_safe
def as_json(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    story = story_of(_gate(request, slug, pk), now=timezone.now())
    return JsonResponse(record_of(story), json_dumps_params={"ensure_ascii": False, "indent": 1})


@staff_required
@require_safe
def predictions(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    gate = _gate(request, slug, pk)
    found = get_object_or_404(GatePredictions, gate=gate)
    return _file(unpacked(found), gate, kind="application/jsonl", ending="jsonl")


@staff_required
@require_http_methods(["GET", "HEAD", "POST"])
def settings(request: HttpRequest, slug: str) -> HttpResponse:
    campaign = get_object_or_404(Campaign, slug=slug)
    admin = person_of(request).is_superuser
    form = GateSettingsForm(request.POST or None, instance=campaign, admin=admin)
    if request.method == "POST" and form.is_valid():
        # Only what the form holds: the loop may be writing the rest of the row.
        form.instance.save(update_fields=list(form.fields))
        attempt(request, lambda: None, done=_("Saved. The next look goes by it."))
        return redirect("gate_settings", slug)
    context = {"campaign": campaign, "form": form}
    status = 422 if form.errors else 200
    return render(request, "training/gate_settings.html", context, status=status)


def _page(
    request: HttpRequest, gate: GateRun, *, form: WaiverForm, status: int = 200
) -> HttpResponse:
    story = story_of(gate, now=timezone.now())
    served = gate.candidate.deployments.exists()
    context = {
        "campaign": gate.run.campaign,
        "run": gate.run,
        "story": story,
        "verdict": verdict_sentence(gate, served=served),
        "margin_points": f"{gate.margin * 100:.1f}".rstrip("0").rstrip("."),
        "file": GatePredictions.objects.filter(gate=gate).defer("content").first(),
        "form": form,
    }
    return render(request, "training/gate_detail.html", context, status=status)


def _gate(request: HttpRequest, slug: str, pk: int) -> GateRun:
    gates = GateRun.objects.filter(run=pk, run__campaign__slug=slug).select_related(
        "run__campaign", "candidate", "champion"
    )
    look = request.GET.get("look", "")
    if look.isdecimal() and len(look) < 3:
        gates = gates.filter(look=int(look))
    gate = gates.order_by("-look").first()
    if gate is None:
        raise Http404
    return gate


def _file(content: bytes, gate: GateRun, *, kind: str, ending: str) -> HttpResponse:
    name = f"gate-{gate.run.campaign.slug}-{gate.run_id}-{gate.look}.{ending}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(content, content_type=kind, headers=headers)
