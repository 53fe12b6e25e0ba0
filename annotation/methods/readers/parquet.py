"""Parquet: read by row groups, only the columns that are wanted."""

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

from annotation.methods import texts
from annotation.methods.readers.rows import Row, UnreadableFileError, Wanted

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_ROWS_AT_ONCE = 200
# A character has four bytes at most, so a longer cell is longer than any text may be.
_MOST_BYTES_PER_CELL = 4 * texts.MAX_CHARACTERS


def read_parquet(stream: BinaryIO, wanted: Wanted) -> Iterator[Row]:
    """Yield the rows of a Parquet file, numbered from 1."""
    import pyarrow as pa

    size = stream.seek(0, 2)
    try:
        with _open(stream) as file:
            fields = wanted.columns_to_fields(file.schema_arrow.names)
            total, number = max(1, file.metadata.num_rows), 0
            names = _class_names(file.schema_arrow.metadata)
            for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE, columns=list(fields)):
                for values, problem in _rows(batch):
                    number += 1
                    position = size * number // total
                    if problem:
                        yield Row(number, position, problem=problem)
                    else:
                        told = _spelled(values, names) if names else values
                        yield Row(number, position, _named(told, fields))
    except (pa.ArrowException, OSError, ValueError) as error:
        # No UTF-8, also of a column's name; two fields of one name within a column.
        what = str(error).splitlines()[0][:200] if str(error) else "damaged"
        raise UnreadableFileError(
            f"The file is not readable as Parquet: {what}. Write it again and import that."
        ) from error


def _open(stream: BinaryIO) -> "pq.ParquetFile":
    """Open it so that a text kept once and meant many times is not spelled out many times."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    stream.seek(0)
    file = pq.ParquetFile(stream)
    spelled = {pa.string(), pa.large_string(), pa.binary(), pa.large_binary()}
    names = [field.name for field in file.schema_arrow if field.type in spelled]
    stream.seek(0)
    return pq.ParquetFile(stream, metadata=file.metadata, read_dictionary=names)


def _class_names(metadata: Mapping[bytes, bytes] | None) -> dict[str, list[str]]:
    """What a file of the `datasets` library calls its classes, by column: there they are numbers."""
    try:
        told = json.loads((metadata or {}).get(b"huggingface", b"{}"))
        features = told["info"]["features"]
        return {
            name: [str(one) for one in feature["names"]]
            for name, feature in features.items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def _spelled(values: dict[str, Any], names: Mapping[str, list[str]]) -> dict[str, Any]:
    """The row with classes by name; -1 stands for an answer that is not told."""
    told = dict(values)
    for column, known in names.items():
        number = values.get(column)
        if isinstance(number, int) and not isinstance(number, bool):
            told[column] = (
                "" if number == -1 else known[number] if 0 <= number < len(known) else number
            )
    return told


def _rows(batch: "pa.RecordBatch") -> Iterator[tuple[dict[str, Any], str]]:
    too_long = _too_long(batch)
    try:
        whole = [] if too_long else batch.to_pylist()
    except UnicodeDecodeError:
        whole = []
    if whole:
        yield from ((values, "") for values in whole)
    else:
        yield from _rows_one_by_one(batch, too_long)


def _too_long(batch: "pa.RecordBatch") -> dict[int, str]:
    """Say of which rows a cell is too long, before anything of them becomes a Python value."""
    return {
        place: f"has {size:,} bytes in the column {name!r}; the most is {_MOST_BYTES_PER_CELL:,}"
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
        for place, size in enumerate(_sizes(column))
        if size > _MOST_BYTES_PER_CELL
    }


def _sizes(column: "pa.Array[Any]") -> list[int]:
    """The bytes of every cell; those of one fixed, small size are taken as none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if isinstance(column, pa.DictionaryArray):
        sizes, places = _sizes(column.dictionary), column.indices.to_pylist()
        if any(place is not None and not 0 <= place < len(sizes) for place in places):
            raise pa.ArrowInvalid("a text is meant that the file does not hold")
        return [0 if place is None else sizes[place] for place in places]
    if kind in (pa.string(), pa.large_string(), pa.binary(), pa.large_binary()):
        return [size or 0 for size in pc.binary_length(column).to_pylist()]
    if pa.types.is_primitive(kind):
        return [0] * len(column)
    return [column.slice(place, 1).nbytes for place in range(len(column))]


def _rows_one_by_one(
    batch: "pa.RecordBatch", too_long: dict[int, str]
) -> Iterator[tuple[dict[str, Any], str]]:
    for place in range(batch.num_rows):
        if place in too_long:
            yield {}, too_long[place]
            continue
        try:
            yield batch.slice(place, 1).to_pylist()[0], ""
        except UnicodeDecodeError as error:
            yield {}, f"holds byte 0x{error.object[error.start]:02X}, which is not UTF-8"


def _named(values: dict[str, Any], fields: dict[str, tuple[str, ...]]) -> dict[str, object]:
    return {ours: values[column] for column in fields for ours in fields[column]}
