"""What waits stops nothing: long files leave the desk its threads, and a desk that hangs the wheel."""

import io
import socket
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from annotation.actions.imports import queue_import
from annotation.models import Campaign, CampaignLanguage, Heartbeat, SampleImport
from annotation.tasks import IMPORTS_AT_ONCE, push, run_import
from tests.make import make_campaign, make_item, make_sample
from tests.servers import LiveService
from training.models import Dispatch

pytestmark = pytest.mark.redis
FILES = 8
# PostgreSQL takes them as a stream: they are to be long there, too.
ROWS = 40_000 if connection.vendor == "sqlite" else 120_000
TAGS = ("wo", "qu", "ff", "bm", "ha", "ig", "yo", "zu")


@pytest.fixture
def desk_socket() -> Iterator[socket.socket]:
    """An address that refuses everybody; made to listen, it takes every call and answers none."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held


def bring_long_files() -> None:
    for number in range(FILES):
        rows = (f"text {number} {row},wo,CC0-1.0" for row in range(ROWS))
        job = queue_import(
            make_campaign(languages=("wo",)),
            file=io.BytesIO("\n".join(("text,language,licence", *rows)).encode()),
            filename="long.csv",
        )
        run_import.delay(import_id=job.pk)


def make_crowded_campaign() -> Campaign:
    campaign = make_campaign(languages=TAGS)
    for tag in TAGS:
        make_item(make_sample(campaign, tag))
    return campaign


def the_wheel_turns(service: LiveService, *, seconds: float) -> None:
    """The timetable's look is taken all the while, and a campaign that starts is attended to."""
    began = timezone.now()
    see_to_a_campaign(service, seconds=seconds)
    seen = set()

    def time_is_up() -> bool:
        seen.add(Heartbeat.objects.get(name="timetable").seen_at)
        return timezone.now() - began > timedelta(seconds=seconds)

    service.wait_until(time_is_up)
    assert len([at for at in seen if at and at > began]) >= seconds / 2


def see_to_a_campaign(service: LiveService, *, seconds: float) -> None:
    campaign = make_campaign(status="running")
    wanted = f"training.tasks.prepare(campaign_id={campaign.pk})"
    service.wait_until(Dispatch.objects.filter(key=wanted).exists, seconds=seconds)


def test_long_files_and_a_hanging_desk_stop_nothing(
    start_service: Callable[..., LiveService], desk_socket: socket.socket
) -> None:
    host, port = desk_socket.getsockname()
    service = start_service(
        without=("label-studio", "web", "worker-gpu"),
        VERNACULAR_TICK_SECONDS="1",
        VERNACULAR_LABEL_STUDIO_URL=f"http://{host}:{port}",
    )
    homes = [home.pk for home in make_crowded_campaign().languages.all()]
    see_to_a_campaign(service, seconds=60)  # the first look is slow: much is imported for it
    bring_long_files()
    running = SampleImport.objects.filter(status="running")
    service.wait_until(lambda: running.filter(rows_read__gt=0).count() == IMPORTS_AT_ONCE)
    push.delay(campaign_language_id=homes[0])
    told = CampaignLanguage.objects.exclude(desk_error="")
    service.wait_until(told.exists)
    the_wheel_turns(service, seconds=4)
    assert running.count() == IMPORTS_AT_ONCE
    assert SampleImport.objects.filter(status="queued").count() >= FILES - IMPORTS_AT_ONCE - 1

    desk_socket.listen(100)
    for home in homes * 3:
        push.delay(campaign_language_id=home)
    the_wheel_turns(service, seconds=6)
