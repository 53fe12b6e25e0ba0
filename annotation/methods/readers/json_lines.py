"""JSON Lines: one object a line."""

import json
from collections.abc import Iterator
from typing import Any, BinaryIO, NoReturn

from annotation.methods.readers.lines import numbered_lines
from annotation.methods.readers.rows import (
    MOST_CHARACTERS_PER_ROW,
    Row,
    UnreadableFileError,
    Wanted,
)


def read_json_lines(stream: BinaryIO, wanted: Wanted) -> Iterator[Row]:
    """Yield one row a line, numbered as in an editor; blank lines count but are no rows.

    >>> import io
    >>> file = io.BytesIO(b'{"text": "Jamm"}\\n\\n{"text": }\\n')
    >>> [(row.number, row.problem) for row in read_json_lines(file, Wanted())]
    [(1, ''), (3, 'is not JSON: Expecting value at character 10')]
    """
    fields: dict[str, tuple[str, ...]] = {}
    seen = False
    for number, position, text in numbered_lines(stream):
        if text is None:
            yield Row(
                number,
                position,
                problem=f"is longer than {MOST_CHARACTERS_PER_ROW:,} characters",
            )
        elif text := text.strip():
            if not seen and text.startswith("["):
                raise UnreadableFileError(
                    "This is one JSON list; JSON Lines has one object a line. "
                    "Give the file a name that ends in .json, or say that its format is json."
                )
            yield _row(number, position, text, wanted=wanted, fields=fields)
        seen = seen or bool(text)
    if not seen:
        raise UnreadableFileError("The file is empty.")


def _row(
    number: int, position: int, text: str, *, wanted: Wanted, fields: dict[str, tuple[str, ...]]
) -> Row:
    try:
        found = json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        problem = f"is not JSON: {error.msg} at character {error.colno}"
        return Row(number, position, problem=problem)
    except (ValueError, RecursionError) as error:
        return Row(number, position, problem=f"is not JSON: {str(error)[:100]}")
    if not isinstance(found, dict):
        return Row(number, position, problem=f"is not a JSON object but {_kind(found)}")
    values: dict[str, object] = {}
    for column, value in found.items():
        if column not in fields and len(fields) < 1000:
            fields[column] = wanted.fields_of(column)
        for ours in fields.get(column) or wanted.fields_of(column):
            values[ours] = value
    return Row(number, position, values)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _kind(value: Any) -> str:
    return {list: "a list", str: "a string", bool: "true or false"}.get(
        type(value), "a number" if value is not None else "null"
    )
