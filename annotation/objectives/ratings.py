"""The kind of question “how good is what a model wrote?”: four ratings, flags, a better text.

A sample is an output and, where there is one, the source that it was made from (one text behind
the other; without a source the output stands alone). People rate four aspects from 1 to 5, tick
what is wrong with the output, and may write it as it should be. The answer's label is the overall
grade, the mean of the four ratings rounded, halves downwards: by it everything goes that goes by
labels. The ratings themselves and the rest lie beside it in the answer, for
:mod:`annotation.actions.judgements`.
"""

import unicodedata
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from annotation.methods.texts import parts_of, trouble_with
from annotation.objectives import Answer, Choice, Fields, Parsed, form, words_of
from annotation.objectives.classes import keys_in, name_of

__all__ = [
    "FORM",
    "ORDERED",
    "PARTS",
    "PLAIN",
    "READS_TEXT",
    "TITLE",
    "desk_config",
    "keys_in",
    "name_of",
    "parse",
    "result_of",
    "told",
]

TITLE = _("what a model wrote, rated and corrected")
PARTS = 2
# The source may be missing.
LEAST_PARTS = 1
ORDERED = True
PLAIN = True
READS_TEXT = True
FORM = "ratings"
# By these columns files may call a sample's texts, and what they fill.
COLUMNS = {"output": "text", "source": "second", "system": "meta.system"}
LOWEST, HIGHEST = 1, 5
# As they are called where there is room for one word; and as they are asked.
ASPECTS = {
    "coherence": pgettext_lazy("aspect of a text", "Coherence"),
    "style": pgettext_lazy("aspect of a text", "Style"),
    "idiom": pgettext_lazy("aspect of a text", "Idiom"),
    "culture": pgettext_lazy("aspect of a text", "Culture"),
}
QUESTIONS = {
    "coherence": _("Coherence: does it hang together?"),
    "style": _("Style: is it well written?"),
    "idiom": _("Idiom: would people say it so?"),
    "culture": _("Culture: does it fit where it is read?"),
}
ISSUES = {
    "wrong_dialect": _("wrong dialect"),
    "mixed_languages": _("mixed languages"),
    "wrong_script": _("wrong script"),
    "unsafe": _("unsafe"),
    "made_up": _("made up"),
}
# The labels that every campaign of this kind has: the grades, the worst first.
LABELS = {
    "1": _("Very bad"),
    "2": _("Bad"),
    "3": _("Passable"),
    "4": _("Good"),
    "5": _("Very good"),
}
RATINGS, WRONG, CORRECTED = "ratings", "issues", "corrected"
FIELDS = (*ASPECTS, WRONG, CORRECTED, form.FLAGS)


def desk_config(
    *,
    question: str,
    choices: list[Choice],
    rtl: bool,
    flags: Sequence[Choice] = (),
    note: str = "",
) -> str:
    """The form of a question as the desk reads it: stars, what is wrong, a field for a better text.

    Nothing is required there, since who cannot judge a text says so instead; `parse` sees to it.
    """
    root = form.opened(question)
    ET.SubElement(form.written(root, rtl=rtl), "Text", name=form.TEXT, value=f"${form.TEXT}")
    for aspect, words in QUESTIONS.items():
        place = form.side_by_side(root, words=[str(words)])
        ET.SubElement(place, "Header", value=form.shown(str(words)), size="6")
        stars = ET.SubElement(place, "Rating", name=aspect, toName=form.TEXT)
        stars.set("maxRating", str(HIGHEST))
    place = form.side_by_side(root, words=[say("What is wrong with it?")])
    ET.SubElement(place, "Header", value=form.shown(say("What is wrong with it?")), size="6")
    box = ET.SubElement(place, "Choices", name=WRONG, toName=form.TEXT, choice="multiple")
    box.set("showInline", "true")
    for issue, words in ISSUES.items():
        ET.SubElement(box, "Choice", value=form.shown(str(words)), alias=issue)
    better = say("How it should have been said, if you like")
    place = form.side_by_side(root, words=[better])
    ET.SubElement(place, "Header", value=form.shown(better), size="6")
    area = ET.SubElement(form.written(root, rtl=rtl), "TextArea", name=CORRECTED, toName=form.TEXT)
    area.attrib |= {"maxSubmissions": "1", "editable": "true", "rows": "4"}
    form.ask_flags(root, flags)
    form.ask_note(root, note, rtl=rtl)
    return ET.tostring(root, encoding="unicode")


def parse(
    result: object, *, keys: Collection[str], flags: Collection[str] = (), text: str = ""
) -> Parsed:
    """What was rated, or the reason why this is no answer to our question.

    >>> stars = dict.fromkeys(ASPECTS, 4) | {"style": 2}
    >>> parsed = parse(result_of({"ratings": stars, "issues": ["unsafe"]}), keys=LABELS)
    >>> parsed.label, parsed.more["issues"]
    ('3', ['unsafe'])
    >>> parse(result_of({"ratings": stars | {"style": 6}}), keys=LABELS).reason
    'malformed'
    """
    came = form.sheet(result, fields=FIELDS)
    if came.wrong:
        return came.wrong
    twice = next((name for name, parts in came.parts.items() if len(parts) > 1), "")
    if twice:
        return form.malformed(f"The field “{twice}” was answered more than once.")
    parts = {name: found[0] for name, found in came.parts.items() if not _is_blank(found[0])}
    if form.FLAGS in parts:
        return _flagged(parts, flags=flags, note=came.note)
    if not parts:
        return Parsed(reason="empty", detail="Nothing was rated.", note=came.note)
    try:
        return _rated(parts, keys=keys, text=text, note=came.note)
    except _UnfitError as error:
        return form.malformed(str(error))


def result_of(
    answer: Answer, *, flag: str = "", note: str = "", text: str = ""
) -> list[dict[str, Any]]:
    """An answer as the desk would tell it, which `parse` reads like any other.

    >>> result_of({"label": "4"}), result_of({}, flag="unclear")[0]["value"]
    ([], {'choices': ['flag:unclear']})
    """
    found = [form.choices(form.FLAGS, [form.FLAG + flag])] if flag else []
    given = answer.get(RATINGS)
    for aspect, rating in given.items() if isinstance(given, Mapping) else ():
        found.append(_part(aspect, "rating", {"rating": rating}))
    if issues := answer.get(WRONG):
        found.append(form.choices(WRONG, issues))
    if corrected := answer.get(CORRECTED):
        found.append(_part(CORRECTED, "textarea", {"text": [corrected]}))
    return [*found, *form.noted(note)] if found else []


def told(fields: Fields) -> Answer:
    """What was rated, ticked and written in a form of ours.

    >>> told({"style": ["3"], "idiom": ["most"], "issues": ["unsafe"], "corrected": [" "]})
    {'ratings': {'style': 3, 'idiom': 'most'}, 'issues': ['unsafe'], 'corrected': ''}
    """
    rated = {aspect: fields[aspect][0] for aspect in ASPECTS if any(fields.get(aspect, ()))}
    written = "\n".join(fields.get(CORRECTED, ())).replace("\r\n", "\n").strip()
    return {
        RATINGS: {aspect: _number(said) for aspect, said in rated.items()},
        WRONG: list(fields.get(WRONG, ())),
        CORRECTED: written,
    }


class _UnfitError(Exception):
    """Why an answer cannot be used: which field, and what to do."""


def _part(name: str, kind: str, value: dict[str, Any]) -> form.Part:
    return {"from_name": name, "to_name": form.TEXT, "type": kind, "value": value}


def _number(said: str) -> int | str:
    return int(said) if said.isascii() and said.isdigit() and len(said) < 4 else said


def _is_blank(part: form.Part) -> bool:
    """Whether somebody began a field and left it as it was."""
    value = part.get("value")
    if not isinstance(value, dict):
        return False
    return value in ({"choices": []}, {"text": []}, {"text": [""]}, {"rating": None})


def _flagged(parts: Mapping[str, form.Part], *, flags: Collection[str], note: str) -> Parsed:
    chosen = form.chosen(parts[form.FLAGS]) or []
    flag = form.flag_of(chosen[0], flags=flags) if len(chosen) == 1 else ""
    if not flag:
        return form.malformed("The field “flag” holds no flag of ours.")
    if len(parts) > 1:
        return form.malformed("Ratings and a flag were both given.")
    return Parsed(flag=flag, note=note)


def _rated(
    parts: Mapping[str, form.Part], *, keys: Collection[str], text: str, note: str
) -> Parsed:
    ratings = {aspect: _rating(aspect, parts.get(aspect)) for aspect in ASPECTS}
    grade = str((2 * sum(ratings.values()) + len(ratings) - 1) // (2 * len(ratings)))
    if grade not in keys:
        return form.unknown_label(grade)
    more: dict[str, Any] = {RATINGS: ratings}
    if issues := _issues(parts.get(WRONG)):
        more[WRONG] = issues
    if corrected := _corrected(parts.get(CORRECTED), output=parts_of(text)[0]):
        more[CORRECTED] = corrected
    return Parsed(label=grade, note=note, more=more)


def _rating(aspect: str, part: form.Part | None) -> int:
    name = str(ASPECTS[aspect])
    if part is None:
        raise _UnfitError(say("“%(name)s” is not rated: rate it from 1 to 5.") % {"name": name})
    value = part.get("value")
    rating = value.get("rating") if isinstance(value, dict) else None
    if type(rating) is not int or not LOWEST <= rating <= HIGHEST:
        words = {"name": name, "rating": str(rating)[:40]}
        raise _UnfitError(
            say("“%(name)s” is rated %(rating)s: rate it with a whole number from 1 to 5.") % words
        )
    return rating


def _issues(part: form.Part | None) -> list[str]:
    chosen = form.chosen(part) if part else []
    if chosen is None:
        raise _UnfitError("The field “issues” holds no choices.")
    strange = next((one for one in chosen if not isinstance(one, str) or one not in ISSUES), None)
    if strange is not None:
        known = ", ".join(ISSUES)
        raise _UnfitError(f"The field “issues” has no “{str(strange)[:60]}”; there are: {known}.")
    return [issue for issue in ISSUES if issue in chosen]


def _corrected(part: form.Part | None, *, output: str) -> str:
    value = part.get("value") if part else {"text": []}
    lines = value.get("text") if isinstance(value, dict) else None
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise _UnfitError("The field “corrected” holds no text.")
    corrected = "\n".join(lines).strip()
    if not corrected:
        return ""
    if trouble := trouble_with(corrected):
        what = {"problem": words_of(trouble)}
        raise _UnfitError(say("The corrected text cannot be kept. %(problem)s") % what)
    if _plain(corrected) == _plain(output):
        raise _UnfitError(
            say("The corrected text is the output as it stands. Change it or leave it out.")
        )
    return corrected


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").strip())
