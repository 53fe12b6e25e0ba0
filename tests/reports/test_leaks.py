"""Nothing like a case, or like a report nobody may learn from, is ever in what a model learns from."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.utils import timezone

from annotation.actions.reports import timers
from annotation.actions.reports.intake import Telling, receive
from annotation.methods.grams import Grams
from annotation.methods.texts import GLUE, glued, normalise, parts_of
from annotation.models import Campaign, Sample
from tests.make import make_campaign, make_sample
from tests.training.test_runs import answered
from training.actions.cases import add_case, add_written_case
from training.actions.datasets import take_snapshot
from training.actions.distillation import _chosen
from training.actions.report_collecting import draft_case
from training.actions.teaching import Material, leave_cases_out
from training.methods.corrections import Correction
from training.methods.preference import Preference
from training.models import TrainingRun

pytestmark = pytest.mark.django_db
SENTENCE = "fan la ndawrabbin di daje ci suba teel ngir liggéey"
HALF = "waaw kay"
# Every kind of question whose texts are made otherwise, with what a right answer is, and how its texts are told.
KINDS = {
    "classes": "admin",
    "pairs": "admin",
    "several": "admin|dates",
    "spans": '[[0, 3, "dates"]]',
    "ratings": "",
    "preferences": "",
}
PARTS = {"pairs": 2, "ratings": 2, "preferences": 3}


def whole(kind: str, text: str) -> str:
    """A sample in which a text is asked about: alone, as a half, or as what outputs were written for."""
    others = [f"{HALF} {n}" for n in range(PARTS.get(kind, 1) - 1)]
    return glued([*others, text])


def variants(rng: np.random.Generator) -> list[str]:
    """The sentence as others would type it, more and more unlike it."""
    words = SENTENCE.split()
    found = [SENTENCE.upper(), f"  {SENTENCE} !", SENTENCE.replace(" ", "  ")]
    for number in range(1, 7):
        told = list(words)
        for at in rng.choice(len(words), number, replace=False):
            told[at] = "".join(rng.permutation(list(told[at])))
        found.append(" ".join(told))
    return found


def is_like(text: str) -> bool:
    """By the very definition, and not by what the service makes of it."""
    parts = [one for one in parts_of(text) if HALF not in one]
    case = Grams([SENTENCE])
    return any(
        normalise(one) == normalise(SENTENCE) or case.cosines(one).max() >= 0.8 for one in parts
    )


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_like_a_case_is_in_a_snapshot_or_read_by_a_student(kind: str) -> None:
    campaign = make_campaign(slug="here", languages=("wo",), objective=kind)
    told = [whole(kind, one) for one in variants(np.random.default_rng(1))]
    far = whole(kind, "dama xiif te mar na lool tey")
    for text in (*told[:5], far):
        answered(campaign, text=text)
    before = {row.sample.text for row in take_snapshot(campaign).rows.select_related("sample")}
    assert before == {*told[:5], far}  # nothing is held back before there is a case
    if kind in ("ratings", "preferences"):
        add_written_case(campaign, tag="wo", text=SENTENCE, predicate="people")
    else:
        add_case(campaign, tag="wo", text=whole(kind, SENTENCE), expected=[KINDS[kind]])
    for text in told[5:]:  # what comes in after the fact
        answered(campaign, text=text)
    unanswered = make_sample(campaign, "wo", f"{told[0]} .")
    snapshot = take_snapshot(campaign)
    kept = {row.sample.text for row in snapshot.rows.select_related("sample")}
    assert far in kept
    assert not [one for one in kept if is_like(one)]
    assert any(not is_like(one) for one in told)  # some are unlike it, and are not lost for that
    assert kept == {far, *(one for one in told if not is_like(one))} or kind == "pairs"
    run = TrainingRun(campaign=campaign, snapshot=snapshot, settings={"texts": 1000}, seed=1)
    run.created_at = timezone.now()
    read = set(Sample.objects.filter(pk__in=_chosen(run)).values_list("text", flat=True))
    assert unanswered.text not in read
    assert not [one for one in read if is_like(one)]


def test_an_old_file_of_corrections_teaches_no_case(tmp_path: Path) -> None:
    campaign = make_campaign(slug="here", languages=("wo",), objective="ratings")
    add_written_case(campaign, tag="wo", text="Jamm ngam?", predicate="people")
    add_written_case(campaign, tag="wo", text=SENTENCE, predicate="people")
    sources = ["jamm  NGAM?", SENTENCE.replace("teel", "teeel"), "Ana waa kër ga?"]
    material = Material(
        corrections=[Correction(one, "Waaw", "wo") for one in sources],
        preferences=[Preference(one, "Waaw", "Déedéet", "wo") for one in sources],
    )
    leave_cases_out(material, campaign=campaign)
    assert [one.source for one in material.rows] == [sources[2]] * 2
    assert len(material.refused) == 4


def test_what_is_told_without_consent_becomes_no_sample_and_no_case() -> None:
    campaign = make_campaign(slug="here", languages=("wo",), objective="ratings")
    for number, over in enumerate(({}, {"consent_test": True})):
        report = _told(campaign, f"{SENTENCE} {number}", **over)
        report.reproductions.create(
            version_number=1, version_digest="x", label="admin", still_wrong=True, at=timezone.now()
        )
        made = draft_case(report, now=timezone.now())
        assert (made is not None) == bool(over)
    # Words of a report are never put to people as a sample, whatever was agreed to.
    assert not Sample.objects.exists()
    assert GLUE not in SENTENCE


def _told(campaign: Campaign, text: str, **over: Any) -> Any:
    telling = Telling(text=text, tag="wo", reasons=["meaning"], **over)
    got = receive(campaign, telling=telling, key=text, client=text, now=timezone.now())
    timers.tend(timezone.now())
    got.report.refresh_from_db()
    return got.report
