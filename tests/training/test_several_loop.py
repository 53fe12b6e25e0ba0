"""Sets of labels walk the whole loop: a file, a round, people, a run, the gate, and out again."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.utils import timezone

from annotation.actions.campaigns import LabelSpec, create_campaign, start_campaign
from annotation.actions.imports import run_import
from annotation.actions.uploads import queue_import
from annotation.errors import ConflictError
from annotation.models import Campaign, Consensus, GoldItem, Item, Label, RefusedRow, SampleImport
from annotation.objectives import several
from learning.actions.answering import answer_with
from learning.models import Pick, Prediction
from tests.make import make_annotator, make_language
from tests.training.wheel import Wheel
from training.actions.cases import add_case
from training.actions.compressions import open_compression
from training.models import CaseCheck, Evaluation, GateRun, SnapshotRow, TrainingRun

pytestmark = pytest.mark.django_db

WORDS = {"joy": "mbégte", "anger": "mer", "fear": "ragal"}


def sentence(rng: np.random.Generator) -> str:
    """Each feeling has a word of its own; none, one or several are in a text."""
    felt = [word for word in WORDS.values() if rng.random() < 0.4]
    return " ".join([*(f"baat{n}" for n in rng.integers(0, 50, 3)), *felt])


def feelings(text: str) -> list[str]:
    return [key for key, word in WORDS.items() if word in text.split()]


class Feeling(Wheel):
    """Speakers tick all that they feel."""

    def answer(self, *, wrong: int = 0) -> None:
        for item in Item.objects.filter(state=Item.State.PUSHED).select_related("sample"):
            result = several.result_of({"value": feelings(item.sample.text)})
            user = item.campaign_language.language.annotators.get().user
            assert item.desk_task_id
            self.desk.annotate(
                item.desk_task_id, user_id=user.desk_user_id, label="x", result=result
            )


@pytest.fixture
def homes(tmp_path: Path, settings: Any) -> None:
    settings.WEIGHTS_DIR, settings.EMBEDDINGS_DIR = tmp_path / "weights", tmp_path / "embeddings"
    settings.VAR_DIR, settings.MEDIA_ROOT = tmp_path / "var", tmp_path / "media"
    settings.VAR_DIR.mkdir()


def bring(campaign: Campaign, rows: list[dict[str, Any]]) -> SampleImport:
    content = "".join(json.dumps(row) + "\n" for row in rows)
    brought = queue_import(
        campaign,
        file=io.BytesIO(content.encode()),
        filename="texts.jsonl",
        defaults={"language": "wo", "licence": "CC0-1.0"},
    )
    return run_import(brought.pk, now=timezone.now)


def made() -> Campaign:
    make_language("wo", name="Wolof")
    make_annotator("awa")
    campaign = create_campaign(
        slug="feelings",
        title="Feelings",
        question="What does the writer feel?",
        labels=[LabelSpec(key, key.title()) for key in WORDS],
        languages=["wo"],
        objective="several",
        items_per_round=30,
        max_rounds=1,
        gate_looks=1,
        gate_metric="macro-f1",
    )
    campaign.recipe = {"epochs": 4, "least_steps": 60, "curve_points": 1}
    campaign.save()
    return campaign


def cell(text: str, *, number: int) -> Any:
    felt = feelings(text)
    return [felt or ["none"], "|".join(felt) or "-", ";".join(felt).title() or "none"][number % 3]


def test_what_a_file_says_of_sets_is_read_or_refused_by_row(homes: None) -> None:
    campaign = made()
    said = ["joy|bliss", "joy|-", "joy|joy", "joy||fear", [], 7, ["joy", 3], {"joy": 1}]
    rows = [{"text": f"text {n}", "label": one} for n, one in enumerate(said)]
    rows += [{"text": "fine", "label": "Joy;anger"}, {"text": "none", "label": "-"}]
    rows += [{"text": "pool", "label": ""}]
    done = bring(campaign, rows)
    assert (done.rows_kept, done.rows_refused) == (3, len(said))
    assert set(RefusedRow.objects.values_list("field", flat=True)) == {"label"}
    gold = {one.sample.text: one.label for one in GoldItem.objects.select_related("label")}
    assert {text: label.value for text, label in gold.items()} == {
        "fine": ["anger", "joy"],
        "none": [],
    }
    assert gold["fine"].name == "Joy · Anger"
    assert list(campaign.labels.values_list("key", flat=True)) == list(WORDS)


def test_sets_walk_the_loop_from_a_file_to_the_gate_and_out(homes: None) -> None:
    rng = np.random.default_rng(1)
    campaign = made()
    known = list(dict.fromkeys(sentence(rng) for _ in range(60)))
    rows = [{"text": t, "label": cell(t, number=n)} for n, t in enumerate(known)]
    assert bring(campaign, rows).rows_kept == len(known)
    texts = [text for text in (sentence(rng) for _ in range(60)) if text not in known]
    assert bring(campaign, [{"text": t} for t in dict.fromkeys(texts)]).rows_refused == 0
    case = add_case(campaign, tag="wo", text="mbégte ak ragal", expected=["joy|fear"])
    assert case.expected(manager="everything").get().value == ["fear", "joy"]
    start_campaign(campaign)
    Feeling(campaign).turn(until=lambda: GateRun.objects.exists(), most=40)

    prediction = Prediction.objects.filter(version__base=None).first()
    assert prediction is not None
    assert len(prediction.logits) == 3
    chosen = Pick.objects.exclude(best_label="").values_list("best_label", "second_label")
    assert {frozenset(pair) for pair in chosen} == {
        frozenset({"label-in-doubt", "label-in-doubt-not"})
    }
    agreed = Consensus.objects.select_related("sample", "label")
    assert len(agreed) > 8
    for one in agreed:
        assert one.label.value == sorted(feelings(one.sample.text))
    assert SnapshotRow.objects.count() == len(agreed)
    learned_and_judged()
    check = CaseCheck.objects.select_related("candidate_label").get()
    assert check.candidate_right == (check.candidate_label.value == ["fear", "joy"])
    said = answer_with(TrainingRun.objects.get().candidate, texts=["mer"], languages=["wo"])[0]
    assert Label.everything.get(campaign=campaign, key=said.label).value is not None
    assert said.probabilities["anger"] > said.probabilities["joy"]
    assert 0 < said.confidence < 1
    with pytest.raises(ConflictError, match="one label a text"):
        open_compression(campaign, kind="distil")


def learned_and_judged() -> None:
    """What was learned shows on gold, whole sets and label by label, and the gate compares both."""
    run = TrainingRun.objects.get()
    before, after = (
        Evaluation.objects.get(version=version, split="gate")
        for version in (run.base, run.candidate)
    )
    assert before.items == after.items > 20
    assert before.macro_f1 == 0 < 0.6 < after.macro_f1
    assert after.macro_f1_low < after.macro_f1 <= after.macro_f1_high
    assert after.nll < before.nll
    each = [told["f1"] for told in after.by_label.values()]
    assert len(each) == len(WORDS)
    assert np.mean([f1 for f1, _low, _high in each]) == pytest.approx(after.macro_f1)
    row = next(iter(after.answers.values()))
    assert len(row) == 4
    check = GateRun.objects.get().checks.get()
    assert check.delta == pytest.approx(after.macro_f1 - before.macro_f1)
    calibration = run.candidate.calibrations.get()
    assert calibration.checked == after.items
    assert calibration.coverage > 0.5
