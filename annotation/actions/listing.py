"""Answers of one language in the order of their numbers, a page at a time, among millions of others.

No index holds both. Where a language's answers come among others they are soon found by going through
the numbers; where they lie together, millions of others may come before the next of them, and going
through the language's items is what is bounded.
"""

from collections.abc import Sequence

from django.db import connection
from django.db.models import Max

from annotation.models import Annotation, CampaignLanguage

# So many numbers are gone through for a page: some hundredths of a second.
NEAR = 20_000
# The fence keeps the order out of the inner question: PostgreSQL would go through all numbers for it.
_BY_ITEMS = """
SELECT id FROM (
    SELECT answer.id FROM annotation_annotation answer
    JOIN annotation_item item ON item.id = answer.item_id
    WHERE item.campaign_language_id = %s AND answer.id > %s OFFSET 0
) AS found ORDER BY id LIMIT %s
"""


def answers_behind(home: CampaignLanguage, *, after: int, most: int) -> Sequence[int]:
    """Return the numbers of the next answers of a language, in order."""
    rows = Annotation.objects.filter(item__campaign_language=home, pk__gt=after)
    numbers = rows.order_by("pk").values_list("pk", flat=True)
    if connection.vendor != "postgresql":
        return list(numbers[:most])
    near = list(numbers.filter(pk__lte=after + NEAR)[:most])
    last = Annotation.objects.aggregate(last=Max("pk"))["last"] or 0
    if len(near) == most or after + NEAR >= last:
        return near
    with connection.cursor() as cursor:
        cursor.execute(_BY_ITEMS, [home.pk, after, most])
        return [number for (number,) in cursor.fetchall()]
