"""A channel whose broker went away while messages were at work."""

from typing import Any

import pytest
from kombu import Connection, Consumer, Producer, Queue

from config.celery import app

pytestmark = pytest.mark.redis


@pytest.fixture
def messages() -> list[Any]:
    """What was heard."""
    return []


@pytest.fixture
def at_work(redis_server: str, messages: list[Any]) -> Any:
    """A connection with one message that nobody has acknowledged."""
    assert app.main == "vernacular"  # whose set-up is under test
    connection = Connection(redis_server.replace("unix://", "redis+socket://", 1))
    channel = connection.default_channel
    queue = Queue("at-work")
    Producer(channel).publish({}, routing_key="at-work", declare=[queue])
    with Consumer(channel, queues=[queue], on_message=messages.append):
        connection.drain_events(timeout=5)
    assert len(messages) == 1
    return connection


def waiting(redis_server: str) -> int:
    with Connection(redis_server.replace("unix://", "redis+socket://", 1)) as connection:
        return int(connection.default_channel.client.llen("at-work"))


def test_what_was_at_work_goes_back_when_a_worker_leaves(at_work: Any, redis_server: str) -> None:
    at_work.close()
    assert waiting(redis_server) == 1


def test_a_channel_closes_though_its_connection_was_let_go(at_work: Any) -> None:
    channel = at_work.default_channel
    channel._disconnect_pools()
    channel.connection.client = None  # as Celery leaves it after a loss
    channel.close()
    assert channel.closed
    channel.close()


def test_a_message_that_ends_after_its_connection_was_let_go_is_a_loss_and_no_death(
    at_work: Any, messages: list[Any]
) -> None:
    channel = at_work.default_channel
    channel._disconnect_pools()
    channel.connection = None  # as a closed channel has it
    with pytest.raises(at_work.connection_errors):
        messages[0].ack()
    with pytest.raises(at_work.connection_errors):
        channel.qos.reject(messages[0].delivery_tag, requeue=True)
    channel.qos.restore_unacked_once()  # as at exit, when nobody listens any more
