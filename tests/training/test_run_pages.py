"""A run while it goes on: how far, how each language fares, and how a person ends it."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from annotation.errors import ConflictError
from annotation.models import Language
from learning.gateways.weights import weights_dir
from tests.make import make_campaign, make_user
from tests.training.test_runs import make_run, train
from tests.training.wheel import Now
from training.actions import checkpoints, cycle, runs
from training.actions.aborts import abort_run
from training.actions.curves import curves_of, time_left
from training.models import DataSnapshot, GateRun, TrainingRun

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_networks")]


@pytest.fixture
def noor() -> Client:
    client = Client()
    client.force_login(make_user("noor", staff=True))
    return client


def running(**over) -> TrainingRun:
    """A run that a worker is at, without a network behind it."""
    campaign = make_campaign(languages=("wo", "ar"), slug="words")
    base = campaign.model_versions.create(number=1, digest="a" * 64, network="starter", path="aa")
    snapshot = DataSnapshot.objects.create(
        campaign=campaign, digest="b" * 64, samples=9, fresh_samples=3
    )
    fields = {
        "status": "running",
        "seed": 1,
        "step": 40,
        "steps_total": 100,
        "pace": 2.5,
        "lease_until": timezone.now() + timedelta(minutes=5),
        "started_at": timezone.now(),
        "curve": [
            [0, 1.1, {"wo": 0.6, "ar": 0.5}, {"wo": 1.0, "ar": 1.2}, {"wo": 0.5, "ar": 0.5}],
            [40, 0.7, {"wo": 0.4, "ar": 0.7}, {"wo": 0.9, "ar": 0.5}, {"wo": 0.66, "ar": 0.34}],
        ],
    } | over
    return TrainingRun.objects.create(campaign=campaign, snapshot=snapshot, base=base, **fields)


def text(client: Client, path: str) -> str:
    return " ".join(client.get(path).content.decode().split())


def test_page_of_a_run_tells_how_far_it_is_and_which_language_it_leans_to(noor):
    run = running()
    page = text(noor, f"/campaigns/words/runs/{run.pk}/")
    assert "Step 40 of 100. About 2 minutes left." in page
    name = Language.objects.get(tag="wo").name
    assert f"drawn more often for the rest of the run: <bdi>{name}</bdi>." in page
    assert "−0.200" in page
    assert "+0.200" in page
    assert "0.660" in page


def test_languages_are_read_from_the_curve_and_old_short_points_are_taken():
    found = {each.language.tag: each for each in curves_of(running()).languages}
    assert (found["wo"].first, found["wo"].last, found["wo"].last_loss) == (0.6, 0.4, 0.9)
    assert (found["wo"].leaning, found["ar"].leaning) == (True, False)
    old = TrainingRun(curve=[[10, 0.9, {"wo": 0.5}], [20, 0.8]])
    (wolof,) = curves_of(old).languages
    assert (wolof.last, wolof.change, wolof.share, wolof.leaning) == (0.5, 0.0, None, False)


def test_time_left_is_told_only_while_somebody_is_at_it():
    run = running()
    assert time_left(run) == timedelta(seconds=150)
    run.status = "finished"
    assert time_left(run) is None
    assert time_left(TrainingRun(status="running", steps_total=10)) is None


def test_curves_come_again_only_when_there_is_more_to_see(noor):
    run = running()
    path = f"/campaigns/words/runs/{run.pk}/curves/"
    assert noor.get(path, {"seen": "2"}).status_code == 204
    assert "drawn more often" in noor.get(path, {"seen": "1"}).content.decode()


def test_run_that_waits_is_aborted_at_once_and_its_round_closes_with_who_did_it(noor):
    run = make_run()
    page = noor.post(f"/campaigns/{run.campaign.slug}/runs/{run.pk}/abort/", follow=True)
    assert "The run ends without a candidate." in page.content.decode()
    run.refresh_from_db()
    assert (run.status, train(run).status) == ("aborted", "aborted")
    cycle.advance(run.campaign, now=Now())
    first = run.campaign.rounds.get(number=1)
    assert first.status == "closed"
    assert "aborted by noor" in first.note


def test_worker_ends_a_run_that_was_aborted_under_it_and_keeps_nothing(settings, monkeypatch):
    run = make_run()
    monkeypatch.setattr(settings.ENV, "lease_seconds", 0.001)  # it looks at every step
    seen = []

    def stop():
        if not seen:
            abort_run(TrainingRun.objects.get(pk=run.pk), actor=None, now=Now())
        seen.append(1)
        return False

    before = list(weights_dir().rglob("*.safetensors"))
    runs.train(run.pk, now=Now, should_stop=stop)
    run.refresh_from_db()
    assert (run.status, run.candidate, run.lease_until) == ("aborted", None, None)
    assert not checkpoints.run_folder(run).exists()
    assert list(weights_dir().rglob("*.safetensors")) == before


def test_answers_of_an_aborted_run_are_new_to_the_next():
    run = make_run()
    fresh = run.snapshot.fresh_samples
    abort_run(run, actor=None, now=Now())
    cycle.advance(run.campaign, now=Now())
    again = make_next_run(run)
    assert again.snapshot.fresh_samples == fresh > 0


def make_next_run(run: TrainingRun) -> TrainingRun:
    from learning.actions.rounds import open_round

    round_ = open_round(run.campaign, now=Now())
    type(round_).objects.filter(pk=round_.pk).update(status="collecting")
    opened = runs.open_run(round_, now=Now())
    assert opened
    return opened


def test_run_that_is_over_cannot_be_aborted_and_the_command_says_so():
    run = running(status="finished")
    with pytest.raises(ConflictError, match="over already: finished"):
        abort_run(run, actor=None, now=Now())
    with pytest.raises(CommandError, match="over already"):
        call_command("abort_run", run.pk)
    with pytest.raises(CommandError, match="no training run 999"):
        call_command("abort_run", 999)


def test_wish_that_comes_while_the_run_ends_still_keeps_it_from_the_gate():
    run = make_run()
    TrainingRun.objects.filter(pk=run.pk).update(status="finished", abort_asked_at=Now())
    cycle.advance(run.campaign, now=Now())
    assert run.campaign.rounds.get(number=1).status == "closed"
    assert not GateRun.objects.filter(run=run).exists()


def test_only_staff_may_abort():
    run = running()
    client = Client()
    client.force_login(make_user("awa"))
    assert client.post(f"/campaigns/words/runs/{run.pk}/abort/").status_code in (302, 403)
    run.refresh_from_db()
    assert run.abort_asked_at is None
