"""Gold that arrives while a candidate is measured is no verdict, and what is away is waited for."""

import pytest
from django.db import OperationalError

from annotation.errors import TransientError
from learning.models import Round
from tests.make import make_gold
from tests.training.test_gold_calls import NOW, TEXTS, make_run
from training.actions import comparing, cycle, gates
from training.actions.comparing import MOST_MEASURES, GoldMovedError
from training.models import GateRun

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_networks")]


def arriving(monkeypatch, campaign, *, times):
    """Have one more gold text come in before each of so many measurements of a version."""
    real, left = comparing.evaluate, iter(TEXTS[-times:])

    def evaluate(version, **over):
        if text := next(left, ""):
            make_gold(campaign, "wo", text=text)
        return real(version, **over)

    monkeypatch.setattr(comparing, "evaluate", evaluate)


def test_gold_that_arrives_meanwhile_is_measured_too(monkeypatch):
    campaign, run = make_run(gold=20)
    arriving(monkeypatch, campaign, times=2)
    gate = gates.judge(run.pk, now=NOW)
    assert gate.verdict == "HOLD"
    assert gate.checks.get().items == 22


def test_gold_that_never_stands_still_is_no_verdict_and_is_waited_for(monkeypatch):
    campaign, run = make_run(gold=20)
    with monkeypatch.context() as patch:
        arriving(patch, campaign, times=2 * MOST_MEASURES)
        with pytest.raises(GoldMovedError, match="gold of wo changed"):
            gates.judge(run.pk, now=NOW)
    assert not GateRun.objects.exists()
    assert gates.judge(run.pk, now=NOW).verdict == "HOLD"


@pytest.mark.parametrize("error", [TransientError("No answer."), OperationalError("No answer.")])
def test_a_storage_that_is_away_while_it_is_judged_costs_neither_round_nor_campaign(
    monkeypatch, error
):
    campaign, run = make_run(gold=20)
    Round.objects.filter(pk=run.round_id).update(status="judging")

    def away(*_args, **_over):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(gates, "compare", away)
        for _ in range(cycle.MOST_JUDGINGS + 1):
            assert gates.try_to_judge(run.pk, now=NOW) is None
            works = cycle.advance(campaign, now=NOW)
            assert [work.task for work in works] == ["training.tasks.judge"]
    run.refresh_from_db()
    assert run.judgings == 0
    assert run.error.startswith("Waiting for storage: ")
    campaign.refresh_from_db()
    assert (campaign.status, campaign.rounds.get().status) == ("running", "judging")
    assert gates.try_to_judge(run.pk, now=NOW).verdict == "HOLD"
    run.refresh_from_db()
    assert run.error == ""
