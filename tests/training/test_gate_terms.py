"""What a gate goes by, from the first look at a candidate to the last, and who may change it."""

import io
import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction

from annotation.errors import ConflictError, VernacularError
from annotation.methods.texts import glued
from annotation.models import Campaign, GoldItem, Item, Label
from learning.actions.serving import serving_version
from learning.models import ModelVersion
from tests.make import make_gold, make_sample, make_user
from tests.training.test_gold_calls import (
    NOW,
    TEXTS,
    add_run,
    answer,
    held,
    make_pool,
    make_run,
    said_by,
)
from training.actions import compressions, gates
from training.actions.cases import add_case
from training.actions.comparisons import compare_measured
from training.actions.datasets import refuse_gold
from training.actions.evaluation import evaluate
from training.actions.gate_settings import agree_to, change_gate, open_wish
from training.actions.gold_answers import tend_elsewhere
from training.actions.gold_calls import call_for_gold
from training.actions.gold_marks import GoldMarks
from training.actions.maintenance import declare_maintenance
from training.models import Evaluation, GateChange, SnapshotRow, TrainingRun

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_networks")]

OTHERS = {
    "margin": "0.010",
    "gate_metric": "macro-f1",
    "gate_looks": 1,
    "parity_blocks": True,
    "strict_calibration": True,
    "case_rule": "report",
}


def test_another_answer_in_the_development_gold_is_another_temperature():
    """As many items as before, and yet not the same gold: nothing that was fitted on it is kept."""
    campaign, run = make_run(gold=20)
    # The first version says the same of everything, so its temperature has nothing to hold on to.
    version = add_run(campaign, run.base, seed=3, number=2, strange=True).candidate
    gold = [make_gold(campaign, "wo", "accounts", "dev", text=f"dev {text}") for text in TEXTS[:30]]
    (before,) = evaluate(version, campaign=campaign)
    heat = version.temperatures.get().value
    other = Label.objects.get(campaign=campaign, key="dates")
    GoldItem.objects.filter(pk__in=[one.pk for one in gold[:20]]).update(label=other)
    (after,) = evaluate(version, campaign=campaign)
    fitted = version.temperatures.get()
    assert fitted.gold == 30
    assert fitted.value != heat
    assert (after.gold_digest, after.fitted_on) == (before.gold_digest, fitted.fitted_on)
    assert before.fitted_on != after.fitted_on
    assert evaluate(version, campaign=campaign) == [after]
    assert Evaluation.objects.filter(version=version).count() == 2


def test_terms_of_the_first_look_hold_for_all_looks():
    campaign, run, first = held(gold=60)
    for text in TEXTS[100:300]:
        make_gold(campaign, "wo", text=text)
    Campaign.objects.filter(pk=campaign.pk).update(**OTHERS)
    second = gates.judge(run.pk, now=NOW)
    assert second.look == 2
    assert second.terms == first.terms
    assert first.terms["case_rule"] == "block"
    for name in ("margin", "metric", "looks", "alpha"):
        assert getattr(second, name) == getattr(first, name)
    # What another door changed is found when a candidate is judged by it for the first time.
    gates.judge(add_run(campaign, run.base, seed=5, number=2).pk, now=NOW)
    found = campaign.gate_changes.first()
    assert (found.actor, found.before["case_rule"], found.after["case_rule"]) == (
        None,
        "block",
        "report",
    )


def test_no_run_fails_because_of_a_case_and_the_next_snapshot_goes_without_its_like():
    campaign, run = make_run(gold=0)
    sample = make_sample(campaign, "wo", "The password was changed for all of you.")
    SnapshotRow.objects.create(
        snapshot=run.snapshot, sample=sample, target=[1, 0, 0], weight=1, fresh=True, revisions=[]
    )
    keys = run.base.manifest["labels"]
    add_case(campaign, tag="wo", text="the PASSWORD was changed, for all of you", expected=keys[:1])
    refuse_gold(run.snapshot, marks=GoldMarks.binding(campaign))
    assert GoldMarks.of(campaign).near(sample)
    make_gold(campaign, "wo", text="the password was changed for all of YOU")
    with pytest.raises(ConflictError, match="1 training samples are gold"):
        refuse_gold(run.snapshot, marks=GoldMarks.binding(campaign))


def test_a_premise_of_gold_is_not_learned_beside_another_hypothesis():
    campaign, _run = make_run(gold=0)
    premise, short = "The password was changed for all of you.", "Save"
    make_gold(campaign, "wo", text=glued([premise, short]))
    shared = make_sample(campaign, "wo", glued([premise.upper(), "Nobody can come in any more."]))
    other = make_sample(campaign, "wo", glued(["Something that was never said before.", short]))
    marks = GoldMarks.binding(campaign)
    assert [marks.near(shared), marks.near(other)] == [True, False]


def test_a_case_that_the_candidate_learned_is_told_as_such_and_decides_nothing():
    campaign, first = make_run(gold=0, case_rule="block")
    run = add_run(campaign, first.base, seed=3, number=2, strange=True)
    keys = run.base.manifest["labels"]
    worse = [t for t in TEXTS if said_by(run.candidate, t) != said_by(run.base, t)][:2]
    for text in worse:
        add_case(campaign, tag="wo", text=text, expected=[keys[said_by(run.base, text)]])
    sample = make_sample(campaign, "wo", f"{worse[0].upper()}!")
    SnapshotRow.objects.create(
        snapshot=run.snapshot, sample=sample, target=[1, 0, 0], weight=1, fresh=True, revisions=[]
    )
    gate = gates.judge(run.pk, now=NOW)
    told = {check.case.text: (check.learned, check.broken) for check in gate.case_checks.all()}
    assert told == {worse[0]: (True, False), worse[1]: (False, True)}
    said = next(one for one in gate.record["pooled"] if one["check"] == "cases")
    assert said["sentence"].startswith("1 of 1 regression cases got worse")
    assert "1 of 2 is no evidence: the candidate has learned the text" in said["sentence"]


def test_a_wider_margin_takes_two_admins_and_every_change_is_kept():
    campaign, _ = make_run(gold=0)
    one, two = (make_user(n, staff=True, is_superuser=True) for n in ("ada", "bo"))
    values = {"margin": Decimal("0.05"), "case_rule": "hold"}
    rows = change_gate(campaign, values=values, actor=one, now=NOW)
    assert [row.wish for row in rows] == [False, True]
    campaign.refresh_from_db()
    assert (str(campaign.margin), campaign.case_rule) == ("0.030", "hold")
    assert len(change_gate(campaign, values=values, actor=one, now=NOW)) == 1
    wish = open_wish(campaign)
    with pytest.raises(VernacularError, match="takes two admins"):
        agree_to(wish, actor=one, now=NOW)
    with pytest.raises(VernacularError, match="Only an admin"):
        agree_to(wish, actor=make_user("sam", staff=True), now=NOW)
    done = agree_to(wish, actor=two, now=NOW)
    assert agree_to(wish, actor=two, now=NOW) == done
    campaign.refresh_from_db()
    assert (str(campaign.margin), open_wish(campaign)) == ("0.050", None)
    kept = list(GateChange.objects.order_by("number").values_list("number", "actor", "wish"))
    assert kept == [(1, None, False), (2, one.pk, False), (3, one.pk, True), (4, two.pk, False)]
    for statement in (
        "UPDATE training_gatechange SET number = 9",
        "DELETE FROM training_gatechange",
    ):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            connection.cursor().execute(statement)


def test_maintenance_is_declared_with_a_name_before_the_gate_looks():
    campaign, run = make_run(gold=150)
    with pytest.raises(VernacularError, match="needs a name and a reason"):
        declare_maintenance(run, name="Noor", reason=" ", now=NOW)
    said = declare_maintenance(run, name="Noor", reason="a library changed", now=NOW)
    assert declare_maintenance(run, name="Noor", reason="a library changed", now=NOW) == said
    gate = gates.judge(run.pk, now=NOW)
    assert gate.verdict == "PASS"  # nothing changed, which is no reason for an ordinary update
    assert "It is declared maintenance: Noor: a library changed." in [
        one["sentence"] for one in gate.record["pooled"]
    ]
    late = add_run(campaign, run.base, seed=1, number=2)
    assert gates.judge(late.pk, now=NOW).verdict == "HOLD"
    with pytest.raises(ConflictError, match="was judged already"):
        declare_maintenance(late, name="Noor", reason="a library changed", now=NOW)


@pytest.mark.parametrize("status", ["paused", "finished"])
def test_what_is_held_is_looked_at_again_where_the_loop_stands_still(status):
    campaign, run = make_run(gold=140)
    TrainingRun.objects.filter(pk=run.pk).update(
        kind="quantise", round=None, settings={"maintenance": "smaller"}
    )
    gate = gates.judge(run.pk, now=NOW)
    missing = gate.checks.get().items_missing
    make_pool(campaign, missing)
    Campaign.objects.filter(pk=campaign.pk).update(status=status)
    compressions.due_compressions(now=NOW)
    if status == "paused":
        items = list(Item.objects.filter(kind="candidate"))
        assert len(items) == missing
        assert [w.task for w in tend_elsewhere(now=NOW)] == ["annotation.tasks.push"]
        for item in items:
            answer(item, "awa", "dates")
            answer(item, "inti", "dates")
    else:  # nobody is asked in a campaign that is over; gold is brought in
        assert call_for_gold(gate) == []
        assert tend_elsewhere(now=NOW) == []
        for text in TEXTS[100 : 100 + missing]:
            make_gold(campaign, "wo", text=text)
    works = [w for w in tend_elsewhere(now=NOW) if w.task.endswith("judge")]
    assert [w.kwargs for w in works] == [{"run_id": run.pk}]
    assert gates.try_to_judge(run.pk, now=NOW).verdict == "PASS"
    compressions.due_compressions(now=NOW + timedelta(minutes=1))
    assert serving_version(campaign) == run.candidate


def test_two_versions_are_compared_with_an_interval_in_what_the_gate_goes_by():
    campaign, first = make_run(gold=0, gate_metric="macro-f1")
    run = add_run(campaign, first.base, seed=3, number=2, strange=True)
    for n, text in enumerate(TEXTS[:60]):
        make_gold(campaign, "wo", ("accounts", "dates", "admin")[n % 3], text=text)
    told = io.StringIO()
    call_command("compare", campaign.slug, "1", str(run.candidate.number), "--json", stdout=told)
    (row,) = json.loads(told.getvalue())["languages"]
    said = row["macro_f1"]
    assert said["value"] == pytest.approx(row["b_macro_f1"] - row["a_macro_f1"], abs=1e-6)
    assert said["low"] < said["value"] < said["high"]
    assert said["high"] - said["low"] < 0.5
    assert compare_measured(run.base, run.candidate).rows[0].f1.value == pytest.approx(
        said["value"]
    )
    Campaign.objects.filter(pk=campaign.pk).update(gate_metric="accuracy")
    a, b = ModelVersion.objects.filter(pk__in=(run.base_id, run.candidate_id))
    assert compare_measured(a, b).rows[0].f1.value is None
