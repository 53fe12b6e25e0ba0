"""Columns: one token a line with its tag, as CoNLL-2003 and most files of named entities have it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

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
from annotation.methods.spans import Span

_BLANKS = re.compile(r"[ \t]+")
_TAG = re.compile(r"O|[A-Z]-.+")
_TELLING = re.compile(r"# +[\w.:-]+ *=")  # and what it tells may hold tabs
_KEYS = re.compile(r"#[ \t]*[\w.:-]+[ \t]*=")


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column holds what, from 0, or from -1 backwards; a file may name its own.

    ``# global.columns = FORM LANG TAG`` names them as CoNLL-U Plus does: the token is FORM, the
    language LANG, the tag what stands last.
    """

    token: int = 0
    tag: int = -1
    language: int | None = None

    @classmethod
    def named(cls, names: str) -> "Columns":
        """Return the columns that a file names.

        >>> Columns.named("ID FORM LANG NER")
        Columns(token=1, tag=-1, language=2)
        """
        held = [name.upper() for name in names.split()]
        language = held.index("LANG") if "LANG" in held else None
        return cls(held.index("FORM") if "FORM" in held else 0, -1, language)


def read_columns(
    stream: BinaryIO,
    *,
    columns: Columns | None = None,
    scheme: str = "iob2",
    strict: bool = True,
) -> Iterator[Sentence | Refused]:
    """Yield the sentences of a file; ``# text =``, ``# lang =`` and ``# sent_id =`` are heeded.

    Columns stand apart by a tab, or by spaces where a line has no tab.

    >>> import io
    >>> file = io.BytesIO(b"# text = l'blad!\\nl'\\tO\\nblad\\tB-LOC\\n!\\tO\\n\\nWa\\tI-PER\\n")
    >>> sentence, refused = read_columns(file)
    >>> sentence.text, sentence.spans
    ("l'blad!", (Span(start=2, end=6, label='LOC'),))
    >>> refused.number, refused.problem
    (6, "'I-PER' continues nothing, at the beginning")
    """
    reader = _Reader(columns or Columns(), scheme, strict)
    yield from read_sentences(stream, is_comment=reader.is_comment, read=reader.read)


@dataclass
class _Reader:
    columns: Columns
    scheme: str
    strict: bool
    width: int = field(default=0, init=False)

    def is_comment(self, text: str) -> bool:
        """A hash can be a token: only what is no line of as many columns is a comment."""
        if not text.startswith("#"):
            return False
        if "\t" in text:
            return bool(_TELLING.match(text))
        cells = _cells(text)
        tagged = self.scheme == "tags" or bool(_TAG.fullmatch(cells[-1]))
        return bool(_KEYS.match(text)) or len(cells) != (self.width or 2) or not tagged

    def read(self, block: Block) -> Sentence | None:
        if "global.columns" in block.comments:
            names = block.comments["global.columns"]
            self.columns, self.width = Columns.named(names), len(names.split())
        rows = [(line, self._row(line)) for line in block.lines]
        if not rows or [row[self.columns.token] for _, row in rows] == ["-DOCSTART-"]:
            return None
        forms = [Form(line.number, row[self.columns.token]) for line, row in rows]
        text, places = placed(forms, block.text)
        spans = self._spans(rows, places)
        language = self.columns.language
        told = [row[language] if language is not None else "" for _, row in rows]
        return Sentence(
            text=text,
            tokens=tuple(
                Token(start, end, "" if said == "_" else said)
                for (start, end), said in zip(places, told, strict=True)
            ),
            spans=spans,
            id=block.comments.get("sent_id", block.comments.get("id", "")).strip(),
            language=block.comments.get("lang", "").strip(),
            number=rows[0][0].number,
            position=rows[-1][0].position,
            tagged=self.width > 1,
        )

    def _row(self, line: Line) -> list[str]:
        cells = _cells(line.text or "")
        self.width = self.width or len(cells)
        if len(cells) != self.width:
            raise RefusedError(
                line.number,
                "columns",
                f"has {_counted(len(cells))}, the lines before have {self.width}",
                "Part columns by one tab each, sentences by a blank line.",
            )
        highest = max(self.columns.token, self.columns.tag, self.columns.language or 0)
        if highest >= len(cells):
            raise RefusedError(
                line.number,
                "columns",
                f"has {_counted(len(cells))}, but column {highest + 1} is asked for",
                "Say which column holds the token, the tag and the language.",
            )
        for name, column in (("token", self.columns.token), ("tag", self.columns.tag)):
            if not cells[column]:
                remedy = (
                    "Write a tag, O for none." if name == "tag" else "Write it, or drop the line."
                )
                raise RefusedError(line.number, name, f"the {name} is empty", remedy)
        return cells

    def _spans(
        self, rows: list[tuple[Line, list[str]]], places: list[tuple[int, int]]
    ) -> tuple[Span, ...]:
        if self.width == 1:  # tokens alone: a text that nobody has tagged
            return ()
        tags = [row[self.columns.tag] for _, row in rows]
        try:
            found = stretches(tags, scheme=self.scheme, strict=self.strict)
        except TagError as error:
            line = rows[error.place][0].number
            raise RefusedError(line, "tag", str(error), error.remedy) from error
        return tuple(Span(places[one.first][0], places[one.last][1], one.label) for one in found)


def _cells(text: str) -> list[str]:
    return text.split("\t") if "\t" in text else _BLANKS.split(text.strip(" "))


def _counted(count: int) -> str:
    return "1 column" if count == 1 else f"{count} columns"
