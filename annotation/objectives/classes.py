"""The kind of question “which of these classes?”: one text, one choice."""

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from html import escape
from typing import Any
from xml.etree import ElementTree as ET

from django.utils.translation import gettext_lazy as _

from annotation.methods.texts import excerpt
from annotation.objectives import LONGEST_NOTE, Choice, Parsed

TITLE = _("one of several classes")
PARTS = 1
ORDERED = False
TEXT = "text"
FIELD = "label"
NOTE = "note"
HOTKEYS = 9
# Stands before what is said of a text instead of a label; no label's key has a colon.
FLAG = "flag:"
# What XML 1.0 cannot hold, however it is escaped.
UNPRINTABLE = re.compile(r"[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# The desk reads `$name` as a field of the task wherever it stands.
PLAIN_DOLLAR = "\u2060$\u2060"


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
    root = ET.Element("View")
    if shown(question):
        ET.SubElement(root, "Header", value=shown(question))
    wrapper = _written(root, rtl=rtl)
    ET.SubElement(wrapper, "Text", name=TEXT, value=f"${TEXT}")
    box = ET.SubElement(root, "Choices", name=FIELD, toName=TEXT, choice="single")
    box.set("required", "true")
    box.set("showInline", "true")
    # One list, since one of them must be chosen and no more than one may be.
    names = _distinct([*choices, *flags])
    for number, choice in enumerate(choices, start=1):
        element = ET.SubElement(box, "Choice", value=names[choice.key], alias=choice.key)
        if number <= HOTKEYS:
            element.set("hotkey", str(number))
    for flag in flags:
        ET.SubElement(box, "Choice", value=names[flag.key], alias=f"{FLAG}{flag.key}")
    if shown(note):
        ET.SubElement(root, "Header", value=shown(note), size="6")
        field = ET.SubElement(_written(root, rtl=rtl), "TextArea", name=NOTE, toName=TEXT)
        # One note that may be mended; what was typed counts without its button, too.
        field.attrib |= {"maxSubmissions": "1", "editable": "true", "rows": "2"}
    return ET.tostring(root, encoding="unicode")


def instruction(guideline: str, *, tag: str, rtl: bool) -> str:
    """A guideline as the desk shows it: paragraphs of escaped text.

    >>> instruction("Read <all> of it.\\n\\nThen choose.", tag="wo", rtl=False)
    '<div lang="wo" dir="ltr"><p>Read &lt;all&gt; of it.</p><p>Then choose.</p></div>'
    """
    paragraphs = [part.strip() for part in re.split(r"\n\s*\n", guideline) if part.strip()]
    if not paragraphs:
        return ""
    html = "".join(f"<p>{escape(part).replace(chr(10), '<br>')}</p>" for part in paragraphs)
    return f'<div lang="{escape(tag)}" dir="{"rtl" if rtl else "ltr"}">{html}</div>'


def parse(result: object, *, keys: Collection[str], flags: Collection[str] = ()) -> Parsed:
    """The key or flag that was chosen, or the reason why this is no answer to our question.

    >>> parse([{"from_name": "label", "value": {"choices": ["yes"]}}], keys=["yes", "no"])
    Parsed(label='yes', flag='', note='', reason='', detail='')
    >>> parse([], keys=["yes"]).reason
    'empty'
    >>> parse(result_of("yes", note="so they say"), keys=["yes", "no"]).note
    'so they say'
    """
    if not isinstance(result, list):
        return _malformed("The answer is not a list.")
    if not all(isinstance(part, dict) for part in result):
        return _malformed("A part of the answer is not an object.")
    notes = [part.get("value") for part in result if part.get("from_name") == NOTE]
    if not all(_is_note(value) for value in notes):
        return _malformed("The note is not a text.")
    note = "\n".join(line for value in notes for line in value["text"]).strip()
    rest = [part for part in result if part.get("from_name") != NOTE]
    said = _answered(rest, keys=keys, flags=flags)
    # A longer one lies whole at the desk, which has no limit to set.
    return replace(said, note=excerpt(note, length=LONGEST_NOTE))


def _is_note(value: object) -> bool:
    lines = value.get("text") if isinstance(value, dict) else None
    return isinstance(lines, list) and all(isinstance(line, str) for line in lines)


def _answered(
    result: list[dict[str, Any]], *, keys: Collection[str], flags: Collection[str]
) -> Parsed:
    if not result:
        return Parsed(reason="empty", detail="Nothing was chosen.")
    strange = next((part for part in result if part.get("from_name") != FIELD), None)
    if strange is not None:
        name = str(strange.get("from_name"))[:100]
        return Parsed(reason="unknown_field", detail=f"The form has no field “{name}”.")
    if len(result) > 1:
        return _malformed(f"The field was answered {len(result)} times.")
    return _chosen(result[0].get("value"), keys=keys, flags=flags)


def result_of(label: str, *, flag: str = "", note: str = "") -> list[dict[str, Any]]:
    """An answer as the desk would tell it, which `parse` reads like any other.

    >>> parse(result_of("yes"), keys=["yes", "no"]).label
    'yes'
    """
    if not label and not flag:
        return []
    value = {"choices": [label or FLAG + flag]}
    said = [{"from_name": FIELD, "to_name": TEXT, "type": "choices", "value": value}]
    if note:
        text = {"text": [note]}
        said.append({"from_name": NOTE, "to_name": TEXT, "type": "textarea", "value": text})
    return said


def _chosen(value: object, *, keys: Collection[str], flags: Collection[str]) -> Parsed:
    chosen = value.get("choices") if isinstance(value, dict) else None
    if not isinstance(chosen, list):
        return _malformed("The answer holds no choices.")
    if not chosen:
        return Parsed(reason="empty", detail="Nothing was chosen.")
    if len(chosen) > 1:
        return _malformed(f"{len(chosen)} labels were chosen, one is asked.")
    flag = chosen[0].removeprefix(FLAG) if isinstance(chosen[0], str) else ""
    if flag in flags and chosen[0] == FLAG + flag:
        return Parsed(flag=flag)
    if not isinstance(chosen[0], str) or chosen[0] not in keys:
        name = str(chosen[0])[:100]
        return Parsed(reason="unknown_label", detail=f"There is no label “{name}”.")
    return Parsed(label=chosen[0])


def _written(root: ET.Element, *, rtl: bool) -> ET.Element:
    """A part of the form that holds the language's own words, and runs as they do."""
    part = ET.SubElement(root, "View")
    if rtl:
        part.set("style", "direction: rtl; text-align: right")
    return part


def _malformed(detail: str) -> Parsed:
    return Parsed(reason="malformed", detail=detail)


def shown(text: str) -> str:
    """A text of ours as the desk may be given it: nothing in it is read as a field."""
    return UNPRINTABLE.sub("", text).strip().replace("$", PLAIN_DOLLAR)


def _distinct(choices: list[Choice]) -> dict[str, str]:
    """Names by key; the key stands beside a name that two labels share."""
    names = {choice.key: shown(choice.name) or choice.key for choice in choices}
    shared = Counter(names.values())
    return {key: name if shared[name] == 1 else f"{name} ({key})" for key, name in names.items()}
