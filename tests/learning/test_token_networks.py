"""Networks for spans: what they say of units, whatever stands beside, and that they learn."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import normalizers

from annotation.errors import InvalidInputError
from annotation.methods.spans import Span, encode, tag_names, units
from learning.methods.disagreement import bald
from learning.methods.sequences import mnlp_of
from learning.methods.tagging import opinions
from learning.networks.chance import by_chance
from learning.networks.opening import load_network, open_network
from learning.networks.token_encoder import OUTSIDE_LOGIT
from learning.networks.tokens import (
    TokenNetwork,
    decoded,
    read,
    text_losses,
)
from tests.learning.encoders import tiny_encoder

CLASSES = ("PER", "LOC")
TEXTS = (
    "Awa dem na Dakar",
    "",
    "𞤀𞤣𞤵 👩🏾‍🌾, 3.5!",
    "l'blad dyal Inti",
    "wor " * 70,
)
WO = ["wo"] * len(TEXTS)
Open = Callable[[str], TokenNetwork]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="module")
def opened(checkpoint: Path) -> Open:
    def open_one(kind: str) -> TokenNetwork:
        name = str(checkpoint) if kind == "encoder" else kind
        return open_network(name, labels=CLASSES, seed=3, spans=True)

    return open_one


def taught_a_little(network: TokenNetwork, *, steps: int = 12) -> list[float]:
    """Teach that a word after "si" is a person and one after "na" a place; return the losses."""
    names = ("Awa", "Inti", "Noor", "Sam", "Lee", "Dakar", "Cusco", "Oslo")
    rng = np.random.default_rng(0)
    texts, spans = [], []
    for _ in range(24):
        first, second = rng.choice(names, 2)
        texts.append(f"lu si {first} demoon na {second} tey")
        start = texts[-1].index("na ") + 3
        spans.append([Span(6, 6 + len(first), "PER"), Span(start, start + len(second), "LOC")])
    network.prepare(texts, ["wo"] * len(texts))
    optimizer = torch.optim.AdamW(
        network.trainable(), lr=0.05 if network.kind == "token-starter" else 3e-3
    )
    batch = network.collate(texts, ["wo"] * len(texts))
    tags = [
        encode(one, units=units(text), labels=CLASSES)
        for text, one in zip(texts, spans, strict=True)
    ]
    wanted = torch.nn.functional.one_hot(torch.from_numpy(np.concatenate(tags)), 5).float()
    network.module.train()
    told = []
    for _ in range(steps):
        losses = -(wanted * network.logits(batch).log_softmax(dim=1)).sum(dim=1)
        loss = text_losses(losses, units=batch["units"]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        told.append(loss.item())
    network.module.eval()
    return told


@pytest.mark.parametrize("kind", ["starter", "encoder"])
def test_a_row_of_logits_for_each_unit_whatever_texts_stand_beside(kind: str, opened: Open) -> None:
    network = opened(kind)
    taught_a_little(network, steps=2)
    batch = network.collate(TEXTS, WO)
    assert batch["units"].tolist() == [len(units(text)) for text in TEXTS]
    together = network.logits(batch).split(batch["units"].tolist())
    for place, text in enumerate(TEXTS):
        alone = network.logits(network.collate([text], ["wo"]))
        torch.testing.assert_close(alone, together[place], atol=1e-5, rtol=1e-4)
    logits, embedded = network.answer(batch)
    assert torch.equal(logits, torch.cat(together))
    assert embedded.shape[0] == len(TEXTS)
    torch.testing.assert_close(embedded, network.embed(batch))


@pytest.mark.parametrize("kind", ["starter", "encoder"])
def test_a_stored_network_says_the_same_to_the_bit(kind: str, opened: Open, tmp_path: Path) -> None:
    network = opened(kind)
    taught_a_little(network, steps=2)
    network.save(tmp_path)
    back = load_network(tmp_path, labels=tag_names(CLASSES))
    batch = network.collate(TEXTS, WO)
    assert back.kind == f"token-{kind}"
    assert torch.equal(back.logits(back.collate(TEXTS, WO)), network.logits(batch))
    assert not [path.name for path in tmp_path.iterdir() if path.suffix in (".bin", ".pkl", ".pt")]


@pytest.mark.parametrize("kind", ["starter", "encoder"])
def test_a_toy_language_is_learned_and_its_spans_come_out_in_code_points(
    kind: str, opened: Open
) -> None:
    network = opened(kind)
    losses = taught_a_little(network, steps=15 if kind == "starter" else 30)
    assert losses[-1] < 0.3 * losses[0]
    begins = "𞤀" if kind == "starter" else "lu"  # a letter that UTF-16 counts as two
    asked = [f"{begins} si Awa demoon na Oslo tey", "lu si Sam demoon na Cusco tey"]
    told = read(network, asked, languages=["wo", "wo"])
    found = [
        [(text[s.start : s.end], s.label) for s in one.spans]
        for text, one in zip(asked, told, strict=True)
    ]
    assert found == [[("Awa", "PER"), ("Oslo", "LOC")], [("Sam", "PER"), ("Cusco", "LOC")]]
    assert all(0.5 < sure <= 1 for one in told for sure in one.confidence)


def test_a_unit_of_a_long_text_is_read_where_most_stands_around_it(opened: Open) -> None:
    network = opened("encoder")
    long = " ".join("abcdefgh"[i % 8] * 3 for i in range(60))
    batch = network.collate([long], ["wo"])
    width = batch["input_ids"].shape[1]
    window, place = batch["first"] // width, batch["first"] % width
    assert len(batch["input_ids"]) > 2
    assert (batch["first"] >= 0).all()
    assert (window.diff() >= 0).all()
    inner = (window > 0) & (window < len(batch["input_ids"]) - 1)
    # Windows overlap by half, so a quarter of a window stands on either side at the least.
    assert place[inner].min() >= width // 4 - 3
    assert place[inner].max() <= width - width // 4 + 3


def test_what_is_no_token_is_outside(opened: Open) -> None:
    network = opened("encoder")
    network._tokenizer.backend_tokenizer.normalizer = normalizers.BertNormalizer(clean_text=True)
    text = "ab \x7f cd"
    batch = network.collate([text], ["wo"])
    assert (batch["first"] < 0).tolist() == [False, True, False]
    assert network.logits(batch)[1].tolist() == [OUTSIDE_LOGIT, 0.0, 0.0, 0.0, 0.0]
    assert [one.spans for one in read(network, ["\x7f"], languages=["wo"])] == [()]


def test_words_are_cut_where_it_is_asked_for(opened: Open) -> None:
    for kind in ("starter", "encoder"):
        network = opened(kind)
        batch = network.collate(["lalgerie", "kima"], ["ar", "ar"], cuts=[[1], []])
        assert batch["units"].tolist() == [2, 1]
        packed = list(network.packed(["lalgerie"], ["ar"], device="cpu", cuts=[[1]]))
        assert packed[0][1]["units"].tolist() == [2]


def test_chance_leaves_out_features_of_the_starter_and_only_when_asked(opened: Open) -> None:
    network = opened("starter")
    taught_a_little(network, steps=3)
    batch = network.collate(TEXTS[:1], WO[:1])
    plain = network.logits(batch)
    with by_chance(network, seed=1):
        first = network.logits(batch)
    with by_chance(network, seed=1):
        again = network.logits(batch)
    assert torch.equal(first, again)
    assert not torch.equal(first, plain)
    assert torch.equal(network.logits(batch), plain)


def test_best_path_is_allowed_and_doubt_grows_where_tags_are_torn() -> None:
    cut = [np.array([[0, 3], [4, 9]])]
    # Alone, the second unit would be the inside of a span that never began.
    logs = np.log([[[0.9, 0.05, 0.05], [0.1, 0.1, 0.8]], [[0.4, 0.35, 0.25], [0.4, 0.2, 0.4]]])
    sure, torn = (decoded(one, units=cut, labels=["PER"])[0] for one in logs)
    assert sure.spans == ()
    assert torn.spans == (Span(0, 9, "PER"),) or torn.spans == ()
    doubt = mnlp_of(np.concatenate([sure.said, torn.said]), lengths=[2, 2])
    assert doubt[1] > doubt[0]
    assert (sure.probabilities[0, 2], torn.probabilities[0, 2]) == (0.0, 0.0)


def test_weights_of_units_count_and_texts_count_alike() -> None:
    losses = torch.tensor([1.0, 3.0, 4.0])
    sizes = torch.tensor([2, 1])
    assert text_losses(losses, units=sizes).tolist() == [2.0, 4.0]
    weighed = text_losses(losses, units=sizes, weights=torch.tensor([1.0, 0.0, 0.5]))
    assert weighed.tolist() == [0.5, 2.0]


def test_a_network_for_spans_needs_classes_and_a_tokenizer_that_knows_places() -> None:
    with pytest.raises(InvalidInputError, match="at least one class"):
        open_network("starter", labels=[], seed=0, spans=True)


def test_opinions_on_texts_disagree_as_tokens_do() -> None:
    for wanted in (0.0, 0.05, 0.3, 0.69):
        for passes in (2, 5, 10):
            told = opinions([wanted, 2.0], passes=passes)
            assert told.shape == (2, passes, 2)
            assert np.allclose(told.sum(axis=2), 1)
            most = np.log(2) * (passes // 2 * 2) / passes
            assert np.allclose(bald(told), [min(wanted, most), most], atol=1e-6)
