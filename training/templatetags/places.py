"""How places of languages are drawn and written: skylines, small trends, histories, times."""

from collections.abc import Sequence
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from annotation.methods.charts import Axis, Estimate, axis, band, trace
from annotation.templatetags.words import interval
from training.actions.language_story import Moment, few
from training.actions.monday import GainCurve
from training.actions.parity import ParityRow
from training.methods.gaps import Ends
from training.methods.waits import Median

register = template.Library()


@register.inclusion_tag("training/_skyline.html")
def skyline(rows: Sequence[ParityRow]) -> dict[str, Any]:
    """All languages from the worst to the best: a point with its interval each.

    One path for all intervals and one for all points, so that 200 languages weigh some kilobytes.
    """
    known = sorted((r for r in rows if r.metric.value is not None), key=lambda r: _value(r.metric))
    up = axis([v for r in known for v in (r.metric.low, r.metric.value, r.metric.high)])
    across = Axis(-0.5, max(len(known) - 0.5, 0.5), ())
    places = [(round(across.share(k), 2), row) for k, row in enumerate(known)]
    return {
        "known": known,
        "missing": len(rows) - len(known),
        "ticks": tuple(reversed(up.ticks)),
        "grid": [round(100 - up.share(t), 2) for t in up.ticks],
        "whiskers": "".join(
            f"M{x} {_down(up, row.metric.low)}V{_down(up, row.metric.high)}"
            for x, row in places
            if row.metric.low is not None and row.metric.high is not None
        ),
        "points": "".join(f"M{x} {_down(up, r.metric.value)}h0" for x, r in places if not r.behind),
        "behind": "".join(f"M{x} {_down(up, r.metric.value)}h0" for x, r in places if r.behind),
        "dense": len(known) > 60,
        "worst": known[0] if known else None,
        "best": known[-1] if known else None,
    }


@register.simple_tag
def trend(points: Sequence[Estimate], up: Axis, name: str) -> SafeString:
    """A line of the last versions, small; it says its first and its last number."""
    known = [(float(k), p.value) for k, p in enumerate(points) if p.value is not None]
    if len(known) < 2:
        return format_html('<span class="quiet">{}</span>', "–")
    across = Axis(0.0, float(len(points) - 1), ())
    said = _("%(name)s: from %(first).2f to %(last).2f") % {
        "name": name,
        "first": known[0][1],
        "last": known[-1][1],
    }
    return format_html(
        '<svg class="spark" viewBox="0 0 100 100" preserveAspectRatio="none" role="img"'
        ' aria-label="{}"><path class="trace" d="{}"/><path class="end-dot" d="{}h0"/></svg>',
        said,
        trace(known, across=across, up=up),
        trace(known[-1:], across=across, up=up),
    )


@register.inclusion_tag("training/_history.html", takes_context=True)
def history(context: dict[str, Any], moments: Sequence[Moment], title: str) -> dict[str, Any]:
    """A language through the versions that served: a line with its 95 % band, and the numbers."""
    known = [(k, one) for k, one in enumerate(moments) if one.metric.value is not None]
    up = axis([v for _k, m in known for v in (m.metric.value, m.metric.low, m.metric.high)])
    across = Axis(-0.15, max(len(moments) - 0.85, 0.15), ())
    line = [(float(k), _value(one.metric)) for k, one in known]
    bands = [
        (float(k), one.metric.low, one.metric.high)
        for k, one in known
        if one.metric.low is not None and one.metric.high is not None
    ]
    return {
        "request": context["request"],
        "title": title,
        "moments": moments,
        "known": known,
        "line": trace(line, across=across, up=up) if len(line) > 1 else "",
        "band": band(bands, across=across, up=up) if len(bands) > 1 else "",
        "whiskers": "".join(
            f"M{across.share(x)} {_down(up, low)}V{_down(up, high)}" for x, low, high in bands
        ),
        "points": "".join(f"M{across.share(x)} {_down(up, y)}h0" for x, y in line),
        "grid": [round(100 - up.share(t), 2) for t in up.ticks],
        "ticks": tuple(reversed(up.ticks)),
        "first": moments[0] if moments else None,
        "last": moments[-1] if moments else None,
    }


@register.inclusion_tag("training/_against_chance.html")
def against_chance(curve: GainCurve, up: Axis) -> dict[str, Any]:
    """Accuracy with chosen labels beside accuracy with as many random ones, round by round."""
    points = [one for one in curve.points if one.chosen.value is not None]
    across = Axis(-0.2, max(len(points) - 0.8, 0.2), ())
    return {
        "curve": curve,
        "points": points,
        "ticks": tuple(reversed(up.ticks)),
        "grid": [round(100 - up.share(t), 2) for t in up.ticks],
        # A little apart, so that neither interval lies over the other.
        "chosen": _line([one.chosen for one in points], across=across, up=up, shift=-0.06),
        "random": _line([one.random for one in points], across=across, up=up, shift=0.06),
    }


def _line(estimates: Sequence[Estimate], *, across: Axis, up: Axis, shift: float) -> dict[str, str]:
    """A line over rounds with a mark and an interval at each."""
    known = [(k + shift, e) for k, e in enumerate(estimates) if e.value is not None]
    line = [(x, _value(e)) for x, e in known]
    return {
        "line": trace(line, across=across, up=up) if len(line) > 1 else "",
        "whiskers": "".join(
            f"M{across.share(x)} {_down(up, e.low)}V{_down(up, e.high)}"
            for x, e in known
            if e.low is not None and e.high is not None
        ),
        "marks": "".join(f"M{across.share(x)} {_down(up, y)}h0" for x, y in line),
    }


@register.simple_tag
def gap_of(found: Ends | None, digits: int = 2) -> SafeString:
    """A number with its interval, a dash where there is none."""
    if found is None:
        return format_html('<span class="quiet">{}</span>', "–")
    return interval(found.value, found.low, found.high, digits)


@register.simple_tag
def minutes_each(found: Ends | None) -> SafeString:
    """Seconds as minutes of speakers' time, with the interval."""
    if found is None:
        return format_html('<span class="quiet">{}</span>', "–")
    digits = 0 if found.value >= 600 else 1
    return interval(found.value / 60, found.low / 60, found.high / 60, digits)


@register.filter("few")
def few_(people: int) -> str:
    """A count that points at nobody: fewer than five are not counted out."""
    return few(people)


@register.simple_tag
def wait(found: Median | None) -> SafeString:
    """A median of days with its interval; a dash where too few are through."""
    if found is None or found.value is None:
        return format_html('<span class="quiet">{}</span>', "–")
    if found.low is None or found.high is None:
        return interval(found.value, digits=1)
    return interval(found.value, found.low, found.high, 1)


@register.filter
def percent(value: float | str | None) -> SafeString:
    """A share in whole percent, a dash where there is none; templates say nothing as an empty word."""
    if not isinstance(value, float | int):
        return format_html('<span class="quiet">{}</span>', "–")
    return format_html('<bdi class="num" dir="ltr">{} %</bdi>', round(100 * value))


@register.filter
def days(value: float | str | None) -> SafeString:
    """Days with one digit, a dash where nobody knows; templates say nothing as an empty word."""
    if not isinstance(value, float | int):
        return format_html('<span class="quiet">{}</span>', "–")
    return interval(value, digits=1)


@register.filter
def hours(seconds: float) -> SafeString:
    """Seconds as hours and minutes, as people tell them."""
    minutes = round(seconds / 60)
    return format_html('<bdi class="num" dir="ltr">{}</bdi>', f"{minutes // 60}:{minutes % 60:02d}")


def _value(found: Estimate) -> float:
    return found.value if found.value is not None else 0.0


def _down(up: Axis, value: float | None) -> float:
    return round(100 - up.share(value if value is not None else 0.0), 2)


@register.simple_tag
def strip(value: float, low: float, high: float) -> SafeString:
    """A share between nought and one, with its interval, on a line of its own."""
    return format_html(
        '<svg><line class="grid-line" x1="0" x2="100%" y1="12" y2="12"/>'
        '<line class="whisker after" x1="{}%" x2="{}%" y1="12" y2="12"/>'
        '<circle class="after" cx="{}%" cy="12" r="5"/></svg>',
        *(round(100 * end, 2) for end in (low, high, value)),
    )
