"""What a run costs grows with what it learns, and not with how many runs went before it."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from learning.actions.rounds import open_round
from learning.models import Deployment, ModelVersion, Round
from tests.training.test_runs import answered, make_run, train
from tests.training.wheel import Now
from training.actions.carrying import stored_logits
from training.actions.datasets import fresh_samples, lineage, lineage_rows, take_snapshot
from training.actions.lineage import Family
from training.actions.runs import open_run
from training.models import DataSnapshot, SnapshotRow, TrainingRun

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_networks")]


def serve(version):
    number = version.campaign.deployments.count() + 1
    Deployment.objects.create(
        campaign=version.campaign, number=number, version=version, kind="promotion", reason="test"
    )


def next_run(campaign, *, text):
    answered(campaign, text=text)
    Round.objects.filter(campaign=campaign).update(status="closed", closed_at=Now())
    round_ = open_round(campaign, now=Now())
    Round.objects.filter(pk=round_.pk).update(status="collecting")
    run = open_run(round_, now=Now())
    assert run
    return run


@pytest.fixture
def third():
    """Three runs, one after the other; each learned all that there was, and serves."""
    run = train(make_run(rows=6))
    serve(run.candidate)
    for text in ("dates1 second", "dates2 third"):
        run = train(next_run(run.campaign, text=text))
        serve(run.candidate)
    return run


def test_what_a_family_has_learned_is_read_once_and_not_once_a_run(third):
    assert SnapshotRow.objects.count() == 6 + 7 + 8
    rows = lineage_rows(third.candidate)
    assert rows.count() == 8
    assert {row.sample_id for row in rows} == set(third.snapshot.rows.values_list("sample", flat=1))
    assert fresh_samples(third.campaign) == 0
    first = ModelVersion.objects.get(number=1)
    assert lineage(third.candidate)[-1] == first.pk
    assert lineage(None) == []


def test_logits_are_those_of_the_newest_run_that_stored_any(third):
    campaign = third.campaign
    old, new = DataSnapshot.objects.order_by("pk")[0], third.snapshot
    forgotten, *kept = old.rows.order_by("sample_id")
    new.rows.filter(sample=forgotten.sample_id).update(logits=None)
    middle = DataSnapshot.objects.order_by("pk")[1]
    middle.rows.filter(sample=forgotten.sample_id).update(logits=[7.0, 8.0, 9.0])
    run = next_run(campaign, text="admin1 fourth")
    told = stored_logits(run)
    assert told[forgotten.sample_id] == [7.0, 8.0, 9.0]
    newest = {row.sample_id: row.logits for row in new.rows.all()}
    assert all(told[row.sample_id] == newest[row.sample_id] for row in kept)
    assert set(told) == set(newest)


def test_the_database_is_asked_as_often_however_many_runs_there_were(third):
    def asked() -> int:
        answered(third.campaign, text=f"admin1 text {TrainingRun.objects.count()}")
        with CaptureQueriesContext(connection) as seen:
            run = TrainingRun(
                campaign=third.campaign,
                snapshot=take_snapshot(third.campaign),
                base=ModelVersion.objects.get(pk=third.candidate_id),
            )
            stored_logits(run)
        return len(seen)

    before = asked()
    run = train(next_run(third.campaign, text="admin1 fourth"))
    serve(run.candidate)
    third.candidate_id = run.candidate_id
    assert asked() == before <= 40


@pytest.mark.skipif(connection.vendor != "sqlite", reason="plans are spelled differently")
def test_both_questions_to_earlier_runs_go_by_an_index_of_their_own(third):
    learned = lineage_rows(third.candidate).values("sample_id").explain()
    assert "rows_learned_first (snapshot_id=? AND fresh=?)" in learned
    run = next_run(third.campaign, text="admin1 fourth")
    with CaptureQueriesContext(connection) as seen:
        stored_logits(run)
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {seen[-1]['sql']}")
        plan = str(cursor.fetchall())
    assert "rows_with_logits" in plan
    assert "SCAN" not in plan


def test_all_versions_are_told_at_once_what_each_alone_is_told(third):
    family = Family(third.campaign_id)
    snapshots = set(DataSnapshot.objects.values_list("pk", flat=True))
    assert family.learned_of(snapshots) == {
        pk: family.snapshots_of(pk) & snapshots for pk in family.versions
    }
    newest = {third.snapshot_id}
    assert [pk for pk, own in family.learned_of(newest).items() if own] == [third.candidate_id]
