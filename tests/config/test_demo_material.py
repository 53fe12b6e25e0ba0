"""The demo's texts: real translations with known answers, and no answer known twice over."""

import json
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from annotation.methods.readers.cleaning import CleanRow, Rules, clean
from annotation.methods.readers.rows import Row
from annotation.methods.roles import Register
from annotation.methods.texts import digest
from config.demo.catalogues import DATES, INPUT, MAPS, read_subjects
from config.demo.material import (
    DEV,
    GATE,
    LABELS,
    LANGUAGES,
    POOL,
    Text,
    language_details,
    read_texts,
    truths,
    write_samples,
)


@pytest.fixture(scope="module")
def texts() -> list[Text]:
    return read_texts()


def test_many_languages_of_many_scripts_take_part(texts: list[Text]) -> None:
    assert len(LANGUAGES) >= 12
    assert {text.message.locale for text in texts} == set(LANGUAGES)
    first_signs = {
        script_of(text.message.text) for text in texts if text.message.subject == "languages"
    }
    assert {"LATIN", "ARABIC", "CYRILLIC", "GEORGIAN", "ARMENIAN", "TAMIL"} <= first_signs
    assert [tag for tag in LANGUAGES if language_details(tag).get("direction") == "rtl"] == ["ug"]


def script_of(text: str) -> str:
    import unicodedata

    return next(unicodedata.name(sign).split()[0] for sign in text if sign.isalpha())


def test_languages_are_of_very_unequal_size(texts: list[Text]) -> None:
    sizes = Counter(text.message.locale for text in texts)
    assert max(sizes.values()) > 600
    assert min(sizes.values()) < 200


def test_every_label_is_common_enough_in_pool_and_gold(texts: list[Text]) -> None:
    keys = {label.key for label in LABELS}
    for part in (POOL, DEV, GATE):
        counts = Counter(text.message.subject for text in texts if text.part == part)
        assert set(counts) == keys
        assert min(counts.values()) >= 20
        assert max(counts.values()) <= 0.5 * sum(counts.values())


def test_gold_is_large_enough_to_decide(texts: list[Text]) -> None:
    gold = Counter(text.message.locale for text in texts if text.part == GATE)
    assert min(gold.values()) >= 60
    assert sorted(gold.values())[len(gold) // 2] >= 150


def test_no_group_and_no_text_is_in_two_parts(texts: list[Text]) -> None:
    groups, digests = defaultdict(set), defaultdict(set)
    for text in texts:
        groups[text.message.group].add(text.part)
        digests[digest(text.message.text)].add(text.part)
    assert all(len(parts) == 1 for parts in groups.values())
    assert all(len(parts) == 1 for parts in digests.values())


def test_a_text_says_one_thing_in_its_language(texts: list[Text]) -> None:
    seen = Counter((text.message.locale, digest(text.message.text)) for text in texts)
    assert max(seen.values()) == 1


def test_the_same_texts_come_out_every_time(texts: list[Text]) -> None:
    assert read_texts(LANGUAGES[:2]) == read_texts(LANGUAGES[:2])
    some = {(t.message.locale, t.message.text): t for t in texts}
    assert len(some) == len(texts)


def test_subjects_come_from_the_place_of_a_message() -> None:
    import django

    subjects = read_subjects(Path(django.__file__).parent)
    assert subjects["This field is required."] == INPUT
    assert subjects["Wednesday"] == DATES
    assert subjects["Polygon"] == MAPS
    assert "CSRF verification failed. Request aborted." not in subjects


def test_the_whole_file_is_let_in(texts: list[Text], tmp_path: Path) -> None:
    path = tmp_path / "messages.jsonl"
    write_samples(texts, path)
    rules = Rules.of(
        languages=LANGUAGES, labels=[(label.key, label.name) for label in LABELS], defaults={}
    )
    rows = [
        clean(Row(number, 0, json.loads(line)), rules)
        for number, line in enumerate(path.read_text().splitlines(), 1)
    ]
    clean_rows = [row for row in rows if isinstance(row, CleanRow)]
    assert len(clean_rows) == len(texts)
    placed, refused = Register().place_all(clean_rows)
    assert refused == []
    assert len(placed) == len(texts)
    assert {row.licence for row in placed} == {"BSD-3-Clause"}


def test_only_gold_tells_its_answer(texts: list[Text], tmp_path: Path) -> None:
    path = tmp_path / "messages.jsonl"
    write_samples(texts, path)
    known = truths(texts)
    for line in path.read_text().splitlines():
        row = json.loads(line)
        assert ("label" in row) == ("split" in row)
        if "label" in row:
            assert known[row["language"]][row["text"]] == row["label"]
