"""Runtimes: the quickest arithmetic is taken only if it says what float32 says."""

import ctypes
import json
import resource
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from learning import inference
from learning.actions.versions import register_version
from learning.inference import answers_of, logits_of, mc_probabilities, runtime_of
from learning.networks import encoder, runtimes
from learning.networks.chance import by_chance, thinned
from learning.networks.opening import open_network
from learning.networks.runtimes import FLOAT32, INT8, choose, compared, recast
from learning.networks.starter import Starter
from tests.learning.encoders import tiny_encoder
from tests.make import make_campaign

LABELS = ("yes", "no", "maybe")
TEXTS = [" ".join("abcdefghij"[n % 7 :: 1 + n % 3]) * (1 + n % 4) for n in range(240)]
TAGS = ["wo"] * len(TEXTS)


def network(place: Path, *, kind: str = "xlm-roberta"):
    """An encoder whose answers lie well apart, as those of one that was taught do."""
    found = open_network(str(tiny_encoder(place, kind=kind)), labels=LABELS, seed=1)
    with torch.no_grad():
        for name, parameter in found.module.named_parameters():
            if "classifier" in name:
                parameter.mul_(40)
    return found


def answered(network, texts, tags):
    found, vectors = np.zeros((len(texts), 3)), np.zeros((len(texts), 32))
    for rows, logits, embeddings in runtimes.answers(
        network, network.packed(texts, tags, device="cpu"), device="cpu"
    ):
        found[rows], vectors[rows] = logits, embeddings
    return found, vectors


@pytest.mark.parametrize("kind", ["bert", "xlm-roberta"])
def test_one_pass_gives_what_two_would(tmp_path: Path, kind: str) -> None:
    net = network(tmp_path, kind=kind)
    texts = ["a b c", "d", "e f g h i j k l"]
    with torch.no_grad():
        batch = net.collate(texts, TAGS[:3])
        right = net.logits(batch).numpy(), net.embed(batch).numpy()
    for told, expected in zip(answered(net, texts, TAGS[:3]), right, strict=True):
        np.testing.assert_allclose(told, expected, atol=1e-5)


def test_batches_hold_about_as_many_tokens_and_every_text_once(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(encoder.TOKENS, "cpu", 64)
    net = network(tmp_path)
    packed = list(net.packed(TEXTS, TAGS, device="cpu"))
    assert sorted(np.concatenate([rows for rows, _ in packed])) == list(range(len(TEXTS)))
    for rows, batch in packed:
        assert batch["input_ids"].numel() <= 64 or len(rows) == 1
        padding = 1 - batch["attention_mask"].float().mean().item()
        assert padding < 0.5
        one = net.collate([TEXTS[i] for i in rows], ["wo"] * len(rows))
        assert torch.equal(one["input_ids"], batch["input_ids"])


def test_int8_is_taken_when_it_is_quicker_and_agrees(tmp_path: Path, monkeypatch) -> None:
    net = network(tmp_path)
    timed = runtimes._timed
    speeds = iter([1.0, 9.0])
    monkeypatch.setattr(runtimes, "_timed", lambda *a, **k: (timed(*a, **k)[0], next(speeds)))
    best, trials = choose(net, texts=TEXTS, languages=TAGS, device="cpu", runtimes=(INT8,))
    assert [trial.runtime for trial in trials] == [FLOAT32, INT8]
    assert trials[1].agreement >= 0.995
    assert 0 < trials[1].worst <= 0.05
    assert best == INT8


@pytest.mark.parametrize("harm", ["another", "noise", "nan"])
def test_quick_runtime_that_says_something_else_is_refused(tmp_path, monkeypatch, harm) -> None:
    net = network(tmp_path)

    def spoilt(module):
        import copy

        other = copy.deepcopy(module)
        with torch.no_grad():
            for name, parameter in other.named_parameters():
                if "classifier.out_proj.weight" in name:
                    if harm == "another":
                        parameter.copy_(parameter.flip(0))
                    else:
                        parameter.add_(
                            torch.randn_like(parameter) * 20 if harm == "noise" else torch.nan
                        )
        return other

    monkeypatch.setattr(runtimes, "_rounded", spoilt)
    speeds = iter([1.0, 9.0])
    timed = runtimes._timed
    monkeypatch.setattr(runtimes, "_timed", lambda *a, **k: (timed(*a, **k)[0], next(speeds)))
    best, trials = choose(net, texts=TEXTS, languages=TAGS, device="cpu", runtimes=(INT8,))
    assert best == FLOAT32
    assert not trials[1].accepted


def test_same_labels_with_other_margins_are_refused_too() -> None:
    exact = np.random.default_rng(0).normal(size=(400, 3)) * 3
    assert compared("x", exact=exact, told=exact + 1e-3, texts_per_second=1).accepted
    flatter = compared("x", exact=exact, told=exact * 0.8, texts_per_second=1)
    assert flatter.agreement == 1.0
    assert not flatter.accepted


def test_flip_counts_only_where_float32_had_decided() -> None:
    exact = np.zeros((400, 2))
    exact[:, 0] = np.linspace(0.0, 6.0, 400)
    exact[:3, 0] = 0.01  # gaps of .005: tied
    tied = exact.copy()
    tied[:3] = tied[:3, ::-1]
    found = compared("x", exact=exact, told=tied, texts_per_second=1)
    assert (found.agreement, found.decided) == (397 / 400, 1.0)
    assert found.accepted
    decided = exact.copy()
    decided[20:23] = decided[20:23, ::-1]  # gaps of .15 and more
    assert compared("x", exact=exact, told=decided, texts_per_second=1).decided == 397 / 400


def test_other_texts_in_doubt_are_another_selection() -> None:
    gaps = np.concatenate([np.full(80, 0.10), np.full(320, 0.13)])
    told = np.concatenate(
        [np.full(20, 0.135), np.full(60, 0.10), np.full(20, 0.12), np.full(300, 0.13)]
    )
    exact, other = (np.stack([np.log(1 + g), np.log(1 - g)], axis=1) for g in (gaps, told))
    found = compared("x", exact=exact, told=other, texts_per_second=1)
    assert found.agreement == 1.0
    assert found.margins < 0.01
    assert found.overlap == 0.75
    assert not found.accepted


def test_runtime_that_this_machine_cannot_is_passed_over(tmp_path: Path, monkeypatch) -> None:
    def cannot(module):
        raise RuntimeError("no such kernel")

    monkeypatch.setattr(runtimes, "_rounded", cannot)
    net = network(tmp_path)
    best, trials = choose(net, texts=TEXTS[:8], languages=TAGS[:8], device="cpu", runtimes=(INT8,))
    assert (best, len(trials)) == (FLOAT32, 2)


def test_layers_are_given_the_memory_that_was_freed_before() -> None:
    if not hasattr(ctypes.CDLL(None), "mallopt"):
        pytest.skip("this C library decides for itself")
    runtimes.keep_memory()

    def layer() -> None:
        torch.empty(512, 3072).fill_(1.0).mul(2.0).add(1.0)

    layer()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        layer()
    # Three tables of 6 MB, ten times over, are 46,000 pages.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before < 10_000


def test_starter_has_one_arithmetic() -> None:
    starter = Starter.fresh(LABELS)
    assert runtimes.runtimes_of(starter, device="cpu", many=True) == ()
    assert recast(starter, INT8) is starter


@pytest.fixture
def version(tmp_path: Path, settings):
    settings.VAR_DIR, settings.WEIGHTS_DIR = tmp_path / "var", tmp_path / "weights"
    settings.ENV = SimpleNamespace(device="cpu", torch_threads=0, runtime="auto")
    folder = tmp_path / "stored"
    network(tmp_path / "hub").save(folder)
    inference._networks.clear()
    yield register_version(
        make_campaign(labels=LABELS), folder=folder, network="e", base=None, manifest={}
    )
    inference._networks.clear()


@pytest.mark.django_db
def test_probe_runs_once_and_its_findings_are_kept(version, settings, monkeypatch) -> None:
    asked = []

    def texts():
        asked.append(1)
        return list(zip(TEXTS, TAGS, strict=True))

    assert runtime_of(version, samples=100, probe=texts) == FLOAT32
    assert not asked  # so few are done sooner than a probe
    first = runtime_of(version, samples=100_000, probe=texts)
    assert runtime_of(version, samples=100_000, probe=texts) == first
    assert len(asked) == 1
    (findings,) = (settings.VAR_DIR / "runtimes").glob("*.json")
    told = json.loads(findings.read_text())
    assert told["runtime"] == first
    assert told["trials"][0]["runtime"] == FLOAT32
    findings.write_text("{")
    assert runtime_of(version, samples=100_000, probe=texts) in {FLOAT32, INT8, "bfloat16"}
    assert len(asked) == 2
    settings.ENV.runtime = INT8
    assert runtime_of(version, samples=1, probe=texts) == INT8


@pytest.mark.django_db
def test_answers_in_int8_are_those_of_float32_but_for_digits(version) -> None:
    exact = logits_of(version, texts=TEXTS, languages=TAGS)
    told = np.zeros_like(exact)
    for part in answers_of(version, texts=TEXTS, languages=TAGS, runtime=INT8):
        told[part.rows] = part.logits
    assert not np.array_equal(told, exact)
    assert compared(INT8, exact=exact, told=told, texts_per_second=1.0).accepted


@pytest.mark.django_db
def test_chance_scatters_opinions_the_same_way_for_the_same_seed(version) -> None:
    ask = {"texts": TEXTS[:20], "languages": TAGS[:20], "passes": 5}
    one = mc_probabilities(version, **ask, seed=1)
    assert one.shape == (20, 5, 3)
    np.testing.assert_allclose(one.sum(axis=2), 1, atol=1e-5)
    assert np.array_equal(one, mc_probabilities(version, **ask, seed=1))
    assert not np.array_equal(one, mc_probabilities(version, **ask, seed=2))
    assert one.std(axis=1).max() > 1e-3
    before = logits_of(version, texts=TEXTS[:5], languages=TAGS[:5])
    mc_probabilities(version, **ask, seed=1)
    assert np.array_equal(before, logits_of(version, texts=TEXTS[:5], languages=TAGS[:5]))


def test_starter_leaves_out_features_of_the_text_by_chance() -> None:
    starter = Starter.fresh(LABELS)
    starter.prepare(TEXTS[:6], TAGS[:6])
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in starter.trainable():
            parameter.copy_(torch.randn_like(parameter))
    batch = starter.collate(TEXTS[:6], TAGS[:6])

    def told(seed: int) -> torch.Tensor:
        with by_chance(starter, seed=seed), torch.no_grad():
            return starter.logits(thinned(batch))

    assert torch.equal(told(1), told(1))
    assert not torch.equal(told(1), told(2))
    with torch.no_grad():
        whole = starter.logits(batch)
    many = torch.stack([told(seed) for seed in range(200)])
    assert (many.mean(dim=0) - whole).abs().max() < 0.5 * many.std(dim=0).max()
