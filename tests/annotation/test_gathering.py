"""What comes at the same moment is done together, once, and each is told what became of its own."""

import uuid
from collections.abc import Sequence
from datetime import timedelta
from threading import Barrier, Event, Thread

import pytest
from django.db import connection
from django.utils import timezone

from annotation.actions.gathering import Gathering
from annotation.actions.nudges import note_nudge
from annotation.actions.together import GATHERING, Given, take_answers
from annotation.models import (
    Annotation,
    Annotator,
    CampaignLanguage,
    Consent,
    DeskEvent,
    Membership,
    Reservation,
    Role,
    Standing,
    User,
)
from annotation.models.often import Often
from annotation.permissions import Ability, entry_of, has_agreed, may, team_of
from tests.make import make_annotator, make_campaign, make_item, make_sample


class Slow:
    """Work that holds until it is let go, and notes what it was given at once."""

    def __init__(self) -> None:
        self.begun, self.go, self.batches = Event(), Event(), list[list[int]]()

    def __call__(self, brought: Sequence[int]) -> list[int]:
        self.batches.append(list(brought))
        self.begun.set()
        assert self.go.wait(10)
        if -1 in brought:
            raise ValueError("this one hurts")
        return [10 * one for one in brought]


def together(gathering: Gathering[int, int], work: Slow, numbers: list[int]) -> dict[int, object]:
    """The first begins; the others come while it is at work."""
    told: dict[int, object] = {}

    def take(number: int) -> None:
        try:
            told[number] = gathering.take(number)
        except ValueError as error:
            told[number] = str(error)

    threads = [Thread(target=take, args=(number,)) for number in numbers]
    threads[0].start()
    assert work.begun.wait(10)
    for place, thread in enumerate(threads[1:], start=1):
        thread.start()
        while len(gathering._queue) < place:
            assert thread.is_alive()
    work.go.set()
    for thread in threads:
        thread.join(10)
    return told


@pytest.fixture(autouse=True)
def alone(monkeypatch) -> None:
    """As a process that serves: in no transaction of a test."""
    monkeypatch.setattr(
        "annotation.actions.gathering.connection", type("C", (), {"in_atomic_block": False})
    )


def test_those_who_come_meanwhile_are_done_at_once_and_each_is_told_its_own() -> None:
    work = Slow()
    told = together(Gathering(work, most=3), work, [1, 2, 3, 4, 5])
    assert told == {1: 10, 2: 20, 3: 30, 4: 40, 5: 50}
    assert work.batches == [[1], [2, 3, 4], [5]]


def test_whoever_is_with_one_that_fails_is_told_to_go_alone_and_the_next_go_on() -> None:
    work = Slow()
    told = together(Gathering(work, most=2), work, [1, -1, 3, 4])
    assert told == {1: 10, -1: "this one hurts", 3: None, 4: 40}


def test_who_waits_too_long_is_done_with_and_is_not_done_twice(monkeypatch) -> None:
    monkeypatch.setattr("annotation.actions.gathering.PATIENCE_S", 0.01)
    work = Slow()
    gathering: Gathering[int, int] = Gathering(work, most=9)
    first = Thread(target=gathering.take, args=(1,))
    first.start()
    assert work.begun.wait(10)
    assert gathering.take(2) is None
    work.go.set()
    first.join(10)
    assert work.batches == [[1]]
    assert gathering.take(3) == 30


@pytest.fixture
def home(db) -> CampaignLanguage:
    made = make_campaign(languages=("wo", "qu"), status="running")
    homes = CampaignLanguage.objects.select_related("campaign", "language")
    return homes.get(campaign=made, language__tag="wo")


def leased(home: CampaignLanguage, *people: Annotator, wanted: int = 1) -> str:
    item = make_item(make_sample(home.campaign, home.language.tag), wanted=wanted)
    until = timezone.now() + timedelta(hours=1)
    for who in people:
        Reservation.objects.create(item=item, annotator=who, until=until)
    return str(item.uid)


def given(home: CampaignLanguage, who: Annotator, item: str, **over: object) -> Given:
    told = {"item": item, "label": "admin"} | over
    return Given(who, home, {uuid.uuid4(): told}, timezone.now())


def test_answers_of_several_people_and_languages_are_stored_in_one_go(home) -> None:
    awa, budi = make_annotator("awa", "wo"), make_annotator("budi", "wo")
    inti = make_annotator("inti", "qu")
    other = CampaignLanguage.objects.get(campaign=home.campaign, language__tag="qu")
    both = leased(home, awa, budi, wanted=2)
    theirs = leased(other, inti)
    gathered = [given(home, awa, both), given(home, budi, both), given(other, inti, theirs)]
    # Somebody with no lease of it, and somebody who names a language that it is not of.
    gathered += [given(home, awa, theirs), given(other, inti, both)]
    taken = GATHERING.work(gathered)
    assert [len(one) for one in taken] == [1, 1, 1, 0, 0]
    assert Annotation.objects.count() == 3
    states = {one.item.state for one in Annotation.objects.select_related("item")}
    assert states == {"answered"}


def test_a_text_of_which_more_is_wanted_stays_open_until_nobody_is_left(home) -> None:
    awa, budi = make_annotator("awa", "wo"), make_annotator("budi", "wo")
    item = leased(home, awa, budi, wanted=3)
    GATHERING.work([given(home, awa, item)])
    assert Annotation.objects.get().item.state == "queued"
    GATHERING.work([given(home, budi, item)])
    assert Annotation.objects.latest("pk").item.state == "answered"


def test_who_is_in_no_team_or_not_through_a_session_is_not_stored_with_the_others(home) -> None:
    awa, budi = make_annotator("awa", "wo"), make_annotator("budi", "wo")
    mine, his = leased(home, awa), leased(home, budi)
    Consent.objects.filter(user=budi.user).update(ended_at=timezone.now())
    assert [
        len(one) for one in GATHERING.work([given(home, awa, mine), given(home, budi, his)])
    ] == [1, 0]
    home.campaign.calibrate = True
    home.campaign.save()
    again = leased(home, awa)
    assert GATHERING.work([given(home, awa, again)]) == [{}]
    Standing.objects.create(
        annotator=awa, campaign=home.campaign, state="qualified", since=timezone.now()
    )
    assert len(GATHERING.work([given(home, awa, again)])[0]) == 1


def test_the_door_says_the_same_as_the_table_of_abilities(home) -> None:
    awa = make_annotator("awa", "wo")
    gone, silent = make_annotator("gone", "wo"), make_annotator("silent", "wo")
    apart, told = make_annotator("apart", "wo"), make_annotator("told", "wo")
    staff = User.objects.create(username="staff", is_staff=True)
    stranger = User.objects.create(username="stranger")
    Annotator.objects.filter(pk=gone.pk).update(active=False)
    Annotator.objects.filter(pk__in=[apart.pk, told.pk]).update(everywhere=False)
    Consent.objects.filter(user=silent.user).delete()
    Membership.objects.create(
        user=told.user, campaign=home.campaign, language=home.language, role=Role.ANNOTATOR
    )
    people = [one.user for one in (awa, gone, silent, apart, told)] + [staff, stranger]
    for user in people:
        found = entry_of(user, slug=home.campaign.slug, tag="wo")
        assert found is not None
        held = Annotator.objects.filter(user=user, language=home.language).first()
        assert (found.home, found.annotator) == (home, held)
        may_in = may(user, Ability.ANSWER, campaign=home.campaign, language=home.language)
        assert (found.may, found.agreed) == (may_in, has_agreed(user)), user.username
    assert entry_of(awa.user, slug=home.campaign.slug, tag="fr") is None
    assert set(team_of(home.campaign, home.language)) == {awa, told}


def test_a_question_asked_often_says_what_it_says_when_it_is_asked_anew(home) -> None:
    asked = Often(
        lambda names, since: (
            User.objects.filter(username__in=names, date_joined__gte=since)
            .order_by("username")
            .values_list("username", "is_staff", "date_joined")
        ),
        names=[str],
        since=type(timezone.now()),
    )
    awa, budi = (User.objects.create(username=name) for name in ("awa", "budi"))
    past = timezone.now() - timedelta(days=1)
    one = asked.rows(names=["awa"], since=past)
    assert [tuple(row) for row in one] == [("awa", False, awa.date_joined)]
    both = asked.rows(names=["budi", "awa"], since=past)
    assert [row[0] for row in both] == ["awa", "budi"]
    assert asked.first(names=["budi"], since=budi.date_joined + timedelta(seconds=1)) is None


def test_lists_of_many_lengths_share_few_forms_and_no_more_of_those_are_kept(
    home, monkeypatch
) -> None:
    asked = Often(
        lambda names, numbers: (
            User.objects.filter(username__in=names, pk__in=numbers)
            .order_by("pk")
            .values_list("username")
        ),
        names=[str],
        numbers=[int],
    )
    people = [User.objects.create(username=f"of-{number}") for number in range(7)]
    names, numbers = [one.username for one in people], [one.pk for one in people]
    for many in range(1, 8):
        rows = asked.rows(names=names[:many], numbers=numbers)
        assert [name for (name,) in rows] == names[:many]
    assert list(asked.kept.__dict__) == [(1, 8), (2, 8), (4, 8), (8, 8)]
    monkeypatch.setattr("annotation.models.often.MOST", 2)
    asked.rows(names=names[:2], numbers=numbers)
    asked.rows(names=names, numbers=numbers[:1])
    assert list(asked.kept.__dict__) == [(2, 8), (8, 1)]


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor == "sqlite", reason="a test's SQLite has one connection")
def test_threads_that_answer_and_nudge_at_once_are_each_heard_once(home) -> None:
    from django.db import connections

    people = [make_annotator(f"p{number}", "wo") for number in range(6)]
    items = [leased(home, who) for who in people]
    uids, start = [str(uuid.uuid4()) for _ in people], Barrier(len(people))
    said: list[str] = []

    def work(place: int) -> None:
        told = {"uid": uids[place], "item": items[place], "label": "admin"}
        start.wait(10)
        try:
            for _ in range(2):
                receipts = take_answers(people[place], home=home, told=[told], now=timezone.now())
                said.extend(str(one.outcome) for one in receipts)
                assert note_nudge(home.pk, action="A", now=timezone.now()) is not None
        finally:
            connections.close_all()

    threads = [Thread(target=work, args=(place,)) for place in range(len(people))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(said) == ["same"] * 6 + ["stored"] * 6
    assert Annotation.objects.count() == 6
    assert DeskEvent.objects.filter(accepted=True).count() == 12
