"""The loop: same job, same bits, whatever happens on the way."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from config.env import ROOT
from tests.training.killed import RECIPE, learn, lessons
from tests.training.tiny import Tiny
from training.methods.checkpoints import newest_checkpoint, save_checkpoint
from training.methods.loop import InterruptedTrainingError, Job, Recipe, fit, interpolate


def make_folder(path: Path, name: str) -> Path:
    folder = path / name
    folder.mkdir()
    return folder


def kill_at(folder: Path, *, step: int) -> None:
    """Run the training in a process of its own and kill it once it has come that far."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.training.killed", str(folder), "0.01"], cwd=ROOT
    )
    seen = folder / "step"
    deadline = time.monotonic() + 240
    while not seen.exists() or int(seen.read_text() or 0) < step:
        assert child.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    child.send_signal(signal.SIGKILL)
    child.wait()


def test_killed_at_random_steps_it_ends_with_the_same_bits(tmp_path):
    expected, learned = learn(make_folder(tmp_path, "whole"))
    folder = make_folder(tmp_path, "killed")
    for step in sorted(
        np.random.default_rng(5).choice(np.arange(2, learned.steps - 8), 2, replace=False)
    ):
        kill_at(folder, step=step)
        (folder / "step").unlink()
    assert list(folder.glob("step-*")), "it had written no checkpoint"
    resumed, again = learn(folder)
    assert resumed == expected
    assert again == learned


def test_asked_to_stop_it_leaves_a_checkpoint_and_goes_on_from_it(tmp_path):
    expected, _ = learn(make_folder(tmp_path, "whole"))
    folder = make_folder(tmp_path, "stopped")
    with pytest.raises(InterruptedTrainingError):
        learn(folder, stop_at=7)
    assert [path.name for path in folder.glob("*.checkpoint")][0:1]
    assert (folder / "step-000000007.checkpoint").exists()
    assert learn(folder)[0] == expected


def test_truncated_newest_checkpoint_falls_back_to_the_one_before(tmp_path):
    expected, _ = learn(make_folder(tmp_path, "whole"))
    folder = make_folder(tmp_path, "torn")
    with pytest.raises(InterruptedTrainingError):
        learn(folder, stop_at=12)
    newest = folder / "step-000000012.checkpoint"
    newest.write_bytes(newest.read_bytes()[:-100])
    marks = {"plan": lessons().plan(RECIPE, seed=11).digest, "snapshot": "s1"}
    assert newest_checkpoint(folder, **marks)["step"] == 10
    assert learn(folder)[0] == expected


def test_checkpoint_of_other_data_is_left_alone(tmp_path):
    save_checkpoint(tmp_path, step=3, state={"plan": "p", "snapshot": "s", "step": 3})
    assert newest_checkpoint(tmp_path, plan="p", snapshot="s")["step"] == 3
    assert newest_checkpoint(tmp_path, plan="p", snapshot="other") is None
    assert newest_checkpoint(tmp_path, plan="other", snapshot="s") is None


def test_only_two_checkpoints_are_kept(tmp_path):
    for step in (1, 2, 3):
        save_checkpoint(tmp_path, step=step, state={"plan": "", "snapshot": "", "step": step})
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "step-000000002.checkpoint",
        "step-000000003.checkpoint",
    ]


def test_a_pickle_in_place_of_a_checkpoint_is_not_run(tmp_path):
    import hashlib
    import io

    buffer = io.BytesIO()
    torch.save({"plan": "", "snapshot": "", "path": Path("x")}, buffer)
    body = buffer.getvalue()
    path = tmp_path / "step-000000001.checkpoint"
    path.write_bytes(hashlib.sha256(body).digest() + body)
    with pytest.raises(Exception, match=r"weights_only|Weights only"):
        newest_checkpoint(tmp_path, plan="", snapshot="")


def test_it_learns_and_says_how(tmp_path):
    _, learned = learn(make_folder(tmp_path, "run"))
    first, last = learned.curve[0], learned.curve[-1]
    assert last[0] == learned.steps
    assert last[1] < first[1]
    assert set(last[2]) == {"wo", "qu"}


def test_weights_silence_a_row_and_soft_targets_are_learned(tmp_path):
    """Rows of weight nought teach nothing, whatever their target says."""
    from dataclasses import replace

    told = lessons()
    spoilt = replace(told, weights=told.weights * (np.arange(120) % 2), fresh=np.ones(120, bool))
    # halved, so that the row's likeliest label and with it the plan stay
    halved = np.where(np.arange(120)[:, None] % 2, spoilt.targets, spoilt.targets / 2)
    made = []
    for number, data in enumerate((spoilt, replace(spoilt, targets=halved.astype("f4")))):
        network = Tiny(["a", "b", "c"], seed=7)
        job = Job(data, lambda _: {}, Recipe(epochs=1), seed=1, snapshot="s")
        fit(
            network,
            job=job,
            folder=make_folder(tmp_path, str(number)),
            watch=lambda *_, **__: None,
            should_stop=lambda: False,
        )
        made.append(network.module.head.detach().numpy().copy())
    assert np.array_equal(made[0], made[1])


def test_raised_label_is_given_more_often(tmp_path):
    """Where words tell nothing the common label wins, unless labels are made to weigh alike."""
    from dataclasses import replace

    told = lessons()
    labels = np.where(np.arange(120) % 6, 0, 1)
    targets, fresh = np.eye(3, dtype=np.float32)[labels], np.ones(120, bool)
    dull = replace(told, texts=["word"] * 120, targets=targets, fresh=fresh)
    shares = []
    for most in (1.0, 10.0):
        network = Tiny(["a", "b", "c"], seed=7)
        recipe = Recipe(epochs=20, lr=0.05, balance=most)
        folder = make_folder(tmp_path, str(most))
        job = Job(dull, lambda _: {}, recipe, seed=1, snapshot="s")
        fit(network, job=job, folder=folder, watch=lambda *_, **__: None, should_stop=lambda: False)
        network.module.eval()
        logits = network.logits(network.collate(["word"], ["wo"]))
        shares.append(float(torch.softmax(logits, dim=1)[0, 1].detach()))
    assert shares[0] < 0.3 < 0.4 < shares[1]


def test_interpolation_listens_to_the_worst_language():
    network = Tiny(["a", "b"], seed=1)
    champion = [part.detach().clone() for part in network.trainable()]
    with torch.no_grad():
        network.module.head.add_(1.0)

    def measure(net: Tiny) -> dict[str, float]:
        moved = float((net.module.head - champion[1]).mean())
        return {"wo": 0.5 + 0.1 * moved, "qu": 0.9 - 0.5 * moved}

    share, dev = interpolate(network, champion=champion, measure=measure)
    # mean + min: 0.7 - 0.2 a + min(...); at a = 2/3 both languages meet, below it wo is worst.
    assert share == 0.5
    assert dev == {"wo": 0.55, "qu": 0.65}


def test_interpolation_keeps_all_that_was_learned_when_nothing_is_gained():
    network = Tiny(["a", "b"], seed=1)
    champion = [part.detach().clone() for part in network.trainable()]
    with torch.no_grad():
        network.module.head.add_(1.0)
    learned = network.module.head.detach().clone()
    assert interpolate(network, champion=champion, measure=lambda _: {"wo": 0.5})[0] == 1.0
    assert torch.equal(network.module.head, learned)


def test_recipe_takes_what_it_knows_and_leaves_the_rest():
    recipe = Recipe.of({"lr": 1, "optimizer": "adamw", "epochs": 3}, {"epochs": 5.0})
    assert (recipe.lr, recipe.epochs, recipe.batch) == (1.0, 5, 32)


def test_starter_learns_words_it_meets_and_the_next_round_adds_to_them(tmp_path):
    """Words of no subword in common: what tells them apart is the hashed table alone."""
    from learning.networks.opening import load_network, open_network
    from training.methods.loop import Lessons

    def lesson(words: tuple[str, ...], fresh: int) -> Lessons:
        count = 8 * len(words)
        return Lessons(
            texts=[words[n % len(words)] for n in range(count)],
            languages=["nqo"] * count,
            targets=np.eye(2, dtype=np.float32)[np.arange(count) % 2],
            weights=np.ones(count, np.float32),
            fresh=np.arange(count) % len(words) >= fresh,
        )

    network = open_network("starter", labels=("a", "b"), seed=0)
    for number, words in enumerate((("𞤀𞤁", "𞤂𞤃"), ("𞤀𞤁", "𞤂𞤃", "𞤄𞤅", "𞤆𞤇"))):
        recipe = Recipe.of(network.settings()["recipe"])
        job = Job(lesson(words, 2 * number), lambda _: {}, recipe, seed=1, snapshot="s")
        folder = make_folder(tmp_path, str(number))
        fit(network, job=job, folder=folder, watch=lambda *_, **__: None, should_stop=lambda: False)
        network.save(tmp_path / f"version {number}")
        network = load_network(tmp_path / f"version {number}")
        with torch.no_grad():
            found = network.logits(network.collate(words, ["nqo"] * len(words))).argmax(dim=1)
        assert found.tolist() == [0, 1, 0, 1][: len(words)]
