"""What a gate found is said in the reader's language, from the numbers that it kept."""

import re
from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
from django.utils import translation

from annotation.models import Campaign, Language
from learning.models import ModelVersion
from tests.make import make_campaign
from tests.training.test_gate import answers, compare, judge
from training.actions import gate_words
from training.actions.gate_records import told
from training.actions.gate_words import Seen, reasons_of, sentence_of, sentences_of
from training.methods.findings import Comparison, Decided, Finding
from training.models import DataSnapshot, GateCheck, GateRun, TrainingRun


def plain(sentence: str) -> str:
    """A record writes a minus as it comes, of nought too."""
    proper = re.sub(r"(?<=[ (])-(?=[0-9])", "−", sentence)
    return proper.replace("−0.0 ", "+0.0 ")


def as_stored(decided: Decided, **terms: object) -> tuple[GateRun, list[GateCheck]]:
    """The rows that a gate writes of a decision, unsaved."""
    gate = GateRun(verdict=decided.verdict, reasons=list(decided.reasons), terms=terms)
    gate.record = {"pooled": [told(one) for one in decided.pooled]}
    checks = [
        GateCheck(
            gate=gate,
            language=Language(tag=found.language, name=found.language),
            items=found.items,
            fixed=found.fixed,
            broken=found.broken,
            verdict=found.verdict,
            detail={"findings": [told(one) for one in found.findings]},
        )
        for found in decided.languages
    ]
    return gate, checks


def unsure(language: str, *, n: int, new: float) -> Comparison:
    """As right as before, and surer than it should be."""
    right = np.random.default_rng(0).random(n) < 0.7
    return Comparison(language, answers(right, 0.7), answers(right, new), tuple("" for _ in right))


@cache
def decisions() -> Sequence[tuple[Decided, dict[str, object]]]:
    now = compare("wo", n=800, fixed=30, broken=20)
    best = now.new.right.copy()
    best[np.flatnonzero(~best)[:60]] = True
    anchored = Comparison("wo", now.old, now.new, now.groups, answers(best))
    two = compare("wo", n=400, fixed=40, broken=8), compare("qu", n=400, fixed=24, broken=2)
    targets = {"targets": ["qu"]}
    return [
        (judge(*two), {}),
        (judge(*two, targets=frozenset({"qu"})), targets),
        (judge(two[0], maintenance="it is half as large"), {"maintenance": "it is half as large"}),
        (judge(two[0], compare("qu", n=800, fixed=8, broken=72)), {}),
        (judge(compare("wo", n=100, fixed=5, broken=6), compare("qu", n=0)), {}),
        (judge(compare("wo", n=700, fixed=30, broken=40)), {}),
        (judge(anchored, past_best={"wo": 12}), {}),
        (judge(compare("wo", n=300, fixed=40, broken=2), worn={"wo": 100}), {}),
        (judge(unsure("wo", n=1000, new=0.99)), {}),
        (judge(unsure("wo", n=300, new=0.72), strict_calibration=True), {}),
    ]


def test_in_english_it_says_what_was_written() -> None:
    said = set()
    for decided, terms in decisions():
        _gate, checks = as_stored(decided, **terms)
        for check, found in zip(checks, decided.languages, strict=True):
            assert sentences_of(check) == [plain(one.sentence) for one in found.findings]
            said |= {one.check for one in found.findings}
        seen = Seen(
            everywhere="targets" not in terms, maintenance=str(terms.get("maintenance", ""))
        )
        for pooled in decided.pooled:
            assert sentence_of(told(pooled), seen) == plain(pooled.sentence)
    assert len(said) == 6, said


def in_the_database(decided: Decided) -> GateRun:
    """The gate with its checks, kept."""
    gate, checks = as_stored(decided)
    campaign: Campaign = make_campaign(languages=("wo", "qu"))
    old, new = (
        ModelVersion.objects.create(campaign=campaign, number=n, digest=f"{n:064x}", path=f"v{n}")
        for n in (1, 2)
    )
    data = DataSnapshot.objects.create(
        campaign=campaign, digest="d" * 64, samples=1, fresh_samples=1
    )
    run = TrainingRun.objects.create(
        campaign=campaign, snapshot=data, base=old, candidate=new, seed=1, settings={}
    )
    gate.run, gate.candidate, gate.champion, gate.margin = run, new, old, 0.03
    gate.save()
    for check, found in zip(checks, decided.languages, strict=True):
        check.gate, check.language = gate, Language.objects.get(tag=found.language)
        check.delta, check.delta_low, check.delta_high = found.delta, found.low, found.high
        check.harm_p, check.champion_z = found.harm_p, found.champion_z
        check.save()
    return gate


@pytest.mark.django_db
@pytest.mark.parametrize("at", [0, 3, 4], ids=["pass", "block", "hold"])
def test_why_it_decided_so_is_said_as_it_was_written(at: int) -> None:
    decided, _terms = decisions()[at]
    gate = in_the_database(decided)
    names = {one.tag: one.name for one in Language.objects.all()}
    wrote = [plain(one) for one in gate.reasons]
    for tag, name in names.items():
        wrote = [one.replace(f"{tag}: ", f"{name}: ", 1) for one in wrote]
    assert sorted(reasons_of(gate)) == sorted(wrote)


@pytest.mark.django_db
def test_who_reads_arabic_reads_why_in_arabic(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = in_the_database(decisions()[0][0])
    catalogue = {"Parity needs gold in two languages at least.": "ARABIC"}
    monkeypatch.setattr(gate_words, "_", lambda said: catalogue.get(said, said))
    alone = Finding("parity", True, "Parity needs gold in two languages at least.")
    gate.record["pooled"][1] = told(alone)
    with translation.override("ar"):
        said = reasons_of(gate)
    assert said[-1] == "ARABIC"
    # A number keeps its sign before it among words that run from right to left.
    assert "\u2066+" in said[1]
    assert gate.reasons[-1].startswith("The worst language")


@pytest.mark.django_db
def test_what_rests_on_numbers_that_were_not_kept_is_shown_as_it_was_written() -> None:
    gate = in_the_database(decisions()[0][0])
    check = gate.checks.first()
    assert check
    check.detail["findings"][1]["numbers"] = {}
    assert sentences_of(check)[1] == check.detail["findings"][1]["sentence"]
    gate.record = {"pooled": []}
    assert reasons_of(gate) == gate.reasons
    gate.verdict, gate.record = "VOID", {"void": [{"code": "leaked", "count": 2, "some": "7, 9"}]}
    assert "(samples 7, 9)" in reasons_of(gate)[0]
