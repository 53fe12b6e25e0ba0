"""Charts as SVG: a line with its band, a loss curve, dots with intervals; each says itself in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import template
from django.utils.translation import gettext as _

from annotation.methods.charts import Axis, Estimate, axis, band, trace
from annotation.models import Language

register = template.Library()


@dataclass(frozen=True)
class Comparison:
    """One language before and after."""

    language: Language
    before: Estimate
    after: Estimate


@dataclass(frozen=True)
class Series:
    """One line of a curve."""

    name: str
    points: Sequence[tuple[float, float]]


@register.inclusion_tag("annotation/_spark.html")
def spark(points: Sequence[Estimate], title: str, up: Axis | None = None) -> dict[str, Any]:
    """A small line with its interval band; points without a value are left out."""
    up = up or axis([0.0, 1.0])
    across = axis([0.0, float(max(len(points) - 1, 1))])
    across = Axis(0.0, float(max(len(points) - 1, 1)), across.ticks)
    known = [(float(x), p) for x, p in enumerate(points) if p.value is not None]
    line = [(x, p.value) for x, p in known if p.value is not None]
    bands = [(x, p.low, p.high) for x, p in known if p.low is not None and p.high is not None]
    return {
        "title": title,
        "description": ", ".join(f"{y:.2f}" for _x, y in line),
        "line": trace(line, across=across, up=up),
        "band": band(bands, across=across, up=up),
        "last": trace(line[-1:], across=across, up=up),
    }


@register.inclusion_tag("annotation/_curve.html")
def curve(series: Sequence[Series], title: str, x_name: str, y_name: str) -> dict[str, Any]:
    """Lines over steps, with words around and the numbers beneath."""
    xs = [x for s in series for x, _y in s.points]
    up = axis([y for s in series for _x, y in s.points])
    low, high = (min(xs), max(xs)) if xs else (0.0, 1.0)
    across = Axis(low, high if high > low else low + 1, (low, high))
    return {
        "title": title,
        "description": _("%(y)s over %(x)s: %(ends)s.")
        % {"y": y_name, "x": x_name, "ends": "; ".join(map(_ends, series))},
        "x_name": x_name,
        "y_name": y_name,
        "lines": [
            {
                "name": s.name,
                "path": trace(s.points, across=across, up=up),
                "last": trace(s.points[-1:], across=across, up=up),
            }
            for s in series
        ],
        "grid": [round(100 - up.share(t), 3) for t in up.ticks],
        "y_ticks": tuple(reversed(up.ticks)),
        "x_ticks": (low, high),
        "rows": _rows(series),
        "names": [s.name for s in series],
    }


@register.inclusion_tag("annotation/_dots.html")
def dots(rows: Sequence[Comparison], title: str) -> dict[str, Any]:
    """One strip a language: a ring before, a disc after, each with its interval."""
    up = axis([v for r in rows for e in (r.before, r.after) for v in (e.value, e.low, e.high)])
    return {
        "title": title,
        "ticks": up.ticks,
        "grid": [up.share(t) for t in up.ticks],
        "rows": [
            {
                "language": r.language,
                "before": _place(r.before, up),
                "after": _place(r.after, up),
                "words": _words(r),
            }
            for r in rows
        ],
    }


def _place(estimate: Estimate, up: Axis) -> Mapping[str, float] | None:
    if estimate.value is None:
        return None
    low = estimate.value if estimate.low is None else estimate.low
    high = estimate.value if estimate.high is None else estimate.high
    return {"at": up.share(estimate.value), "low": up.share(low), "high": up.share(high)}


def _words(row: Comparison) -> str:
    before, after = (
        _("not measured") if e.value is None else f"{e.value:.2f}" for e in (row.before, row.after)
    )
    return _("%(language)s: %(before)s before, %(after)s after") % {
        "language": row.language.name,
        "before": before,
        "after": after,
    }


def _ends(series: Series) -> str:
    if not series.points:
        return _("%(name)s has no numbers yet") % {"name": series.name}
    return _("%(name)s from %(first).3f to %(last).3f") % {
        "name": series.name,
        "first": series.points[0][1],
        "last": series.points[-1][1],
    }


def _rows(series: Sequence[Series], *, most: int = 25) -> list[dict[str, Any]]:
    """The numbers of a curve, thinned to what a person reads, first and last kept."""
    known = [dict(s.points) for s in series]
    steps = sorted({x for points in known for x in points})
    if len(steps) > most:
        steps = [steps[round(k * (len(steps) - 1) / (most - 1))] for k in range(most)]
    return [{"x": x, "ys": [points.get(x) for points in known]} for x in steps]
