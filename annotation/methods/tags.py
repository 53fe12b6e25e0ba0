"""Language tags: as browsers want them, with their script; and of the stretches of a mixed text."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any, Protocol

SCRIPT_LENGTH = 4
EXTENDED = 3


def with_script(tag: str, *, script: str) -> str:
    """A BCP 47 tag that names its script, so that a browser picks the right font.

    >>> with_script("bug", script="Bugi"), with_script("pt-BR", script="Latn")
    ('bug-Bugi', 'pt-Latn-BR')
    >>> with_script("ace-Arab", script="Latn"), with_script("wo", script="")
    ('ace-Arab', 'wo')
    >>> with_script("zh-yue", script="Hant"), with_script("x-own", script="Latn")
    ('zh-yue-Hant', 'x-own')
    """
    parts = tag.split("-")
    private = next((at for at, part in enumerate(parts) if len(part) == 1), len(parts))
    named = any(len(part) == SCRIPT_LENGTH and part.isalpha() for part in parts[1:private])
    if not script or named or private == 0:
        return tag
    at = 1
    while at < private and len(parts[at]) == EXTENDED and parts[at].isalpha():
        at += 1
    return "-".join([*parts[:at], script, *parts[at:]])


# Under which name a sample's `meta` keeps the stretches of a text with the language of each.
SPOKEN = "spoken"


class Spoken(Protocol):
    """A stretch of a text in a language, if that is known."""

    @property
    def start(self) -> int:
        """Where it begins, in code points."""

    @property
    def end(self) -> int:
        """Where it ends; what stands there is not in it."""

    @property
    def language(self) -> str:
        """Its tag, empty where nobody said."""


def spoken(tokens: Iterable[Spoken]) -> list[list[Any]]:
    """Return the stretches of a text, [start, end, tag]; neighbours in one language are one.

    >>> from annotation.methods.conll import Token
    >>> spoken([Token(0, 3, "wo"), Token(4, 6, "wo"), Token(7, 12, "fr"), Token(12, 13)])
    [[0, 6, 'wo'], [7, 12, 'fr']]
    """
    found = []
    for tag, some in groupby(tokens, key=lambda token: token.language):
        parts = list(some)
        if tag:
            found.append([parts[0].start, parts[-1].end, tag])
    return found


def languages_of(units: Sequence[Sequence[int]], *, meta: Any) -> list[str]:
    """Return the language of each unit of a text, as far as its ``meta`` tells.

    >>> languages_of([[0, 3], [4, 9], [9, 10]], meta={"spoken": [[0, 3, "wo"], [4, 9, "fr"]]})
    ['wo', 'fr', '']
    >>> languages_of([[0, 3]], meta={"spoken": "wo"}), languages_of([[0, 3]], meta={})
    ([''], [''])
    """
    told = meta.get(SPOKEN) if isinstance(meta, dict) else None
    runs = [run for run in told if _is_run(run)] if isinstance(told, list) else []
    return [
        next((tag for start, end, tag in runs if start < unit[1] and unit[0] < end), "")
        for unit in units
    ]


def _is_run(run: object) -> bool:
    if not isinstance(run, list) or len(run) != 3:
        return False
    return isinstance(run[0], int) and isinstance(run[1], int) and isinstance(run[2], str)
