"""Generators in the loop: corrections and preferences are learned, and nothing else is lost."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import M2M100Config

from annotation.errors import ConflictError, InvalidInputError
from learning.networks.asking import Manners
from learning.networks.generator import Generator, open_generator
from learning.networks.writing import Wish, log_probabilities
from tests.learning.generators import tiny_generator
from training.methods import corrections, preference
from training.methods.adapters import dressed
from training.methods.corrections import Correction
from training.methods.lessons import Job, Learned
from training.methods.loop import InterruptedTrainingError, fit
from training.methods.preference import Chooser, Preference, chosen, on_generator
from training.methods.recipes import Recipe
from training.methods.written import (
    Cases,
    change_by_language,
    chrf_by_language,
    likelihood,
    likeness,
    said_by,
)

CASES = Cases(["ab", "cd", "ef"], ["ba", "dc", "fe"], ["wo", "wo", "qu"])
ROWS = [
    Correction(a + b, b + a, tag, fresh=tag == "wo")
    for tag in ("wo", "qu")
    for a in "abcd"
    for b in "efg"
]
PAIRS = [
    Preference(row.source, row.output, row.source, row.language, fresh=row.fresh) for row in ROWS
]
log_odds = st.floats(-40, 40, allow_nan=False)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_generator(tmp_path_factory.mktemp("generator"), kind="m2m", width=16)


def opened(checkpoint: Path) -> Generator:
    return open_generator(str(checkpoint), manners=Manners(source_language="en"))


def learn(network: Any, lessons: Any, folder: Path, *, stop_at: int = -1, **knobs: Any) -> Learned:
    recipe = Recipe.of(
        {"method": "update", "hold_weight": 0.0, "curve_points": 2, "batch": 8, "lr": 0.01},
        {"checkpoint_steps": 2, "epochs": 3, "pieces": 1},
        knobs,
    )
    seen: list[int] = []
    return fit(
        network,
        job=Job(lessons, on_generator(likelihood(CASES)), recipe, seed=3, snapshot="s"),
        folder=folder,
        watch=lambda step, **_: seen.append(step),
        should_stop=lambda: len(seen) == stop_at,
    )


def weights_of(generator: Generator) -> list[torch.Tensor]:
    return [part.detach().clone() for part in generator.module.parameters()]


def test_corrections_raise_the_chance_of_what_people_would_have_said(
    checkpoint: Path, tmp_path: Path
) -> None:
    generator = opened(checkpoint)
    before = likelihood(CASES)(generator)
    learned = learn(generator, corrections.lessons_of(ROWS), tmp_path, epochs=6)
    after = likelihood(CASES)(generator)
    assert after["wo"] > 2 * before["wo"]
    assert learned.dev == pytest.approx(after, abs=1e-5)
    # What the loop minimises is the mean of an output's tokens, and its curve tells it by language.
    first, last = learned.curve[0], learned.curve[-1]
    assert last[1] < first[1]
    assert set(last[3]) == {"wo", "qu"}


@pytest.mark.parametrize("kind", ["corrections", "preferences"])
def test_stopped_at_a_step_it_ends_with_the_same_bits(
    kind: str, checkpoint: Path, tmp_path: Path
) -> None:
    def network() -> tuple[Any, Generator]:
        generator = opened(checkpoint)
        # Whoever takes a run up must not be helped by chance: something drops out.
        assert isinstance(generator.module.config, M2M100Config)
        assert generator.module.config.dropout > 0
        return (Chooser(generator) if kind == "preferences" else generator), generator

    lessons = (
        preference.lessons_of(PAIRS) if kind == "preferences" else corrections.lessons_of(ROWS)
    )
    whole, expected = network()
    learn(whole, lessons, tmp_path / "whole")
    first, _ = network()
    with pytest.raises(InterruptedTrainingError):
        learn(first, lessons, tmp_path / "cut", stop_at=3)
    again, found = network()
    learn(again, lessons, tmp_path / "cut")
    pairs = zip(weights_of(expected), weights_of(found), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_in_adapters_another_language_is_as_likely_to_the_bit(
    checkpoint: Path, tmp_path: Path
) -> None:
    generator = opened(checkpoint)
    recipe = Recipe.of({"method": "lora", "rank": 2})
    network = dressed(generator, recipe=recipe, languages=["wo"])
    before = likelihood(CASES)(network)
    learn(network, corrections.lessons_of(ROWS), tmp_path, method="lora", rank=2, lr=0.05)
    after = likelihood(CASES)(network)
    assert after["wo"] > 1.05 * before["wo"]
    assert after["qu"] == before["qu"]
    with pytest.raises(ConflictError, match="of rank 2"):
        dressed(network, recipe=Recipe.of({"method": "lora", "rank": 4}), languages=["wo"])


@pytest.mark.parametrize("method", ["er", "der++", "lwf", "ewc", "a-gem", "cumulative"])
def test_every_method_that_keeps_languages_takes_a_generator(
    method: str, checkpoint: Path, tmp_path: Path
) -> None:
    generator = opened(checkpoint)
    before = likelihood(CASES)(generator)["wo"]
    learn(generator, corrections.lessons_of(ROWS), tmp_path, method=method, epochs=2)
    assert likelihood(CASES)(generator)["wo"] > before


def test_preferences_move_chances_towards_what_was_chosen(checkpoint: Path, tmp_path: Path) -> None:
    generator = opened(checkpoint)
    sources, right = [one.source for one in PAIRS], [one.first for one in PAIRS]
    tags = [one.language for one in PAIRS]

    def lead() -> np.ndarray:
        first = log_probabilities(generator, sources, right, tags)
        return first - log_probabilities(generator, sources, sources, tags)

    before = lead()
    learn(Chooser(generator), preference.lessons_of(PAIRS), tmp_path, lr=0.003)
    assert (lead() > before).all()


def test_the_loss_is_that_of_the_paper_and_no_padding_changes_it(checkpoint: Path) -> None:
    generator = opened(checkpoint)
    chooser = Chooser(generator, beta=0.3)
    texts = preference.lessons_of(
        [Preference("ab", "ba", "abababab", "wo"), Preference("cdcdcd", "d", "c", "qu")]
    ).texts
    chooser.prepare(texts, ["wo", "qu"])
    batch = chooser.collate(texts, ["wo", "qu"])
    assert chooser.logits(batch).abs().max().item() < 1e-5  # nothing has moved yet
    with torch.no_grad():
        for part in chooser.trainable():
            part += 0.01 * torch.randn(part.shape, generator=torch.Generator().manual_seed(0))
    together = chooser.logits(chooser.collate(texts, ["wo", "qu"]))
    alone = [chooser.logits(chooser.collate([t], [g])) for t, g in zip(texts, ["wo", "qu"])]  # noqa: B905
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-5, rtol=1e-4)
    other = opened(checkpoint)
    args = (["ab", "ab"], ["ba", "abababab"], ["wo", "wo"])
    counts = np.array([3, 9])
    now, then = (log_probabilities(one, *args) * counts for one in (generator, other))
    by_hand = 0.3 * ((now[0] - then[0]) - (now[1] - then[1]))
    assert (together[0, 0] - together[0, 1]).item() == pytest.approx(by_hand, abs=1e-4)


@given(log_odds, log_odds, log_odds, log_odds, st.floats(0, 1), st.floats(0.01, 1))
def test_the_loss_of_a_preference(
    one: float, other: float, was: float, were: float, share: float, beta: float
) -> None:
    sums = torch.tensor([[one, other]], dtype=torch.float64, requires_grad=True)
    before = torch.tensor([[was, were]], dtype=torch.float64)
    torn = torch.tensor([share], dtype=torch.float64)
    told = preference.loss(sums, before=before, share=torn, beta=beta)
    # Turned round it is the same pair.
    turned = preference.loss(sums.flip(1), before=before.flip(1), share=1 - torn, beta=beta)
    assert told.item() == pytest.approx(turned.item(), abs=1e-9)
    # The gradient is by how much the chance of the first differs from how often it was chosen.
    (gradient,) = torch.autograd.grad(told, sums)
    chance = chosen(sums, before=before, beta=beta).sigmoid().item()
    assert gradient[0, 0].item() == pytest.approx(beta * (chance - share), abs=1e-9)
    assert gradient.sum().item() == pytest.approx(0, abs=1e-9)
    # It is the loop's cross-entropy of a chooser's logits.
    odds = chosen(sums, before=before, beta=beta)
    logs = (torch.stack((odds, -odds), dim=1) / 2).log_softmax(dim=1)
    assert told.item() == pytest.approx(-(share * logs[0, 0] + (1 - share) * logs[0, 1]).item())


def test_what_cannot_be_learned_says_so(checkpoint: Path) -> None:
    generator = opened(checkpoint)
    rows = [
        Correction("ab", " ", "wo"),
        Correction("ab", "b" * 200, "wo"),
        Correction("ab", "ba", "bm"),
        Correction("ab", "ba", "wo"),
    ]
    found = corrections.problems(rows, generator=generator)
    assert sorted(found) == [0, 1, 2]
    assert "empty" in found[0]
    assert "201 tokens long" in found[1]
    assert "no code for the language bm" in found[2]
    with pytest.raises(InvalidInputError, match="no correction"):
        corrections.lessons_of([])
    with pytest.raises(InvalidInputError, match=r"Pair 0 .* both outputs are the same"):
        preference.lessons_of([Preference("a", "b", "b", "wo")])
    with pytest.raises(InvalidInputError, match=r"a share of 1.5 is none"):
        preference.lessons_of([Preference("a", "b", "c", "wo", share=1.5)])


def test_chrf_is_told_by_language_with_what_chance_may_do(checkpoint: Path) -> None:
    cases = Cases(
        ["ab"] * 30, ["na nga def", "mangi fi", "jamm rek"] * 10, ["wo"] * 15 + ["qu"] * 15
    )
    half = [text if place % 2 else text[:3] for place, text in enumerate(cases.right)]
    rng = np.random.default_rng(0)
    told = chrf_by_language(half, cases=cases, rng=rng, draws=199)
    assert set(told) == {"wo", "qu"}
    assert 0 < told["wo"].low < told["wo"].value < told["wo"].high < 1
    change = change_by_language(half, list(cases.right), cases=cases, rng=rng, draws=199)
    assert change["qu"].low > 0
    assert change["qu"].value == pytest.approx(1 - told["qu"].value)
    generator = opened(checkpoint)
    measured = likeness(CASES, wish=Wish(longest=4))(generator)
    assert set(measured) == {"wo", "qu"}
    assert len(said_by(generator, CASES, wish=Wish(longest=4))) == 3
