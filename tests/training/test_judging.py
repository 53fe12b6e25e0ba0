"""Nothing that judges a model may rest on labels that the model or the aggregator made."""

from collections.abc import Callable
from typing import Any

import pytest

from annotation.actions.judging import CircularEvidenceError, judging
from annotation.models import Consensus
from learning.actions import audits
from tests.make import make_campaign, make_gold
from tests.training.test_gold_calls import make_run
from training.actions import calibrations, comparing, evaluation
from training.models import SnapshotRow

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_networks")]


def test_consensus_is_closed_to_whoever_judges_and_open_again_afterwards() -> None:
    make_campaign()
    with judging(), pytest.raises(CircularEvidenceError):
        Consensus.objects.exists()
    with judging(), pytest.raises(CircularEvidenceError):
        make_campaign(slug="other").samples.filter(consensus__confidence__gt=0.5).exists()
    assert not Consensus.objects.exists()


def test_what_people_alone_agreed_on_may_sharpen_gold_and_what_used_the_model_may_not() -> None:
    with judging(beside_people=True):
        assert list(Consensus.objects.values_list("people", flat=True)) == []
        with pytest.raises(CircularEvidenceError):
            list(Consensus.objects.values_list("with_model", flat=True))


def peek(*_args: object, **_over: object) -> Any:
    """Read the closed table where gold should be read."""
    return list(Consensus.objects.values_list("people", "with_model"))


def test_every_judge_is_stopped_who_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    campaign, run = make_run(gold=20)
    version, home = run.candidate, campaign.languages.first()
    judges: list[tuple[Any, str, Callable[[], object]]] = [
        (evaluation, "_gold", lambda: evaluation.evaluate(version, campaign=campaign)),
        (
            evaluation,
            "digest_of",
            lambda: evaluation.fit_version_temperatures(version, campaign=campaign),
        ),
        (evaluation, "_gold", lambda: evaluation.dev_measure(campaign, beat=lambda: None)),
        (
            comparing,
            "gold_of",
            lambda: comparing.compare(run, candidate=version, champion=run.base, metric="accuracy"),
        ),
        (
            audits,
            "people_on_gold",
            lambda: audits.audited_accuracy(version, home=home, right={1: True}, best={1: 0}),
        ),
    ]
    for module, inner, judge in judges:
        with monkeypatch.context() as patched:
            patched.setattr(module, inner, peek)
            with pytest.raises(CircularEvidenceError):
                judge()


def test_labels_that_a_run_learned_are_closed_too_and_what_it_learned_of_is_not() -> None:
    for beside_people in (False, True):
        with judging(beside_people=beside_people):
            assert list(SnapshotRow.objects.values_list("sample", "fresh", "weight")) == []
            with pytest.raises(CircularEvidenceError):
                list(SnapshotRow.objects.values_list("target", flat=True))
            with pytest.raises(CircularEvidenceError):
                list(SnapshotRow.objects.all())
    assert list(SnapshotRow.objects.all()) == []


def test_whoever_measures_a_network_in_training_is_stopped_long_after_it_began(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    campaign = make_run(gold=0)[0]
    make_gold(campaign, "wo", "accounts", "dev", text="a text")
    monkeypatch.setattr("learning.inference.network_logits", peek)
    measure = evaluation.dev_measure(campaign, beat=lambda: None)
    with pytest.raises(CircularEvidenceError):
        measure(None)


class Peeking(list[Any]):
    """Gold that is a look into the closed table."""

    def __iter__(self) -> Any:
        return iter(peek())


def test_calibration_is_no_exception() -> None:
    version = make_run(gold=20)[1].candidate
    with pytest.raises(CircularEvidenceError):
        calibrations.fit_calibrations(version, golds=Peeking(), outputs={}, temperatures={})
    with pytest.raises(CircularEvidenceError):
        calibrations.check_calibrations(version, golds=Peeking(), evaluations=[])
