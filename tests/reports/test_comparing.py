"""Reports that may say the same: found by a worker by letters and by sense, and gone with a word taken back."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

import learning.tasks
from annotation.actions.reports import (
    alike,
    brigades,
    following,
    knocks,
    limits,
    merging,
    timers,
    weighing,
)
from annotation.actions.reports.alike import candidates
from annotation.actions.reports.intake import Telling, receive
from annotation.actions.reports.table import SYSTEM
from annotation.actions.reports.transitions import transition
from annotation.models import Campaign, PublicDoor, Report, ReportImprint, ReportLikeness, User
from learning.actions import report_comparing
from learning.actions.versions import initial_version
from tests.make import make_campaign, make_user
from tests.training.conftest import tiny_networks  # noqa: F401 - the tiny network in place of the shipped

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_networks")]
SAID = "хәерле көн дусларым бүген ничек"


@pytest.fixture(autouse=True)
def _fresh_memory() -> None:
    report_comparing._indexes.clear()


@pytest.fixture
def campaign() -> Campaign:
    return make_campaign(slug="told", languages=("tt", "wo"), network="tiny", status="running")


def tell(campaign: Campaign, text: str, *, client: str = "", user: User | None = None) -> Report:
    number = Report.objects.count()
    telling = Telling(text=text, tag="tt", reasons=["meaning"], expected="x", output=f"{number}")
    now = timezone.now()
    client = client or f"net{number}.browser"
    got = receive(campaign, telling=telling, key=f"{number}", client=client, now=now, user=user)
    timers.tend(now)
    got.report.refresh_from_db()
    return got.report


def near(report: Report) -> list[int]:
    return [one.report.pk for one in candidates(report)]


def test_the_same_told_in_other_letters_or_words_is_found_once_by_a_worker_and_erased(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    initial_version(campaign)
    first = tell(campaign, SAID)
    for number in range(8):
        tell(campaign, f"бөтенләй башка сүз {number}{number} турында")
    romanised = tell(campaign, "khaerle kon duslarym bugen nichek")
    # Hardly a run of letters in common, and the same words to the network, which hashes them.
    shuffled = tell(campaign, " ".join(reversed(SAID.split())))
    assert report_comparing.is_anything_due()
    for _ in range(2):
        learning.tasks.reproduce_reports()
    assert not report_comparing.is_anything_due()
    assert near(romanised)[0] == first.pk
    assert near(shuffled)[0] == first.pk
    assert near(first)[0] in (romanised.pk, shuffled.pk)  # it came before them
    row = ReportLikeness.objects.get(report=shuffled, other=first)
    assert row.sense == pytest.approx(1.0, abs=1e-3)
    assert ReportLikeness.objects.filter(report=shuffled).count() <= alike.MOST
    transition(romanised, to="closed_wont_fix", actor=SYSTEM, now=timezone.now(), reason="unwise")
    monkeypatch.setattr(report_comparing, "_digest_of", lambda _campaign: "of the next network")
    anew = set(report_comparing._due(campaign))  # what is closed is never embedded again
    assert (first in anew, romanised in anew) == (True, False)
    monkeypatch.undo()
    following.withdraw(first, now=timezone.now())
    assert first.pk not in near(romanised)
    assert not ReportImprint.objects.filter(report=first).exists()
    assert not ReportLikeness.objects.filter(other=first).exists()
    learning.tasks.reproduce_reports()
    assert not ReportImprint.objects.filter(report=first).exists()


def test_an_index_that_grows_finds_old_and_new_texts() -> None:
    index = report_comparing.Index()
    for start in range(0, 900, 90):
        index.add(
            range(start + 1, start + 91),
            texts=[
                f"wax {n * 7919 % 1000} ak {n * 104729 % 1000}" for n in range(start, start + 90)
            ],
        )
    assert index.last == 900
    for n in (0, 450, 899):
        asked = f"Wax {n * 7919 % 1000}, ak {n * 104729 % 1000}!"
        assert index.nearest(asked)[0].id == n + 1


def test_many_browsers_of_one_network_move_no_priority(campaign: Campaign) -> None:
    target = tell(campaign, SAID, client="net.one")
    for number in range(5):
        other = tell(campaign, f"{SAID} {number}", client=f"net.{number}")
        merging.look_at_both(other, target, user=make_user(f"m{number}"), now=timezone.now())
        merging.merge(other, into=target, actor=SYSTEM, now=timezone.now())
    target.refresh_from_db()
    assert (target.reporters, target.severity, target.frozen) == (1, 2, True)
    brigades.undo_brigade(target, user=make_user("lead"), now=timezone.now())
    for number in range(5):
        other = tell(campaign, f"{SAID} {number} !", client=f"other{number}.one")
        merging.merge(other, into=target, actor=SYSTEM, now=timezone.now())
    target.refresh_from_db()
    assert (target.reporters, target.severity) == (1, 2)  # nobody has looked at those yet
    weighing.look(target)
    assert (target.reporters, target.severity) == (6, 3)


def test_one_network_has_a_limit_whatever_browser_it_says_to_be(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    PublicDoor.objects.create(campaign=campaign, open=True)

    def post(agent: str, address: str = "10.1.2.3") -> Any:
        number = Report.objects.count()
        return Client(headers={"user-agent": agent}, REMOTE_ADDR=address).post(
            "/api/reports/told/",
            {"text": f"{SAID} {number}", "language": "tt"},
            content_type="application/json",
        )

    agents = ("Firefox", "Chrome", "Safari")
    monkeypatch.setattr(limits, "NETWORK_PER_HOUR", 4)
    monkeypatch.setattr(limits, "PER_HOUR", 2)
    monkeypatch.setattr(knocks, "PER_HOUR", 2)
    told = [post(agent).status_code for agent in agents for _ in range(3)]
    assert told == [201, 201, 429, 201, 201, 429, 429, 429, 429]
    assert post("Firefox", "10.9.9.9").status_code == 201


def test_in_a_burst_only_who_was_right_before_goes_by_and_junk_is_remembered(
    campaign: Campaign,
) -> None:
    now = timezone.now()
    until = now + limits.BURST_LASTS
    awa, sam = make_user("awa"), make_user("sam")
    for number in range(3):
        known = tell(campaign, f"{SAID} {number}", user=awa)
        known.reproductions.create(
            version_number=1, version_digest="x", label="y", still_wrong=True, at=now
        )
        for name in ("bo", "cy"):
            voter = User.objects.filter(username=name).first() or make_user(name)
            known.votes.create(voter=voter, verdict="yes", at=now)
        transition(known, to="confirmed", actor=SYSTEM, now=now, planned=1)
    PublicDoor.objects.create(campaign=campaign, open=True, burst_until=until)
    assert tell(campaign, "башка сүз", user=awa).state == "awaiting_triage"
    assert tell(campaign, "тагын башка", user=sam).state == "quarantined"
    assert limits.least_seconds(campaign, now=now) == 10
    assert limits.least_seconds(campaign, now=until + limits.A_DAY) == 2


def test_a_process_takes_in_only_so_much_and_says_when_to_come_again(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(knocks, "MOST_TAKEN", 3)
    for number in range(3):
        tell(campaign, f"{SAID} {number}")
    with pytest.raises(limits.TooManyReportsError, match="Nothing is lost"):
        tell(campaign, "башка")
    # Whoever has an account is known, and no stranger's crowd keeps them out.
    assert tell(campaign, "башка", user=make_user("awa")).state == "awaiting_triage"
