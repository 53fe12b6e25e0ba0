"""The kind of question “what is marked where?”: stretches of one text, each of a class.

An answer is a list of marks, in code points of the text as we sent it, or that there is nothing to
mark: an empty form is no answer. Every mark comes with its words, and is refused if they are not
those that stand there: whoever counts otherwise would train something else without a word of it.
"""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeGuard
from xml.etree import ElementTree as ET

import regex
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from annotation.methods.spans import Span, SpanError, checked, trimmed, units
from annotation.methods.texts import excerpt
from annotation.objectives import Answer, Choice, Fields, Parsed, form

NAME = "spans"
TITLE = _("stretches of a text, each of a class (names, terms)")
PARTS = 1
ORDERED = False
PLAIN = False
READS_TEXT = True
FORM = "marks"
FIELD = "spans"
NOTHING = "nothing"
HOTKEYS = 9
COUNT = "Count characters (code points) from 0; the end is not included."
# Stands before the digest that is a composed answer's key.
MARKS = "spans-"
# What a form without scripts has a field for: the words of each class, a line each.
WORDS = "words."
# More than anybody marks in one text; a list without an end is no answer.
MOST = 2_000
# More than anybody copies by hand where there are no scripts.
MOST_COPIED = 300
# Browsers tell line ends and what cannot be seen each in their own way.
_UNSEEN = regex.compile(r"\\n|[\s\p{Cf}\p{Cc}\p{Cs}]")
_WHICH = regex.compile(r"^(.*\S)\s*#(\d{1,4})$")

Mark = dict[str, Any]


def desk_config(
    *,
    question: str,
    choices: list[Choice],
    rtl: bool,
    flags: Sequence[Choice] = (),
    note: str = "",
) -> str:
    """The form as the desk reads it: press a class, then draw over the text.

    >>> print(desk_config(question="Who?", choices=[Choice("per", "Nit")], rtl=False))
    <View><Header value="Who?" /><View><Labels name="spans" toName="text"><Label value="Nit" \
alias="per" hotkey="1" /></Labels><Text name="text" value="$text" granularity="symbol" /></View>\
<Choices name="nothing" toName="text" choice="single" showInline="true"><Choice \
value="Nothing to mark" alias="nothing" hotkey="0" /></Choices></View>
    """
    root = form.opened(question)
    part = form.written(root, rtl=rtl)
    box, names = ET.SubElement(part, "Labels", name=FIELD, toName=form.TEXT), form.distinct(choices)
    for number, choice in enumerate(choices, start=1):
        element = ET.SubElement(box, "Label", value=names[choice.key], alias=choice.key)
        if number <= HOTKEYS:
            element.set("hotkey", str(number))
    ET.SubElement(part, "Text", name=form.TEXT, value=f"${form.TEXT}", granularity="symbol")
    nothing = gettext("Nothing to mark")
    place = form.side_by_side(root, words=[nothing])
    none = ET.SubElement(place, "Choices", name=NOTHING, toName=form.TEXT, choice="single")
    none.set("showInline", "true")
    ET.SubElement(none, "Choice", value=nothing, alias=NOTHING, hotkey="0")
    form.ask_flags(root, flags)
    form.ask_note(root, note, rtl=rtl)
    return ET.tostring(root, encoding="unicode")


def parse(
    result: object, *, keys: Collection[str], flags: Collection[str] = (), text: str = ""
) -> Parsed:
    """The marks, or why this cannot be used; ``text`` is what was marked.

    >>> marked = result_of({"value": [[7, 12, "loc"]]}, text="Awa si Dakar")
    >>> parse(marked, keys=["loc"], text="Awa si Dakar").value
    [[7, 12, 'loc']]
    >>> parse(marked, keys=["loc"], text="Awa ca Saint-Louis").detail
    'Mark 1 is of “Dakar”, but from 7 to 12 there stands “Saint”. \
Count characters (code points) from 0; the end is not included.'
    >>> parse([], keys=["loc"], text="Awa").reason
    'empty'
    """
    came = form.sheet(result, fields=[FIELD, NOTHING, form.FLAGS])
    if came.wrong:
        return came.wrong
    return replace(_read(came.parts, keys=keys, flags=flags, text=text), note=came.note)


def result_of(
    answer: Answer, *, flag: str = "", note: str = "", text: str = ""
) -> list[dict[str, Any]]:
    """An answer as the desk would tell it: one part a mark, or that there is nothing to mark.

    What was told by its words (`words.KEY` of a form without scripts) is looked up in the text.
    """
    if flag:
        return [form.choices(form.FLAGS, [form.FLAG + flag]), *form.noted(note)]
    given, marks = answer.get("value"), list[object]()
    if given is not None:
        marks = _written(given, answer=answer, text=text)
    marks += _looked_up(answer.get("words") or (), text=text)
    none = bool(answer.get("nothing")) or (given == [] and "label" in answer)
    found = [_region(mark) for mark in marks]
    found += [form.choices(NOTHING, [NOTHING])] if none else []
    return [*found, *form.noted(note)] if found else []


def told(fields: Fields) -> Answer:
    """What a form of ours sent: the marks as JSON, or without scripts the words of each class.

    >>> told({"words.per": ["Awa\\nFatou #2"], "spans": [""]})["words"]
    [('per', 'Awa'), ('per', 'Fatou #2')]
    """
    found: dict[str, Any] = {"nothing": any(fields.get(NOTHING, ()))}
    marks = next((one for one in fields.get(FIELD, ()) if one.strip()), "")
    if marks:
        try:
            found["value"] = json.loads(marks)
        except (ValueError, RecursionError):
            found["value"] = marks
        found["length"] = next(iter(fields.get("length", ())), "")
        return found
    lines = (
        (name.removeprefix(WORDS), line.strip())
        for name, typed in fields.items()
        if name.startswith(WORDS)
        for one in typed
        for line in one.splitlines()
    )
    return found | {"words": [(key, line) for key, line in lines if line]}


def fields_in(cell: object, *, names: Mapping[str, str]) -> Fields:
    """What a form would have sent of a cell: a list of marks or its JSON; an empty one marks nothing.

    A mark is ``{"start": 0, "end": 3, "label": "per"}`` or ``[0, 3, "per"]``; with its ``text`` it
    is refused where other words stand.

    >>> read = fields_in('[{"start": 0, "end": 3, "label": "Nit"}]', names={"nit": "per"})
    >>> read["spans"]
    ['[[0, 3, "per"]]']
    """
    if isinstance(cell, str):
        try:
            cell = json.loads(cell)
        except (ValueError, RecursionError):
            raise ValueError('is no JSON list of marks such as [[0, 3, "per"]].') from None
    given = cell if isinstance(cell, list) else [None]  # what is no list is no list of marks
    marks = [_named(mark, names=names) for mark in given]
    return {FIELD: [json.dumps(marks)], NOTHING: [] if marks else ["yes"]}


def keys_in(answer: Answer) -> Collection[str]:
    """The keys of the classes that were marked.

    >>> keys_in({"value": [[0, 3, "per"]]})
    {'per'}
    """
    return {key for _, _, key in answer.get("value", ())}


def name_of(value: Any, *, names: Mapping[str, str]) -> str:
    """The marks by class, counted from 1 as people count; a dash for none.

    >>> name_of([[0, 3, "per"], [7, 12, "loc"]], names={"per": "Nit"})
    'Nit 1–3, loc 8–12'
    """
    told = [f"{names.get(key, key)} {start + 1}–{end}" for start, end, key in value]
    return ", ".join(told) or "–"


def spans_of(value: Any) -> tuple[Span, ...]:
    """The spans of a composed answer.

    >>> spans_of([[0, 3, "per"]])
    (Span(start=0, end=3, label='per'),)
    """
    return tuple(Span(int(start), int(end), str(key)) for start, end, key in value)


def answer_of(spans: Sequence[Span]) -> dict[str, Any]:
    """The answer that spans make: their value, and a key that equal ones share.

    >>> answer_of([Span(7, 12, "loc"), Span(0, 3, "per")])
    {'label': 'spans-5d8289fb69350f03', 'value': [[0, 3, 'per'], [7, 12, 'loc']]}
    """
    value = [[one.start, one.end, one.label] for one in sorted(spans)]
    told = json.dumps(value, separators=(",", ":"), ensure_ascii=True)
    return {"label": f"{MARKS}{hashlib.sha256(told.encode()).hexdigest()[:16]}", "value": value}


def _read(
    parts: Mapping[str, list[form.Part]],
    *,
    keys: Collection[str],
    flags: Collection[str],
    text: str,
) -> Parsed:
    regions, ticked = parts.get(FIELD, []), parts.get(NOTHING, [])
    chosen = [form.chosen(part) for part in (*ticked, *parts.get(form.FLAGS, []))]
    if any(one is None or len(one) != 1 for one in chosen):
        return form.malformed("A field of one choice was answered with none or several.")
    said = [one[0] for one in chosen if one]
    if len(said) + bool(regions) > 1:
        return form.malformed(
            "Of marks, nothing to mark, and a reason not to answer only one fits."
        )
    if regions:
        return _marked(regions, keys=keys, text=text)
    if not said:
        return Parsed(reason="empty", detail="Nothing was marked, nor said that there is nothing.")
    if ticked and said == [NOTHING]:
        return _parsed(())
    flag = form.flag_of(said[0], flags=flags)
    return Parsed(flag=flag) if flag and not ticked else form.unknown_label(said[0])


def _marked(regions: Sequence[form.Part], *, keys: Collection[str], text: str) -> Parsed:
    """The marks in their order, without the white space at their ends."""
    if len(regions) > MOST:
        return form.malformed(f"{len(regions)} marks; the most is {MOST}.")
    found: list[tuple[object, object, object]] = []
    for number, region in enumerate(regions, start=1):
        mark = _mark(region, number=number, text=text)
        if isinstance(mark, Parsed):
            return mark
        found.append(mark)
    try:
        return _parsed(checked(found, text=text, labels=sorted(keys)))
    except SpanError as error:
        if error.code == "unknown_label":
            strange = [label for _, _, label in found]
            at = next(n for n, label in enumerate(strange) if label not in keys)
            return form.unknown_label(strange[at], keys=keys, where=f"Mark {at + 1}")
        return form.malformed(str(error))


def _mark(region: form.Part, *, number: int, text: str) -> tuple[object, object, object] | Parsed:
    """What one part marks, or what is missing of it."""
    value = region.get("value")
    if not isinstance(value, dict):
        return form.malformed(f"Mark {number} holds nothing.")
    labels, words = value.get("labels"), value.get("text")
    if not isinstance(labels, list) or len(labels) != 1 or not isinstance(words, str):
        return form.malformed(f"Mark {number} has no words, or not exactly one class.")
    start, end = value.get("start"), value.get("end")
    if start is None and end is None:
        what = f"“{excerpt(words, length=60)}” does not stand in the text, or not so often."
        return form.malformed(f"{what} Copy the words as they stand there.")
    if isinstance(start, bool) or not isinstance(start, int) or not isinstance(end, int):
        return form.malformed(f"Where mark {number} begins or ends is no whole number. {COUNT}")
    if not 0 <= start < end <= len(text):
        most = f"the text has {len(text)} characters"
        return form.malformed(f"Mark {number} goes from {start} to {end}, but {most}. {COUNT}")
    held = text[start:end]
    if _UNSEEN.sub("", held) != _UNSEEN.sub("", words):
        told, there = excerpt(words, length=60), excerpt(held, length=60)
        return form.malformed(
            f"Mark {number} is of “{told}”, but from {start} to {end} there stands “{there}”."
            f" {COUNT}"
        )
    found = trimmed([Span(start, end, "")], text=text)[0] if held.strip() else Span(start, end, "")
    return found.start, found.end, labels[0]


def _parsed(spans: Sequence[Span]) -> Parsed:
    made = answer_of(spans)
    return Parsed(label=made["label"], value=made["value"])


def _region(mark: object) -> form.Part:
    """One mark as the desk tells it; what is none is told as it came, for `parse` to refuse."""
    return {"from_name": FIELD, "to_name": form.TEXT, "type": "labels", "value": mark}


def _written(value: object, *, answer: Answer, text: str) -> list[object]:
    """Marks with their words: as stored, `[start, end, key]`, or as a script of ours tells them."""
    if not isinstance(value, list):
        return [value]
    moved = _line_ends(text, length=answer.get("length"))
    return [_one(mark, text=text, moved=moved) for mark in value]


def _one(mark: object, *, text: str, moved: Sequence[int] | None) -> object:
    if isinstance(mark, dict):
        start, end = mark.get("start"), mark.get("end")
        if moved and _whole(start) and _whole(end) and 0 <= start < len(moved) > end >= 0:
            start, end = moved[start], moved[end]
        return {
            "start": start,
            "end": end,
            "text": mark.get("text"),
            "labels": [mark.get("label")],
        }
    if isinstance(mark, list) and len(mark) == 3:
        start, end, key = mark
        fits = _whole(start) and _whole(end) and 0 <= start <= end
        words = text[start:end] if fits else ""
        return {"start": start, "end": end, "text": words, "labels": [key]}
    return mark


def _named(mark: object, *, names: Mapping[str, str]) -> object:
    """A mark of a file with the key of its class."""
    if isinstance(mark, dict):
        told = {**mark, "label": _key(mark.get("label"), names=names)}
        return told if "text" in mark else [told.get(part) for part in ("start", "end", "label")]
    if isinstance(mark, list) and len(mark) == 3:
        return [*mark[:2], _key(mark[2], names=names)]
    return mark


def _key(label: object, *, names: Mapping[str, str]) -> object:
    return (
        names.get(label) or names.get(label.casefold(), label) if isinstance(label, str) else label
    )


def _whole(place: Any) -> TypeGuard[int]:
    return isinstance(place, int) and not isinstance(place, bool)


def _line_ends(text: str, *, length: object) -> Sequence[int] | None:
    """Where each place of a text stands that a page's source has made shorter: CR LF is one there.

    >>> _line_ends("a\\r\\nb", length="3")
    [0, 1, 3, 4]
    """
    if "\r\n" not in text or length != str(len(text) - text.count("\r\n")):
        return None
    places = [at for at in range(len(text)) if text[at - 1 : at + 1] != "\r\n" or not at]
    return [*places, len(text)]


def _looked_up(words: Sequence[tuple[str, str]], *, text: str) -> list[object]:
    """Where the words of a form without scripts stand: the first free place, or the one named.

    >>> at = _looked_up([("per", "Awa"), ("per", "Awa"), ("loc", "Awa #1")], text="Awaa Awa, Awa")
    >>> [(one["start"], one["labels"]) for one in at]
    [(5, ['per']), (10, ['per']), (5, ['loc'])]
    """
    if len(words) > MOST_COPIED:
        # Refused before anything is looked for: what looks here holds a lock.
        return [{}] * (MOST + 1)
    found: list[object] = []
    taken: set[int] = set()
    edges = {edge for unit in units(text).tolist() for edge in unit}
    for key, line in words:
        told = line if line in text else None
        which = None if told else _WHICH.match(line)
        told = told or (which[1] if which else line)
        places = _places(told, text=text, edges=edges)
        if which:
            number = int(which[2]) - 1
            start = places[number] if 0 <= number < len(places) else None
        else:
            start = next((place for place in places if place not in taken), None)
        if start is None:
            found.append({"text": line, "labels": [key]})
            continue
        taken.update(range(start, start + len(told)))
        found.append({"start": start, "end": start + len(told), "text": told, "labels": [key]})
    return found


def _places(words: str, *, text: str, edges: Collection[int]) -> list[int]:
    """Where these words begin; within other words only if they stand nowhere by themselves."""
    found = [at.start() for at in regex.finditer(regex.escape(words), text, overlapped=True)]
    return [at for at in found if at in edges and at + len(words) in edges] or found
