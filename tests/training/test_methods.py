"""Methods against forgetting: each does what it is for, on every network, and resumes exactly."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from annotation.errors import InvalidInputError
from learning.networks.opening import open_network
from tests.learning.encoders import tiny_encoder
from tests.training.killed import KilledError, learn, lessons
from tests.training.streams import backward_transfer, learn_stream
from tests.training.tiny import Tiny
from training.methods import carried, leaning
from training.methods.lessons import Lessons
from training.methods.loop import Job, Recipe, fit
from training.methods.memories import reservoir, rows_seen
from training.methods.recipes import METHODS

LOOPED = ("update", "naive", "er", "der++", "lwf", "ewc", "a-gem", "cumulative")


def run(network, data, recipe, folder, *, measure=lambda _: {}, **over):
    job = Job(data, measure, recipe, seed=1, snapshot="s", **over)
    return fit(
        network, job=job, folder=folder, watch=lambda *_, **__: None, should_stop=lambda: False
    )


def ragged() -> Lessons:
    """Texts of very different length in two languages, with stored logits on the store."""
    texts = [("ab " * (1 + n % 9)).strip() if n % 2 else "c" * (1 + n % 5) for n in range(24)]
    fresh = np.arange(24) < 8
    logits = np.where(fresh[:, None], np.nan, 0.5).repeat(2, axis=1).astype(np.float32)
    return Lessons(
        texts,
        ["wo" if n % 3 else "qu" for n in range(24)],
        np.eye(2, dtype=np.float32)[np.arange(24) % 2] * 0.8 + 0.1,
        np.linspace(0.2, 1, 24, dtype=np.float32),
        fresh,
        logits,
    )


def test_naive_forgets_false_friends_and_the_default_does_not():
    assert backward_transfer(learn_stream(method="naive")) < -0.2
    kept = learn_stream()
    assert backward_transfer(kept) >= -0.03
    assert kept[-1].min() > 0.75


@pytest.fixture(scope="module")
def forgotten_by_naive():
    return backward_transfer(learn_stream(method="naive", stages=2))


@pytest.mark.parametrize("method", ["er", "der++", "lwf", "ewc", "a-gem", "cumulative"])
def test_each_safeguard_forgets_less_than_naive(method, forgotten_by_naive):
    told = backward_transfer(learn_stream(method=method, stages=2))
    assert told > forgotten_by_naive + 0.03


@pytest.mark.parametrize("method", LOOPED)
@pytest.mark.parametrize("kind", ["starter", "encoder"])
def test_each_method_learns_ragged_text_with_any_network(method, kind, tmp_path):
    name = str(tiny_encoder(tmp_path / "hub")) if kind == "encoder" else "starter"
    network = open_network(name, labels=("a", "b"), seed=0)
    advice = {**network.settings()["recipe"], "lr": 1e-3}
    recipe = Recipe.of(advice, {"method": method, "batch": 8, "epochs": 1, "least_steps": 0})
    network.prepare(ragged().texts, ragged().languages)
    before = [part.detach().clone() for part in network.trainable()]
    learned = run(network, ragged(), recipe, tmp_path, measure=lambda _: {"wo": 0.5, "qu": 0.5})
    assert learned.steps > 0
    assert all(np.isfinite(point[1]) and point[3] for point in learned.curve)
    moved = zip(before, network.trainable(), strict=True)
    assert any(not torch.equal(old, new) for old, new in moved)
    assert all(torch.isfinite(part).all() for part in network.trainable())


@pytest.mark.parametrize("method", LOOPED)
def test_each_method_killed_at_any_step_ends_with_the_same_bits(method, tmp_path):
    recipe = Recipe.of(
        {"lr": 0.05, "batch": 16, "epochs": 4, "checkpoint_steps": 4, "curve_points": 5},
        {"method": method, "fisher_rows": 6, "memory": 24, "patience": 4, "unfreeze_every": 3},
    )
    for name in ("before", "whole", "killed"):
        (tmp_path / name).mkdir()
    left = learn(tmp_path / "before", recipe=recipe)[1].carried
    expected, learned = learn(tmp_path / "whole", recipe=recipe, carried=left)
    for step in (2, learned.steps // 2, learned.steps - 1):
        with pytest.raises(KilledError):
            learn(tmp_path / "killed", recipe=recipe, carried=left, die_at=step)
    # What was carried is in the checkpoint by now, and may be gone.
    resumed, again = learn(tmp_path / "killed", recipe=recipe)
    assert resumed == expected
    assert again.curve == learned.curve
    assert again.carried.keys() == learned.carried.keys()
    assert all(torch.equal(value, learned.carried[name]) for name, value in again.carried.items())
    if learned.logits is not None:
        assert np.array_equal(again.logits, learned.logits, equal_nan=True)


def test_rest_of_a_run_leans_to_whoever_loses_and_the_curve_says_so(tmp_path):
    def losing(network):
        return {"wo": 0.8, "qu": 0.8 if not network.module.head.any() else 0.5}

    recipe = Recipe(lr=0.05, batch=8, epochs=4, curve_points=4, least_share=1.0)
    shares = {}
    for name, lean, items in (("usual", 1.0, 100), ("leant", 2.0, 100), ("few", 2.0, 1)):
        learned = run(
            Tiny(["a", "b", "c"], seed=7),
            lessons(),
            replace(recipe, lean=lean),
            tmp_path / name,
            measure=losing,
            items={"wo": items, "qu": items},
        )
        shares[name] = learned.curve[0][4]["qu"]
    assert shares["leant"] > 1.2 * shares["usual"]
    # One item is worth no more than a guess: 0.3 is within its noise.
    assert shares["few"] == shares["usual"]


def test_drop_counts_from_one_standard_error_of_the_items():
    before, items = {"wo": 0.8, "qu": 0.8, "ff": 0.8}, {"wo": 100, "qu": 100}
    now = {"wo": 0.759, "qu": 0.761, "ff": 0.799, "new": 0.1}
    assert leaning.losing(now, before=before, items=items) == ["ff", "wo"]


def test_patience_ends_the_run_at_its_best_point(tmp_path):
    best = {}

    def rising_and_falling(network):
        told.append(len(told))
        if len(told) == 4:
            best.update({n: p.detach().clone() for n, p in network.module.named_parameters()})
        return {"wo": 0.9 - 0.1 * abs(len(told) - 4)}

    told: list[int] = []
    recipe = Recipe(
        lr=0.05, batch=8, epochs=4, curve_points=10, patience=2, lean=1.0, least_share=1
    )
    network = Tiny(["a", "b", "c"], seed=7)
    learned = run(network, lessons(), recipe, tmp_path, measure=rising_and_falling)
    assert [point[2]["wo"] for point in learned.curve] == [0.6, 0.7, 0.8, 0.9, 0.8, 0.7]
    assert learned.steps == learned.curve[-1][0] < lessons().plan(recipe, seed=1).steps
    kept = dict(network.module.named_parameters())
    assert all(torch.equal(kept[name], value) for name, value in best.items())


def test_memory_holds_an_equal_part_of_each_language_and_forgets_nothing_it_need_not():
    told = lessons()
    store = np.flatnonzero(~told.fresh)
    small, large = (reservoir(told, rows=store, size=size) for size in (12, 30))
    assert len(small) == 12
    counts = np.unique([told.languages[i] for i in small], return_counts=True)[1]
    assert counts.tolist() == [6, 6]
    assert set(small) < set(large) < set(store)
    # A row that survives a longer stream had survived the shorter one.
    shorter = store[: len(store) // 2]
    kept = reservoir(told, rows=shorter, size=12)
    assert set(small) & set(shorter) <= set(kept)


def test_method_sees_only_its_own_rows():
    told = lessons()
    fresh = set(np.flatnonzero(told.fresh))
    assert set(rows_seen(told, recipe=Recipe(method="naive"))) == fresh
    bounded = rows_seen(told, recipe=Recipe(method="er", memory=20))
    assert fresh < set(bounded)
    assert len(bounded) == len(fresh) + 20
    assert len(rows_seen(told, recipe=Recipe(method="cumulative"))) == 120


def test_optimizer_goes_on_where_it_stood_though_the_starter_has_met_new_words(tmp_path):
    network = open_network("starter", labels=("a", "b"), seed=0)
    recipe = Recipe(batch=8, epochs=2, lr=0.02)
    left = run(network, ragged(), recipe, tmp_path / "one").carried
    buckets = network.module.buckets().clone()
    more = replace(ragged(), texts=[f"{text} xyz" for text in ragged().texts])
    network.prepare(more.texts, more.languages)
    assert len(network.module.buckets()) > len(buckets)
    optimizer = torch.optim.AdamW(network.trainable())
    assert carried.take_up(network, optimizer=optimizer, carried=left)
    table = network.trainable()[0]
    places = network.module.places[buckets].long()
    moments = optimizer.state[table]["exp_avg"]
    assert torch.equal(moments[places], left["0.exp_avg"][1:])
    assert int(moments.any(dim=1).sum()) == int(left["0.exp_avg"].any(dim=1).sum())


def test_moments_that_do_not_fit_are_left_and_the_run_warms_up():
    network = Tiny(["a", "b", "c"], seed=7)
    optimizer = torch.optim.AdamW(network.trainable())
    other = {f"{n}.{name}": torch.zeros(2) for n in (0, 1) for name in carried.MOMENTS}
    assert not carried.take_up(network, optimizer=optimizer, carried=other)
    assert not optimizer.state


def test_logits_are_stored_of_what_was_learned_and_held_to_afterwards(tmp_path):
    told, recipe = lessons(), Recipe(lr=0.05, batch=16, epochs=4, memory=20, average=0.0)
    network = Tiny(["a", "b", "c"], seed=7)
    stored = run(network, told, recipe, tmp_path / "one").logits
    seen = rows_seen(told, recipe=recipe)
    said = network.logits(network.collate([told.texts[i] for i in seen], [])).detach().numpy()
    np.testing.assert_allclose(stored[seen], said, atol=1e-5)
    rest = np.setdiff1d(np.arange(120), seen)
    assert np.array_equal(stored[rest], told.logits[rest], equal_nan=True)

    apart = []
    for weight in (0.0, 5.0):
        again = Tiny(["a", "b", "c"], seed=7)
        run(again, told, replace(recipe, hold_weight=weight, memory=0), tmp_path / str(weight))
        now = again.logits(again.collate(told.texts, [])).detach().numpy()
        apart.append(np.nanmean((now - told.logits) ** 2))
    assert apart[1] < 0.9 * apart[0]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"method": "magic"}, "no method called 'magic'.*update, naive"),
        ({"sampling": "fair"}, "no sampling called 'fair'.*unimax, proportional"),
        ({"lean": 0.5}, "lean cannot be 0.5"),
        ({"epochs": "many"}, "epochs cannot be 'many'"),
        ({"lr": float("nan")}, "lr cannot be nan"),
    ],
)
def test_recipe_that_cannot_be_followed_is_refused_by_name(settings, said):
    with pytest.raises(InvalidInputError, match=said):
        Recipe.of(settings)


def test_what_a_network_says_of_one_method_counts_for_no_other():
    advice = {"epochs": 6, "update": {"hold_weight": 0.0}}
    assert Recipe.of(advice).hold_weight == 0.0
    assert Recipe.of(advice, {"method": "der++"}).hold_weight > 0
    assert {Recipe.of(advice, {"method": name}).epochs for name in METHODS} == {6}
