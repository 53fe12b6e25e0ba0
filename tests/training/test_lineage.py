"""From an answer to every version that learned from it, and what happens when it is taken back."""

import pytest
from celery import current_app
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotation.actions.answers import store
from annotation.actions.consensus import refit, stale_languages
from annotation.errors import ConflictError
from annotation.gateways import DeskAnnotation
from annotation.models import Annotation, Consensus, GoldItem, Reliability, Source
from learning.actions.rounds import open_round
from learning.actions.versions import register_version
from learning.models import Deployment, ModelParent, Round
from tests.make import make_annotator
from tests.training.test_runs import answered, make_run, train
from tests.training.wheel import Now
from training.actions.datasets import take_snapshot
from training.actions.estimates import due_estimates
from training.actions.lineage import (
    Family,
    answers_of,
    tainted,
    versions_of_annotator,
    versions_with,
)
from training.actions.runs import open_run
from training.actions.withdrawals import Wish, preview_withdrawal, withdraw
from training.models import (
    GateRun,
    GoldCall,
    GoldCandidate,
    LearnedAnswer,
    SnapshotRow,
    TrainingRun,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_networks")]


def numbers(versions):
    return [version.number for version in versions]


def deploy(campaign, version, number):
    Deployment.objects.create(
        campaign=campaign, number=number, version=version, kind="promotion", reason="for the test"
    )


def next_run(campaign, *, texts):
    for text in texts:
        answered(campaign, text=text)
    Round.objects.filter(campaign=campaign).update(status="closed", closed_at=Now())
    round_ = open_round(campaign, now=Now())
    Round.objects.filter(pk=round_.pk).update(status="collecting")
    run = open_run(round_, now=Now())
    assert run
    return run


@pytest.fixture
def two_rounds():
    """Version 2 learned the first answers and serves; version 3 came from it and learned more."""
    first = train(make_run(rows=6))
    deploy(first.campaign, first.candidate, 2)
    second = train(next_run(first.campaign, texts=["dates1 later"]))
    assert (first.candidate.number, second.candidate.number) == (2, 3)
    return first, second


def test_an_answer_leads_to_every_version_that_learned_it_and_back(two_rounds):
    first, second = two_rounds
    early, late = Annotation.objects.order_by("pk").first(), Annotation.objects.latest("pk")
    assert numbers(versions_with(Annotation.objects.filter(pk=early.pk))) == [2, 3]
    assert numbers(versions_with(Annotation.objects.filter(pk=late.pk))) == [3]
    assert answers_of(first.candidate).count() == 6
    assert answers_of(second.candidate).count() == 7
    assert not answers_of(first.base).exists()
    inti = Annotation.objects.filter(annotator__language__tag="qu").first().annotator
    assert numbers(versions_of_annotator(inti.pk)) == [2, 3]


def test_the_table_grows_with_answers_and_not_with_rounds(two_rounds):
    _, second = two_rounds
    assert SnapshotRow.objects.count() == 6 + 7
    assert LearnedAnswer.objects.count() == 7
    assert second.snapshot.against == second.base


def test_a_candidate_that_never_served_costs_its_successor_no_answers():
    """What a blocked candidate learned is new to the next run, and is written down again."""
    first = train(make_run(rows=6))
    second = train(next_run(first.campaign, texts=["dates1 later"]))
    early = Annotation.objects.order_by("pk").first()
    assert numbers(versions_with(Annotation.objects.filter(pk=early.pk))) == [2, 3]
    assert second.candidate.base == first.base
    assert answers_of(second.candidate).values("annotation").distinct().count() == 7


def test_merged_versions_learned_what_their_parents_did(two_rounds, tmp_path):
    first, second = two_rounds
    folder = tmp_path / "merged"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"merged")
    merged = register_version(
        first.campaign,
        folder=folder,
        network="tiny",
        base=first.base,
        manifest={},
        parents=[(first.candidate, 0.25), (second.candidate, 0.75)],
    )
    late = Annotation.objects.latest("pk")
    assert numbers(versions_with(Annotation.objects.filter(pk=late.pk))) == [3, merged.number]
    assert ModelParent.objects.get(parent=second.candidate).weight == 0.75
    assert Family(first.campaign_id).ancestry(merged.pk) >= {first.candidate_id}


def test_a_snapshot_says_from_whom_and_under_which_licence(two_rounds):
    first, _ = two_rounds
    free = Source.objects.create(name="Ours", licence="CC0-1.0")
    sample = answered(first.campaign, text="dates2 free", source=free)
    snapshot = take_snapshot(first.campaign)
    assert snapshot.provenance["licences"] == {"": 7, "CC0-1.0": 1}
    assert snapshot.provenance["languages"]["qu"] == {"samples": 3, "answers": 3, "people": 1}
    row = LearnedAnswer.objects.get(annotation__item__sample=sample)
    awa, inti = (
        LearnedAnswer.objects.filter(annotation__annotator__language__tag=tag)
        for tag in ("wo", "qu")
    )
    assert (row.licence, row.revision) == ("CC0-1.0", 1)
    assert {a.person for a in awa} == {row.person} != {a.person for a in inti}
    assert "awa" not in row.person


def test_one_more_licence_is_another_snapshot(two_rounds):
    first, second = two_rounds
    sample = Annotation.objects.first().item.sample
    assert take_snapshot(first.campaign).digest == second.snapshot.digest
    sample.source = Source.objects.create(name="Theirs", licence="CC-BY-4.0")
    sample.save()
    assert take_snapshot(first.campaign).digest != second.snapshot.digest


def test_tracing_a_person_asks_the_database_the_same_however_much_there_is(two_rounds):
    first, _ = two_rounds
    inti = Annotation.objects.filter(annotator__language__tag="qu").first().annotator
    with CaptureQueriesContext(connection) as seen:
        versions_of_annotator(inti.pk)
    for number in range(3):
        deploy(first.campaign, first.candidate, 3 + number)
    answered(first.campaign, tag="qu", text="dates2 more")
    take_snapshot(first.campaign)
    with CaptureQueriesContext(connection) as again:
        versions_of_annotator(inti.pk)
    assert len(again) == len(seen) <= 5


def consensus_of(campaign):
    for home in campaign.languages.all():
        refit(campaign, language=home.language, now=Now())
    return stored_consensus()


def stored_consensus():
    columns = ("sample__text", "people", "weight", "answers", "revisions")
    return sorted(map(list, Consensus.objects.values_list(*columns)))


def test_taken_back_answers_are_as_if_they_had_never_been_given(two_rounds):
    first, _ = two_rounds
    campaign = first.campaign
    kept = make_annotator("sam", "wo")
    both = Annotation.objects.filter(annotator__language__tag="wo").first()
    shared = both.item
    Annotation.objects.create(
        item=shared,
        annotator=kept,
        desk_annotation_id=9_999,
        state="answered",
        label=both.label,
        desk_updated_at=both.desk_updated_at,
    )
    awa = both.annotator
    without = Annotation.objects.filter(annotator=awa)
    without.update(state="skipped")
    wanted = consensus_of(campaign)
    without.update(state="answered")
    assert consensus_of(campaign) != wanted
    told = preview_withdrawal(Wish(annotator=awa))
    assert (told.answers, numbers(told.versions)) == (4, [2, 3])
    done = withdraw(Wish(annotator=awa), reason="my wish", actor=None, now=Now())
    assert (done.answers, numbers(done.versions)) == (4, [2, 3])
    assert stored_consensus() != wanted, "a page waits for no estimate"
    (due,) = due_estimates()
    for _ in range(2):
        current_app.tasks[due.task].run(**due.kwargs)
        assert stored_consensus() == wanted
    assert due_estimates() == []
    assert not Reliability.objects.filter(annotator=awa).exists()
    assert (
        not take_snapshot(campaign)
        .rows.exclude(sample__language__tag="qu")
        .exclude(sample=shared.sample)
        .exists()
    )
    shared.refresh_from_db()
    assert shared.state == "answered"
    assert both.revisions.latest("number").state == "withdrawn"


def test_nothing_is_learned_before_the_estimate_is_made_anew(two_rounds):
    first, _ = two_rounds
    awa = Annotation.objects.filter(annotator__language__tag="wo").first().annotator
    consensus_of(first.campaign)
    withdraw(Wish(annotator=awa), reason="", actor=None, now=Now())
    assert stale_languages(first.campaign)
    take_snapshot(first.campaign)
    assert stale_languages(first.campaign) == []


def test_taking_back_twice_is_taking_back_once(two_rounds):
    awa = Annotation.objects.filter(annotator__language__tag="wo").first().annotator
    first = withdraw(Wish(annotator=awa), reason="", actor=None, now=Now())
    again = withdraw(Wish(annotator=awa), reason="", actor=None, now=Now())
    assert (again.withdrawal, again.answers) == (first.withdrawal, 0)
    assert preview_withdrawal(Wish(annotator=awa)).answers == 0
    with pytest.raises(ConflictError, match="Name a person or a text"):
        withdraw(Wish(), reason="", actor=None, now=Now())


def test_versions_that_learned_it_are_flagged_with_the_way_out(two_rounds):
    first, second = two_rounds
    campaign = first.campaign
    deploy(campaign, second.candidate, 3)
    assert tainted(campaign) == {}
    late = Annotation.objects.latest("pk")
    withdraw(Wish(sample=late.item.sample), reason="", actor=None, now=Now())
    found = tainted(campaign)
    assert set(found) == {second.candidate_id}
    assert (found[second.candidate_id].answers, found[second.candidate_id].clean) == (
        1,
        first.candidate,
    )
    awa = late.annotator
    withdraw(Wish(annotator=awa), reason="", actor=None, now=Now())
    found = tainted(campaign)
    assert set(found) == {first.candidate_id, second.candidate_id}
    assert found[first.candidate_id].clean == first.base
    assert found[second.candidate_id].answers == 4


def test_the_way_out_learns_everything_but_what_was_taken_back(two_rounds):
    first, _ = two_rounds
    campaign = first.campaign
    gone = Annotation.objects.order_by("pk").first().item.sample
    withdraw(Wish(sample=gone), reason="", actor=None, now=Now())
    clean = tainted(campaign)[first.candidate_id].clean
    deploy(campaign, clean, 3)
    run = train(next_run(campaign, texts=["dates1 newer"]))
    assert run.base == clean
    assert run.snapshot.fresh_samples == run.snapshot.samples == 7
    assert run.candidate_id not in tainted(campaign)


def test_a_text_that_was_taken_back_is_neither_asked_nor_learned_from(two_rounds):
    first, _ = two_rounds
    sample = Annotation.objects.first().item.sample
    pool = type(sample).objects.filter(campaign=first.campaign).pool()
    assert sample in pool
    withdraw(Wish(sample=sample), reason="", actor=None, now=Now())
    assert sample not in pool.all()
    assert set(sample.items.values_list("state", flat=True)) == {"withdrawn"}
    assert not take_snapshot(first.campaign).rows.filter(sample=sample).exists()


def test_stored_logits_and_runs_that_rest_on_it_go_too(two_rounds):
    first, _ = two_rounds
    SnapshotRow.objects.update(logits=[0.0, 1.0, 2.0])
    waiting = next_run(first.campaign, texts=["dates1 waiting"])
    gone = Annotation.objects.order_by("pk").first()
    done = withdraw(Wish(sample=gone.item.sample), reason="", actor=None, now=Now())
    forgotten = SnapshotRow.objects.filter(sample=gone.item.sample)
    assert set(forgotten.values_list("logits", flat=True)) == {None}
    assert not SnapshotRow.objects.exclude(sample=gone.item.sample).filter(logits=None).exists()
    assert [run.pk for run in done.aborted] == [waiting.pk]
    waiting.refresh_from_db()
    assert waiting.status == TrainingRun.Status.ABORTED


def test_the_desk_cannot_bring_back_what_was_taken_back(two_rounds):
    given = Annotation.objects.first()
    withdraw(Wish(annotator=given.annotator), reason="", actor=None, now=Now())
    told = DeskAnnotation(
        id=given.desk_annotation_id,
        task_id=given.desk_task_id,
        user_id=given.annotator.user.desk_user_id,
        updated_at="2027-01-01T00:00:00.000000Z",
        result=[],
        skipped=False,
        uid=str(given.item.uid),
        lead_seconds=1.0,
    )
    home = given.item.campaign_language
    assert store(home, item=given.item, told=told, now=Now()) == "same"
    given.refresh_from_db()
    assert given.state == "withdrawn"


def test_gold_that_was_made_of_taken_back_answers_is_retired(two_rounds):
    first, _ = two_rounds
    given = Annotation.objects.filter(annotator__language__tag="wo").first()
    gate = GateRun.objects.create(
        run=first,
        candidate=first.candidate,
        champion=first.base,
        candidate_digest=first.candidate.digest,
        margin=0.03,
        verdict="HOLD",
    )
    call = GoldCall.objects.create(gate=gate, language=given.annotator.language, missing=1)
    gold = GoldItem.objects.create(
        sample=given.item.sample, label=given.label, split="gate", origin="desk"
    )
    GoldCandidate.objects.create(call=call, item=given.item, state="gold", gold=gold)
    withdraw(Wish(annotator=given.annotator), reason="", actor=None, now=Now())
    assert list(GoldItem.objects.exclude(retired_at=None)) == [gold]
