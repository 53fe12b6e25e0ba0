"""How numbers, texts, names and states are written on pages."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django import template
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import get_language_bidi, ngettext
from django.utils.translation import gettext as _

from annotation.methods.texts import shown
from annotation.models import Label, Language
from annotation.objectives.spans import MARKS

register = template.Library()

GOOD = {"PASS", "running", "done", "ok", "good"}
WARN = {"HOLD", "paused", "queued", "warn", "refused"}
# By this a page is asked for one of its tables as a file; see `annotation/views/page_tables.py`.
CSV = "csv"
BAD = {"BLOCK", "VOID", "failed", "bad"}


def _number(value: float | None, digits: int) -> str:
    # A proper minus sign; and no "-0.00".
    if value is None:
        return "–"
    rounded = round(value, digits)
    return number_format(rounded if rounded else 0, decimal_pos=digits).replace("-", "−")


@register.simple_tag(takes_context=True)
def csv_link(context: dict[str, Any], name: str, which: object = "") -> SafeString:
    """A link to the page's table with that name as a file; `which` tells one of several apart."""
    query = context["request"].GET.copy()
    query[CSV] = f"{name}-{which}" if which else name
    return format_html(
        '<p class="as-file"><a href="?{}">{}</a></p>', query.urlencode(), _("This table as CSV")
    )


@register.simple_tag
def interval(
    value: float | None, low: float | None = None, high: float | None = None, digits: int = 2
) -> SafeString:
    """``0.61 (0.57–0.65)``, kept in this order inside right-to-left text too."""
    if value is None:
        return format_html('<span class="quiet">{}</span>', _("not measured"))
    text = _number(value, digits)
    if low is not None and high is not None:
        text += f" ({_span(_number(low, digits), _number(high, digits), apart=low < 0)})"
    return format_html('<bdi class="num" dir="ltr">{}</bdi>', text)


@register.simple_tag
def signed(
    value: float | None, low: float | None = None, high: float | None = None, digits: int = 3
) -> SafeString:
    """A difference with its sign and interval: ``+0.030 (−0.010 to +0.070)``."""
    if value is None:
        return format_html('<span class="quiet">{}</span>', _("not measured"))
    text = _signed(value, digits)
    if low is not None and high is not None:
        text += f" ({_span(_signed(low, digits), _signed(high, digits), apart=True)})"
    return format_html('<bdi class="num" dir="ltr">{}</bdi>', text)


@register.filter
def number(value: float | None, digits: int = 2) -> SafeString:
    """A decimal, or a dash where there is none."""
    return format_html('<bdi class="num" dir="ltr">{}</bdi>', _number(value, digits))


@register.simple_tag
def sample_text(text: str, language: Language) -> SafeString:
    """A speaker's text: named in its language, in its own direction, nothing in it alive."""
    return format_html(
        '<span class="sample" lang="{}" dir="auto">{}</span>', language.lang, shown(text)
    )


@register.simple_tag
def said_of(label: Label, text: str, language: Language) -> SafeString:
    """What was said of a text: a label's name, or its marks with the words that they hold."""
    name = label.name_in(language.tag)
    if label.value is None or not label.key.startswith(MARKS):
        return format_html('<bdi lang="{}">{}</bdi>', language.lang, name)
    if not label.value:
        return format_html("<span>{}</span>", _("there is nothing to mark"))
    names = {one.key: one.name_in(language.tag) for one in label.campaign.labels.all()}
    marks = (
        (language.lang, text[start:end], names.get(key, key)) for start, end, key in label.value
    )
    return format_html_join(", ", '<q lang="{}" dir="auto">{}</q> <b>{}</b>', marks)


@register.simple_tag
def marks_apart(said: Label, true: Label, text: str, language: Language) -> SafeString:
    """Which marks of two answers differ, one a line; nothing where answers are no marks."""
    if said.value is None or true.value is None or not said.key.startswith(MARKS):
        return SafeString("")
    names = {one.key: one.name_in(language.tag) for one in said.campaign.labels.all()}
    mine, theirs = ({tuple(mark) for mark in label.value or ()} for label in (said, true))
    rows = [(_("only you marked"), mark) for mark in sorted(mine - theirs)]
    rows += [(_("not marked by you"), mark) for mark in sorted(theirs - mine)]
    told = (
        (language.lang, text[start:end], names.get(key, key), what)
        for what, (start, end, key) in rows
    )
    items = format_html_join("", '<li><q lang="{}" dir="auto">{}</q> <b>{}</b>: {}</li>', told)
    return format_html('<ul class="apart">{}</ul>', items) if items else SafeString("")


@register.simple_tag
def language_name(language: Language) -> SafeString:
    """The language as its community writes it, then as English does."""
    if not language.autonym or language.autonym == language.name:
        return format_html(
            '<span><bdi>{}</bdi> <bdi class="quiet small" dir="ltr">{}</bdi></span>',
            language.name,
            language.tag,
        )
    return format_html(
        '<span><span class="own"><bdi lang="{}">{}</bdi></span> <span class="quiet small"><bdi>{}</bdi> <bdi dir="ltr">{}</bdi></span></span>',
        language.lang,
        language.autonym,
        language.name,
        language.tag,
    )


@register.simple_tag
def state(value: str, text: str = "") -> SafeString:
    """A state as a small mark: shape and word carry it, colour only helps."""
    kinds = (("good", GOOD), ("warn", WARN), ("bad", BAD))
    kind = next((name for name, members in kinds if value in members), "")
    return format_html('<span class="tag {}">{}</span>', kind, text or value)


@register.filter
def ago(moment: datetime | None) -> SafeString:
    """How long ago, with the exact time for those who ask."""
    if moment is None:
        return format_html('<span class="quiet">{}</span>', _("never"))
    seconds = (timezone.now() - moment).total_seconds()
    if seconds < 90:
        n = int(seconds)
        ago_ = ngettext("%(n)d second ago", "%(n)d seconds ago", n) % {"n": n}
        words = _("just now") if seconds < 10 else ago_
    else:
        words = _("%(time)s ago") % {"time": timesince(moment, depth=1)}
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        moment.isoformat(),
        f"{moment:%Y-%m-%d %H:%M:%S %Z}",
        words,
    )


@register.filter
def minutes(span: timedelta) -> str:
    """A span of time in its largest unit, such as 4 minutes."""
    return timesince(timezone.now() - span, depth=1)


@register.filter
def digest(value: str) -> SafeString:
    """The first twelve signs of a digest, the whole on demand."""
    return format_html('<code class="digest" dir="ltr" title="{}">{}</code>', value, value[:12])


@register.filter
def pretty(value: Any) -> str:
    """JSON as a person reads it."""
    return json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True)


@register.filter
def get(mapping: Mapping[Any, Any], key: object) -> Any:
    """What a mapping holds under a key that only the page knows."""
    return mapping.get(key)


@register.filter
def size(value: int) -> str:
    """Bytes as KB, MB or GB."""
    amount, units = float(value), ["B", "KB", "MB", "GB", "TB"]
    while amount >= 1000 and len(units) > 1:
        amount, units = amount / 1000, units[1:]
    digits = 0 if amount >= 10 else 1
    text = f"{number_format(round(amount, digits), decimal_pos=digits)} {units[0]}"
    return f"\u2066{text}\u2069" if get_language_bidi() else text


def _span(low: str, high: str, *, apart: bool) -> str:
    """From here to there; in words where a dash would be read as a minus."""
    if not apart:
        return f"{low}–{high}"
    # A word from right to left would draw the number after it to its other side.
    word = f"\u2068{_('to')}\u2069" if get_language_bidi() else _("to")
    return f"{low} {word} {high}"


def _signed(value: float, digits: int) -> str:
    text = _number(value, digits)
    return f"+{text}" if round(value, digits) > 0 else text
