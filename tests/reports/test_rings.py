"""Two at work on reports that belong together wait for each other, and never in a ring; PostgreSQL tells."""

from collections.abc import Callable
from threading import Event, Thread

import pytest
from django.db import connection, transaction
from django.utils import timezone

from annotation.actions import personal_data
from annotation.actions.reports import brigades, following, masking, merging, timers, triage
from annotation.actions.reports.alike import Found, keep_likenesses
from annotation.actions.reports.intake import Telling, receive
from annotation.actions.reports.table import SYSTEM, Actor
from annotation.actions.reports.transitions import transition
from annotation.actions.reports.weighing import lock_family
from annotation.models import Report, ReportBrigade, ReportEvent, User
from tests.make import make_campaign, make_user

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="a test's SQLite has one connection"),
]
WAITS = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"


class World:
    """Three reports of one campaign, the second put to the first, and who works on them."""

    def __init__(self) -> None:
        self.now = timezone.now()
        self.boss = make_user("boss", staff=True)
        self.teller = make_user("teller")
        campaign = make_campaign(slug="here", languages=("wo",))
        tellers = (None, self.teller, self.teller)
        told = [
            receive(
                campaign,
                telling=Telling(text=f"Awa dem na {n}", tag="wo"),
                key=f"k{n}",
                client=f"net.{n}",
                user=user,
                now=self.now,
            ).report
            for n, user in enumerate(tellers)
        ]
        timers.tend(self.now)
        for one in told:
            one.refresh_from_db()
        self.top, self.dup, self.other = told
        merging.merge(self.dup, into=self.top, actor=SYSTEM, now=self.now)
        Report.objects.filter(pk=self.dup.pk).update(unseen_since=self.now)
        self.brigade = ReportBrigade.objects.create(campaign=campaign, found_at=self.now)
        self.brigade.reports.add(self.top, self.dup)
        for one in told:
            one.refresh_from_db()

    def actor(self, user: User) -> Actor:
        return Actor(ReportEvent.By.ADMIN, user)


@pytest.fixture
def world() -> World:
    return World()


ACTS: dict[str, Callable[[World], object]] = {
    "looks": lambda w: triage.look_at(w.dup, actor=w.actor(w.boss)),
    "takes apart": lambda w: merging.unmerge(w.dup, actor=w.actor(w.boss), now=w.now),
    "decides": lambda w: transition(
        w.dup, to="awaiting_triage", actor=w.actor(w.boss), now=w.now, reason="apart"
    ),
    "masks": lambda w: masking.mask_words(w.dup, told="Awa", user=w.boss, now=w.now),
    "undoes a brigade": lambda w: brigades.undo_brigade(w.dup, user=w.boss, now=w.now),
    "withdraws": lambda w: following.withdraw(w.dup, now=w.now),
    "erases a person": lambda w: personal_data.erase(w.teller, actor=None, now=w.now),
    "merges": lambda w: merging.merge(w.other, into=w.dup, actor=w.actor(w.boss), now=w.now),
    "compares": lambda w: keep_likenesses(
        w.other, found=[Found(w.top.pk, 0.9, None)], numbers=b"", version_digest="", now=w.now
    ),
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_whoever_holds_the_first_gets_the_second(
    act: Callable[[World], object], world: World
) -> None:
    """Somebody holds the one that others belong to and takes those; nobody is sent away for it."""
    wrong, began = [], Event()

    def work() -> None:
        try:
            began.set()
            act(world)
        except Exception as error:  # noqa: BLE001 - told below, in the test's own thread
            wrong.append(repr(error))
        finally:
            connection.close()

    other = Thread(target=work)
    with transaction.atomic():
        list(Report.objects.filter(pk=world.top.pk).select_for_update(no_key=True))
        other.start()
        assert began.wait(10)
        _until_it_waits_or_is_done(other)
        # Were it held by whoever waits for us, PostgreSQL would end one of the two.
        lock_family(world.top, world.other)
        world.brigade.reports.add(world.other)
    other.join(20)
    assert not other.is_alive()
    assert not [one for one in wrong if "deadlock" in one]


def _until_it_waits_or_is_done(other: Thread) -> None:
    for _ in range(40):
        other.join(0.05)
        with connection.cursor() as cursor:
            cursor.execute(WAITS)
            if not other.is_alive() or cursor.fetchone()[0]:
                return
