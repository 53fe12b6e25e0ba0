"""Writing: texts with their tokens and spans as IOB2 or CoNLL-U, to be read back exactly."""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from annotation.methods.conll.records import Sentence, Token
from annotation.methods.conll.schemes import Stretch, iob2
from annotation.methods.conll.universal import COLUMNS
from annotation.methods.spans import SpanError
from annotation.methods.texts import excerpt, unstorable

_BREAKS = {ord("\n"): " ", ord("\r"): " "}
_ESCAPES = str.maketrans({" ": "\\s", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def write_iob2(sentences: Iterable[Sentence], *, languages: bool = False) -> Iterator[str]:
    """Yield the lines of a file of tokens and IOB2 tags, with the languages of tokens if asked.

    >>> from annotation.methods.spans import Span
    >>> text = Sentence("Awa, Dakar", (Token(0, 3), Token(3, 4), Token(5, 10)), (Span(5, 10, "LOC"),))
    >>> print("".join(write_iob2([text])).replace("\\t", " | "), end="")
    # text = Awa, Dakar
    Awa | O
    , | O
    Dakar | B-LOC
    <BLANKLINE>
    """
    if languages:
        yield "# global.columns = FORM LANG TAG\n"
    for sentence in sentences:
        tags = _tags(sentence)
        yield from _comments(sentence)
        for token, tag in zip(sentence.tokens, tags, strict=True):
            cells = [_form(sentence.text, token), *([token.language or "_"] * languages), tag]
            yield "\t".join(cells) + "\n"
        yield "\n"


def write_conllu(sentences: Iterable[Sentence], *, layer: str = "NER") -> Iterator[str]:
    """Yield the lines of a CoNLL-U file; spans go to MISC as IOB2, or as tags to a column.

    >>> from annotation.methods.spans import Span
    >>> text = Sentence("Awa!", (Token(0, 3, "wo"), Token(3, 4)), (Span(0, 3, "PER"),), id="7")
    >>> print("".join(write_conllu([text])).replace("\\t", " "), end="")
    # sent_id = 7
    # text = Awa!
    1 Awa _ _ _ _ _ _ _ Lang=wo|NER=B-PER|SpaceAfter=No
    2 ! _ _ _ _ _ _ _ NER=O
    <BLANKLINE>
    """
    in_column = layer in COLUMNS
    for sentence in sentences:
        tags = _plain_tags(sentence) if in_column else _tags(sentence)
        gaps = _gaps(sentence)
        yield from _comments(sentence)
        for place, (token, tag) in enumerate(zip(sentence.tokens, tags, strict=True)):
            cells = [str(place + 1), _form(sentence.text, token), *["_"] * 8]
            misc = [f"Lang={token.language}"] if token.language else []
            if in_column:
                cells[COLUMNS.index(layer)] = tag
            else:
                misc.append(f"{layer}={tag}")
            misc += _spaces(gaps, place)
            cells[9] = "|".join(misc) or "_"
            yield "\t".join(cells) + "\n"
        yield "\n"


def _comments(sentence: Sentence) -> Iterator[str]:
    if problem := unstorable(sentence.text):
        raise _unwritable("text", f"The text {problem}", "Mend the text first.")
    if sentence.id:
        yield f"# sent_id = {_on_one_line(sentence.id, 'id')}\n"
    if sentence.language:
        yield f"# lang = {_on_one_line(sentence.language, 'language')}\n"
    # A comment ends with its line: as long a text with spaces there, and the exact one as JSON.
    told = sentence.text.translate(_BREAKS)
    yield f"# text = {told}\n"
    if told != sentence.text:
        yield f"# text_json = {json.dumps(sentence.text, ensure_ascii=False)}\n"


def _spaces(gaps: Sequence[str], place: int) -> list[str]:
    before, after, last = gaps[0], gaps[place + 1], place + 2 == len(gaps)
    told = [f"SpacesBefore={before.translate(_ESCAPES)}"] if before and not place else []
    if after == "":
        return told if last else [*told, "SpaceAfter=No"]
    return (
        told if after == " " and not last else [*told, f"SpacesAfter={after.translate(_ESCAPES)}"]
    )


def _gaps(sentence: Sentence) -> list[str]:
    edges = [0, *(edge for token in sentence.tokens for edge in (token.start, token.end))]
    return [sentence.text[a:b] for a, b in pairwise([*edges, len(sentence.text)])][::2]


def _form(text: str, token: Token) -> str:
    return text[token.start : token.end]


def _tags(sentence: Sentence) -> list[str]:
    found = _stretches(sentence)
    return iob2(len(sentence.tokens), found)


def _plain_tags(sentence: Sentence) -> list[str]:
    tags = ["_"] * len(sentence.tokens)
    for number, one in enumerate(_stretches(sentence)):
        if one.first != one.last:
            raise _unwritable(
                f"spans[{number}]",
                f"spans[{number}] holds several tokens, and a column has a tag for each token",
                "Write the spans to MISC, or as IOB2.",
            )
        tags[one.first] = one.label
    return tags


def _stretches(sentence: Sentence) -> list[Stretch]:
    """Which tokens the spans hold; raise where tokens or spans overlap, or a span cuts a token."""
    _check_tokens(sentence)
    firsts = {token.start: place for place, token in enumerate(sentence.tokens)}
    lasts = {token.end: place for place, token in enumerate(sentence.tokens)}
    taken = [False] * len(sentence.tokens)
    found: list[Stretch] = []
    for number, span in enumerate(sentence.spans):
        name = f"spans[{number}]"
        first, last = firsts.get(span.start, -1), lasts.get(span.end, -1)
        if not 0 <= first <= last:
            raise _unwritable(
                name,
                f"{name} from {span.start} to {span.end} holds no whole tokens",
                "Cut the tokens where it begins and ends: spans.units(text, cuts=…) does.",
            )
        if any(taken[first : last + 1]):
            raise _unwritable(
                name, f"{name} overlaps another span", "A token has one tag: keep one of the spans."
            )
        taken[first : last + 1] = [True] * (last + 1 - first)
        found.append(Stretch(first, last, _on_one_line(span.label, f"{name}.label")))
    return found


def _check_tokens(sentence: Sentence) -> None:
    text, reached = sentence.text, 0
    if not sentence.tokens:
        raise _unwritable("tokens", "The text has no tokens", "Leave texts of white space out.")
    for number, token in enumerate(sentence.tokens):
        name = f"tokens[{number}]"
        if not reached <= token.start < token.end <= len(text):
            raise _unwritable(
                name,
                f"{name} from {token.start} to {token.end} is empty, past the end of the text, or"
                " begins before the token before it ends",
                "Give tokens in their order, without overlap.",
            )
        _check_gap(text[reached : token.start], name)
        form = text[token.start : token.end]
        if form != form.strip() or any(sign in form for sign in "\t\n\r"):
            raise _unwritable(
                name,
                f"{name} ({excerpt(form, length=40)!r}) holds white space that parts columns",
                "Cut the token at white space.",
            )
        if token.language:
            _on_one_line(token.language, f"{name}.language")
        reached = token.end
    _check_gap(text[reached:], f"tokens[{len(sentence.tokens)}]")


def _check_gap(gap: str, name: str) -> None:
    if gap.strip():
        raise _unwritable(
            name,
            f"Before {name} there is {excerpt(gap.strip(), length=40)!r}, which is in no token",
            "Give every character but white space to a token.",
        )


def _on_one_line(text: str, name: str) -> str:
    """A label, a language or an id must not be taken for a column or a key."""
    if not text or text != "".join(text.split()) or "|" in text or unstorable(text):
        raise _unwritable(
            name,
            f"{name} is {excerpt(text, length=40)!r}, with white space or a “|”",
            "Use a key of letters, digits and hyphens.",
        )
    return text


def _unwritable(field: str, problem: str, remedy: str) -> SpanError:
    return SpanError(f"{problem}.", code="unwritable", field=field, remedy=remedy)
