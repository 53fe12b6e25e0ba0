"""Simulated annotators: how each of them answers, the same way every time it is asked.

What somebody does with a text depends on who they are and on the text, never on when they meet
it: a run that is repeated, or goes on after a stop, meets the same people.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Character:
    """How far somebody can be relied on, and their habits; all but ``speed`` are shares."""

    right: float
    speed: float = 1.0
    turned: bool = False
    habit: float = 0.0
    skips: float = 0.03
    late: float = 0.03
    twice: float = 0.05
    edits: float = 0.04


CAREFUL = Character(right=0.94)
AVERAGE = Character(right=0.86)
CARELESS = Character(right=0.45, speed=0.6, habit=0.6, skips=0.0, edits=0.0)
ADVERSARIAL = Character(right=0.05, speed=0.5, turned=True, skips=0.0, edits=0.0)


@dataclass(frozen=True)
class Person:
    """One simulated annotator in one language."""

    username: str
    name: str
    language: str
    character: Character


@dataclass(frozen=True)
class Behaviour:
    """What somebody does with one text."""

    label: str
    skips: bool = False
    away_s: float = 0.0
    twice: bool = False
    first_label: str = ""
    reading_s: float = 0.0


# One language has somebody careless as its third, another somebody adversarial.
CARELESS_IN, ADVERSARIAL_IN = "ky", "hsb"
LONGEST_AWAY_S = 25.0


def team_of(language: str) -> list[Person]:
    """Who answers in a language: two people, and in two languages a third."""
    characters = [("careful", CAREFUL), ("average", AVERAGE)]
    if language == CARELESS_IN:
        characters.append(("careless", CARELESS))
    if language == ADVERSARIAL_IN:
        characters.append(("adversarial", ADVERSARIAL))
    return [
        Person(f"sim-{language}-{word}", f"Simulated, {word} ({language})", language, character)
        for word, character in characters
    ]


def behave(person: Person, *, text: str, truth: str, labels: Sequence[str], seed: int) -> Behaviour:
    """Return what this person does with this text, whenever they meet it."""
    rng = _rng(seed, person.username, text)
    character = person.character
    others = [label for label in labels if label != truth]
    wrong = others[int(rng.integers(len(others)))]
    turned = labels[(labels.index(truth) + 1) % len(labels)]
    skips, away, twice, edits, right, habit = rng.random(6)
    if right < character.right:
        label = truth
    elif character.turned:
        label = turned
    else:
        label = labels[0] if habit < character.habit else wrong
    return Behaviour(
        label=label,
        skips=skips < character.skips,
        away_s=float(rng.uniform(5.0, LONGEST_AWAY_S)) if away < character.late else 0.0,
        twice=twice < character.twice,
        first_label=wrong if edits < character.edits else "",
        reading_s=float(round(rng.gamma(3.0, 2.0), 1)),
    )


def _rng(seed: int, *words: str) -> np.random.Generator:
    told = hashlib.sha256("\n".join((str(seed), *words)).encode()).digest()
    return np.random.default_rng(int.from_bytes(told[:8], "big"))
