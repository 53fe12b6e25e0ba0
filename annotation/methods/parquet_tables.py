"""Parquet tables, written by a process of their own: their library stays in memory for good.

Run as ``python -m annotation.methods.parquet_tables LINES TABLE COLUMNS``: rows as JSON, one a line, the
new table, and a JSON object that names each column's kind.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

CHUNK = 500


def write_table(lines: Path, table: Path, *, columns: Mapping[str, str]) -> int:
    """Write rows as a table, some at a time, and return how many there were."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    mark = {"start": pa.int64(), "end": pa.int64(), "label": pa.string(), "text": pa.string()}
    kinds = {
        "text": pa.string(),
        "texts": pa.list_(pa.string()),
        "marks": pa.list_(pa.struct(mark)),
        "number": pa.float64(),
        "count": pa.int64(),
        "truth": pa.bool_(),
    }
    schema = pa.schema([(name, kinds[kind]) for name, kind in columns.items()])
    number = 0
    with lines.open(encoding="utf-8") as file, pq.ParquetWriter(table, schema) as writer:
        rows = _rows(file)
        while some := list(islice(rows, CHUNK)):
            number += len(some)
            writer.write_table(pa.Table.from_pylist(some, schema=schema))
    return number


def _rows(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in lines)


if __name__ == "__main__":
    write_table(Path(sys.argv[1]), Path(sys.argv[2]), columns=json.loads(sys.argv[3]))
