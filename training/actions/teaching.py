"""Teaching: a generator learns from files of corrections or of choices, and is kept in a folder.

The loop is that of every network (:mod:`training.methods.loop`): what others have learned before is replayed from a
store, checkpoints lie beside the folder that is to be, and a run that was stopped or killed ends
with the same weights when it is asked for again.
"""

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annotation.errors import ConflictError, InvalidInputError
from annotation.methods.readers import UnreadableFileError, Wanted, format_of, read_rows
from annotation.methods.texts import digest, excerpt, glued, unstorable
from annotation.models import Campaign, Sample
from learning.actions.generators import folder_of, generator_named
from training.actions.gold_marks import GoldMarks

if TYPE_CHECKING:
    from learning.networks import Network
    from learning.networks.asking import Manners
    from learning.networks.generator import Generator
    from training.methods.corrections import Correction
    from training.methods.lessons import Job, Lessons, Measure
    from training.methods.loop import Learned
    from training.methods.preference import Preference

MANIFEST = "teaching.json"
CHOICES = {"first": "text", "source": "second", "second": "meta.other", "share": "meta.share"}


@dataclass
class Material:
    """What files hold for a generator to learn, and which rows it cannot learn and why."""

    corrections: list["Correction"] = field(default_factory=list)
    preferences: list["Preference"] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    @property
    def languages(self) -> dict[str, int]:
        """Return how many new rows each language has."""
        return dict(sorted(Counter(row.language for row in self.rows if row.fresh).items()))

    @property
    def rows(self) -> "list[Correction | Preference]":
        """Return all that there is to learn."""
        return [*self.corrections, *self.preferences]


def take_corrections(material: Material, path: Path, *, column: str, fresh: bool) -> None:
    """Read outputs as they should be from a column of a file, each with its source and language."""
    from training.methods.corrections import Correction

    usual = {column: "text", "source": "second", "weight": "meta.weight"}
    for number, values in _rows(material, path, usual=usual):
        told = _texts(values, {"text": column, "second": "source", "language": "language"})
        weight = _number(values.get("meta.weight", 1.0))
        if isinstance(told, str):
            material.refused.append(f"{path.name}, row {number}: {told}")
        elif not told[0].strip():
            material.refused.append(f"{path.name}, row {number}: {column}: is empty")
        elif weight is None or weight < 0:
            material.refused.append(f"{path.name}, row {number}: weight: is no number from 0 up")
        else:
            output, source, tag = told
            name = str(values.get("id") or "")
            material.corrections.append(Correction(source, output, tag, weight, fresh, name))


def take_preferences(material: Material, path: Path, *, fresh: bool) -> None:
    """Read pairs of outputs, and in how many of the answers the first was preferred, ties half."""
    from training.methods.preference import Preference

    for number, values in _rows(material, path, usual=CHOICES):
        names = {
            "text": "first",
            "meta.other": "second",
            "second": "source",
            "language": "language",
        }
        told = _texts(values, names)
        share = _number(values.get("meta.share"))
        if isinstance(told, str):
            material.refused.append(f"{path.name}, row {number}: {told}")
        elif share is None or not 0 <= share <= 1:
            material.refused.append(f"{path.name}, row {number}: share: is no number from 0 to 1")
        elif told[0] == told[1]:
            material.refused.append(f"{path.name}, row {number}: second: is the same as the first")
        else:
            first, second, source, tag = told
            name = str(values.get("id") or "")
            material.preferences.append(
                Preference(source, first, second, tag, share, fresh=fresh, name=name)
            )


def teach(  # noqa: PLR0913 - what a run is made of
    name: str,
    *,
    material: Material,
    out: Path,
    settings: Mapping[str, Any],
    seed: int,
    dev: Material | None = None,
    manners: "Manners | None" = None,
    watch: Callable[[int, int], None] = lambda step, steps: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> "Learned":
    """Teach the generator of that name or path what the material holds, and keep it in ``out``."""
    from training.methods.loop import fit

    if out.exists():
        raise ConflictError(f"{out} is there already.", remedy="Name another folder.")
    version = generator_named(name)
    place = str(folder_of(version)) if version else name
    if version is not None:
        leave_cases_out(material, campaign=version.campaign)
    generator = _opened(place, settings=settings, manners=manners)
    _refuse_what_does_not_fit(material, generator)
    learner, job = _job(generator, material=material, settings=settings, seed=seed, dev=dev)
    folder = out.with_name(f".{out.name}.training")
    learned = fit(
        learner,
        job=job,
        folder=folder,
        watch=lambda step, *, steps, curve: watch(step, steps),
        should_stop=should_stop,
    )
    manifest = {
        "base": str(version or name),
        "seed": seed,
        "recipe": asdict(job.recipe),
        "lessons": job.snapshot,
        "languages": material.languages,
        "kind": "preferences" if material.preferences else "corrections",
        "steps": learned.steps,
        "share_of_new_weights": learned.share,
        "dev": learned.dev,
        "learned": sorted({row.name for row in material.rows if row.fresh and row.name}),
    }
    _keep(learner, out=out, manifest=manifest)
    shutil.rmtree(folder, ignore_errors=True)
    return learned


def leave_cases_out(material: Material, *, campaign: Campaign) -> None:
    """Leave out what says much the same as gold or a regression case, however old the file is."""
    marks = GoldMarks.of(campaign)

    def is_near(source: str, *outputs: str) -> bool:
        text = glued([*outputs, *([source] if source else [])])
        return marks.near(Sample(text=text, digest=digest(text)))

    near = [one for one in material.corrections if is_near(one.source, one.output)]
    told = [one for one in material.preferences if is_near(one.source, one.first, one.second)]
    for source, name in [(one.source, one.name) for one in near] + [
        (one.source, one.name) for one in told
    ]:
        what = excerpt(source or name, length=60)
        material.refused.append(f"“{what}”: it is gold or a regression case, or nearly the same")
    material.corrections = [one for one in material.corrections if one not in near]
    material.preferences = [one for one in material.preferences if one not in told]


def _opened(name: str, *, settings: Mapping[str, Any], manners: "Manners | None") -> "Generator":
    """Open a generator where networks run; what is frozen may be rounded there, so that it fits."""
    import torch

    from learning.inference import device
    from learning.networks.generator import open_generator
    from training.methods.recipes import ADAPTING

    frozen = settings.get("method") in ADAPTING and device().type == "cuda"
    dtype = torch.bfloat16 if frozen else torch.float32
    generator = open_generator(name, manners=manners, dtype=dtype)
    generator.module.to(device())
    return generator


def _job(
    generator: "Generator",
    *,
    material: Material,
    settings: Mapping[str, Any],
    seed: int,
    dev: Material | None,
) -> "tuple[Network, Job]":
    """Return who learns, and what, how and by which numbers it is watched."""
    from training.methods.adapters import dressed
    from training.methods.lessons import Job
    from training.methods.preference import ADVICE, Chooser, on_generator
    from training.methods.recipes import Recipe

    advice = ADVICE if material.preferences else generator.settings()["recipe"]
    recipe = Recipe.of(advice, settings)
    network = dressed(generator, recipe=recipe, languages=sorted(material.languages))
    learner: Network = Chooser(network) if material.preferences else network  # type: ignore[arg-type]
    lessons = _lessons(material)
    more = {"manners": generator.manners.record(), "name": generator.name, "recipe": asdict(recipe)}
    told = _digest(lessons, **more)
    return learner, Job(lessons, on_generator(_measure(dev)), recipe, seed=seed, snapshot=told)


def _keep(network: "Network", *, out: Path, manifest: Mapping[str, Any]) -> None:
    """Write the folder aside and rename it, so that it is there whole or not at all."""
    aside = out.with_name(f".{out.name}.arriving")
    shutil.rmtree(aside, ignore_errors=True)
    network.module.to("cpu")
    network.save(aside)
    text = json.dumps(manifest, ensure_ascii=False, indent=1, sort_keys=True)
    (aside / MANIFEST).write_text(text + "\n", encoding="utf-8")
    aside.rename(out)


def _refuse_what_does_not_fit(material: Material, generator: "Generator") -> None:
    """Leave out what this generator cannot learn, with the reason; refuse to learn nothing."""
    from training.methods.corrections import Correction, problems

    rows = material.corrections
    bad = problems(rows, generator=generator)
    material.corrections = [row for place, row in enumerate(rows) if place not in bad]
    material.refused += [f"“{rows[place].source[:40]}”: {why}" for place, why in bad.items()]
    kept = []
    for pair in material.preferences:
        both = [Correction(pair.source, said, pair.language) for said in (pair.first, pair.second)]
        found = problems([one for one in both if one.output.strip()], generator=generator)
        if found:
            material.refused.append(f"“{pair.source[:40]}”: {next(iter(found.values()))}")
        else:
            kept.append(pair)
    material.preferences = kept
    if not material.languages:
        raise InvalidInputError(
            "There is nothing new to learn.",
            remedy=" ".join(["Give a file with rows that can be learned.", *material.refused[:3]]),
        )


def _lessons(material: Material) -> "Lessons":
    from training.methods import corrections, preference

    if material.preferences:
        return preference.lessons_of(material.preferences)
    return corrections.lessons_of(material.corrections)


def _measure(dev: Material | None) -> "Measure":
    from training.methods.written import Cases, likelihood

    rows = dev.corrections if dev else []
    if not rows:
        return lambda network: {}
    return likelihood(
        Cases(
            [row.source for row in rows],
            [row.output for row in rows],
            [row.language for row in rows],
        )
    )


def _digest(lessons: "Lessons", **more: Any) -> str:
    rows = zip(lessons.languages, lessons.texts, lessons.fresh.tolist(), strict=True)
    told = hashlib.sha256(repr((sorted(more.items()), list(rows))).encode("utf-8", "replace"))
    told.update(lessons.targets.tobytes() + lessons.weights.tobytes())
    return told.hexdigest()


def _rows(
    material: Material, path: Path, *, usual: Mapping[str, str]
) -> Iterator[tuple[int, Mapping[str, object]]]:
    kind = format_of(path.name)
    if kind not in ("csv", "tsv", "jsonl"):
        raise InvalidInputError(
            f"{path.name} is of no format that holds lessons.",
            remedy="Give a file whose name ends in .jsonl, .csv or .tsv.",
        )
    wanted = Wanted(defaults={"licence": "as its source"}, usual=usual)
    try:
        with path.open("rb") as file:
            for row in read_rows(file, format=kind, wanted=wanted):
                if row.problem:
                    material.refused.append(f"{path.name}, row {row.number}: {row.problem}")
                else:
                    yield row.number, row.values
    except UnreadableFileError as error:
        names = ", ".join(usual)
        raise InvalidInputError(
            f"{path}: {error}", remedy=f"Columns: language, {names}."
        ) from error
    except OSError as error:
        raise InvalidInputError(f"Cannot read {path}: {error.strerror}.") from error


def _texts(values: Mapping[str, object], names: Mapping[str, str]) -> list[str] | str:
    """Return texts of a row in order, or what is wrong with one; only a source may be missing."""
    found = []
    for ours, theirs in names.items():
        text = values.get(ours)
        if text is None and theirs == "source":
            text = ""
        if not isinstance(text, str):
            return f"{theirs}: " + ("is missing" if text is None else "is not a text")
        if problem := unstorable(text) or ("\x04" in text and "holds the control character U+0004"):
            return f"{theirs}: {problem}"
        if theirs == "language" and not text.strip():
            return "language: is missing"
        found.append(text)
    return found


def _number(value: object) -> float | None:
    try:
        told = float(str(value))
    except ValueError:
        return None
    return told if told == told and abs(told) != float("inf") else None


def languages_told(languages: Mapping[str, int]) -> str:
    """Say how much there is of each language."""
    return ", ".join(f"{tag} {number:,}" for tag, number in languages.items())


def first_of(refused: Sequence[str], *, most: int = 20) -> list[str]:
    """Return lines for a terminal: the first of what was refused, and how many more there are."""
    more = len(refused) - most
    return [*refused[:most], *([f"… and {more:,} more"] if more > 0 else [])]
