"""A report through the whole loop: told, agreed on, learned from, proven, released, and watched."""

from typing import Any

import numpy as np
import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation.actions.reports import following, timers
from annotation.actions.reports.intake import Telling, receive
from annotation.actions.reports.table import SYSTEM
from annotation.actions.reports.transitions import StepError, transition
from annotation.methods.texts import GLUE, digest, glued
from annotation.models import Campaign, Item, Report, ReportEvent, ReportState, Sample, User
from learning.actions.desk_order import batch_name
from learning.actions.report_boost import boost_of
from learning.actions.report_reproducing import reproduce_due
from learning.actions.serving import serving_version
from tests.make import LABELS, make_annotator, make_campaign, make_language, make_sample, make_user
from tests.training.conftest import tiny_networks  # noqa: F401 - the tiny network in place of the shipped
from tests.training.test_gold_calls import TEXTS, add_run, make_run, said_by
from tests.training.test_runs import answered
from tests.training.wheel import Wheel, make_wheel, words
from training.actions import report_care
from training.actions.datasets import take_snapshot
from training.actions.gates import judge
from training.actions.promotion import rollback
from training.actions.report_collecting import draft_case
from training.actions.report_neighbours import neighbours
from training.actions.report_verifying import judge_probe, open_probes
from training.methods.mended import judged, power
from training.models import (
    CaseCheck,
    RegressionCase,
    ReportCase,
    SnapshotRow,
    TrainingRun,
    Verification,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_networks")]
State = ReportState


def tell(campaign: Campaign, text: str, **over: Any) -> Report:
    fields = {"text": text, "tag": "wo", "reasons": ["meaning"]} | over
    fields = {"consent_test": True, "consent_train": True} | fields
    key, now = digest(f"{text}{over}"), timezone.now()
    got = receive(campaign, telling=Telling(**fields), key=key, client=digest(text), now=now)
    timers.tend(timezone.now())
    got.report.refresh_from_db()
    return got.report


def vote(report: Report, *names: str, verdict: str = "yes") -> None:
    """By the page that speakers see."""
    for name in names:
        client = Client()
        client.force_login(User.objects.get(username=name))
        address = reverse("report_votes", args=[report.campaign.slug, "wo"])
        shown = client.get(address).content.decode()
        assert f'name="report" value="{report.pk}"' in shown
        client.post(address, {"report": report.pk, "verdict": verdict})


def right_label(sample: Sample) -> str:
    return sample.text.split()[0].rstrip("0123456789")


def judge_all(report: Report, *names: str) -> None:
    """Every probe by speakers who know what its words tell, not which side is new."""
    users = [User.objects.get(username=name) for name in names]
    verification = report.verifications.last()
    assert verification
    for probe in list(open_probes(verification)):
        truth = right_label(probe.sample)
        sides = [probe.old_label.key, probe.new_label.key][:: -1 if probe.new_first else 1]
        told = (sides[0] == truth, sides[1] == truth)
        choice = {(1, 1): "both", (1, 0): "first", (0, 1): "second", (0, 0): "neither"}[told]
        for user in users:
            judge_probe(probe, user=user, choice=choice, now=timezone.now())


def told_and_agreed(campaign: Campaign, text: str) -> Report:
    """Somebody tells it, the model says it again, and two speakers find it wrong."""
    report = tell(campaign, text, expected="dates")
    assert report.state == State.AWAITING_TRIAGE
    assert reproduce_due(now=timezone.now()) == 1
    assert report.reproductions.get().label != "dates"
    vote(report, "binta", "coumba")
    report.refresh_from_db()
    assert report.state == State.CONFIRMED
    return report


def taken_into_the_loop(report: Report) -> Sample:
    """Its case is there before anything is done about it; return a text much like it."""
    campaign = report.campaign
    Report.objects.filter(pk=report.pk).update(planned=10)
    twin = make_sample(campaign, "wo", report.input_text.replace(" ", "  ") + ".")
    report_care.tend(timezone.now())
    report.refresh_from_db()
    assert report.state == State.COLLECTING
    assert ReportCase.objects.get(report=report).case.text == report.input_text
    assert not report.links.filter(sample=twin).exists()
    cap = boost_of(campaign.languages.get())
    assert 0 < Item.objects.filter(kind="report").count() <= cap == 12
    return twin


def told_why(report: Report) -> None:
    """The round's page says which texts were asked because of it; its own page what it led to."""
    client = Client()
    client.force_login(make_user("noor", staff=True, is_superuser=True))
    round_ = report.campaign.rounds.order_by("number")[0]
    # They were asked before there was any round, and would be told of by none.
    Item.objects.filter(kind="report").update(batch=batch_name(round_))
    page = client.get(reverse("round_detail", args=[report.campaign.slug, round_.number]))
    (asked,) = page.context["for_reports"]
    links = report.links.exclude(item=None)
    assert {one.item_id for one in asked.links} == set(links.values_list("item", flat=True))
    assert (asked.most, f"Report {report.pk}" in page.content.decode()) == (12, True)
    there = reverse("report_detail", args=[report.campaign.slug, "wo", report.pk])
    led = client.get(there).context["links"]
    assert len(led) == report.links.count()
    assert {"text like it that speakers answer", "regression case"} <= {one.words for one in led}


def proven(report: Report, *, twin: Sample) -> Verification:
    """Its examples were learned, its case and what is like it were not, speakers find it mended."""
    told_why(report)
    check = report.verifications.get()
    assert check.cases_hold
    rows = SnapshotRow.objects.filter(snapshot__runs__candidate=check.version)
    asked = report.links.filter(kind="neighbour").values("sample")
    assert rows.filter(sample__in=asked).exists()
    assert not rows.filter(sample=twin).exists()
    probes = list(check.probes.all())
    assert len(probes) >= 20
    assert not rows.filter(sample__in=[one.sample_id for one in probes]).exists()
    judge_all(report, "binta", "coumba")
    check.refresh_from_db()
    assert (check.state, check.reasons) == ("passed", [])
    return check


def test_a_report_goes_round_the_loop_and_is_opened_again_when_it_breaks() -> None:
    campaign = make_wheel(pool=100, gold=45, items_per_round=48, tags=("wo",), margin="0.100")
    for name in ("binta", "coumba", "demba"):
        make_annotator(name, "wo")
    wheel = Answering(campaign)
    wheel.turn(answering=False, until=lambda: serving_version(campaign) is not None)
    first = serving_version(campaign)
    assert first
    report = told_and_agreed(campaign, words("dates", np.random.default_rng(5)))
    twin = taken_into_the_loop(report)

    def state() -> str:
        report_care.tend(timezone.now())
        report.refresh_from_db()
        return str(report.state)

    wheel.turn(until=lambda: state() == State.VERIFYING, most=12)
    check = proven(report, twin=twin)
    wheel.turn(answering=False, until=lambda: state() == State.RELEASED, most=6)
    assert serving_version(campaign) == check.version
    assert CaseCheck.objects.get(gate__candidate=check.version).mends
    # Broken on purpose: the first model serves again, which gets the case wrong.
    rollback(campaign, to_version=first, actor=None, reason="on purpose")
    assert state() == State.REOPENED
    assert report.severity == 3
    assert report.log.filter(reason="red_again").exists()
    # Against what mended it, a candidate that says what the first said is blocked by a whole gate.
    learned = TrainingRun.objects.get(candidate=check.version)
    again = TrainingRun.objects.create(
        campaign=campaign,
        snapshot=learned.snapshot,
        base=check.version,
        candidate=first,
        status="finished",
        seed=1,
    )
    gate = judge(again.pk, now=timezone.now())
    broken = gate.case_checks.get()
    assert (broken.champion_right, broken.candidate_right, broken.broken) == (True, False, True)
    assert gate.verdict == "BLOCK"
    assert any(reason.startswith("1 of 1 regression cases got worse") for reason in gate.reasons)
    assert serving_version(campaign) == first


class Answering(Wheel):
    """A wheel whose language has several speakers; each says what the words tell."""

    def answer(self, *, wrong: int = 10) -> None:
        open_ = Item.objects.filter(
            campaign_language__campaign=self.campaign, state=Item.State.PUSHED
        ).select_related("sample__language")
        for item in open_.order_by("uid"):
            told = right_label(item.sample)
            people = item.sample.language.annotators.order_by("pk")[: item.wanted]
            for one in people:
                assert item.desk_task_id
                self.desk.annotate(item.desk_task_id, user_id=one.user.desk_user_id, label=told)


def test_no_like_of_a_case_ever_reaches_a_snapshot() -> None:
    campaign = make_wheel(pool=0, gold=1, dev=1, tags=("wo",))
    sentence = "fan la ndawrabbin di daje ci suba teel"
    alike = (
        *(sentence, f"{sentence} !", sentence.upper(), sentence.replace("suba", "subaa")),
        # Another word: too far for what keeps gold apart, and near enough to teach the case.
        *(sentence.replace("teel", "leneen"), sentence.replace("fan", "kañ")),
    )
    others = ("dama xiif te mar na lool tey", "ndaw si dem na marse ba jaay jën")
    for text in (*alike, *others):
        answered(campaign, text=text)
    learned = {row.sample.text for row in take_snapshot(campaign).rows.select_related("sample")}
    assert learned >= {*alike[3:], *others}
    report = tell(campaign, sentence)
    report.reproductions.create(
        version_number=1, version_digest="x", label="admin", still_wrong=True, at=timezone.now()
    )
    assert draft_case(report, now=timezone.now())
    kept = {row.sample.text for row in take_snapshot(campaign).rows.select_related("sample")}
    assert kept == set(others)


def test_the_words_of_a_report_are_no_case_without_consent_and_go_when_taken_back() -> None:
    campaign = make_wheel(pool=0, gold=1, dev=1, tags=("wo",))
    refused = tell(campaign, "boo ko bëggee baal ma", consent_test=False)
    given = tell(campaign, "naka nga fanaane")
    for report in (refused, given):
        report.reproductions.create(
            version_number=1, version_digest="x", label="admin", still_wrong=True, at=timezone.now()
        )
    assert draft_case(refused, now=timezone.now()) is None
    made = draft_case(given, now=timezone.now())
    assert made
    assert {label.key for label in made.case.expected.all()} == set(LABELS) - {"admin"}
    with pytest.raises(IntegrityError), transaction.atomic():
        ReportCase.objects.create(report=refused, case=made.case)
    following.withdraw(given, now=timezone.now())
    report_care.tend(timezone.now())
    case = RegressionCase.objects.get()
    assert (case.text, case.active) == ("", False)


def test_the_database_releases_nothing_without_its_proof() -> None:
    campaign = make_wheel(pool=0, gold=1, dev=1, tags=("wo",))
    report = tell(campaign, "boo ko bëggee baal ma")
    last = report.log.last()
    assert last
    for to in (State.RELEASED, State.MERGED):
        with pytest.raises(IntegrityError), transaction.atomic():
            ReportEvent.objects.create(
                report=report,
                number=report.events + 1,
                from_state=report.state,
                to_state=to,
                target=report if to == State.MERGED else None,
                by="system",
                at=timezone.now(),
                previous=report.last_hash,
                hash="0" * 64,
            )
    for change in ({"state": "released"}, {"events": 9}, {"last_hash": "x"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Report.objects.filter(pk=report.pk).update(**change)
    for act in (last.delete, lambda: ReportEvent.objects.update(reason="spam")):
        with pytest.raises(IntegrityError), transaction.atomic():
            act()
    stale = Report.objects.get(pk=report.pk)
    transition(report, to=State.CLOSED_WONT_FIX, actor=SYSTEM, now=timezone.now(), reason="unwise")
    with pytest.raises(StepError):
        transition(
            stale, to=State.CLOSED_WONT_FIX, actor=SYSTEM, now=timezone.now(), reason="unwise"
        )


def test_a_memorised_sentence_does_not_pass_and_a_true_fix_does() -> None:
    # Right nearly everywhere, as the old one was: nothing was won, so nothing is shown.
    for right in (18, 38):
        same = [[(True, True)] * 2] * right + [[(False, False)] * 2] * 2
        assert not judged(same, cases_hold=True).passed
    rng = np.random.default_rng(3)
    told = {"probes": 20, "mistakes": 0.05, "rng": rng, "runs": 150}
    assert power(old_right=0.4, new_right=0.4, **told) <= 0.05
    assert power(old_right=0.4, new_right=0.9, **told) >= 0.9


def test_a_case_of_a_grave_report_blocks_whatever_the_campaign_decides_of_others() -> None:
    campaign, first = make_run(gold=0, case_rule="report")
    run = add_run(campaign, first.base, seed=3, number=2, strange=True)
    text = next(t for t in TEXTS if said_by(run.candidate, t) != said_by(run.base, t))
    said = LABELS[said_by(run.candidate, text)]
    report = tell(campaign, text, output=said, reasons=["idiom"], severity="annoying")
    report.reproductions.create(
        version_number=1, version_digest="x", label=said, still_wrong=True, at=timezone.now()
    )
    made = draft_case(report, now=timezone.now())
    assert made
    assert judge(run.pk, now=timezone.now()).verdict == "HOLD"  # there is no gold at all
    Report.objects.filter(pk=report.pk).update(severity=3)
    again = TrainingRun.objects.create(
        campaign=campaign,
        snapshot=run.snapshot,
        base=run.base,
        candidate=run.candidate,
        status="finished",
        seed=4,
    )
    gate = judge(again.pk, now=timezone.now())
    assert gate.verdict == "BLOCK"
    assert any(text in reason for reason in gate.reasons)


def test_what_is_like_half_of_a_pair_that_a_case_asks_about_is_never_learned() -> None:
    campaign = make_wheel(pool=0, gold=1, dev=1, tags=("wo",))
    premise, other = "fan la ndawrabbin di daje ci suba teel", "dama xiif te mar na lool tey"
    pair = glued([premise, "waaw dafa wóor"])
    RegressionCase.objects.create(
        campaign=campaign, language=make_language("wo"), text=pair, digest=digest(pair)
    )
    for half in (premise.replace("suba", "subaa"), other):
        answered(campaign, text=glued([half, "kenn xamul loolu ba tey"]))
    kept = {row.sample.text for row in take_snapshot(campaign).rows.select_related("sample")}
    assert {text.partition(GLUE)[0] for text in kept} == {other}


def test_texts_like_it_are_looked_for_by_consent_alone() -> None:
    campaign = make_campaign(slug="alike", languages=("wo",))
    like = make_sample(campaign, "wo", "the market opens late on fridays in winter")
    for number in range(12):
        make_sample(campaign, "wo", f"{number} goats crossed the river by night, {number} drowned")
    asked = tell(campaign, "the market opens late on fridays and closes before noon")
    assert neighbours(asked, most=1) == [like]
    silent = tell(campaign, "the market opens late and closes at noon", consent_train=False)
    drawn = neighbours(silent, most=4)
    Report.objects.filter(pk=silent.pk).update(input_text="goats crossed a river")
    silent.refresh_from_db()
    assert neighbours(silent, most=4) == drawn
