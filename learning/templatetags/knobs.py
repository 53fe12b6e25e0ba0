"""How the quota's knobs and what moved on them are written on pages."""

from typing import Any

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from annotation.models import Campaign, CampaignLanguage
from learning.actions.round_words import capped_words, note_of, why_of
from learning.models import QuotaChange

register = template.Library()


@register.filter
def capped(reason: str) -> str:
    """Why a language gets no more, in words."""
    return capped_words(reason)


@register.filter
def why_asked(told: str) -> str:
    """Why a text was asked, in the reader's language."""
    return why_of(told)


@register.filter
def round_note(told: str) -> str:
    """Why a round ended as it did, in the reader's language."""
    return note_of(told)


@register.simple_tag
def strategy_shares(mix: dict[str, float]) -> SafeString:
    """A mixture of strategies: ``margin 50 %, badge 50 %``, the largest share first."""
    parts = sorted(mix.items(), key=lambda part: (-part[1], part[0]))
    told = [(name, f"{100 * share:.0f} %") for name, share in parts]
    return format_html(
        "<span>{}</span>", format_html_join(", ", '<bdi dir="ltr">{} {}</bdi>', told)
    )


@register.simple_tag
def knob_moves(change: QuotaChange) -> SafeString:
    """Every knob that moved, from what to what, one after the other."""
    moved = [
        (_name(Campaign, knob), _value(change.before[knob]), _value(value))
        for knob, value in change.after.items()
    ]
    for tag, knobs in change.languages_after.items():
        moved += [
            (
                f"{tag} {_name(CampaignLanguage, knob)}",
                _value(change.languages_before[tag][knob]),
                _value(value),
            )
            for knob, value in knobs.items()
        ]
    line = "<bdi>{}</bdi>: <bdi>{}</bdi> → <bdi>{}</bdi>"
    return format_html("<span>{}</span>", format_html_join("; ", line, moved))


def _name(model: type[Campaign] | type[CampaignLanguage], knob: str) -> str:
    return str(getattr(model._meta.get_field(knob), "verbose_name", knob))


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, dict):
        return ", ".join(f"{name} {share}" for name, share in value.items()) or _("none")
    return _("none") if value in (None, "") else str(value)
