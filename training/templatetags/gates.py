"""The gate's picture: every language's interval beside the margin that it must not reach."""

from collections.abc import Sequence
from typing import Any

from django import template
from django.utils.translation import gettext as _

from annotation.methods.charts import axis
from training.actions.gate_story import LanguageLine
from training.actions.gold_calls import note_of_call

register = template.Library()

SHAPES = {"PASS": "disc", "HOLD": "diamond", "BLOCK": "square", "VOID": "square"}


@register.filter
def gold_note(told: str) -> str:
    """Why fewer texts were asked than gold is missing, in the reader's language."""
    return note_of_call(told)


@register.inclusion_tag("training/_margins.html")
def margins(lines: Sequence[LanguageLine], margin: float, title: str) -> dict[str, Any]:
    """One strip a language; shapes and words say what colours do."""
    ends = [v for line in lines if line.check.items for v in _ends(line)]
    across = axis([*ends, -margin, margin, 0.0])
    return {
        "title": title,
        "margin_words": f"{margin * 100:.1f}".rstrip("0").rstrip("."),
        "limit": across.share(-margin),
        "zero": across.share(0.0),
        "ticks": [f"{tick * 100:+.0f}".replace("-", "−") if tick else "0" for tick in across.ticks],
        "rows": [
            {
                "language": line.check.language,
                "shape": SHAPES[line.check.verdict],
                "at": across.share(line.check.delta),
                "low": across.share(line.check.delta_low),
                "high": across.share(line.check.delta_high),
                "measured": line.check.items > 0,
                "words": _words(line),
            }
            for line in lines
        ],
    }


def _ends(line: LanguageLine) -> tuple[float, float]:
    return line.check.delta_low, line.check.delta_high


def _words(line: LanguageLine) -> str:
    check = line.check
    if not check.items:
        return _("%s: no gold to compare on") % check.language.name
    return _("%(language)s: %(verdict)s; %(delta)s points, between %(low)s and %(high)s") % {
        "language": check.language.name,
        "verdict": check.get_verdict_display(),
        "delta": _points(check.delta),
        "low": _points(check.delta_low),
        "high": _points(check.delta_high),
    }


def _points(share: float) -> str:
    return f"{share * 100:+.1f}".replace("-", "−")
