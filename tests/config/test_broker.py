"""A channel whose broker went away while messages were at work."""

from typing import Any

import pytest
from django.conf import settings
from kombu import Connection, Consumer, Producer, Queue
from redis.exceptions import ConnectionError as LostError
from redis.exceptions import ResponseError as FullError
from redis.exceptions import TimeoutError as SlowError

from annotation.actions import health
from annotation.errors import TransientError
from annotation.gateways import messages as broker_gateway
from config import metrics
from config.celery import app
from config.env import Env

pytestmark = pytest.mark.redis


AWAY = (LostError("refused"), SlowError("too long"), FullError("MISCONF"))


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


@pytest.mark.parametrize("error", AWAY, ids=["lost", "slow", "full"])
@pytest.mark.parametrize("how", ["ack", "reject"])
def test_what_is_done_takes_no_place_though_the_broker_could_not_be_told(
    how: str,
    error: Exception,
    at_work: Any,
    messages: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    qos = at_work.default_channel.qos
    qos.prefetch_count = 1
    assert not qos.can_consume()

    def away(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(qos, "_remove_from_indices", away)
        with pytest.raises(type(error)):
            getattr(messages[0], how)()
    assert qos.can_consume()


def test_messages_go_by_redis_unless_a_broker_of_their_own_is_set() -> None:
    redis_only = Env(redis_url="unix:///run/r.sock")
    assert redis_only.messages_url == "redis+socket:///run/r.sock"
    both = Env(redis_url="redis://a/0", broker_url="amqp://awa:secret@b//")
    assert Connection(both.messages_url).as_uri() == "amqp://awa:**@b:5672//"
    assert Env(redis_url="", broker_url="").messages_url == "memory://"


def test_what_waits_in_another_broker_is_counted_and_one_that_is_away_is_said_to_be() -> None:
    with Connection("memory://") as line:
        for text in ("one", "two"):
            line.SimpleQueue("counted").put(text)
    assert broker_gateway.waiting("memory://", ("counted", "never-needed")) == {
        "counted": 2,
        "never-needed": 0,
    }
    with pytest.raises(TransientError, match="does not answer"):
        broker_gateway.waiting("amqp://awa:secret@127.0.0.1:1//", ("default",))


@pytest.mark.django_db
def test_health_and_metrics_ask_the_broker_that_carries_messages(
    monkeypatch: pytest.MonkeyPatch, redis_server: str
) -> None:
    monkeypatch.setattr(settings.ENV, "redis_url", redis_server)
    monkeypatch.setattr(settings.ENV, "broker_url", "memory://")
    with Connection("memory://") as line:
        line.SimpleQueue("gpu").put("work")
    assert "1 gpu" in health.check_broker().detail
    told = {gauge.name: gauge.rows for gauge in metrics._of_redis()}
    assert dict(told["queue_messages"])["gpu",] == 1
    assert "queue_age_seconds" not in told
    monkeypatch.setattr(settings.ENV, "broker_url", "amqp://awa:secret@127.0.0.1:1//")
    assert "RabbitMQ" in health.check_broker().remedy
