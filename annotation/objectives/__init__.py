"""Kinds of question: each writes its form for the desk and reads what comes back.

An objective is a module that speaks the protocol below; its name is what ``Campaign.objective``
holds. ``annotation/objectives/README.md`` tells how to add one.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from django.utils.formats import number_format
from django.utils.translation import gettext as _

from annotation.errors import InvalidInputError
from annotation.methods.texts import (
    DIVIDER,
    GLUE,
    MAX_CHARACTERS,
    Trouble,
    excerpt,
    glued,
    trouble_with,
)

# What somebody may say beside their answer, in characters.
LONGEST_NOTE = 500


# An answer as it is stored: `label`, the `value` of a composed one, and what else was said.
Answer = Mapping[str, Any]
# What a form of ours sent: by the field's name all that was filled in or ticked there.
Fields = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Choice:
    """One answer on offer: the key that we store, and what speakers read."""

    key: str
    name: str


@dataclass(frozen=True)
class Parsed:
    """What an answer says, or what is wrong with the text, or why it cannot be used.

    ``label`` is the key of one of the campaign's labels or, with a ``value``, of what the answer
    is composed of: equal values have equal keys. ``more`` is what was said beside it, by name.
    """

    label: str = ""
    flag: str = ""
    note: str = ""
    reason: str = ""
    detail: str = ""
    value: Any = None
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def answer(self) -> dict[str, Any]:
        """The answer as it is stored; empty for a flag."""
        if not self.label:
            return {}
        composed = {} if self.value is None else {"value": self.value}
        return {"label": self.label, **composed, **self.more}


class Objective(Protocol):
    """What every kind of question tells of itself, and what it can do.

    A kind may tell more (:class:`Habits`): that some of a sample's texts may be missing, that its
    labels are always the same, how files call its columns.
    """

    TITLE: Any
    # Of how many texts a sample is made.
    PARTS: int
    # Whether the labels stand in an order, so that some mistakes are greater than others.
    ORDERED: bool
    # Whether an answer is one label; otherwise it is composed of labels (`Label.value`).
    PLAIN: bool
    # Whether an answer cannot be read without the text that it is about.
    READS_TEXT: bool
    # The part of our own pages that takes the answer: `annotation/_fields_FORM.html`.
    FORM: str

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
        self,
        result: object,
        *,
        keys: Collection[str],
        flags: Collection[str] = (),
        text: str = "",
    ) -> Parsed:
        """Read one answer as the desk tells it; ``text`` is what it is about, where that counts."""

    def result_of(
        self, answer: Answer, *, flag: str = "", note: str = "", text: str = ""
    ) -> list[dict[str, Any]]:
        """Write an answer as the desk would tell it; none if nothing was chosen.

        Whatever a stranger may have sent as an answer is written too: `parse` says what is wrong.
        """

    def told(self, fields: Fields) -> Answer:
        """Make of the fields of a form of ours what `result_of` writes."""

    def keys_in(self, answer: Answer) -> Collection[str]:
        """The keys of the campaign's labels that an answer is made of."""

    def name_of(self, value: Any, *, names: Mapping[str, str]) -> str:
        """Say in a few words what a composed answer says; ``names`` are the labels' by key."""


def read_form(name: str, fields: Fields, *, keys: Collection[str], text: str = "") -> Parsed:
    """Read an answer that was given in a form of ours, as strictly as one from the desk."""
    kind = objective(name)
    return kind.parse(kind.result_of(kind.told(fields), text=text), keys=keys, text=text)


@dataclass(frozen=True)
class Habits:
    """What only some kinds of question tell of themselves.

    ``least`` of a sample's texts are needed, the others may be missing; ``labels`` are those of
    every campaign, by key, where a campaign does not bring its own; ``columns`` say which field a
    column of a file fills that is called so; ``sided`` kinds show two texts in an order that is drawn.
    """

    least: int
    labels: Mapping[str, str]
    columns: Mapping[str, str]
    sided: bool

    @classmethod
    def of(cls, name: str) -> "Habits":
        """Those of a kind: by itself it needs all its texts and takes any labels."""
        kind = objective(name)
        labels = getattr(kind, "LABELS", {})
        return cls(
            least=getattr(kind, "LEAST_PARTS", kind.PARTS),
            labels={key: str(words) for key, words in labels.items()},
            columns=getattr(kind, "COLUMNS", {}),
            sided=getattr(kind, "SIDED", False),
        )


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
    parts, least = objective(name).PARTS, Habits.of(name).least
    typed = told.replace("\r\n", "\n")
    between = next((mark for mark in (GLUE, DIVIDER) if mark in typed), "\t")
    given = [told] if parts == 1 else typed.split(between)
    if not least <= len(given) <= parts:
        raise InvalidInputError(
            _("“%s” does not hold the texts that are asked about.") % excerpt(told, length=40),
            remedy=_("Put a tab, or a line with ⸻, between its texts; there are %s.")
            % _number(least, parts),
        )
    for part in given:
        if trouble := trouble_with(part):
            said = _("The text cannot be taken. %s") % words_of(trouble)
            raise InvalidInputError(said, remedy=_("Change it."))
    return glued(given)


def words_of(trouble: Trouble) -> str:
    """Say what is wrong with a text, in a sentence of its own."""
    said = {
        "long": _("It is %(length)s characters long; the most is %(most)s."),
        "nul": _("It holds a NUL character at position %(at)d."),
        "half": _(
            "It holds half a character at position %(at)d: an unpaired surrogate, or a byte that is"
            " not UTF-8. Save the text as UTF-8."
        ),
        "glue": _("It holds the control character U+0004 at position %(at)d."),
        "empty": _("It is empty."),
    }[trouble.code]
    length, most = (
        number_format(number, force_grouping=True) for number in (trouble.length, MAX_CHARACTERS)
    )
    return said % {"length": length, "most": most, "at": trouble.at}


def _number(least: int, most: int) -> str:
    return (
        str(most) if least == most else _("%(least)d or %(most)d") % {"least": least, "most": most}
    )


def kinds() -> dict[str, Objective]:
    """Every kind of question by its name, the commonest first."""
    from annotation.objectives import (
        classes,
        grades,
        pairs,
        preferences,
        ratings,
        several,
        spans,
    )

    return {
        "classes": classes,
        "grades": grades,
        "pairs": pairs,
        "several": several,
        "spans": spans,
        "ratings": ratings,
        "preferences": preferences,
    }
