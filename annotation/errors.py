"""Errors that people and programs see: each has a stable code, an HTTP status and a remedy."""

import errno

# What writes weights tells of a full disk in words alone.
_FULL = ("No space left on device", "Disk quota exceeded")


def is_out_of_room(error: BaseException | None) -> bool:
    """Whether a full disk is behind an error, however deep: that passes once there is room.

    >>> is_out_of_room(OSError(errno.ENOSPC, "full")), is_out_of_room(OSError(errno.EACCES, "no"))
    (True, False)
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if any(words in str(error) for words in _FULL):
            return True
        error = error.__cause__ or error.__context__
    return False


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
