"""What a round wrote down in English is said again in its reader's language, and never lost."""

import pytest
from django.utils import translation

from learning.actions import round_words
from learning.actions.round_words import note_of, why_of
from learning.methods.phrases import values_of
from learning.methods.rationale import Reasons, sentence, with_distance
from training.actions.gold_calls import FEW_PEOPLE, FEW_TEXTS, note_of_call

TORN = Reasons("Wolof", 3, 40, "debt", doubt=("a and b", "c"), apart=0.031, distance=0.4, usual=0.2)
REASONS = (
    TORN,
    Reasons("Wolof", 1, 9, "audit", texts=300, equal=2),
    Reasons("Wolof", 1, 9, "relabel", doubt=("a", "b")),
    Reasons("Wolof", 1, 9, "relabel"),
    Reasons("Wolof (Lebu)", 1, 9, "floor", doubt=("a", ""), distance=0.1, usual=0.2),
)


@pytest.fixture
def translated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every phrase comes out marked, as a catalogue that knows them all would have it."""
    mark = "«{}»".format
    monkeypatch.setattr(round_words, "_", mark)
    monkeypatch.setattr(round_words, "ngettext", lambda one, many, n: mark(one if n == 1 else many))


@pytest.mark.parametrize("reasons", REASONS)
def test_every_part_of_a_rationale_is_said_in_the_readers_words(
    reasons: Reasons, translated: None
) -> None:
    told = sentence(reasons)
    parts = why_of(told).removesuffix(".").split("; ")
    assert len(parts) == told.count(";") + 1
    assert all(part.startswith("«") and part.endswith("»") and "%" not in part for part in parts)


def test_a_rationale_keeps_its_names_and_numbers_and_writes_them_as_its_reader_does() -> None:
    with translation.override("es"):
        said = why_of(sentence(TORN))
    assert all(word in said for word in ("Wolof", "3", "40", "a and b", "3,1"))
    far = with_distance("Wolof quota 1 of 9; sure of dates.", distance=0.5, usual=0.1)
    assert why_of(far).count(";") == 2


def test_what_is_of_no_known_pattern_is_shown_as_it_was_written() -> None:
    for told in ("", "Somebody wrote this; by hand.", "Wolof quota 1 of 9; because."):
        assert why_of(told) == note_of(told) == note_of_call(told) == told


@pytest.mark.parametrize(
    "told",
    [
        round_words.NOTHING_SCORED,
        round_words.SCORING_FAILED % {"error": "No space.\nAt all…"},
        round_words.ABORTED % {"who": round_words.SOMEBODY},
        round_words.FEWER % {"number": 7, "reasons": "pool, annotators"},
        round_words.BY_MARGIN % {"wanted": "badge", "why": "no memory. At all"},
    ],
)
def test_a_rounds_note_is_said_in_the_readers_words(told: str, translated: None) -> None:
    assert note_of(told).startswith("«")
    fewer = round_words.FEWER % {"number": 1, "reasons": "pool"}
    both = note_of(f"{round_words.BY_MARGIN % {'wanted': 'badge', 'why': 'no memory'}} {fewer}")
    assert both.count("Ranked") == both.count("1 fewer") == 1
    assert "pool" not in both


def test_why_less_gold_was_asked_is_said_by_its_number() -> None:
    assert note_of_call(FEW_TEXTS % {"texts": 1}).startswith("Only 1 text is left")
    assert note_of_call(FEW_TEXTS % {"texts": 12}).startswith("Only 12 texts are left")
    assert values_of(FEW_PEOPLE % {"people": 2}, pattern=FEW_PEOPLE) == {"people": "2"}
