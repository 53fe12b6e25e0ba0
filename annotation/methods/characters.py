"""What a language is written with and many keyboards lack, as Unicode's CLDR lists it."""

import json
import unicodedata
from functools import cache
from pathlib import Path

TABLE = Path(__file__).resolve().parent.parent / "characters.json"
# Languages that CLDR knows under another tag, and scripts that one language stands for.
ALIKE = {"tw": "ak", "fat": "ak", "quy": "qu", "quz": "qu", "fuf": "ff", "fuv": "ff", "fub": "ff"}
BY_SCRIPT = {"Adlm": "ff-adlm", "Nkoo": "nqo", "Tfng": "zgh"}
NAMES = {
    "Adlm": "ADLAM",
    "Arab": "ARABIC",
    "Cyrl": "CYRILLIC",
    "Latn": "LATIN",
    "Nkoo": "NKO",
    "Tfng": "TIFINAGH",
}
# Signs that stand with several scripts, such as the apostrophe of Hausa.
SHARED = ("MODIFIER", "COMBINING")


def special_characters(tag: str, *, script: str = "") -> list[str]:
    """Letters of a language beyond those of every keyboard of its script; empty if none is known.

    >>> special_characters("ha", script="Latn")
    ['ɓ', 'ɗ', 'ƙ', 'ƴ', 'ʼ']
    >>> special_characters("tw"), special_characters("wo-SN", script="Latn")[-2:]
    (['ɛ', 'ɔ'], ['ŋ', 'ó'])
    >>> special_characters("tzm", script="Tfng")[:3], special_characters("ha", script="Arab")
    (['ⴰ', 'ⴱ', 'ⴳ'], [])
    >>> special_characters("bug", script="Bugi"), special_characters("en", script="Latn")
    ([], [])
    """
    language = tag.lower().split("-")[0]
    language = ALIKE.get(language, language)
    asked = (tag.lower(), f"{language}-{script.lower()}", language, BY_SCRIPT.get(script, ""))
    for one in asked:
        found = _table().get(one, "").split()
        # A language written in two scripts is listed in one of them.
        if any(_is_of(letter, NAMES.get(script, "")) for letter in found):
            return [one for one in found if _is_of(one, (NAMES.get(script, ""), *SHARED))]
    return []


def _is_of(character: str, names: str | tuple[str, ...]) -> bool:
    return unicodedata.name(character[0], "").startswith(names)


@cache
def _table() -> dict[str, str]:
    return dict(json.loads(TABLE.read_text(encoding="utf-8")))
