"""Redis as a broker that may go away while messages are at work.

When the connection is lost Celery first lets go of it and then closes its channel, which wants to
put the messages at work back through a connection that is no more. In kombu 5.7 that ends the
whole worker with an ``AttributeError``, now and then. Nothing is lost by leaving them: what
is due is in the database and is sent again from there.
"""

import logging

from kombu.transport import redis

logger = logging.getLogger(__name__)


class PatientQoS(redis.QoS):
    """What a channel has delivered and nobody has acknowledged yet."""

    def restore_unacked_once(self, stderr: object = None) -> None:
        """Put it back when the channel closes, unless the connection is gone already."""
        try:
            super().restore_unacked_once(stderr)
        except AttributeError:
            left: dict[str, object] = self._delivered or {}
            logger.warning("%d messages were at work when the broker went away.", len(left))
            left.clear()


def use_patience() -> None:
    """Have every channel of this process count so."""
    redis.Channel.QoS = PatientQoS
