"""Several processes: the same weights come out, whoever dies on the way."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file

from config.env import ROOT

# Dropout draws for fixed parts of a batch; 31 rows cannot be divided, nor can the last batch.
QUICK = {"curve_points": 2, "least_share": 1.0}
ENCODER = QUICK | {"batch": 31, "epochs": 20, "lr": 1e-3, "average": 0.9}
STARTER = QUICK | {"batch": 15, "epochs": 3, "lr": 0.02, "checkpoint_steps": 5}
SHARDED = ENCODER | {"shard": 1}
# Those that hold more than a sum of rows: the Fisher, another gradient.
METHODS = ("ewc", "a-gem")


# The bar is 1e-3; rounding in another order leaves a hundredth of this.
NEAR = 1e-5


def scenario(folder, name, processes, *, kind="starter", recipe=None, **more):
    given = {"folder": folder, "name": name, "processes": processes, "kind": kind}
    return given | {"recipe": recipe or STARTER} | more


SCENARIOS = [
    scenario("e1", "whole", 1, kind="encoder", recipe=ENCODER),
    scenario("e2", "whole", 2, kind="encoder", recipe=ENCODER),
    scenario("cut", "first", 2, kind="encoder", recipe=SHARDED, stop_at=30),
    scenario("cut", "again", 2, kind="encoder", recipe=SHARDED),
    scenario("s1", "whole", 1),
    scenario("s3", "whole", 3),
    scenario("killed", "first", 2, pause=0.02, at=8, rank=1, signal=signal.SIGKILL),
    scenario("killed", "again", 1),
    scenario("asked", "first", 3, pause=0.02, at=8, rank=2, signal=signal.SIGTERM),
    scenario("asked", "again", 2),
    *(
        scenario(f"{method}{size}", "whole", size, recipe=STARTER | {"method": method, "epochs": 2})
        for method in METHODS
        for size in (1, 2)
    ),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("several")
    (folder / "scenarios.json").write_text(json.dumps(SCENARIOS))
    subprocess.run(
        [sys.executable, "-m", "tests.training.several", str(folder)],
        check=True,
        cwd=ROOT,
        timeout=240,
        capture_output=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    return folder


def ended(home, name):
    return json.loads((home / "ended.json").read_text())[name]


def apart(home, one, other):
    """Return how far the weights of two runs are from each other, and the share of equal answers."""
    left, right = (load_file(home / f"{run}" / "model.safetensors") for run in (one, other))
    assert left.keys() == right.keys()
    distance = max(np.abs(left[name].astype(float) - right[name]).max() for name in left)
    said = [np.load(home / f"{run}.npy").argmax(axis=1) for run in (one, other)]
    return distance, (said[0] == said[1]).mean()


def test_two_processes_make_the_encoder_that_one_makes(home):
    distance, same = apart(home, "e1/whole", "e2/whole")
    assert distance <= NEAR
    assert same >= 0.995
    fresh = load_file(home / "encoder" / "model.safetensors")
    moved = load_file(home / "e1" / "whole" / "model.safetensors")
    assert any(np.abs(moved[name] - fresh[name]).max() > 0.01 for name in fresh if name in moved)


def test_three_processes_make_the_starter_that_one_makes(home):
    distance, same = apart(home, "s1/whole", "s3/whole")
    assert distance <= NEAR
    assert same >= 0.995


def test_one_process_killed_ends_all_and_another_number_of_them_takes_the_run_up(home):
    assert ended(home, "killed/first") == [4, -signal.SIGKILL]
    distance, same = apart(home, "s1/whole", "killed/again")
    assert distance <= NEAR
    assert same >= 0.995


def test_one_process_asked_to_go_has_all_leave_behind_a_checkpoint(home):
    assert ended(home, "asked/first") == [3, 3, 3]
    distance, same = apart(home, "s1/whole", "asked/again")
    assert distance <= NEAR
    assert same >= 0.995


def test_weights_cut_among_two_are_learned_alike_kept_and_stored_whole(home):
    assert ended(home, "cut/first") == [3, 3]
    distance, same = apart(home, "e1/whole", "cut/again")
    assert distance <= NEAR
    assert same >= 0.995
    stored = [
        json.loads((home / run / "config.json").read_text()) for run in ("e1/whole", "cut/again")
    ]
    assert stored[0] == stored[1]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_the_same_for_two(home, method):
    distance, same = apart(home, f"{method}1/whole", f"{method}2/whole")
    assert distance <= NEAR
    assert same >= 0.995
