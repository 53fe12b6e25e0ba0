"""Marks walk the whole loop: a file of tokens, a round, people, a run, the gate, and out again."""

import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation.actions.campaigns import LabelSpec, create_campaign, start_campaign
from annotation.actions.imports import run_import
from annotation.actions.standings import SettingError, refuse_contradictions
from annotation.actions.uploads import queue_import
from annotation.errors import ConflictError, InvalidInputError
from annotation.methods.readers import Wanted
from annotation.methods.readers.tagged import read_iob2, read_universal
from annotation.methods.spans import Span, units
from annotation.models import Campaign, Consensus, GoldItem, Item, RefusedRow, Sample
from annotation.objectives import spans
from learning.actions.answering import answer_with
from learning.actions.pools import preview_quota
from learning.actions.versions import initial_version
from learning.models import Prediction
from learning.networks.opening import open_network
from tests.make import make_annotator, make_language, make_sample, make_user
from tests.training.wheel import Wheel
from training.actions.compressions import open_compression
from training.actions.exports import export_version
from training.methods.adapters import dressed
from training.methods.lessons import marked_lessons
from training.methods.recipes import Recipe
from training.models import Evaluation, GateRun, SnapshotRow, TrainingRun

pytestmark = pytest.mark.django_db

PEOPLE, PLACES = ("Awa", "Inti", "Noor"), ("Dakar", "Cusco", "Oslo")


def sentence(rng: np.random.Generator) -> str:
    """Names stand behind the same words, so that little is enough to learn them."""
    words = [f"baat{n}" for n in rng.integers(0, 60, 3)]
    middle = (
        [] if rng.random() < 0.2 else ["si", PEOPLE[rng.integers(3)], "ca", PLACES[rng.integers(3)]]
    )
    return " ".join([words[0], *middle, *words[1:]])


def marks(text: str) -> list[Span]:
    """What a speaker marks."""
    found = []
    for names, key in ((PEOPLE, "per"), (PLACES, "loc")):
        for name in names:
            if (start := text.find(name)) >= 0:
                found.append(Span(start, start + len(name), key))
    return sorted(found)


def tagged(text: str, *, number: int) -> str:
    """A sentence of an IOB2 file."""
    kinds = {text[one.start : one.end]: one.label.upper() for one in marks(text)}
    rows = [f"{word}\t{f'B-{kinds[word]}' if word in kinds else 'O'}" for word in text.split()]
    return "\n".join([f"# sent_id = g{number}", f"# text = {text}", *rows]) + "\n\n"


class Marking(Wheel):
    """Speakers mark names at the desk."""

    def answer(self, *, wrong: int = 0) -> None:
        for item in Item.objects.filter(state=Item.State.PUSHED).select_related("sample"):
            answer = spans.answer_of(marks(item.sample.text))
            result = spans.result_of(answer, text=item.sample.text)
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


def bring(campaign: Campaign, content: str, *, name: str) -> Any:
    brought = queue_import(
        campaign,
        file=io.BytesIO(content.encode()),
        filename=name,
        defaults={"language": "wo", "licence": "CC0-1.0"},
    )
    return run_import(brought.pk, now=timezone.now)


def made() -> Campaign:
    make_language("wo", name="Wolof")
    make_annotator("awa")
    campaign = create_campaign(
        slug="names",
        title="Names",
        question="Who, and where?",
        labels=[LabelSpec("per", "Nit"), LabelSpec("loc", "Barab")],
        languages=["wo"],
        objective="spans",
        items_per_round=14,
        max_rounds=1,
        gate_looks=1,
        gate_metric="macro-f1",
    )
    campaign.recipe = {"epochs": 4, "least_steps": 12, "curve_points": 1, "balance": 1.0}
    campaign.save()
    return campaign


def gold() -> Any:
    """What judges, each with one mark a class at most."""
    return GoldItem.objects.filter(split="gate").select_related("label")


def held_to_gold(run: TrainingRun) -> None:
    """What was learned shows on gold, and the gate compares both versions on the same texts."""
    before, after = (
        Evaluation.objects.get(version=version, split="gate")
        for version in (run.base, run.candidate)
    )
    assert before.items == after.items > 20
    assert before.macro_f1 == 0 < 0.6 < after.macro_f1
    assert after.accuracy > before.accuracy
    assert after.accuracy_low < after.accuracy <= after.accuracy_high
    each = after.by_label
    assert {key: told["gold"] for key, told in each.items()} == {
        key: sum(f'"{key}"' in json.dumps(one.label.value) for one in gold())
        for key in ("per", "loc")
    }
    assert np.mean([told["f1"][0] for told in each.values()]) == pytest.approx(after.macro_f1)
    gate = GateRun.objects.get()
    check = gate.checks.get()
    assert check.delta == pytest.approx(after.macro_f1 - before.macro_f1)
    assert gate.verdict in ("PASS", "HOLD")


def comes_out_as_it_went_in(campaign: Campaign, folder: Path) -> None:
    """What people agreed on reads back as the same marks, whichever file it comes in."""
    meant = {one.sample.text: one.label.value for one in Consensus.objects.all()}
    for name, read in (("a.conllu", read_universal), ("a.iob2", read_iob2)):
        call_command("export_marks", campaign.slug, "wo", folder / name)
        with (folder / name).open("rb") as file:
            rows = [row.values for row in read(file, Wanted())]
        assert {row["text"]: row["spans"] for row in rows} == meant
    call_command("export_marks", campaign.slug, "wo", folder / "a.jsonl")
    lines = [json.loads(line) for line in (folder / "a.jsonl").read_text().splitlines()]
    spans_told = {
        one["text"]: [(m["start"], m["end"], m["label"]) for m in one["spans"]] for one in lines
    }
    assert spans_told == {text: [tuple(mark) for mark in value] for text, value in meant.items()}
    with pytest.raises(CommandError, match=r"Cannot write"):
        call_command("export_marks", campaign.slug, "wo", folder / "a.jsonl")


def stands_on_every_page(run: TrainingRun, client: Client) -> None:
    """No page stumbles over answers that are no label."""
    slug, number = run.campaign.slug, run.candidate.number if run.candidate else 0
    client.force_login(make_user("lead", staff=True, is_superuser=True))
    pages = [
        *(
            (name, (slug,))
            for name in ("campaign_detail", "cases", "versions", "quota", "calibration")
        ),
        *((name, (slug, run.pk)) for name in ("run_detail", "gate_detail", "gate_json")),
        ("version_detail", (slug, number)),
        ("version_card", (slug, number)),
        ("version_labels", (slug, number)),
        ("round_detail", (slug, 1)),
        ("language_desk", (slug, "wo")),
        ("calibration_language", (slug, "wo")),
        ("people", (slug,)),
        ("import_create", (slug,)),
        ("publication", (slug,)),
        ("text_trace", (slug, Consensus.objects.all()[0].sample.uid)),
        ("own_json", ()),
    ]
    for name, args in pages:
        assert client.get(reverse(name, args=args)).status_code == 200, name
    compared = client.get(reverse("version_compare", args=(slug,)), {"a": 1, "b": number})
    assert compared.status_code == 200


def test_marks_walk_the_loop_from_a_file_of_tokens_to_the_gate_and_out(homes, tmp_path, client):
    rng = np.random.default_rng(1)
    campaign = made()
    known = {sentence(rng): None for _ in range(40)}
    gold = "".join(tagged(text, number=n) for n, text in enumerate(known))
    assert bring(campaign, gold, name="gold.iob2").rows_kept == len(known)
    texts = [text for text in (sentence(rng) for _ in range(50)) if text not in known]
    pool = "".join("\n".join(text.split()) + "\n\n" for text in dict.fromkeys(texts))
    assert bring(campaign, pool, name="pool.iob2").rows_refused == 0
    assert GoldItem.objects.count() == len(known)
    start_campaign(campaign)
    Marking(campaign).turn(until=lambda: GateRun.objects.exists(), most=40)

    first = Prediction.objects.filter(version__base=None)[0]
    assert (len(first.logits), set(first.answer)) == (2, {"spans", "whole"})
    asked = Item.objects.exclude(kind=Item.Kind.GOLD)
    assert Consensus.objects.count() == asked.count() > 8
    for said in Consensus.objects.select_related("sample", "label"):
        assert spans.spans_of(said.label.value) == tuple(marks(said.sample.text))
    run = TrainingRun.objects.get()
    assert (run.status, run.error) == ("finished", "")
    row = SnapshotRow.objects.filter(logits__isnull=False).select_related("sample").first()
    assert row is not None
    assert len(row.logits) == len(row.target["units"]) == len(row.sample.text.split())

    held_to_gold(run)

    text = "baat1 si Awa ca Dakar baat2 baat3"
    (told,) = answer_with(run.candidate, texts=[text], languages=["wo"])
    assert [mark[:3] for mark in told.marks] == [(9, 12, "per"), (16, 21, "loc")]
    assert 0 < told.confidence <= 1
    card = export_version(run.candidate, folder=tmp_path / "out")
    assert card["labels"] == ["per", "loc"]
    comes_out_as_it_went_in(campaign, tmp_path)
    stands_on_every_page(run, client)


def test_rows_whose_marks_are_none_are_refused_by_row_and_field(homes):
    campaign = made()
    usual = '"language": "wo", "licence": "CC0-1.0"'
    rows = [
        f'{{"text": "Awa si Dakar", "spans": [{{"start": 0, "end": 3, "label": "Nit"}}], {usual}}}',
        f'{{"text": "Inti si Oslo", "spans": [], {usual}}}',
        f'{{"text": "Noor si Oslo", {usual}}}',
        f'{{"text": "Lee si Oslo", "spans": [[0, 30, "per"]], {usual}}}',
        f'{{"text": "Sam si Oslo", "spans": [[0, 3, "org"]], {usual}}}',
        f'{{"text": "Sam ca Oslo", "spans": [[0, 5, "per"], [4, 6, "loc"]], {usual}}}',
        f'{{"text": "Sam ak Oslo", "spans": [{{"start": 0, "end": 3, "label": "per", "text": "Awa"}}], {usual}}}',
        f'{{"text": "Sam mu Oslo", "spans": "0-3 per", {usual}}}',
    ]
    brought = bring(campaign, "\n".join(rows) + "\n", name="marks.jsonl")
    assert brought.rows_kept == 3
    refused = RefusedRow.objects.order_by("row").values_list("row", "field", "reason")
    assert [(row, field) for row, field, _ in refused] == [(n, "spans") for n in range(4, 9)]
    for (_, _, reason), part in zip(
        refused, ("30", "org", "overlaps", "“Awa”", "JSON list"), strict=True
    ):
        assert part in reason
    known = dict(GoldItem.objects.values_list("sample__text", "label__value"))
    assert known == {"Awa si Dakar": [[0, 3, "per"]], "Inti si Oslo": []}
    assert Sample.objects.count() == 3
    broken = bring(campaign, "Awa\tB-PER\nsi\tO\n\nWa\tI-PER\n", name="more.iob2")
    assert (broken.rows_kept, broken.rows_refused) == (1, 1)
    said = RefusedRow.objects.get(sample_import=broken)
    assert (said.row, said.field) == (4, "tag")
    assert "Begin the span with B-PER" in said.reason


def test_words_bound_how_many_texts_a_language_gets_and_what_marks_have_not_is_refused(homes):
    campaign = made()
    for n in range(20):
        make_sample(campaign, text=f"Awa si Dakar tey {n}")
    campaign.words_per_round = 27
    (row,) = preview_quota(campaign)
    assert (row.quota.got, row.quota.capped_by) == (5, "limit")
    for setting in ("relabel_share", "subjective"):
        wrong = Campaign(objective="spans", answers_per_item=3, most_answers=5)
        setattr(wrong, setting, Decimal("0.2") if setting == "relabel_share" else True)
        with pytest.raises(SettingError) as told:
            refuse_contradictions(wrong)
        assert told.value.setting == setting
    start_campaign(campaign)
    initial_version(campaign)
    with pytest.raises(ConflictError, match="mark spans"):
        open_compression(campaign, kind="quantise")
    network = open_network("starter", labels=["per"], seed=0, spans=True)
    with pytest.raises(InvalidInputError, match="carry no adapters"):
        dressed(network, recipe=Recipe(method="lora"), languages=["wo"])


def test_every_text_keeps_the_rows_of_its_own_units_whatever_is_drawn():
    texts = ["Awa", "Inti si", "ca Oslo tey"]
    tags = [[[0, 1, 0]], [[0, 1, 0], [1, 0, 0]], [[1, 0, 0], [0.25, 0.75, 0], [1, 0, 0]]]
    targets = [
        {"units": units(text).tolist(), "posterior": rows}
        for text, rows in zip(texts, tags, strict=True)
    ]
    said: list[Any] = [None, [[1.0, 2.0, 3.0]] * 2, None]
    made = marked_lessons(
        texts,
        targets=targets,
        logits=said,
        languages=["wo"] * 3,
        weights=np.ones(3),
        fresh=np.ones(3, bool),
    )
    assert made.described.labels.tolist() == [1, 1, 1]
    assert made.places(np.array([2, 0])).tolist() == [3, 4, 5, 0]
    some = made.only(np.array([2, 0]))
    assert some.targets.tolist() == [*tags[2], *tags[0]]
    assert [len(part) for part in some.by_text(some.targets)] == [3, 1]
    assert np.isnan(made.stored_logits()).all(axis=1).tolist() == [
        True,
        False,
        False,
        True,
        True,
        True,
    ]
    network = open_network("starter", labels=["per"], seed=0, spans=True)
    assert made.batch(network, np.array([1, 2]))["units"].tolist() == [2, 3]
    with pytest.raises(ConflictError, match="fitted anew"):
        marked_lessons(
            ["Awa si"],
            targets=targets[:1],
            logits=[None],
            languages=["wo"],
            weights=np.ones(1),
            fresh=np.ones(1, bool),
        )
