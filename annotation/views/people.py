"""Doors for people: those who answer, and what they answered that does not fit."""

from functools import partial
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotation.actions.agreement import known_agreement
from annotation.actions.entry import homes_of
from annotation.actions.kept_numbers import kept_for
from annotation.actions.people import add_speaker, join_team, leave_team
from annotation.actions.people_tables import (
    AGREEMENT,
    GIVEN,
    INVITATIONS,
    PEOPLE,
    agreement_rows,
    annotators_in,
    given_by,
    invitation_rows,
    invitations_in,
    people_rows,
)
from annotation.actions.quarantine import lay_aside
from annotation.errors import VernacularError
from annotation.forms import SpeakerForm
from annotation.gateways.accounts import in_turn, open_accounts
from annotation.models import (
    Annotator,
    Campaign,
    DeskEvent,
    Language,
    QuarantinedAnswer,
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
from annotation.views.spreadsheets import spreadsheet
from annotation.views.steps import step_of

PEOPLE_PER_PAGE = 100
INVITATIONS_SHOWN = 200
STRANGERS_SHOWN = 50
TABLES = {
    "people": (PEOPLE, people_rows),
    "invitations": (INVITATIONS, invitation_rows),
    "agreement": (AGREEMENT, agreement_rows),
}
LEADING = (Role.ADMIN, Role.COORDINATOR)


@required(Ability.PEOPLE)
@require_safe
def people(request: HttpRequest, slug: str) -> HttpResponse:
    """Who answers, who leads and who is invited, in the languages of whoever looks."""
    campaign = get_object_or_404(Campaign, slug=slug)
    own = set(languages_with(request.user, Ability.PEOPLE, campaign=campaign))
    wanted = request.GET.get("q", "").strip()[:100]
    everybody = Annotator.objects.filter(
        language__campaigns__campaign=campaign, language__in=own, active=True
    )
    served = set(everybody.order_by().values_list("language", flat=True).distinct())
    homes = list(campaign.languages.select_related("language").filter(language__in=own))
    found = annotators_in(campaign, languages=own, wanted=wanted)
    page = Paginator(found, PEOPLE_PER_PAGE).get_page(request.GET.get("page"))
    given = given_by(list(page), campaign=campaign)
    # Whoever was invited gets an account when they first go there.
    strangers = everybody.filter(everywhere=True, user__desk_user_id=None)
    context = {
        "campaign": campaign,
        "page": page,
        "counted": kept_for(campaign, name=GIVEN),
        "rows": [(person, given.get(person.pk, 0)) for person in page],
        "wanted": wanted,
        "query": f"&{urlencode({'q': wanted})}" if wanted else "",
        "homes": homes,
        "unserved": [home.language for home in homes if home.language_id not in served],
        "invitations": [
            row
            for row in invitations_in(campaign)[:INVITATIONS_SHOWN]
            if own.issuperset(row.languages.all())
        ],
        "leading": campaign.memberships.filter(active=True, role__in=LEADING).select_related(
            "user", "language"
        ),
        "now": timezone.now(),
        "agreement": known_agreement(campaign, homes=homes, now=timezone.now()),
        "strangers": strangers.select_related("user", "language").order_by("user__username")[
            :STRANGERS_SHOWN
        ],
        "moved": DeskEvent.objects.filter(
            campaign_language__campaign=campaign, action="ACCOUNTS_MOVED"
        ).first(),
    }
    return render(request, "annotation/people.html", context)


@required(Ability.PEOPLE)
@require_safe
def table(request: HttpRequest, slug: str, name: str) -> StreamingHttpResponse:
    """One table of the page as CSV, of the languages of whoever asks."""
    campaign = get_object_or_404(Campaign, slug=slug)
    if name not in TABLES:
        raise Http404
    own = languages_with(request.user, Ability.PEOPLE, campaign=campaign)
    head, rows = TABLES[name]
    return spreadsheet(f"{slug}-{name}", head=head, rows=rows(campaign, languages=list(own)))


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
        "step": step_of(answers, request=request, size=20, falling=True),
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


@required(Ability.LEAD)
@require_safe
def quarantine_csv(_request: HttpRequest, slug: str) -> StreamingHttpResponse:
    """Every answer that did not fit, what was laid aside too; what it says stays here."""
    campaign = get_object_or_404(Campaign, slug=slug)
    rows = QuarantinedAnswer.objects.filter(campaign_language__campaign=campaign).order_by("pk")
    columns = ("campaign_language__language__tag", "reason", "detail", "item__sample__uid")
    told = rows.values_list(*columns, "created_at", "resolved_at").iterator(chunk_size=500)
    head = ("language", "reason", "detail", "text", "came", "laid_aside")
    return spreadsheet(f"{slug}-quarantine", head=head, rows=told)
