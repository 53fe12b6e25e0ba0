"""crowd-kit as an oracle, where its environment is there (``python -m benchmarks.peers``)."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from annotation.methods import aggregation
from benchmarks.peers import ROOT, peer_environment
from config.installing import is_complete

ITEMS, PEOPLE, LABELS = 600, 6, 3


def made() -> tuple[aggregation.Answers, np.ndarray]:
    """Many answers of people who differ in how and how often they err; what the texts are."""
    rng = np.random.default_rng(5)
    truth = rng.integers(0, LABELS, ITEMS)
    habits = np.stack([rng.dirichlet(np.full(LABELS, 0.5), LABELS) for _ in range(PEOPLE)])
    sure = np.linspace(0.55, 0.9, PEOPLE)[:, None, None]
    says = sure * np.eye(LABELS) + (1 - sure) * habits
    person = np.tile(np.arange(PEOPLE), ITEMS)
    item = np.repeat(np.arange(ITEMS), PEOPLE)
    chances = says[person, truth[item]].cumsum(axis=1)
    label = (rng.random((len(item), 1)) > chances).sum(axis=1).clip(max=LABELS - 1)
    unknown = np.full(ITEMS, aggregation.UNKNOWN, np.int64)
    return aggregation.Answers(item, person, label, unknown, PEOPLE, LABELS), truth


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A folder with what crowd-kit's Dawid-Skene makes of the same answers."""
    peers = peer_environment()
    if not is_complete(peers):
        pytest.skip("the peers' environment is not there; python -m benchmarks.peers makes it")
    answers, _ = made()
    np.savez(
        tmp_path / "answers.npz",
        item=answers.item, person=answers.person, label=answers.label, known=answers.known,
    )  # fmt: skip
    asked = {"folder": str(tmp_path), "method": "Dawid-Skene", "labels": LABELS}
    subprocess.run(
        [str(peers.python), "-W", "ignore", "-m", "benchmarks.crowd_peer"],
        input=json.dumps(asked) + "\n", text=True, check=True, cwd=ROOT, capture_output=True,
    )  # fmt: skip
    return tmp_path


def test_with_many_answers_a_refit_says_what_dawid_and_skene_say(theirs: Path) -> None:
    """Priors fade with data: then the same model must be found, of texts and of people."""
    answers, truth = made()
    ours = aggregation.fit(answers)
    posterior, says = np.load(theirs / "posterior.npy"), np.load(theirs / "says.npy")
    same = ours.posterior.argmax(axis=1) == posterior.argmax(axis=1)
    assert same.mean() > 0.97
    assert np.abs(ours.posterior - posterior).mean() < 0.03
    assert np.abs(ours.confusion - says).mean() < 0.02
    assert (ours.posterior.argmax(axis=1) == truth).mean() > 0.85
