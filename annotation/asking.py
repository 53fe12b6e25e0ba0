"""Asking: how a task is handed to the broker without anybody's waiting for it."""

import logging
from collections.abc import Callable
from contextvars import copy_context
from threading import Thread
from time import monotonic
from typing import Any

from celery import current_app

logger = logging.getLogger(__name__)
# A broker that is away is left alone at once.
IMPATIENT = {
    "max_retries": 0,
    "interval_start": 0,
    "socket_connect_timeout": 0.3,
    "socket_timeout": 0.3,
    "retry_on_timeout": False,
}
# What was asked for begins so late that all that happens until then goes along.
SECONDS_BETWEEN = 3

_asked: dict[tuple[str | int, ...], float] = {}


def aside(work: Callable[..., object], *given: object) -> None:
    """Do it in a thread of its own, whose lines and tasks bear the id of the request at hand."""
    Thread(target=copy_context().run, args=(work, *given), daemon=True).start()


def is_first(task: Any, *numbers: int) -> bool:
    """Whether this process has not asked for the same a moment ago."""
    now, key = monotonic(), (task.name, *numbers)
    if now - _asked.get(key, -SECONDS_BETWEEN) < SECONDS_BETWEEN:
        return False
    _asked[key] = now
    return True


def ask_for(task: Any, kwargs: dict[str, int], countdown: int | None = None) -> bool:
    """Hand a task to the broker, in a few seconds or when told; False if the broker is away.

    Nothing is lost then: the timetable asks for it as soon as it is back.
    """
    from kombu.exceptions import OperationalError

    from annotation.actions.nudges import SWEEP_AFTER_SECONDS

    known = current_app.conf.broker_transport_options or {}
    try:
        with current_app.connection_for_write(
            connect_timeout=0.3, transport_options={**known, **IMPATIENT}
        ) as connection:
            options: dict[str, Any] = {"connection": connection, "retry": False}
            task.apply_async(
                kwargs=kwargs,
                countdown=SWEEP_AFTER_SECONDS if countdown is None else countdown,
                **options,
            )
    except (OperationalError, OSError) as error:
        logger.warning("%s could not be asked for: %s. The timetable will.", task.name, error)
        return False
    return True
