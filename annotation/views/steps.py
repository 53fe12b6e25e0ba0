"""Long lists, step by step: the rows behind a key, so that the last step costs what the first does.

Numbered pages count all rows and read those before; a list that may grow to millions does neither.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

# So many digits fit into every number that a database counts with.
LONGEST_KEY = 18


@dataclass(frozen=True)
class Step:
    """Some rows of a list, and the keys from which the ones before and behind are asked for."""

    rows: Sequence[Any]
    before: int | None
    after: int | None


def step_of(
    rows: "QuerySet[Any]",
    *,
    request: HttpRequest,
    size: int,
    key: str = "pk",
    falling: bool = False,
) -> Step:
    """The rows that ``?after=KEY`` or ``?before=KEY`` asks for; nonsense asks for the first ones."""
    after, before = (_key(request.GET.get(name, "")) for name in ("after", "before"))
    back = before is not None and after is None
    last = before if back else after
    # Going back is going on in the list turned round.
    rising = back == falling
    if last is not None:
        rows = rows.filter(**{f"{key}__{'gt' if rising else 'lt'}": last})
    found = list(rows.order_by(key if rising else f"-{key}")[: size + 1])
    more, shown = len(found) > size, found[:size]
    if back:
        shown.reverse()
    keys = [int(getattr(row, key)) for row in shown]
    behind = keys[-1] if keys and (back or more) else None
    ahead = keys[0] if keys and (more if back else last is not None) else None
    return Step(shown, before=ahead, after=behind)


def _key(text: str) -> int | None:
    fits = text.isascii() and text.isdigit() and len(text) <= LONGEST_KEY
    return int(text) if fits else None
