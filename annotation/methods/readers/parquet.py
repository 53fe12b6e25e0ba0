"""Parquet: read by row groups, only the columns that are wanted."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from annotation.methods.readers.rows import Row, UnreadableFileError, Wanted

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS_AT_ONCE = 500


def read_parquet(stream: BinaryIO, wanted: Wanted) -> Iterator[Row]:
    """Yield the rows of a Parquet file, numbered from 1."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    size = stream.seek(0, 2)
    stream.seek(0)
    try:
        with pq.ParquetFile(stream) as file:
            fields = wanted.columns_to_fields(file.schema_arrow.names)
            total, number = max(1, file.metadata.num_rows), 0
            for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE, columns=list(fields)):
                for values, problem in _rows(batch):
                    number += 1
                    position = size * number // total
                    if problem:
                        yield Row(number, position, problem=problem)
                    else:
                        yield Row(number, position, _named(values, fields))
    except (pa.ArrowException, OSError) as error:
        what = str(error).splitlines()[0][:200] if str(error) else "damaged"
        raise UnreadableFileError(
            f"The file is not readable as Parquet: {what}. Write it again and import that."
        ) from error


def _rows(batch: "pa.RecordBatch") -> Iterator[tuple[dict[str, Any], str]]:
    try:
        for values in batch.to_pylist():
            yield values, ""
    except UnicodeDecodeError:
        yield from _rows_one_by_one(batch)


def _rows_one_by_one(batch: "pa.RecordBatch") -> Iterator[tuple[dict[str, Any], str]]:
    for place in range(batch.num_rows):
        try:
            yield batch.slice(place, 1).to_pylist()[0], ""
        except UnicodeDecodeError as error:
            yield {}, f"holds byte 0x{error.object[error.start]:02X}, which is not UTF-8"


def _named(values: dict[str, Any], fields: dict[str, tuple[str, ...]]) -> dict[str, object]:
    return {ours: values[column] for column in fields for ours in fields[column]}
