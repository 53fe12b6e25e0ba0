"""Whether a connection still lives, seen at its socket where it spoke a moment ago; and kept plans.

Django asks the server at the beginning of each request. A server that ended has closed the socket, and
then there is something to read where nothing was asked; only after a rest, when a line may have died
unnoticed, is the server asked itself.

Django has no plan kept, for the sake of poolers between it and the server; here those of questions whose
values are told apart are (:mod:`annotation.models.prepared`), unless it is set otherwise.
"""

import select
import time
from typing import Any

from django.conf import settings
from django.db.backends.postgresql import base

MOMENT_S = 1.0
ASKED = 5  # from the time after so many on, the plan is kept


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's own, which asks less often whether anybody is there, and has plans kept."""

    spoke_at = 0.0

    def get_connection_params(self) -> dict[str, Any]:
        """As Django has them, and from when on a plan is kept."""
        params: dict[str, Any] = super().get_connection_params()
        return params | {"prepare_threshold": ASKED if settings.DATABASE_KEEPS_PLANS else None}

    def is_usable(self) -> bool:
        """Look at the socket; ask where that tells too little."""
        now = time.monotonic()
        fresh, self.spoke_at = now - self.spoke_at < MOMENT_S, now
        return (fresh and self._is_quiet()) or super().is_usable()

    def _is_quiet(self) -> bool:
        """Whether the connection is open, in order, and has nothing to say."""
        held = self.connection
        if held is None or held.closed or held.broken:
            return False
        poll = select.poll()
        poll.register(held.fileno(), select.POLLIN)
        return not poll.poll(0)
