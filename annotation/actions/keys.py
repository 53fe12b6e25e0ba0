"""Keys of programs: made, looked up, revoked; and a call that comes twice is answered once."""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

from django.db import transaction

from annotation.errors import ConflictError, InvalidInputError, VernacularError
from annotation.models import ApiKey, Campaign, IdempotentCall, Scope, User

# Says what it is to whoever finds one, and to programs that look for leaked secrets.
PREFIX = "vernacular_"
# That a key is used is written down no oftener.
SEEN_EVERY = timedelta(minutes=1)
# So long the same call gives the same answer.
REMEMBERED = timedelta(days=2)
# So many calls within so long by one key, for each process of the pages by itself.
MOST_CALLS, WITHIN = 600, timedelta(minutes=1)
Answer = tuple[int, dict[str, Any]]

_calls: dict[int, tuple[datetime, int]] = {}
_lock = Lock()


class TooManyCallsError(VernacularError):
    """A program asks faster than it may."""

    code = "too_many_calls"
    status = 429


def create_key(
    user: User,
    *,
    name: str,
    scopes: Sequence[str],
    campaign: Campaign | None = None,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Make a key for somebody's programs; its secret is returned this once."""
    strange = sorted(set(scopes) - set(Scope.values))
    if strange or not scopes:
        what = f"There is no scope {strange[0]!r}." if strange else "A key needs a scope."
        raise InvalidInputError(what, remedy=f"There are: {', '.join(Scope.values)}.")
    if not name.strip():
        raise InvalidInputError("A key needs a name.", remedy="Say what it is for.")
    secret = PREFIX + secrets.token_urlsafe(32)
    key = ApiKey.objects.create(
        user=user,
        name=name.strip(),
        scopes=sorted(set(scopes)),
        campaign=campaign,
        expires_at=expires_at,
        digest=digest_of(secret),
    )
    return key, secret


def digest_of(secret: str) -> str:
    """What is kept of a secret; it is too long to be guessed, so that a plain hash will do."""
    return hashlib.sha256(secret.encode()).hexdigest()


def key_of(secret: str, *, now: datetime) -> ApiKey | None:
    """The key that a secret opens with now, None if it does not."""
    digest = digest_of(secret)
    key = ApiKey.objects.standing(now).select_related("user", "campaign").filter(digest=digest)
    found = key.first()
    if found is None or not hmac.compare_digest(found.digest, digest):
        return None
    if found.last_used_at is None or now - found.last_used_at > SEEN_EVERY:
        ApiKey.objects.filter(pk=found.pk).update(last_used_at=now)
    return found


def count_call(key: ApiKey, *, now: datetime) -> None:
    """Refuse a key that is used too often; each process counts for itself, and forgets at its end."""
    with _lock:
        since, calls = _calls.get(key.pk, (now, 0))
        if now - since >= WITHIN:
            since, calls = now, 0
        _calls[key.pk] = (since, calls + 1)
    if calls >= MOST_CALLS:
        raise TooManyCallsError(
            f"This key was used {MOST_CALLS} times within a minute.",
            remedy="Wait a minute, or ask for more rows at once.",
        )


def revoke_key(key: ApiKey, *, now: datetime) -> bool:
    """Have a key open nothing any more; False if it was revoked before."""
    return ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=now) == 1


@transaction.atomic
def once(
    key: ApiKey, *, name: str, asked: str, now: datetime, work: Callable[[], Answer]
) -> Answer:
    """Do it, unless it was done under this name before: then the answer is the same.

    What was asked must be the same too. The row of the key is the lock: of two calls under one name
    at the same moment the second finds the answer of the first.
    """
    if not name:
        return work()
    if len(name) > 200:
        raise InvalidInputError("The Idempotency-Key is too long.", remedy="200 letters at most.")
    ApiKey.objects.select_for_update().get(pk=key.pk)
    IdempotentCall.objects.filter(created_at__lt=now - REMEMBERED).delete()
    held = IdempotentCall.objects.filter(api_key=key, name=name).first()
    if held is None:
        status, answer = work()
        IdempotentCall.objects.create(
            api_key=key, name=name, asked=asked, status=status, answer=answer
        )
        return status, answer
    if held.asked != asked:
        raise ConflictError(
            "Something else was asked under this Idempotency-Key.", remedy="Use a new one."
        )
    return held.status, held.answer
