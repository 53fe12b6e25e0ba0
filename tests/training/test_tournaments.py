"""Of several systems people see the pairs that tell most, and every pair has a chance that is known."""

import json
from collections import Counter
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from annotation.methods.pairings import allot, openness
from annotation.methods.preferences import Choices, fit
from annotation.models import Annotation, Campaign
from tests.make import make_annotator, make_item, make_language

SYSTEMS = ("a", "b", "c")


def test_pairs_that_are_settled_are_asked_less_than_those_that_are_open() -> None:
    # 0 has beaten 1 and 2 forty times each; 1 and 2 met twice and won once each.
    first = np.r_[np.zeros(80, int), [1, 2]]
    second = np.r_[np.ones(40, int), np.full(40, 2), [2, 1]]
    rater = np.arange(82) % 8
    told = fit(Choices.of(first, second, np.ones(82, int), rater=rater, writers=3, raters=8))
    open_ = openness(told, writers=3)
    left = 60 * (1 - np.eye(3, dtype=int))
    found = allot(open_, left=left, count=50, rng=np.random.default_rng(0))
    assert found.chosen[1, 2] > found.chosen[0, 1] + found.chosen[0, 2]
    assert np.triu(found.audit).sum() == 10
    assert np.triu(found.asked).sum() == 50
    assert (found.chance[left > 0] >= 10 / 180 - 1e-9).all()
    # Nothing is asked of what is not there, and no more than there is.
    left[0, 1] = left[1, 0] = 0
    all_ = allot(open_, left=left, count=1000, rng=np.random.default_rng(0))
    assert (all_.asked == left).all()


def test_the_chance_that_is_told_is_how_often_an_output_is_asked() -> None:
    left = np.array([[0, 9, 4], [9, 0, 6], [4, 6, 0]])
    open_ = np.array([[0, 1.0, 0.2], [1.0, 0, 0.5], [0.2, 0.5, 0]])
    runs = [allot(open_, left=left, count=8, rng=np.random.default_rng(n)) for n in range(300)]
    asked = np.mean([one.asked for one in runs], axis=0)
    told = np.mean([one.chance for one in runs], axis=0) * left
    assert np.abs(asked - told).max() < 0.25


@pytest.fixture
def files(tmp_path: Path, settings: Any) -> list[str]:
    settings.MEDIA_ROOT = tmp_path / "media"
    make_language("wo")
    found = []
    for name in SYSTEMS:
        rows = [
            {"language": "wo", "source": f"source {n}", "output": f"{name} says {n}"}
            for n in range(12)
        ]
        path = tmp_path / f"{name}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        found.append(f"{name}={path}")
    return found


def asked(*files: str, count: int, **over: Any) -> str:
    out = StringIO()
    usual = {"licence": "CC0-1.0", "choose": True, "stdout": out}
    call_command("ask_pairs", "cup", system=list(files), count=count, **usual | over)
    return out.getvalue()


@pytest.mark.django_db
def test_a_tournament_goes_by_what_people_chose_meanwhile(files: list[str]) -> None:
    people = [make_annotator(f"p{n}", "wo") for n in range(3)]
    assert "15 pairs more are in 'cup': 12 for what they tell, 3 by lot" in asked(*files, count=15)
    cup = Campaign.objects.get(slug="cup")
    met = Counter(frozenset((s.meta["first"], s.meta["second"])) for s in cup.samples.all())
    assert min(met.values()) >= 3
    assert {s.meta["slot"] for s in cup.samples.all()} == {"chosen", "audit"}
    assert all(0 < float(s.meta["chance"]) <= 1 for s in cup.samples.all())
    # Everybody prefers a to either of the others, and calls b and c alike.
    labels = {one.key: one for one in cup.labels.all()}
    for n, sample in enumerate(cup.samples.order_by("pk")):
        sides = [sample.meta["first"], sample.meta["second"]]
        key = "tie" if "a" not in sides else ("first", "second")[sides.index("a")]
        item = make_item(sample)
        for person in people:
            Annotation.objects.create(
                item=item,
                annotator=person,
                label=labels[key],
                answer={"label": key},
                state=Annotation.State.ANSWERED,
                desk_annotation_id=1000 * n + person.pk,
                desk_updated_at="2026-01-01T00:00:00Z",
            )
    asked(*files, count=10)
    again = Counter(frozenset((s.meta["first"], s.meta["second"])) for s in cup.samples.all())
    more = again - met
    # That these are alike, everybody has said; by how much the first is better, is less sure.
    assert more[frozenset("bc")] == min(more.values()) < 3, more
    # Nobody is shown the same two outputs twice, and what is left is all that can be asked.
    assert "11 pairs more" in asked(*files, count=500)
    texts = list(cup.samples.values_list("digest", flat=True))
    assert len(texts) == len(set(texts)) == 36
    with pytest.raises(CommandError, match="in 'cup' already"):
        asked(*files, count=1)


@pytest.mark.django_db
def test_pairs_are_drawn_by_lot_unless_they_are_to_be_chosen(files: list[str]) -> None:
    assert "0 for what they tell, 9 by lot" in asked(*files, count=9, choose=False)
    assert {s.meta["slot"] for s in Campaign.objects.get().samples.all()} == {"audit"}
    assert {s.meta["chance"] for s in Campaign.objects.get().samples.all()} == {f"{9 / 36:.6f}"}


@pytest.mark.django_db
def test_two_systems_are_no_tournament(files: list[str]) -> None:
    with pytest.raises(CommandError, match="three systems or more"):
        asked(*files[:2], count=4)
