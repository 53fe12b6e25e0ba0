"""Imports whose workers die, sleep, leave or fail: nothing is lost, nothing is there twice."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.db import connection
from pytest_django import Settings

from annotation.actions import imports
from annotation.actions.imports import reclaim_imports, release_import, run_import
from annotation.actions.stored import ids_taken
from annotation.models import RefusedRow, Sample, SampleImport
from tests.annotation.bringing import NOW, bring, clock, queue, refusals
from tests.make import make_campaign, make_item

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_folder(settings: Settings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "uploads"


def test_a_worker_that_comes_after_a_dead_one_loses_nothing_and_doubles_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    campaign = make_campaign()
    monkeypatch.setattr(imports, "ROWS_AT_ONCE", 10)
    rows = "".join(f"text {row}\n" if row % 7 else '""\n' for row in range(2, 102))
    job = queue(campaign, "text\n" + rows)

    def die(job: SampleImport) -> None:
        if job.rows_read >= 50:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_import(job.pk, now=clock, progress=die)
    assert Sample.objects.count() + RefusedRow.objects.count() == 50
    # The lease still holds, so nobody else takes it yet.
    assert run_import(job.pk, now=clock).rows_read == 50
    assert reclaim_imports(NOW) == []
    later = NOW + timedelta(hours=1)
    assert reclaim_imports(later) == [job.pk]
    done = run_import(job.pk, now=lambda: later)
    bad = {row for row in range(2, 102) if row % 7 == 0}
    assert (done.status, done.rows_read, done.rows_refused) == ("done", 100, len(bad))
    assert list(Sample.objects.order_by("row").values_list("row", flat=True)) == sorted(
        set(range(2, 102)) - bad
    )
    assert set(refusals(done)) == bad
    assert reclaim_imports(later) == []


def test_a_worker_that_slept_through_its_lease_writes_nothing_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(imports, "ROWS_AT_ONCE", 1)
    job = queue(make_campaign(), "text\na\nb\nc\n")
    later = NOW + timedelta(hours=1)
    slept: list[bool] = []

    def sleep(_: SampleImport) -> None:
        if not slept:
            slept.append(True)
            run_import(job.pk, now=lambda: later)

    run_import(job.pk, now=clock, progress=sleep)
    job.refresh_from_db()
    assert (job.status, job.rows_read, job.rows_kept, job.token) == ("done", 3, 3, 2)
    assert list(Sample.objects.values_list("text", flat=True)) == ["a", "b", "c"]


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite plans without a count")
def test_the_database_knows_of_a_file_as_soon_as_it_is_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "ANALYSED_FROM", 50)

    def believed() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT reltuples FROM pg_class WHERE relname = 'annotation_sample'")
            return int(cursor.fetchone()[0])

    before = believed()
    campaign = make_campaign()
    bring(campaign, "text\n" + "".join(f"a{row}\n" for row in range(49)))
    assert believed() == before
    bring(campaign, "text\n" + "".join(f"b{row}\n" for row in range(50)))
    assert believed() == 99


def test_running_a_finished_import_again_changes_nothing() -> None:
    job = bring(make_campaign(), "text\na\n")
    again = run_import(job.pk, now=clock)
    assert (again.status, again.rows_kept, Sample.objects.count()) == ("done", 1, 1)


def test_a_released_import_goes_on_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "ROWS_AT_ONCE", 1)
    job = queue(make_campaign(), "text\na\nb\n")

    def stop(_: SampleImport) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_import(job.pk, now=clock, progress=stop)
    release_import(job.pk)
    assert run_import(job.pk, now=clock).rows_kept == 2


def test_however_often_people_stop_an_import_it_is_not_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(imports, "MOST_CLAIMS", 1)
    monkeypatch.setattr(imports, "ROWS_AT_ONCE", 1)
    job = queue(make_campaign(), "text\na\nb\nc\nd\n")

    def stop(_: SampleImport) -> None:
        raise KeyboardInterrupt

    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            run_import(job.pk, now=clock, progress=stop)
        release_import(job.pk)
    assert (run_import(job.pk, now=clock).status, Sample.objects.count()) == ("done", 4)


def test_a_worker_that_leaves_gives_its_import_back_between_two_batches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(imports, "ROWS_AT_ONCE", 2)
    job = queue(make_campaign(), "text\na\nb\nc\nd\n")
    left = run_import(job.pk, now=clock, should_stop=lambda: True)
    assert (left.status, left.rows_read, left.claims) == ("queued", 2, 0)
    assert imports.next_import() == job.pk
    assert run_import(job.pk, now=clock).rows_kept == 4
    assert imports.next_import() is None


def test_an_import_that_no_worker_was_told_of_is_found() -> None:
    job = queue(make_campaign(), "text\na\n")
    assert reclaim_imports(job.created_at) == []
    assert reclaim_imports(job.created_at + timedelta(hours=1)) == [job.pk]


def test_an_error_that_stays_ends_the_import_and_leaves_only_what_was_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(imports, "ROWS_AT_ONCE", 2)
    admit, times = imports.Admission.admit, iter(range(100))

    def break_down(self: imports.Admission, batch: imports.Batch) -> tuple[int, int]:
        if batch.sound[0].text == "c":
            raise RuntimeError("a bug")
        return admit(self, batch)

    def later() -> datetime:
        return NOW + timedelta(hours=next(times))

    job = queue(make_campaign(), "text\na\nb\nc\nd\n")
    monkeypatch.setattr(imports.Admission, "admit", break_down)
    monkeypatch.setattr(imports, "_lease", lambda now: now)
    for _ in range(imports.MOST_ERRORS - 1):
        with pytest.raises(RuntimeError):
            run_import(job.pk, now=later)
    make_item(Sample.objects.get(text="a"))
    done = run_import(job.pk, now=later)
    assert (done.status, done.path) == ("failed", "")
    assert done.error.endswith("however often it was tried. RuntimeError: a bug")
    assert [sample.text for sample in Sample.objects.all()] == ["a"]
    assert not Sample.objects.ready().exists()
    assert reclaim_imports(later()) == []


def test_an_id_is_taken_in_its_language_only() -> None:
    campaign = make_campaign(languages=("wo", "qu"))
    bring(campaign, "text,id,language\na,1,wo\nb,2,qu\n")
    wo, qu = (Sample.objects.get(text=text).language_id for text in "ab")
    wanted = {(wo, "1"), (wo, "2"), (qu, "1"), (wo, "3")}
    assert ids_taken(campaign.pk, wanted) == {(wo, "1")}


def test_a_full_disk_is_waited_out_however_long(monkeypatch: pytest.MonkeyPatch) -> None:
    hours = iter(range(100))

    def full(*_: object) -> None:
        raise RuntimeError('could not extend file "base/1": No space left on device')

    def later() -> datetime:
        return NOW + timedelta(hours=next(hours))

    job = queue(make_campaign(), "text\na\nb\n")
    monkeypatch.setattr(imports, "_lease", lambda now: now)
    with monkeypatch.context() as patched:
        patched.setattr(imports.Admission, "admit", full)
        for _ in range(imports.MOST_ERRORS + 3):
            with pytest.raises(RuntimeError):
                run_import(job.pk, now=later)
    job.refresh_from_db()
    assert job.claims == 0  # nobody died on it
    done = run_import(job.pk, now=later)
    assert (done.status, done.rows_kept) == ("done", 2)


def test_a_file_that_kills_every_worker_is_given_up() -> None:
    job = queue(make_campaign(), "text\na\n")
    SampleImport.objects.update(claims=imports.MOST_CLAIMS)
    done = run_import(job.pk, now=clock)
    assert (done.status, "workers gave this file up" in done.error) == ("failed", True)
