"""What a schema says of a text is what the product takes: nothing more, nothing less."""

import re

import pytest

from annotation.methods.texts import GLUE, READABLE, trouble_with

# What is unseen there is refused without the schema's saying so.
BEYOND = {
    *(0x110BD, 0x110CD, *range(0x13430, 0x13440), *range(0x1BCA0, 0x1BCA4)),
    *(*range(0x1D173, 0x1D17B), 0xE0001, *range(0xE0020, 0xE0080)),
}


def test_every_character_by_itself_is_readable_where_it_is_taken() -> None:
    readable = re.compile(READABLE)
    differ = [
        hex(point)
        for point in (*range(0xD800), *range(0xE000, 0x110000))
        if point not in BEYOND
        and bool(readable.search(chr(point))) is not (trouble_with(chr(point)) is None)
    ]
    assert differ == []


@pytest.mark.parametrize("text", ["", " \u200b\n", f"a{GLUE}b", "a\0", f"{GLUE}a", "\ufeff"])
def test_what_holds_nothing_or_what_may_not_be_held_is_not(text: str) -> None:
    assert trouble_with(text) is not None
    assert re.search(READABLE, text) is None


@pytest.mark.parametrize("text", ["a\n", "\na", " Na nga def? ", "\u200bሰላም\u200b", "👩🏾\u200d🌾"])
def test_marks_that_are_not_seen_may_stand_beside_what_is(text: str) -> None:
    assert trouble_with(text) is None
    assert re.search(READABLE, text)
