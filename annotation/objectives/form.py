"""What the forms of every kind of question have in common at the desk."""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any
from xml.etree import ElementTree as ET

from annotation.methods.texts import excerpt
from annotation.objectives import LONGEST_NOTE, Choice, Parsed

TEXT = "text"
NOTE = "note"
# What is wrong with the text, where labels and flags are no single choice.
FLAGS = "flag"
# Stands before what is said of a text instead of a label; no label's key has a colon.
FLAG = "flag:"
# What XML 1.0 cannot hold, however it is escaped.
UNPRINTABLE = re.compile(r"[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# The desk reads `$name` as a field of the task wherever it stands.
PLAIN_DOLLAR = "\u2060$\u2060"

Part = dict[str, Any]


def opened(question: str) -> ET.Element:
    """A form that begins with the question."""
    root = ET.Element("View")
    if shown(question):
        # It may be written in another language than the texts.
        place = written(root, rtl=True) if runs_left(question) else root
        ET.SubElement(place, "Header", value=shown(question))
    return root


def runs_left(words: str) -> bool:
    """Whether words run from right to left, as their first letter says.

    >>> runs_left("1. ماذا؟"), runs_left("What is ماذا?")
    (True, False)
    """
    strong = (unicodedata.bidirectional(letter) for letter in words)
    return next((kind in ("R", "AL") for kind in strong if kind in ("L", "R", "AL")), False)


def written(root: ET.Element, *, rtl: bool) -> ET.Element:
    """A part of the form that holds the language's own words, and runs as they do."""
    part = ET.SubElement(root, "View")
    if rtl:
        part.set("style", "direction: rtl; text-align: right")
    return part


def side_by_side(root: ET.Element, *, words: Iterable[str]) -> ET.Element:
    """A part for choices, which stand beside one another as their own words run."""
    return written(root, rtl=True) if runs_left(" ".join(words)) else root


def ask_flags(root: ET.Element, flags: Sequence[Choice]) -> None:
    """Let people say what is wrong with the text instead of answering."""
    if flags:
        names = distinct(flags)
        place = side_by_side(root, words=names.values())
        box = ET.SubElement(place, "Choices", name=FLAGS, toName=TEXT, choice="single-radio")
        box.set("showInline", "true")
        for flag in flags:
            ET.SubElement(box, "Choice", value=names[flag.key], alias=f"{FLAG}{flag.key}")


def ask_note(root: ET.Element, words: str, *, rtl: bool) -> None:
    """Ask for a note in these words, if in any."""
    if shown(words):
        place = written(root, rtl=True) if runs_left(words) else root
        ET.SubElement(place, "Header", value=shown(words), size="6")
        box = ET.SubElement(written(root, rtl=rtl), "TextArea", name=NOTE, toName=TEXT)
        # One note that may be mended; what was typed counts without its button, too.
        box.attrib |= {"maxSubmissions": "1", "editable": "true", "rows": "2"}


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


@dataclass(frozen=True)
class Sheet:
    """What came back: the parts by the field that they answer, and the note; or what is wrong."""

    parts: dict[str, list[Part]] = field(default_factory=dict)
    note: str = ""
    wrong: Parsed | None = None


def sheet(result: object, *, fields: Collection[str]) -> Sheet:
    """Sort what the desk tells by the fields of a form, which has those and one for a note.

    >>> sheet([{"from_name": "label", "value": {}}], fields=["label"]).parts
    {'label': [{'from_name': 'label', 'value': {}}]}
    >>> sheet([{"from_name": "colour"}], fields=["label"]).wrong.reason
    'unknown_field'
    """
    if not isinstance(result, list):
        return Sheet(wrong=malformed("The answer is not a list."))
    if not all(isinstance(part, dict) for part in result):
        return Sheet(wrong=malformed("A part of the answer is not an object."))
    notes = [part.get("value") for part in result if part.get("from_name") == NOTE]
    if not all(_is_note(value) for value in notes):
        return Sheet(wrong=malformed("The note is not a text."))
    note = "\n".join(line for value in notes for line in value["text"]).strip()
    parts: dict[str, list[Part]] = {}
    for part in result:
        name = part.get("from_name")
        if name != NOTE:
            if name not in fields:
                wrong = f"The form has no field “{str(name)[:100]}”."
                return Sheet(wrong=Parsed(reason="unknown_field", detail=wrong))
            parts.setdefault(name, []).append(part)
    # A longer one lies whole at the desk, which has no limit to set.
    return Sheet(parts, excerpt(note, length=LONGEST_NOTE))


def _is_note(value: object) -> bool:
    lines = value.get("text") if isinstance(value, dict) else None
    return isinstance(lines, list) and all(isinstance(line, str) for line in lines)


def chosen(part: Part) -> list[Any] | None:
    """What was chosen in a part, aliases if all is well; None if it holds no choices."""
    value = part.get("value")
    found = value.get("choices") if isinstance(value, dict) else None
    return found if isinstance(found, list) else None


def flag_of(alias: object, *, flags: Collection[str]) -> str:
    """The flag behind an alias, empty if it is none of them."""
    flag = alias.removeprefix(FLAG) if isinstance(alias, str) else ""
    return flag if alias == FLAG + flag and flag in flags else ""


def choices(name: str, aliases: Sequence[str]) -> Part:
    """A part that chooses these."""
    value = {"choices": list(aliases)}
    return {"from_name": name, "to_name": TEXT, "type": "choices", "value": value}


def noted(note: str) -> list[Part]:
    """The part of a note; none of an empty one."""
    if not note:
        return []
    text = {"text": [note]}
    return [{"from_name": NOTE, "to_name": TEXT, "type": "textarea", "value": text}]


def malformed(detail: str) -> Parsed:
    """An answer that no form of ours could have sent."""
    return Parsed(reason="malformed", detail=detail)


def unknown_label(alias: object, *, keys: Collection[str] = (), where: str = "") -> Parsed:
    """An answer with a label that the campaign has not; ``keys`` are those that it has.

    >>> unknown_label("org", keys=["per", "loc"], where="Mark 2").detail
    'Mark 2: There is no label “org”. There are: loc, per.'
    """
    detail = f"{where}: " * bool(where) + f"There is no label “{str(alias)[:100]}”."
    there = excerpt(", ".join(sorted(keys)), length=120)
    detail += f" There are: {there}." * bool(there)
    return Parsed(reason="unknown_label", detail=detail)


def shown(text: str) -> str:
    """A text of ours as the desk may be given it: nothing in it is read as a field."""
    return UNPRINTABLE.sub("", text).strip().replace("$", PLAIN_DOLLAR)


def distinct(choices: Sequence[Choice]) -> dict[str, str]:
    """Names by key; the key stands beside a name that two labels share."""
    names = {choice.key: shown(choice.name) or choice.key for choice in choices}
    shared = Counter(names.values())
    return {key: name if shared[name] == 1 else f"{name} ({key})" for key, name in names.items()}
