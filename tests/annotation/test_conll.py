"""Tagged texts: what comes in goes out again, code point for code point, and nonsense is named."""

import io
import subprocess
import sys
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from annotation.methods.conll import (
    Columns,
    Refused,
    Sentence,
    Token,
    read_columns,
    read_conllu,
    write_conllu,
    write_iob2,
)
from annotation.methods.offsets import words
from annotation.methods.readers import UnreadableFileError
from annotation.methods.readers.rows import MOST_CHARACTERS_PER_ROW
from annotation.methods.spans import Span, SpanError


def columns(text: str | bytes, **how: object) -> list[Sentence | Refused]:
    raw = text.encode() if isinstance(text, str) else text
    return list(read_columns(io.BytesIO(raw), **how))  # type: ignore[arg-type]


def conllu(text: str, **how: object) -> list[Sentence | Refused]:
    return list(read_conllu(io.BytesIO(text.encode()), **how))  # type: ignore[arg-type]


def one(found: list[Sentence | Refused]) -> Sentence:
    (sentence,) = found
    assert isinstance(sentence, Sentence), sentence
    return sentence


def marked(sentence: Sentence) -> list[tuple[str, str]]:
    return [(sentence.text[span.start : span.end], span.label) for span in sentence.spans]


def rows(*lines: str) -> str:
    """Lines of CoNLL-U: number, form, UPOS, MISC."""
    told = [line.split(" ") for line in lines]
    return "".join(
        "\t".join([cells[0], cells[1], "_", cells[2], *"_____", *(cells[3:] or ["_"])]) + "\n"
        for cells in told
    )


CONLL_2003 = """\
-DOCSTART- -X- -X- O

EU NNP I-NP I-ORG
rejects VBZ I-VP O
# NN B-NP O
German JJ I-NP I-MISC
Peter NNP I-NP B-MISC

# a word about this
Blackburn NNP I-NP I-PER
"""


def test_files_of_the_conference_are_read_in_their_own_scheme() -> None:
    first, second = columns(CONLL_2003, scheme="iob1")
    assert isinstance(first, Sentence)
    assert isinstance(second, Sentence)
    assert first.text == "EU rejects # German Peter"
    assert marked(first) == [("EU", "ORG"), ("German", "MISC"), ("Peter", "MISC")]
    assert (first.number, second.number, marked(second)) == (3, 10, [("Blackburn", "PER")])
    refused = columns(CONLL_2003)[0]
    assert isinstance(refused, Refused)
    assert (refused.number, refused.field) == (3, "tag")
    assert "read the file as IOB1" in refused.remedy


def test_ends_that_a_file_tells_are_ends() -> None:
    file = "a\tB-X\nb\tE-X\nc\tB-X\nd\tI-X\ne\tE-X\nf\tS-Y\ng\tU-Y\nh\tB-Y\ni\tL-Y\n"
    assert marked(one(columns(file, scheme="iobes"))) == [
        ("a b", "X"),
        ("c d e", "X"),
        ("f", "Y"),
        ("g", "Y"),
        ("h i", "Y"),
    ]
    assert marked(one(columns("a\tB-X\nb\tB-X\n", scheme="iobes", strict=False))) == [
        ("a", "X"),
        ("b", "X"),
    ]


def test_comments_tell_the_text_its_languages_and_its_name() -> None:
    file = (
        "\ufeff# global.columns = FORM LANG NER\n# sent_id = s-1\n# lang = arq\n"
        "# text =  ya l'blad  😀 \r\nya\tarq\tO\nl'\tfr\tO\nblad\tarq\tB-LOC\n😀\t_\tO\n"
    )
    sentence = one(columns(file))
    assert (sentence.text, sentence.id, sentence.language) == (" ya l'blad  😀 ", "s-1", "arq")
    assert sentence.tokens[1:] == (Token(4, 6, "fr"), Token(6, 10, "arq"), Token(12, 13))
    assert marked(sentence) == [("blad", "LOC")]
    assert one(columns("# text = a\t#b=c\na\tO\n#b=c\tO\n")).text == "a\t#b=c"
    assert one(columns("a b\nc d\n", columns=Columns(token=1), scheme="tags")).text == "b d"
    assert one(columns("Jamm\nrekk\n")).spans == ()


@pytest.mark.parametrize(
    ("file", "line", "field", "problem"),
    [
        ("a\tO\nb\n", 2, "columns", "has 1 column, the lines before have 2"),
        ("a\tO\n\nb\tO\tO\n", 3, "columns", "has 3 columns"),
        ("a\tO\n\tO\n", 2, "token", "the token is empty"),
        ("a\tO\nb\t\n", 2, "tag", "the tag is empty"),
        ("a\tPER\n", 1, "tag", "'PER' is no tag of IOB2"),
        ("a\tB-\n", 1, "tag", "'B-' is no tag of IOB2"),
        ("a\tB-X\nb\tI-Y\n", 2, "tag", "'I-Y' continues nothing, after 'B-X'"),
        ("# text = a c\na\tO\nb\tO\n", 3, "token", "'b' is not what stands at character 2"),
        ("# text = a b\na\tO\n", 2, "text", "the text goes on after the last token: ' b'"),
        ("a\tO\nb\0\tO\n", 2, "text", "holds a NUL character at position 2"),
        (b"a\tO\nb\xff\tO\n\nc\tO\n\nd\tO\n", 2, "text", "a byte that is not UTF-8"),
    ],
)
def test_a_line_that_makes_no_sense_is_named_and_the_next_sentence_follows(
    file: str | bytes, line: int, field: str, problem: str
) -> None:
    raw = file.encode() if isinstance(file, str) else file
    found = columns(raw + b"\n\ngood\tO\n")
    (refused,) = (one for one in found if isinstance(one, Refused))
    good = found[-1]
    assert isinstance(good, Sentence)
    assert (refused.number, refused.field, good.text) == (line, field, "good")
    assert problem in refused.problem
    assert refused.remedy


def test_what_is_no_file_of_tokens_is_refused_as_a_whole() -> None:
    for raw in (b"", b"\n\n# only = words\n", "a\tO\n".encode("utf-32")):
        with pytest.raises(UnreadableFileError):
            columns(raw)


def test_a_file_without_blank_lines_does_not_fill_the_memory() -> None:
    lines = MOST_CHARACTERS_PER_ROW // 200 + 9
    refused, good = columns(("x" * 197 + "\tO\n") * lines + "\ngood\tO\n")
    assert isinstance(refused, Refused)
    assert (refused.number, refused.remedy) == (1, "Put a blank line after each sentence.")
    assert isinstance(good, Sentence)


SHARED = rows("1-2 moo _", "1 mu PRON", "2 a AUX", "3 dem VERB SpaceAfter=No", "4 . PUNCT")


def test_words_that_share_a_stretch_of_text_are_one_token_or_their_letters() -> None:
    sentence = one(conllu("# text = moo dem.\n" + SHARED))
    assert marked(sentence) == [("dem", "VERB"), (".", "PUNCT")]
    assert [note[:20] for note in sentence.notes] == ["line 2: “moo” is sev"]
    assert "(PRON, AUX)" in sentence.notes[0]
    file = rows("1-2 fiparout ADP", "1 fi ADP Lang=ar", "2 parout ADV Lang=fr", "2.1 x _", "3 ! _")
    assert one(conllu(file.replace("fiparout\t_\tADP", "fiparout\t_\t_"))).tokens == (
        Token(0, 2, "ar"),
        Token(2, 8, "fr"),
        Token(9, 10),
    )
    named = rows(
        "1 Awa _ NER=B-PER",
        "2-3 moo _ SpaceAfter=No|Lang=wo",
        "2 mu _ NER=O",
        "3 a _ NER=B-X",
        "4 . _ NER=O",
    )
    sentence = one(conllu(named, layer="NER", scheme="iob2"))
    assert (sentence.text, marked(sentence)) == ("Awa moo.", [("Awa", "PER"), ("moo", "X")])
    assert sentence.tokens[1] == Token(4, 7, "wo")


@pytest.mark.parametrize(
    ("file", "line", "field", "problem"),
    [
        ("1\ta\t_\n", 1, "columns", "has 3 columns, CoNLL-U has 10"),
        (rows("1 a X", "3 b X"), 2, "ID", "'3' where 2 comes next"),
        (rows("1 a X", "2-2 b X", "2 b X"), 2, "ID", "'2-2'"),
        (rows("1-2 ab X", "1 a X"), 2, "ID", "were to go to 2"),
        (rows("1-3 abc X", "1 a X", "2-3 bc X", "2 b X", "3 c X"), 3, "ID", "'2-3'"),
        (rows("one a X"), 1, "ID", "no number of a word"),
        (rows("1  X"), 1, "FORM", "the token is empty"),
        ("# text = b\n" + rows("1 a X"), 2, "token", "not what stands at character 0"),
    ],
)
def test_a_line_that_is_no_conllu_is_named(file: str, line: int, field: str, problem: str) -> None:
    refused, good = conllu(file + "\n" + rows("1 good X"))
    assert isinstance(refused, Refused)
    assert (refused.number, refused.field) == (line, field)
    assert problem in refused.problem
    assert isinstance(good, Sentence)


def test_tokens_in_another_normalisation_than_the_text_are_told_so() -> None:
    (refused,) = columns("# text = jàmm\nja\u0300mm\tO\n")
    assert isinstance(refused, Refused)
    assert "Unicode normalisation" in refused.remedy


def test_white_space_that_a_comment_cannot_hold_comes_back() -> None:
    file = rows("1 a X SpacesAfter=\\n\\s", "2 b X SpacesAfter=\\n")
    assert one(conllu("# text = a  b\n" + file)).text == "a\n b"
    assert one(conllu(file)).text == "a\n b"


@pytest.mark.parametrize(
    ("sentence", "field"),
    [
        (Sentence("ab", (Token(0, 2),), (Span(0, 1, "X"),)), "spans[0]"),
        (Sentence("ab", (Token(0, 2),), (Span(0, 9, "X"),)), "spans[0]"),
        (Sentence("ab", (Token(0, 2),), (Span(1, 2, "X"),)), "spans[0]"),
        (Sentence("a b", (Token(0, 1), Token(2, 3)), (Span(2, 1, "X"),)), "spans[0]"),
        (Sentence("ab", (Token(0, 2),), (Span(-2, 2, "X"),)), "spans[0]"),
        (Sentence("ab", (Token(0, 2),), (Span(0, 2, "X"), Span(0, 2, "Y"))), "spans[1]"),
        (Sentence("ab", (Token(0, 2),), (Span(0, 2, "a b"),)), "spans[0].label"),
        (Sentence("a b", (Token(0, 3), Token(2, 3))), "tokens[1]"),
        (Sentence("a\tb", (Token(0, 3),)), "tokens[0]"),
        (Sentence("a b", (Token(0, 1),)), "tokens[1]"),
        (Sentence("a", (Token(0, 2),)), "tokens[0]"),
        (Sentence("a", (Token(0, 1, "w o"),)), "tokens[0].language"),
        (Sentence(" ", ()), "tokens"),
        (Sentence("a\ud800", (Token(0, 2),)), "text"),
    ],
)
def test_what_would_not_come_back_is_not_written(sentence: Sentence, field: str) -> None:
    for write in (write_iob2, write_conllu):
        with pytest.raises(SpanError) as caught:
            list(write([sentence]))
        assert (caught.value.field, bool(caught.value.remedy)) == (field, True)


SIGNS = st.sampled_from(
    "ab1.,'\"#_-|=\\ \t\n\r\u2028\u00a0é\u0301ߒߞ߫𞤀𞤣አባالم\u0651\u200d👩🏾🌾ไป中"
) | st.characters(exclude_categories=("Cs", "Cc"))


@settings(max_examples=100, deadline=None)
@given(text=st.text(SIGNS, max_size=40), data=st.data())
def test_what_is_written_reads_back_exactly(text: str, data: st.DataObject) -> None:
    stretches = [pair for pair in words(text) if text[slice(*pair)].strip() == text[slice(*pair)]]
    assume(stretches and len(stretches) == len(words(text)))
    tags = st.sampled_from(["", "wo", "fr-Latn"])
    tokens = tuple(Token(start, end, data.draw(tags)) for start, end in stretches)
    edges = sorted(data.draw(st.sets(st.integers(0, len(tokens)), max_size=6)))
    spans = tuple(
        Span(tokens[first].start, tokens[last - 1].end, data.draw(st.sampled_from(["PER", "B-x"])))
        for first, last in pairwise(edges)
        if data.draw(st.booleans())
    )
    wanted = Sentence(text, tokens, spans, id="7", language="wo")
    twice = [wanted, wanted]
    iob = list(read_columns(io.BytesIO("".join(write_iob2(twice, languages=True)).encode())))
    universal = "".join(write_conllu(twice)).encode()
    ud = list(read_conllu(io.BytesIO(universal), layer="NER", scheme="iob2"))
    for found in (*iob, *ud):
        assert isinstance(found, Sentence)
        assert (found.text, found.tokens, found.spans) == (text, tokens, spans)
        assert (found.id, found.language) == ("7", "wo")


@pytest.mark.parametrize("room", ["conll", "readers"])
def test_whoever_comes_first_can_read(room: str) -> None:
    alone = [sys.executable, "-c", f"import annotation.methods.{room}"]
    assert not subprocess.run(alone, capture_output=True, text=True, check=False).stderr
