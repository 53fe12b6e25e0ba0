"""Kinds of question: each writes its form for the desk and reads what comes back.

An objective is a module that speaks the protocol below; its name is what ``Campaign.objective``
holds. ``annotation/objectives/README.md`` tells how to add one.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from annotation.errors import InvalidInputError
from annotation.methods.texts import DIVIDER, GLUE, excerpt, glued, problem_with

# What somebody may say beside their answer, in characters.
LONGEST_NOTE = 500


@dataclass(frozen=True)
class Choice:
    """One answer on offer: the key that we store, and what speakers read."""

    key: str
    name: str


@dataclass(frozen=True)
class Parsed:
    """What an answer says, a label or what is wrong with the text, or why it cannot be used."""

    label: str = ""
    flag: str = ""
    note: str = ""
    reason: str = ""
    detail: str = ""


class Objective(Protocol):
    """What every kind of question tells of itself, and what it can do."""

    TITLE: Any
    # Of how many texts a sample is made.
    PARTS: int
    # Whether the labels stand in an order, so that some mistakes are greater than others.
    ORDERED: bool

    def desk_config(
        self,
        *,
        question: str,
        choices: list[Choice],
        rtl: bool,
        flags: Sequence[Choice] = (),
        note: str = "",
    ) -> str:
        """Write the form that asks the question, and for a note in those words, if in any."""

    def parse(
        self, result: object, *, keys: Collection[str], flags: Collection[str] = ()
    ) -> Parsed:
        """Read one answer as the desk tells it."""

    def result_of(self, label: str, *, flag: str = "", note: str = "") -> list[dict[str, Any]]:
        """Write an answer as the desk would tell it; none if nothing was chosen."""


def objective(name: str) -> Objective:
    """The kind of question of that name."""
    try:
        return kinds()[name]
    except KeyError:
        raise InvalidInputError(
            f"There is no kind of question named “{name}”.",
            remedy=f"There are: {', '.join(kinds())}.",
        ) from None


def whole(name: str, *, told: str) -> str:
    """A text that somebody typed, as a sample of that kind of question holds it.

    Of pairs both texts with a tab or a line of "⸻" between them, or as they are stored already.
    """
    parts = objective(name).PARTS
    typed = told.replace("\r\n", "\n")
    between = next((mark for mark in (GLUE, DIVIDER) if mark in typed), "\t")
    given = [told] if parts == 1 else typed.split(between)
    if len(given) != parts:
        raise InvalidInputError(
            f"“{excerpt(told, length=40)}” is no pair.",
            remedy="Put a tab, or a line with ⸻, between its two texts.",
        )
    for part in given:
        if problem := problem_with(part):
            raise InvalidInputError(f"The text {problem}.", remedy="Change it.")
    return glued(given)


def kinds() -> dict[str, Objective]:
    """Every kind of question by its name, the commonest first."""
    from annotation.objectives import classes, grades, pairs

    return {"classes": classes, "grades": grades, "pairs": pairs}
