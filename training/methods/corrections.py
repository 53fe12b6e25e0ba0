"""Corrections: how something should have been said, as lessons for a generator.

A lesson is a source with the output that people want (:func:`learning.networks.generator.lesson`), and its
target is that just this is written: under the loop's cross-entropy that is fine-tuning on the output's tokens,
the mean of an output's and then the mean over outputs, so that a long one is no louder than a
short one. Everything else is the loop's own: ``fresh`` rows are new, the others are the store, and
with :mod:`training.methods.recipes` replay keeps the other languages (method ``update`` or ``er``), or they stay
as they were to the bit (``lora``).

    network = adapters.dressed(open_generator(name), recipe=recipe, languages=fresh_ones)
    job = Job(lessons_of(rows), measure=likelihood(cases), recipe=recipe, seed=..., snapshot=...)
    learned = fit(network, job=job, folder=..., watch=..., should_stop=...)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from annotation.errors import InvalidInputError
from learning.networks.generator import WRITTEN, Generator, lesson
from training.methods.lessons import Lessons


@dataclass(frozen=True)
class Correction:
    """An output as it should be, for a source that may be empty, in a language.

    An output that people left as it was is one too. ``weight`` says how sure they were, ``fresh``
    that no version has learned it yet, ``name`` which answers it rests on.
    """

    source: str
    output: str
    language: str
    weight: float = 1.0
    fresh: bool = True
    name: str = ""


def lessons_of(corrections: Sequence[Correction]) -> Lessons:
    """Return corrections as lessons.

    >>> told = lessons_of([Correction("Good day", "Salaam", "wo"), Correction("", "Jamm", "wo", 0.5)])
    >>> told.targets.tolist(), told.weights.tolist(), told.languages
    ([[1.0, 0.0], [1.0, 0.0]], [1.0, 0.5], ['wo', 'wo'])
    """
    if not corrections:
        raise InvalidInputError(
            "There is no correction to learn from.", remedy="Collect some, or learn another kind."
        )
    targets = np.zeros((len(corrections), len(WRITTEN)), np.float32)
    targets[:, 0] = 1.0
    return Lessons(
        texts=[lesson(one.source, one.output) for one in corrections],
        languages=[one.language for one in corrections],
        targets=targets,
        weights=np.array([one.weight for one in corrections], np.float32),
        fresh=np.array([one.fresh for one in corrections], bool),
    )


def problems(corrections: Sequence[Correction], *, generator: Generator) -> dict[int, str]:
    """Return what a generator cannot learn as it is, by its place, with the reason.

    In training what is too long is cut; whoever collects lessons leaves these out instead.
    """
    found = {}
    for place, one in enumerate(corrections):
        if problem := _problem(one, generator=generator):
            found[place] = problem
    return found


def _problem(one: Correction, *, generator: Generator) -> str:
    if not one.output.strip():
        return "The corrected text is empty. Leave the row out, or write how it should be said."
    try:
        asked = generator.asking.asked([one.source], [one.language])[0]
    except InvalidInputError as error:
        return str(error)
    said = len(generator.asking.outputs([one.output])[0])
    if said > generator.asking.longest:
        return (
            f"The corrected text is {said:,} tokens long and this generator writes"
            f" {generator.asking.longest:,}. Cut source and text into sentences or paragraphs."
        )
    return generator.asking.problem(asked, longest=said)
