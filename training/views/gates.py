"""Doors of a gate: its verdict explained, its record to take away, and who answers for a hold."""

from functools import partial

from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    JsonResponse,
    StreamingHttpResponse,
)
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotation.models import Campaign
from annotation.permissions import Ability, person_of, required
from annotation.views.outcomes import attempt
from annotation.views.spreadsheets import spreadsheet
from training.actions.gate_records import unpacked
from training.actions.gate_settings import agree_to, change_gate, moves_of, open_wish
from training.actions.gate_story import COLUMNS, record_of, row_of, story_of
from training.actions.maintenance import declare_maintenance
from training.actions.promotion import promote
from training.actions.review import verdict_sentence
from training.actions.waivers import grant_waiver, revoke_waiver
from training.forms import GateSettingsForm, MaintenanceForm, WaiverForm
from training.models import GateChange, GatePredictions, GateRun, TrainingRun, Waiver

CHANGES_SHOWN = 50


@required(Ability.WATCH)
@require_safe
def detail(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    return _page(request, _gate(request, slug, pk), form=WaiverForm())


@required(Ability.LEAD)
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


@required(Ability.LEAD)
@require_POST
def revoke(request: HttpRequest, slug: str, pk: int, waiver: int) -> HttpResponse:
    found = get_object_or_404(
        Waiver,
        pk=waiver,
        gate__run__in=TrainingRun.objects.filter(pk=pk, campaign__slug=slug),
    )
    act = partial(revoke_waiver, found, actor=person_of(request), now=timezone.now())
    attempt(request, act, done=_("The waiver is taken back."))
    return redirect("gate_detail", slug, pk)


@required(Ability.LEAD)
@require_POST
def serve(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    gate = _gate(request, slug, pk)
    act = partial(promote, gate, actor=person_of(request), now=timezone.now())
    done = _("Version %d serves from now on.") % gate.candidate.number
    attempt(request, act, done=done)
    return redirect("gate_detail", slug, pk)


@required(Ability.WATCH)
@require_safe
def as_csv(request: HttpRequest, slug: str, pk: int) -> StreamingHttpResponse:
    gate = _gate(request, slug, pk)
    lines = story_of(gate, now=timezone.now()).lines
    rows = [[*row_of(line, gate=gate).values()] for line in lines]
    return spreadsheet(_name(gate), head=COLUMNS, rows=rows)


@required(Ability.WATCH)
@require_safe
def as_json(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    story = story_of(_gate(request, slug, pk), now=timezone.now())
    return JsonResponse(record_of(story), json_dumps_params={"ensure_ascii": False, "indent": 1})


@required(Ability.LEAD)
@require_safe
def predictions(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    gate = _gate(request, slug, pk)
    found = get_object_or_404(GatePredictions, gate=gate)
    return _file(unpacked(found), gate, kind="application/jsonl", ending="jsonl")


@required(Ability.LEAD)
@require_http_methods(["GET", "HEAD", "POST"])
def settings(request: HttpRequest, slug: str) -> HttpResponse:
    campaign = get_object_or_404(Campaign, slug=slug)
    person = person_of(request)
    seen = get_object_or_404(Campaign, slug=slug)
    form = GateSettingsForm(request.POST or None, instance=seen, admin=person.is_superuser)
    if request.method == "POST" and form.is_valid():
        act = partial(
            change_gate, campaign, values=form.cleaned_data, actor=person, now=timezone.now()
        )
        attempt(request, act, done=_("Saved. It holds for candidates that were not judged yet."))
        return redirect("gate_settings", slug)
    wish = open_wish(campaign)
    changes = campaign.gate_changes.select_related("actor", "agrees_to")[:CHANGES_SHOWN]
    context = {
        "campaign": campaign,
        "form": form,
        "wish": wish,
        "may_agree": wish is not None and person.is_superuser and wish.actor != person,
        "changes": [(change, moves_of(change)) for change in changes],
    }
    status = 422 if form.errors else 200
    return render(request, "training/gate_settings.html", context, status=status)


@required(Ability.LEAD)
@require_POST
def agree(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    wish = get_object_or_404(GateChange, campaign__slug=slug, number=number, wish=True)
    act = partial(agree_to, wish, actor=person_of(request), now=timezone.now())
    attempt(request, act, done=_("The wider margin holds from now on."))
    return redirect("gate_settings", slug)


@required(Ability.LEAD)
@require_http_methods(["GET", "HEAD", "POST"])
def declare(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    run = get_object_or_404(TrainingRun, pk=pk, campaign__slug=slug)
    form = MaintenanceForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        act = partial(
            declare_maintenance,
            run,
            **form.cleaned_data,
            actor=person_of(request),
            now=timezone.now(),
        )
        attempt(request, act, done=_("Declared. Its gate asks for no gain."))
        return redirect("run_detail", slug, pk)
    context = {"campaign": run.campaign, "run": run, "form": form}
    status = 422 if form.errors else 200
    return render(request, "training/run_maintenance.html", context, status=status)


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
    # Not by the bare number: one that is too large for the database is no run, and no crash.
    run = TrainingRun.objects.filter(pk=pk, campaign__slug=slug)
    gates = GateRun.objects.filter(run__in=run).select_related(
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
    headers = {"Content-Disposition": f'attachment; filename="{_name(gate)}.{ending}"'}
    return HttpResponse(content, content_type=kind, headers=headers)


def _name(gate: GateRun) -> str:
    return f"gate-{gate.run.campaign.slug}-{gate.run_id}-{gate.look}"
