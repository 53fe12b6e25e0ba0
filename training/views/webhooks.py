"""Doors of webhooks: which programs elsewhere hear of a campaign, and what went out to them."""

from collections.abc import Callable
from functools import partial

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from annotation.actions.webhooks import (
    add_webhook,
    go_on,
    ping,
    secret_of,
    send_again,
    stop_webhook,
    turn_secret,
    whereto,
)
from annotation.errors import VernacularError
from annotation.models import Campaign, Webhook, WebhookDelivery
from annotation.permissions import Ability, person_of, required
from annotation.views.outcomes import attempt
from training.actions.news import NEWS

SHOWN = 50
# In the session: whose new secret the next look shows; to load that page again turns no other.
TURNED = "turned_webhook"


class WebhookForm(forms.Form):
    """Where to, and what of."""

    url = forms.CharField(
        label=gettext_lazy("Address"),
        max_length=500,
        help_text=gettext_lazy("It begins with https:// and answers with 200 to 299."),
        widget=forms.URLInput(attrs={"dir": "ltr", "autocomplete": "off"}),
    )
    kinds = forms.MultipleChoiceField(
        label=gettext_lazy("Which news"),
        required=False,
        choices=[(one.kind, one.kind) for one in NEWS],
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("None ticked: all of them."),
    )


@required(Ability.LEAD)
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def webhooks(request: HttpRequest, slug: str) -> HttpResponse:
    """List them with what went out; add one and show its secret this once."""
    campaign = get_object_or_404(Campaign, slug=slug)
    turned = request.session.pop(TURNED, None) if request.method == "GET" else None
    made = campaign.webhooks.filter(pk=turned).first() if turned else None
    form = WebhookForm(request.POST or None)
    if form.is_valid():
        try:
            made = add_webhook(campaign, **form.cleaned_data, news=NEWS, actor=person_of(request))
        except VernacularError as error:
            form.add_error("url", str(error))
        else:
            form = WebhookForm()
            _note(request, made)
    context = {
        "campaign": campaign,
        "form": form,
        "webhooks": campaign.webhooks.all(),
        "deliveries": _deliveries(campaign),
        "made": made,
        "secret": secret_of(made) if made else "",
    }
    status = 422 if form.errors else 200
    return render(request, "training/webhooks.html", context, status=status)


@required(Ability.LEAD)
@require_POST
@never_cache
def act(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Stop one, let it go on, try it, sign with another secret, or remove it."""
    webhook = get_object_or_404(Webhook, pk=pk, campaign__slug=slug)
    now, wish = timezone.now(), request.POST.get("do", "")
    _note(request, webhook, do=wish)
    if wish == "secret":
        turn_secret(webhook)
        request.session[TURNED] = webhook.pk
        return redirect("webhooks", slug)
    acts: dict[str, tuple[Callable[[], object], str]] = {
        "stop": (partial(stop_webhook, webhook, now=now), _("Nothing is sent there any more.")),
        "go_on": (
            partial(go_on, webhook, now=now),
            _("It is sent there again, and what it missed."),
        ),
        "try": (partial(ping, webhook, now=now), _("Something is sent there within a minute.")),
        "remove": (webhook.delete, _("It is removed, and what waited for it.")),
    }
    if wish not in acts:
        messages.error(request, _("There is no such thing to do."))
    else:
        do, done = acts[wish]
        attempt(request, do, done=done)
    return redirect("webhooks", slug)


@required(Ability.LEAD)
@require_POST
def again(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Send something once more."""
    delivery = get_object_or_404(WebhookDelivery, pk=pk, webhook__campaign__slug=slug)
    done = _("It is sent again within a minute, under its number.")
    attempt(request, partial(send_again, delivery, now=timezone.now()), done=done)
    return redirect("webhooks", slug)


def _note(request: HttpRequest, webhook: Webhook, **more: str) -> None:
    """Let the audit know where news goes; no more than the host of it may be told."""
    told = {"webhook": webhook.pk, "host": whereto(webhook)} | more
    request.done_to = told  # type: ignore[attr-defined]


def _deliveries(campaign: Campaign) -> list[WebhookDelivery]:
    rows = WebhookDelivery.objects.filter(webhook__campaign=campaign)
    return list(rows.select_related("webhook").order_by("-pk")[:SHOWN])
