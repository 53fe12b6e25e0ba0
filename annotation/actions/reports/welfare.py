"""Welfare: who looks after reports meets hard texts veiled, and no more of them a day than is good for them."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from annotation.errors import InvalidInputError
from annotation.models import ModeratorWish, Report, ReportSight, User

KINDS = {
    "insult": _("Insults and bias"),
    "unsafe": _("Dangerous advice"),
    "private": _("Somebody's private data"),
    "harmful": _("Texts that somebody says do harm"),
    "unseen": _("What nobody has looked at yet, and junk"),
}
# So many more are shown to whoever would go on after the day's limit.
MORE = 10


@dataclass(frozen=True)
class Veil:
    """Whether a report's words stand behind a cover, or are kept from somebody for today."""

    covered: bool = False
    kept: bool = False
    seen: int = 0


OPEN = Veil()


def veil_of(report: Report, *, user: User, now: datetime) -> Veil:
    """Return how a report's words are shown to somebody; hard ones are counted, each once a day.

    Counted is what stands on a page, covered or not: whether a cover was lifted only a script could tell.
    """
    return veils_of([report], user=user, now=now)[report.pk]


def veils_of(reports: Iterable[Report], *, user: User, now: datetime) -> dict[int, Veil]:
    """Return the same for several, in the order in which they stand on the page."""
    hard = {one.pk: one.harms for one in reports}
    veils = dict.fromkeys(hard, OPEN)
    if not any(hard.values()):
        return veils
    wish = ModeratorWish.objects.filter(user=user).first() or ModeratorWish(user=user)
    sights = ReportSight.objects.filter(user=user, day=now.date())
    seen = set(sights.values_list("report", flat=True))
    for pk in (pk for pk, harms in hard.items() if harms):
        if pk not in seen and len(seen) >= _most(wish, now=now):
            veils[pk] = Veil(kept=True, seen=len(seen))
            continue
        if pk not in seen:
            ReportSight.objects.get_or_create(user=user, day=now.date(), report_id=pk)
            seen.add(pk)
        veils[pk] = Veil(covered=not set(hard[pk]) <= set(wish.shown), seen=len(seen))
    return veils


def _most(wish: ModeratorWish, *, now: datetime) -> float:
    limit: int = settings.ENV.hard_texts_a_day
    if not limit:
        return float("inf")
    return limit + (wish.more if wish.more_on == now.date() else 0)


def shown_kinds(user: User) -> list[str]:
    """Return of which kinds somebody has hard texts shown without a cover."""
    wish = ModeratorWish.objects.filter(user=user).first()
    return list(wish.shown) if wish else []


def show_kinds(user: User, *, kinds: Collection[str]) -> ModeratorWish:
    """Keep of which kinds somebody has hard texts shown at once; all others stay covered."""
    if unknown := sorted(set(kinds) - set(KINDS)):
        raise InvalidInputError(
            f"kinds: there is no kind {unknown[0][:20]!r}.",
            remedy=f"There are: {', '.join(KINDS)}.",
        )
    wanted = [one for one in KINDS if one in kinds]
    return ModeratorWish.objects.update_or_create(user=user, defaults={"shown": wanted})[0]


def show_more(user: User, *, now: datetime) -> ModeratorWish:
    """Show somebody some more hard texts today, who says that they would go on."""
    wish = ModeratorWish.objects.get_or_create(user=user)[0]
    before = wish.more if wish.more_on == now.date() else 0
    wish.more, wish.more_on = before + MORE, now.date()
    wish.save(update_fields=["more", "more_on"])
    return wish


def forget_sights(now: datetime) -> int:
    """Forget what was seen on days that are over: only today counts."""
    return ReportSight.objects.filter(day__lt=now.date()).delete()[0]
