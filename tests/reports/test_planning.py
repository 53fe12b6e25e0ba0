"""The plan of a report: how many texts like it, how much gold among them, for how many answers."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation.actions.reports import planning, timers, triage
from annotation.actions.reports.intake import Telling, receive
from annotation.actions.reports.table import Actor
from annotation.errors import InvalidInputError
from annotation.models import Campaign, Item, Report, ReportEvent, User
from tests.make import make_annotator, make_campaign, make_gold, make_sample, make_user
from training.actions.report_collecting import ask_neighbours, find_more, start_collecting

pytestmark = pytest.mark.django_db
TOLD = "the market opens late on fridays"


@pytest.fixture
def boss() -> User:
    return make_user("boss", staff=True)


@pytest.fixture
def report() -> Report:
    campaign: Campaign = make_campaign(slug="here", languages=("wo",), items_per_round=400)
    for name in ("awa", "ibou"):
        make_annotator(name, "wo")
    for number in range(60):
        make_sample(campaign, "wo", f"{TOLD} {number} and closes at {number * 7} sharp")
    for _ in range(4):
        make_gold(campaign)
    telling = Telling(text=TOLD, tag="wo", reasons=["unsafe"], consent_train=True)
    got = receive(campaign, telling=telling, key="k", client="n.b", now=timezone.now()).report
    timers.tend(timezone.now())
    got.refresh_from_db()
    return got


def plan(report: Report, user: User, **over: Any) -> None:
    told = {"texts": 20, "gold_percent": 0, "budget": None} | over
    actor = Actor(ReportEvent.By.COORDINATOR, user)
    planning.plan(report, actor=actor, now=timezone.now(), **told)


def collect(report: Report, user: User) -> None:
    report.reproductions.create(
        version_number=1, version_digest="1", label="a", still_wrong=True, at=timezone.now()
    )
    triage.confirm(report, actor=Actor(ReportEvent.By.COORDINATOR, user), now=timezone.now())
    start_collecting(report, now=timezone.now())
    assert report.state == "collecting"
    ask_neighbours(report.campaign.languages.get())


def asked(kind: str) -> int:
    return Item.objects.filter(kind=kind).count()


def test_no_more_answers_are_asked_for_than_a_plan_pays_and_gold_goes_with_them(
    report: Report, boss: User
) -> None:
    # 11 texts at 2 answers, and a known one for every ten of them: 24, and 26 pay for no more.
    plan(report, boss, gold_percent=10, budget=26)
    assert report.planned == 11
    collect(report, boss)
    assert (asked("report"), asked("gold")) == (11, 1)
    assert sum(Item.objects.values_list("wanted", flat=True)) <= 26
    assert report.links.filter(kind="gold").count() == 1
    # Asked again, and in a second try, there is nothing left to be asked for.
    assert ask_neighbours(report.campaign.languages.get()) == 0
    assert find_more(report, now=timezone.now()) == 11
    # Nor for texts that were found before the plan was made.
    report.links.filter(kind="probe").update(kind="neighbour")
    assert (ask_neighbours(report.campaign.languages.get()), asked("gold")) == (0, 1)


def test_what_was_asked_is_paid_already_when_a_report_is_planned_anew(
    client: Client, report: Report, boss: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = reverse("report_detail", args=["here", "wo", report.pk])
    client.force_login(boss)
    plan(report, boss, budget=24)
    assert "used up" not in client.get(there).content.decode()
    collect(report, boss)
    assert asked("report") == 12
    assert "The budget is used up" in client.get(there).content.decode()
    # The whole pool is not compared only to find that nothing is paid for.
    looked: list[Report] = []
    monkeypatch.setattr(
        "training.actions.report_collecting.neighbours", lambda one, most: looked.append(one) or []
    )
    assert (find_more(report, now=timezone.now()), looked) == (12, [])
    # Planned anew, as after it was opened again: 24 answers are paid, and the rest has to do.
    monkeypatch.setattr(planning, "PLANNED_IN", ("collecting",))
    with pytest.raises(
        InvalidInputError, match="24 answers are used up: the rest pays for 3 texts"
    ):
        plan(report, boss, budget=30)
    plan(report, boss, budget=48)
    assert report.planned == 12
    assert "used up" not in client.get(there).content.decode()
    with pytest.raises(InvalidInputError, match="100,000 answers at most"):
        plan(report, boss, budget=100_001)


def test_gold_that_went_out_beside_a_report_counts_and_does_not_go_out_beside_it_again(
    report: Report, boss: User
) -> None:
    # Four known texts, of which three are due for thirty; all are answered at the first try.
    plan(report, boss, texts=30, gold_percent=10)
    collect(report, boss)
    assert asked("gold") == 3
    Item.objects.filter(kind="gold").update(state="answered")
    report.links.filter(kind="probe").update(kind="neighbour")
    home = report.campaign.languages.get()
    # Three more are due beside thirty more, and one is there that was not beside it.
    assert ask_neighbours(home) == 30
    linked = report.links.filter(kind="gold")
    assert (asked("gold"), linked.count()) == (4, 4)
    assert set(linked.values_list("item", flat=True)) == set(
        Item.objects.filter(kind="gold").values_list("pk", flat=True)
    )


def test_without_a_plan_as_many_are_asked_as_for_most_and_no_gold(
    report: Report, boss: User
) -> None:
    collect(report, boss)
    assert (asked("report"), asked("gold")) == (30, 0)


def test_a_plan_is_made_on_the_reports_page_and_says_what_it_cannot_pay(
    client: Client, report: Report, boss: User
) -> None:
    client.force_login(boss)
    act = reverse("report_act", args=["here", "wo", report.pk])
    there = reverse("report_detail", args=["here", "wo", report.pk])
    client.post(act, {"act": "plan", "texts": "40", "gold": "5", "budget": ""})
    report.refresh_from_db()
    assert (report.planned, report.plan.gold_percent, report.plan.budget) == (40, 5, None)
    with pytest.raises(InvalidInputError, match="pay for 8 texts"):
        plan(report, boss, budget=16)
    for wrong in ({"texts": "9"}, {"texts": "20", "gold": "60"}, {"texts": "many"}):
        client.post(act, {"act": "plan", **wrong})
    report.refresh_from_db()
    assert report.planned == 40
    assert 'name="texts" type="number" min="10" max="500" required value="40"' in (
        client.get(there).content.decode()
    )
