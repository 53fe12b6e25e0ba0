"""Reading: from the lines of a PO file to its entries, each knowing where its parts stand."""

import re
from dataclasses import dataclass, field

from annotation.methods.catalogues.parts import (
    Catalogue,
    Entry,
    Layout,
    Line,
    Problem,
    UnreadableCatalogueError,
    split_lines,
)
from annotation.methods.catalogues.strings import unescaped

_BLANKS = " \t\v\f"
# Possessive: nothing is tried again, so that a string of megabytes costs what it is long.
_LITERAL = r'"((?:[^"\\]++|\\.)*+)"'
_LITERALS = re.compile(_LITERAL)
_KEYWORD = re.compile(
    rf"(msgctxt|msgid_plural|msgid|msgstr)(?:\[(\d{{1,3}})\])?[{_BLANKS}]*"
    rf"((?:{_LITERAL}[{_BLANKS}]*+)*+)"
)
_CONTINUED = re.compile(rf"(?:{_LITERAL}[{_BLANKS}]*+)++")
_QUOTE = 'Write a keyword and a text in straight quotes, with \\" for a quote inside it.'


class _BrokenError(Exception):
    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.remedy = remedy


@dataclass(slots=True)
class _Part:
    """A keyword's text, and the lines that it stands on."""

    first: int
    last: int
    literals: list[str]


@dataclass(slots=True)
class _Draft:
    """An entry as far as it is read."""

    first: int
    keyword: int = -1
    obsolete: bool = False
    flags: list[str] = field(default_factory=list)
    texts: dict[str, list[str]] = field(default_factory=dict)
    places: dict[str, list[int]] = field(default_factory=dict)
    parts: dict[str, _Part] = field(default_factory=dict)
    before: dict[str, list[str]] = field(default_factory=dict)
    latest: str = ""
    problem: Problem | None = None

    @property
    def complete(self) -> bool:
        return "msgstr" in self.parts or "msgstr[0]" in self.parts


def read_catalogue(data: bytes) -> Catalogue:
    """Return what a PO file holds; an entry that makes no sense is named and left alone.

    >>> catalogue = read_catalogue(b'msgid "Save"\\nmsgstr "Denc"\\n\\nmsgid "Open\\nmsgstr ""\\n')
    >>> [(entry.msgid, entry.forms) for entry in catalogue.entries]
    [('Save', ('Denc',))]
    >>> [(problem.line, problem.problem) for problem in catalogue.problems]
    [(4, 'the quotes around the text do not fit')]
    """
    mark, charset, lines = split_lines(data)
    reader = _Reader(lines, charset)
    for place, line in enumerate(lines):
        reader.take(place, line)
    reader.close()
    if not reader.entries and not reader.problems:
        raise UnreadableCatalogueError(
            "The file holds no PO entry (msgid and msgstr). Export the translations as gettext PO."
        )
    problems = sorted([*reader.problems, *_twice(reader.entries)])
    unclear = {problem.line for problem in problems}
    entries = tuple(entry for entry in reader.entries if entry.line not in unclear)
    return Catalogue(mark, charset, lines, entries, tuple(problems))


def _twice(entries: list[Entry]) -> list[Problem]:
    """No tool knows which of two entries of one message is meant."""
    found, seen = [], dict[tuple[str | None, str], int]()
    for entry in entries:
        if entry.obsolete:
            continue
        if entry.key in seen:
            problem = f"the message is there already, on line {seen[entry.key]}"
            found.append(Problem(entry.line, problem, "Join them: msguniq FILE > FILE.po"))
        seen.setdefault(entry.key, entry.line)
    return found


class _Reader:
    """Goes from line to line, and knows the entry that it is in."""

    def __init__(self, lines: tuple[Line, ...], charset: str) -> None:
        self.entries: list[Entry] = []
        self.problems: list[Problem] = []
        self._lines = lines
        self._charset = charset
        self._draft: _Draft | None = None
        self._blank = True

    def take(self, place: int, line: Line) -> None:
        text = "?" if line.text is None else line.text.strip(_BLANKS)
        if not text:
            self._pause()
            return
        try:
            self._take(place, text, line)
        except _BrokenError as error:
            draft = self._draft or self._begin(place)
            draft.keyword = place if draft.keyword < 0 else draft.keyword
            draft.problem = draft.problem or Problem(place + 1, str(error), error.remedy)
        self._blank = False

    def close(self) -> None:
        """End the entry; comments without a message are nobody's."""
        draft, self._draft = self._draft, None
        if draft is None or draft.keyword < 0:
            return
        try:
            if draft.problem is None:
                self.entries.append(self._finished(draft))
        except _BrokenError as error:
            draft.problem = Problem(draft.keyword + 1, str(error), error.remedy)
        if draft.problem:
            self.problems.append(draft.problem)

    def _pause(self) -> None:
        """A blank line ends what is broken; a sound entry ends where the next one begins."""
        if self._draft and self._draft.problem:
            self.close()
        self._blank = True

    def _begin(self, place: int) -> _Draft:
        self.close()
        self._draft = _Draft(first=place)
        return self._draft

    def _take(self, place: int, text: str, line: Line) -> None:
        if line.text is None:
            raise _BrokenError(
                f"the line is not {self._charset}",
                f"Save the file as {self._charset}, or mend the header's charset.",
            )
        if text.startswith("#~") and not text.startswith("#~|"):
            self._take_keyword(place, text[2:].strip(_BLANKS), obsolete=True)
        elif text.startswith("#"):
            self._take_comment(place, text)
        else:
            self._take_keyword(place, text, obsolete=False)

    def _take_comment(self, place: int, text: str) -> None:
        draft = self._draft
        if draft is None or draft.complete or draft.problem:
            draft = self._begin(place)
        elif draft.keyword >= 0:
            raise _BrokenError(
                "a comment stands inside the entry", "Move it before msgctxt and msgid."
            )
        elif self._blank:
            draft.first = place
        kind, body = ("#|", text[3:]) if text.startswith("#~|") else (text[:2], text[2:])
        if kind not in ("#.", "#:", "#,", "#=", "#|"):
            kind, body = "#", text[1:]
        draft.texts.setdefault(kind, []).append(body.removeprefix(" "))
        draft.places.setdefault(kind, []).append(place)
        if kind in ("#,", "#="):
            draft.flags += [flag for part in body.split(",") if (flag := part.strip(_BLANKS))]
        elif kind == "#|":
            self._take_previous(draft, body.strip(_BLANKS))

    def _take_previous(self, draft: _Draft, body: str) -> None:
        """What the message said before; nonsense in it hurts nobody."""
        found = _KEYWORD.fullmatch(body)
        name = found[1] if found else next(reversed(draft.before), "")
        if name:
            draft.before.setdefault(name, []).extend(_LITERALS.findall(body))

    def _take_keyword(self, place: int, text: str, *, obsolete: bool) -> None:
        draft = self._draft
        if text.startswith(("msgctxt", "msgid")) and not text.startswith("msgid_plural"):
            if draft and (draft.complete or draft.problem):
                draft = None
        elif draft and draft.problem:
            return
        draft = draft or self._begin(place)
        if draft.keyword < 0:
            draft.keyword, draft.obsolete = place, obsolete
        elif draft.obsolete != obsolete:
            raise _BrokenError("half of the entry is obsolete (#~)", "Write #~ on all its lines.")
        found = _KEYWORD.fullmatch(text)
        if found:
            self._take_text(draft, found, place)
        elif _CONTINUED.fullmatch(text) and draft.latest:
            part = draft.parts[draft.latest]
            part.literals += _LITERALS.findall(text)
            part.last = place
        else:
            raise _BrokenError(_what_is_wrong(text), _QUOTE)

    def _take_text(self, draft: _Draft, found: re.Match[str], place: int) -> None:
        name = found[1] if found[2] is None else f"{found[1]}[{int(found[2])}]"
        if name in draft.parts or (found[2] is not None and found[1] != "msgstr"):
            raise _BrokenError(f"there is one {name} too many", "Keep one msgstr for each msgid.")
        draft.parts[name] = _Part(place, place, _LITERALS.findall(found[3]))
        draft.latest = name

    def _finished(self, draft: _Draft) -> Entry:
        forms = _forms(draft)
        if "msgid" not in draft.parts or not forms:
            missing = "msgstr" if "msgid" in draft.parts else "msgid"
            raise _BrokenError(f"there is no {missing}", "msgid and msgstr belong together.")
        plural = self._text(draft, "msgid_plural") if "msgid_plural" in draft.parts else None
        if (plural is None) != ("msgstr" in draft.parts):
            raise _BrokenError(
                "msgid_plural and msgstr do not fit",
                "With msgid_plural write msgstr[0], msgstr[1] and so on, without it msgstr.",
            )
        before = [self._before(draft, name) for name in ("msgctxt", "msgid", "msgid_plural")]
        return Entry(
            line=draft.keyword + 1,
            context=self._text(draft, "msgctxt") if "msgctxt" in draft.parts else None,
            msgid=self._text(draft, "msgid"),
            plural=plural,
            forms=tuple(self._text(draft, name) for name in forms),
            flags=tuple(draft.flags),
            comments=tuple(draft.texts.get("#", ())),
            extracted=tuple(draft.texts.get("#.", ())),
            references=tuple(draft.texts.get("#:", ())),
            previous=(before[0], before[1], before[2]),
            obsolete=draft.obsolete,
            layout=_layout(draft, forms),
        )

    def _text(self, draft: _Draft, name: str) -> str:
        return self._joined(draft.parts[name].literals)

    def _before(self, draft: _Draft, name: str) -> str | None:
        try:
            return self._joined(draft.before[name]) if name in draft.before else None
        except _BrokenError:
            return None

    def _joined(self, literals: list[str]) -> str:
        try:
            return unescaped("".join(literals), charset=self._charset)
        except ValueError as error:
            raise _BrokenError(str(error), "Write \\\\ for a backslash.") from error


def _forms(draft: _Draft) -> list[str]:
    """The names of the translations, in order; raise where one is left out."""
    names = [name for name in draft.parts if name.startswith("msgstr")]
    if names not in ([], ["msgstr"], [f"msgstr[{number}]" for number in range(len(names))]):
        raise _BrokenError(
            f"the forms are {', '.join(names)}", "Number them msgstr[0], msgstr[1] and so on."
        )
    return names


def _layout(draft: _Draft, forms: list[str]) -> Layout:
    ranges = {name: (part.first, part.last + 1) for name, part in draft.parts.items()}
    return Layout(
        first=draft.first,
        keyword=draft.keyword,
        comments=tuple(draft.places.get("#", ())),
        flags=tuple(draft.places.get("#,", ())),
        previous=tuple(draft.places.get("#|", ())),
        msgid=ranges["msgid"],
        forms=tuple(ranges[name] for name in forms),
    )


def _what_is_wrong(text: str) -> str:
    if text.startswith(("msg", '"')):
        return "the quotes around the text do not fit"
    return "this is neither a keyword with a quoted text nor a comment"
