"""The kind of question “which of these, as many as hold?”: one text, several choices or none.

That none of them holds is an answer of its own, which is chosen like any other: a form that was
sent as it came says nothing. An answer is composed: the sorted list of the labels' keys.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as ET

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from annotation.methods import composing
from annotation.objectives import Answer, Choice, Fields, Parsed, form

NAME = "several"
TITLE = gettext_lazy("several of many classes, or none")
PARTS = 1
ORDERED = False
PLAIN = False
READS_TEXT = False
FORM = "boxes"
FIELD = "labels"
HOTKEYS = 9
# Stands for none of the labels; no label's key has a colon.
NONE = "none:"
NONE_IN_FILES = ("-", "none")
# What composed keys are joined by: no label's key has it, so none can be mistaken for another.
JOINT = "+"
LONGEST_KEY = 60
MOST_LABELS = composing.MOST_LABELS


def desk_config(
    *,
    question: str,
    choices: list[Choice],
    rtl: bool,
    flags: Sequence[Choice] = (),
    note: str = "",
) -> str:
    """The form of a question as the desk reads it, safe for any text.

    What is wrong with the text is asked apart, since labels and flags are no single choice.

    >>> print(desk_config(question="Which?", choices=[Choice("joy", "Mbégte")], rtl=False))
    <View><Header value="Which?" /><View><Text name="text" value="$text" /></View><Choices \
name="labels" toName="text" choice="multiple" showInline="true" required="true"><Choice \
value="Mbégte" alias="joy" hotkey="1" /><Choice value="None of these" alias="none:" hotkey="0" \
/></Choices></View>
    """
    root = form.opened(question)
    ET.SubElement(form.written(root, rtl=rtl), "Text", name=form.TEXT, value=f"${form.TEXT}")
    none = Choice(NONE, _("None of these"))
    names = form.distinct([*choices, none])
    place = form.side_by_side(root, words=names.values())
    box = ET.SubElement(place, "Choices", name=FIELD, toName=form.TEXT, choice="multiple")
    box.set("showInline", "true")
    if not flags:
        box.set("required", "true")
    for number, choice in enumerate(choices, start=1):
        element = ET.SubElement(box, "Choice", value=names[choice.key], alias=choice.key)
        if number <= HOTKEYS:
            element.set("hotkey", str(number))
    ET.SubElement(box, "Choice", value=names[NONE], alias=NONE, hotkey="0")
    form.ask_flags(root, flags)
    form.ask_note(root, note, rtl=rtl)
    return ET.tostring(root, encoding="unicode")


def parse(
    result: object, *, keys: Collection[str], flags: Collection[str] = (), text: str = ""
) -> Parsed:
    """The set that was chosen or the flag, or the reason why this is no answer to our question.

    >>> told = [form.choices("labels", ["joy", "anger"])]
    >>> parse(told, keys=["anger", "joy"]).answer
    {'label': 'anger+joy', 'value': ['anger', 'joy']}
    >>> parse([form.choices("labels", ["none:"])], keys=["anger", "joy"]).answer
    {'label': '+', 'value': []}
    >>> parse([form.choices("labels", ["none:", "joy"])], keys=["joy"]).reason
    'malformed'
    >>> parse([], keys=["joy"]).reason
    'empty'
    """
    came = form.sheet(result, fields=[FIELD, form.FLAGS])
    if came.wrong:
        return came.wrong
    for parts in came.parts.values():
        if len(parts) > 1:
            return form.malformed(f"The field was answered {len(parts)} times.")
    said = [form.chosen(part) for name in (FIELD, form.FLAGS) for part in came.parts.get(name, [])]
    if any(one is None for one in said):
        return form.malformed("The answer holds no choices.")
    labels, flagged = (_chosen(came.parts.get(name, [])) for name in (FIELD, form.FLAGS))
    found = _flagged(flagged, beside=labels, flags=flags) if flagged else _read(labels, keys=keys)
    return replace(found, note=came.note)


def result_of(
    answer: Answer, *, flag: str = "", note: str = "", text: str = ""
) -> list[dict[str, Any]]:
    """An answer as the desk would tell it, which `parse` reads like any other.

    >>> parse(result_of({"value": []}), keys=["joy"]).value
    []
    """
    if flag:
        return [form.choices(form.FLAGS, [form.FLAG + flag]), *form.noted(note)]
    value = answer.get("value")
    if not isinstance(value, list):
        return []
    return [form.choices(FIELD, value or [NONE]), *form.noted(note)]


def told(fields: Fields) -> Answer:
    """The labels that were ticked in a form of ours; nothing ticked is nothing said.

    >>> told({"labels": ["joy", "fear"]})["value"], told({"labels": ["none:"]})["value"]
    (['joy', 'fear'], [])
    >>> told({})
    {}
    """
    ticked = list(fields.get(FIELD, ()))
    if not ticked:
        return {}
    return {"value": [] if ticked == [NONE] else ticked}


def fields_in(cell: object, *, names: Mapping[str, str]) -> Fields:
    """What a cell of a file says, as our form would: keys or names between | or ;, or a list.

    That it is none of them is said by “-” or “none”, unless a label is called so.

    >>> names = {"mbégte": "joy", "joy": "joy", "fear": "fear"}
    >>> fields_in("Mbégte; fear", names=names), fields_in("-", names=names)
    ({'labels': ['joy', 'fear']}, {'labels': ['none:']})
    """
    if isinstance(cell, str):
        parts = [part.strip() for part in cell.replace(";", "|").split("|")]
    elif isinstance(cell, list) and all(isinstance(part, str) for part in cell):
        parts = [part.strip() for part in cell]
    else:
        raise ValueError("is neither a text nor a list of texts")
    if not parts:
        raise ValueError("is an empty list; write none if it is none of them")
    if "" in parts:
        raise ValueError("has an empty place between two labels")
    if len(parts) == 1 and parts[0].casefold() in NONE_IN_FILES and parts[0] not in names:
        return {FIELD: [NONE]}
    return {FIELD: [names.get(part) or names.get(part.casefold()) or part for part in parts]}


def keys_in(answer: Answer) -> Collection[str]:
    """The keys of the labels in a set.

    >>> sorted(keys_in({"label": "anger+joy", "value": ["anger", "joy"]}))
    ['anger', 'joy']
    """
    value = answer.get("value")
    return set(value) if isinstance(value, list) else set()


def name_of(value: Any, *, names: Mapping[str, str]) -> str:
    """The labels' names in the order of the campaign, or that it is none of them.

    >>> name_of(["anger", "joy"], names={"joy": "Mbégte", "anger": "Mer"})
    'Mbégte · Mer'
    """
    return " · ".join(name for key, name in names.items() if key in value) or _("None of these")


def apart(values: Sequence[Any]) -> composing.Floats:
    """How far answers are from each other: Passonneau's MASI over their sets."""
    keys = sorted({key for value in values for key in value})
    return composing.masi(composing.bits_of(values, keys=keys))


def composed(keys: Collection[str]) -> dict[str, Any]:
    """A set of labels as it is stored; equal sets have equal keys, and no label has such a key.

    >>> composed(["joy"]), composed(["joy", "anger"])["label"]
    ({'label': 'joy+', 'value': ['joy']}, 'anger+joy')
    """
    value = sorted(keys)
    key = JOINT.join(value) if len(value) > 1 else "".join([*value, JOINT])
    if len(key) > LONGEST_KEY:
        key = JOINT + hashlib.sha256(key.encode()).hexdigest()[: LONGEST_KEY - 1]
    return {"label": key, "value": value}


def _chosen(parts: Sequence[form.Part]) -> list[Any]:
    return [alias for part in parts for alias in form.chosen(part) or ()]


def _flagged(flagged: list[Any], *, beside: list[Any], flags: Collection[str]) -> Parsed:
    if beside:
        return form.malformed("Labels and a flag were both given.")
    if len(flagged) > 1:
        return form.malformed(f"{len(flagged)} flags were chosen, one may be.")
    if flag := form.flag_of(flagged[0], flags=flags):
        return Parsed(flag=flag)
    detail = f"There is no flag “{str(flagged[0])[:100]}”."
    return Parsed(reason="unknown_field", detail=detail)


def _read(chosen: list[Any], *, keys: Collection[str]) -> Parsed:
    if not chosen:
        return Parsed(reason="empty", detail="Nothing was chosen, not that it is none of them.")
    if chosen == [NONE]:
        return _answered([])
    if NONE in chosen:
        return form.malformed("That it is none of them was chosen beside a label.")
    for alias in chosen:
        if not isinstance(alias, str) or alias not in keys:
            return form.unknown_label(alias, keys=keys)
    if len(set(chosen)) < len(chosen):
        return form.malformed("A label was chosen twice.")
    return _answered(chosen)


def _answered(keys: Collection[str]) -> Parsed:
    answer = composed(keys)
    return Parsed(label=answer["label"], value=answer["value"])
