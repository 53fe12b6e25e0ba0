"""Networks that write: the same output whoever shares the batch, and how sure they are of it."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForMaskedLM

from annotation.errors import InvalidInputError, NotFoundError
from learning.methods.chrf import chrf, counts, disagreement
from learning.networks import writing
from learning.networks.adapted_generator import AdaptedGenerator
from learning.networks.asking import Manners
from learning.networks.codes import code_for
from learning.networks.drawing import Draw
from learning.networks.generator import Generator, lesson, open_generator
from learning.networks.opening import load_network
from learning.networks.writing import Wish, log_probabilities, write
from tests.learning.generators import letters_tokenizer, tiny_generator

SOURCES = ["na nga def?", "abc", "", "mangi fi rek", "abc"]
TAGS = ["wo", "qu", "wo", "ar", "wo"]
KINDS = ("t5", "m2m", "gpt2")
Open = Callable[[str], Generator]


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generators")
    for kind in KINDS:
        tiny_generator(folder / kind, kind=kind)
    return folder


@pytest.fixture(scope="module")
def opened(checkpoints: Path) -> Open:
    manners = Manners(source_language="en")
    found = {kind: open_generator(str(checkpoints / kind), manners=manners) for kind in KINDS}
    return found.__getitem__


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("beams", [1, 2])
def test_what_is_written_does_not_depend_on_who_shares_the_batch(
    kind: str, beams: int, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator, wish = opened(kind), Wish(beams=beams, samples=2, longest=12, seed=3)
    together = write(generator, SOURCES, TAGS, wish=wish)
    monkeypatch.setitem(writing.ROOM, "cpu", 1)
    alone = write(generator, SOURCES, TAGS, wish=wish)
    for one, other in zip(together, alone, strict=True):
        assert (one.text, one.drawn, one.tokens) == (other.text, other.drawn, other.tokens)
        assert one.log_probability == pytest.approx(other.log_probability, abs=1e-4)
        assert one.disagreement == other.disagreement
    assert len({one.drawn for one in together}) == len(SOURCES)


@pytest.mark.parametrize("kind", KINDS)
def test_a_log_probability_is_the_mean_over_tokens_of_what_the_network_says(
    kind: str, opened: Open
) -> None:
    generator = opened(kind)
    told = log_probabilities(generator, ["abc", "a"], ["de", ""], ["wo", "wo"])
    # Token by token, each after all that came before it; by hand and without any padding.
    asked = generator.asking.asked(["abc"], ["wo"])[0]
    said = generator.asking.outputs(["de"])[0]
    assert len(said) == 3
    logs = []
    for place, token in enumerate(said):
        if asked.begun:
            begun = torch.tensor([asked.begun + said[:place]])
            given = {"input_ids": torch.tensor([asked.given]), "decoder_input_ids": begun}
        else:
            given = {"input_ids": torch.tensor([asked.given + said[:place]])}
        with torch.no_grad():
            logs.append(generator.module(**given).logits[0, -1].log_softmax(0)[token].item())
    assert told[0] == pytest.approx(np.mean(logs), abs=1e-5)
    batch = generator.collate([lesson("abc", "de")], ["wo"])
    logits, states = generator.answer(batch)
    assert logits[0, 0].item() == pytest.approx(np.mean(logs), abs=1e-5)
    assert logits[0].exp().sum().item() == pytest.approx(1, abs=1e-5)
    assert states.shape == (1, 32)


def test_the_written_text_is_scored_by_the_tokens_that_were_written(opened: Open) -> None:
    found = write(opened("t5"), ["abc"], ["wo"], wish=Wish(longest=4))[0]
    assert found.tokens <= 4
    assert found.log_probability is not None
    assert found.log_probability < 0
    assert found.disagreement is None


def test_a_seed_draws_the_same_and_another_one_does_not(opened: Open) -> None:
    def drawn(seed: int, **more: object) -> str:
        wish = Wish(draw=True, longest=12, seed=seed, **more)
        return write(opened("gpt2"), ["abc"], ["wo"], wish=wish)[0].text

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    greedy = write(opened("gpt2"), ["abc"], ["wo"], wish=Wish(longest=12))[0].text
    assert drawn(5, likeliest=1) == drawn(6, share=0.01) == greedy


def test_draws_come_as_often_as_the_network_holds_them_likely() -> None:
    logits, number = torch.tensor([2.0, 1.0, 0.0, -1.0, -3.0]), 20_000
    keys = torch.arange(number) * 977

    def drawn(**over: float) -> np.ndarray:
        usual = {"begun": 1, "temperature": 1.0, "likeliest": 5, "share": 1.0}
        chosen = Draw(keys, **usual | over)(torch.zeros(number, 1), logits.expand(number, -1))
        assert (chosen.max(dim=1).values == 0).all()
        return np.bincount(chosen.argmax(dim=1), minlength=5) / number

    # Each token within four standard errors; keys are fixed, so this holds or does not.
    for temperature in (1.0, 0.5, 2.0):
        chance = (logits / temperature).softmax(0).numpy()
        near = 4 * np.sqrt(chance * (1 - chance) / number)
        assert (np.abs(drawn(temperature=temperature) - chance) <= near).all()
    two = logits[:2].softmax(0).numpy()
    assert np.abs(drawn(likeliest=2)[:2] - two).max() < 0.02
    assert drawn(likeliest=2)[2:].sum() == 0
    # The likeliest that make up .8 of the chance are the first two (.64 and .23).
    assert np.flatnonzero(drawn(share=0.8)).tolist() == [0, 1]
    # Another place draws anew.
    moved = Draw(keys, begun=0, temperature=1.0, likeliest=5, share=1.0)
    apart = moved(torch.zeros(number, 1), logits.expand(number, -1)).argmax(dim=1)
    same = Draw(keys, begun=1, temperature=1.0, likeliest=5, share=1.0)
    there = same(torch.zeros(number, 1), logits.expand(number, -1)).argmax(dim=1)
    agreed = float((apart == there).double().mean())
    assert abs(agreed - float((logits.softmax(0) ** 2).sum())) < 0.02


def test_codes_are_found_by_tag_and_a_missing_one_says_what_there_is(opened: Open) -> None:
    generator = opened("m2m")
    both = generator.asking.asked(["abc", "abc"], ["wo", "qu"], of=["qu", "en"])
    ids = {code: generator.asking.codes[code] for code in ("eng_Latn", "wol_Latn", "quy_Latn")}
    assert [one.given[0] for one in both] == [ids["quy_Latn"], ids["eng_Latn"]]
    assert [one.begun[-1] for one in both] == [ids["wol_Latn"], ids["quy_Latn"]]
    known = generator.asking.codes
    assert code_for("ar", known=known, told={}) == known["arb_Arab"]
    assert code_for("ary", known=known, told={}) == known["ary_Arab"]
    assert code_for("bm", known=known, told={"bm": "wol_Latn"}) == known["wol_Latn"]
    found = write(generator, ["abc", "abc"], ["bm", "wo"], wish=Wish(longest=3))
    assert "no code for the language bm" in found[0].problem
    assert "wol_Latn" in found[0].problem
    assert found[1].tokens == 3


def test_without_a_source_language_codes_are_asked_for(checkpoints: Path) -> None:
    generator = open_generator(str(checkpoints / "m2m"))
    assert "source_language" in write(generator, ["abc"], ["wo"])[0].problem
    assert not write(generator, ["abc"], ["wo"], of=["en"], wish=Wish(longest=2))[0].problem


@pytest.mark.parametrize("kind", ["m2m", "gpt2"])
def test_a_source_that_is_too_long_is_refused_and_the_others_are_written(
    kind: str, opened: Open
) -> None:
    found = write(opened(kind), ["ab " * 80, "abc"], ["wo", "wo"], wish=Wish(longest=5))
    assert "tokens long" in found[0].problem
    assert "Cut it" in found[0].problem
    assert found[0].log_probability is None
    assert found[1].tokens


@pytest.mark.parametrize("kind", KINDS)
def test_a_stored_generator_says_the_same_to_the_bit(
    kind: str, checkpoints: Path, tmp_path: Path
) -> None:
    manners = Manners(
        prompt="to {language}: {source}", source_language="qu", codes={"x": "wol_Latn"}
    )
    generator = open_generator(str(checkpoints / kind), manners=manners)
    generator.save(tmp_path)
    back = load_network(tmp_path)
    assert isinstance(back, Generator)
    assert back.manners == manners
    told = Manners(source_language="wo", codes={"y": "quy_Latn"})
    assert open_generator(str(tmp_path), manners=told).manners == Manners(
        manners.prompt, "wo", {"x": "wol_Latn", "y": "quy_Latn"}
    )
    texts, tags = [lesson("abc", "de"), lesson("", "f"), "only an output"], ["wo"] * 3
    assert torch.equal(
        back.logits(back.collate(texts, tags)), generator.logits(generator.collate(texts, tags))
    )
    assert not [path.name for path in tmp_path.iterdir() if path.suffix in (".bin", ".pkl", ".pt")]


def test_a_prompt_says_what_is_wanted_and_needs_a_place_for_the_source(checkpoints: Path) -> None:
    manners = Manners(prompt="{language}: {source}")
    generator = open_generator(str(checkpoints / "gpt2"), manners=manners)
    asked = generator.asking.asked(["abc"], ["wo"])[0]
    assert generator.asking.text(asked.given) == "wo: abc"
    with pytest.raises(InvalidInputError, match="no place for the source"):
        Manners(prompt="translate this")


@pytest.mark.parametrize("kind", ["m2m", "llama", "t5"])
def test_a_language_with_an_adapter_writes_by_it_and_no_other_changes_by_a_bit(
    kind: str, tmp_path: Path
) -> None:
    plain, generator = (
        open_generator(
            str(tiny_generator(tmp_path / kind, kind=kind)), manners=Manners(source_language="en")
        )
        for _ in range(2)
    )
    adapted = AdaptedGenerator.over(generator, method="lora", rank=2)
    adapted.add(["wo", "qu"])
    adapted.learn(["wo"])
    batch = adapted.collate([lesson("abc", "de")] * 3, ["wo", "qu", "ar"])
    before = adapted.logits(batch)
    # Two networks of the same weights may differ in the last bit, by where their weights lie.
    bare = plain.logits(plain.collate([lesson("abc", "de")] * 3, ["wo", "qu", "ar"]))
    torch.testing.assert_close(before, bare, rtol=0, atol=1e-6)
    with torch.no_grad():
        for part in adapted.trainable():
            part += 0.5
    after = adapted.logits(batch)
    assert not torch.equal(after[0], before[0])
    assert torch.equal(after[1:], before[1:])
    wish = Wish(longest=6, beams=2, samples=1)
    tags = ["wo", "qu", "wo", "ar", "qu"]
    said, unsaid = (write(one, SOURCES, tags, wish=wish) for one in (adapted, plain))
    assert [a == b for a, b in zip(said, unsaid, strict=True)] == [False, True, False, True, True]
    adapted.save(tmp_path / "stored")
    back = load_network(tmp_path / "stored")
    assert isinstance(back, AdaptedGenerator)
    torch.testing.assert_close(back.logits(batch), after, rtol=0, atol=1e-6)
    back.drop("wo")
    dropped = back.logits(back.collate([lesson("abc", "de")] * 3, ["wo", "qu", "ar"]))
    torch.testing.assert_close(dropped, before, rtol=0, atol=1e-6)


def test_adapters_that_fit_nowhere_say_so(opened: Open) -> None:
    with pytest.raises(InvalidInputError, match="Use the method lora"):
        AdaptedGenerator.over(opened("t5"), method="bottleneck", rank=2)
    with pytest.raises(InvalidInputError, match="no layers that adapters fit"):
        AdaptedGenerator.over(opened("gpt2"), method="lora", rank=2)


def test_what_is_no_generator_is_refused_with_what_to_do(tmp_path: Path) -> None:
    config = BertConfig(
        vocab_size=40,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
    )
    BertForMaskedLM(config).save_pretrained(tmp_path / "bert")
    letters_tokenizer().save_pretrained(tmp_path / "bert")
    with pytest.raises(InvalidInputError, match=r"is not a generator.*BertForMaskedLM.*mT5"):
        open_generator(str(tmp_path / "bert"))
    tiny_generator(tmp_path / "cut")
    (tmp_path / "cut/model.safetensors").rename(tmp_path / "cut/pytorch_model.bin")
    with pytest.raises(InvalidInputError, match="pickled"):
        open_generator(str(tmp_path / "cut"))
    (tmp_path / "cut/pytorch_model.bin").unlink()
    with pytest.raises(NotFoundError, match="holds no weights"):
        open_generator(str(tmp_path / "cut"))
    (tmp_path / "stored").mkdir()
    settings = {"kind": "starter", "labels": ["a", "b"]}
    (tmp_path / "stored/network.json").write_text(json.dumps(settings))
    (tmp_path / "stored/model.safetensors").write_bytes(b"")
    with pytest.raises(InvalidInputError, match="of the kind 'starter'"):
        open_generator(str(tmp_path / "stored"))


@pytest.mark.parametrize(
    ("name", "value"), [("beams", 0), ("temperature", 0.0), ("samples", 65), ("longest", 0)]
)
def test_a_wish_beyond_what_can_be_done_names_the_bounds(name: str, value: float) -> None:
    with pytest.raises(InvalidInputError, match=f"{name} cannot be .* It goes from"):
        Wish(**{name: value})


def test_disagreement_grows_with_what_differs() -> None:
    assert disagreement(["mangi fi", "mangi fi"]) == 0
    near, far = disagreement(["mangi fi", "mangi fii"]), disagreement(["mangi fi", "ana waaw"])
    assert 0 < near < far <= 1
    assert chrf(counts(["مرحبا"], right=["مرحبا"]))[0] == 1
