"""What every JSON door asks: which key, for what, in which campaign; and how lists are paged."""

from collections.abc import Callable
from typing import Annotated, Any, Generic, TypeVar, cast

from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from ninja import Schema
from ninja.security import HttpBearer
from pydantic import Field

from annotation.actions.keys import count_call, key_of
from annotation.errors import NotFoundError, VernacularError
from annotation.models import ApiKey, Campaign, Scope
from annotation.permissions import Ability, may

# What somebody must be allowed to do themselves, for a key of theirs to be good for it.
NEEDS = {
    Scope.READ: Ability.WATCH,
    Scope.PREDICT: Ability.WATCH,
    Scope.IMPORT: Ability.LEAD,
    Scope.EXPORT: Ability.LEAD,
    Scope.WEBHOOKS: Ability.LEAD,
}
A_PAGE, MOST_A_PAGE = 100, 1000
Limit = Annotated[int, Field(ge=1, le=MOST_A_PAGE, description="How many rows at most.")]
# Eighteen digits fit into every number that a database counts with.
After = Annotated[
    str, Field(pattern=r"^[0-9]{0,18}$", description="What `next` said; empty: from the start.")
]
Tag = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9-]{0,35}$", description="Tag of the only language; empty: all."),
]
Row = TypeVar("Row")
Noun = TypeVar("Noun", bound=Model)


class NotAllowedError(VernacularError):
    """The key, or the person it acts for, may not do this."""

    code = "not_allowed"
    status = 403


class KeyBearer(HttpBearer):
    """``Authorization: Bearer vernacular_…``."""

    openapi_description = "A key that `manage.py api_key create` made."

    def authenticate(self, request: HttpRequest, token: str) -> ApiKey | None:
        """The key, if it opens now and is not used too often."""
        now = timezone.now()
        key = key_of(token, now=now)
        if key is not None:
            count_call(key, now=now)
        return key


class Page(Schema, Generic[Row]):
    """Some rows, and what to send as ``after`` to read on; null at the end."""

    items: list[Row]
    next: str | None


def key_in(request: HttpRequest, *, scope: Scope) -> ApiKey:
    """The key of a request, if it may be used for this."""
    key = cast("ApiKey", request.auth)  # type: ignore[attr-defined]  # ninja has put it there
    if scope not in key.scopes:
        raise NotAllowedError(
            f"This key may not be used to {scope}.", remedy=f"Make one with the scope {scope}."
        )
    return key


def campaign_in(request: HttpRequest, slug: str, *, scope: Scope) -> Campaign:
    """The campaign, if the key and its person may do this there; else it is as if it were not."""
    key = key_in(request, scope=scope)
    found = Campaign.objects.filter(slug=slug).first()
    foreign = found is None or (key.campaign_id is not None and key.campaign_id != found.pk)
    if found is None or foreign or not may(key.user, Ability.WATCH, campaign=found):
        raise NotFoundError(f"There is no campaign {slug!r}.")
    if not may(key.user, NEEDS[scope], campaign=found):
        raise NotAllowedError(f"{key.user} may not {scope} in {slug}.")
    return found


def page(
    rows: QuerySet[Noun, Noun], *, after: str, limit: int, as_row: Callable[[Noun], Row]
) -> dict[str, Any]:
    """The rows behind the one that was last; read by key, the last page costs what the first does."""
    behind = rows.filter(pk__gt=int(after)) if after else rows
    some = list(behind.order_by("pk")[: limit + 1])
    more = str(some[limit - 1].pk) if len(some) > limit else None
    return {"items": [as_row(row) for row in some[:limit]], "next": more}
