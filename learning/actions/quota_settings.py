"""The quota's knobs: proposed, looked at before anything is saved, set, and taken back."""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.utils.translation import gettext as _

from annotation.actions.standings import SettingError, refuse_contradictions
from annotation.errors import ConflictError, InvalidInputError
from annotation.models import Campaign, CampaignLanguage, User
from learning.actions.pools import preview_quota
from learning.actions.rounds import seed_of
from learning.actions.strategy_names import offered_strategies, refusal
from learning.methods.quotas import Quota
from learning.models import QuotaChange, Round, StopDecision

KNOBS = (
    "items_per_round",
    "floor_per_language",
    "answers_per_item",
    "audit_share",
    "gold_share",
    "strategy",
    "strategy_mix",
    "cold_start",
    "opinion_passes",
    "slope_trust",
    "cost_exponent",
    "items_per_annotator",
    "relabel_share",
    "words_per_round",
    "near_duplicates",
    "most_labels_per_language",
    "least_gain",
    "stop_automatically",
)
LANGUAGE_KNOBS = ("active", "most_per_round")
Values = Mapping[str, Any]


class KnobError(InvalidInputError):
    """One knob cannot be set so; the door shows it where the knob is."""

    def __init__(self, message: str, *, knob: str, tag: str = "") -> None:
        super().__init__(message)
        self.knob = knob
        self.tag = tag


@dataclass(frozen=True)
class Proposal:
    """A campaign and its languages with values that are not saved, and what would move."""

    campaign: Campaign
    homes: Sequence[CampaignLanguage]
    before: Values
    after: Values
    languages_before: Mapping[str, Values]
    languages_after: Mapping[str, Values]

    @property
    def moves(self) -> bool:
        """Whether anything would change."""
        return bool(self.after or self.languages_after)


@dataclass(frozen=True)
class PreviewRow:
    """What one language would get as things are, and as proposed; None: it takes no part."""

    home: CampaignLanguage
    texts: int
    owed: float
    now: Quota | None
    new: Quota | None
    slope: float | None = None
    cost: float = 1.0
    stopped: bool = False

    @property
    def gain(self) -> float | None:
        """What 100 labels add at least, None until rounds have told."""
        return None if self.slope is None else 100 * self.slope

    @property
    def difference(self) -> int:
        """How many items more, or fewer."""
        return (self.new.got if self.new else 0) - (self.now.got if self.now else 0)


@dataclass(frozen=True)
class Preview:
    """What the next choice would be, as things are and as proposed."""

    rows: Sequence[PreviewRow]
    now: int
    new: int
    answers_now: int
    answers_new: int
    short: int
    floors_dropped: bool


def propose(
    campaign: Campaign, *, values: Values, languages: Mapping[str, Values] | None = None
) -> Proposal:
    """Put new values on copies and check them like the database would; nothing is saved."""
    changed = copy(campaign)
    before, after = _moved(changed, values, knobs=KNOBS)
    _check_strategies(changed, after)
    _check_answers(changed, after)
    homes = [copy(home) for home in campaign.languages.select_related("language")]
    by_tag = {home.language.tag: home for home in homes}
    languages_before, languages_after = {}, {}
    for tag, wanted in (languages or {}).items():
        if tag not in by_tag:
            known = ", ".join(by_tag)
            raise KnobError(
                _("%(tag)s is no language of the campaign; there are: %(known)s.")
                % {"tag": tag, "known": known},
                knob="language",
            )
        was, becomes = _moved(by_tag[tag], wanted, knobs=LANGUAGE_KNOBS)
        if becomes:
            languages_before[tag], languages_after[tag] = was, becomes
    if languages_after and not any(home.active for home in homes):
        raise KnobError(_("One language at least must take part."), knob="active")
    return Proposal(changed, homes, before, after, languages_before, languages_after)


def preview_proposal(campaign: Campaign, proposal: Proposal) -> Preview:
    """What each language would get next, as things are and as proposed, ties as they will fall."""
    seed = next_seed(campaign)
    present = {row.tag: row for row in preview_quota(campaign, seed=seed)}
    stopped = StopDecision.objects.stopped(proposal.campaign)
    active = [home for home in proposal.homes if home.active and home.pk not in stopped]
    new = {row.tag: row for row in preview_quota(proposal.campaign, languages=active, seed=seed)}
    rows = []
    for home in proposal.homes:
        tag = home.language.tag
        known = new.get(tag) or present.get(tag)
        rows.append(
            PreviewRow(
                home=home,
                texts=known.texts if known else 0,
                owed=known.debt if known else 0.0,
                now=present[tag].quota if tag in present else None,
                new=new[tag].quota if tag in new else None,
                slope=known.slope if known else None,
                cost=known.cost if known else 1.0,
                stopped=home.active and home.pk in stopped,
            )
        )
    got_now, got_new = (sum(r.quota.got for r in found.values()) for found in (present, new))
    floors = proposal.campaign.floor_per_language * len(active)
    return Preview(
        rows=rows,
        now=got_now,
        new=got_new,
        answers_now=got_now * campaign.answers_per_item,
        answers_new=got_new * proposal.campaign.answers_per_item,
        short=proposal.campaign.items_per_round - got_new,
        floors_dropped=floors > proposal.campaign.items_per_round,
    )


@transaction.atomic
def set_quota(
    campaign: Campaign,
    *,
    values: Values,
    languages: Mapping[str, Values] | None = None,
    actor: User | None = None,
    seen: int | None = None,
) -> QuotaChange | None:
    """Save new values and write the change down; None if nothing moves.

    ``seen`` is the number of the last change that the person knew of: whoever decided on an
    older page is asked to look again.
    """
    locked = Campaign.objects.select_for_update().get(pk=campaign.pk)
    if locked.status == Campaign.Status.FINISHED:
        raise ConflictError(_("The campaign is finished: nothing is asked any more."))
    last = last_change(locked)
    if seen is not None and seen != (last.number if last else 0):
        raise ConflictError(
            _("Somebody changed the quota since you opened this page."),
            remedy=_("Look at the present values, then change them."),
        )
    return _save(propose(locked, values=values, languages=languages), actor=actor)


@transaction.atomic
def undo_quota(
    campaign: Campaign, *, actor: User | None = None, seen: int | None = None
) -> QuotaChange:
    """Take the last change back by one more; taking that back brings the change again."""
    locked = Campaign.objects.select_for_update().get(pk=campaign.pk)
    last = last_change(locked)
    if last is None or (seen is not None and seen != last.number):
        raise ConflictError(_("There is no such last change to take back."))
    proposal = propose(locked, values=last.before, languages=last.languages_before)
    change = _save(proposal, actor=actor, undoes=last)
    if change is None:
        raise ConflictError(_("Everything is already as it was before that change."))
    return change


def last_change(campaign: Campaign) -> QuotaChange | None:
    """The newest change of the campaign's quota."""
    return campaign.quota_changes.order_by("-number").first()


def _save(
    proposal: Proposal, *, actor: User | None, undoes: QuotaChange | None = None
) -> QuotaChange | None:
    if not proposal.moves:
        return None
    campaign = proposal.campaign
    if proposal.after:
        campaign.save(update_fields=list(proposal.after))
    for home in proposal.homes:
        if moved := proposal.languages_after.get(home.language.tag):
            home.save(update_fields=list(moved))
    last = last_change(campaign)
    return QuotaChange.objects.create(
        campaign=campaign,
        number=last.number + 1 if last else 1,
        before=proposal.before,
        after=proposal.after,
        languages_before=proposal.languages_before,
        languages_after=proposal.languages_after,
        undoes=undoes,
        actor=actor,
    )


def _moved(
    row: models.Model, values: Values, *, knobs: Sequence[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Set checked values on a row; return those that differ, before and after, for JSON."""
    before, after = {}, {}
    for knob, value in values.items():
        if knob not in knobs:
            raise KnobError(_("A quota has no knob %s.") % knob, knob=knob)
        field = row._meta.get_field(knob)
        if not isinstance(field, models.Field):
            raise TypeError(f"{knob} is no column")
        try:
            clean = field.clean(value, row)
        except ValidationError as error:
            name = str(field.verbose_name)
            told = f"{name[:1].upper()}{name[1:]}: {' '.join(error.messages)}"
            raise KnobError(told, knob=knob) from error
        if clean != getattr(row, knob):
            before[knob], after[knob] = _plain(getattr(row, knob)), _plain(clean)
            setattr(row, knob, clean)
    return before, after


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal) else value


def _check_strategies(campaign: Campaign, moved: Values) -> None:
    """Refuse a strategy that there is not, or that this campaign has no network for."""
    for knob in ("strategy", "strategy_mix", "cold_start"):
        value = getattr(campaign, knob)
        if knob not in moved or not value:
            continue
        names = sorted(value) if isinstance(value, dict) else [value]
        known = offered_strategies()
        for name in names:
            if name not in known:
                values = {"name": name, "known": ", ".join(known)}
                told = _("There is no strategy %(name)s; there are: %(known)s.") % values
                raise KnobError(told, knob=knob)
            if told := refusal(campaign, name):
                raise KnobError(told, knob=knob)
    if "strategy_mix" in moved:
        _check_shares(campaign.strategy_mix)


def _check_answers(campaign: Campaign, moved: Values) -> None:
    """Refuse a number of answers that contradicts what is done where people differ."""
    if "answers_per_item" not in moved:
        return
    try:
        refuse_contradictions(campaign)
    except SettingError as error:
        where = _("It is set on the page Calibration, Settings.")
        told = f"{error} {where}" if error.setting == "most_answers" else str(error)
        raise KnobError(told, knob="answers_per_item") from error


def _check_shares(shares: Mapping[str, Any]) -> None:
    fine = all(isinstance(part, int | float) and part > 0 for part in shares.values())
    if shares and (not fine or abs(sum(shares.values()) - 1) > 1e-6):
        raise KnobError(_("The shares of a mixture are above 0 and sum to 1."), knob="strategy_mix")


def next_seed(campaign: Campaign) -> int:
    """The seed of the round that chooses next: one that is open and has not chosen, or a new one."""
    last = campaign.rounds.order_by("-number").first()
    if last and last.status in (Round.Status.SCORING, Round.Status.SELECTING):
        return last.seed
    return seed_of(campaign, number=last.number + 1 if last else 1)
