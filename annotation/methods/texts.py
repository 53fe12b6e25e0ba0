"""Texts: when two are the same, and which ones cannot be put to anybody."""

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import regex

MAX_CHARACTERS = 100_000
# Between the texts of a pair, as they are stored: the character that gettext's own files of
# compiled catalogues put between two texts. No text of ours may hold it.
GLUE = "\x04"
# Between them as people see them: a line of its own, so that each part finds its own direction.
DIVIDER = "\n\u2e3b\n"
_VISIBLE = regex.compile(r"[^\p{Z}\p{Cc}\p{Cf}]")
# The same in the plain classes that every reader of a JSON schema knows: something visible in a text
# that holds neither a NUL character nor our glue. Some unseen marks beyond U+FFFF are not in it, for
# readers write those differently; a test compares all others, letter by letter.
_UNSEEN = (
    r"\x00-\x20\x7f-\xa0\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890-\u0891\u08e2\u1680\u180e"
    r"\u2000-\u200f\u2028-\u202f\u205f-\u2064\u2066-\u206f\u3000\ufeff\ufff9-\ufffb"
)
READABLE = rf"^[^\x00\x04]*[^{_UNSEEN}][^\x00\x04]*$"
_HALF = regex.compile(r"[\ud800-\udfff]")


def normalise(text: str) -> str:
    """Return the form in which texts are compared: NFC, case folded, white space collapsed.

    Marks stay, since in many languages they alone tell two words apart; so do joiners.

    >>> normalise("  Na  NGA\\tdef? ")
    'na nga def?'
    >>> normalise("e\\u0301") == normalise("\\u00c9")
    True
    >>> normalise("ọ̀") == normalise("ọ")
    False
    >>> normalise(glued(["Denc ", " Save"])) == normalise(glued(["denc", "save"]))
    True
    """
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
    return GLUE.join(" ".join(part.split()) for part in folded.split(GLUE))


def digest(text: str) -> str:
    """Return the SHA-256 of the normalised text: equal for texts that count as the same.

    >>> digest("Jërëjëf!") == digest(" jërëjëf! ")
    True
    >>> len(digest(""))
    64
    """
    return hashlib.sha256(normalise(text).encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True)
class Trouble:
    """What is wrong with a text: a name for it, where, and how much; who shows it finds the words."""

    code: Literal["long", "nul", "half", "glue", "empty"]
    at: int = 0
    length: int = 0

    def __str__(self) -> str:
        """In plain English, for records and for what is wrong with files."""
        return {
            "long": f"is {self.length:,} characters long; the most is {MAX_CHARACTERS:,}",
            "nul": f"holds a NUL character at position {self.at}",
            "half": f"holds half a character at position {self.at}: an unpaired surrogate, "
            "or a byte that is not UTF-8. Save the text as UTF-8.",
            "glue": f"holds the control character U+0004 at position {self.at}",
            "empty": "is empty",
        }[self.code]


def trouble_with(text: str) -> Trouble | None:
    """Return what keeps a text from coming in, or nothing if it can.

    >>> trouble_with("Na nga def?")
    >>> trouble_with("a\\0b")
    Trouble(code='nul', at=2, length=0)
    """
    if len(text) > MAX_CHARACTERS:
        return Trouble("long", length=len(text))
    if found := _broken(text):
        return found
    if GLUE in text:
        return Trouble("glue", at=text.index(GLUE) + 1)
    return None if _VISIBLE.search(text) else Trouble("empty")


def problem_with(text: str) -> str:
    """Return why a text cannot come in, in plain English, or nothing if it can.

    >>> problem_with("Na nga def?")
    ''
    >>> problem_with(" \\u200b")
    'is empty'
    >>> problem_with("a\\0b")
    'holds a NUL character at position 2'
    >>> problem_with("ab\\ud800")[:40]
    'holds half a character at position 3: an'
    >>> problem_with("a" * 100_001)
    'is 100,001 characters long; the most is 100,000'
    """
    found = trouble_with(text)
    return str(found) if found else ""


def unstorable(text: str) -> str:
    """Return why a string cannot be stored as Unicode text, or nothing if it can.

    >>> unstorable("")
    ''
    """
    found = _broken(text)
    return str(found) if found else ""


def _broken(text: str) -> Trouble | None:
    if "\0" in text:
        return Trouble("nul", at=text.index("\0") + 1)
    if not text.isascii() and (half := _HALF.search(text)):
        return Trouble("half", at=half.start() + 1)
    return None


def glued(parts: Sequence[str]) -> str:
    """Return one text of several, which ``parts_of`` takes apart again.

    >>> parts_of(glued(["Na nga def?", "How are you?"]))
    ('Na nga def?', 'How are you?')
    """
    return GLUE.join(parts)


def parts_of(text: str) -> tuple[str, ...]:
    """Return what a stored text is made of: itself, or the texts of a pair.

    >>> parts_of("Na nga def?")
    ('Na nga def?',)
    """
    return tuple(text.split(GLUE))


def shown(text: str) -> str:
    """Return a stored text as people read it: the parts of a pair under each other.

    >>> shown(glued(["Na nga def?", "How are you?"])).splitlines()
    ['Na nga def?', '⸻', 'How are you?']
    """
    return text.replace(GLUE, DIVIDER)


def excerpt(text: str, *, length: int = 200) -> str:
    """Return the beginning of a text, made safe to store and to show.

    >>> excerpt("a\\0b\\ud800c")
    'a�b�c'
    >>> excerpt("abcdef", length=4)
    'abc…'
    """
    short = text if len(text) <= length else text[: length - 1] + "…"
    return storable(short)


def storable(text: str) -> str:
    """Return the text with U+FFFD for every character that no database can hold.

    >>> storable("a\\0b\\ud800c")
    'a�b�c'
    """
    return _HALF.sub("\ufffd", text.replace("\0", "\ufffd"))
