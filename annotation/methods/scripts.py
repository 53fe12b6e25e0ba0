"""Scripts: which one a text is written in, and which way it runs.

The ``regex`` package brings its own, newer Unicode tables: Python's know neither Garay nor Ol Onal.
"""

from functools import cache, lru_cache

import regex

# ISO 15924 codes of the scripts that Unicode encodes, by the names that Unicode gives them too.
_CODES = """
    Latn Arab Cyrl Deva Ethi Hebr Adlm Nkoo Hani Hang Hira Kana Thai Grek Armn Geor Beng Guru
    Gujr Orya Taml Telu Knda Mlym Sinh Laoo Tibt Mymr Khmr Mong Cher Cans Tfng Vaii Java Bugi
    Bali Sund Batk Thaa Syrc Gara Onao Tols Aghb Ahom Armi Avst Bamu Bass Berf Bhks Bopo Brah
    Brai Buhd Cakm Cari Cham Chrs Copt Cpmn Cprt Diak Dogr Dsrt Dupl Egyp Elba Elym Glag Gong
    Gonm Goth Gran Gukh Hano Hatr Hluw Hmng Hmnp Hung Ital Kali Kawi Khar Khoj Jurc Kits Krai
    Kthi Lana Lepc Limb Lina Linb Lisu Lyci Lydi Mahj Maka Mand Mani Marc Medf Mend Merc Mero
    Modi Mroo Mtei Mult Nagm Nand Narb Nbat Newa Nshu Ogam Olck Orkh Osge Osma Ougr Palm Pauc
    Pcun Perm Phag Phli Phlp Phnx Plrd Prti Rjng Rohg Runr Samr Sarb Saur Seal Sgnw Shaw Shrd
    Sidd Sidt Sind Sogd Sogo Sora Soyo Sunu Sylo Tagb Takr Tale Talu Tang Tavt Tayo Tglg Tirh
    Tnsa Todr Toto Tutg Ugar Vith Wara Wcho Xpeo Xsux Yezi Yiii Zanb
"""
_RIGHT_TO_LEFT = """
    Adlm Arab Aran Armi Avst Chrs Cprt Elym Gara Hatr Hebr Hung Khar Lydi Mand Mani Mend Merc
    Mero Narb Nbat Nkoo Orkh Ougr Palm Phli Phlp Phnx Prti Rohg Samr Sarb Sidt Sogd Sogo Syrc
    Syre Syrj Syrn Thaa Yezi
"""
SCRIPTS = tuple(_CODES.split())
RIGHT_TO_LEFT = frozenset(_RIGHT_TO_LEFT.split())
_SHARED = regex.compile(r"[\p{Script=Zyyy}\p{Script=Zinh}\p{Script=Zzzz}]+")


def dominant_script(text: str) -> str:
    """Return the ISO 15924 code of the script that most characters of a text belong to.

    Digits, punctuation and marks that scripts share do not count; without anything else the
    answer is ``Zyyy``. Of two equally frequent scripts, the one met first is taken.

    >>> dominant_script("Na nga def? አዎ")
    'Latn'
    >>> dominant_script("𞤀𞤁𞤂𞤢𞤥 (Adlam)")
    'Adlm'
    >>> dominant_script("2026!")
    'Zyyy'
    """
    rest, best, most = _SHARED.sub("", text), "Zyyy", 0
    while rest:
        script = _script_of(rest[0])
        remaining = _members(script).sub("", rest) if script else rest[1:]
        if script and len(rest) - len(remaining) > most:
            best, most = script, len(rest) - len(remaining)
        rest = remaining
    return best


def direction_of(script: str) -> str:
    """Return ``rtl`` or ``ltr`` for an ISO 15924 code.

    >>> direction_of("Nkoo"), direction_of("Ethi")
    ('rtl', 'ltr')
    """
    return "rtl" if script in RIGHT_TO_LEFT else "ltr"


@lru_cache(maxsize=4096)
def _script_of(character: str) -> str:
    return next((code for code in SCRIPTS if _members(code).match(character)), "")


@cache
def _members(script: str) -> "regex.Pattern[str]":
    return regex.compile(rf"\p{{Script={script}}}+")
