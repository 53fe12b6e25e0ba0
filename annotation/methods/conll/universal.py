"""CoNLL-U: the ten columns of Universal Dependencies, with words that share a stretch of text.

The tokens are what stands in the text: words, and where the file writes several words as one
(``2-3 moo``), that one, unless the words are its letters and can be told apart. Empty nodes
(``1.1``) stand in no text. ``Lang=`` in the last column tells the language of a token, as is the
custom for texts of several languages.
"""

import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple

from annotation.methods.conll.records import (
    Block,
    Form,
    Refused,
    RefusedError,
    Sentence,
    Token,
    placed,
    read_sentences,
)
from annotation.methods.conll.schemes import TagError, stretches
from annotation.methods.readers.lines import Line
from annotation.methods.readers.rows import UnreadableFileError
from annotation.methods.spans import Span

COLUMNS = ("ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC")
_ID = re.compile(r"([1-9]\d{0,5})(?:-([1-9]\d{0,5}))?|(\d{1,6}\.[1-9]\d{0,5})")
_ESCAPES = {"\\s": " ", "\\t": "\t", "\\n": "\n", "\\r": "\r", "\\p": "|", "\\\\": "\\"}
_ESCAPE = re.compile(r"\\[stnrp\\]")
SEVERAL = "mul"


class _Word(NamedTuple):
    """A line of the file: a word, or several as one."""

    line: int
    first: int
    last: int
    form: str
    tag: str
    misc: dict[str, str]
    ranged: bool


class _Unit(NamedTuple):
    """What stands in the text as one, with its tag and its language."""

    form: Form
    tag: str
    language: str
    note: str = ""


def read_conllu(
    stream: BinaryIO, *, layer: str = "UPOS", scheme: str = "tags", strict: bool = True
) -> Iterator[Sentence | Refused]:
    """Yield the sentences of a file with one layer of its tags as spans.

    The layer is a column's name or a key of MISC, such as ``NER`` with the scheme ``iob2``.

    >>> import io
    >>> rows = ["1-2 moo", "1 mu NER=O", "2 a NER=O", "3 dem NER=O|SpaceAfter=No", "4 . NER=O"]
    >>> cells = [(one.split() + ["_"])[:3] for one in rows]
    >>> lines = ["\\t".join([one[0], one[1], *"_______", one[2]]) for one in cells]
    >>> sentence, = read_conllu(io.BytesIO("\\n".join(lines).encode()), layer="NER", scheme="iob2")
    >>> sentence.text, [(token.start, token.end) for token in sentence.tokens]
    ('moo dem.', [(0, 3), (4, 7), (7, 8)])
    """

    def read(block: Block) -> Sentence | None:
        return _sentence(block, layer=layer, scheme=scheme, strict=strict)

    yield from read_sentences(stream, is_comment=_is_comment, read=read)


def _is_comment(text: str) -> bool:
    return text.startswith("#")


def _sentence(block: Block, *, layer: str, scheme: str, strict: bool) -> Sentence | None:
    named = block.comments.get("global.columns", "").upper().split()
    if named and tuple(named) != COLUMNS:
        raise UnreadableFileError(
            "The file is CoNLL-U Plus: it names columns of its own. Import it as columns instead."
        )
    units = list(_units(_words(block.lines, layer), scheme))
    if not units:
        return None
    text, places = placed([unit.form for unit in units], block.text)
    try:
        found = stretches([unit.tag for unit in units], scheme=scheme, strict=strict)
    except TagError as error:
        line = units[error.place].form.line
        raise RefusedError(line, "tag", str(error), error.remedy) from error
    return Sentence(
        text=text,
        tokens=tuple(
            Token(start, end, unit.language)
            for (start, end), unit in zip(places, units, strict=True)
        ),
        spans=tuple(Span(places[one.first][0], places[one.last][1], one.label) for one in found),
        id=block.comments.get("sent_id", "").strip(),
        language=block.comments.get("lang", "").strip(),
        notes=tuple(unit.note for unit in units if unit.note),
        number=block.lines[0].number,
        position=block.lines[-1].position,
        tagged=any(unit.tag not in ("", "_") for unit in units),
    )


def _words(lines: Sequence[Line], layer: str) -> list[_Word]:
    """The lines of words, numbered as they must be, without empty nodes."""
    found: list[_Word] = []
    following, within = 1, 0
    for line in lines:
        word = _word(line, layer)
        if word is None:
            continue
        wrong = word.first != following or (word.ranged and word.first <= within)
        if wrong or word.last < word.first + word.ranged:
            raise RefusedError(
                line.number,
                "ID",
                f"the number is {(line.text or '').split()[0][:20]!r} where {following} comes next",
                "Number words 1, 2, 3; write several words as one, like 2-3, before the first.",
            )
        within = word.last if word.ranged else within
        following += not word.ranged
        found.append(word)
    if within >= following:
        raise RefusedError(
            lines[-1].number,
            "ID",
            f"the sentence ends at word {following - 1}, but some were to go to {within}",
            "Write a line for each of the words.",
        )
    return found


def _word(line: Line, layer: str) -> _Word | None:
    cells = (line.text or "").split("\t")
    if len(cells) != len(COLUMNS):
        raise RefusedError(
            line.number,
            "columns",
            f"has {len(cells)} columns, CoNLL-U has {len(COLUMNS)}",
            "Part columns by one tab each, and write _ where nothing is known.",
        )
    number = _ID.fullmatch(cells[0])
    if not number:
        raise RefusedError(
            line.number,
            "ID",
            f"{cells[0][:20]!r} is no number of a word",
            "Number words 1, 2, 3, several words as one 2-3, empty nodes 2.1.",
        )
    if number[3]:
        return None
    if not cells[1].strip():
        raise RefusedError(line.number, "FORM", "the token is empty", "Write the token's letters.")
    pairs = (part.partition("=") for part in cells[9].split("|") if part != "_")
    misc = {key: value for key, _, value in pairs}
    tag = cells[COLUMNS.index(layer)] if layer in COLUMNS else misc.get(layer, "")
    last = int(number[2] or number[1])
    return _Word(line.number, int(number[1]), last, cells[1], tag, misc, bool(number[2]))


def _units(words: Sequence[_Word], scheme: str) -> Iterator[_Unit]:
    place = 0
    while place < len(words):
        word = words[place]
        place += 1
        if not word.ranged:
            yield _Unit(_form(word), word.tag, _language(word))
            continue
        size = word.last - word.first + 1
        yield from _several(word, words[place : place + size], scheme)
        place += size


def _several(whole: _Word, parts: Sequence[_Word], scheme: str) -> Iterator[_Unit]:
    """Several words as one: each by itself where they are its letters, else one for them all."""
    if "".join(part.form for part in parts) == whole.form:
        for part in parts:
            form = Form(part.line, part.form, "")
            if part is parts[0]:
                form = form._replace(before=_form(whole).before)
            if part is parts[-1]:
                form = form._replace(after=_form(whole).after)
            yield _Unit(form, part.tag, _language(part) or _language(whole))
        return
    languages = {_language(part) for part in parts}
    language = _language(whole) or (languages.pop() if len(languages) == 1 else SEVERAL)
    tag = (
        whole.tag
        if whole.tag not in ("", "_")
        else _joint_tag([part.tag for part in parts], scheme)
    )
    note = ""
    if tag is None:
        told = ", ".join(part.tag for part in parts)
        note = (
            f"line {whole.line}: “{whole.form}” is several words of different tags ({told}) and"
            " one stretch of text, so it has no tag"
        )
    yield _Unit(_form(whole), tag or "_", language, note)


def _joint_tag(tags: Sequence[str], scheme: str) -> str | None:
    """The tag that stands for all: that of the words that have one, if they have the same."""
    told = [tag for tag in tags if tag not in ("O", "_", "")]
    if scheme == "tags":
        return None if len(set(told)) > 1 else next(iter(told), "_")
    if len({tag[1:] for tag in told}) > 1:
        return None
    if scheme == "iobes" and told:
        begins, ends = told[0][0] in "BSUW", told[-1][0] in "ESLUW"
        letter = {(True, True): "S", (True, False): "B", (False, True): "E"}.get(
            (begins, ends), "I"
        )
        return letter + told[0][1:]
    return next(iter(told), "O")


def _language(word: _Word) -> str:
    return word.misc.get("Lang", word.misc.get("lang", ""))


def _form(word: _Word) -> Form:
    after = word.misc.get("SpacesAfter")
    told = "" if word.misc.get("SpaceAfter") == "No" else None
    return Form(
        word.line,
        word.form,
        told if after is None else _unescaped(after),
        _unescaped(word.misc.get("SpacesBefore", "")),
    )


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: _ESCAPES[found[0]], text)
