"""What a round leaves behind beside its candidate: thresholds, stop sets, gains and verdicts."""

import pytest

from annotation.models import GoldItem
from config.env import ROOT
from learning.models import LanguageCalibration, SelectionGain, StopDecision, StopReading
from tests.training.wheel import Wheel, make_wheel
from training.actions import hindsight
from training.actions.evaluation import evaluate
from training.models import GateRun, TrainingRun

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("tiny_networks"),
]


def finished(campaign):
    return lambda: type(campaign).objects.get(pk=campaign.pk).status == "finished"


def test_round_leaves_its_numbers_in_every_language_behind_once() -> None:
    campaign = make_wheel(max_rounds=2)
    wheel = Wheel(campaign)
    wheel.turn(until=finished(campaign))
    first, second = TrainingRun.objects.order_by("round__number")
    for version in (first.base, first.candidate, second.candidate):
        assert StopReading.objects.filter(version=version).count() == 2
    assert StopDecision.objects.count() == SelectionGain.objects.count() == 4
    newest = StopDecision.objects.newest(campaign)
    for said in newest.values():
        assert (said.verdict, said.version) == ("go_on", second.candidate)
        assert said.facts["agreed_on"] > 10
        assert -1 <= said.facts["kappa"] <= 1
        assert 0.01 < said.facts["half_width"] < 0.2
        assert said.labels > 20
        # Few gold items went out: people are not listened to, and all gold of the gate counts.
        assert (said.facts["quality"]["items"], said.facts["quality"]["trust"]) == (90, 0.0)
    for gain in SelectionGain.objects.all():
        assert (gain.value, gain.gold) == (None, 102)  # a few audit picks are not enough to tell

    hindsight.look_back(first)
    hindsight.record_stops(first.round)
    assert StopDecision.objects.count() == SelectionGain.objects.count() == 4
    assert StopReading.objects.filter(version=first.base).count() == 2


def test_gain_is_measured_once_there_are_audit_labels_enough() -> None:
    campaign = make_wheel(max_rounds=1, items_per_round=120, audit_share="0.50", pool=120)
    Wheel(campaign).turn(until=finished(campaign))
    for gain in SelectionGain.objects.all():
        assert gain.labels >= 10
        assert -1 <= gain.low <= gain.value <= gain.high <= 1
        assert gain.low < gain.high


def test_people_narrow_what_gold_says_where_they_answered_enough_of_it() -> None:
    campaign = make_wheel(max_rounds=2, items_per_round=120, audit_share="0.50", gold_share="0.50")
    Wheel(campaign).turn(until=finished(campaign))
    # Of both rounds: what is nearly always right by the second leaves little to be narrowed.
    told = [said.facts["quality"] for said in StopDecision.objects.all()]
    assert len(told) == 4
    for quality in told:
        assert 0 <= quality["low"] <= quality["value"] <= quality["high"] <= 1
        # One answered gold item in three, and yet it helps; the rest of the gold counts, too.
        assert quality["items"] == 90
        assert quality["trust"] == 0 or (quality["worth"] > 1 and quality["audited"] >= 15)
    assert any(quality["trust"] for quality in told)


def test_what_fails_in_hindsight_costs_no_round(monkeypatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("no")

    monkeypatch.setattr(hindsight, "measure_gains", fail)
    monkeypatch.setattr(hindsight, "decide_stops", fail)
    campaign = make_wheel(max_rounds=1)
    Wheel(campaign).turn(until=finished(campaign))
    assert campaign.rounds.get().status == "closed"
    assert GateRun.objects.count() == 1
    assert not StopDecision.objects.exists()


def test_thresholds_come_from_development_gold_and_are_checked_on_the_gates() -> None:
    campaign = make_wheel(max_rounds=1, gold=90, dev=60)
    Wheel(campaign).turn(until=finished(campaign))
    version = TrainingRun.objects.get().candidate
    rows = {row.language.tag: row for row in version.calibrations.select_related("language")}
    assert sorted(rows) == ["qu", "wo"]
    for row in rows.values():
        assert (row.gold, row.checked, row.approximate) == (60, 90, True)
        assert 0 < row.set_threshold <= 1
        # A set may be empty, where no label is as likely as the threshold wants.
        assert 0.5 < row.set_size <= 3
        # 60 items fit it, 90 others check it: far from .9 something would be wrong.
        assert 0.75 < row.coverage <= 1
        assert row.coverage_low <= row.coverage <= row.coverage_high
        assert (row.answer_threshold is None) == (row.risk is None)
        assert 0 <= row.aurc < 1

    before = rows["wo"].set_threshold
    GoldItem.objects.filter(
        pk__in=GoldItem.objects.filter(sample__language__tag="wo", split="dev").values("pk")[:55]
    ).update(retired_at="2026-11-21T12:00Z")
    evaluate(version, campaign=campaign)
    row = LanguageCalibration.objects.get(version=version, language__tag="wo")
    assert (row.gold, row.set_threshold, row.checked) == (5, 1.0, 90)  # everything is in the set
    assert (row.coverage, row.answer_threshold) == (1.0, None)
    assert before < 1.0


@pytest.mark.parametrize(
    "file",
    [
        "training/actions/evaluation.py",
        "training/actions/calibrations.py",
        "training/actions/hindsight.py",
        "training/actions/gates.py",
        "learning/actions/audits.py",
        "learning/actions/gains.py",
        "learning/actions/stopping.py",
        "learning/actions/stop_sets.py",
    ],
)
def test_nothing_that_judges_reads_what_a_model_helped_to_agree_on(file: str) -> None:
    assert "with_model" not in (ROOT / file).read_text(encoding="utf-8")
