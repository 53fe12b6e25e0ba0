"""Doors of versions: what each is, what served when, and the way back."""

from functools import partial

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotation.methods.charts import Estimate
from annotation.models import Campaign, Language
from annotation.permissions import Ability, person_of, required
from annotation.templatetags.charts import Comparison
from annotation.views.numbers import number_in
from annotation.views.outcomes import attempt
from learning.models import Deployment, ModelVersion
from training.actions.by_label import label_rows
from training.actions.cards import card_of, quality_of
from training.actions.gate_words import reasons_of, words_of_moves
from training.actions.lineage import tainted
from training.actions.promotion import previous_version, rollback, undo
from training.actions.robustness import slices_of
from training.actions.shrinkage import compression_under_way, shrinkage_of
from training.actions.version_rows import version_rows
from training.models import TrainingRun

VERSIONS_PER_PAGE = 50
MOVES_PER_PAGE = 20
# A chain of ancestors is read from its near end; the whole is in the record.
ANCESTORS_SHOWN = 8
# Worst first; what comes after is in the file.
LABELS_SHOWN = 60
# One click should be enough in a bad moment, and still leave a reason behind.
REASONS = (
    gettext_lazy("The version that served answers worse than before."),
    gettext_lazy("Answers that it had learned from were taken back."),
    gettext_lazy("To look into something with the earlier version."),
)


@required(Ability.WATCH)
@require_safe
def index(request: HttpRequest, slug: str) -> HttpResponse:
    campaign = get_object_or_404(Campaign, slug=slug)
    all_versions = campaign.model_versions.select_related("base").defer(
        "manifest", "base__manifest"
    )
    page = Paginator(all_versions.order_by("-number"), VERSIONS_PER_PAGE).get_page(
        request.GET.get("page")
    )
    moves = campaign.deployments.select_related("version", "actor").order_by("-number")
    newest = moves.first()
    moved = Paginator(moves, MOVES_PER_PAGE).get_page(request.GET.get("moves"))
    context = {
        "campaign": campaign,
        "rows": version_rows(list(page)),
        "page": page,
        "last": page.paginator.count,
        "served": set(campaign.deployments.order_by().values_list("version_id", flat=True)),
        "moves": moved,
        "newest": newest,
        "why": words_of_moves([*moved, *([newest] if newest else [])]),
        "before": previous_version(campaign) if newest else None,
        "reasons": REASONS,
        "tainted": tainted(campaign),
    }
    return render(request, "training/version_list.html", context)


@required(Ability.WATCH)
@require_safe
def detail(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    version = _version(slug, number)
    flags = tainted(version.campaign)
    card = card_of(version, flags=flags)
    tags = set(card["quality"]) | set(card["learned_from"]["languages"])
    languages = {row.tag: row for row in Language.objects.filter(tag__in=tags)}
    base = quality_of(version.base) if version.base else {}
    labels = label_rows(version)
    moves = list(version.deployments.order_by("number"))
    gates = version.gates_as_candidate.select_related("champion").order_by("pk")
    context = {
        "campaign": version.campaign,
        "version": version,
        "card": card,
        "chain": card["base_chain"][:ANCESTORS_SHOWN],
        "older": len(card["base_chain"]) - ANCESTORS_SHOWN,
        "ordered": any(row["kappa"][0] is not None for row in card["quality"].values()),
        "quality": [(languages[tag], row) for tag, row in card["quality"].items()],
        "labels": labels[:LABELS_SHOWN],
        "more": max(0, len(labels) - LABELS_SHOWN),
        "slices": slices_of(version, campaign=version.campaign),
        "learned": [
            (languages[tag], row) for tag, row in card["learned_from"]["languages"].items()
        ],
        "comparisons": [
            Comparison(languages[tag], _estimate(base.get(tag)), _estimate(row))
            for tag, row in card["quality"].items()
        ],
        "run": TrainingRun.objects.filter(candidate=version).order_by("pk").first(),
        "served": bool(moves),
        "moves": moves,
        "why": words_of_moves(moves),
        "gates": [(gate, reasons_of(gate)) for gate in gates],
        "reasons": REASONS,
        "tainted": flags.get(version.pk),
        "number": number,
        "shrunk": shrinkage_of(version),
        "compressing": compression_under_way(version),
        "is_starter": version.network == "starter",
    }
    return render(request, "training/version_detail.html", context)


@required(Ability.WATCH)
@require_safe
def card(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    told = card_of(_version(slug, number))
    return JsonResponse(told, json_dumps_params={"ensure_ascii": False, "indent": 1})


@required(Ability.LEAD)
@require_http_methods(["GET", "POST"])
def roll_back(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    version = _version(slug, number)
    serving = Deployment.objects.serving(version.campaign)
    if not version.deployments.exists():
        # What never served was never let through a gate: there is no way back to it.
        raise Http404
    if request.method == "POST":
        reason = request.POST.get("reason", "")[:300]
        act = partial(
            rollback,
            version.campaign,
            to_version=version,
            reason=reason,
            actor=person_of(request),
        )
        attempt(request, act, done=_("Version %d serves from now on.") % number)
        return redirect("versions", slug)
    context = {
        "campaign": version.campaign,
        "version": version,
        "serving": serving,
        "reasons": REASONS,
    }
    return render(request, "training/version_roll_back.html", context)


@required(Ability.LEAD)
@require_POST
def undo_move(request: HttpRequest, slug: str) -> HttpResponse:
    campaign = get_object_or_404(Campaign, slug=slug)
    moved = number_in(request.POST.get("number", ""))
    if moved is None:
        messages.error(request, _("Which move should be taken back was not said."))
        return redirect("versions", slug)
    act = partial(undo, campaign, number=moved, actor=person_of(request))
    attempt(request, act, done=_("The move was taken back; what served before it serves again."))
    return redirect("versions", slug)


def _version(slug: str, number: int) -> ModelVersion:
    rows = ModelVersion.objects.select_related("campaign", "base__campaign")
    return get_object_or_404(rows, campaign__slug=slug, number=number)


def _estimate(row: dict[str, list[float | None]] | None) -> Estimate:
    return Estimate(*row["accuracy"]) if row else Estimate()
