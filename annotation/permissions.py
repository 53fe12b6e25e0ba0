"""Who may come in: what each role may do in a campaign and its languages; staff may everything."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import wraps
from typing import Concatenate, ParamSpec

from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, resolve_url

from annotation.models import (
    Annotator,
    Campaign,
    Consent,
    Invitation,
    Language,
    Membership,
    Role,
    User,
)

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]
Visitor = User | AnonymousUser


class Ability(StrEnum):
    """What can be done; every page asks for one of them."""

    OPERATE = "operate"
    """Run the installation: make campaigns, see its health."""
    LEAD = "lead"
    """Decide in a campaign: start, imports, quota, gate, versions, taking back."""
    WATCH = "watch"
    """See how a campaign goes: rounds, runs, verdicts, versions."""
    PEOPLE = "people"
    """See who answers in a language, invite, let go."""
    GUIDE = "guide"
    """Write a language's guideline."""
    SETTLE = "settle"
    """Decide disputed texts and objections, and see what people are owed."""
    ANSWER = "answer"
    """Answer questions in a language."""
    TRIAGE = "triage"
    """Decide what becomes of reports in a language."""
    REPORT = "report"
    """Tell what a model got wrong in a language."""


# The whole table: roles hold in the campaign and language of their membership. Nobody but
# staff may operate. Answering also needs consent: see `required`.
ABILITIES: Mapping[str, frozenset[Ability]] = {
    Role.ADMIN: frozenset(
        {
            Ability.LEAD,
            Ability.WATCH,
            Ability.PEOPLE,
            Ability.GUIDE,
            Ability.SETTLE,
            Ability.TRIAGE,
            Ability.REPORT,
        }
    ),
    Role.COORDINATOR: frozenset(
        {
            Ability.WATCH,
            Ability.PEOPLE,
            Ability.GUIDE,
            Ability.SETTLE,
            Ability.TRIAGE,
            Ability.ANSWER,
            Ability.REPORT,
        }
    ),
    Role.ANNOTATOR: frozenset({Ability.ANSWER, Ability.REPORT}),
    Role.REPORTER: frozenset({Ability.REPORT}),
}


def may(
    user: Visitor,
    ability: Ability,
    *,
    campaign: Campaign | None = None,
    language: Language | None = None,
) -> bool:
    """Whether somebody may do it there; without a campaign, in any; without a language, in any.

    A page of a whole campaign that shows languages by themselves filters by `languages_with`.
    """
    if not isinstance(user, User) or not user.is_active:
        return False
    if user.is_staff:
        return True
    held = Membership.objects.filter(user=user, active=True, role__in=roles_with(ability))
    teams = _teams(user) if ability in ABILITIES[Role.ANNOTATOR] else Annotator.objects.none()
    if campaign is not None:
        held = held.within(campaign, language)
        teams = teams.filter(language__campaigns__campaign=campaign)
    if language is not None:
        held = held.filter(Q(language=None) | Q(language=language))
        teams = teams.filter(language=language)
    if ability is Ability.ANSWER and language is not None and _let_go(user, language):
        return False
    return held.exists() or teams.exists()


def campaigns_with(user: Visitor, ability: Ability) -> "QuerySet[Campaign]":
    """The campaigns in which somebody may do it, in one language at least."""
    if not isinstance(user, User) or not user.is_active:
        return Campaign.objects.none()
    if user.is_staff:
        return Campaign.objects.all()
    held = Membership.objects.filter(user=user, active=True, role__in=roles_with(ability))
    return Campaign.objects.filter(pk__in=held.values("campaign"))


def languages_with(user: Visitor, ability: Ability, *, campaign: Campaign) -> "QuerySet[Language]":
    """The campaign's languages in which somebody may do it."""
    there = Language.objects.filter(campaigns__campaign=campaign)
    if not isinstance(user, User) or not user.is_active:
        return there.none()
    if user.is_staff:
        return there
    held = Membership.objects.within(campaign).filter(user=user, role__in=roles_with(ability))
    here = Q(Exists(held.filter(Q(language=None) | Q(language=OuterRef("pk")))))
    if ability in ABILITIES[Role.ANNOTATOR]:
        here |= Q(pk__in=_teams(user).values("language"))
    return there.filter(here)


def team_of(campaign: Campaign, language: Language) -> "QuerySet[Annotator]":
    """Everybody who answers in a language of a campaign now and has agreed to it."""
    agreed = Consent.objects.training().filter(user=OuterRef("user"))
    return members_of(campaign, language).filter(Exists(agreed))


def members_of(campaign: Campaign, language: Language) -> "QuerySet[Annotator]":
    """Everybody who is to answer in a language of a campaign now, agreed to it or not."""
    held = Membership.objects.within(campaign, language)
    here = held.filter(user=OuterRef("user"), role__in=roles_with(Ability.ANSWER))
    people = Annotator.objects.filter(language=language, active=True, user__is_active=True)
    return people.filter(Q(everywhere=True) | Exists(here))


def may_manage(actor: Visitor, person: User) -> bool:
    """Whether somebody may make links for a person or let them go, and so act in their place.

    Only if they lead wherever that person is something; nobody but staff does so with staff.
    """
    if isinstance(actor, User) and actor.is_active and actor.is_staff:
        return True
    if person.is_staff or person.is_superuser:
        return False
    held = Membership.objects.filter(user=person, active=True).select_related(
        "campaign", "language"
    )
    places = [
        (_over(membership.role), membership.campaign, membership.language) for membership in held
    ]
    teams = Annotator.objects.filter(user=person, everywhere=True)
    for team in teams.select_related("language"):
        homes = Campaign.objects.filter(languages__language=team.language)
        places += [(Ability.PEOPLE, campaign, team.language) for campaign in homes]
    return all(
        may(actor, ability, campaign=campaign, language=language)
        and (language is not None or may(actor, Ability.LEAD, campaign=campaign))
        for ability, campaign, language in places
    )


def may_hand_out(actor: Visitor, invitation: Invitation) -> bool:
    """Whether somebody may make an invitation's link anew or revoke it."""
    campaign = invitation.campaign
    own = set(languages_with(actor, Ability.PEOPLE, campaign=campaign))
    return (
        invitation.role in roles_given_by(actor, campaign=campaign)
        and own.issuperset(invitation.languages.all())
        and (invitation.user is None or may_manage(actor, invitation.user))
    )


def roles_given_by(user: Visitor, *, campaign: Campaign) -> list[str]:
    """The roles that somebody may invite others to in a campaign."""
    if isinstance(user, User) and user.is_active and user.is_staff:
        return list(Role.values)
    if may(user, Ability.LEAD, campaign=campaign):
        return [Role.COORDINATOR, Role.ANNOTATOR, Role.REPORTER]
    return [Role.ANNOTATOR, Role.REPORTER] if may(user, Ability.PEOPLE, campaign=campaign) else []


def _over(role: str) -> Ability:
    """What it takes to act in the place of somebody with a role."""
    leading = (Role.ADMIN, Role.COORDINATOR)
    return Ability.LEAD if role in leading else Ability.PEOPLE


def roles_with(ability: Ability) -> list[str]:
    """The roles that may do it."""
    return [role for role, abilities in ABILITIES.items() if ability in abilities]


def required(ability: Ability) -> Callable[[View[P]], View[P]]:
    """Let in whoever may do it in the campaign `slug` and language `tag` of the address.

    Strangers are sent to sign in, everybody else is told a plain no. To answer, one must have
    agreed first: whoever has not comes by the consent page.
    """

    def door(view: View[P]) -> View[P]:
        @wraps(view)
        def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return _to_sign_in(request)
            if not _let_in(request, ability, kwargs):
                raise PermissionDenied
            if ability is Ability.ANSWER and not has_agreed(person_of(request)):
                return redirect("consent")
            return view(request, *args, **kwargs)

        guarded.ability = ability  # type: ignore[attr-defined]  # the audit asks what a door is of
        return guarded

    return door


def staff_required(view: View[P]) -> View[P]:
    """Let staff in, and nobody else."""
    return required(Ability.OPERATE)(view)


def signed_in(view: View[P]) -> View[P]:
    """Let everybody in who is signed in."""

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return _to_sign_in(request)
        return view(request, *args, **kwargs)

    return guarded


def has_agreed(user: User) -> bool:
    """Whether models may learn from what this person answers now."""
    return Consent.objects.training().filter(user=user).exists()


def person_of(request: HttpRequest) -> User:
    """Who is signed in, where the door has made sure that somebody is."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


def _let_in(request: HttpRequest, ability: Ability, kwargs: Mapping[str, object]) -> bool:
    user, match = person_of(request), request.resolver_match
    # What the address says counts, however a decorator hands it on.
    kwargs = {**(match.kwargs if match else {}), **kwargs}
    if user.is_staff:
        # What is not there is for the page to say.
        return may(user, ability)
    campaign = language = None
    if "slug" in kwargs:
        campaign = Campaign.objects.filter(slug=kwargs["slug"]).first()
        if campaign is None:
            return False
    if "tag" in kwargs:
        language = Language.objects.filter(tag=kwargs["tag"]).first()
        if language is None:
            return False
    return may(user, ability, campaign=campaign, language=language)


def _teams(user: User) -> "QuerySet[Annotator]":
    """The languages in all of whose campaigns somebody answers."""
    return Annotator.objects.filter(user=user, active=True, everywhere=True)


def _let_go(user: User, language: Language) -> bool:
    return Annotator.objects.filter(user=user, language=language, active=False).exists()


def _to_sign_in(request: HttpRequest) -> HttpResponse:
    # A polling partial must not be replaced by the sign-in page: the whole page goes there.
    if request.headers.get("HX-Request") == "true":
        return HttpResponse(status=204, headers={"HX-Redirect": resolve_url("sign_in")})
    if request.method != "GET":
        return redirect_to_login(resolve_url("home"))
    return redirect_to_login(request.get_full_path())
