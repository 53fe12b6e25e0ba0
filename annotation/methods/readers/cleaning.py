"""Cleaning: from what a row says to a sample that may be stored, or the reason why not."""

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from annotation.methods.readers.rows import Row
from annotation.methods.readers.sides import FIRST, SECOND, is_turned, of_the_file, sided
from annotation.methods.texts import (
    digest,
    excerpt,
    glued,
    normalise,
    problem_with,
    storable,
    unstorable,
)

LONGEST = {"id": 200, "source": 120, "licence": 80, "origin": 300, "dialect": 80, "group": 200}
MOST_META_CHARACTERS = 20_000
DEV_SHARE = 0.3
POOL, DEV, GATE = "pool", "dev", "gate"
TEXTS = ("text", "second", "third")
NONE = (None, "")
# Makes an answer that is composed (label and value) of a cell, with the text that it is about; what
# it raises a ValueError with is told to whoever imports.
Composes = Callable[[object, str], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class CleanRow:
    """A row that makes sense by itself."""

    number: int
    text: str
    digest: str
    language: str
    label: str
    role: str
    source: str
    licence: str
    origin: str
    dialect: str
    external_id: str | None
    group: str
    meta: Mapping[str, Any]
    # Of a composed answer, what it says.
    value: Any = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that does not come in, and why."""

    number: int
    field: str
    reason: str
    excerpt: str = ""


@dataclass(frozen=True)
class Rules:
    """What the campaign knows: its languages, its labels by key and name, and the defaults."""

    languages: Mapping[str, str]
    labels: Mapping[str, str]
    defaults: Mapping[str, str]
    parts: int = 1
    # How many of the parts there must be, and whether the first two are shown in an order by lot.
    least: int = 1
    sided: bool = False
    composes: Composes | None = None

    @classmethod
    def of(  # noqa: PLR0913 - what a campaign knows, one by one
        cls,
        *,
        languages: Iterable[str],
        labels: Iterable[tuple[str, str]],
        defaults: Mapping[str, str],
        parts: int = 1,
        least: int | None = None,
        sided: bool = False,
        composes: Composes | None = None,
    ) -> "Rules":
        """Make the rules; a label's name is understood where it is not another one's key.

        >>> Rules.of(languages=["wo"], labels=[("yes", "Waaw")], defaults={}).labels
        {'waaw': 'yes', 'yes': 'yes'}
        """
        pairs = list(labels)
        known = {name.casefold(): key for key, name in pairs} | {key: key for key, _ in pairs}
        return cls(
            {tag.casefold(): tag for tag in languages},
            known,
            defaults,
            parts,
            parts if least is None else least,
            sided,
            composes,
        )


class _RefusedError(Exception):
    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field


def clean(row: Row, rules: Rules) -> CleanRow | Refusal:
    """Return the row as it may be stored, or its refusal.

    >>> rules = Rules.of(languages=["wo"], labels=[("yes", "Yes")], defaults={"licence": "CC0-1.0"})
    >>> clean(Row(2, 0, {"text": "Waaw", "language": "wo"}), rules).role
    'pool'
    >>> clean(Row(3, 0, {"text": "Waaw", "language": "fr"}), rules).reason
    "unknown language 'fr'; the campaign has: wo"
    >>> clean(Row(4, 0, {"text": "Waaw", "language": "wo", "label": "maybe"}), rules).reason
    "unknown label 'maybe'; the campaign has: yes"
    """
    if row.problem:
        return Refusal(row.number, row.field, storable(row.problem))
    try:
        return _clean(row, rules)
    except _RefusedError as error:
        shown = row.values.get("text")
        return Refusal(
            row.number,
            error.field,
            excerpt(str(error), length=300),
            excerpt(shown) if isinstance(shown, str) else "",
        )


def _clean(row: Row, rules: Rules) -> CleanRow:
    values = row.values
    parts = _parts(values, rules)
    language = _language(_short("language", values, rules), rules)
    turned = rules.sided and is_turned(*parts[:2], language=language, source="".join(parts[2:]))
    text = glued([parts[1], parts[0], *parts[2:]] if turned else parts)
    text_digest = digest(text)
    label, value = _known(values, rules, text=text, turned=turned)
    group = _short("group", values, rules)
    licence = _short("licence", values, rules)
    if not licence:
        raise _RefusedError("licence", "has no licence; fill the column or give all rows one")
    return CleanRow(
        number=row.number,
        text=text,
        digest=text_digest,
        language=language,
        label=label,
        role=_role(values, rules, label=label, key=group or text_digest),
        source=_short("source", values, rules),
        licence=licence,
        origin=_short("origin", values, rules),
        dialect=_short("dialect", values, rules),
        external_id=_short("id", values, rules) or None,
        group=group,
        meta=_compared(_meta(values), turned=turned) if rules.sided else _meta(values),
        value=value,
    )


def _known(
    values: Mapping[str, object], rules: Rules, *, text: str, turned: bool
) -> tuple[str, Any]:
    """The known answer as a label's key, with the value of one that is composed."""
    if rules.composes is None:
        told = _label(_short("label", values, rules), rules)
        return of_the_file(told, turned=turned), None
    field = "spans" if values.get("label") in NONE and "spans" in values else "label"
    cell = values.get(field)
    if cell in NONE or (isinstance(cell, str) and not cell.strip()):
        cell = rules.defaults.get("label", "")
    if cell == "":
        return "", None
    try:
        answer = rules.composes(cell, text)
    except ValueError as error:
        raise _RefusedError(field, str(error)) from None
    return answer["label"], answer.get("value")


def _parts(values: Mapping[str, object], rules: Rules) -> list[str]:
    """The texts of a sample, as the row gives them; of some kinds the last may be missing."""
    if stray := next((name for name in TEXTS[rules.parts :] if values.get(name) not in NONE), ""):
        many = {1: "single texts", 2: "pairs"}.get(rules.parts, f"{rules.parts} texts")
        raise _RefusedError(
            stray,
            f"is given, but this campaign asks about {many}; name the column otherwise"
            " if it is something else",
        )
    if rules.parts == 2 and values.get("second") is None:
        values = _beside_its_original(values)
    given = [
        _text(values, name)
        for place, name in enumerate(TEXTS[: rules.parts])
        if place < rules.least or values.get(name) not in NONE
    ]
    if rules.sided and normalise(given[0]) == normalise(given[1]):
        raise _RefusedError("second", "says what the first says: there is nothing to choose")
    return given


def _beside_its_original(values: Mapping[str, object]) -> Mapping[str, object]:
    """A catalogue of translations: each stands beside what it is a translation of."""
    meta = values.get("meta")
    if not isinstance(meta, Mapping):
        return values
    # The text is the last form of a plural, so it stands for the plural's source.
    return {**values, "second": meta.get("msgid_plural") or meta.get("msgid")}


def _compared(meta: Mapping[str, Any], *, turned: bool) -> dict[str, Any]:
    """Which system wrote what; the same one twice cannot be compared."""
    found = sided(meta, turned=turned)
    if found.get(FIRST) is not None and found.get(FIRST) == found.get(SECOND):
        system = excerpt(found[FIRST], length=40)
        raise _RefusedError("meta.system_b", f"is {system!r}, which wrote the first one, too")
    return found


def _text(values: Mapping[str, object], field: str) -> str:
    text = values.get(field)
    if text is None:
        raise _RefusedError(field, "is missing")
    if not isinstance(text, str):
        raise _RefusedError(field, "is not a text but a number, a list or the like")
    if problem := problem_with(text):
        raise _RefusedError(field, problem)
    return text


def _short(field: str, values: Mapping[str, object], rules: Rules) -> str:
    value = values.get(field)
    if value is None and field not in rules.defaults:
        # Most columns are not there, and files have millions of rows.
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float | None):
        raise _RefusedError(field, "is not a text")
    text = "" if value is None else _plain(value).strip()
    text = text or rules.defaults.get(field, "")
    if problem := unstorable(text):
        raise _RefusedError(field, problem)
    if len(text) > LONGEST.get(field, 200):
        raise _RefusedError(field, f"is longer than {LONGEST.get(field, 200)} characters")
    return text


def _plain(value: str | float) -> str:
    """Numbers from JSON or Parquet; Python refuses to print integers of thousands of digits."""
    try:
        return value if isinstance(value, str) else str(value)
    except ValueError:
        return "9" * 1000


def _language(tag: str, rules: Rules) -> str:
    if not tag and len(rules.languages) == 1:
        return next(iter(rules.languages.values()))
    found = rules.languages.get(tag) or rules.languages.get(tag.replace("_", "-").casefold())
    if found is not None:
        return found
    known = ", ".join(sorted(rules.languages.values())[:40])
    if not tag:
        raise _RefusedError("language", f"has no language; the campaign has: {known}")
    raise _RefusedError(
        "language", f"unknown language {excerpt(tag, length=40)!r}; the campaign has: {known}"
    )


def _label(label: str, rules: Rules) -> str:
    if not label:
        return ""
    found = rules.labels.get(label) or rules.labels.get(label.casefold())
    if found is None:
        known = ", ".join(dict.fromkeys(rules.labels.values()))
        raise _RefusedError(
            "label", f"unknown label {excerpt(label, length=60)!r}; the campaign has: {known}"
        )
    return found


def _role(values: Mapping[str, object], rules: Rules, *, label: str, key: str) -> str:
    if not label:
        if values.get("split"):
            raise _RefusedError("split", "is given but no label: only known answers have a split")
        return POOL
    split = _short("split", values, rules).casefold()
    if split and split not in (DEV, GATE):
        raise _RefusedError("split", f"is {excerpt(split, length=40)!r}, not dev or gate")
    return split or split_of(key)


def split_of(key: str) -> str:
    """Return the part of the gold set for a group or a text: the same key, always the same part.

    >>> [split_of(f"message {number}") for number in range(1000)].count("dev")
    324
    """
    number = int.from_bytes(hashlib.sha256(f"gold split: {key}".encode()).digest()[:8])
    return DEV if number < DEV_SHARE * 2**64 else GATE


def _meta(values: Mapping[str, object]) -> dict[str, Any]:
    nested = values.get("meta")
    if not isinstance(nested, Mapping) and nested not in (None, ""):
        raise _RefusedError("meta", "is not an object; a single value goes to meta.NAME")
    meta: dict[str, Any] = dict(nested) if isinstance(nested, Mapping) else {}
    for field, value in values.items():
        if field.startswith("meta.") and value is not None and value != "":
            meta[field.removeprefix("meta.")] = value
    return _storable(meta) if meta else {}


def _storable(meta: dict[str, Any]) -> dict[str, Any]:
    try:
        written = json.dumps(_checked(meta), allow_nan=False, default=str)
    except (ValueError, TypeError, RecursionError) as error:
        raise _RefusedError("meta", f"cannot be stored as JSON: {str(error)[:100]}") from error
    if len(written) > MOST_META_CHARACTERS:
        raise _RefusedError("meta", f"is longer than {MOST_META_CHARACTERS:,} characters")
    return dict(json.loads(written))


def _checked(value: Any) -> Any:
    """The value if every string in it can be stored and every number is one."""
    if isinstance(value, str):
        if problem := unstorable(value):
            raise _RefusedError("meta", problem)
    elif isinstance(value, float) and not math.isfinite(value):
        raise _RefusedError("meta", "holds a number that is infinite or none")
    elif isinstance(value, Mapping):
        return {_checked(str(key)): _checked(inner) for key, inner in value.items()}
    elif isinstance(value, list | tuple):
        return [_checked(inner) for inner in value]
    return value
