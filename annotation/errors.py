"""Errors that people and programs see: each has a stable code, an HTTP status and a remedy."""

import errno
from collections.abc import Iterator

# What writes weights, and SQLite, tell of a full disk in words alone; PostgreSQL in its own language.
_FULL = ("No space left on device", "Disk quota exceeded", "database or disk is full")
_POSTGRES_IS_FULL = "53100"


def is_out_of_room(error: BaseException) -> bool:
    """Whether a full disk is behind an error, however deep: that passes once there is room.

    >>> is_out_of_room(OSError(errno.ENOSPC, "full")), is_out_of_room(OSError(errno.EACCES, "no"))
    (True, False)
    """
    behind = list(_behind(error))
    if states := [state for one in behind if (state := getattr(one, "sqlstate", None))]:
        return _POSTGRES_IS_FULL in states
    numbers = {one.errno for one in behind if isinstance(one, OSError)}
    told = any(words in str(one) for one in behind for words in _FULL)
    return told or bool(numbers & {errno.ENOSPC, errno.EDQUOT})


def _behind(error: BaseException) -> Iterator[BaseException]:
    """The error, what it was raised from, and so on; a ring has an end, too."""
    seen: list[BaseException] = []
    behind: BaseException | None = error
    while behind is not None and behind not in seen:
        seen.append(behind)
        yield behind
        behind = behind.__cause__ or (None if behind.__suppress_context__ else behind.__context__)


class VernacularError(Exception):
    """Something went wrong that somebody can mend; the message says how."""

    code = "error"
    status = 400

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message} {self.remedy}".strip()


class InvalidInputError(VernacularError):
    """What came in cannot be used as it is."""

    code = "invalid_input"
    status = 422


class ConflictError(VernacularError):
    """What was asked for does not fit the present state."""

    code = "conflict"
    status = 409


class BusyError(ConflictError):
    """Somebody else is at it; the same call works soon."""

    code = "busy"


class NotFoundError(VernacularError):
    """There is nothing under that name."""

    code = "not_found"
    status = 404


class TransientError(VernacularError):
    """The outside did not answer as it should; the same call may work later."""

    code = "unavailable"
    status = 503


class DeskDownError(TransientError):
    """Nothing listens where the labelling desk should be: it hands out nothing to anybody."""


class DeskRefusedError(VernacularError):
    """The labelling desk understood the call and said no; repeating it will not help."""

    code = "desk_refused"
    status = 502


class OverlayMissingError(DeskRefusedError):
    """The labelling desk runs without our overlay, or with another key than ours."""

    code = "desk_overlay_missing"
    status = 501
