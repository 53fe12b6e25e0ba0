"""Leases that a thread keeps: as long as the work is ours, and not a moment longer."""

import threading
import time

import pytest
from django.db import OperationalError, connection, transaction

from annotation.actions import leases
from annotation.actions.leases import kept

pytestmark = pytest.mark.django_db(transaction=True)


def until(met) -> None:
    deadline = time.monotonic() + 60
    while not met():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_worker_that_is_busy_keeps_what_it_holds_and_no_thread_stays_behind() -> None:
    beats: list[str] = []

    def renew() -> bool:
        beats.append(threading.current_thread().name)
        return True

    before = threading.active_count()
    with kept(renew, seconds=0.04) as lease:
        until(lambda: len(beats) >= 3)
        assert not lease.lost
    assert threading.active_count() == before
    assert threading.current_thread().name not in beats
    done = len(beats)
    time.sleep(0.05)
    assert len(beats) == done


def test_worker_whose_work_is_anothers_hears_of_it_and_renews_no_more() -> None:
    answers = [True, False]
    with kept(lambda: answers.pop(0), seconds=0.04) as lease:
        until(lambda: lease.lost)
        time.sleep(0.05)
    assert answers == []


def test_database_that_is_away_for_a_moment_costs_no_claim() -> None:
    beats: list[int] = []

    def renew() -> bool:
        beats.append(1)
        if len(beats) == 1:
            raise OperationalError("the database is away")
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return True

    with kept(renew, seconds=0.04) as lease:
        until(lambda: len(beats) >= 3)
        assert not lease.lost


def test_worker_that_is_stuck_keeps_nothing_for_ever(monkeypatch) -> None:
    monkeypatch.setattr(leases, "SILENCE_S", 0.3)
    beats: list[int] = []

    def renew() -> bool:
        beats.append(1)
        return True

    before = threading.active_count()
    with kept(renew, seconds=0.04):
        until(lambda: threading.active_count() == before)
        done = len(beats)
        time.sleep(0.05)
        assert len(beats) == done
    assert done >= 1


def test_claim_that_is_not_committed_is_kept_by_nobody() -> None:
    with transaction.atomic(), kept(lambda: 1 / 0 > 0, seconds=0.004) as lease:
        time.sleep(0.02)
        assert not lease.lost
