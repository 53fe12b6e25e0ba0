"""Doors of one training run with its gate."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from annotation.permissions import staff_required
from annotation.templatetags.charts import Comparison, Series
from training.actions.review import languages_short, review_of, verdict_sentence
from training.models import TrainingRun

LIVE = (TrainingRun.Status.QUEUED, TrainingRun.Status.RUNNING)


@staff_required
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
        "loss": [Series(_("loss"), review.loss)],
        "metric": [Series(_("mean over languages"), review.metric)],
        "comparisons": [
            Comparison(row.check.language, row.before, row.after) for row in review.checks
        ],
        "verdict": verdict_sentence(gate, served=review.served) if gate else "",
        "short": languages_short(review.checks),
    }
    return render(request, "training/run_detail.html", context)


@staff_required
@require_safe
def live(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    run = _run(slug, pk)
    context = {"run": run, "campaign": run.campaign, "live": run.status in LIVE}
    response = render(request, "training/_run_progress.html", context)
    if run.status not in LIVE:
        response.headers["HX-Refresh"] = "true"
    return response


def _run(slug: str, pk: int) -> TrainingRun:
    rows = TrainingRun.objects.select_related("campaign", "round", "snapshot", "base", "candidate")
    return get_object_or_404(rows, campaign__slug=slug, pk=pk)
