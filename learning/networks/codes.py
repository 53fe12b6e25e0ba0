"""Language codes: what a generator calls the languages that we know by their tags.

NLLB says ``wol_Latn``, M2M ``__wo__``, mBART ``fr_XX``; other networks know no codes, and what they
are to write has to stand in the prompt. A tag finds its code by itself where only one can be
meant; where none or several can, somebody has to say which.
"""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from typing import Any

from annotation.errors import InvalidInputError

# wo, wol_Latn, fr_XX, zh-Hans, and the same between underscores.
CODE = re.compile(r"(?:__)?([a-z]{2,3}(?:[_-][A-Z][A-Za-z]{1,3})?)(?:__)?")
SHOWN = 6


def codes_of(tokenizer: Any) -> dict[str, int]:
    """Return the codes that a tokenizer knows with the number of each one's token; often none."""
    told: Mapping[str, int] = getattr(tokenizer, "lang_code_to_id", None) or {}
    if told:
        return dict(told)
    found = {
        met.group(1): number
        for token, number in tokenizer.get_added_vocab().items()
        if (met := CODE.fullmatch(token))
    }
    return found if len(found) > 1 else {}


def code_for(tag: str, *, known: Mapping[str, int], told: Mapping[str, str]) -> int:
    """Return the number of the code that a language's tag means; ``told`` names codes by tag.

    >>> known = {"wol_Latn": 7, "quy_Latn": 8, "arb_Arab": 9}
    >>> code_for("wo", known=known, told={}), code_for("qu", known=known, told={})
    (7, 8)
    >>> code_for("wo-SN", known=known, told={}), code_for("x-toy", known=known, told={"x-toy": "arb_Arab"})
    (7, 9)
    >>> code_for("bm", known=known, told={})
    Traceback (most recent call last):
    annotation.errors.InvalidInputError: This generator has no code for the language bm. ...
    """
    for name in (told.get(tag, ""), tag, *_spellings(tag)):
        if name in known:
            return known[name]
    alike = [code for code in known if _family(code) == _family(tag)]
    usual = [code for code in alike if _usual(code) == _usual(tag)]
    if len(alike) == 1 or len(usual) == 1:
        return known[(alike if len(alike) == 1 else usual)[0]]
    raise _unknown(tag, known=known, alike=alike)


def _unknown(tag: str, *, known: Mapping[str, int], alike: Sequence[str]) -> InvalidInputError:
    three = _parts(tag)[1]
    near = (
        alike
        or [code for code in known if code.startswith(three)]
        or get_close_matches(three, known, n=SHOWN, cutoff=0.4)
        or sorted(known)
    )
    shown = ", ".join(near[:SHOWN]) + (" …" if len(near) > SHOWN else "")
    return InvalidInputError(
        f"The language {tag} may be any of several codes of this generator."
        if alike
        else f"This generator has no code for the language {tag}.",
        remedy=f"Say which of its codes is meant, as in {tag}={near[0]} (it has: {shown}),"
        " or use a generator that writes the language.",
    )


@cache
def _spellings(tag: str) -> tuple[str, ...]:
    """Return how networks may write a tag, the fullest first."""
    language, three, script = _parts(tag)
    full = [f"{name}{sign}{script}" for name in (three, language) for sign in "_-" if script]
    return tuple(dict.fromkeys([tag.replace("-", "_"), *full, language, three, f"{language}_XX"]))


@cache
def _family(tag: str) -> tuple[str, str]:
    """Return the widest language that a tag or code belongs to, with its script.

    >>> _family("quy_Latn") == _family("qu"), _family("wo") == _family("qu")
    (True, False)
    """
    from langcodes.data_dicts import MACROLANGUAGES

    told = _read(tag)
    if told is None:
        return tag, ""
    wide = MACROLANGUAGES.get(told.language or tag) or told.prefer_macrolanguage().language
    return wide or tag, told.maximize().script or ""


@cache
def _usual(tag: str) -> str:
    """Return the language that is most often meant where a code says which of several it is.

    >>> _usual("arb_Arab"), _usual("ary_Arab")
    ('ar', 'ary')
    """
    told = _read(tag)
    return (told.prefer_macrolanguage().language if told else "") or tag


def _read(tag: str) -> Any:
    """Read a tag or a code; nothing if it is neither."""
    from langcodes import Language
    from langcodes.tag_parser import LanguageTagError

    try:
        return Language.get(tag.replace("_XX", "").replace("_", "-"))
    except LanguageTagError:
        return None


@cache
def _parts(tag: str) -> tuple[str, str, str]:
    """Return a tag's language, that in three letters, and the script it is most written in."""
    from langcodes import Language
    from langcodes.tag_parser import LanguageTagError

    try:
        told = Language.get(tag, normalize=False)
        three = told.to_alpha3()
    except (LanguageTagError, LookupError):
        return tag, tag, ""
    return told.language or tag, three, told.maximize().script or ""
