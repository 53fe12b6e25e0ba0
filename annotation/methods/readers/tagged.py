"""Tagged texts: files of tokens with their tags, a sentence a row, as :mod:`annotation.methods.conll` reads them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from annotation.methods.readers.rows import Row, Wanted
from annotation.methods.tags import SPOKEN, spoken

# Tagged texts are read in the lines of the other readers: at the top either would need the other first.
if TYPE_CHECKING:
    from annotation.methods.conll import Refused, Sentence

# The layer of a CoNLL-U file that is read where none is named: a key of its last column.
LAYER = "NER"


def read_universal(stream: BinaryIO, wanted: Wanted) -> Iterator[Row]:
    """Yield the sentences of a CoNLL-U file with the tags of one layer as spans.

    ``spans=UPOS`` among the columns takes another layer, here one of tags a word.
    """
    from annotation.methods.conll import read_conllu
    from annotation.methods.conll.universal import COLUMNS

    layer = wanted.columns.get("spans", LAYER)
    scheme = "tags" if layer in COLUMNS else "iob2"
    for sentence in read_conllu(stream, layer=layer, scheme=scheme):
        yield _row(sentence)


def read_iob2(stream: BinaryIO, wanted: Wanted) -> Iterator[Row]:
    """Yield the sentences of a file of tokens and IOB2 tags; tokens alone are texts to ask about.

    >>> import io
    >>> file = io.BytesIO(b"# sent_id = 7\\nAwa\\tB-PER\\nsi\\tO\\n\\nWa\\tI-PER\\n")
    >>> row, refused = read_iob2(file, Wanted())
    >>> row.values
    {'text': 'Awa si', 'spans': [[0, 3, 'PER']], 'id': '7'}
    >>> refused.number, refused.field, refused.problem[:45]
    (5, 'tag', "'I-PER' continues nothing, at the beginning. ")
    """
    from annotation.methods.conll import read_columns

    for sentence in read_columns(stream):
        yield _row(sentence)


def _row(sentence: "Sentence | Refused") -> Row:
    from annotation.methods.conll import Refused

    if isinstance(sentence, Refused):
        problem = f"{sentence.problem}. {sentence.remedy}"
        return Row(sentence.number, sentence.position, field=sentence.field, problem=problem)
    values: dict[str, object] = {"text": sentence.text}
    if sentence.tagged:
        values["spans"] = [[one.start, one.end, one.label] for one in sentence.spans]
    told: dict[str, object] = {"language": sentence.language, "id": sentence.id}
    if any(token.language for token in sentence.tokens):
        told["meta"] = {
            "languages": [token.language for token in sentence.tokens],
            SPOKEN: spoken(sentence.tokens),
        }
    return Row(sentence.number, sentence.position, values | {k: v for k, v in told.items() if v})
