"""Catalogues: a corrected PO file is the one that came in, but for what was corrected."""

import re
from pathlib import Path
from typing import Any

import django
import polib
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from annotation.methods.catalogues import (
    Catalogue,
    CatalogueError,
    Change,
    Entry,
    UnreadableCatalogueError,
    checked,
    correct,
    read_catalogue,
)

SHIPPED = sorted(Path(django.__file__).parent.rglob("*.po"))
HEADER = (
    '# Licence\n\n# Nobody\nmsgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=UTF-8\\n"\n'
    '"Plural-Forms: nplurals=3; plural=(n==1 ? 0 : n<5 ? 1 : 2);\\n"\n\n'
)
SAID = "Lu ñuy wax 𞤀𞤁𞤂 «ߒߞߏ» "


def read(text: str, encoding: str = "utf-8") -> Catalogue:
    return read_catalogue(text.encode(encoding))


def test_every_catalogue_that_django_ships_keeps_all_other_bytes() -> None:
    assert len(SHIPPED) > 1000
    for number, path in enumerate(SHIPPED):
        data = path.read_bytes()
        catalogue = read_catalogue(data)
        assert (catalogue.problems, catalogue.data) == ((), data), path
        usable = [entry for entry in catalogue.living.values() if is_whole(entry, catalogue)]
        if not usable:
            continue
        entry = usable[number * 7919 % len(usable)]
        change = Change(entry.msgid, entry.context, forms={0: corrected_text(entry)})
        after, before = correct(catalogue, [change]), lines_of(data)
        assert after.refused == (), path
        first, last = entry.layout.forms[0]
        now = lines_of(after.data)
        assert now[:first] == before[:first], path
        assert now[len(now) - len(before) + last :] == before[last:], path
        if number % 6 == 0:
            assert_polib_agrees(data, after.data, change, catalogue)


def lines_of(data: bytes) -> list[bytes]:
    return data.splitlines(keepends=True)


def is_whole(entry: Entry, catalogue: Catalogue) -> bool:
    """Whether it has all its plural forms; some files of Django's have fewer than they say."""
    count = re.search(r"nplurals\s*=\s*(\d)", catalogue.header.get("Plural-Forms", ""))
    return entry.plural is None or count is None or len(entry.forms) >= int(count[1])


def corrected_text(entry: Entry) -> str:
    """Another text with the placeholders and line ends of the source, long enough to be folded."""
    source = entry.msgid if entry.plural is None else entry.plural
    end = re.search(r"\n*\Z", entry.msgid)
    assert end
    lead = "\n" if entry.msgid.startswith("\n") else ""
    return f"{lead}{SAID * 4}{source.strip(chr(10))}{end[0][:1]}"


def parsed(data: bytes) -> Any:
    """What polib makes of a file."""
    return polib.pofile(data.decode("utf-8-sig"))


def assert_polib_agrees(before: bytes, after: bytes, change: Change, read: Catalogue) -> None:
    ours = [entry for entry in read.entries if not entry.is_header]
    was, now = list(parsed(before)), list(parsed(after))
    assert [meant(entry) for entry in was] == [meant_by_us(entry) for entry in ours]
    differing = [new for old, new in zip(was, now, strict=True) if meant(old) != meant(new)]
    texts = [entry.msgstr_plural.get(0, entry.msgstr) for entry in differing]
    assert [(entry.msgctxt, entry.msgid) for entry in differing] == [(change.context, change.msgid)]
    assert texts == [change.forms[0]]


def meant(entry: Any) -> tuple[Any, ...]:
    forms = [entry.msgstr_plural[number] for number in sorted(entry.msgstr_plural)]
    return (
        entry.msgctxt,
        entry.msgid,
        entry.msgid_plural or None,
        tuple(forms) or (entry.msgstr,),
        tuple(entry.flags),
        entry.tcomment,
        entry.comment,
        bool(entry.obsolete),
    )


def meant_by_us(entry: Entry) -> tuple[Any, ...]:
    return (
        entry.context,
        entry.msgid,
        entry.plural,
        entry.forms,
        entry.flags,
        "\n".join(entry.comments),
        "\n".join(entry.extracted),
        entry.obsolete,
    )


FULL = """\
# Two translators
#. for them
# and one more
#: a.py:1 b.py:2
#, fuzzy, python-format
#| msgctxt "old"
#| msgid "Saves"
msgctxt "menu"
msgid "Save"
msgstr "Denk"

#~ msgid "gone"
#~ msgstr "dem"
"""


def test_every_part_of_an_entry_is_read() -> None:
    entry, gone = read(FULL).entries
    assert (entry.line, entry.key, entry.forms) == (8, ("menu", "Save"), ("Denk",))
    assert entry.comments == ("Two translators", "and one more")
    assert (entry.extracted, entry.references) == (("for them",), ("a.py:1 b.py:2",))
    assert (entry.flags, entry.fuzzy) == (("fuzzy", "python-format"), True)
    assert entry.previous == ("old", "Saves", None)
    assert (gone.msgid, gone.forms, gone.obsolete) == ("gone", ("dem",), True)


FEW = 'msgid "a"\nmsgstr "b"\n'
WIDE = "word " * 19 + "end"


@pytest.mark.parametrize(
    ("before", "change", "after"),
    [
        # A text alone: the blanks, the tab and the line end of Windows stay.
        ('msgid\t"a"\r\nmsgstr\t"b"\r\n', {"forms": {0: "c"}}, 'msgid\t"a"\r\nmsgstr\t"c"\r\n'),
        (
            '\ufeffmsgid "a"\nmsgstr "b"',
            {"forms": {0: 'c"\\'}},
            '\ufeffmsgid "a"\nmsgstr "c\\"\\\\"',
        ),
        ('msgid "a"\r\nmsgstr "b"', {"forms": {0: "c"}}, 'msgid "a"\r\nmsgstr "c"'),
        # Strings on lines of their own, and one in pieces.
        (
            'msgid "a"\nmsgstr\n"b"\n"c"\n\n\n# z\n',
            {"forms": {0: "d"}},
            'msgid "a"\nmsgstr "d"\n\n\n# z\n',
        ),
        # Folded where the file folds, and not where it does not.
        (FEW, {"forms": {0: WIDE}}, f'msgid "a"\nmsgstr ""\n"{WIDE[:75]}"\n"{WIDE[75:]}"\n'),
        (
            f'msgid "{WIDE}"\nmsgstr ""\n\n{FEW}',
            {"forms": {0: WIDE}},
            f'msgid "{WIDE}"\nmsgstr ""\n\nmsgid "a"\nmsgstr "{WIDE}"\n',
        ),
        # A flag among others, alone, and one that takes what explained it along.
        ("#, c-format,x\n" + FEW, {"fuzzy": True}, "#, fuzzy, c-format,x\n" + FEW),
        (
            '#: a.py\n#| msgid "o"\n' + FEW,
            {"fuzzy": True},
            '#: a.py\n#, fuzzy\n#| msgid "o"\n' + FEW,
        ),
        ('#, x,  fuzzy\n#| msgid "o"\n' + FEW, {"fuzzy": False}, "#, x\n" + FEW),
        ("#:b\n#,fuzzy\r\n" + FEW, {"fuzzy": False}, "#:b\n" + FEW),
        (FEW, {"fuzzy": False}, FEW),
        # A comment after those there are, of this entry and not of the licence.
        ("# L\n\n#. x\n" + FEW, {"comment": "one\n\ntwo"}, "# L\n\n# one\n#\n# two\n#. x\n" + FEW),
        ("#. x\n# y\n#: z\n" + FEW, {"comment": "new"}, "#. x\n# y\n# new\n#: z\n" + FEW),
        ("# x\n#new\n" + FEW, {"comment": "new"}, "# x\n#new\n" + FEW),
        (
            "\ufeff" + FEW,
            {"comment": "new", "fuzzy": True, "forms": {0: "c"}},
            '\ufeff# new\n#, fuzzy\nmsgid "a"\nmsgstr "c"\n',
        ),
    ],
)
def test_a_correction_changes_nothing_else(before: str, change: Any, after: str) -> None:
    changes = [Change("a", **change)]
    done = correct(read(before), changes)
    assert (done.data.decode(), done.refused) == (after, ())
    assert correct(read_catalogue(done.data), changes).data == done.data


def test_plural_forms_are_set_one_by_one_and_added_where_they_lack() -> None:
    file = HEADER + 'msgid "%d a"\nmsgid_plural "%d b"\nmsgstr[0] "x"\nmsgstr[1] "y"'
    change = Change("%d a", forms={1: "%d c", 2: "%d d"})
    end = 'msgstr[0] "x"\nmsgstr[1] "%d c"\nmsgstr[2] "%d d"'
    assert correct(read(file), [change]).data.decode().endswith(f'"%d b"\n{end}')


def test_a_file_in_another_encoding_stays_in_it() -> None:
    file = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=iso-8859-1\\n"\n\n# é\n' + FEW
    catalogue = read(file, "latin-1")
    after = correct(catalogue, [Change("a", forms={0: "ñ"})])
    assert after.data == file.replace('"b"', '"ñ"').encode("latin-1")
    refused = correct(catalogue, [Change("a", forms={0: "ŋ"})]).refused
    assert [error.code for _, error in refused] == ["encoding"]


def test_what_makes_no_sense_is_named_and_left_as_it_is() -> None:
    file = (
        'msgid "a\nmsgstr "b"\n\nmsgid "c"\n# here\nmsgstr "d"\n\nmsgid "e"\nmsgstr "\\q"\n\n'
        'msgid "f"\nmsgid_plural "g"\nmsgstr "h"\n\nmsgid "i"\nmsgstr "j"\nmsgid "i"\nmsgstr "k"\n\n'
    )
    data = file.encode() + b'msgid "l"\nmsgstr "\xff"\nmsgid "m"\nmsgstr "n"\n'
    catalogue = read_catalogue(data)
    assert [(problem.line, problem.problem) for problem in catalogue.problems] == [
        (1, "the quotes around the text do not fit"),
        (5, "a comment stands inside the entry"),
        (8, "\\q is no escape that gettext knows"),
        (11, "msgid_plural and msgstr do not fit"),
        (17, "the message is there already, on line 15"),
        (21, "the line is not utf-8"),
    ]
    after = correct(catalogue, [Change("m", forms={0: "o"})])
    assert after.data == data.replace(b'"n"', b'"o"')


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ("msgid".encode("utf-16"), "UTF-16"),
        (b'msgid "a\0"\nmsgstr ""\n', "zero bytes"),
        (b"", "no PO entry"),
        (b"# only words\n", "no PO entry"),
        (b'msgid ""\nmsgstr "Content-Type: x; charset=klingon\\n"\n', "msgconv"),
        (b'msgid ""\nmsgstr "Content-Type: x; charset=utf-16\\n"\n', "msgconv"),
    ],
)
def test_a_file_that_is_no_catalogue_is_refused(data: bytes, told: str) -> None:
    with pytest.raises(UnreadableCatalogueError, match=told):
        read_catalogue(data)


PYTHON, BRACE, C = "python-format", "python-brace-format", "c-format"


@pytest.mark.parametrize(
    ("flag", "source", "said", "told"),
    [
        (PYTHON, "%(n)s of %(m)d", "%(m)d / %(n)s", ""),
        (PYTHON, "%(n)s", "%(n)s %(n)s", ""),
        (PYTHON, "%(n)s", "%(N)s", "%(N) is not in the source"),
        (PYTHON, "%(n)d", "%(n)s", "is text, in the source integer"),
        (PYTHON, "%s %d", "%d %s", "another order"),
        (PYTHON, "%r: %x", "%s: %i", ""),
        (PYTHON, "%s: %(a)s", "%s", ""),  # the source itself fits no format
        (PYTHON, "%(a)s", "%s", "%s is not in the source"),
        (PYTHON, "%(a)s", "%(a)s %s", "have a name or a number, and some have none"),
        (C, "%1$s %2$d", "%2$d %s", "have a name or a number, and some have none"),
        (PYTHON, "%d%%", "%d%", "write %% for a percent sign"),
        (PYTHON, "50 %! %s", "%s", ""),
        (BRACE, "{a} {b:>{w}}", "{b} {w} {a!r}", ""),
        (BRACE, "{a.b[0]}", "{a.b[1]}", "{a.b[1]} is not in the source"),
        (BRACE, "{} {}", "{}", "{} is missing"),
        (BRACE, "{{x}} {a}", "{x} {a}", "{x} is not in the source"),
        (BRACE, "{a}", "{a", "no placeholder"),
        (C, "%s %5.2f", "%2$f %1$s", ""),
        (C, "%ld", "%d", "is integer, in the source l integer"),
        (C, "%*d", "%d", "%2$ is missing"),
        (C, "%<PRIu64> %m", "%m %<PRIu64>", ""),
        ("no-python-format", "%s", "nothing", ""),
    ],
)
def test_placeholders_have_to_be_those_of_the_source(
    flag: str, source: str, said: str, told: str
) -> None:
    catalogue = read(f'#, {flag}\nmsgid "{source}"\nmsgstr ""\n')
    refused = correct(catalogue, [Change(source, forms={0: said})]).refused
    assert [error.code for _, error in refused] == (["placeholders"] if told else [])
    assert all(told in str(error) for _, error in refused)


PLURAL = (
    HEADER
    + '#, c-format\nmsgid "%d a"\nmsgid_plural "%d b"\nmsgstr[0] ""\nmsgstr[1] ""\nmsgstr[2] ""\n'
)


def test_a_plural_form_of_few_numbers_may_say_them_in_words() -> None:
    assert correct(read(PLURAL), [Change("%d a", forms={0: "one"})]).refused == ()
    refused = correct(read(PLURAL), [Change("%d a", forms={2: "many"})]).refused
    assert [(error.code, error.field) for _, error in refused] == [("placeholders", "msgstr[2]")]


@pytest.mark.parametrize(
    ("file", "change", "code", "told"),
    [
        (FEW, Change("z", forms={0: "c"}), "unknown_message", "“z” is no message"),
        (FEW, Change("a", "menu", forms={0: "c"}), "unknown_message", "in the context “menu”"),
        ('#~ msgid "a"\n#~ msgstr ""\n', Change("a", forms={0: "c"}), "not_in_use", "obsolete"),
        (HEADER, Change("", forms={0: "c"}), "not_in_use", "the header"),
        (FEW, Change("a", forms={1: "c"}), "plural_count", "no plural"),
        (PLURAL, Change("%d a", forms={3: "%d"}), "plural_count", "3 plural forms"),
        (
            HEADER + 'msgid "a"\nmsgid_plural "b"\nmsgstr[0] ""\n',
            Change("a", forms={0: "c"}),
            "plural_count",
            "a form 1, too",
        ),
        (FEW, Change("a", forms={0: " \u3000"}), "empty", "msgstr is empty"),
        ('#, fuzzy\nmsgid "a"\nmsgstr ""\n', Change("a", fuzzy=False), "empty", "msgstr is empty"),
        (FEW, Change("a", forms={0: "c\n"}), "line_break", "ends with a line break"),
        (
            'msgid "\\na"\nmsgstr ""\n',
            Change("\na", forms={0: "c"}),
            "line_break",
            "does not begin with a line break",
        ),
        (FEW, Change("a", forms={0: "c\x07"}), "characters", "U+0007 at position 2"),
        (FEW, Change("a", forms={0: "c\x85d"}), "characters", "U+0085"),
        (FEW, Change("a", forms={0: "c\0"}), "characters", "NUL"),
        (FEW, Change("a", forms={0: "c\ud83d"}), "characters", "half a character"),
        (FEW, Change("a", comment="c\rd"), "characters", "comment holds"),
    ],
)
def test_a_correction_that_would_break_the_file_is_refused(
    file: str, change: Change, code: str, told: str
) -> None:
    catalogue = read(file)
    with pytest.raises(CatalogueError, match=re.escape(told)) as caught:
        checked(change, catalogue=catalogue)
    assert (caught.value.code, bool(caught.value.remedy)) == (code, True)
    good = Change("keep", forms={0: "kept"})
    both = correct(read(file + '\nmsgid "keep"\nmsgstr ""\n'), [change, good])
    assert [refused for refused, _ in both.refused] == [change]
    assert both.data.decode() == file + '\nmsgid "keep"\nmsgstr "kept"\n'


LINE_ENDS_OF_POLIB = "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\r"
SIGNS = st.characters(exclude_categories=("Cs", "Cc"), exclude_characters=LINE_ENDS_OF_POLIB)
TEXTS = st.text(SIGNS | st.sampled_from('\n\t"\\ %{}a '), min_size=1, max_size=150)


@settings(max_examples=60, deadline=None)
@given(
    texts=st.lists(TEXTS, min_size=1, max_size=4, unique=True), width=st.sampled_from([0, 40, 78])
)
def test_any_text_is_written_as_polib_reads_it(texts: list[str], width: int) -> None:
    assume(all(text.strip() for text in texts))
    file = polib.POFile(wrapwidth=width)
    for number, text in enumerate(texts):
        file.append(polib.POEntry(msgid=text, msgstr="", flags=["x"] * (number % 2)))
    data = str(file).encode()
    catalogue = read_catalogue(data)
    assert list(catalogue.living) == [(None, text) for text in texts]
    changes = [Change(text, forms={0: text}, fuzzy=True, comment="ok") for text in texts]
    done = correct(catalogue, changes)
    assert done.refused == ()
    assert [(entry.msgid, entry.msgstr) for entry in parsed(done.data)] == list(
        zip(texts, texts, strict=True)
    )
    again = read_catalogue(done.data)
    assert correct(again, changes).data == done.data
    sure = correct(again, [Change(text, fuzzy=False) for text in texts]).data
    only = [Change(text, forms={0: text}, comment="ok") for text in texts]
    assert sure == correct(catalogue, only).data
