"""Random walks of reports: whoever may does whatever there is to do, in any order, at any time."""

import os
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from annotation.actions.reports import following, limits, merging, timers, triage
from annotation.actions.reports.intake import Telling, receive
from annotation.actions.reports.table import RULES, SYSTEM, Actor
from annotation.actions.reports.transitions import broken_link, transition
from annotation.errors import VernacularError
from annotation.models import (
    Consensus,
    Report,
    ReportEvent,
    ReportImprint,
    ReportLetter,
    ReportLink,
    ReportMessage,
    ReportOrigin,
    ReportState,
    ReportVote,
    Reproduction,
)
from annotation.models.reports import CLOSED_UNMENDED, OPEN, TEXTS
from tests.reports.world import NOW, World
from training.models import RegressionCase, ReportCase, Verification

State, By, Kind = ReportState, ReportEvent.By, ReportLink.Kind
WORDS = "the very words of whoever reported"


def tell(world: World, n: int) -> None:
    """Somebody reports; every third text was told before."""
    world.made += 1
    telling = Telling(
        text=f"{WORDS} {n % 3}",
        tag=("wo", "qu", "xx")[n % 5 % 3],
        output="admin",
        expected=f"{WORDS} expected" if n % 2 else "",
        description=f"{WORDS} why",
        reasons=("meaning", "unsafe")[: n % 3],
        contact="sam@example.org" if n % 2 else "",
        consent_test=bool(n % 4),
        consent_train=bool(n % 3),
    )
    got = receive(
        world.campaign,
        telling=telling,
        key=f"{world.campaign.pk}-{os.getpid()}-{world.made}",
        client=f"client {os.getpid()} {world.made}",
        now=world.now,
    )
    world.pks.append(got.report.pk)


def pass_time(world: World, n: int) -> None:
    """Time goes by, and the timetable comes along."""
    world.now += (timedelta(seconds=61), timedelta(days=2), timedelta(days=31))[n % 3]
    timers.tend(world.now)


def step(world: World, n: int) -> None:
    """Anybody tries any step of the table, fit or not."""
    report = world.pick(n)
    ways = sorted(RULES)
    here = [to for start, to in ways if start == report.state] or [State.RELEASED]
    to = here[n // 7 % len(here)] if n % 5 else ways[n // 7 % len(ways)][1]
    actor = (SYSTEM, world.lead, Actor(By.REPORTER), Actor(By.NATIVE))[n // 3 % 4]
    target = world.pick(n // 11) if to == State.MERGED else None
    transition(
        report,
        to=to,
        actor=actor,
        now=world.now,
        reason=("", "unwise", "overdue")[n % 3],
        target=target,
    )


def forward(world: World, n: int) -> None:
    """What a step needs is brought about, nearly always, and whoever may make it does."""
    report = world.pick(n)
    if report.state in (State.RECEIVED, State.SCREENED):
        timers.tend(world.now + timedelta(seconds=61))
        return
    ways = sorted(
        to
        for start, to in RULES
        if start == report.state and to not in (State.WITHDRAWN, State.MERGED)
    )
    if ways:
        _bring_about(world, report, ways=ways, n=n)


@transaction.atomic
def _bring_about(world: World, report: Report, *, ways: list[str], n: int) -> None:
    to = ways[n // 7 % len(ways)]
    if n % 2:
        to = ONWARD.get(State(report.state), to)
    who = sorted(RULES[report.state, to].who)[n // 3 % len(RULES[report.state, to].who)]
    if n % 9:
        # As the actions do: first the report, then what belongs to it, or two wait in a ring.
        Report.objects.select_for_update().get(pk=report.pk)
        FACTS.get(to, _no_facts)(world, report)
        report.refresh_from_db()
    changes: dict[str, Any] = {"planned": 5} if to == State.CONFIRMED else {}
    changes |= {"hold_until": world.now + timedelta(days=9)} if to == State.ON_HOLD else {}
    actor = world.lead if who in (By.COORDINATOR, By.ADMIN) else Actor(who)
    transition(report, to=to, actor=actor, now=world.now, reason="resumed", **changes)


def _no_facts(world: World, report: Report) -> None:
    """Nothing is needed."""


def _wrong(world: World, report: Report) -> None:
    _reproduced(world, report, wrong=True)
    for voter in world.natives:
        if triage.may_vote(report, voter):
            ReportVote.objects.update_or_create(
                report=report, about="defect", voter=voter, defaults={"verdict": "yes", "at": NOW}
            )


def _right(world: World, report: Report) -> None:
    _reproduced(world, report, wrong=False)


def _reproduced(world: World, report: Report, *, wrong: bool) -> None:
    Reproduction.objects.update_or_create(
        report=report,
        version_digest=world.version.digest,
        defaults={"version_number": 1, "label": "x", "still_wrong": wrong, "at": world.now},
    )


def _question(world: World, report: Report) -> None:
    ReportMessage.objects.create(report=report, kind="question", template="which_word", at=NOW)


def _linked(*kinds: str) -> Callable[[World, Report], None]:
    def facts(world: World, report: Report) -> None:
        for kind in kinds:
            ReportLink.objects.create(
                report=report,
                kind=kind,
                ref=f"made {uuid.uuid4().hex[:12]}",
                attempt=report.attempts,
                at=world.now,
            )

    return facts


def _examples(world: World, report: Report) -> None:
    _collected(world, report)


def _mended(world: World, report: Report) -> None:
    _linked(Kind.VERIFIED, Kind.CASE)(world, report)
    _verified(world, report, passed=True, own_words=not report.consent_test)


def _watched(world: World, report: Report) -> None:
    ReportVote.objects.filter(report=report, about="better").delete()
    later = world.now + timedelta(seconds=1)
    for ref in ("a", "b"):
        ReportLink.objects.get_or_create(
            report=report, kind=Kind.VERSION, ref=ref, defaults={"at": later}
        )


# From the first look to the end, without a turn.
ONWARD = {
    State.AWAITING_TRIAGE: State.CONFIRMED,
    State.CONFIRMED: State.COLLECTING,
    State.COLLECTING: State.TRAINING,
    State.TRAINING: State.VERIFYING,
    State.VERIFYING: State.FIX_PENDING_RELEASE,
    State.FIX_PENDING_RELEASE: State.RELEASED,
    State.RELEASED: State.CLOSED_FIXED,
}
FACTS: dict[str, Callable[[World, Report], None]] = {
    State.CONFIRMED: _wrong,
    State.CLOSED_CANNOT_REPRODUCE: _right,
    State.NEEDS_INFO: _question,
    State.TRAINING: _examples,
    State.VERIFYING: _linked(Kind.VERSION),
    State.FIX_PENDING_RELEASE: _linked(Kind.VERIFIED),
    State.COLLECTING: _linked(Kind.FAILED),
    State.RELEASED: _mended,
    State.CLOSED_FIXED: _watched,
}


def reproduce(world: World, n: int) -> None:
    """The model is asked again."""
    report = world.pick(n)
    if report.state != State.WITHDRAWN:
        _reproduced(world, report, wrong=bool(n % 5))


def cast(world: World, n: int) -> None:
    """A speaker votes."""
    report, voter = world.pick(n), world.natives[n // 5 % 4]
    about = "better" if report.state in (State.RELEASED, State.CLOSED_FIXED) else "defect"
    verdict = ("yes", "yes", "no", "unsure")[n // 3 % 4]
    triage.vote(report, voter=voter, verdict=verdict, now=world.now, about=about, note=WORDS)


def ask(world: World, n: int) -> None:
    """The coordinator asks back, or whoever reported answers."""
    report = world.pick(n)
    if report.state in following.ANSWERABLE:
        following.answer(report, text=f"{WORDS} answer", now=world.now)
    else:
        triage.ask_back(report, question="which_word", actor=world.lead, now=world.now)


def join(world: World, n: int) -> None:
    """Two reports are put together, or taken apart."""
    report, other = world.pick(n), world.pick(n // 7)
    if report.state == State.MERGED:
        merging.unmerge(report, actor=world.lead, now=world.now)
        return
    if n % 3:
        assert world.lead.user
        merging.look_at_both(report, other, user=world.lead.user, now=world.now)
    merging.merge(report, into=other, actor=world.lead, now=world.now)


def collect(world: World, n: int) -> None:
    """Speakers agree on texts like it."""
    _collected(world, world.pick(n))


@transaction.atomic
def _collected(world: World, report: Report) -> None:
    # As who looks for neighbours does: first the report, then what points at it.
    Report.objects.select_for_update(no_key=True).get(pk=report.pk)
    Report.objects.filter(pk=report.pk, planned__gt=0).update(planned=5)
    for sample in [one for one in world.samples if one.language_id == report.language_id][:6]:
        link = {"kind": Kind.NEIGHBOUR, "sample": sample, "attempt": report.attempts}
        ReportLink.objects.get_or_create(report=report, **link, defaults={"at": world.now})
        Consensus.objects.get_or_create(
            sample=sample,
            defaults={
                "people": [0.9, 0.1, 0.0],
                "label": world.campaign.labels.all()[0],
                "confidence": 0.9,
                "weight": 1,
                "answers": 2,
                "revisions": [],
                "aggregator": "made",
            },
        )


def train(world: World, n: int) -> None:
    """A run ends, and its version is checked, well or not."""
    report = world.pick(n)
    if report.state == State.WITHDRAWN:
        return
    kinds = (Kind.VERSION, Kind.VERIFIED if n % 2 else Kind.FAILED)
    for kind in kinds:
        ReportLink.objects.get_or_create(
            report=report,
            kind=kind,
            ref=f"{n % 4}",
            defaults={"attempt": report.attempts, "at": world.now},
        )
    if n % 3:
        own = not report.consent_test or n % 5 == 0
        _verified(world, report, passed=bool(n % 2), own_words=own, active=bool(n % 7))


def _verified(
    world: World, report: Report, *, passed: bool, own_words: bool, active: bool = True
) -> None:
    case = RegressionCase.objects.get_or_create(
        campaign=world.campaign,
        language=report.language or world.samples[0].language,
        digest=f"case {report.pk}",
        defaults={"text": "case", "active": active},
    )[0]
    ReportCase.objects.get_or_create(report=report, case=case, defaults={"own_words": own_words})
    ReportLink.objects.get_or_create(
        report=report, kind=Kind.CASE, ref=str(case.pk), defaults={"at": world.now}
    )
    Verification.objects.get_or_create(
        report=report,
        version=world.version,
        attempt=report.attempts,
        defaults={
            "against": world.version,
            "state": "passed" if passed else "failed",
            "cases_hold": True,
            "opened_at": NOW,
        },
    )


def better(world: World, n: int) -> None:
    """Whoever reported says whether it is better, or asks for another look."""
    report = world.pick(n)
    if report.state in following.APPEALABLE:
        following.appeal(report, now=world.now)
    else:
        following.say_if_better(report, verdict=("yes", "no")[n % 2], now=world.now)


def keep_off(world: World, n: int) -> None:
    """Harm is kept off for some days."""
    until = world.now + timedelta(days=30)
    triage.keep_harm_off(world.pick(n), note="harm", until=until, actor=world.lead, now=world.now)


def take_back(world: World, n: int) -> None:
    """Whoever reported takes it back; seldom, or little is left to walk with."""
    if n % 4 == 0:
        following.withdraw(world.pick(n), now=world.now)


DEEDS: tuple[Callable[[World, int], Any], ...] = (
    *(tell, pass_time, step, reproduce, cast, ask, join, collect, train, better, keep_off),
    *(take_back, *[forward] * 14),
)


def stroll(world: World, deeds: list[tuple[int, int]]) -> None:
    """Walk, check, and leave nothing behind."""
    world.now, world.pks = NOW, []
    # All walks begin at one moment: nobody has knocked yet.
    limits.forget()
    with transaction.atomic():
        tell(world, len(deeds))
        walk(world, deeds)
        check(world)
        world.seen.update(ReportEvent.objects.values_list("from_state", "to_state"))
        transaction.set_rollback(True)


def race(world: World, deeds: list[tuple[int, int]]) -> int:
    """Do them while others do theirs, each for good; what was lost to somebody quicker is refused."""
    refused = 0
    for deed, n in deeds:
        world.now = timezone.now() + timedelta(days=n % 3)
        try:
            # In no transaction but its own, as a request or a task does it: one that goes on to the
            # next report has let go of the last.
            do(world, deed, n)
        except VernacularError:
            refused += 1
    return refused


def do(world: World, deed: int, n: int) -> None:
    """Do one of the deeds; where there is nothing yet, somebody reports."""
    (DEEDS[deed % len(DEEDS)] if world.pks else tell)(world, n)


def walk(world: World, deeds: list[tuple[int, int]]) -> int:
    """Do them one after the other; what may not be done is refused and changes nothing."""
    refused = 0
    for deed, n in deeds:
        try:
            with transaction.atomic():
                do(world, deed, n)
        except VernacularError:
            refused += 1
    return refused


def check(world: World) -> None:
    """Every invariant, of every report of the walk."""
    reports = world.reports
    for report in reports:
        _chained(report)
        _proven(report)
        _apart(report, world)
    # These two go on walking for a while: with one of them, by turns.
    one = reports[sum(report.events for report in reports) % len(reports)]
    _has_a_way_out(one, world)
    _empty(one)


def _chained(report: Report) -> None:
    """I1: one event a step, chained, and the state is the last one's; I6: closed with a reason."""
    events = list(report.log.order_by("number"))
    assert [one.number for one in events] == list(range(1, len(events) + 1))
    assert (report.state, report.events) == (events[-1].to_state, len(events))
    assert [one.to_state for one in events[:-1]] == [one.from_state for one in events[1:]]
    assert broken_link(report) == 0
    assert all((one.from_state, one.to_state) in RULES for one in events)
    for one in events:
        assert one.reason or one.to_state not in CLOSED_UNMENDED
    assert report.due_at is None or report.is_open


def _proven(report: Report) -> None:
    """I2: what was ever released had a case and a check that passed; I4: with consent alone."""
    if report.log.filter(to_state=State.RELEASED).exists():
        assert report.cases.filter(case__active=True).exists()
        assert report.verifications.filter(state="passed", cases_hold=True).exists()
    if not report.consent_test:
        assert not report.cases.filter(own_words=False).exists()


def _apart(report: Report, world: World) -> None:
    """I3: put to one of the same language, never in a ring."""
    assert (report.duplicate_of is not None) == (report.state == State.MERGED)
    if target := report.duplicate_of:
        assert target.duplicate_of is None
        assert target.state != State.WITHDRAWN
        same = (target.campaign_id, target.language_id) == (report.campaign_id, report.language_id)
        assert same


def _has_a_way_out(report: Report, world: World) -> None:
    """I8 and more: an open report has a day on which something follows, and something does."""
    if report.state not in OPEN:
        return
    assert report.due_at is not None, report.state
    assert report.due_at <= world.now + timedelta(days=181), report.state
    ways = [to for start, to in RULES if start == report.state and to != State.WITHDRAWN]
    assert ways
    point = transaction.savepoint()
    late = max(world.now, report.due_at) + timedelta(seconds=1)
    for _ in range(30):
        report.refresh_from_db()
        if not report.is_open or timers.fire(report, now=late):
            break
        late = max(filter(None, (late, report.due_at))) + timedelta(days=7)
    else:
        raise AssertionError(f"nothing follows on {report.state}")
    transaction.savepoint_rollback(point)


def _empty(report: Report) -> None:
    """What is taken back leaves no word anywhere, wherever it was by then."""
    point = transaction.savepoint()
    report.refresh_from_db()
    following.withdraw(report, now=NOW + timedelta(days=999))
    assert report.state == State.WITHDRAWN
    assert_erased(report)
    transaction.savepoint_rollback(point)


def assert_erased(report: Report) -> None:
    assert [getattr(report, name) for name in TEXTS] == [""] * len(TEXTS)
    assert not hasattr(Report.objects.get(pk=report.pk), "contact")
    assert not hasattr(Report.objects.get(pk=report.pk), "original")
    assert not ReportMessage.objects.filter(report=report).exists()
    assert not ReportOrigin.objects.filter(report=report).exists()
    assert not ReportImprint.objects.filter(report=report).exists()
    assert not ReportVote.objects.filter(report=report).exclude(note="").exists()
    assert not ReportLetter.objects.filter(report=report, state="waiting").exists()
    assert not Reproduction.objects.filter(report=report).exclude(label="").exists()
