"""Samples into their table, and which are there: many rows at once, by the quickest way that the database has.

PostgreSQL takes them as a stream (COPY), which costs it and us a third of what inserting does, and
nothing is made of a row on its way there; SQLite, which has no such thing, takes them by the hundred.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from annotation.models import Sample


class SampleRow(NamedTuple):
    """A sample as its table holds it."""

    campaign_id: int
    language_id: int
    uid: UUID
    text: str
    digest: str
    dialect: str
    source_id: int
    external_id: str | None
    group: str
    meta: Mapping[str, Any]
    sample_import_id: int
    row: int
    created_at: datetime


# Each pair is looked up in the index. Languages and ids apart would be all pairs of them, and the whole
# index of the campaign read instead.
_TAKEN = """
SELECT language_id, external_id FROM annotation_sample
WHERE campaign_id = %s AND (language_id, external_id) IN (
    SELECT * FROM unnest(%s::bigint[], %s::varchar[])
)
"""


def ids_taken(campaign: int, wanted: Collection[tuple[int, str]]) -> set[tuple[int, str]]:
    """Return which of these ids, each with its language's key, samples of the campaign have."""
    if not wanted:
        return set()
    languages, ids = (list(part) for part in zip(*sorted(wanted), strict=True))
    if connection.vendor != "postgresql":
        found = Sample.objects.filter(
            campaign=campaign, language__in=set(languages), external_id__among=set(ids)
        )
        taken = found.order_by().values_list("language_id", "external_id")
        return {(language, str(one)) for language, one in taken} & set(wanted)
    with connection.cursor() as cursor:
        cursor.execute(_TAKEN, [campaign, languages, ids])
        return set(cursor.fetchall())


def store_samples(rows: Sequence[SampleRow]) -> None:
    """Store new samples of which nobody needs the numbers."""
    if connection.vendor != "postgresql":
        Sample.objects.bulk_create(Sample(**one._asdict()) for one in rows)
        return
    if not rows:
        return
    names = ", ".join(f'"{name}"' for name in SampleRow._fields)
    table = connection.ops.quote_name(Sample._meta.db_table)
    meta = SampleRow._fields.index("meta")
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
        for one in rows:
            written = json.dumps(one.meta) if one.meta else "{}"
            copy.write_row((*one[:meta], written, *one[meta + 1 :]))
