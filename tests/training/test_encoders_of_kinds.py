"""Encoders tag marks and tick labels through the whole loop: a round, people, a run, the gate, answers."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from annotation.actions.campaigns import start_campaign
from annotation.models import Campaign
from learning.actions.answering import answer_with
from learning.models import Prediction
from tests.learning.encoders import tiny_encoder
from tests.training import test_several_loop, test_spans_loop
from tests.training.test_spans_loop import homes  # noqa: F401 - where the loop keeps its files
from training.models import Evaluation, GateRun, TrainingRun

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("homes")]
RECIPE = {"epochs": 1, "least_steps": 6, "curve_points": 1}


def gone_round(campaign: Campaign, wheel: type, *, folder: Path) -> tuple[Evaluation, Any]:
    campaign.network = str(tiny_encoder(folder))
    campaign.recipe, campaign.items_per_round = RECIPE, 8
    campaign.save()
    start_campaign(campaign)
    wheel(campaign).turn(until=lambda: GateRun.objects.exists(), most=40)
    run = TrainingRun.objects.get()
    assert (run.status, run.error) == ("finished", "")
    after = Evaluation.objects.get(version=run.candidate, split="gate")
    assert after.items > 5
    assert GateRun.objects.get().checks.get().delta is not None
    (said,) = answer_with(run.candidate, texts=["baat1 si Awa"], languages=["wo"])
    assert 0 < said.confidence <= 1
    return after, said


def test_an_encoder_that_tags_tokens_walks_the_loop(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    campaign, texts = test_spans_loop.made(), set()
    while len(texts) < 26:
        texts.add(test_spans_loop.sentence(rng))
    gold, pool = sorted(texts)[:14], sorted(texts)[14:]
    rows = "".join(test_spans_loop.tagged(text, number=n) for n, text in enumerate(gold))
    test_spans_loop.bring(campaign, rows, name="gold.iob2")
    rows = "".join("\n".join(text.split()) + "\n\n" for text in pool)
    test_spans_loop.bring(campaign, rows, name="pool.iob2")
    after, said = gone_round(campaign, test_spans_loop.Marking, folder=tmp_path / "encoder")
    assert set(after.by_label) == {"per", "loc"}
    assert said.marks is not None
    assert set(Prediction.objects.filter(version__base=None)[0].answer) == {"spans", "whole"}


def test_an_encoder_that_ticks_labels_walks_the_loop(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    campaign, texts = test_several_loop.made(), set()
    while len(texts) < 26:
        texts.add(test_several_loop.sentence(rng))
    gold, pool = sorted(texts)[:14], sorted(texts)[14:]
    cell = test_several_loop.cell
    rows = [{"text": text, "label": cell(text, number=n)} for n, text in enumerate(gold)]
    test_several_loop.bring(campaign, [*rows, *({"text": text} for text in pool)])
    after, said = gone_round(campaign, test_several_loop.Feeling, folder=tmp_path / "encoder")
    assert set(after.by_label) == set(said.probabilities) == set(test_several_loop.WORDS)
    assert len(Prediction.objects.filter(version__base=None)[0].logits) == 3
