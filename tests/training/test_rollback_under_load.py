"""Rolling back while others ask: nobody gets a mix, everybody gets what serves, at their next call."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from django.db import connection

from annotation.models import Campaign
from config.env import ROOT
from learning.actions.answering import Answer, answer, answer_with
from learning.actions.serving import deploy
from learning.actions.versions import register_version
from learning.models import ModelVersion, Temperature
from learning.networks.starter import Starter
from tests.make import LABELS, make_campaign, make_language
from tests.training.tiny import Tiny
from training.actions.promotion import rollback

pytestmark = pytest.mark.django_db(transaction=True)
TEXTS = [f"text number {n}" for n in range(6)]
TAGS = ["wo", "qu"] * 3


def two_versions(campaign: Campaign, folders: list[Path]) -> list[ModelVersion]:
    """Two that served, with different weights and different temperatures."""
    versions = []
    for number, folder in enumerate(folders, 1):
        version = register_version(
            campaign, folder=folder, network="tiny", base=None, manifest={"labels": list(LABELS)}
        )
        for tag in ("wo", "qu"):
            Temperature.objects.create(
                version=version, language=make_language(tag), value=0.5 * number, gold=9
            )
        deploy(campaign, version=version, kind="promotion", reason="for the test")
        versions.append(version)
    return versions


def told(answers: Any) -> Any:
    return np.round([list(a.probabilities.values()) for a in answers], 5)


@dataclass(frozen=True)
class Call:
    """One question: when it was asked and answered, and with what."""

    begun: float
    ended: float
    answers: list[Answer]


def asked_meanwhile(campaign: Campaign, act: Callable[[], None]) -> list[Call]:
    """What four threads are told while something happens."""
    calls: list[Call] = []
    over = threading.Event()

    def ask() -> None:
        try:
            while not over.is_set():
                begun = time.monotonic()
                found = answer(campaign, texts=TEXTS, languages=TAGS)
                calls.append(Call(begun, time.monotonic(), found))
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    act()
    over.set()
    for thread in threads:
        thread.join()
    return calls


@pytest.mark.usefixtures("tiny_networks")
def test_threads_never_see_a_mix_and_follow_every_rollback_at_once(tmp_path: Path) -> None:
    campaign = make_campaign()
    folders = [tmp_path / "one", tmp_path / "two"]
    for seed, folder in enumerate(folders):
        network = Tiny(LABELS, seed=seed)
        network.module.head.data += float(seed + 1) * network.module.words.data[:8, :3]
        network.save(folder)
    versions = two_versions(campaign, folders)
    expected = {v.number: told(answer_with(v, texts=TEXTS, languages=TAGS)) for v in versions}
    assert np.abs(expected[1] - expected[2]).max() > 0.01
    # (before the move, after it, what serves from then on)
    moves = [(0.0, 0.0, 2)]

    def move_to_and_fro() -> None:
        for turn in range(6):
            time.sleep(0.15)
            to, before = versions[turn % 2], time.monotonic()
            rollback(campaign, to_version=to, actor=None, reason="for the test")
            moves.append((before, time.monotonic(), to.number))
        time.sleep(0.15)

    calls = asked_meanwhile(campaign, move_to_and_fro)
    assert {a.version for call in calls for a in call.answers} == {1, 2}
    for call in calls:
        number = call.answers[0].version
        assert len({(a.version, a.digest) for a in call.answers}) == 1
        np.testing.assert_array_equal(told(call.answers), expected[number])
        since = max(k for k, (_, after, _) in enumerate(moves) if after <= call.begun)
        meanwhile = {to for before, _, to in moves[since + 1 :] if before <= call.ended}
        assert number in {moves[since][2], *meanwhile}, "asked after a move, answered by the old"


@pytest.fixture
def asker() -> Iterator[Any]:
    """A process of its own that holds a network and answers line by line."""
    running: list[subprocess.Popen[str]] = []

    def start(slug: str) -> Any:
        words = ["-m", "django", "predict", slug, "--language", "wo"]
        there = os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings", "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(
            [sys.executable, *words],
            cwd=ROOT,
            env=there | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        running.append(process)

        def ask(text: str) -> Any:
            assert process.stdin
            assert process.stdout
            process.stdin.write(f"{text}\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        return ask

    yield start
    for process in running:
        process.communicate(timeout=60)


@pytest.mark.skipif(
    connection.vendor != "sqlite", reason="the process joins the test's SQLite file"
)
def test_a_process_that_holds_the_old_network_notices_within_five_seconds(
    asker: Any, tmp_path: Path
) -> None:
    campaign = make_campaign()
    folders = [tmp_path / "one", tmp_path / "two"]
    for seed, folder in enumerate(folders, 1):
        network = Starter.fresh(LABELS, seed=seed)
        network.prepare(TEXTS, TAGS)
        for parameter in network.trainable():
            parameter.data += seed * torch.randn(parameter.shape)
        network.save(folder)
    versions = two_versions(campaign, folders)
    text = TEXTS[0]
    expected = {
        v.number: answer_with(v, texts=[text], languages=["wo"])[0].probabilities for v in versions
    }
    ask = asker(campaign.slug)
    assert ask(text)["version"] == 2
    for version in (versions[0], versions[1], versions[0]):
        rollback(campaign, to_version=version, actor=None, reason="for the test")
        begun = time.monotonic()
        found = ask(text)
        assert time.monotonic() - begun < 5
        assert (found["version"], found["digest"]) == (version.number, version.digest)
        assert found["probabilities"] == pytest.approx(expected[version.number], abs=1e-4)
