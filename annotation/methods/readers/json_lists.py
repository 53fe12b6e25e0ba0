"""JSON lists: one list of objects, and the tasks that Label Studio exports.

A task's columns are those of its ``data``. Its answers are read where that is asked for: what a
``ground_truth`` annotation says fills ``label`` (``spans`` of marks) by itself, since somebody there
has declared it right; ``label=annotations`` takes what all of a task's annotations say alike.
"""

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from annotation.methods.readers.rows import Row, UnreadableFileError, Wanted

# No object is read that is longer: it would be held in memory whole.
MOST_BYTES_PER_OBJECT = 16_000_000
# Objects and lists in one another; what Label Studio writes is not ten deep.
DEEPEST = 100
_OPENS, _CLOSES = ("start_map", "start_array"), ("end_map", "end_array")
GROUND_TRUTH, ALIKE = "ground_truth", "annotations"
# The field of a form of ours that is ticked where there is nothing to mark.
NOTHING = "nothing"


class _Counted:
    """A stream that counts what is read of it, and gives no single object more than its share."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self.read_so_far, self.since = stream, 0, 0
        start = stream.read(3)
        # Windows marks UTF-8 at the beginning; JSON knows no such mark.
        self._head = b"" if start == b"\xef\xbb\xbf" else start

    def read(self, size: int = -1) -> bytes:
        """Some bytes more; none where none are asked for, as whoever wants to know the type does."""
        if not size:
            return b""
        head, self._head = self._head, b""
        found = head or self._stream.read(size)
        self.read_so_far += len(found)
        if self.read_so_far - self.since > MOST_BYTES_PER_OBJECT:
            raise UnreadableFileError(
                f"An object that begins near byte {self.since:,} is longer than"
                f" {MOST_BYTES_PER_OBJECT:,} bytes. Split the file."
            )
        return found


def read_json_list(stream: BinaryIO, wanted: Wanted) -> Iterator[Row]:
    """Yield the objects of a JSON list, numbered from 1.

    >>> import io
    >>> tasks = b'[{"id": 7, "data": {"text": "Jamm"}}, {"text": "Na nga def?"}, 3]'
    >>> rows = list(read_json_list(io.BytesIO(tasks), Wanted()))
    >>> [row.values or row.problem for row in rows]
    [{'text': 'Jamm', 'id': '7'}, {'text': 'Na nga def?'}, 'is not a JSON object']
    """
    import ijson

    counted = _Counted(stream)
    number = 0
    try:
        for found in _members(counted):
            number += 1
            yield _row(number, counted.read_so_far, found, wanted=wanted)
            counted.since = counted.read_so_far
    except (ijson.JSONError, UnicodeDecodeError, RecursionError) as error:
        what = " ".join(str(error).split())[:150] or type(error).__name__
        raise UnreadableFileError(
            f"Behind object {number:,} the file is not JSON: {what}. Write it again."
        ) from error
    if not number:
        raise UnreadableFileError(
            "There is no list of objects in the file, or an empty one. One object a line is JSON"
            " Lines: give the file a name that ends in .jsonl."
        )


def _members(stream: _Counted) -> Iterator[object]:
    """The members of the file's list, one by one.

    The parser's own `items` names each place by all that it lies in: a hundred thousand brackets
    would take it gigabytes. Here nothing is named, and what lies too deep ends the file.
    """
    import ijson
    from ijson.common import ObjectBuilder

    depth, builder = 0, None
    for event, value in ijson.basic_parse(stream, use_float=True):
        depth += (event in _OPENS) - (event in _CLOSES)
        if depth > DEEPEST:
            raise UnreadableFileError(f"An object holds more than {DEEPEST} others in one another.")
        if depth == 0 or (depth == 1 and builder is None and event in _OPENS):
            if event == "start_map":
                return
            continue
        if depth == 1 and builder is None:
            yield value
            continue
        builder = builder or ObjectBuilder()
        builder.event(event, value)
        if depth == 1:
            yield builder.value
            builder = None


def _row(number: int, position: int, found: object, *, wanted: Wanted) -> Row:
    if not isinstance(found, dict):
        return Row(number, position, problem="is not a JSON object")
    data = found.get("data")
    if not isinstance(data, dict):
        return Row(number, position, _named(found, wanted))
    values = _named(data, wanted)
    if "id" not in values and isinstance(found.get("id"), int | str):
        values["id"] = str(found["id"])
    return Row(number, position, values | _answered(found, values=values, wanted=wanted))


def _named(data: Mapping[Any, Any], wanted: Wanted) -> dict[str, object]:
    return {ours: value for column, value in data.items() for ours in wanted.fields_of(str(column))}


def _answered(
    task: Mapping[str, Any], *, values: Mapping[str, object], wanted: Wanted
) -> dict[str, object]:
    """What a task's annotations say is right, unless its data say it."""
    if "label" in values or "spans" in values:
        return {}
    given = task.get("annotations")
    said = [
        one
        for one in (given if isinstance(given, list) else ())
        if isinstance(one, dict) and not one.get("was_cancelled")
    ]
    if wanted.columns.get("label") != ALIKE:
        said = [one for one in said if one.get(GROUND_TRUTH) is True]
    answers = [_said(one.get("result")) for one in said]
    alike = bool(answers) and all(one == answers[0] for one in answers)
    return answers[0] if alike else {}


def _said(result: object) -> dict[str, object]:
    """The choice or choices, or the marks, of one annotation; nothing of whatever else it holds."""
    choices: list[object] = []
    marks: list[object] = []
    nothing = False
    for part in result if isinstance(result, list) else ():
        value = part.get("value") if isinstance(part, dict) else None
        if not isinstance(value, dict):
            continue
        nothing = nothing or part.get("from_name") == NOTHING
        if isinstance(value.get("choices"), list):
            choices.extend(value["choices"])
        labels = value.get("labels")
        if isinstance(labels, list) and len(labels) == 1:
            marks.append({"start": value.get("start"), "end": value.get("end"), "label": labels[0]})
    if marks or nothing:
        return {"spans": sorted(marks, key=repr)}
    if not choices:
        return {}
    return {"label": choices[0] if len(choices) == 1 else choices}
