"""Redis as a broker that may go away while messages are at work.

When the connection is lost Celery lets go of it first, and closes its channel or acknowledges a
message afterwards, through a connection that is no more. In kombu 5.7 that ends the whole
worker with an ``AttributeError``, now and then. Here it is an ordinary loss of the connection,
which Celery reconnects after. Nothing is lost by leaving the messages: what is due is in the
database and is sent again from there.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from kombu.transport import redis
from redis.exceptions import ConnectionError as LostError
from redis.exceptions import TimeoutError as SlowError

logger = logging.getLogger(__name__)


class PatientQoS(redis.QoS):
    """What a channel has delivered and nobody has acknowledged yet."""

    def ack(self, delivery_tag: str) -> None:
        """Take it for done, and where the broker cannot be told, forget it all the same.

        A message that is done, but counts as at work, would take a place of those that a worker
        may hold. Where the connection comes back before its loss is seen, none would be left.
        """
        with self._forgotten(delivery_tag):
            super().ack(delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Refuse it, or put it back; forget it all the same, as what is done."""
        with self._forgotten(delivery_tag):
            super().reject(delivery_tag, requeue)

    @contextmanager
    def _forgotten(self, delivery_tag: str) -> Iterator[None]:
        try:
            with _as_a_loss():
                yield
        except Exception:
            # A broker that is too slow, or full, is no lost connection, but as deaf.
            super(redis.QoS, self).ack(delivery_tag)  # in memory alone
            raise

    def restore_unacked_once(self, stderr: object = None) -> None:
        """Put it back when the channel closes, unless the connection is gone already."""
        try:
            with _as_a_loss():
                super().restore_unacked_once(stderr)
        except (LostError, SlowError):
            left: dict[str, object] = self._delivered or {}
            logger.warning("%d messages were at work when the broker went away.", len(left))
            left.clear()


@contextmanager
def _as_a_loss() -> Iterator[None]:
    """Call what a channel without a connection runs into by its name."""
    try:
        yield
    except AttributeError as error:
        raise LostError("the broker went away") from error


def use_patience() -> None:
    """Have every channel of this process count so."""
    redis.Channel.QoS = PatientQoS
