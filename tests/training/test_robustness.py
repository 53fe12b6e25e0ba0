"""Slices: a version that knows marked words is told from how it does where marks are left out."""

from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from django.core.management import call_command
from django.test import Client

from annotation.actions.campaigns import LabelSpec, create_campaign
from annotation.actions.choosing import label_for
from annotation.methods.spans import Span, units
from annotation.models import Campaign, GoldItem, Sample
from annotation.objectives import spans
from learning.actions.versions import initial_version, register_version
from learning.models import ModelVersion
from tests.annotation.bringing import bring, refusals
from tests.make import make_campaign, make_gold, make_sample, make_user
from tests.training.tiny import Tiny
from training.actions.robustness import measure_robustness

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_networks")]

WORDS = {"admin": ("bés", "tàkk", "ñaar"), "dates": ("mën", "yéem", "dóor")}


def trained(campaign: Campaign, folder: Path) -> ModelVersion:
    """A version that knows the words as they are written with their marks."""
    first = initial_version(campaign)
    network = Tiny(first.manifest["labels"], seed=3)
    labels = [*first.manifest["labels"]]
    texts = [word for words in WORDS.values() for word in words]
    truth = torch.tensor([labels.index(key) for key, words in WORDS.items() for _ in words])
    optimizer = torch.optim.Adam(network.trainable(), lr=0.1)
    for _ in range(60):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(
            network.logits(network.collate(texts, ["wo"] * len(texts))), truth
        )
        torch.autograd.backward(loss)
        optimizer.step()
    network.save(folder)
    return register_version(
        campaign, folder=folder, network="tiny", base=first, manifest=first.manifest
    )


def make_world(folder: Path, **over) -> tuple[Campaign, ModelVersion]:
    campaign = make_campaign(languages=("wo",), labels=("admin", "dates"), network="tiny", **over)
    for key, words in WORDS.items():
        for n in range(15):
            make_gold(campaign, "wo", key, text=f"{words[n % 3]} n{n}")
        for n in range(5):
            make_gold(campaign, "wo", key, text=f"kenn{key}{n} q{n}", dialect="Kajoor")
            mixed = {"languages": ["wo", "fr"]}
            make_gold(campaign, "wo", key, text=f"{words[n % 3]} école{n}", meta=mixed)
    return campaign, trained(campaign, folder)


def test_what_typing_without_marks_costs_is_measured_on_the_same_texts(tmp_path: Path) -> None:
    campaign, version = make_world(tmp_path / "network")
    rows = {row.kind: row for row in measure_robustness(version, campaign=campaign)}
    assert {kind: row.items for kind, row in rows.items()} == {
        "clean": 30, "switched": 10, "dialect": 10, "no_marks": 40,
    }  # fmt: skip
    assert rows["clean"].accuracy > 0.9
    assert rows["clean"].difference is None
    bare = rows["no_marks"]
    assert bare.beside > 0.9 > 0.8 > bare.accuracy
    assert bare.difference == pytest.approx(bare.accuracy - bare.beside)
    assert bare.difference_low < bare.difference < bare.difference_high < 0
    assert rows["dialect"].difference_high < 0 < rows["dialect"].items
    assert rows["switched"].difference_low < 0.1
    again = measure_robustness(version, campaign=campaign)
    assert [row.pk for row in again] == [row.pk for row in rows.values()]
    make_gold(campaign, "wo", "admin", text="bés ak bés")
    assert measure_robustness(version, campaign=campaign)[0].pk > max(row.pk for row in again)


def test_the_versions_page_and_the_command_show_them_and_a_new_gold_set_none_that_is_old(
    client: Client, tmp_path: Path
) -> None:
    campaign, version = make_world(tmp_path / "network")
    client.force_login(make_user("lead", staff=True))
    here = f"/campaigns/{campaign.slug}/versions/{version.number}/"
    assert "careless typing" not in client.get(here).content.decode()
    said = StringIO()
    call_command("measure_robustness", campaign.slug, str(version.number), stdout=said)
    assert "marks left out" in said.getvalue()
    page = client.get(here).content.decode()
    assert "careless typing" in page
    assert "dialect noted" in page
    make_gold(campaign, "wo", "admin", text="bés ak bés")
    assert "careless typing" not in client.get(here).content.decode()


@pytest.mark.parametrize(("finds", "left"), [("second word", 1.0), ("marked letter", 0.0)])
def test_marks_are_looked_for_where_their_words_stand_when_a_text_is_typed_anew(
    monkeypatch: pytest.MonkeyPatch, finds: str, left: float
) -> None:
    campaign = make_campaign(languages=("wo",), labels=("per",), objective="spans")
    for n in range(6):
        # Written in parts, a letter and its mark: without marks every place moves.
        text = f"A\u0300we N\u0303aar n{n}"
        start = text.index("N")
        answer = spans.answer_of([Span(start, start + 5, "per")])
        label = label_for(campaign, answer=answer)
        GoldItem.objects.create(sample=make_sample(campaign, text=text), label=label, split="gate")

    def marking(_version: object, *, texts: list[str], **_: object) -> list[Any]:
        told = []
        for text in texts:
            logits = np.tile([9.0, 0.0, 0.0], (len(units(text)), 1))
            if finds == "second word" or "\u0303" in text:
                logits[1] = [0.0, 9.0, 0.0]
            told.append(logits)
        return told

    monkeypatch.setattr("learning.inference.logits_of", marking)
    version = ModelVersion.objects.create(
        campaign=campaign, number=1, digest="d", network="tiny", manifest={"labels": ["per"]}
    )
    rows = {row.kind: row for row in measure_robustness(version, campaign=campaign)}
    assert (rows["clean"].accuracy, rows["clean"].items) == (1.0, 6)
    assert (rows["no_marks"].accuracy, rows["no_marks"].beside) == (left, 1.0)


def test_texts_of_several_languages_and_of_none_that_is_known_come_in_under_their_own_tags(
    tmp_path: Path,
) -> None:
    labels = [LabelSpec(key, key.title()) for key in WORDS]
    told = {"title": "M", "question": "?", "labels": labels, "languages": ["mul", "und", "wo"]}
    campaign = create_campaign(slug="mixed", network="tiny", **told)
    rows = "text,language,dialect,label,split\nlu bees,wo,wo-x-kajoor,,\nx y,und,,,\n" + "".join(
        f"bés content {n},mul,,admin,gate\n" for n in range(6)
    )
    job = bring(campaign, rows, defaults={"licence": "CC0-1.0"})
    assert refusals(job) == {}
    assert set(Sample.objects.values_list("language__tag", flat=True)) == {"mul", "und", "wo"}
    found = measure_robustness(trained(campaign, tmp_path / "network"), campaign=campaign)
    assert {(row.language.tag, row.kind) for row in found} == {
        ("mul", "switched"),
        ("mul", "no_marks"),
    }
