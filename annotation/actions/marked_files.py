"""Marked files: what people agree on in a language, as files that other tools read.

For the team's own use: what people allow to be passed on is for ``publish_answers`` to say.
"""

import json
from collections.abc import Iterator
from typing import Any

from annotation.errors import ConflictError, InvalidInputError
from annotation.methods.conll import Sentence, Token, write_conllu, write_iob2
from annotation.methods.spans import SpanError
from annotation.methods.tags import SPOKEN, languages_of
from annotation.models import Campaign, Consensus, Language
from annotation.objectives import spans

FORMATS = ("conllu", "iob2", "jsonl")
CHUNK = 500


def marked_file(campaign: Campaign, *, language: Language, format: str) -> Iterator[str]:
    """Yield the lines of a file of the texts of a language with the marks that people agree on.

    CoNLL-U has them as ``NER=`` in its last column, with ``Lang=`` where a file said in which
    language a token is; its tokens are words, cut where somebody's mark cut one. JSON Lines say how sure each mark is, and read back as an import.
    """
    if campaign.objective != spans.NAME:
        raise ConflictError(
            f"{campaign} asks for no marks in texts.",
            remedy="Answers to other questions go out by publish_answers.",
        )
    if format not in FORMATS:
        raise InvalidInputError(
            f"There is no format {format!r}.", remedy=f"There are: {', '.join(FORMATS)}."
        )
    if format == "jsonl":
        return (_line(said) for said in _agreed(campaign, language))
    sentences = (_sentence(said) for said in _agreed(campaign, language))
    return _written(sentences, format=format)


def _agreed(campaign: Campaign, language: Language) -> Iterator[Consensus]:
    rows = Consensus.objects.filter(
        sample__campaign=campaign, sample__language=language, sample__withdrawn_at=None
    )
    known = rows.select_related("sample__language", "sample__source", "label")
    return known.order_by("sample_id").iterator(chunk_size=CHUNK)


def _written(sentences: Iterator[Sentence], *, format: str) -> Iterator[str]:
    write = write_conllu if format == "conllu" else write_iob2
    for sentence in sentences:
        try:
            yield from write([sentence])
        except SpanError as error:
            raise InvalidInputError(f"Text {sentence.id}: {error}", remedy=error.remedy) from error


def _sentence(said: Consensus) -> Sentence:
    sample, units = said.sample, said.people["units"]
    spoken = zip(units, languages_of(units, meta=sample.meta), strict=True)
    return Sentence(
        text=sample.text,
        tokens=tuple(Token(start, end, tag) for (start, end), tag in spoken),
        spans=spans.spans_of(said.label.value),
        id=str(sample.uid),
        language=sample.language.tag,
    )


def _line(said: Consensus) -> str:
    sample = said.sample
    row: dict[str, Any] = {
        "id": sample.external_id or str(sample.uid),
        "text": sample.text,
        "language": sample.language.tag,
        "licence": sample.source.licence if sample.source else "",
        "spans": [
            {"start": start, "end": end, "label": key, "text": sample.text[start:end], "sure": sure}
            for start, end, key, sure in said.people["spans"]
        ],
        "confidence": said.confidence,
        "answers": said.answers,
    }
    if SPOKEN in sample.meta:
        row["meta"] = {name: sample.meta.get(name) for name in ("languages", SPOKEN)}
    return json.dumps(row, ensure_ascii=False) + "\n"
