"""Outlook: what more labels would buy in each language, and what choosing them has gained."""

from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from annotation.errors import ConflictError
from annotation.models import Campaign, CampaignLanguage, User
from learning.models import SelectionGain, StopDecision


@dataclass(frozen=True)
class OutlookRow:
    """What is known of one language; ``stopped`` is one that gets no more items."""

    home: CampaignLanguage
    said: StopDecision | None
    stopped: bool
    gain: SelectionGain | None

    @property
    def may_stop(self) -> bool:
        """Whether the last verdict is that it may stop."""
        return self.said is not None and self.said.verdict == StopDecision.Verdict.STOP

    @property
    def shown(self) -> str:
        """What the comparison of chosen with random labels shows: better, worse, or neither."""
        if self.gain is None or self.gain.low is None or self.gain.high is None:
            return "unknown"
        if self.gain.low > 0:
            return "better"
        return "worse" if self.gain.high < 0 else "neither"

    @property
    def reasons(self) -> list[str]:
        """Why it may stop, or each guard that keeps it going."""
        if self.said is None:
            return []
        if self.may_stop:
            return [str(self.said.get_cause_display())]
        open_ = [guard for guard in self.said.guards if not guard["holds"]]
        told = [_sentence(guard) for guard in open_ if guard["number"] is not None]
        unknown = [_name(guard) for guard in open_ if guard["number"] is None]
        if unknown:
            told.append(_("not known yet: %s") % ", ".join(unknown))
        return told


def outlook_of(campaign: Campaign) -> list[OutlookRow]:
    """One row a language, once a round has been looked back on; two queries beside the languages."""
    said = StopDecision.objects.newest(campaign)
    gains = {
        row.campaign_language_id: row
        for row in SelectionGain.objects.filter(round__campaign=campaign).order_by("round__number")
    }
    if not said and not gains:
        return []
    return [
        _row(campaign, home, said.get(home.pk), gains.get(home.pk)) for home in _homes(campaign)
    ]


def set_kept_open(campaign: Campaign, *, tag: str, kept: bool, by: User | None) -> StopDecision:
    """Keep a language that may stop open, or let it stop after all."""
    newest = keep_open(campaign.languages.get(language__tag=tag), by=by, kept=kept)
    if newest is None:
        raise ConflictError(_("No round has said yet whether this language may stop."))
    return newest


def keep_open(home: CampaignLanguage, *, by: User | None, kept: bool = True) -> StopDecision | None:
    """Note somebody's wish about stopping with the newest verdict; it holds for later rounds too."""
    with transaction.atomic():
        newest = home.stop_decisions.select_for_update().order_by("-round__number").first()
        if newest and newest.kept_open != kept:
            newest.kept_open, newest.kept_open_by = kept, by if kept else None
            newest.save(update_fields=["kept_open", "kept_open_by"])
        return newest


def _homes(campaign: Campaign) -> list[CampaignLanguage]:
    return list(campaign.languages.filter(active=True).select_related("language"))


def _row(
    campaign: Campaign,
    home: CampaignLanguage,
    said: StopDecision | None,
    gain: SelectionGain | None,
) -> OutlookRow:
    stopped = campaign.stop_automatically and said is not None and said.holds_for(campaign)
    return OutlookRow(home=home, said=said, stopped=stopped, gain=gain)


def _sentence(guard: dict[str, Any]) -> str:
    """One condition that does not hold yet, with its number and what it must reach."""
    words = {
        "agreement": _("versions still disagree: kappa %(number)s, needed %(bound)s"),
        "spread": _("labels vary less than in gold: %(number)s, needed %(bound)s"),
        "quality": _("accuracy is known to ±%(number)s, needed ±%(bound)s"),
        "gain": _("100 labels may still add %(number)s, needed below %(bound)s"),
        "drift": _("accuracy may have fallen: %(number)s at most, needed %(bound)s"),
    }
    values = {"number": f"{guard['number']:.3f}", "bound": f"{guard['bound']:.3f}"}
    name = str(guard["name"])
    return words.get(name, f"{name}: %(number)s, %(bound)s") % values


def _name(guard: dict[str, Any]) -> str:
    names = {
        "agreement": _("whether versions agree"),
        "spread": _("how varied its labels are"),
        "quality": _("how accurate it is"),
        "gain": _("what labels still add"),
        "drift": _("whether accuracy fell"),
    }
    return str(names.get(guard["name"], guard["name"]))
