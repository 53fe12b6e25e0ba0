"""Abuse: refused for next to nothing and told when, a crowd that passes, brigades, trust by a link."""

import re
from collections.abc import Callable
from datetime import timedelta
from threading import Thread
from typing import Any
from urllib.parse import urlencode

import pytest
from django.core import signing
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from annotation.actions.reports import brigades, following, knocks, limits, merging, timers
from annotation.actions.reports.intake import Receipt, Telling, receive
from annotation.actions.reports.table import SYSTEM
from annotation.actions.reports.transitions import transition
from annotation.methods import proof_of_work
from annotation.models import Campaign, PublicDoor, Report, ReportArrival, User
from annotation.views.reports import BEGUN
from tests.make import make_campaign, make_user

pytestmark = pytest.mark.django_db
SAID = "Xam naa ko bu baax te du ma ko fàtte"
HERE = "/report/here/"
Ask = Callable[[int], Any]


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    for where in ("reports", "report_api"):
        monkeypatch.setattr(f"annotation.views.{where}.soon", lambda *_, **__: None)


@pytest.fixture
def campaign() -> Campaign:
    made = make_campaign(slug="here", languages=("wo", "qu"))
    PublicDoor.objects.create(campaign=made, open=True)
    return made


@pytest.fixture
def burst(campaign: Campaign) -> Campaign:
    PublicDoor.objects.update(burst_until=timezone.now() + limits.BURST_LASTS)
    return campaign


def begun(seconds: float = 60) -> str:
    return signing.dumps(timezone.now().timestamp() - seconds, salt=BEGUN)


def send(client: Client, number: int, *, ip: str = "1.2.3.4", **over: str) -> Any:
    fields = {"text": f"{SAID} {number}", "key": f"k{number}", "begun": begun()} | over
    # As a browser sends it.
    told, kind = urlencode(fields), "application/x-www-form-urlencoded"
    return client.post(HERE, told, kind, REMOTE_ADDR=ip, headers={"accept-language": "ar"})


def tell(campaign: Campaign, text: str, *, client: str = "", **over: Any) -> Receipt:
    number = Report.objects.count()
    by = {name: over.pop(name) for name in ("user", "first", "proven") if name in over}
    telling = Telling(text=text, tag="wo", reasons=["meaning"], output=f"{number}", **over)
    now = timezone.now()
    where = client or f"net{number}.browser"
    got = receive(campaign, telling=telling, key=f"{number}", client=where, now=now, **by)
    timers.tend(now)
    got.report.refresh_from_db()
    return got


def states(campaign: Campaign) -> list[str]:
    return list(campaign.reports.order_by("pk").values_list("state", flat=True))


def test_whoever_told_too_much_is_refused_without_a_query_and_loses_no_word(
    client: Client, campaign: Campaign, django_assert_num_queries: Ask
) -> None:
    taken = [send(client, number).url for number in range(limits.PER_HOUR)]
    with django_assert_num_queries(0):
        refused = send(client, 9, description="<b>because</b>", reason="meaning")
    page = refused.content.decode()
    assert refused.status_code == 429
    assert 3000 < int(refused["Retry-After"]) <= 3601
    assert refused["Content-Security-Policy"].startswith("default-src 'none'")
    assert 'dir="rtl"' in page
    assert re.findall(r"<textarea[^>]*>([^<]*)<", page) == [
        f"{SAID} 9",
        "&lt;b&gt;because&lt;/b&gt;",
    ]
    kept = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page))
    assert (kept["key"], kept["reason"]) == ("k9", "meaning")
    with django_assert_num_queries(0):  # what another site sends in somebody's name is not theirs
        foreign = client.post(HERE, {"text": SAID}, headers={"sec-fetch-site": "cross-site"},
                              REMOTE_ADDR="1.2.3.4")  # fmt: skip
    assert (foreign.status_code, SAID in foreign.content.decode()) == (429, False)
    # The same form once more is no new report, and a neighbour with another browser is heard.
    assert send(client, 4).url == taken[4]
    other = client.post(HERE, {"text": "leneen", "key": "o", "begun": begun()},
                        REMOTE_ADDR="1.2.3.4", headers={"user-agent": "Firefox"})  # fmt: skip
    assert other.status_code == 302
    # When the time that was told has passed, the page is sent as it stands.
    Report.objects.update(received_at=timezone.now() - timedelta(minutes=61))
    knocks.forget()
    assert send(client, 9, **{k: v for k, v in kept.items() if k != "key"}).status_code == 302


def test_a_program_is_refused_without_a_query_and_told_when(
    client: Client, campaign: Campaign, django_assert_num_queries: Ask
) -> None:
    def post(number: int) -> Any:
        return client.post(
            "/api/reports/here/",
            {"text": f"{SAID} {number}"},
            content_type="application/json",
            headers={"Idempotency-Key": f"{number}"},
        )

    assert [post(number).status_code for number in range(limits.PER_HOUR)] == [201] * 5
    with django_assert_num_queries(0):
        refused = post(9)
    assert (refused.status_code, refused.json()["title"]) == (429, "too_many_reports")
    assert int(refused["Retry-After"]) > 3000
    assert refused["Content-Type"] == "application/problem+json"
    # Taking back and telling again goes round no limit.
    for report in Report.objects.all():
        following.withdraw(report, now=timezone.now())
    assert post(9).status_code == 429
    awa = make_user("awa")
    client.force_login(awa)  # whom we know, no limit of strangers holds
    assert post(9).status_code == 201


def test_in_a_crowd_those_wait_who_told_something_lately_and_nobody_else(
    client: Client, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(knocks, "CROWD", 3)
    monkeypatch.setattr(knocks, "A_MINUTE", knocks.AN_HOUR)  # however slow this machine is
    seen = [send(client, n, ip=f"1.2.{n}.4").status_code for n in range(3)]
    again = send(client, 7, ip="1.2.0.9")
    late = send(client, 8, ip="1.9.9.9")
    assert (seen, again.status_code, late.status_code) == ([302] * 3, 429, 302)
    assert 0 < int(again["Retry-After"]) <= 3601


def test_what_is_no_report_is_not_looked_at_for_ever(
    client: Client, campaign: Campaign, django_assert_num_queries: Ask
) -> None:
    for number in range(knocks.MOST_FAILED):
        assert send(client, number, begun="forged").status_code == 422
    with django_assert_num_queries(0):
        refused = send(client, 99)
    assert (refused.status_code, 0 < int(refused["Retry-After"]) <= 601) == (429, True)
    assert send(client, 99, ip="9.9.9.9").status_code == 302


def test_one_neighbour_s_mistakes_shut_the_door_for_nobody_else(
    client: Client, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(knocks.MOST_FAILED):
        send(client, number, ip="41.82.1.7", begun="forged")
    assert send(client, 98, ip="41.82.1.7").status_code == 429
    near = Client(headers={"user-agent": "Firefox"})
    assert send(near, 99, ip="41.82.1.200").status_code == 302
    # All together they rest too, though from a far higher number on.
    monkeypatch.setattr(knocks, "NETWORK_FAILED", knocks.MOST_FAILED + 2)
    for name in ("Chrome", "Safari"):
        send(Client(headers={"user-agent": name}), 1, ip="41.82.1.7", begun="forged")
    assert send(near, 97, ip="41.82.1.200").status_code == 429
    # A rest is for what came before it: one more mistake afterwards is no second one.
    over, who = timezone.now() + knocks.RESTS + timedelta(seconds=1), "net.browser"
    for _ in range(knocks.MOST_FAILED):
        knocks.note_failed(who, now=timezone.now())
    knocks.note_failed(who, now=over)
    assert knocks.refused(who, now=over) is None


def test_whoever_mends_a_form_of_ours_or_signed_in_is_not_sent_to_rest(
    client: Client, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, number in (("MOST_FAILED", 2), ("MENDED", 3)):
        monkeypatch.setattr(knocks, name, number)
    one = begun()
    mended = [send(client, 1, text="", begun=one).status_code for _ in range(3)]
    assert (mended, send(client, 1, begun=one).status_code) == ([422] * 3, 302)
    # The same words told twice are no mistake: they are a report that is here.
    twice = {"text": SAID}
    there = [client.post("/api/reports/here/", twice, content_type="application/json").status_code
             for _ in range(4)]  # fmt: skip
    assert there == [201, 409, 409, 409]
    knocks.forget()
    known = Client()
    known.force_login(make_user("awa"))
    seen = [send(known, 2, text="", begun="forged").status_code for _ in range(3)]
    assert (seen, send(known, 2).status_code) == ([422] * 3, 302)
    # One sign of ours does not let a flood of mistakes through.
    shared = begun()
    flood = [send(client, 3, text="", begun=shared).status_code for _ in range(6)]
    assert flood == [422] * 5 + [429]


def test_cookies_that_are_made_up_take_no_look_from_those_we_know(
    campaign: Campaign, django_assert_num_queries: Ask
) -> None:
    known = Client()
    known.force_login(make_user("awa"))
    now = timezone.now()
    somewhere = knocks.network_of(limits.client_of("1.2.3.4", agent="", now=now))
    knocks.remember(somewhere, wait=knocks.Wait(knocks.Why.DAY, now + timedelta(hours=1)))
    forger = Client()
    for number in range(knocks.COOKIES + 2):
        forger.cookies["vernacular_session"] = f"{number:032d}"
        with django_assert_num_queries(1):
            assert send(forger, number).status_code == 429
    forger.cookies["vernacular_session"] = "no session of ours"
    with django_assert_num_queries(0):
        assert send(forger, 50).status_code == 429
    assert send(known, 60).status_code == 302


def test_what_cannot_be_given_back_is_not_said_to_stand_below(
    client: Client, campaign: Campaign
) -> None:
    now = timezone.now()
    place = knocks.network_of(limits.client_of("1.2.3.4", agent="", now=now))
    knocks.remember(place, wait=knocks.Wait(knocks.Why.DAY, now + timedelta(hours=1)))

    def refused(text: str, **headers: str) -> str:
        headers = {"accept-language": "en"} | headers
        told = client.post(HERE, urlencode({"text": text}), "application/x-www-form-urlencoded",
                           REMOTE_ADDR="1.2.3.4", headers=headers)  # fmt: skip
        assert told.status_code == 429
        return str(told.content.decode())

    ours = {"sec-fetch-site": "same-site", "origin": "http://testserver"}
    theirs = {"sec-fetch-site": "same-site", "origin": "http://blog.testserver"}
    for page, given in (
        (refused(SAID), True),
        (refused(SAID, **ours), True),
        (refused(SAID, **theirs), False),
        (refused("a" * 140_000), False),
    ):
        said = [one in page for one in ("it stands below", "<textarea", "<button")]
        assert said == [given] * 3
        assert ("Go back: what you wrote stands on the page before this one." in page) != given


def test_a_program_is_refused_in_its_own_language_whoever_came_before(
    client: Client, campaign: Campaign
) -> None:
    now = timezone.now()
    place = knocks.network_of(limits.client_of("1.2.3.4", agent="", now=now))
    knocks.remember(place, wait=knocks.Wait(knocks.Why.DAY, now + timedelta(hours=1)))
    seen = {}
    for tag, before in (("en", "ar"), ("fr", "ar"), ("ar", "en")):
        with translation.override(before):
            refused = client.post("/api/reports/here/", {"text": SAID}, REMOTE_ADDR="1.2.3.4",
                                  content_type="application/json",
                                  headers={"accept-language": tag})  # fmt: skip
        assert (refused["Content-Language"], "Accept-Language" in refused["Vary"]) == (tag, True)
        with translation.override(tag):
            seen[tag] = str(translation.gettext("So many reports came from here today."))
        assert refused.json()["detail"].startswith(seen[tag])
    assert len(set(seen.values())) == 3


def test_a_burst_begins_by_numbers_and_honest_reports_come_out_by_themselves(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "BURST", 4)
    monkeypatch.setattr(limits, "BURST_HOURLY", 2)
    for number in range(4):
        tell(campaign, f"bu njëkk {number}" * (number + 1))
    honest = tell(campaign, "dama xiif lool")
    private = tell(campaign, "woo ma +221 77 123 45 67")
    flood = [tell(campaign, f"xeet wu {n}", client=f"one.{n}") for n in range(limits.FEW + 1)]
    proven = tell(campaign, "lu ma wax dëgg la", client="one.9", proven=True)
    assert states(campaign) == ["awaiting_triage"] * 4 + ["quarantined"] * 6
    assert [honest.report.log.last().reason, private.report.log.last().reason] == [
        "crowd", "private",
    ]  # fmt: skip
    timers.tend(timezone.now() + timedelta(minutes=30))
    assert states(campaign)[4] == "quarantined"
    for _ in range(2):
        timers.tend(timezone.now() + limits.BURST_LASTS)
    for one in (honest, proven, private, *flood):
        one.report.refresh_from_db()
    assert [one.report.state for one in (honest, proven)] == ["awaiting_triage"] * 2
    assert honest.report.log.last().reason == "calm"
    assert {one.report.state for one in (private, *flood)} == {"quarantined"}


def test_a_browser_that_did_the_sum_waits_no_longer_than_a_person_needs(
    client: Client, burst: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LEAST_IN_A_BURST", 3000)  # however slow this machine is
    page = client.get(HERE).content.decode()
    assert page.count("<script") == 1
    kept = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page))
    seed = re.search(r'data-seed="(\w+)" data-puzzles="8" data-bits="11"', page)
    assert seed
    assert seed[1] == proof_of_work.seed_of(kept["begun"], kept["key"])
    young = begun(5)
    solved = ",".join(map(str, proof_of_work.solve(proof_of_work.seed_of(young, "k1"))))
    assert send(client, 1, begun=young).status_code == 422  # without it: for longer
    assert send(client, 2, begun=young, proof=solved).status_code == 422  # of another form
    assert send(client, 1, begun=young, proof=solved).status_code == 302
    # A key that no form was given stands for any number of reports: no sum is taken for it.
    free = ",".join(map(str, proof_of_work.solve(proof_of_work.seed_of(young, "a b"))))
    assert send(client, 4, key="a b", begun=young, proof=free).status_code == 422
    assert send(client, 3, begun=begun(3001)).status_code == 302
    assert [ReportArrival.objects.get(report__key=key).proven for key in ("k1", "k3")] == [
        True, False,
    ]  # fmt: skip
    stale = begun(3 * 3600)
    solved = ",".join(map(str, proof_of_work.solve(proof_of_work.seed_of(stale, "k5"))))
    send(client, 5, begun=stale, proof=solved)
    assert not ReportArrival.objects.get(report__key="k5").proven


def confirm(report: Report, voters: list[User]) -> None:
    now = timezone.now()
    report.reproductions.create(
        version_number=1, version_digest="x", label="y", still_wrong=True, at=now
    )
    for voter in voters:
        report.votes.create(voter=voter, verdict="yes", at=now)
    transition(report, to="confirmed", actor=SYSTEM, now=now, planned=1)


def test_a_secret_link_by_which_three_were_right_is_trusted_and_stays_secret(
    client: Client, campaign: Campaign
) -> None:
    voters = [make_user(name) for name in ("bo", "cy")]
    first = tell(campaign, "bu njëkk ci ñaar")
    link = reverse("report_follow", args=[first.token])
    page = client.get(link).content.decode()
    form = re.search(r'<form method="post" action="/report/here/">.*?</form>', page, re.S)
    assert form
    assert f'name="after" value="{first.token}"' in form[0]
    told = {"fill": "1", "after": first.token}
    assert first.token in client.post(HERE, told).content.decode()
    assert 'name="after"' not in client.get(HERE, {"after": first.token}).content.decode()
    for number in (1, 2):
        send(client, number, after=first.token, language="wo", ip=f"9.9.{number}.1")
    timers.tend(timezone.now())
    mine = list(Report.objects.order_by("pk"))
    assert [one.arrival.first for one in mine[1:]] == [first.report] * 2
    for one in mine:
        confirm(one, voters)
    PublicDoor.objects.update(burst_until=timezone.now() + limits.BURST_LASTS)
    trusted = tell(campaign, "beneen mbir", first=mine[2])
    newcomer = tell(campaign, "keneen ku bees")
    assert (trusted.report.state, newcomer.report.state) == ("awaiting_triage", "quarantined")
    # Whoever tells the same several times from one link is one person, and taken back is untied.
    merging.merge(trusted.report, into=mine[0], actor=SYSTEM, now=timezone.now())
    mine[0].refresh_from_db()
    assert mine[0].reporters == 1
    following.withdraw(mine[2], now=timezone.now())
    assert not ReportArrival.objects.filter(report=mine[2]).exists()


def close_as_junk(report: Report) -> None:
    now = timezone.now()
    transition(report, to="quarantined", actor=limits_lead(), now=now, reason="suspect")
    transition(report, to="closed_spam", actor=SYSTEM, now=now, reason="spam")


def test_junk_by_one_link_is_remembered_wherever_it_comes_from(campaign: Campaign) -> None:
    first = tell(campaign, "jënd leen fii")
    for number in range(3):
        got = tell(campaign, f"jaay naa {number}" * (number + 1), first=first.report)
        close_as_junk(got.report)
    assert tell(campaign, "beneen", first=first.report).report.state == "quarantined"
    assert tell(campaign, "keneen").report.state == "awaiting_triage"


def test_junk_from_a_place_is_not_taken_away_by_a_link_nor_made_good_elsewhere(
    campaign: Campaign,
) -> None:
    for number in range(3):
        got = tell(campaign, f"jaay naa {number}" * (number + 1), client="one.browser")
        close_as_junk(got.report)
    mine = tell(campaign, "lii moom dëgg la", client="two.browser").report
    for first in (None, got.report, mine):
        held = limits.held_back(
            campaign, language=None, client="one.browser", now=timezone.now(), first=first
        )
        assert held == "junk"
    # Who leads elsewhere confirms there what they like: it speaks for nobody here.
    elsewhere = make_campaign(slug="there", languages=("wo",))
    voters = [make_user(name) for name in ("bo", "cy")]
    first = tell(elsewhere, "benn").report
    chain = [first, *(tell(elsewhere, text * 3, first=first).report for text in ("ñaar", "ñett"))]
    for one in chain:
        confirm(one, voters)
    seen = [limits.is_trusted(None, campaign=at, first=first) for at in (elsewhere, campaign)]
    assert seen == [True, False]


def limits_lead() -> Any:
    from annotation.actions.reports.table import Actor
    from annotation.models import ReportEvent

    user = User.objects.filter(username="lead").first() or make_user("lead")
    return Actor(ReportEvent.By.COORDINATOR, user)


def test_newcomers_who_say_nearly_the_same_raise_nothing_until_somebody_says_they_may(
    campaign: Campaign,
) -> None:
    words = (SAID, f"{SAID}!", f"{SAID} kay", "lu jotul ak loolu benn yoon")
    told = [tell(campaign, one, expected="dates").report for one in words]
    for one in told:
        one.refresh_from_db()
    assert [one.frozen for one in told] == [True, True, True, False]
    boss = make_user("boss", staff=True)
    office = Client()
    office.force_login(boss)
    there = reverse("report_detail", args=["here", "wo", told[0].pk])
    assert "nearly the same" in office.get(there).content.decode()
    act = reverse("report_act", args=["here", "wo", told[0].pk])
    office.post(act, {"act": "no_brigade"})
    assert not Report.objects.filter(frozen=True).exists()
    late = tell(campaign, f"{SAID} dëgg", expected="dates").report
    assert not late.frozen
    assert brigades.look_for_brigade(late, now=timezone.now()) is None


def test_who_told_is_forgotten_after_thirty_days(campaign: Campaign) -> None:
    old, young = (tell(campaign, f"{SAID} {n}", client=f"net.{n}").report for n in range(2))
    now = timezone.now()
    long_ago = now - limits.CLIENT_KEPT - timedelta(hours=1)
    Report.objects.filter(pk=old.pk).update(received_at=long_ago)
    assert limits.forget_clients(now) == 1
    clients = dict(Report.objects.values_list("pk", "client"))
    assert clients == {old.pk: "", young.pk: "net.1"}


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor == "sqlite", reason="a test's SQLite has one connection")
def test_forgetting_who_told_waits_for_nobody_who_holds_a_report(campaign: Campaign) -> None:
    reports = [tell(campaign, f"{SAID} {n}", client=f"net.{n}").report for n in range(2)]
    now = timezone.now()
    Report.objects.update(received_at=now - limits.CLIENT_KEPT - timedelta(hours=1))
    forgotten: list[int] = []

    def forget() -> None:
        forgotten.append(limits.forget_clients(now))
        connection.close()

    with transaction.atomic():
        Report.objects.select_for_update().get(pk=reports[0].pk)
        other = Thread(target=forget)
        other.start()
        other.join(20)
        assert forgotten == [1]
    assert limits.forget_clients(now) == 1
