"""Private data in texts: found by its form and masked, so that few people see it, and late.

Forms only: what looks like an address, a link with an account in it, a telephone number or another
long number. Names have no form; who reports private data says so, and a moderator looks.
"""

import regex

MASKS = {"email": "[e-mail]", "phone": "[phone]", "number": "[number]"}
_EMAIL = regex.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
# Nine digits or more, in any script, with what people write between them.
_LONG = regex.compile(r"(?<!\w)(\+?)\(?\p{Nd}(?:[ ().\-/]{0,2}\p{Nd}){7,18}(?!\w)")
PHONE_DIGITS = range(8, 16)


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


def _places(text: str) -> list[tuple[str, int, int]]:
    places = [("email", *one.span()) for one in _EMAIL.finditer(text)]
    for one in _LONG.finditer(text):
        digits = sum(sign.isdigit() for sign in one.group())
        kind = "phone" if digits in PHONE_DIGITS else "number"
        if not any(start < one.end() and one.start() < end for _, start, end in places):
            places.append((kind, *one.span()))
    return sorted(places, key=lambda place: place[1])
