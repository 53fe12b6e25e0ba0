"""Tagged texts in and out: columns of tokens and tags (CoNLL, IOB), and CoNLL-U.

What is read becomes a text with the places of its tokens, its spans and its languages, one
sentence at a time; what makes no sense comes out as its line, its problem and a remedy, and the
next sentence follows. What is written reads back as the same text, code point for code point.

``conllu``, the parser to take where only values matter, is not taken: it tells no line and no
place in the text, strips what ``# text`` says, parts columns at two spaces as well as at tabs, and
lets lines of too few columns pass.
"""

from annotation.methods.conll.columns import Columns, read_columns
from annotation.methods.conll.records import Refused, Sentence, Token
from annotation.methods.conll.schemes import SCHEMES
from annotation.methods.conll.universal import read_conllu
from annotation.methods.conll.writing import write_conllu, write_iob2

__all__ = [
    "SCHEMES",
    "Columns",
    "Refused",
    "Sentence",
    "Token",
    "read_columns",
    "read_conllu",
    "write_conllu",
    "write_iob2",
]
