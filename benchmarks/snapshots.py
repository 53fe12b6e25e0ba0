"""Snapshots: what the twentieth run of a campaign asks of the database, beside the second.

``python -m benchmarks.snapshots``: a history of so many runs is written, each of which learned all that
was answered until then; then one more is walked through: its snapshot is taken, the logits that earlier
runs stored are read and its own are kept, its gate looks for gold in what it learned. Queries are
counted, and processor seconds (wall times mean nothing on a shared machine). What a run costs should
grow with what it learns, not with how many went before: both histories have as many rows in their last
snapshot. ``--quick`` does it with fewer rows and writes nothing.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.registry import Measured, _django, _multiply

FEW, MANY = 2, 20


@dataclass(frozen=True)
class Cost:
    """What one act asked for."""

    name: str
    queries: int
    seconds: float


def main() -> None:
    """Measure in an installation of its own, which is thrown away."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rows, and writes nothing")
    parser.add_argument("--rows", type=int, default=0, help="rows of the last snapshot")
    options = parser.parse_args()
    rows = options.rows or (4_000 if options.quick else 100_000)
    with tempfile.TemporaryDirectory() as place:
        os.environ |= {"VERNACULAR_VAR_DIR": place, "VERNACULAR_DEVICE": "cpu"}
        _django()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        found = {runs: measure(rows, runs=runs) for runs in (FEW, MANY)}
    lines = [line for few, many in zip(*found.values(), strict=True) for line in _lines(few, many)]
    for line in lines:
        print(line.line())
    if not options.quick:
        from benchmarks.report import write

        write("snapshots", lines, notes=[f"{rows} rows in the last snapshot, SQLite, one process"])


def _lines(few: Cost, many: Cost) -> list[Measured]:
    return [
        Measured(f"{few.name}: run {FEW}", few.seconds, f"s of processor, {few.queries} queries"),
        Measured(
            f"{many.name}: run {MANY}", many.seconds, f"s of processor, {many.queries} queries"
        ),
    ]


def measure(rows: int, *, runs: int) -> list[Cost]:
    """Write a history of ``runs - 1`` runs, walk through one more, and say what it cost."""
    import numpy as np

    from training.actions.carrying import keep_logits, stored_logits
    from training.actions.datasets import gold_leaks, lineage_rows, take_snapshot
    from training.actions.gold_marks import GoldMarks
    from training.models import TrainingRun

    campaign, version = _history(rows, runs=runs)
    costs: list[Cost] = []

    def cost(name: str, act: Callable[[], Any]) -> Any:
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        with CaptureQueriesContext(connection) as seen:
            begun = time.process_time()
            told = act()
            costs.append(Cost(name, len(seen), time.process_time() - begun))
        return told

    snapshot = cost("take a snapshot", lambda: take_snapshot(campaign))
    assert (snapshot.samples, snapshot.fresh_samples) == (rows, rows // runs)
    run = TrainingRun.objects.create(campaign=campaign, snapshot=snapshot, base=version, seed=runs)
    kept = cost("read what was stored", lambda: stored_logits(run))
    assert len(kept) == (rows - rows // runs) // 2
    logits = np.full((rows, 3), np.nan, np.float32)
    logits[::2] = 0.5
    cost("store half of its logits", lambda: keep_logits(run, logits=list(logits)))
    leaks = cost(
        "look for gold in what was learned",
        lambda: gold_leaks(lineage_rows(version), marks=GoldMarks.present(campaign)),
    )
    assert not leaks
    return costs


def _history(rows: int, *, runs: int) -> tuple[Any, Any]:
    """Fill the tables as so many runs would have: each learned all, an equal part of it new.

    Return the campaign and the version that serves it.
    """
    campaign, version, learned = _answers(rows, runs=runs)
    for number in range(1, runs):
        version = _learned(campaign, number, runs=runs, base=version, rows=rows, learned=learned)
    return campaign, version


@dataclass(frozen=True)
class Learned:
    """What snapshots hold: a text to copy from, and the first ids of texts and of answers."""

    text: Any
    sample: int
    answer: int


def _answers(rows: int, *, runs: int) -> tuple[Any, Any, Learned]:
    """Write texts, an answer on each and their consensus."""

    from annotation.models import (
        Annotation,
        Annotator,
        Campaign,
        CampaignLanguage,
        Consensus,
        Item,
        Label,
        Language,
        Sample,
        User,
    )
    from learning.actions.serving import deploy
    from learning.models import ModelVersion
    from tests.make import make_consent

    campaign = Campaign.objects.create(slug=f"runs-{runs}", title="Runs", question="?")
    label = Label.objects.create(campaign=campaign, key="a", name="a", position=0)
    language, _ = Language.objects.get_or_create(
        tag="wo", defaults={"name": "Wolof", "script": "Latn"}
    )
    home = CampaignLanguage.objects.create(campaign=campaign, language=language)
    user = User.objects.create(username=f"awa-{runs}")
    awa = Annotator.objects.create(user=user, language=language)
    make_consent(user)
    version = ModelVersion.objects.create(
        campaign=campaign, number=1, digest=f"{0:064d}", network="starter", path="0"
    )
    deploy(campaign, version=version, kind="initial", reason="benchmark")
    text = Sample.objects.create(campaign=campaign, language=language, text="t", digest="t")
    sample = _multiply(
        text,
        rows,
        uid=f"printf('%032x', i + {runs} * 10000000)",
        text="'text ' || i",
        digest="printf('%064d', i)",
    )
    item = Item.objects.create(campaign_language=home, sample=text, kind="acquisition")
    first = _multiply(
        item, rows, uid=f"printf('%032x', i + {runs} * 10000000)", sample_id=f"{sample} + i"
    )
    given = Annotation.objects.create(
        item=item,
        annotator=awa,
        desk_annotation_id=-runs,
        state="answered",
        label=label,
        desk_updated_at="",
    )
    answer = _multiply(
        given, rows, item_id=f"{first} + i", desk_annotation_id=f"i + {runs} * 10000000"
    )
    said = Consensus.objects.create(
        sample=text,
        people=[1.0, 0.0, 0.0],
        label=label,
        confidence=1.0,
        weight=0.0,
        answers=1,
        revisions=[[given.pk, 1]],
        aggregator="ds",
    )
    _multiply(
        said,
        rows,
        sample_id=f"{sample} + i",
        weight="1.0",
        revisions=f"'[[' || ({answer} + i) || ', 1]]'",
    )
    return campaign, version, Learned(text, sample, answer)


def _learned(
    campaign: Any, number: int, *, runs: int, base: Any, rows: int, learned: Learned
) -> Any:
    """Write down one run that learned all that was answered until then; return its version."""
    from learning.actions.serving import deploy
    from learning.models import ModelVersion
    from training.models import DataSnapshot, SnapshotRow, TrainingRun

    snapshot = DataSnapshot.objects.create(
        campaign=campaign,
        digest=f"{number:064d}",
        samples=rows * number // runs,
        fresh_samples=rows // runs,
        against=base,
    )
    row = SnapshotRow.objects.create(
        snapshot=snapshot,
        sample=learned.text,
        target=[1.0, 0.0, 0.0],
        weight=1.0,
        fresh=False,
        revisions=[],
        aggregator="ds",
    )
    _multiply(
        row,
        rows * number // runs,
        sample_id=f"{learned.sample} + i",
        fresh=f"i >= {rows * (number - 1) // runs}",
        revisions=f"'[[' || ({learned.answer} + i) || ', 1]]'",
        logits="CASE WHEN i % 2 THEN NULL ELSE '[0.5, 0.25, 0.25]' END",
    )
    row.delete()
    version = ModelVersion.objects.create(
        campaign=campaign,
        number=number + 1,
        digest=f"{number:064d}",
        network="starter",
        base=base,
        path=str(number),
    )
    TrainingRun.objects.create(
        campaign=campaign, snapshot=snapshot, base=base, candidate=version, seed=number
    )
    deploy(campaign, version=version, kind="promotion", reason="benchmark")
    return version


if __name__ == "__main__":
    main()
