"""Doors for people: those who answer, and what they answered that does not fit."""

from functools import partial

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Count, Exists, OuterRef, Prefetch, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotation.actions.agreement import measure_agreement
from annotation.actions.entry import homes_of
from annotation.actions.people import add_speaker, join_team, leave_team
from annotation.actions.quarantine import lay_aside
from annotation.errors import VernacularError
from annotation.forms import SpeakerForm
from annotation.gateways.accounts import in_turn, open_accounts
from annotation.models import (
    Annotation,
    Annotator,
    Campaign,
    Consent,
    DeskEvent,
    Language,
    QuarantinedAnswer,
    Reliability,
    Role,
)
from annotation.permissions import (
    Ability,
    languages_with,
    may,
    may_manage,
    person_of,
    required,
)
from annotation.tasks import members_soon
from annotation.views.outcomes import attempt

INVITATIONS_SHOWN = 200
LEADING = (Role.ADMIN, Role.COORDINATOR)


@required(Ability.PEOPLE)
@require_safe
def people(request: HttpRequest, slug: str) -> HttpResponse:
    """Who answers, who leads and who is invited, in the languages of whoever looks."""
    campaign = get_object_or_404(Campaign, slug=slug)
    own = set(languages_with(request.user, Ability.PEOPLE, campaign=campaign))
    here = Q(annotations__item__campaign_language__campaign=campaign)
    answered = Q(annotations__state=Annotation.State.ANSWERED)
    annotators = (
        Annotator.objects.filter(language__campaigns__campaign=campaign, language__in=own)
        .select_related("user", "language")
        .prefetch_related(
            Prefetch(
                "reliabilities",
                queryset=Reliability.objects.filter(campaign=campaign),
                to_attr="here",
            )
        )
        .annotate(given=Count("annotations", filter=here & answered))
        .annotate(agreed=Exists(Consent.objects.training().filter(user=OuterRef("user"))))
        .order_by("language__tag", "user__username")
    )
    active = {person.language_id for person in annotators if person.active}
    homes = list(campaign.languages.select_related("language").filter(language__in=own))
    languages = [home.language for home in homes]
    invitations = campaign.invitations.select_related("user", "created_by")
    context = {
        "campaign": campaign,
        "annotators": annotators,
        "homes": homes,
        "unserved": [language for language in languages if language.pk not in active],
        "invitations": [
            row
            for row in invitations.prefetch_related("languages")[:INVITATIONS_SHOWN]
            if own.issuperset(row.languages.all())
        ],
        "leading": campaign.memberships.filter(active=True, role__in=LEADING).select_related(
            "user", "language"
        ),
        "now": timezone.now(),
        "agreement": measure_agreement(campaign, homes=homes),
        # Whoever was invited gets an account when they first go there.
        "strangers": [
            person
            for person in annotators
            if person.active and person.everywhere and person.user.desk_user_id is None
        ],
        "moved": DeskEvent.objects.filter(
            campaign_language__campaign=campaign, action="ACCOUNTS_MOVED"
        ).first(),
    }
    return render(request, "annotation/people.html", context)


@required(Ability.LEAD)
@require_http_methods(["GET", "POST"])
@never_cache
def add_person(request: HttpRequest, slug: str) -> HttpResponse:
    """Add a speaker; the answer to that is the only page that ever shows the password."""
    campaign = get_object_or_404(Campaign, slug=slug)
    chosen = {name: request.GET.get(name, "") for name in ("language", "username")}
    form = SpeakerForm(request.POST or None, initial=chosen, campaign=campaign)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        language = Language.objects.get(tag=data["language"])
        try:
            with in_turn():
                welcome = add_speaker(
                    username=data["username"],
                    name=data["name"],
                    language=language,
                    desk=open_accounts(),
                    actor=person_of(request),
                    now=timezone.now(),
                )
        except VernacularError as error:
            form.add_error(None, str(error))
        else:
            members_soon(homes_of(welcome.annotator.user))
            context = {
                "campaign": campaign,
                "welcome": welcome,
                "language": language,
                "desk_address": settings.ENV.label_studio_url,
            }
            return render(request, "annotation/person_added.html", context)
    context = {"campaign": campaign, "form": form}
    status = 422 if form.errors else 200
    return render(request, "annotation/person_add.html", context, status=status)


@required(Ability.PEOPLE)
@require_POST
def deactivate_person(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    person = _person(request, slug, pk)
    done = _("%(name)s answers no more in %(language)s. Activate them again to undo this.")
    attempt(request, partial(leave_team, person), done=done % _named(person))
    members_soon(homes_of(person.user))
    return redirect("people", slug)


@required(Ability.PEOPLE)
@require_POST
def activate_person(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    person = _person(request, slug, pk)
    act = partial(join_team, person.user, language=person.language, now=timezone.now())
    attempt(request, act, done=_("%(name)s answers in %(language)s again.") % _named(person))
    members_soon(homes_of(person.user))
    return redirect("people", slug)


def _person(request: HttpRequest, slug: str, pk: int) -> Annotator:
    """Somebody who answers here; being active holds everywhere, so only who leads there may."""
    people = Annotator.objects.filter(language__campaigns__campaign__slug=slug)
    person = get_object_or_404(people.select_related("user", "language"), pk=pk)
    campaign = Campaign.objects.get(slug=slug)
    there = may(request.user, Ability.PEOPLE, campaign=campaign, language=person.language)
    if not there or not may_manage(request.user, person.user):
        raise PermissionDenied
    return person


def _named(person: Annotator) -> dict[str, str]:
    return {"name": str(person.user), "language": person.language.name}


@required(Ability.LEAD)
@require_safe
def quarantine(request: HttpRequest, slug: str) -> HttpResponse:
    campaign = get_object_or_404(Campaign, slug=slug)
    everything = request.GET.get("show") == "all"
    answers = QuarantinedAnswer.objects.filter(campaign_language__campaign=campaign).select_related(
        "campaign_language__language", "item__sample"
    )
    if not everything:
        answers = answers.filter(resolved_at=None)
    context = {
        "campaign": campaign,
        "page": Paginator(answers, 20).get_page(request.GET.get("page")),
        "everything": everything,
        "query": "&show=all" if everything else "",
    }
    return render(request, "annotation/quarantine.html", context)


@required(Ability.LEAD)
@require_POST
def lay_aside_quarantined(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    answer = get_object_or_404(QuarantinedAnswer, campaign_language__campaign__slug=slug, pk=pk)
    if lay_aside(answer, now=timezone.now()):
        messages.success(request, _("Laid aside. It stays stored and is never trained on."))
    return redirect("quarantine", slug)
