"""Welcome: what somebody who answers is told and asked on their own page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import langcodes
from django.db.models import Count, Exists, OuterRef, Q

from annotation.actions.standings import may_answer
from annotation.models import (
    Annotation,
    Annotator,
    Campaign,
    CampaignLanguage,
    Invitation,
    Language,
    Membership,
    User,
)
from annotation.permissions import Ability, may, roles_with

LONGEST_DIALECT = 120
LONGEST_SCRIPT = 60


@dataclass(frozen=True)
class Place:
    """A language of a campaign in which somebody answers, and how much they did there."""

    home: CampaignLanguage
    annotator: Annotator
    answered: int

    @property
    def counts(self) -> bool:
        """Whether their answers count there, or a calibration session comes first."""
        return may_answer(self.annotator, self.home.campaign)


@dataclass(frozen=True)
class Script:
    """A script to choose: what it is called, and what is kept."""

    code: str
    name: str


def is_asked_to_answer(user: User, *, now: datetime) -> bool:
    """Whether somebody is to answer somewhere, and so has to be asked for consent."""
    invited = Invitation.objects.standing(now).filter(
        user=user, role__in=roles_with(Ability.ANSWER)
    )
    return invited.exists() or (not user.is_staff and may(user, Ability.ANSWER))


def places_of(user: User) -> list[Place]:
    """Where somebody answers now: one place a language and campaign that goes on."""
    teams = {
        team.language_id: team
        for team in Annotator.objects.filter(user=user, active=True).select_related("language")
    }
    everywhere = [pk for pk, team in teams.items() if team.everywhere]
    held = Membership.objects.filter(
        Q(language=None) | Q(language=OuterRef("language")),
        user=user,
        active=True,
        campaign=OuterRef("campaign"),
        role__in=roles_with(Ability.ANSWER),
    )
    homes = CampaignLanguage.objects.filter(
        Q(language__in=everywhere) | Exists(held),
        language__in=teams,
        active=True,
        campaign__status__in=(Campaign.Status.RUNNING, Campaign.Status.PAUSED),
    )
    counts = dict(
        Annotation.objects.answered()
        .filter(annotator__user=user)
        .order_by()
        .values_list("item__campaign_language")
        .annotate(Count("pk"))
    )
    return [
        Place(home, teams[home.language_id], counts.get(home.pk, 0))
        for home in homes.select_related("campaign", "language").order_by("language__tag", "pk")
    ]


def scripts_of(language: Language) -> Sequence[Script]:
    """The scripts that are known for a language, its own first; relatives share a first subtag."""
    stem = language.tag.split("-")[0]
    kin = Language.objects.filter(Q(tag=stem) | Q(tag__startswith=f"{stem}-"))
    codes = [language.script, *kin.order_by("tag").values_list("script", flat=True)]
    known = [code for code in dict.fromkeys(codes) if code]
    return [Script(code, langcodes.Language.make(script=code).script_name()) for code in known]


def tell_about(annotator: Annotator, *, dialect: str, script: str) -> Annotator:
    """Keep which dialect somebody speaks and which script they write; empty means not told."""
    Annotator.objects.filter(pk=annotator.pk).update(
        dialect=" ".join(dialect.split())[:LONGEST_DIALECT],
        script=" ".join(script.split())[:LONGEST_SCRIPT],
    )
    annotator.refresh_from_db(fields=["dialect", "script"])
    return annotator
