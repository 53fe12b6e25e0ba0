"""Generating: a file of sources through a generator, into a file that is never half right.

Outputs are appended lot by lot and synced, so that a run that was killed goes on where it was: what
is there is read again, half a line at its end is cut off, and only what is missing is written.
Every line says what it was made from; a file that was made from something else, or by other means,
is not added to. What cannot be asked lies beside the outputs with its reason.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from annotation.errors import ConflictError, InvalidInputError
from annotation.methods.readers import UnreadableFileError, Wanted, format_of, read_rows
from annotation.methods.texts import excerpt, unstorable

if TYPE_CHECKING:
    from learning.actions.grading import Grader
    from learning.networks.asking import Manners
    from learning.networks.generator import Generator
    from learning.networks.writing import Wish, Written

# Sources that are sorted by length together; what is lost by a kill is at most a lot.
LOT = {"cpu": 64, "cuda": 1_024}
# What files call what: the source is what is read, and may say its own language.
COLUMNS = {"source": "text", "source_language": "meta.source_language"}
LONGEST_TAG = 35

Progress = Callable[["Done"], None]


@dataclass(frozen=True)
class Source:
    """One row of a file: what to write from, in which language; or why that cannot be."""

    row: int
    source: str = ""
    language: str = ""
    home: str = ""
    name: str = ""
    problem: str = ""


@dataclass
class Done:
    """How far a file is: rows that are written, refused, and were there before."""

    written: int = 0
    refused: int = 0
    before: int = 0
    tokens: int = 0


def sources_of(
    file: BinaryIO, *, filename: str, column: str = "", language: str = ""
) -> Iterator[Source]:
    """Read sources; ``column`` is the one they are in, ``language`` that of rows that say none."""
    kind = format_of(filename)
    if kind not in ("csv", "tsv", "jsonl"):
        raise InvalidInputError(
            f"{filename} is of no format that holds sources.",
            remedy="Give a file whose name ends in .jsonl, .csv or .tsv.",
        )
    usual = {name: field for name, field in COLUMNS.items() if not column or field != "text"}
    wanted = Wanted(
        columns={"text": column} if column else {},
        defaults={"licence": "as its source"} | ({"language": language} if language else {}),
        usual=usual,
    )
    try:
        for row in read_rows(file, format=kind, wanted=wanted):
            yield (
                Source(row.number, problem=row.problem)
                if row.problem
                else _source(row.number, row.values, language=language)
            )
    except UnreadableFileError as error:
        remedy = "Name the column of the sources: --column NAME." if "text" in str(error) else ""
        raise InvalidInputError(f"{filename}: {error}", remedy=remedy) from error


def _source(number: int, values: Mapping[str, object], *, language: str) -> Source:
    text, tag = values.get("text"), values.get("language") or language
    home, name = values.get("meta.source_language") or "", values.get("id")
    if text is None:
        return Source(number, problem="source: is missing")
    if not isinstance(text, str):
        return Source(number, problem="source: is not a text but a number, a list or the like")
    if problem := unstorable(text) or ("" if text.strip() else "is empty"):
        return Source(number, problem=f"source: {problem}")
    if not isinstance(tag, str) or not tag.strip():
        return Source(
            number, problem="language: is missing; fill the column, or say --language TAG"
        )
    if not isinstance(home, str) or max(len(tag), len(home)) > LONGEST_TAG:
        return Source(number, problem="language: is no tag such as wo or fr-CA")
    told = "" if name is None else excerpt(str(name), length=200)
    return Source(number, text, tag.strip(), home.strip(), told)


def generate(  # noqa: PLR0913 - from what, to where, by whom
    generator: "Generator",
    sources: Iterable[Source],
    *,
    out: Path,
    wish: "Wish",
    network: str,
    weights: str = "",
    grader: "Grader | None" = None,
    progress: Progress = lambda done: None,
) -> Done:
    """Write an output for each source to ``out``, and to ``refused_of(out)`` what cannot be asked.

    ``network`` is the name or path that the generator was opened by; ``weights`` the digest of one
    that is registered, which every line then tells; ``grader`` says what people would rate it.
    """
    from learning.networks.writing import home_of

    by = means_of(generator, wish, network=network, weights=weights)
    done, known = Done(), _read(out) | _read(refused_of(out))
    size = LOT[home_of(generator).type]
    coming = _missing(sources, known=known, by=by, done=done, out=out)
    while lot := list(islice(coming, size)):
        _append(refused_of(out), [_refusal(one, by=by) for one in lot if one.problem])
        done.refused += sum(bool(one.problem) for one in lot)
        fine = [one for one in lot if not one.problem]
        told = _written(generator, fine, wish=wish)
        who = {"system": Path(network).name} | ({"weights": weights} if weights else {})
        good = [one for one in told if not one[1].problem]
        grades = _grades(grader, good)
        _append(
            out,
            [_line(*one, by=by, who=who) | grade for one, grade in zip(good, grades, strict=True)],
        )
        bad = [(one, f"source: {said.problem}") for one, said in told if said.problem]
        _append(refused_of(out), [_refusal(one, by=by, problem=why) for one, why in bad])
        done.written += len(told) - len(bad)
        done.refused += len(bad)
        done.tokens += sum(said.tokens for _, said in told)
        progress(done)
    return done


def refused_of(out: Path) -> Path:
    """Return where refused rows lie."""
    return out.with_name(f"{out.stem}.refused.jsonl")


def means_of(generator: "Generator", wish: "Wish", *, network: str, weights: str = "") -> str:
    """Return a digest of what, beside a row, decides what is written for it: weights and wish."""
    asked = (network, generator.manners.record(), asdict(wish))
    told = hashlib.sha256(repr((*asked, weights) if weights else asked).encode())
    for path in sorted(Path(network).glob("*.safetensors")):
        with path.open("rb") as file:
            told.update(hashlib.file_digest(file, "sha256").digest())
    return told.hexdigest()


def open_for_writing(name: str, *, manners: "Manners | None" = None) -> "Generator":
    """Open a generator where networks run, as they answer there: in bfloat16 on a GPU."""
    import torch

    from learning.inference import device
    from learning.networks.generator import open_generator

    home = device()
    dtype = torch.bfloat16 if home.type == "cuda" else torch.float32
    generator = open_generator(name, manners=manners, dtype=dtype)
    generator.module.to(home)
    return generator


def _written(
    generator: "Generator", lot: list[Source], *, wish: "Wish"
) -> list[tuple[Source, "Written"]]:
    from learning.networks.writing import write

    texts, tags = [one.source for one in lot], [one.language for one in lot]
    homes = [one.home or generator.manners.source_language for one in lot]
    return list(zip(lot, write(generator, texts, tags, wish=wish, of=homes), strict=True))


def _grades(
    grader: "Grader | None", told: list[tuple[Source, "Written"]]
) -> list[dict[str, float]]:
    """Return the grade that goes with each output; an empty one says nothing and has none."""
    rows = [at for at, (_, said) in enumerate(told) if said.text.strip()]
    found: list[dict[str, float]] = [{} for _ in told]
    if grader is None or not rows:
        return found
    ours = [told[at] for at in rows]
    grades = grader(
        [said.text for _, said in ours],
        [one.source for one, _ in ours],
        [one.language for one, _ in ours],
    )
    for at, grade in zip(rows, grades, strict=True):
        found[at] = {"grade": round(grade, 4)}
    return found


def _line(one: Source, said: "Written", *, by: str, who: Mapping[str, str]) -> dict[str, Any]:
    named = {"id": one.name} if one.name else {}
    drawn = {"disagreement": said.disagreement, "drawn": list(said.drawn)} if said.drawn else {}
    return {
        "row": one.row,
        **named,
        "language": one.language,
        "source": one.source,
        "output": said.text,
        "log_probability": said.log_probability,
        **drawn,
        "tokens": said.tokens,
        "finished": said.finished,
        **who,
        "check": _check(one, by=by),
    }


def _refusal(one: Source, *, by: str, problem: str = "") -> dict[str, Any]:
    told = {"row": one.row, "problem": problem or one.problem, "excerpt": excerpt(one.source)}
    return {**told, "check": _check(one, by=by)}


def _check(one: Source, *, by: str) -> str:
    told = "\0".join((by, str(one.row), one.language, one.home, one.source, one.problem))
    return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _missing(
    sources: Iterable[Source], *, known: Mapping[int, str], by: str, done: Done, out: Path
) -> Iterator[Source]:
    """Yield what is not there yet; what is there must have been made from the same."""
    for one in sources:
        if one.row not in known:
            yield one
        elif known[one.row] == _check(one, by=by):
            done.before += 1
        else:
            raise ConflictError(
                f"Row {one.row} in {out} was made from another source, by another generator, or in"
                " another way.",
                remedy="Give the new outputs a file of their own, or take the old one away.",
            )


def _read(path: Path) -> dict[int, str]:
    """Return the rows that a file holds with what they were made from; half a line is cut off."""
    with suppress(FileNotFoundError), path.open("rb+") as file:
        found: dict[int, str] = {}
        whole = 0
        for line in file:
            if not line.endswith(b"\n"):
                file.truncate(whole)
                break
            whole += len(line)
            found.update([_known(line, path=path)])
        return found
    return {}


def _known(line: bytes, *, path: Path) -> tuple[int, str]:
    try:
        told = json.loads(line)
        return int(told["row"]), str(told["check"])
    except (ValueError, KeyError, TypeError) as error:
        raise ConflictError(
            f"{path} is there and holds something else.",
            remedy="Name another file for the outputs.",
        ) from error


def _append(path: Path, lines: list[dict[str, Any]]) -> None:
    """Add lines so that they are there for good before anybody is told."""
    if not lines:
        return
    with path.open("ab") as file:
        for line in lines:
            file.write(json.dumps(line, ensure_ascii=False).encode("utf-8") + b"\n")
        file.flush()
        os.fsync(file.fileno())
