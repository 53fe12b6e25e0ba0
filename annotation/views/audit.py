"""Doors of the audit: what was done by whom, for those who lead; nothing here can be changed."""

import json
from collections.abc import Iterator
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from annotation.models import AuditEntry, Campaign
from annotation.permissions import Ability, required, staff_required
from annotation.views.numbers import number_in
from annotation.views.spreadsheets import spreadsheet

A_PAGE = 100
HEAD = ("number", "at", "who", "key", "action", "campaign", "named", "changed", "wrote", "request")


@staff_required
@require_safe
def audit(request: HttpRequest) -> HttpResponse:
    """Everything, newest first."""
    return _page(request, None)


@required(Ability.LEAD)
@require_safe
def campaign_audit(request: HttpRequest, slug: str) -> HttpResponse:
    """What was done in one campaign, newest first."""
    return _page(request, get_object_or_404(Campaign, slug=slug))


@staff_required
@require_safe
def audit_csv(request: HttpRequest) -> HttpResponseBase:
    """Everything, as a table for a spreadsheet."""
    return spreadsheet("audit", head=HEAD, rows=_lines(""))


@required(Ability.LEAD)
@require_safe
def campaign_audit_csv(request: HttpRequest, slug: str) -> HttpResponseBase:
    """What was done in one campaign, as a table for a spreadsheet."""
    return spreadsheet(f"{slug}-audit", head=HEAD, rows=_lines(slug))


def _page(request: HttpRequest, campaign: Campaign | None) -> HttpResponse:
    slug = campaign.slug if campaign else ""
    rows = AuditEntry.objects.of(slug).before(number_in(request.GET.get("before", "")))
    entries = list(rows.select_related("actor")[: A_PAGE + 1])
    older = entries[A_PAGE - 1].pk if len(entries) > A_PAGE else None
    context = {"campaign": campaign, "entries": entries[:A_PAGE], "older": older}
    return render(request, "annotation/audit.html", context)


def _lines(slug: str) -> Iterator[list[Any]]:
    for one in AuditEntry.objects.of(slug).select_related("actor").iterator():
        yield [
            one.pk,
            one.at.isoformat(),
            one.actor.username if one.actor else "",
            one.key or "",
            one.action,
            one.campaign,
            *(json.dumps(told, ensure_ascii=False) for told in (one.named, one.changed, one.wrote)),
            one.request_id,
        ]
