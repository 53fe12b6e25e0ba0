"""Private data in texts: found by its form and masked, so that few people see it, and late.

Forms only: what looks like an address, a link with an account in it, a telephone number or another
long number. Names have no form; who reports private data says so, and a moderator looks and names them.
"""

import unicodedata
from collections.abc import Iterable

import regex

MASKS = {"email": "[e-mail]", "phone": "[phone]", "number": "[number]"}
_EMAIL = regex.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
# Nine digits or more, in any script, with what people write between them.
_LONG = regex.compile(r"(?<!\w)(\+?)\(?\p{Nd}(?:[ ().\-/]{0,2}\p{Nd}){7,18}(?!\w)")
PHONE_DIGITS = range(8, 16)
HAND_MASK = "[…]"
# What makes a word longer; a low line binds words in names of files and accounts.
_LETTER = r"[\p{L}\p{M}\p{Nd}]"
# Scripts in which words stand side by side with nothing between them.
_GLUED = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}\p{Javanese}"
    r"\p{Balinese}\p{Tai_Tham}\p{New_Tai_Lue}\p{Tai_Viet}]"
)


def found(text: str) -> list[str]:
    """Return the kinds of private data that a text holds.

    >>> found("Awa: awa@example.org, +221 77 123 45 67"), found("In 2026 came 12 people.")
    (['email', 'phone'], [])
    """
    return sorted({kind for kind, _, _ in _places(text)})


def masked(text: str) -> str:
    """Return the text with a word in place of all that looks private.

    >>> masked("Ask awa@example.org or 0612345678!")
    'Ask [e-mail] or [phone]!'
    >>> masked("٠٦١٢٣٤٥٦٧٨")
    '[phone]'
    >>> masked("Card 1234 5678 9012 3456 7")
    'Card [number]'
    """
    told, last = [], 0
    for kind, start, end in _places(text):
        told += [text[last:start], MASKS[kind]]
        last = end
    return "".join([*told, text[last:]])


def hand_masked(text: str, *, words: Iterable[str]) -> tuple[str, int]:
    """Return the text with a mask for each of some words as they were typed, and how many there were.

    Whole words in whatever case; where a script puts nothing between words, wherever they stand.

    >>> hand_masked("Awa Ndiaye, AWA and Awadi", words=["Awa Ndiaye", "Awa"])
    ('[…], […] and Awadi', 2)
    >>> hand_masked("awa_ndiaye, Awa  Ndiaye", words=["Awa Ndiaye"])
    ('[…], […]', 2)
    >>> hand_masked("我叫王小明。", words=["王小明"])
    ('我叫[…]。', 1)
    """
    forms = [
        _spread(form) if _GLUED.search(form) else rf"(?<!{_LETTER}){_spread(form)}(?!{_LETTER})"
        for word in words
        for form in dict.fromkeys(unicodedata.normalize(way, word) for way in ("NFC", "NFD"))
    ]
    if not forms:
        return text, 0
    return regex.subn("|".join(forms), HAND_MASK, text, flags=regex.IGNORECASE | regex.FULLCASE)


def _spread(form: str) -> str:
    """Return an expression for words with whatever people, or programs, put between them."""
    return r"[\s_\p{Pd}]+".join(regex.escape(part) for part in form.split())


def _places(text: str) -> list[tuple[str, int, int]]:
    places = [("email", *one.span()) for one in _EMAIL.finditer(text)]
    for one in _LONG.finditer(text):
        digits = sum(sign.isdigit() for sign in one.group())
        kind = "phone" if digits in PHONE_DIGITS else "number"
        if not any(start < one.end() and one.start() < end for _, start, end in places):
            places.append((kind, *one.span()))
    return sorted(places, key=lambda place: place[1])
