"""The anchor: the best ever released by what the gate goes by, and the same one at every look."""

import pytest

from learning.actions.serving import deploy
from tests.make import make_gold
from tests.training.test_gold_calls import NOW, TEXTS, add_run, make_run
from training.actions import gates
from training.models import Evaluation

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_networks")]


def measured(version, digest, *, accuracy, macro_f1):
    home = version.campaign.languages.get()
    Evaluation.objects.create(
        version=version,
        language=home.language,
        gold_digest=digest,
        items=9,
        accuracy=accuracy,
        macro_f1=macro_f1,
        answers={},
    )


def best_of(check):
    numbers = {one["check"]: one["numbers"] for one in check.detail["findings"]}
    return numbers["the best ever released"]


def test_gold_shares_its_risk_among_all_candidates_that_it_holds_against_a_best_that_left():
    campaign, first = make_run(gold=20)
    other = first.candidate
    deploy(campaign, version=other, kind="promotion", reason="better")
    measured(other, "0", accuracy=1.1, macro_f1=0.6)
    told = []
    for number in (2, 3, 4):
        if number == 3:
            deploy(campaign, version=first.base, kind="rollback", reason="it answers faster")
            measured(other, "1", accuracy=1.1, macro_f1=0.6)
            other = first.base
        run = add_run(campaign, other, seed=number, number=number)
        told.append(best_of(gates.judge(run.pk, now=NOW).checks.get()))
    # While the best itself serves nothing adds up.
    assert [one.get("asked") for one in told] == [None, 1, 2]
    assert told[1]["alpha"] == pytest.approx(2 * told[2]["alpha"])


@pytest.mark.parametrize(("metric", "best"), [("accuracy", 0), ("macro-f1", 1)])
def test_anchor_is_the_best_by_what_the_gate_goes_by_and_stays_it(metric, best):
    campaign, first = make_run(gold=20, gate_metric=metric)
    other = first.candidate
    deploy(campaign, version=other, kind="promotion", reason="better")
    deploy(campaign, version=first.base, kind="rollback", reason="it was better before")
    measured(first.base, "1", accuracy=0.9, macro_f1=0.3)
    measured(other, "1", accuracy=0.6, macro_f1=0.6)
    run = add_run(campaign, first.base, seed=3, number=2)
    gate = gates.judge(run.pk, now=NOW)
    (check,) = gate.checks.all()
    assert gate.verdict == "HOLD"
    assert check.anchor == (first.base, other)[best]
    # Another one looks better than any can be; what a candidate is held against does not move under it.
    measured((other, first.base)[best], "2", accuracy=1.1, macro_f1=1.1)
    for n in range(check.items_missing):
        make_gold(campaign, "wo", text=TEXTS[100 + n])
    again = gates.judge(run.pk, now=NOW)
    assert again.look == 2
    assert again.checks.get().anchor == check.anchor
