"""Auditing at the door: every request by which somebody who leads has changed something leaves an entry.

A door that asks for an ability beyond answering and reporting is audited by itself, and so are Django's
admin, the JSON API, and what staff do at the doors of signing in. A door that does something to many may
say to which it came about (``request.done_to``), and one that only tries that it did nothing
(``request.audited = None``).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from django.apps import apps
from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.http import HttpRequest, HttpResponseBase

from annotation.actions.auditing import State, moved, record, state_of, tallied
from annotation.models import Campaign, CampaignLanguage, User
from annotation.permissions import Ability

# As it was written there for this request: `headers` may hold what came, from before that.
REQUEST_ID = "HTTP_X_REQUEST_ID"

SAFE = {"GET", "HEAD", "OPTIONS", "TRACE"}
LEADING = frozenset(Ability) - {Ability.ANSWER, Ability.REPORT}
# Where staff come in and out, and by what they prove who they are.
SIGNING = {"sign_in", "sign_out", "second_step", "second_step_ask", "second_step_off"}
# What the number in an address means, by how the name of the address begins.
NAMED = {
    "calibration_person": "annotation.Annotator",
    "case_detail": "training.RegressionCase",
    "case_switch": "training.RegressionCase",
    "concern": "annotation.Concern",
    "dispute_decide": "annotation.Sample",
    "dispute_undo": "annotation.Adjudication",
    "gate": "training.TrainingRun",
    "generator": "training.BlindComparison",
    "gold": "annotation.GoldItem",
    "group": "annotation.GroupSession",
    "import": "annotation.SampleImport",
    "invitation": "annotation.Invitation",
    "key": "annotation.ApiKey",
    "maintenance": "training.TrainingRun",
    "membership": "annotation.Membership",
    "objection": "annotation.Objection",
    "person": "annotation.Annotator",
    "quarantine": "annotation.QuarantinedAnswer",
    "report": "annotation.Report",
    "run": "training.TrainingRun",
    "waiver": "training.TrainingRun",
    "webhook": "annotation.Webhook",
    "webhook_again": "annotation.WebhookDelivery",
}


class Audit:
    """Middleware: look before and after, and write down what moved."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Let a request through, and note what it did if it was one of leading."""
        if request.method in SAFE:
            return self.get_response(request)
        with tallied() as tally:
            response = self.get_response(request)
        before: State | None = getattr(request, "audited", None)
        if before is not None and response.status_code < 400:
            _note(request, before=before, wrote=tally.wrote)
        return response

    def process_view(
        self, request: HttpRequest, view: Any, _args: Any, kwargs: Mapping[str, Any]
    ) -> None:
        """Remember how things stand, if this door is one of leading."""
        if request.method in SAFE or not _is_leading(request, view):
            return
        request.audited = state_of(_rows(request, view, kwargs))  # type: ignore[attr-defined]
        request.audited_by = _person(request)  # type: ignore[attr-defined]


def _is_leading(request: HttpRequest, view: Any) -> bool:
    match = request.resolver_match
    if match is None:
        return False
    spaces = {"admin", "api"} & set(match.namespaces)
    return bool(spaces) or getattr(view, "ability", None) in LEADING or match.url_name in SIGNING


def _note(request: HttpRequest, *, before: State, wrote: Mapping[str, list[int]]) -> None:
    match, key = request.resolver_match, getattr(request, "auth", None)
    if match is None:
        return
    who = _person(request) or getattr(request, "audited_by", None) or getattr(key, "user", None)
    signing = match.url_name in SIGNING
    changed = moved(before, state_of(_rows(request, match.func, match.kwargs)))
    if (signing and not (who and who.is_staff)) or not (signing or wrote or changed):
        return
    record(
        f"{match.namespace}:{match.url_name}" if match.namespace else str(match.url_name),
        actor=who,
        key=key.pk if isinstance(key, models.Model) else None,
        campaign=str(match.kwargs.get("slug", "")),
        named=match.kwargs | _asked(request, match.namespace) | getattr(request, "done_to", {}),
        changed=changed,
        wrote=wrote,
        request_id=request.META.get(REQUEST_ID, ""),
    )


def _asked(request: HttpRequest, namespace: str) -> dict[str, str]:
    """What is to be done and to which, where one door does several things to several rows."""
    admin = ("action", "_selected_action")
    names = admin if namespace == "admin" else ("act", "action", "report")
    return {name: ", ".join(found) for name in names if (found := request.POST.getlist(name))}


def _person(request: HttpRequest) -> User | None:
    user: User | AnonymousUser = request.user
    return user if isinstance(user, User) and user.is_authenticated else None


def _rows(
    request: HttpRequest, view: Any, kwargs: Mapping[str, Any]
) -> Iterator[models.Model | None]:
    match, slug = request.resolver_match, kwargs.get("slug")
    if slug:
        yield Campaign.objects.filter(slug=slug).first()
    if slug and "tag" in kwargs:
        homes = CampaignLanguage.objects.filter(campaign__slug=slug)
        yield homes.filter(language__tag=kwargs["tag"]).first()
    owner = getattr(view, "model_admin", None)
    if owner is not None and "object_id" in kwargs:
        yield _row(owner.model, kwargs["object_id"])
    name = str(match.url_name) if match else ""
    model = next((NAMED[one] for one in (name, name.split("_")[0]) if one in NAMED), None)
    if model and "pk" in kwargs:
        yield (found := _row(apps.get_model(model), kwargs["pk"]))
        yield getattr(found, "user", None) if name.startswith("person") else None


def _row(model: type[models.Model], pk: Any) -> models.Model | None:
    try:
        return model._default_manager.filter(pk=pk).first()
    except (ValueError, OverflowError):
        return None
