"""What carries messages to workers, where that is a broker of its own (RabbitMQ) and not our Redis."""

from collections.abc import Iterable
from typing import Any

from kombu import Connection
from kombu.exceptions import KombuError

from annotation.errors import TransientError

PATIENCE_S = 2


def waiting(url: str, queues: Iterable[str]) -> dict[str, int]:
    """How many messages nobody took yet, by queue; none where a queue was never needed."""
    try:
        with Connection(url, connect_timeout=PATIENCE_S, transport_options={}) as line:
            return {queue: _count(line, queue) for queue in queues}
    except (OSError, KombuError) as error:
        raise TransientError(f"The broker does not answer: {type(error).__name__}.") from error


def _count(line: Connection, queue: str) -> int:
    # A channel is closed by asking for what is not there: each question has its own.
    try:
        channel: Any = line.channel()  # their stubs know no channel's own questions
        with channel:
            return int(channel.queue_declare(queue, passive=True).message_count)
    except line.channel_errors:
        return 0
