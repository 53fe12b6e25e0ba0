"""Gate settings: changed with a name, kept for good, and a wider margin only by two admins.

Every change is one more row with all settings before and after; the database refuses to change or
remove a row. What another door changed is found at the next look or change, and is written down as
found. A margin wider than three points is a standing waiver: one admin wishes for it and it takes
effect when another one agrees.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from annotation.actions.campaigns import USUAL_MARGIN
from annotation.errors import ConflictError, InvalidInputError
from annotation.models import Campaign, User
from training.actions.waivers import NotAdminError
from training.models import GateChange

SETTINGS = (
    "margin",
    "gate_metric",
    "gate_looks",
    "gold_at_once",
    "parity_blocks",
    "strict_calibration",
    "case_rule",
)


def settings_of(campaign: Campaign) -> dict[str, Any]:
    """Return every setting of the gate in JSON's own types."""
    told = {name: getattr(campaign, name) for name in SETTINGS}
    return told | {"margin": f"{campaign.margin:.3f}"}


def keep_track(campaign: Campaign, *, now: datetime) -> None:
    """Write down what the settings are, if nobody has, or if another door changed them."""
    with transaction.atomic():
        _keep_track(Campaign.objects.select_for_update().get(pk=campaign.pk), now=now)


@transaction.atomic
def change_gate(
    campaign: Campaign, *, values: Mapping[str, Any], actor: User, now: datetime
) -> list[GateChange]:
    """Set what is told, and write down by whom; the same again changes nothing.

    A margin that becomes wider than three points is only wished for.
    """
    campaign = Campaign.objects.select_for_update().get(pk=campaign.pk)
    _keep_track(campaign, now=now)
    before = settings_of(campaign)
    if unknown := sorted(set(values) - set(SETTINGS)):
        raise InvalidInputError(
            f"The gate has no setting {unknown[0]!r}.", remedy=f"There are: {', '.join(SETTINGS)}."
        )
    wished = _wider(campaign, values.get("margin"))
    for name, value in values.items():
        if not (name == "margin" and wished is not None):
            setattr(campaign, name, value)
    _check(campaign)
    rows, after = [], settings_of(campaign)
    if after != before:
        campaign.save(update_fields=list(SETTINGS))
        rows.append(_write(campaign, before=before, after=after, actor=actor, now=now))
    if wished is not None:
        rows += _wish(campaign, margin=wished, actor=actor, now=now)
    return rows


def open_wish(campaign: Campaign) -> GateChange | None:
    """Return the wish for a wider margin that waits for a second admin, if it still can be had."""
    wish = campaign.gate_changes.filter(wish=True).first()
    if wish is None or GateChange.objects.filter(agrees_to=wish).exists():
        return None
    later = campaign.gate_changes.filter(number__gt=wish.number, wish=False)
    moved = any(row.before.get("margin") != row.after["margin"] for row in later)
    return None if moved else wish


@transaction.atomic
def agree_to(wish: GateChange, *, actor: User, now: datetime) -> GateChange:
    """Let a wish for a wider margin take effect: another admin than the one who wished says so."""
    campaign = Campaign.objects.select_for_update().get(pk=wish.campaign_id)
    done = GateChange.objects.filter(agrees_to=wish).first()
    if done and done.actor == actor:
        return done
    if open_wish(campaign) != wish:
        raise ConflictError("That wish is past.", remedy="Look at the settings as they are now.")
    _need_admin(actor)
    if wish.actor == actor:
        raise NotAdminError(
            "A wider margin takes two admins.", remedy="Ask another one to agree to it."
        )
    _keep_track(campaign, now=now)
    before = settings_of(campaign)
    campaign.margin = Decimal(wish.after["margin"])
    campaign.save(update_fields=["margin"])
    return _write(
        campaign, before=before, after=settings_of(campaign), actor=actor, now=now, agrees_to=wish
    )


def moves_of(change: GateChange) -> list[tuple[str, str, str]]:
    """Return what a change moved, from what to what, in words.

    The first row of all has nothing before it: it is held beside what is usual.
    """
    before = change.before or settings_of(Campaign())
    return [
        (_name(name), _words(name, before[name]), _words(name, value))
        for name, value in change.after.items()
        if name in before and before[name] != value
    ]


def _name(name: str) -> str:
    return str(getattr(Campaign._meta.get_field(name), "verbose_name", name))


def _words(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if value is None:
        return _("as many as are missing")
    choices = dict(getattr(Campaign._meta.get_field(name), "choices", None) or ())
    return str(choices.get(value, value))


def _keep_track(campaign: Campaign, *, now: datetime) -> None:
    last = campaign.gate_changes.filter(wish=False).first()
    before, after = last.after if last else {}, settings_of(campaign)
    if before != after:
        _write(campaign, before=before, after=after, actor=None, now=now)


def _wider(campaign: Campaign, margin: Decimal | None) -> Decimal | None:
    wide = margin is not None and margin > USUAL_MARGIN and margin > campaign.margin
    return margin if wide else None


def _wish(campaign: Campaign, *, margin: Decimal, actor: User, now: datetime) -> list[GateChange]:
    _need_admin(actor)
    before = settings_of(campaign)
    after = before | {"margin": f"{margin:.3f}"}
    campaign.margin = margin  # only to be looked at; it is not saved
    _check(campaign)
    waiting = open_wish(campaign)
    if waiting and waiting.after["margin"] == after["margin"] and waiting.actor == actor:
        return [waiting]
    return [_write(campaign, before=before, after=after, actor=actor, now=now, wish=True)]


def _need_admin(actor: User) -> None:
    if not (actor.is_superuser and actor.is_active):
        points = f"{USUAL_MARGIN * 100:.0f}"
        raise NotAdminError(
            _("Only an admin may let a language lose more than %(points)s points.")
            % {"points": points},
            remedy="Ask one of them.",
        )


def _check(campaign: Campaign) -> None:
    try:
        campaign.clean_fields(
            exclude=[f.name for f in campaign._meta.fields if f.name not in SETTINGS]
        )
    except ValidationError as error:
        name, said = next(iter(error.message_dict.items()))
        raise InvalidInputError(f"{name}: {said[0]}", remedy="Choose another value.") from error


def _write(
    campaign: Campaign,
    *,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    actor: User | None,
    now: datetime,
    **more: Any,
) -> GateChange:
    newest = campaign.gate_changes.first()
    return GateChange.objects.create(
        campaign=campaign,
        number=newest.number + 1 if newest else 1,
        before=dict(before),
        after=dict(after),
        actor=actor,
        created_at=now,
        **more,
    )
