"""Agreed files: what people agree on, with its texts, as files that other tools read.

For the team's own use, whatever a text's licence: what may be passed on is for ``publish_answers``
to say. Texts with a known answer stay here, since whoever learned them could not be measured by
them, and so do texts that were taken back. Every format reads back as an import: of tasks for Label
Studio with ``label=annotations``, of tables but for the apostrophes that keep formulas from running.
"""

import csv
import io
import json
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO

from django.conf import settings
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from annotation.errors import BusyError, ConflictError, InvalidInputError, TransientError
from annotation.methods import parquet_tables
from annotation.methods.cells import inert
from annotation.methods.texts import parts_of
from annotation.models import Campaign, Consensus, Language
from annotation.objectives import objective, several, spans

FOLDER = "datasets"
FORMATS = ("csv", "jsonl", "json", "parquet", FOLDER)
TEXTS = ("text", "second", "third")
CHUNK = 500
# More than that would keep a thread of the pages for minutes.
MOST = 100_000
LONGEST_S = 100
# One file at a time in each process of the pages: others have pages to be shown meanwhile.
_writing = Lock()
Row = dict[str, Any]


def write_agreed(
    campaign: Campaign, *, path: Path, format: str, language: Language | None = None
) -> int:
    """Write what people agree on to a new file or folder, which is there whole or not at all.

    Return how many texts are in it. ``json`` is a list of tasks for Label Studio, ``datasets`` a
    folder that the library of that name loads, a configuration for each language.
    """
    write = _WRITERS.get(format)
    if write is None:
        raise InvalidInputError(
            f"There is no format {format!r}.", remedy=f"There are: {', '.join(FORMATS)}."
        )
    if path.exists():
        raise ConflictError(f"{path} is there already.", remedy="Name one that is not.")
    path.parent.mkdir(parents=True, exist_ok=True)
    arriving = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
    counted = _Counted(_agreed(campaign, language=language))
    try:
        write(campaign, counted, arriving)
        arriving.rename(path)
    finally:
        if arriving.is_dir():
            shutil.rmtree(arriving)
        else:
            arriving.unlink(missing_ok=True)
    return counted.number


def agreed_file(
    campaign: Campaign, *, format: str, language: Language | None = None
) -> tuple[str, BinaryIO]:
    """The same as one open file, with its name; a folder is a ZIP, and nothing stays on the disk."""
    if agreed_texts(campaign) > MOST:
        raise ConflictError(
            f"More than {MOST:,} texts.", remedy="Read items page by page, or export_agreed."
        )
    with alone(), tempfile.TemporaryDirectory() as place:
        name = f"{campaign.slug}-agreed" + ("" if format == FOLDER else f".{format}")
        whole = Path(place) / name
        write_agreed(campaign, path=whole, format=format, language=language)
        if format == FOLDER:
            whole = Path(shutil.make_archive(str(whole), "zip", root_dir=place, base_dir=name))
        return whole.name, whole.open("rb")


@contextmanager
def alone() -> Iterator[None]:
    """Let nobody else of this process write one meanwhile; raise where somebody does."""
    if not _writing.acquire(blocking=False):
        raise BusyError(_("Another file is being written."), remedy=_("Ask again in a minute."))
    try:
        yield
    finally:
        _writing.release()


def agreed_texts(campaign: Campaign) -> int:
    """How many texts such a file would hold now."""
    return _said(campaign, language=None).count()


class _Counted:
    """What people agree on, text by text, and how many there were."""

    def __init__(self, agreed: Iterator[Consensus]) -> None:
        self._agreed, self.number = agreed, 0

    def __iter__(self) -> Iterator[Consensus]:
        for one in self._agreed:
            self.number += 1
            yield one


def _said(campaign: Campaign, *, language: Language | None) -> "QuerySet[Consensus]":
    rows = Consensus.objects.filter(
        sample__campaign=campaign, sample__withdrawn_at=None, sample__gold=None
    )
    return rows if language is None else rows.filter(sample__language=language)


def _agreed(campaign: Campaign, *, language: Language | None) -> Iterator[Consensus]:
    known = _said(campaign, language=language).select_related(
        "sample__language", "sample__source", "label"
    )
    return known.order_by("sample__language__tag", "sample_id").iterator(chunk_size=CHUNK)


def _row(said: Consensus, *, kind: str) -> Row:
    """A text with its answer, under the names that an import knows them by."""
    sample = said.sample
    parts = parts_of(sample.text) if objective(kind).PARTS > 1 else (sample.text,)
    source = sample.source
    return {
        "id": sample.external_id or str(sample.uid),
        **dict(zip(TEXTS, parts, strict=False)),
        "language": sample.language.tag,
        **_answer(said, kind=kind),
        "confidence": round(said.confidence, 6),
        "answers": said.answers,
        "disputed": said.disputed,
        "licence": source.licence if source else "",
        "source": source.name if source else "",
        "origin": source.origin if source else "",
        "dialect": sample.dialect,
        "group": sample.group,
    }


def _answer(said: Consensus, *, kind: str) -> Row:
    label = said.label
    if kind == spans.NAME:
        text = said.sample.text
        marks = [
            {"start": start, "end": end, "label": key, "text": text[start:end]}
            for start, end, key in label.value or ()
        ]
        return {"spans": marks}
    if kind == several.NAME:
        return {"label": list(label.value or ()) or [several.NONE_IN_FILES[-1]]}
    return {"label": label.key}


def _columns(kind: str) -> tuple[str, ...]:
    texts = TEXTS[: objective(kind).PARTS]
    answer = "spans" if kind == spans.NAME else "label"
    told = ("confidence", "answers", "disputed")
    return (
        *("id", *texts, "language", answer, *told),
        *("licence", "source", "origin", "dialect", "group"),
    )


def _write_csv(campaign: Campaign, agreed: _Counted, path: Path) -> None:
    """A table for spreadsheets: what one would run as a formula has an apostrophe before it."""
    with path.open("x", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, _columns(campaign.objective), restval="")
        table.writeheader()
        for one in agreed:
            row = _row(one, kind=campaign.objective)
            table.writerow({name: _cell(value) for name, value in row.items()})


def _cell(value: object) -> object:
    if isinstance(value, list):
        plain = value and all(isinstance(one, str) for one in value)
        return "|".join(value) if plain else json.dumps(value, ensure_ascii=False)
    return inert(value) if isinstance(value, str) else value


def _write_lines(campaign: Campaign, agreed: _Counted, path: Path) -> None:
    with path.open("x", encoding="utf-8", newline="") as file:
        for one in agreed:
            row = _row(one, kind=campaign.objective)
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _write_tasks(campaign: Campaign, agreed: _Counted, path: Path) -> None:
    """Label Studio's list of tasks; what people agree on stands in each as one annotation."""
    with path.open("x", encoding="utf-8", newline="") as file:
        file.write("[")
        for number, one in enumerate(agreed):
            file.write(",\n" if number else "\n")
            file.write(json.dumps(_task(one, kind=campaign.objective), ensure_ascii=False))
        file.write("\n]\n")


def _task(said: Consensus, *, kind: str) -> Row:
    row = _row(said, kind=kind)
    told = {"label": said.label.key, "value": said.label.value}
    text = said.sample.text
    result = objective(kind).result_of(
        {name: one for name, one in told.items() if one is not None}, text=text
    )
    data = {name: one for name, one in row.items() if name not in ("spans", "label")}
    return {"data": data, "annotations": [{"result": result, "ground_truth": False}]}


def _write_parquet(campaign: Campaign, agreed: _Counted, path: Path) -> None:
    _write_table(campaign, iter(agreed), path)


def _write_table(campaign: Campaign, agreed: Iterator[Consensus], path: Path) -> int:
    """Write rows as they come, and have a process of its own make a table of them.

    The library would stay in whoever asked for good, and that is mostly a process of the pages.
    """
    number = 0
    with tempfile.TemporaryDirectory() as beside:
        lines = Path(beside) / "lines"
        with lines.open("x", encoding="utf-8", newline="") as file:
            for one in agreed:
                file.write(json.dumps(_row(one, kind=campaign.objective)) + "\n")
                number += 1
        _make_table(lines, path, columns=_kinds(campaign))
    return number


def _make_table(lines: Path, path: Path, *, columns: Mapping[str, str]) -> None:
    words = [sys.executable, "-m", parquet_tables.__name__, str(lines), str(path)]
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and module
            [*words, json.dumps(columns)],
            cwd=settings.BASE_DIR,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=LONGEST_S,
        )
    except subprocess.TimeoutExpired as error:
        raise TransientError(f"Writing Parquet took more than {LONGEST_S} seconds.") from error
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        why = said[-1][:300] if said else f"exit status {done.returncode}"
        raise TransientError(
            f"Parquet could not be written: {why}.", remedy="Make room on the disk; or take CSV."
        )


def _kinds(campaign: Campaign) -> dict[str, str]:
    others = {"confidence": "number", "answers": "count", "disputed": "truth", "spans": "marks"}
    if campaign.objective == several.NAME:
        others["label"] = "texts"
    return {name: others.get(name, "text") for name in _columns(campaign.objective)}


def _write_folder(campaign: Campaign, agreed: _Counted, path: Path) -> None:
    """A table for each language, and the header by which the library finds them."""
    tags: dict[str, int] = {}
    for tag, some in groupby(agreed, key=lambda one: one.sample.language.tag):
        home = path / "data" / tag
        home.mkdir(parents=True)
        tags[tag] = _write_table(campaign, some, home / "train-00000-of-00001.parquet")
    path.mkdir(exist_ok=True)
    (path / "README.md").write_text(_header(campaign, tags), encoding="utf-8")


def _header(campaign: Campaign, tags: Mapping[str, int]) -> str:
    out = io.StringIO()
    out.write("---\n")
    out.write(f"language: {json.dumps(list(tags))}\n")
    out.write(f"pretty_name: {json.dumps(campaign.title, ensure_ascii=False)}\n")
    out.write("configs:\n" if tags else "configs: []\n")
    for tag in tags:
        out.write(f"- config_name: {tag}\n  data_files:\n  - split: train\n")
        out.write(f"    path: data/{tag}/train-*.parquet\n")
    out.write(f"---\n\n# {campaign.title}\n\n{campaign.question}\n\n")
    out.write("What native speakers agree on, with how sure that is. Each text has its own licence")
    out.write(" beside it: see that it lets you do what you are about to do.\n\n")
    out.write("| language | texts |\n|---|--:|\n")
    out.writelines(f"| {tag} | {number} |\n" for tag, number in tags.items())
    return out.getvalue()


_WRITERS: dict[str, Callable[[Campaign, _Counted, Path], None]] = {
    "csv": _write_csv,
    "jsonl": _write_lines,
    "json": _write_tasks,
    "parquet": _write_parquet,
    FOLDER: _write_folder,
}
