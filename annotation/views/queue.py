"""Doors of the queue: what waits for speakers, and the same as a file."""

from urllib.parse import urlencode

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from annotation.actions.waiting import COLUMNS, open_items, queue_rows, waiting_in
from annotation.models import Campaign
from annotation.permissions import Ability, required
from annotation.views.spreadsheets import spreadsheet

PER_PAGE = 50


@required(Ability.WATCH)
@require_safe
def queue(request: HttpRequest, slug: str) -> HttpResponse:
    """Language by language, then text by text in the order in which they are asked."""
    campaign = get_object_or_404(Campaign, slug=slug)
    everything, tag = waiting_in(campaign, now=timezone.now()), request.GET.get("language", "")
    waiting = [row for row in everything if row.home.active]
    pages = Paginator(open_items(campaign, tag=tag), PER_PAGE)
    # They were counted already, and counting takes longer than the page.
    pages.count = sum(row.listed for row in everything if tag in ("", row.home.language.tag))
    page = pages.get_page(request.GET.get("page"))
    context = {
        "campaign": campaign,
        "waiting": waiting,
        "idle": [row for row in waiting if not row.open],
        "total": sum(row.open for row in waiting),
        "held": sum(row.held for row in waiting),
        "page": page,
        "language": tag,
        "query": f"&{urlencode({'language': tag})}" if tag else "",
    }
    return render(request, "annotation/queue.html", context)


@required(Ability.WATCH)
@require_safe
def as_csv(request: HttpRequest, slug: str) -> StreamingHttpResponse:
    """Every text that waits, of all languages or of one."""
    campaign = get_object_or_404(Campaign, slug=slug)
    rows = queue_rows(campaign, tag=request.GET.get("language", ""))
    return spreadsheet(f"{slug}-queue", head=COLUMNS, rows=rows)
