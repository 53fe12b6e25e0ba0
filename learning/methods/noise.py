"""Noise: the same text as people type it who leave out marks, lack letters, or write in Latin ones.

Three ways that texts of the same content come in on phones: marks dropped (``é`` as ``e``, Arabic
without vowel signs), letters that a common keyboard of the script lacks replaced by their neighbours
(``ɓ`` as ``b``, ``қ`` as ``к``, ``گ`` as ``ك``), and another script written in Latin letters as in
chats (``صحة`` as ``s7a``, after Darwish 2014, *Arabizi detection and conversion to Arabic*). Each is a
function of the text alone, changes only scripts that it is made for, and leaves all others as they
are: marks of Devanagari or Khmer are vowels, not ornaments.
"""

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, pairwise

import regex

_MARKED = regex.compile(r"[\p{Latin}\p{Greek}\p{Arabic}\p{Hebrew}]")
_ETHIOPIC = regex.compile(r"\p{Ethiopic}")
_FOREIGN = regex.compile(r"[\p{Arabic}\p{Cyrillic}\p{Ethiopic}]")
_HARAKAT = regex.compile(r"[\u064b-\u065f\u0670]")
# In Cyrillic a breve makes a letter of its own; only accents are left out.
_ACCENTS = "\u0300\u0301"
_CYRILLIC = regex.compile(r"\p{Cyrillic}")

# A letter, and after it what stands for it.
_LATIN = (
    "ɓb ɗd ƙk ƴy ŋn ɛe ɔo ɖd ƒf ɣg ʋv ɲn ǝe əe ɩi ɪi ʊu øo łl đd ħh ıi ðd ɨi ʉu ʔ' ꞌ' ʼ' ʻ' ʾ' ʿ' ’' ‘'"
    " æae œoe ßss þth ʃsh ʒzh ɂ'"
)
_CYRILLIC_LETTERS = "қк ғг ңн өо үу ұу һх әа іи ўу ҷч ҳх їи єе ґг ҙз ҫс ҡк ӡз ҵц јй љл њн ћч ђд џч ҕг ҥн ҩо ҭт ҧп ӈн ӄк"
_ARABIC_LETTERS = (
    "پب چج ژز گك کك یي ڤف ڭك ھه ہه ۀه ەه ڵل ڕر ۆو ێي ڃج ځح ټت ډد ړر ږز ښس ڼن ۍي ٹت ڈد ڑر ںن ےي ڨق"
)
_TO_LATIN = (
    "اa بb تt ثth جj ح7 خ5 دd ذdh رr زz سs شsh صs ضd طt ظz ع3 غgh فf ق9 كk لl مm نn هh وw يi ىa ةa"
    " ء2 أa إi آa ؤ2 ئ2 پp چch ژj گg کk یi ڤv ڭg ہh ھh ،, ؛; ؟? ـ"
    " аa бb вv гg дd еe ёyo жzh зz иi йy кk лl мm нn оo пp рr сs тt уu фf хkh цts чch шsh щsch ъ"
    " ыy ь эe юyu яya"
)


def _table(*pairs: str) -> dict[str, str]:
    return {pair[0]: pair[1:] for line in pairs for pair in line.split()}


_NEIGHBOURS: Mapping[str, str] = _table(_LATIN, _CYRILLIC_LETTERS, _ARABIC_LETTERS)
_ROMAN: Mapping[str, str] = _table(_TO_LATIN)


def without_marks(text: str) -> str:
    """Leave out the marks on letters, where they are marks.

    >>> without_marks("Jërëjëf, ọ̀rẹ́"), without_marks("مُحَمَّد"), without_marks("किताब")
    ('Jerejef, ore', 'محمد', 'किताब')
    """
    kept, dropping, cyrillic = [], False, False
    for letter in unicodedata.normalize("NFD", text):
        if unicodedata.category(letter) == "Mn":
            if dropping or (cyrillic and letter in _ACCENTS):
                continue
        else:
            dropping = bool(_MARKED.match(letter))
            cyrillic = bool(_CYRILLIC.match(letter))
        kept.append(letter)
    return unicodedata.normalize("NFC", "".join(kept))


def on_plain_keyboard(text: str) -> str:
    """Write the letters that a common keyboard of the script lacks as their neighbours.

    >>> on_plain_keyboard("Ɓernde ŋari"), on_plain_keyboard("қазақ"), on_plain_keyboard("گل")
    ('Bernde nari', 'казак', 'كل')
    """
    return _by_table(text, _NEIGHBOURS)


def romanised(text: str) -> str:
    """Write Arabic, Cyrillic and Ethiopic in Latin letters and digits, as people do in chats.

    >>> romanised("صحة"), romanised("Рахмет"), romanised("ሰላም"), romanised("Na nga def?")
    ('s7a', 'Rakhmet', 'salaame', 'Na nga def?')
    """
    plain = on_plain_keyboard(text) if _CYRILLIC.search(text) else text
    told = _by_table(_HARAKAT.sub("", unicodedata.normalize("NFC", plain)), _ROMAN)
    return _ETHIOPIC.sub(lambda found: _syllable(found[0]), told) if _FOREIGN.search(text) else text


def followed(text: str, *, typed: Callable[[str], str], places: Sequence[int]) -> list[int] | None:
    """Return where places in a text lie in the same text as it is typed; None where nobody can tell.

    What lies between two places is typed by itself. Where that makes another text than typing it
    whole, as if a place parted a letter from its mark, no place is told rather than a wrong one.

    >>> followed("e\u0301te\u0301 Da", typed=without_marks, places=[0, 3, 6])
    [0, 2, 4]
    >>> followed("Шаш", typed=romanised, places=[0, 1, 3])
    [0, 2, 5]
    >>> followed("e\u0301 Да", typed=romanised, places=[0, 1]) is None
    True
    """
    cuts = sorted({0, *places, len(text)})
    parts = [typed(text[start:end]) for start, end in pairwise(cuts)]
    if "".join(parts) != typed(text):
        return None
    there = dict(zip(cuts, accumulate(map(len, parts), initial=0), strict=True))
    return [there[place] for place in places]


def _by_table(text: str, table: Mapping[str, str]) -> str:
    return "".join(_one(letter, table) for letter in text)


def _one(letter: str, table: Mapping[str, str]) -> str:
    if letter in table:
        return table[letter]
    small = letter.lower()
    return table[small].capitalize() if small != letter and small in table else letter


def _syllable(letter: str) -> str:
    """An Ethiopic syllable by the sound in its name."""
    name = unicodedata.name(letter, "")
    return name.split()[-1].lower() if name.startswith("ETHIOPIC SYLLABLE") else letter


PERTURBATIONS: Mapping[str, Callable[[str], str]] = {
    "no_marks": without_marks,
    "plain_keyboard": on_plain_keyboard,
    "romanised": romanised,
}
