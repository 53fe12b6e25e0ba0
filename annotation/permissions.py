"""Who may come in: what each role may do in a campaign and its languages; staff may everything."""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from functools import wraps
from typing import Any, Concatenate, NamedTuple, ParamSpec

from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db.models import (
    BooleanField,
    Exists,
    ExpressionWrapper,
    F,
    FilteredRelation,
    Model,
    OuterRef,
    Q,
    QuerySet,
)
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, resolve_url

from annotation.models import (
    Annotator,
    Campaign,
    CampaignLanguage,
    Consent,
    Invitation,
    Language,
    Membership,
    Role,
    User,
)
from annotation.models.often import Often

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


def in_the_team(*, of: str) -> "ExpressionWrapper[Q]":
    """As `team_of`, asked of rows with an annotator: whether that one is in the team of their home."""
    held = Membership.objects.filter(
        user=OuterRef("annotator__user"), role__in=roles_with(Ability.ANSWER)
    ).within(OuterRef(f"{of}__campaign"), OuterRef(f"{of}__language"))
    agreed = Consent.objects.training().filter(user=OuterRef("annotator__user"))
    here = Q(annotator__active=True, annotator__user__is_active=True)
    here &= Q(annotator__language=F(f"{of}__language")) & Q(Exists(agreed))
    here &= Q(annotator__everywhere=True) | Q(Exists(held))
    return ExpressionWrapper(here, output_field=BooleanField())


class Entry(NamedTuple):
    """A language of a campaign, and what somebody who would answer there finds at its door."""

    home: CampaignLanguage
    annotator: Annotator | None
    may: bool
    agreed: bool


def entry_of(user: User, *, slug: str, tag: str) -> Entry | None:
    """As `may` answer and `has_agreed`, with one question for all; None if there is no such language."""
    row = ENTRY.first(user=user.pk, slug=slug, tag=tag)
    if row is None:
        return None
    gone, held, everywhere, agreed, *rest = row
    kinds = (CampaignLanguage, Campaign, Language, Annotator)
    home, campaign, language, annotator = _made_of(rest, kinds)
    home.campaign, home.language = campaign, language
    if annotator is not None:
        annotator.language = language
    may_in = user.is_active and (user.is_staff or (not gone and (held or everywhere)))
    return Entry(home, annotator, may_in, agreed)


def _entry(*, user: Any, slug: str, tag: str) -> "QuerySet[Any, Any]":
    mine = Annotator.objects.filter(user=user, language=OuterRef("language"))
    held = Membership.objects.filter(user=user, role__in=roles_with(Ability.ANSWER))
    homes = CampaignLanguage.objects.filter(campaign__slug=slug, language__tag=tag).order_by()
    return homes.annotate(
        gone=Exists(mine.filter(active=False)),
        held=Exists(held.within(OuterRef("campaign"), OuterRef("language"))),
        everywhere=Exists(_teams(user).filter(language=OuterRef("language"))),
        agreed=Exists(Consent.objects.training().filter(user=user)),
        mine=FilteredRelation("language__annotators", condition=Q(language__annotators__user=user)),
    ).values_list(
        *("gone", "held", "everywhere", "agreed"),
        *_columns(CampaignLanguage),
        *_columns(Campaign, "campaign__"),
        *_columns(Language, "language__"),
        *_columns(Annotator, "mine__"),
    )


def _columns(model: type[Model], within: str = "") -> list[str]:
    return [f"{within}{field.attname}" for field in model._meta.concrete_fields]


def _made_of(row: Sequence[Any], kinds: Sequence[type[Model]]) -> list[Any]:
    """The objects whose columns stand one after the other; None where there is none."""
    made: list[Any] = []
    for model in kinds:
        names = _columns(model)
        mine, row = row[: len(names)], row[len(names) :]
        made.append(None if mine[0] is None else model.from_db("default", names, mine))
    return made


ENTRY = Often(_entry, user=int, slug=str, tag=str)


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
            if ability is Ability.ANSWER and not _agreed(request):
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
    return bool(AGREED.rows(user=user.pk))


AGREED = Often(
    lambda user: Consent.objects.training().filter(user=user).order_by().values_list("pk")[:1],
    user=int,
)


def person_of(request: HttpRequest) -> User:
    """Who is signed in, where the door has made sure that somebody is."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


def entry_at(request: HttpRequest) -> Entry | None:
    """What the door found where somebody came to answer in a language."""
    found: Entry | None = getattr(request, "entry", None)
    return found


def _agreed(request: HttpRequest) -> bool:
    entry = entry_at(request)
    return entry.agreed if entry is not None else has_agreed(person_of(request))


def _let_in(request: HttpRequest, ability: Ability, kwargs: Mapping[str, object]) -> bool:
    user, match = person_of(request), request.resolver_match
    # What the address says counts, however a decorator hands it on.
    kwargs = {**(match.kwargs if match else {}), **kwargs}
    if ability is Ability.ANSWER and {"slug", "tag"} <= kwargs.keys():
        entry = entry_of(user, slug=str(kwargs["slug"]), tag=str(kwargs["tag"]))
        request.entry = entry  # type: ignore[attr-defined]  # the page goes on from it
        return may(user, ability) if entry is None and user.is_staff else bool(entry and entry.may)
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
