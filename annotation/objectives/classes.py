"""The kind of question “which of these classes?”: one text, one choice."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as ET

from django.utils.translation import gettext_lazy as _

from annotation.objectives import Answer, Choice, Fields, Parsed, form

TITLE = _("one of several classes")
PARTS = 1
ORDERED = False
PLAIN = True
READS_TEXT = False
FORM = "choices"
FIELD = "label"
HOTKEYS = 9


def desk_config(
    *,
    question: str,
    choices: list[Choice],
    rtl: bool,
    flags: Sequence[Choice] = (),
    note: str = "",
) -> str:
    """The form of a question as the desk reads it, safe for any text.

    With words that ask for a note there is a field for one, which may stay empty.

    >>> print(desk_config(question="A < B?", choices=[Choice("yes", "Waaw & yes")], rtl=False))
    <View><Header value="A &lt; B?" /><View><Text name="text" value="$text" /></View><Choices \
name="label" toName="text" choice="single" required="true" showInline="true"><Choice \
value="Waaw &amp; yes" alias="yes" hotkey="1" /></Choices></View>
    """
    root = form.opened(question)
    ET.SubElement(form.written(root, rtl=rtl), "Text", name=form.TEXT, value=f"${form.TEXT}")
    # One list, since one of them must be chosen and no more than one may be.
    names = form.distinct([*choices, *flags])
    place = form.side_by_side(root, words=names.values())
    box = ET.SubElement(place, "Choices", name=FIELD, toName=form.TEXT, choice="single")
    box.set("required", "true")
    box.set("showInline", "true")
    for number, choice in enumerate(choices, start=1):
        element = ET.SubElement(box, "Choice", value=names[choice.key], alias=choice.key)
        if number <= HOTKEYS:
            element.set("hotkey", str(number))
    for flag in flags:
        ET.SubElement(box, "Choice", value=names[flag.key], alias=f"{form.FLAG}{flag.key}")
    form.ask_note(root, note, rtl=rtl)
    return ET.tostring(root, encoding="unicode")


def parse(
    result: object, *, keys: Collection[str], flags: Collection[str] = (), text: str = ""
) -> Parsed:
    """The key or flag that was chosen, or the reason why this is no answer to our question.

    >>> parse([{"from_name": "label", "value": {"choices": ["yes"]}}], keys=["yes", "no"]).answer
    {'label': 'yes'}
    >>> parse([], keys=["yes"]).reason
    'empty'
    >>> parse(result_of({"label": "yes"}, note="so they say"), keys=["yes", "no"]).note
    'so they say'
    """
    came = form.sheet(result, fields=[FIELD])
    if came.wrong:
        return came.wrong
    parts = came.parts.get(FIELD, [])
    if len(parts) > 1:
        return form.malformed(f"The field was answered {len(parts)} times.")
    chosen = form.chosen(parts[0]) if parts else []
    return replace(_read(chosen, keys=keys, flags=flags), note=came.note)


def result_of(
    answer: Answer, *, flag: str = "", note: str = "", text: str = ""
) -> list[dict[str, Any]]:
    """An answer as the desk would tell it, which `parse` reads like any other.

    >>> parse(result_of({"label": "yes"}), keys=["yes", "no"]).label
    'yes'
    """
    label = answer.get("label", "")
    if not label and not flag:
        return []
    return [form.choices(FIELD, [label or form.FLAG + flag]), *form.noted(note)]


def told(fields: Fields) -> Answer:
    """The label that was chosen in a form of ours.

    >>> told({"label": ["yes"]})
    {'label': 'yes'}
    """
    return {"label": next(iter(fields.get("label", ())), "")}


def keys_in(answer: Answer) -> Collection[str]:
    """The key of the label.

    >>> keys_in({"label": "yes"})
    {'yes'}
    """
    return {answer["label"]} if answer.get("label") else set()


def name_of(value: Any, *, names: Mapping[str, str]) -> str:
    """Nothing is composed here."""
    return str(value)


def _read(chosen: list[Any] | None, *, keys: Collection[str], flags: Collection[str]) -> Parsed:
    if chosen is None:
        return form.malformed("The answer holds no choices.")
    if not chosen:
        return Parsed(reason="empty", detail="Nothing was chosen.")
    if len(chosen) > 1:
        return form.malformed(f"{len(chosen)} labels were chosen, one is asked.")
    if flag := form.flag_of(chosen[0], flags=flags):
        return Parsed(flag=flag)
    if not isinstance(chosen[0], str) or chosen[0] not in keys:
        return form.unknown_label(chosen[0])
    return Parsed(label=chosen[0])
