"""Records: what a sentence of a tagged file is, and what all such files have in common."""

import json
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

from annotation.methods.readers.lines import Line, numbered_lines
from annotation.methods.readers.rows import MOST_CHARACTERS_PER_ROW, UnreadableFileError
from annotation.methods.spans import Span
from annotation.methods.texts import excerpt, unstorable

_COMMENT = re.compile(r"#[ \t]*([\w.:-]+)[ \t]*=[ ]?(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Token:
    """Where a token stands in its text, in code points, and its language where the file says it."""

    start: int
    end: int
    language: str = ""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A text with its tokens and its spans; ``number`` is the line on which it begins.

    ``notes`` tell what the file says that a text with spans cannot hold. ``tagged`` tells a text
    in which nothing was to be marked from one that nobody has looked at.
    """

    text: str
    tokens: tuple[Token, ...]
    spans: tuple[Span, ...] = ()
    id: str = ""
    language: str = ""
    notes: tuple[str, ...] = ()
    number: int = 0
    position: int = 0
    tagged: bool = True


@dataclass(frozen=True, slots=True)
class Refused:
    """A sentence that makes no sense: the line where it stops doing so, and what to do there."""

    number: int
    position: int
    field: str
    problem: str
    remedy: str


class RefusedError(Exception):
    """The sentence at hand makes no sense, from this line on."""

    def __init__(self, line: int, field: str, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.line = line
        self.field = field
        self.remedy = remedy


class Form(NamedTuple):
    """A token as it is written, its line, and the white space after it where the file tells it."""

    line: int
    text: str
    after: str | None = None
    before: str = ""


class Block(NamedTuple):
    """The lines of a sentence: what its comments say, and the lines of its tokens."""

    comments: dict[str, str]
    lines: list[Line]

    @property
    def text(self) -> str | None:
        """The text as the file tells it; where it holds line breaks, as JSON."""
        if "text_json" in self.comments:
            try:
                told = json.loads(self.comments["text_json"])
            except ValueError:
                told = None
            return told if isinstance(told, str) else self.comments.get("text")
        return self.comments.get("text")


def read_sentences(
    stream: BinaryIO,
    *,
    is_comment: Callable[[str], bool],
    read: Callable[[Block], Sentence | None],
) -> Iterator[Sentence | Refused]:
    """Yield what ``read`` makes of the sentences of a file; blank lines stand between them."""
    lines: list[Line] = []
    size, found = 0, False
    for line in _and_a_blank_one(numbered_lines(stream)):
        if line.text is None or line.text.strip(" \t\r\n"):
            size += MOST_CHARACTERS_PER_ROW + 1 if line.text is None else len(line.text)
            lines.append(line)
            if size > MOST_CHARACTERS_PER_ROW:
                # It is refused anyway; only where it begins and ends is of interest.
                del lines[1:-1]
            continue
        if lines:
            sentence = _sentence(lines, is_comment, read, too_long=size > MOST_CHARACTERS_PER_ROW)
            found = found or sentence is not None
            if sentence is not None:
                yield sentence
        lines, size = [], 0
    if not found:
        raise UnreadableFileError(
            "The file holds no tokens. It needs one token a line and a blank line after a sentence."
        )


def _and_a_blank_one(lines: Iterator[Line]) -> Iterator[Line]:
    yield from lines
    yield Line(0, 0, "\n")


def _sentence(
    lines: list[Line],
    is_comment: Callable[[str], bool],
    read: Callable[[Block], Sentence | None],
    *,
    too_long: bool,
) -> Sentence | Refused | None:
    try:
        if too_long:
            return Refused(
                lines[0].number,
                lines[-1].position,
                "text",
                f"is longer than {MOST_CHARACTERS_PER_ROW:,} characters",
                "Put a blank line after each sentence.",
            )
        return read(_block(lines, is_comment))
    except RefusedError as error:
        return Refused(error.line, lines[-1].position, error.field, str(error), error.remedy)


def _block(lines: list[Line], is_comment: Callable[[str], bool]) -> Block:
    block = Block({}, [])
    for line in lines:
        text = (line.text or "").rstrip("\r\n")
        if problem := unstorable(text):
            raise RefusedError(line.number, "text", problem, "Save the file as UTF-8.")
        if not is_comment(text):
            block.lines.append(line._replace(text=text))
        elif told := _COMMENT.fullmatch(text):
            block.comments.setdefault(told[1], told[2])
    return block


def placed(forms: Sequence[Form], text: str | None) -> tuple[str, list[tuple[int, int]]]:
    """Return the text of tokens, exactly, and where they stand in it.

    Where the file tells the text, the tokens are looked up in it, one after the other; else they
    are joined by a space, or by what the file tells of the white space after each.

    >>> placed([Form(1, "l'"), Form(2, "blad")], "l'blad ")
    ("l'blad ", [(0, 2), (2, 6)])
    >>> placed([Form(1, "Na", " "), Form(2, "nga", ""), Form(3, "?")], None)
    ('Na nga?', [(0, 2), (3, 6), (6, 7)])
    """
    gaps = _told_gaps(forms) if text is None else _found_gaps(forms, text)
    written, places = gaps[0], []
    for form, gap in zip(forms, gaps[1:], strict=True):
        places.append((len(written), len(written) + len(form.text)))
        written += form.text + gap
    return written, places


def _told_gaps(forms: Sequence[Form]) -> list[str]:
    """What stands before the first token, and after each; nothing is known of the end."""
    after = [" " if form.after is None else form.after for form in forms[:-1]]
    return [forms[0].before if forms else "", *after, ""]


def _found_gaps(forms: Sequence[Form], text: str) -> list[str]:
    gaps, place = [], 0
    for form in forms:
        start = place
        while start < len(text) and text[start].isspace():
            start += 1
        if not text.startswith(form.text, start):
            raise _elsewhere(form, text[start : start + len(form.text) + 10], start)
        gaps.append(text[place:start])
        place = start + len(form.text)
    if text[place:].strip():
        raise RefusedError(
            forms[-1].line if forms else 0,
            "text",
            f"the text goes on after the last token: {excerpt(text[place:], length=60)!r}",
            "Give every character but white space to a token, or mend “# text”.",
        )
    gaps.append(text[place:])
    told = [forms[0].before if forms else "", *(form.after for form in forms)]
    # A comment holds no line break: white space that was told of the same length is the exact one.
    return [
        one if one and len(one) == len(gap) else gap for one, gap in zip(told, gaps, strict=True)
    ]


def _elsewhere(form: Form, there: str, place: int) -> RefusedError:
    remedy = "Mend the token or “# text”: both must hold the same characters."
    if unicodedata.normalize("NFC", there).startswith(unicodedata.normalize("NFC", form.text)):
        remedy = "They differ in Unicode normalisation (NFC, NFD): write both alike."
    return RefusedError(
        form.line,
        "token",
        f"the token {excerpt(form.text, length=60)!r} is not what stands at character {place}"
        f" of the text: {excerpt(there, length=60)!r}",
        remedy,
    )
