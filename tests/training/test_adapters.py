"""Training in adapters: who learns, what keeps adapters apart, what is mixed and merged."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from annotation.errors import ConflictError, InvalidInputError
from learning.inference import network_logits
from learning.networks.opening import load_network, open_network
from learning.networks.routing import Lora, routed
from tests.learning.encoders import tiny_encoder
from tests.make import LABELS
from tests.training.tiny import Tiny
from training.methods.adapters import between, dressed, penalty
from training.methods.lessons import Job, Lessons
from training.methods.loop import fit
from training.methods.memories import rows_seen
from training.methods.merging import WAYS, Merge, merge
from training.methods.recipes import Recipe

TEXTS = ("hello world", "aku suka", "bon jour", "xin chao")
TAGS = ("en", "id", "fr", "vi")


def encoder(folder: Path) -> Any:
    return open_network(str(tiny_encoder(folder)), labels=LABELS, seed=1)


def worn(folder: Path, method: str, *languages: str) -> Any:
    """A network whose adapters have learned something, whatever it is."""
    network = dressed(encoder(folder), recipe=Recipe(method=method, rank=3), languages=languages)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for part in network.trainable():
            part.normal_(0, 0.3, generator=generator)
    return network


def said(network: Any) -> np.ndarray:
    return network_logits(network, texts=TEXTS, languages=TAGS)


def added(network: Any, language: str) -> torch.Tensor:
    """What a language's adapter adds to the weights of the first layer."""
    layer = next(part for part in routed(network.module).values() if isinstance(part, Lora))
    own = layer.tensors(network.adapters.place(language))
    return (own["up"] @ own["down"]).detach()


def lessons(tags: list[str], fresh: list[bool]) -> Lessons:
    rows = range(len(tags))
    return Lessons(
        texts=[f"{LABELS[n % 3]} {n}" for n in rows],
        languages=tags,
        targets=np.eye(3, dtype=np.float32)[[n % 3 for n in rows]],
        weights=np.ones(len(tags), np.float32),
        fresh=np.array(fresh),
    )


def taught(network: Any, recipe: Recipe, folder: Path, **over: Any) -> Any:
    told = lessons(["id"] * 12 + ["vi"] * 6, [True] * 6 + [False] * 12)
    job = Job(lessons=told, measure=lambda _: {}, recipe=recipe, seed=1, snapshot="s", **over)
    fit(network, job=job, folder=folder, watch=lambda *_, **__: None, should_stop=lambda: False)
    return network


@pytest.mark.parametrize("method", ["lora", "bottleneck", "o-lora"])
def test_loop_trains_only_the_languages_that_bring_something(tmp_path: Path, method: str) -> None:
    recipe = Recipe.of({"method": method, "lr": 0.05, "epochs": 2, "average": 0.9})
    network = dressed(encoder(tmp_path), recipe=recipe, languages=["id"])
    before = said(network)
    shared = [part.detach().clone() for part in network.module.parameters()]
    taught(network, recipe, tmp_path / "run")
    after = said(network)
    own = np.array([tag == "id" for tag in TAGS])
    assert (after[own] != before[own]).any()
    assert method == "o-lora" or after[~own].tobytes() == before[~own].tobytes()
    moved = [
        name
        for (name, now), then in zip(network.module.named_parameters(), shared, strict=True)
        if not torch.equal(now, then)
    ]
    assert moved
    assert all(".down." in n or ".up" in n or ".down_bias." in n for n in moved)


def test_language_learns_its_own_store_again_and_nobody_else_s() -> None:
    told = lessons(["id", "id", "vi", "fr", "fr"], [True, False, False, True, False])
    assert rows_seen(told, recipe=Recipe(method="lora")).tolist() == [0, 1, 3, 4]


def test_other_methods_leave_a_network_as_it_is_and_all_of_it_learns(tmp_path: Path) -> None:
    network = encoder(tmp_path)
    assert dressed(network, recipe=Recipe(), languages=["id"]) is network
    worn(tmp_path, "lora", "id").save(tmp_path / "stored")
    again = dressed(load_network(tmp_path / "stored"), recipe=Recipe(), languages=["id"])
    assert len(again.trainable()) == len(list(again.module.parameters()))


def test_adapters_of_another_kind_are_refused_with_what_would_fit(tmp_path: Path) -> None:
    network = worn(tmp_path, "lora", "id")
    with pytest.raises(ConflictError, match="carries lora adapters of rank 3"):
        dressed(network, recipe=Recipe(method="bottleneck", rank=3), languages=["id"])
    starter = open_network("starter", labels=LABELS, seed=0)
    with pytest.raises(InvalidInputError, match="O-LoRA needs an encoder"):
        dressed(starter, recipe=Recipe(method="o-lora"), languages=["id"])
    with pytest.raises(InvalidInputError, match="tiny cannot carry"):
        dressed(Tiny(LABELS), recipe=Recipe(method="lora"), languages=["id"])


def test_penalty_is_the_overlap_of_what_is_learned_with_all_others(tmp_path: Path) -> None:
    network = worn(tmp_path, "o-lora", "en", "id", "vi")
    network.learn(["id"])
    by_hand = 0.0
    for layer in routed(network.module).values():
        if isinstance(layer, Lora):
            en, id_, vi = (layer.down[network.adapters.place(tag)] for tag in ("en", "id", "vi"))
            by_hand += ((id_ @ en.T).abs().sum() + (id_ @ vi.T).abs().sum()).item()
    assert penalty(network).item() == pytest.approx(by_hand, rel=1e-5)
    assert penalty(worn(tmp_path, "lora", "en", "id")).item() == 0


def test_loop_keeps_o_lora_s_adapters_apart(tmp_path: Path) -> None:
    left = {}
    for orthogonality in (0.0, 1.0):
        recipe = Recipe(
            method="o-lora", lr=0.01, epochs=10, clip=100.0, orthogonality=orthogonality
        )
        network = dressed(encoder(tmp_path), recipe=recipe, languages=["en"])
        network = dressed(network, recipe=recipe, languages=["id"])
        taught(network, recipe, tmp_path / str(orthogonality))
        left[orthogonality] = penalty(network).item()
    assert left[1.0] < 0.8 * left[0.0]


def test_half_way_between_two_adapters_lies_half_of_both_products(tmp_path: Path) -> None:
    network = worn(tmp_path, "lora", "id")
    old = [part.detach().clone() for part in network.trainable()]
    products = [added(network, "id")]
    with torch.no_grad():
        for name, part in network.module.named_parameters():
            if ".up." in name:
                part.add_(0.2 * torch.ones_like(part))
            if ".down." in name:  # A on the same lines, so that the mix has its rank
                part.mul_(-2.0)
    products.append(added(network, "id"))
    new = [part.detach().clone() for part in network.trainable()]
    for share in (0.0, 0.25, 1.0):
        mixed = between(network, old=old, new=new, share=share)
        with torch.no_grad():
            for part, value in zip(network.trainable(), mixed, strict=True):
                part.copy_(value)
        wanted = products[0].lerp(products[1], share)
        torch.testing.assert_close(added(network, "id"), wanted, atol=1e-5, rtol=1e-4)


def test_share_of_a_new_adapter_is_that_share_of_what_it_adds(tmp_path: Path) -> None:
    network = dressed(encoder(tmp_path), recipe=Recipe(method="lora"), languages=["id"])
    old = [part.detach().clone() for part in network.trainable()]
    with torch.no_grad():
        for part in network.trainable():
            part.normal_(0, 0.3)
    whole, new = added(network, "id"), [part.detach().clone() for part in network.trainable()]
    mixed = between(network, old=old, new=new, share=0.5)
    with torch.no_grad():
        for part, value in zip(network.trainable(), mixed, strict=True):
            part.copy_(value)
    torch.testing.assert_close(added(network, "id"), whole / 2)


@pytest.mark.parametrize("how", WAYS)
def test_merged_adapter_goes_to_those_named_and_moves_nobody_else(tmp_path: Path, how: str) -> None:
    network = worn(tmp_path, "lora", "en", "id")
    before = said(network)
    merge(network, merged=Merge(("en", "id"), (0.7, 0.3), how, seed=4), into=["vi"])
    after = said(network)
    assert after[:3].tobytes() == before[:3].tobytes()
    assert (after[3] != before[3]).any()
    again = worn(tmp_path, "lora", "en", "id")
    merge(again, merged=Merge(("en", "id"), (0.7, 0.3), how, seed=4), into=["vi"])
    assert said(again).tobytes() == after.tobytes()


def test_svd_of_an_adapter_and_itself_is_that_adapter(tmp_path: Path) -> None:
    network = worn(tmp_path, "lora", "en", "id")
    with torch.no_grad():
        for layer in routed(network.module).values():
            for part in layer.parts:
                getattr(layer, part)[1].copy_(getattr(layer, part)[0])
    merge(network, merged=Merge(("en", "id"), (0.5, 0.5), "svd"), into=["vi"])
    torch.testing.assert_close(added(network, "vi"), added(network, "en"), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("over", "told"),
    [
        ({"how": "soup"}, "no way of merging"),
        ({"languages": ("en", "en")}, "each once"),
        ({"weights": (1.0,)}, "as many weights"),
        ({"weights": (0.0, 0.0)}, "not all of them nought"),
        ({"density": 0.0}, "density"),
    ],
)
def test_merge_that_makes_no_sense_is_refused(over: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidInputError, match=told):
        Merge(**({"languages": ("en", "id"), "weights": (0.5, 0.5)} | over))
