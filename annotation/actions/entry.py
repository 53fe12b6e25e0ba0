"""Entry: who comes into which project at the desk, and the link by which they do.

Ours is the record of teams; the desk's members follow it. Whoever joins or leaves is heard of at
once, and the patrol says it again, so that a desk that was away, or a hand that changed its
members, is put right. A desk without our overlay knows no members: there everybody who was given
a password signs in as before, and the health page says what is missing.
"""

from collections.abc import Collection
from datetime import datetime

from django.conf import settings
from django.db.models import Q
from django.utils.translation import get_language, get_language_bidi
from django.utils.translation import gettext as _

from annotation.actions import health
from annotation.actions.people import ensure_desk_account
from annotation.actions.standings import counting
from annotation.errors import ConflictError, OverlayMissingError
from annotation.gateways import DeskDoor
from annotation.models import CampaignLanguage, Invitation, Membership, User
from annotation.permissions import team_of


def keep_members(
    campaign_language: CampaignLanguage, *, desk: DeskDoor, now: datetime
) -> set[int] | None:
    """Let exactly the present team into the language's project; return who is in it now.

    Nothing comes back where there is no project yet, or no overlay at the desk.
    """
    if campaign_language.desk_project_id is None:
        return None
    try:
        team = accounts_of_team(campaign_language)
        project = campaign_language.desk_project_id
        there = desk.set_members(project, team, since=ended_visits(team, now=now))
    except OverlayMissingError as error:
        health.record_failure(health.OVERLAY, error=str(error), now=now)
        return None
    health.beat(health.OVERLAY, now=now)
    return there


def accounts_of_team(campaign_language: CampaignLanguage) -> Collection[int]:
    """The accounts of everybody whose answers in the language count."""
    campaign, language = campaign_language.campaign, campaign_language.language
    team = counting(campaign, team_of(campaign, language)).select_related("user")
    return {one.user.desk_user_id for one in team if one.user.desk_user_id is not None}


def ended_visits(accounts: Collection[int], *, now: datetime) -> dict[int, datetime]:
    """Since when visits at the desk count of whose personal links one was revoked or ran out.

    The desk cannot tell by which link somebody came to us: whoever has another one, or a
    password, presses the button once more.
    """
    links = Invitation.objects.filter(user__desk_user_id__in=accounts, signs_in=True)
    over = links.filter(Q(revoked_at__isnull=False) | Q(expires_at__lte=now))
    ended: dict[int, datetime] = {}
    for link in over.select_related("user"):
        account = link.user.desk_user_id if link.user else None
        at = min(moment for moment in (link.revoked_at, link.expires_at) if moment is not None)
        if account is not None:
            ended[account] = max(at, ended.get(account, at))
    return ended


def homes_of(user: User) -> list[int]:
    """The campaign languages with a project at the desk in which somebody is or was something."""
    roles = Membership.objects.filter(user=user)
    whole = Q(campaign__in=roles.filter(language=None).values("campaign"))
    named = Q(campaign__in=roles.values("campaign"), language__in=roles.values("language"))
    teams = Q(language__in=user.annotators.values("language"))
    homes = CampaignLanguage.objects.filter(teams | named | whole, desk_project_id__isnull=False)
    return list(homes.order_by("pk").values_list("pk", flat=True))


def enter_desk(user: User, *, home: CampaignLanguage, desk: DeskDoor, now: datetime) -> str:
    """Return the link that lets somebody into the language's project, once and for ten minutes.

    Their account there is made when it is first needed, under a password that nobody ever sees.
    A desk without our overlay raises ``OverlayMissingError``.
    """
    if home.desk_project_id is None:
        raise ConflictError(
            _("Nothing has been put to Label Studio in this language yet."),
            remedy=_("Answer here instead, or come back later."),
        )
    user = ensure_desk_account(user, desk=desk)
    account = user.desk_user_id or 0
    wanted = accounts_of_team(home)
    if account not in wanted:
        raise ConflictError(
            _("You are not in this language's team in Label Studio."),
            remedy=_("Look at your own page for what comes first, or ask whoever invited you."),
        )
    since = ended_visits(wanted, now=now)
    if account not in desk.set_members(home.desk_project_id, wanted, since=since):
        raise ConflictError(
            _("Your account in Label Studio is no longer there."),
            remedy=_("Answer here meanwhile; whoever invited you can add you again."),
        )
    health.beat(health.OVERLAY, now=now)
    return desk.entry_link(
        user_id=account,
        project_id=home.desk_project_id,
        email=user.desk_email,
        words=words_at_the_desk(),
    )


def words_at_the_desk() -> dict[str, str]:
    """What the desk's own pages say, in the language that is spoken here now.

    Label Studio speaks English only, so the words come along with whoever enters.
    """
    language = get_language() or settings.LANGUAGE_CODE
    return {
        "lang": language,
        "dir": "rtl" if get_language_bidi() else "ltr",
        "go_on": _("Go on to the texts"),
        "old": _("This link is no longer good: it works for ten minutes."),
        "used": _("This link has been used: it works once."),
        "not_yours": _("This part of Label Studio is not open to you."),
        "come_in": _("You are not signed in here, or your visit has ended."),
        "kept": _("Nothing that you have answered is lost. Come in again from your own page."),
        "home": _("Go to my page"),
        "password": _("I look after this Label Studio and have a password"),
        "back": _("Back to my page"),
        "later": _("Come back later"),
        "held": _(
            "There is no text for you just now. Others may be at the last ones: what they leave"
            " comes back within half an hour. All that you have answered is kept."
        ),
    }
