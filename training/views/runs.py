"""Doors of one training run with its gate."""

from functools import partial
from http import HTTPStatus

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from django.views.decorators.http import require_http_methods, require_safe

from annotation.models import Campaign
from annotation.permissions import Ability, person_of, required
from annotation.templatetags.charts import Comparison, Series
from annotation.views.outcomes import attempt
from annotation.views.spreadsheets import spreadsheet
from training.actions.aborts import abort_run
from training.actions.curves import curves_of, loss_of, metric_of, time_left
from training.actions.review import languages_short, review_of, verdict_sentence
from training.actions.run_rows import CURVE, curve_rows, runs_of, told
from training.models import TrainingRun

RUNS_PER_PAGE = 50
LIVE = (TrainingRun.Status.QUEUED, TrainingRun.Status.RUNNING)


@required(Ability.WATCH)
@require_safe
def index(request: HttpRequest, slug: str) -> HttpResponse:
    """Every run of a campaign with what came of it, the newest first."""
    campaign = get_object_or_404(Campaign, slug=slug)
    page = Paginator(runs_of(campaign), RUNS_PER_PAGE).get_page(request.GET.get("page"))
    context = {"campaign": campaign, "page": page, "runs": [told(run) for run in page]}
    return render(request, "training/run_list.html", context)


@required(Ability.WATCH)
@require_safe
def detail(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    run = _run(slug, pk)
    review = review_of(run)
    gate = review.gate
    context = {
        "run": run,
        "campaign": run.campaign,
        "review": review,
        "live": run.status in LIVE,
        "comparisons": [
            Comparison(row.check.language, row.before, row.after) for row in review.checks
        ],
        "verdict": verdict_sentence(gate, served=review.served) if gate else "",
        "short": languages_short(review.checks),
        "left": time_left(run),
        **_curves(run),
    }
    return render(request, "training/run_detail.html", context)


@required(Ability.WATCH)
@require_safe
def live(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    run = _run(slug, pk)
    context = {"run": run, "campaign": run.campaign, "live": run.status in LIVE}
    context["left"] = time_left(run)
    response = render(request, "training/_run_progress.html", context)
    if run.status not in LIVE:
        response.headers["HX-Refresh"] = "true"
    return response


@required(Ability.WATCH)
@require_safe
def curves(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """The curves alone; nothing while there are no more points than the page has seen."""
    run = _run(slug, pk)
    if request.GET.get("seen") == str(len(run.curve)):
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    context = {"run": run, "campaign": run.campaign, "live": run.status in LIVE, **_curves(run)}
    return render(request, "training/_run_curves.html", context)


@required(Ability.WATCH)
@require_safe
def curve_csv(_request: HttpRequest, slug: str, pk: int) -> StreamingHttpResponse:
    """How the run learned, a point and language a row."""
    run = _run(slug, pk)
    return spreadsheet(f"{slug}-run-{run.pk}", head=CURVE, rows=curve_rows(run))


@required(Ability.LEAD)
@require_http_methods(["GET", "POST"])
def abort(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    run = _run(slug, pk)
    if request.method == "POST":
        act = partial(abort_run, run, actor=person_of(request), now=timezone.now())
        attempt(request, act, done=_("The run ends without a candidate."))
        return redirect("run_detail", slug, pk)
    return render(request, "training/run_abort.html", {"run": run, "campaign": run.campaign})


def _curves(run: TrainingRun) -> dict[str, object]:
    return {
        "loss": [Series(pgettext("of a training run", "loss"), loss_of(run))],
        "metric": [Series(_("mean over languages"), metric_of(run))],
        "curves": curves_of(run),
        "points": len(run.curve),
    }


def _run(slug: str, pk: int) -> TrainingRun:
    rows = TrainingRun.objects.select_related(
        "campaign", "round", "snapshot", "base", "candidate", "abort_asked_by"
    )
    return get_object_or_404(rows, campaign__slug=slug, pk=pk)
