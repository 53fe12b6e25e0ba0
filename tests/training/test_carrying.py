"""What a run leaves for the next: logits with its rows, the optimizer's state with its version."""

import pytest
from django.core.management import CommandError, call_command

from annotation.models import Annotation, Consensus
from learning.actions.rounds import open_round
from learning.actions.serving import serving_version
from learning.models import Round
from tests.training.test_runs import answered, make_run, train
from tests.training.wheel import Now
from training.actions import gates
from training.actions.carrying import carried_path, read_carried, stored_logits
from training.actions.promotion import promote
from training.actions.runs import open_run
from training.models import GateRun, SnapshotRow, TrainingRun

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_networks")]


def promoted(run):
    done = train(run)
    assert done.status == "finished", done.error
    gate = gates.judge(done.pk, now=Now())
    GateRun.objects.filter(pk=gate.pk).update(verdict="PASS")
    gate.refresh_from_db()
    promote(gate)
    return done


def next_run(campaign):
    Round.objects.filter(campaign=campaign).update(status="closed")
    round_ = open_round(campaign, now=Now())
    Round.objects.filter(pk=round_.pk).update(status="collecting")
    return open_run(round_, now=Now())


def test_logits_of_a_corrected_or_withdrawn_answer_are_not_held_to():
    run = promoted(make_run())
    rows = {row.sample_id: row for row in SnapshotRow.objects.filter(snapshot=run.snapshot)}
    assert all(row.logits and len(row.logits) == 3 for row in rows.values())
    corrected, withdrawn, turned, *others = rows
    Annotation.objects.filter(item__sample=corrected).update(revision=2)
    told = Consensus.objects.get(sample=corrected)
    Consensus.objects.filter(pk=told.pk).update(
        revisions=[[told.revisions[0][0], 2]], people=told.people[::-1]
    )
    Annotation.objects.filter(item__sample=withdrawn).update(state="deleted")
    # The answer stands, but what people are taken to have meant by it has changed.
    said = Consensus.objects.get(sample=turned).people
    Consensus.objects.filter(sample=turned).update(people=[said[1], said[2], said[0]])
    answered(run.campaign, text="admin1 fresh")
    again = next_run(run.campaign)
    now = {row.sample_id: row for row in SnapshotRow.objects.filter(snapshot=again.snapshot)}
    assert withdrawn not in now
    assert now[corrected].fresh
    assert not now[turned].fresh
    assert all(row.logits is None for row in now.values())
    assert stored_logits(again) == {sample: rows[sample].logits for sample in others}
    assert train(again).status == "finished"


def test_optimizer_goes_on_from_version_to_version_and_its_loss_is_no_harm():
    run = promoted(make_run())
    assert {"0.exp_avg", "1.exp_avg_sq", "0.step"} <= set(read_carried(run.candidate))
    answered(run.campaign, text="admin1 fresh")
    again = train(next_run(run.campaign))
    steps = [float(read_carried(done.candidate)["0.step"]) for done in (run, again)]
    assert steps[1] == steps[0] + again.steps_total

    path = carried_path(again.base)
    path.write_bytes(path.read_bytes()[:50])
    TrainingRun.objects.filter(pk=again.pk).update(status="queued", candidate=None)
    warmed = train(again)
    assert float(read_carried(warmed.candidate)["0.step"]) == again.steps_total
    assert serving_version(run.campaign) == run.candidate
    # From the one that was passed over nobody will start; its state is gone.
    assert not carried_path(again.candidate).exists()


def test_what_a_gate_holds_keeps_its_optimizer_until_it_can_serve_no_more():
    run = promoted(make_run())
    answered(run.campaign, text="admin1 fresh")
    held = train(next_run(run.campaign))
    gate = gates.judge(held.pk, now=Now())
    GateRun.objects.filter(pk=gate.pk).update(verdict="HOLD", looks=3)
    answered(run.campaign, text="admin2 fresh")
    third = train(next_run(run.campaign))
    assert read_carried(held.candidate)
    # Its looks are used up: nobody will start from it.
    GateRun.objects.filter(pk=gate.pk).update(looks=1)
    TrainingRun.objects.filter(pk=third.pk).update(status="queued", candidate=None)
    train(third)
    assert not carried_path(held.candidate).exists()


def test_campaign_is_trained_by_the_recipe_that_was_asked_for(capsys):
    run = make_run()
    slug = run.campaign.slug
    with pytest.raises(CommandError, match=r"no method called 'magic'.*update, naive"):
        call_command("set_recipe", slug, "method=magic")
    with pytest.raises(CommandError, match=r"no setting called epoch.*epochs"):
        call_command("set_recipe", slug, "epoch=2")
    call_command("set_recipe", slug, "method=er", "epochs=2", "lean=1")
    call_command("set_recipe", slug, "lean=")
    assert capsys.readouterr().out.endswith("epochs=2\nmethod=er\n")
    run.campaign.refresh_from_db()
    run = next_run(run.campaign)
    made = train(run).candidate.manifest["recipe"]
    assert (made["method"], made["epochs"]) == ("er", 2)


def test_recipe_that_went_wrong_elsewhere_fails_the_run_with_a_sentence():
    run = make_run()
    TrainingRun.objects.filter(pk=run.pk).update(settings={"method": "magic"})
    assert "no method called 'magic'" in train(run).error
