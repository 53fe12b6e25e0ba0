"""Registry: how soon a rollback is served under load, and what tracing an answer costs.

``python -m benchmarks.registry``: processes of their own answer without pause from the starter while
versions are rolled back and forth; no answer may be a mix, and every process has to follow within
five seconds. Then lineage is traced, both ways, in a database with a million answers. ``--quick`` does
the same with fewer of everything and writes nothing.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LABELS = ("news", "talk", "rules")
TAGS = ("wo", "qu")
TEXTS = [f"text number {n} of those that are asked again and again" for n in range(16)]
BAR_SECONDS = 5.0
REPEATS = 5


@dataclass(frozen=True)
class Measured:
    """One line of the result: a number, its unit, and the bar if there is one."""

    row: str
    value: float
    unit: str
    bar: float | None = None
    worst: float | None = None

    def record(self) -> dict[str, Any]:
        """Return plain names and numbers."""
        met = None if self.bar is None else self.value <= self.bar
        return {
            "row": self.row,
            "value": round(self.value, 5),
            "unit": self.unit,
            "bar": self.bar,
            "worst": None if self.worst is None else round(self.worst, 5),
            "met": met,
        }

    def line(self) -> str:
        """Return the row for a terminal."""
        bar = (
            ""
            if self.bar is None
            else f"  (bar {self.bar:g}: {'met' if self.record()['met'] else 'NOT met'})"
        )
        worst = "" if self.worst is None else f", worst {self.worst:.4g}"
        return f"{self.row}: {self.value:.4g} {self.unit}{worst}{bar}"


def main() -> None:
    """Measure in an installation of its own, which is thrown away."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller, and writes nothing")
    parser.add_argument("--answers", type=int, default=0, help="answers in the database")
    parser.add_argument("--role", choices=("ask",), help=argparse.SUPPRESS)
    parser.add_argument("--until", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.role:
        _django()
        _ask(options.until)
        return
    with tempfile.TemporaryDirectory() as place:
        os.environ |= {
            "VERNACULAR_VAR_DIR": place,
            "VERNACULAR_DEVICE": "cpu",
            "VERNACULAR_TORCH_THREADS": "1",
            "OMP_NUM_THREADS": "1",
        }
        _django()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        answers = options.answers or (20_000 if options.quick else 1_000_000)
        rows = measure_rollback(Path(place), moves=4 if options.quick else 12)
        rows += measure_lineage(answers)
    for row in rows:
        print(row.line())
    if not options.quick:
        from benchmarks.report import write

        write("registry", rows, notes=[f"{answers} answers, 20 snapshots, SQLite, one process"])


def _django() -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()


def measure_rollback(place: Path, *, moves: int, processes: int = 4) -> list[Measured]:
    """Roll back and forth under load and look at every answer that the processes wrote down."""
    from learning.actions.answering import answer_with
    from training.actions.promotion import rollback

    campaign, versions = _two_versions(place)
    tags = [TAGS[n % 2] for n in range(len(TEXTS))]
    expected = {
        version.number: [a.probabilities for a in answer_with(version, texts=TEXTS, languages=tags)]
        for version in versions
    }
    ends = place / "over"
    askers = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.registry", "--role", "ask", "--until", str(ends)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(processes)
    ]
    while len(list(place.glob("ready.*"))) < processes:
        time.sleep(0.05)
    moved = [(0.0, versions[-1].number)]
    for turn in range(moves):
        time.sleep(0.5)
        to = versions[turn % 2]
        rollback(campaign, to_version=to, actor=None, reason="benchmark")
        moved.append((time.time(), to.number))
    time.sleep(0.5)
    ends.touch()
    calls = [
        json.loads(line) for asker in askers for line in asker.communicate()[0].splitlines() if line
    ]
    return _judged(calls, moved=moved, expected=expected, processes=processes)


def _judged(
    calls: list[Any], *, moved: list[tuple[float, int]], expected: Any, processes: int
) -> list[Measured]:
    mixed = sum(
        len({a["version"] for a in call["answers"]}) > 1
        or any(
            abs(told["probabilities"][label] - wanted[label]) > 1e-4
            for told, wanted in zip(
                call["answers"], expected[call["answers"][0]["version"]], strict=True
            )
            for label in wanted
        )
        for call in calls
    )
    lags, stale = [], 0
    for place, (at, to) in enumerate(moved[1:], 1):
        until = moved[place + 1][0] if place + 1 < len(moved) else float("inf")
        old = [
            call
            for call in calls
            if at <= call["ended"] < until and call["answers"][0]["version"] != to
        ]
        stale += sum(call["begun"] > at for call in old)
        lags.append(max((call["ended"] - at for call in old), default=0.0))
    seconds = max(c["ended"] for c in calls) - min(c["begun"] for c in calls)
    return [
        Measured(
            f"rollback under load, {processes} processes: last answer of the old version after",
            max(lags),
            "s",
            bar=BAR_SECONDS,
        ),
        Measured("answers asked after a rollback and given by the old version", stale, "calls", 0),
        Measured("calls answered by a mix", mixed, f"of {len(calls)} calls", 0),
        Measured("load", len(calls) * len(TEXTS) / seconds, "texts/s"),
    ]


def _two_versions(place: Path) -> tuple[Any, list[Any]]:
    import torch

    from annotation.models import Campaign, CampaignLanguage, Label, Language
    from learning.actions.serving import deploy
    from learning.actions.versions import register_version
    from learning.models import Temperature
    from learning.networks.starter import Starter

    campaign = Campaign.objects.create(slug="load", title="Load", question="?")
    for position, key in enumerate(LABELS):
        Label.objects.create(campaign=campaign, key=key, name=key, position=position)
    languages = [
        Language.objects.get_or_create(tag=t, defaults={"name": t, "script": "Latn"})[0]
        for t in TAGS
    ]
    for language in languages:
        CampaignLanguage.objects.create(campaign=campaign, language=language)
    versions = []
    for seed in (1, 2):
        network = Starter.fresh(LABELS, seed=seed)
        network.prepare(TEXTS, [TAGS[n % 2] for n in range(len(TEXTS))])
        torch.manual_seed(seed)
        for parameter in network.trainable():
            parameter.data += torch.randn(parameter.shape)
        folder = place / f"network-{seed}"
        network.save(folder)
        version = register_version(
            campaign, folder=folder, network="starter", base=None, manifest={"labels": list(LABELS)}
        )
        for language in languages:
            Temperature.objects.create(version=version, language=language, value=seed, gold=9)
        deploy(campaign, version=version, kind="promotion", reason="benchmark")
        versions.append(version)
    return campaign, versions


def _ask(until: Path) -> None:
    """Ask without pause and write down when, and what was told."""
    from annotation.models import Campaign
    from learning.actions.answering import answer

    campaign = Campaign.objects.get(slug="load")
    tags = [TAGS[n % 2] for n in range(len(TEXTS))]
    answer(campaign, texts=TEXTS, languages=tags)
    until.with_name(f"ready.{os.getpid()}").touch()
    told = []
    while not until.exists():
        begun = time.time()
        found = answer(campaign, texts=TEXTS, languages=tags)
        told.append({"begun": begun, "ended": time.time(), "answers": [a.record() for a in found]})
    for call in told:
        print(json.dumps(call))


def measure_lineage(answers: int, *, snapshots: int = 20, people: int = 200) -> list[Measured]:
    """Trace in a database of so many answers, each brought by one of the snapshots."""
    from annotation.models import Annotation, Annotator
    from training.actions.cards import card_of
    from training.actions.lineage import answers_of, tainted, versions_of_annotator, versions_with

    campaign, versions = _history(answers, snapshots=snapshots, people=people)
    one = Annotation.objects.filter(item__campaign_language__campaign=campaign).first()
    assert one
    annotator = Annotator.objects.filter(annotations__isnull=False).first()
    assert annotator
    share = answers // people
    rows = [
        _timed(
            "one answer to its versions",
            lambda: versions_with(Annotation.objects.filter(pk=one.pk)),
        ),
        _timed(
            f"a person's {share} answers to their versions",
            lambda: versions_of_annotator(annotator.pk),
        ),
        _timed("a version's page, its data and history", lambda: card_of(versions[-1])),
        _timed("count a version's answers", lambda: answers_of(versions[-1]).count()),
        _timed("versions to be flagged, nothing taken back", lambda: tainted(campaign)),
    ]
    _take_back(annotator)
    rows.append(_timed(f"versions to be flagged, {share} taken back", lambda: tainted(campaign)))
    return rows


def _timed(name: str, act: Any) -> Measured:
    took = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        act()
        took.append(time.perf_counter() - begun)
    return Measured(name, median(took), "s", worst=max(took))


def _take_back(annotator: Any) -> None:
    from annotation.models import Annotation, Withdrawal

    withdrawal = Withdrawal.objects.create(annotator=annotator)
    Annotation.objects.filter(annotator=annotator).update(withdrawal=withdrawal, state="withdrawn")


def _history(answers: int, *, snapshots: int, people: int) -> tuple[Any, list[Any]]:
    """Fill the tables as so many rounds would have: every answer is new in one snapshot."""
    from annotation.models import (
        Annotation,
        Annotator,
        Campaign,
        CampaignLanguage,
        Item,
        Label,
        Language,
        Sample,
        User,
    )
    from learning.models import ModelVersion
    from training.models import DataSnapshot, LearnedAnswer, TrainingRun

    campaign = Campaign.objects.create(slug="history", title="History", question="?")
    label = Label.objects.create(campaign=campaign, key="a", name="a", position=0)
    language = Language.objects.get(tag=TAGS[0])
    home = CampaignLanguage.objects.create(campaign=campaign, language=language)
    crew = [
        Annotator.objects.create(user=User.objects.create(username=f"p{n}"), language=language)
        for n in range(people)
    ]
    versions = [
        ModelVersion.objects.create(
            campaign=campaign, number=1, digest=f"{0:064d}", network="starter", path="0"
        )
    ]
    made = []
    for number in range(snapshots):
        snapshot = DataSnapshot.objects.create(
            campaign=campaign,
            digest=f"{number:064d}",
            samples=answers * (number + 1) // snapshots,
            fresh_samples=answers // snapshots,
            against=versions[-1],
            provenance={"licences": {"CC0-1.0": answers}, "languages": {}},
        )
        base = versions[-1]
        versions.append(
            ModelVersion.objects.create(
                campaign=campaign,
                number=number + 2,
                digest=f"{number + 1:064d}",
                network="starter",
                base=base,
                path=str(number + 1),
            )
        )
        TrainingRun.objects.create(
            campaign=campaign, snapshot=snapshot, base=base, candidate=versions[-1], seed=number
        )
        made.append(snapshot)
    sample = Sample.objects.create(campaign=campaign, language=language, text="t", digest="t")
    first = _multiply(
        sample,
        answers,
        uid="printf('%032x', i + 1)",
        text="'text ' || i",
        digest="printf('%064d', i)",
    )
    item = Item.objects.create(
        campaign_language=home, sample=sample, kind="acquisition", state="answered"
    )
    first = _multiply(item, answers, uid="printf('%032x', i + 1)", sample_id=f"{first} + i")
    given = Annotation.objects.create(
        item=item,
        annotator=crew[0],
        desk_annotation_id=0,
        state="answered",
        label=label,
        desk_updated_at="",
    )
    first = _multiply(
        given,
        answers,
        item_id=f"{first} + i",
        annotator_id=f"{crew[0].pk} + i % {people}",
        desk_annotation_id="i + 1",
    )
    learned = LearnedAnswer.objects.create(
        snapshot=made[0], annotation=given, revision=1, licence="CC0-1.0", person="p-0123456789ab"
    )
    _multiply(
        learned,
        answers,
        annotation_id=f"{first} + i",
        snapshot_id=f"{made[0].pk} + i * {snapshots} / {answers}",
    )
    return campaign, versions


def _multiply(row: Any, times: int, **changed: str) -> int:
    """Copy a row so many times inside the database, which is far quicker; return the first id.

    What differs is SQL in ``i``, the number of the copy.
    """
    from django.db import connection

    model = type(row)
    columns = [field.column for field in model._meta.concrete_fields if not field.primary_key]
    names = ", ".join(f'"{name}"' for name in columns)
    values = ", ".join(changed.get(name, f't."{name}"') for name in columns)
    table, first = model._meta.db_table, int(row.pk) + 1
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {times - 1})"
            f' INSERT INTO "{table}" ("id", {names}) SELECT {first} + i, {values}'
            f' FROM n, "{table}" AS t WHERE t."id" = {row.pk}'
        )
    return first


if __name__ == "__main__":
    main()
