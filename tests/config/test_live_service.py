"""What `up` runs, as real processes on the test's own database."""

from collections.abc import Callable
from pathlib import Path
from time import sleep

import httpx
import pytest
import redis
from django.conf import settings
from django.utils import timezone

from annotation.actions.reports.intake import Telling, receive
from annotation.actions.reports.transitions import broken_link
from annotation.models import Heartbeat, Report, User
from annotation.tasks import push, tend_reports
from config.services import answers_ping, redis_socket
from tests.make import make_campaign, make_user
from tests.servers import LabelStudioServer, LiveService

WORKERS = ("worker-default", "worker-io", "worker-gpu")


def rss_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def children(pid: int) -> list[int]:
    return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_redis_answers_on_its_socket(redis_server: str) -> None:
    assert answers_ping(Path(redis_server.removeprefix("unix://")))


@pytest.mark.label_studio
def test_label_studio_knows_its_admin_by_the_generated_token(
    label_studio: LabelStudioServer,
) -> None:
    answer = httpx.get(
        f"{label_studio.url}/api/current-user/whoami",
        headers={"Authorization": f"Token {label_studio.token}"},
        timeout=60,
    )
    assert answer.json()["email"] == label_studio.email


@pytest.mark.redis
def test_web_is_light_and_sees_what_the_test_wrote(
    start_service: Callable[..., LiveService],
) -> None:
    make_user("noor", staff=True)
    service = start_service(without=("label-studio", *WORKERS, "beat"))
    door = f"{service.web_url}/admin/login/"
    assert httpx.get(door, timeout=60, follow_redirects=True).status_code == 200
    master = service.process("web").popen
    assert master is not None
    for pid in (master.pid, *children(master.pid)):
        assert rss_mb(pid) < 150
        assert "libtorch" not in Path(f"/proc/{pid}/maps").read_text()


@pytest.mark.redis
def test_killed_worker_comes_back_and_takes_work_each_step_once_however_often_it_hears(
    start_service: Callable[..., LiveService],
) -> None:
    service = start_service(without=("label-studio", "web", "worker-io", "worker-gpu", "beat"))
    before = service.process("worker-default").popen
    service.kill("worker-default")
    campaign = make_campaign(languages=("wo",))
    for number in range(4):
        telling = Telling(text=f"Xam naa ko {number}", tag="wo", reasons=("idiom",))
        told = {"telling": telling, "key": f"{number}", "client": f"{number}"}
        receive(campaign, now=timezone.now(), **told)
    for _ in range(8):  # its threads take several at once
        tend_reports.delay()
    service.start("worker-default")
    after = service.process("worker-default").popen
    assert before is not None
    assert after is not None
    assert after.pid != before.pid
    queue = redis.Redis.from_url(settings.ENV.redis_url)
    waiting = Report.objects.filter(state__in=("received", "screened"))
    service.wait_until(lambda: not waiting.exists() and not queue.llen("default"))
    for report in Report.objects.all():
        steps = list(report.log.values_list("to_state", flat=True))
        assert steps == ["received", "screened", "awaiting_triage"]
        assert broken_link(report) == 0
    assert after.poll() is None


@pytest.mark.redis
def test_workers_and_timetable_outlive_a_broker_that_comes_and_goes(
    start_service: Callable[..., LiveService],
) -> None:
    service = start_service(
        without=("label-studio", "web", "worker-gpu"), VERNACULAR_TICK_SECONDS="1"
    )
    others = [one for one in service.supervisor.processes if one.name != "redis"]
    before = {one.name: one.popen and one.popen.pid for one in others}
    for away in (0.0, 3.0):
        for number in range(20):  # at work, waiting in line, and waiting for its time
            push.apply_async(kwargs={"campaign_language_id": number}, countdown=number % 3)
        service.kill("redis")
        sleep(away)
        service.start("redis")
        back = timezone.now()
        for beat in ("timetable", "io"):
            beats = Heartbeat.objects.filter(name=beat, seen_at__gt=back)
            push.delay(campaign_language_id=0)
            service.wait_until(beats.exists)
    assert {one.name: one.popen and one.popen.pid for one in others} == before


@pytest.mark.redis
@pytest.mark.label_studio
def test_whole_service_starts_and_shares_the_tests_database(live_service: LiveService) -> None:
    assert {one.name for one in live_service.supervisor.processes} == {
        "redis",
        "label-studio",
        "web",
        *WORKERS,
        "beat",
    }
    assert all(one.up for one in live_service.supervisor.processes)
    assert User.objects.count() == 0
    assert settings.ENV.label_studio_url == live_service.label_studio_url
    assert settings.ENV.redis_url == f"unix://{redis_socket(settings.VAR_DIR)}"
