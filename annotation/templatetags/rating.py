"""What a form of ours asks of an output that a model wrote."""

from collections.abc import Iterable, Mapping
from typing import Any

from django import template

from annotation.objectives.ratings import CORRECTED, ISSUES, LABELS, QUESTIONS, RATINGS, WRONG

register = template.Library()


@register.simple_tag
def rated_aspects(labels: Iterable[Any], given: Mapping[str, Any] | None = None) -> list[Any]:
    """Every aspect with its grades; what was ``given`` is chosen already."""
    words = {key: str(word) for key, word in LABELS.items()} | dict(map(_named, labels or ()))
    held = (given or {}).get(RATINGS) or {}
    return [
        {
            "name": aspect,
            "words": words_of_it,
            "grades": [
                {"value": key, "word": words[key], "chosen": str(held.get(aspect)) == key}
                for key in LABELS
            ],
        }
        for aspect, words_of_it in QUESTIONS.items()
    ]


@register.simple_tag
def wrong_with_it(given: Mapping[str, Any] | None = None) -> list[Any]:
    """Everything that may be wrong with an output; what was ``given`` is ticked already."""
    held = (given or {}).get(WRONG) or ()
    return [
        {"value": issue, "word": word, "chosen": issue in held} for issue, word in ISSUES.items()
    ]


@register.simple_tag
def corrected_text(given: Mapping[str, Any] | None = None) -> str:
    """The better text that was ``given``, if any."""
    return str((given or {}).get(CORRECTED) or "")


def _named(label: Any) -> tuple[str, str]:
    """A label's key and name, as the light page tells it or as the others do."""
    if isinstance(label, Mapping):
        return str(label.get("key") or label["label"].key), str(label["name"])
    return label.label.key, str(label.name)
