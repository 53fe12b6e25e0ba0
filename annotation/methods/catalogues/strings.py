"""Strings: between a text and the quoted lines that a PO file holds it in."""

import re
import unicodedata
from typing import NamedTuple

_NAMED = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_ESCAPED = {ord(sign): f"\\{letter}" for letter, sign in _NAMED.items()} | {
    ord('"'): '\\"',
    ord("\\"): "\\\\",
}
_ESCAPE = re.compile(r"((?:\\(?:[0-7]{1,3}|x[0-9a-fA-F]{1,2}))+)|\\(.)", re.DOTALL)
_CODE = re.compile(r"\\(?:x([0-9a-fA-F]{1,2})|([0-7]{1,3}))")
_PORTION = re.compile(r".*?\\n|.+", re.DOTALL)
# Where a line may end: after spaces, and after what joins words visibly.
_WORD = re.compile(r"(?:\\.|[^ \\])*?(?:(?<=\w)[-–—](?=\w)|[ ]+|$)", re.DOTALL)


class Style(NamedTuple):
    """How a file lays its strings out: its width in columns, 0 for none, and where lines end."""

    width: int = 79
    by_lines: bool = True


def unescaped(literal: str, *, charset: str) -> str:
    """Return the text that stands between two quotes; raise for an escape that is none.

    >>> unescaped(r'a\\tb\\"c\\\\ \\303\\251', charset="utf-8")
    'a\\tb"c\\\\ é'
    """

    def one(found: re.Match[str]) -> str:
        if found[1]:
            codes = (
                int(sixteen, 16) if sixteen else int(eight, 8) & 255
                for sixteen, eight in _CODE.findall(found[1])
            )
            return bytes(codes).decode(charset)
        if found[2] in '"\\':
            return found[2]
        if found[2] not in _NAMED:
            raise ValueError(f"\\{found[2]} is no escape that gettext knows")
        return _NAMED[found[2]]

    return _ESCAPE.sub(one, literal) if "\\" in literal else literal


def escaped(text: str) -> str:
    """Return a text as it stands between two quotes.

    >>> print(escaped('a\\tb"c\\\\\\n'))
    a\\tb\\"c\\\\\\n
    """
    return text.translate(_ESCAPED)


def columns(text: str) -> int:
    """Return how wide a text is on a terminal: ideographs two columns, marks and joiners none.

    >>> columns("abc"), columns("名前"), columns("e\\u0301")
    (3, 4, 1)
    """
    return len(text) if text.isascii() else sum(map(_columns_of, text))


def _columns_of(sign: str) -> int:
    if unicodedata.category(sign) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(sign) in "WF" else 1


def quoted(text: str, *, before: str, style: Style) -> list[str]:
    """Return the quoted strings that hold a text, the first one to stand after ``before``.

    As gettext's own tools do it: one string if it fits, else an empty one and a line of the text
    to a line of the file, each folded at spaces where the file folds.

    >>> quoted("Jërëjëf", before="msgstr ", style=Style())
    ['"Jërëjëf"']
    >>> quoted("one\\ntwo three", before="msgstr ", style=Style(width=8))
    ['""', '"one\\\\n"', '"two "', '"three"']
    """
    whole = escaped(text)
    portions = _PORTION.findall(whole) if style.by_lines else [whole]
    fits = not style.width or columns(before) + columns(whole) + 2 <= style.width
    if fits and len(portions) < 2:
        return [f'"{whole}"']
    lines = [line for portion in portions for line in _folded(portion, width=style.width)]
    return ['""', *(f'"{line}"' for line in lines)]


def _folded(portion: str, *, width: int) -> list[str]:
    if not width:
        return [portion]
    lines, line = [], ""
    for word in _words(portion):
        if line and columns(line) + columns(word) + 2 > width:
            lines.append(line)
            line = ""
        line += word
    return [*lines, line]


def _words(portion: str) -> list[str]:
    return [word for word in _WORD.findall(portion) if word]
