"""The starter: hashed features, its shared representation, and its size."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from learning.networks.ngrams import hash_texts, normalise, salted
from learning.networks.starter import SHIPPED, Starter

LABELS = ("yes", "no")

texts_of_any_kind = st.lists(st.text(max_size=60), max_size=6)


def by_hand(text: str, sizes: tuple[int, ...]) -> int:
    """Count distinct runs of characters within words, as scikit-learn's char_wb cuts them."""
    padded = f" {normalise(text)} "
    found = set()
    for size in sizes:
        for start in range(len(padded) - size + 1):
            run = padded[start : start + size]
            if " " not in run[1:-1] and run.strip() and not (size == 1 and run == " "):
                found.add(run)
    return len(found)


@given(texts_of_any_kind)
@settings(max_examples=150, deadline=None)
def test_ngrams_are_those_cut_by_hand(texts: list[str]) -> None:
    counts = hash_texts(texts, bits=40, words=False)
    found = np.bincount(counts.rows, minlength=len(texts)).tolist()
    assert found == [by_hand(text, (1, 2, 3, 4, 5)) for text in texts]


@given(texts_of_any_kind, st.randoms())
@settings(max_examples=60, deadline=None)
def test_a_text_has_the_same_features_in_any_company(texts: list[str], random: object) -> None:
    together = hash_texts(texts, bits=18)
    for row, text in enumerate(texts):
        alone = hash_texts([text], bits=18)
        ours = together.rows == row
        assert np.array_equal(together.buckets[ours], alone.buckets)
        assert np.array_equal(together.counts[ours], alone.counts)


def test_words_and_pairs_of_words_count_once_each() -> None:
    with_words = hash_texts(["one two, three"], bits=40, sizes=())
    assert len(with_words.buckets) == 3 + 2


def test_combining_marks_stay_in_their_word() -> None:
    assert len(hash_texts(["हिन्दी"], bits=40, sizes=()).buckets) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [("Ẹ́", "e\u0323\u0301"), ("STRASSE", "strasse"), (" a\t\n b ", "a b"), ("Ϊ", "ϊ")],
)
def test_spelling_of_the_same_text_changes_nothing(one: str, other: str) -> None:
    network = Starter.fresh(LABELS)
    ours, theirs = network.collate([one], ["wo"]), network.collate([other], ["wo"])
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_languages_share_one_half_of_the_features_and_not_the_other() -> None:
    counts = hash_texts(["mangi fi rekk"] * 2, bits=18)
    wolof, quechua = salted(counts, ["wo", "qu"], bits=18)[
        np.argsort(counts.rows, kind="stable")
    ].reshape(2, -1)
    shared = counts.buckets.reshape(2, -1)
    assert np.array_equal(shared[0], shared[1])
    assert (wolof != quechua).mean() > 0.99


def test_what_one_language_learned_is_shared_and_what_is_peculiar_stays() -> None:
    network = Starter.fresh(LABELS)
    network.prepare(["waaw"], ["wo"])
    with torch.no_grad():
        network.module.ngrams[1:, 0] = 1.0
        batch = network.collate(["waaw", "waaw", "baax"], ["wo", "qu", "wo"])
        same, other, unlike = network.logits(batch)[:, 0].tolist()
    assert same > other > unlike


def test_fresh_head_has_no_opinion() -> None:
    network = Starter.fresh(LABELS)
    with torch.no_grad():
        assert not network.logits(network.collate(["a", "b"], ["wo", "qu"])).any()


def test_shared_features_have_length_one() -> None:
    weights = Starter.fresh(LABELS).collate(["to be or not to be"], ["en"])["weights"]
    assert float(weights[0::2].square().sum()) == pytest.approx(1.0, abs=1e-5)


def test_stored_head_grows_with_what_it_learned_not_with_the_table(tmp_path: Path) -> None:
    network = Starter.fresh([f"label {number}" for number in range(50)])
    network.save(tmp_path)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 17e6


def test_what_ships_is_small_and_says_where_it_comes_from() -> None:
    files = [path for path in SHIPPED.iterdir() if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 16 * 1024 * 1024
    assert {"model.safetensors", "tokenizer.json", "manifest.json", "MODEL_CARD.md"} <= {
        path.name for path in files
    }


def test_shipped_vectors_mean_something() -> None:
    network = Starter.fresh(LABELS)
    network_batch = network.collate(
        [
            "the president won the election",
            "the minister and the parliament",
            "the team won the football match",
            "rain and clouds over the mountains",
        ],
        ["en"] * 4,
    )
    likeness = network.embed(network_batch) @ network.embed(network_batch).T
    assert likeness[0, 1] > likeness[0, 3]
    assert likeness[0, 1] > likeness[1, 2]


def test_starter_needs_no_transformers() -> None:
    code = (
        "import sys; from learning.networks.opening import open_network;"
        "open_network('starter', labels=('a', 'b'), seed=0);"
        "sys.exit('transformers' in sys.modules)"
    )
    root = Path(__file__).parents[2]
    python = __import__("sys").executable
    assert subprocess.run([python, "-c", code], cwd=root, check=False).returncode == 0


def test_making_room_for_more_texts_changes_no_answer() -> None:
    network = Starter.fresh(LABELS)
    network.prepare(["waaw mangi fi"], ["wo"])
    with torch.no_grad():
        network.module.ngrams[1:] = torch.randn(network.module.ngrams[1:].shape)
        batch = network.collate(["waaw mangi fi rekk", "ball ak jant"], ["wo", "qu"])
        before = network.logits(batch)
        network.prepare(["ball ak jant", "waaw ñu dem"], ["qu", "wo"])
        assert torch.equal(network.logits(batch), before)


def test_only_what_was_made_room_for_learns() -> None:
    network = Starter.fresh(LABELS)
    network.prepare(["waaw"], ["wo"])
    batch = network.collate(["waaw dëgg la", "ball ak jant"], ["wo", "wo"])
    torch.autograd.backward(network.logits(batch).square().sum() + network.logits(batch)[0, 0])
    gradient = network.module.ngrams.grad
    assert gradient is not None
    assert gradient[1:, 0].all()
    assert not gradient[0].any()
