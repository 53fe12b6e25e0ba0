"""What a round wrote down about itself, in the reader's language: made anew from its own sentences.

A round says once, in English, why it asked a text and why it ended as it did; that is the record.
Pages say the same again for whoever reads them. What is of no known pattern is shown as it was written.
"""

import re
from collections.abc import Callable, Mapping

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from learning.methods import rationale
from learning.methods.phrases import values_of

Values = Mapping[str, str]

# Why a round ended, in English; training ends rounds too.
NOTHING_LEFT = "Nothing left to ask: every text of every language was asked."
NOBODY_TO_ASK = "Nobody to ask: no language that has texts left has an active annotator."
NOTHING_ALLOWED = "Nothing to ask: the languages that have texts left may get no items."
NOTHING_SCORED = "Nothing to ask: no unasked sample has a prediction yet."
NOTHING_TAUGHT = "No answer taught anything new."
SCORING_FAILED = "Scoring failed: %(error)s"
TRAINING_FAILED = "Training failed: %(error)s"
JUDGING_FAILED = "Judging failed: %(error)s"
ABORTED = "Training was aborted by %(who)s; what people answered is kept for the next run."
SOMEBODY = "somebody"
BY_MARGIN = "Ranked by margin, not by %(wanted)s: %(why)s."
FEWER = "%(number)s fewer than wanted: %(reasons)s."

_BOTH = re.compile(r"(?P<before>.+\.) (?P<fewer>\d+ fewer than wanted: [^:.]+\.)", re.DOTALL)


def why_of(told: str) -> str:
    """Say in the reader's language why a text was asked."""
    said = [_said(part, _PARTS) for part in told.removesuffix(".").split("; ")]
    if not told or None in said:
        return told
    return f"{pgettext('between the parts of a sentence', '; ').join(map(str, said))}."


def note_of(told: str) -> str:
    """Say in the reader's language why a round ended as it did."""
    both = _BOTH.fullmatch(told)
    said = [_said(part, _NOTES) or part for part in (both.groups() if both else (told,))]
    return " ".join(said)


def capped_words(reason: str) -> str:
    """Say what kept a language from getting more."""
    words = {
        "pool": _("its texts"),
        "duplicates": _("equal texts"),
        "annotators": _("its people"),
        "limit": _("your limit"),
        "no language": _("no language"),
    }
    return words.get(reason, reason)


def _said(told: str, known: Mapping[str, Callable[[Values], str]]) -> str | None:
    for pattern, say in known.items():
        values = values_of(told, pattern=pattern)
        if values is not None:
            return say(values)
    return None


def _where(values: Values) -> str:
    return _("%(language)s: text %(rank)s of the %(got)s that it gets") % values


def _audit(values: Values) -> str:
    texts = int(values["texts"])
    sentence = ngettext(
        "drawn at random from %(texts)d text, so that quality can be measured",
        "drawn at random from %(texts)d texts, so that quality can be measured",
        texts,
    )
    return sentence % {"texts": texts}


def _torn(values: Values) -> str:
    points = number_format(float(values["points"]), decimal_pos=1)
    sentence = _("torn between %(best)s and %(second)s, %(points)s points apart")
    return sentence % {**values, "points": points}


def _equal(values: Values) -> str:
    number = int(values["number"])
    sentence = ngettext(
        "stands for %(number)d equal text", "stands for %(number)d equal texts", number
    )
    return sentence % {"number": number}


def _again(values: Values) -> str:
    sentence = _("asked once more, since its answers leave doubt between %(best)s and %(second)s")
    return sentence % values


def _gold(values: Values) -> str:
    sentence = _("%(language)s: a known answer, to learn how far answers can be relied on")
    return sentence % values


def _fewer(values: Values) -> str:
    number = int(values["number"])
    sentence = ngettext(
        "%(number)d fewer than wanted: %(reasons)s.",
        "%(number)d fewer than wanted: %(reasons)s.",
        number,
    )
    comma = pgettext("between the parts of a list", ", ")
    reasons = comma.join(capped_words(one) for one in values["reasons"].split(", "))
    return sentence % {"number": number, "reasons": reasons}


def _aborted(values: Values) -> str:
    who = _("somebody") if values["who"] == SOMEBODY else values["who"]
    sentence = _("Training was aborted by %(who)s; what people answered is kept for the next run.")
    return sentence % {"who": who}


# The longer pattern first, where one begins as another does.
_PARTS: dict[str, Callable[[Values], str]] = {
    rationale.GOLD: _gold,
    rationale.WHERE: _where,
    rationale.AUDIT: _audit,
    rationale.AGAIN_BETWEEN: _again,
    rationale.AGAIN: lambda _v: _("asked once more, since its answers leave doubt"),
    rationale.TORN: _torn,
    rationale.SURE: lambda v: _("sure of %(best)s, the only label") % v,
    rationale.FAR: lambda _v: _("far from what was asked so far"),
    rationale.CLOSE: lambda _v: _("close to what was asked so far"),
    rationale.DEBT: lambda _v: _("makes up for earlier rounds"),
    rationale.EQUAL: _equal,
}
_NOTES: dict[str, Callable[[Values], str]] = {
    NOTHING_LEFT: lambda _v: _("Nothing left to ask: every text of every language was asked."),
    NOBODY_TO_ASK: lambda _v: _(
        "Nobody to ask: no language that has texts left has an active annotator."
    ),
    NOTHING_ALLOWED: lambda _v: _(
        "Nothing to ask: the languages that have texts left may get no items."
    ),
    NOTHING_SCORED: lambda _v: _("Nothing to ask: no unasked sample has a prediction yet."),
    NOTHING_TAUGHT: lambda _v: _("No answer taught anything new."),
    SCORING_FAILED: lambda v: _("Scoring failed: %(error)s") % v,
    TRAINING_FAILED: lambda v: _("Training failed: %(error)s") % v,
    JUDGING_FAILED: lambda v: _("Judging failed: %(error)s") % v,
    ABORTED: _aborted,
    BY_MARGIN: lambda v: _("Ranked by margin, not by %(wanted)s: %(why)s.") % v,
    FEWER: _fewer,
}
