"""One round of a real campaign through real parts, while things break: nothing lost, nothing double."""

import io
import time
from collections.abc import Callable
from threading import Thread

import httpx
import numpy as np
import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation.actions.campaigns import LabelSpec, create_campaign, start_campaign
from annotation.actions.health import Health
from annotation.actions.imports import queue_import
from annotation.actions.people import ensure_annotator
from annotation.errors import TransientError
from annotation.gateways.label_studio import open_desk
from annotation.models import (
    Annotation,
    AnnotationRevision,
    Campaign,
    DeskEvent,
    Item,
    Language,
    QuarantinedAnswer,
    SampleImport,
    User,
)
from annotation.tasks import run_import
from config.demo.crew import Visitor
from learning.models import ModelVersion, Prediction, Round
from tests.make import make_campaign, make_user
from tests.servers import LiveService
from training.actions.health import report
from training.models import GateRun, TrainingRun

pytestmark = [pytest.mark.redis, pytest.mark.label_studio, pytest.mark.timeout(1200)]

WORDS = {
    "weather": ("rain", "wind", "cloud", "storm", "sun"),
    "food": ("rice", "fish", "bread", "salt", "soup"),
}
PEOPLE = {"wo": "awa", "qu": "inti"}
PASSWORD = "an-answer-a-day"  # noqa: S105 - of people who live for a minute
QUICK = {
    "VERNACULAR_TICK_SECONDS": "1",
    "VERNACULAR_SWEEP_SECONDS": "3",
    "VERNACULAR_LEASE_SECONDS": "8",
    "VERNACULAR_SCORING_SHARD": "1000",
}
AN_OUTAGE_S = 35.0  # tasks that found no desk have tried again after 2, 4, 8 and 16 s, and given up
ROWS = 10_000
GOLD_OF_A_LANGUAGE = 60
# Row of the file, the header being the first, to the field and what is said of it.
BAD = {
    17: ("", "has 2 columns; the header has 5"),
    501: ("text", "is empty"),
    502: ("language", "unknown language 'fr'; the campaign has: qu, wo"),
    1000: ("label", "unknown label 'sport'; the campaign has: weather, food"),
    4999: ("id", "the id 'wo-4' is already taken in wo"),
    5000: ("text", "holds a NUL character at position 4"),
    10001: ("", 'has a quote (") that is never closed'),
}


def corpus() -> bytes:
    """Ten thousand rows in two languages, told apart by the words they use; seven are bad."""
    rng = np.random.default_rng(7)
    rows = ["text,language,id,label,split"]
    for number in range(ROWS):
        tag = ("wo", "qu")[number % 2]
        subject = ("weather", "food")[number // 2 % 2]
        words = " ".join(f"{tag}{word}" for word in rng.choice(WORDS[subject], 3))
        known = f"{subject},{'dev' if number % 8 < 6 else 'gate'}"
        gold = 1000 <= number < 1000 + 2 * GOLD_OF_A_LANGUAGE
        rows.append(f"{words} {tag}{number},{tag},{tag}-{number},{known if gold else ','}")
    rows[16] = "two,columns"
    rows[500] = '"  ",wo,,,'
    rows[501] = "wind,fr,,,"
    rows[999] = "wind,qu,,sport,"
    rows[4998] = "worice,wo,wo-4,,"
    rows[4999] = "abc\0b,wo,,,"
    rows[10_000] = '"never closed,qu,,,'
    return "\n".join(rows).encode()


def truth_of(text: str) -> str:
    return "weather" if any(word in text for word in WORDS["weather"]) else "food"


def make_running_campaign() -> Campaign:
    return create_campaign(
        slug="journey",
        title="Weather or food",
        question="What is it about?",
        labels=[LabelSpec("weather", "Weather"), LabelSpec("food", "Food")],
        languages=list(PEOPLE),
        items_per_round=40,
        max_rounds=1,
    )


class Speaker(Thread):
    """Somebody who answers until the desk is empty, and tries again while it is away."""

    def __init__(self, service: LiveService, *, campaign: Campaign, tag: str) -> None:
        super().__init__(daemon=True)
        self.visitor = Visitor(
            url=service.label_studio_url,
            email=f"{PEOPLE[tag]}@vernacular.localhost",
            password=PASSWORD,
        )
        self.project = campaign.languages.get(language__tag=tag).desk_project_id or 0
        self.sent: dict[str, str] = {}
        self.refused = 0

    def run(self) -> None:
        while self._answer_one():
            time.sleep(0.2)
        self.visitor.close()

    def _answer_one(self) -> bool:
        try:
            task = self.visitor.next_task(self.project)
            if task is None or task.uid in self.sent:
                return False
            # Told twice, as people do who did not see that it was taken.
            for _ in range(2):
                self.visitor.answer(task, label=truth_of(task.text), reading_s=1.0)
            self.sent[task.uid] = truth_of(task.text)
        except TransientError:
            self.refused += 1
        return True


def import_while_the_worker_dies(service: LiveService, *, campaign: Campaign) -> None:
    job = queue_import(
        campaign,
        file=io.BytesIO(corpus()),
        filename="corpus.csv",
        defaults={"licence": "CC0-1.0"},
    )
    run_import.delay(import_id=job.pk)
    service.wait_until(lambda: 0 < campaign.samples.count() < ROWS, every=0.01)
    service.kill("worker-io")
    job.refresh_from_db()
    assert (job.status, campaign.samples.count()) == ("running", job.rows_kept)
    assert 0 < job.rows_read < ROWS
    service.start("worker-io")
    done = SampleImport.objects.filter(pk=job.pk, status="done")
    service.wait_until(done.exists, seconds=90)
    job.refresh_from_db()
    assert job.token >= 2
    assert (job.rows_read, job.rows_kept, job.rows_refused) == (ROWS, ROWS - 7, 7)
    assert {row.row: (row.field, row.reason) for row in job.refused_rows.all()} == BAD
    rows = list(campaign.samples.values_list("row", flat=True))
    assert sorted(rows) == sorted(set(range(2, ROWS + 2)) - set(BAD))


def score_while_the_worker_dies(service: LiveService, *, campaign: Campaign) -> None:
    service.wait_until(lambda: 0 < Prediction.objects.count() < ROWS - 7, seconds=90, every=0.01)
    service.kill("worker-gpu")
    kept = set(Prediction.objects.values_list("pk", flat=True))
    assert 0 < len(kept) < ROWS - 7
    service.start("worker-gpu")
    collecting = Round.objects.filter(campaign=campaign, status="collecting")
    service.wait_until(collecting.exists, seconds=120)
    version = ModelVersion.objects.get(campaign=campaign)
    scored = Prediction.objects.filter(version=version)
    # The round opens on the likeliest samples; the rest of the pool is scored meanwhile.
    service.wait_until(lambda: scored.count() == ROWS - 7, seconds=120)
    assert scored.values("sample").distinct().count() == scored.count()
    assert kept <= set(scored.values_list("pk", flat=True))
    pushed = Item.objects.filter(state="pushed")
    service.wait_until(lambda: pushed.count() == Item.objects.count() > 0, seconds=90)


def answer_unheard(service: LiveService, *, campaign: Campaign) -> dict[str, str]:
    """Nobody hears the nudges of the first language: there is no broker to take them."""
    service.kill("redis")
    speaker = Speaker(service, campaign=campaign, tag="wo")
    speaker.run()
    service.start("redis")
    return speaker.sent


def answer_while_the_desk_is_away(service: LiveService, *, campaign: Campaign) -> dict[str, str]:
    """Label Studio goes in the middle of the second language, and stays away for long."""
    speaker = Speaker(service, campaign=campaign, tag="qu")
    speaker.start()
    service.wait_until(lambda: len(speaker.sent) >= 3, every=0.01)
    service.keep_down("label-studio")
    gone = time.monotonic()
    given = len(speaker.sent)
    service.wait_until(lambda: desk_health() is Health.BAD)
    see_what_is_said(campaign)
    import_something_else(service)
    service.wait_until(lambda: time.monotonic() - gone >= AN_OUTAGE_S, seconds=AN_OUTAGE_S + 5)
    see_what_is_said(campaign)
    assert len(speaker.sent) <= given + 1
    assert speaker.is_alive()
    assert not Item.objects.exclude(state__in=("pushed", "answered")).exists()
    assert not Round.objects.exclude(status="collecting").exists()
    service.start("label-studio")
    service.wait_until(lambda: not speaker.is_alive(), seconds=120)
    service.wait_until(lambda: desk_health() is Health.GOOD)
    return speaker.sent


def desk_health() -> Health:
    return next(part.health for part in report(timezone.now()) if part.name == "Label Studio")


def see_what_is_said(campaign: Campaign) -> None:
    """The desk is named with a remedy, and only the desk; pages say so to whoever leads."""
    parts = {part.name: part for part in report(timezone.now())}
    bad = [name for name, part in parts.items() if part.health is Health.BAD]
    assert bad == ["Label Studio", "Projects at the desk"]
    assert "did not answer" in parts["Label Studio"].detail
    remedy = "Answers given there are not lost: they are fetched when it is back."
    assert parts["Label Studio"].remedy == remedy
    client = leader()
    assert remedy in client.get(reverse("health")).content.decode()
    page = client.get(reverse("campaign_detail", args=[campaign.slug])).content.decode()
    assert "Label Studio did not answer" in page
    assert "What was answered is safe there." in page


def leader() -> Client:
    """Noor, who leads campaigns, signed in to our pages."""
    client = Client()
    client.force_login(User.objects.filter(username="noor").first() or make_user(staff=True))
    return client


def import_something_else(service: LiveService) -> None:
    """What needs no desk goes on."""
    job = queue_import(
        make_campaign(languages=("ff",)),
        file=io.BytesIO(b"text,language,licence\njam tan,ff,CC0-1.0\n"),
        filename="more.csv",
    )
    run_import.delay(import_id=job.pk)
    service.wait_until(SampleImport.objects.filter(pk=job.pk, status="done").exists)


def nudge_thrice_and_out_of_order(service: LiveService, *, home_id: int) -> None:
    """As a desk does that repeats itself; whatever it says, we only look again."""
    for action in 3 * ("ANNOTATIONS_DELETED", "ANNOTATION_UPDATED", "ANNOTATION_CREATED"):
        answer = httpx.post(
            f"{service.web_url}/hooks/label-studio/{home_id}/",
            headers={"Authorization": f"Bearer {settings.ENV.webhook_secret}"},
            json={"action": action},
            timeout=60,
        )
        assert answer.status_code == 204
    assert DeskEvent.objects.filter(action="ANNOTATIONS_DELETED", accepted=True).count() == 3


def answer_with_an_unknown_label(service: LiveService, *, campaign: Campaign) -> dict[str, str]:
    """It is kept aside and shown; mended at the desk, it comes in."""
    speaker = Speaker(service, campaign=campaign, tag="qu")
    task = speaker.visitor.next_task(speaker.project)
    assert task is not None
    number = speaker.visitor.answer(task, label="sport", reading_s=1.0)
    assert number is not None
    aside = QuarantinedAnswer.objects.filter(reason="unknown_label", resolved_at=None)
    service.wait_until(aside.exists)
    shown = next(part for part in report(timezone.now()) if part.name == "Quarantine")
    assert (shown.health, shown.detail) == (Health.WARN, "answers wait in journey: 1")
    page = leader().get(reverse("quarantine", args=[campaign.slug])).content.decode()
    assert "sport" in page
    speaker.visitor.change(number, label=truth_of(task.text))
    service.wait_until(lambda: not aside.exists())
    speaker.visitor.close()
    return {task.uid: truth_of(task.text)}


def forge_a_nudge(service: LiveService, *, home_id: int) -> None:
    answer = httpx.post(
        f"{service.web_url}/hooks/label-studio/{home_id}/",
        headers={"Authorization": "Bearer somebody-else"},
        json={"action": "ANNOTATION_CREATED"},
        timeout=60,
    )
    assert answer.status_code == 401
    assert DeskEvent.objects.filter(accepted=False).count() == 1
    nudges = next(p for p in report(timezone.now()) if p.name == "Nudges from the desk")
    assert (nudges.health, "1 refused" in nudges.detail) == (Health.WARN, True)


def train_while_the_worker_dies(service: LiveService, *, campaign: Campaign) -> TrainingRun:
    runs = TrainingRun.objects.filter(campaign=campaign)
    at_it = runs.filter(status="running", step__gte=1)
    service.wait_until(at_it.exists, seconds=120, every=0.01)
    service.kill("worker-gpu")
    run = runs.get()
    assert run.status == "running"
    # The last step is not the end: the gold is looked back over, and the weights are stored.
    assert 1 <= run.step <= run.steps_total
    service.start("worker-gpu")
    closed = Round.objects.filter(campaign=campaign, status="closed")
    service.wait_until(closed.exists, seconds=150)
    return runs.get()


def test_a_round_goes_through_while_everything_is_killed_once(
    start_service: Callable[..., LiveService],
) -> None:
    service = start_service(**QUICK)
    campaign = make_running_campaign()
    import_while_the_worker_dies(service, campaign=campaign)
    desk = open_desk()
    for tag, name in PEOPLE.items():
        language = Language.objects.get(tag=tag)
        ensure_annotator(username=name, name=name, language=language, desk=desk, password=PASSWORD)
    start_campaign(campaign)
    score_while_the_worker_dies(service, campaign=campaign)
    sent = answer_unheard(service, campaign=campaign)
    home_id = campaign.languages.get(language__tag="wo").pk
    forge_a_nudge(service, home_id=home_id)
    nudge_thrice_and_out_of_order(service, home_id=home_id)
    sent |= answer_with_an_unknown_label(service, campaign=campaign)
    sent |= answer_while_the_desk_is_away(service, campaign=campaign)
    run = train_while_the_worker_dies(service, campaign=campaign)

    stored = Annotation.objects.answered().select_related("item", "label")
    assert {str(one.item.uid): one.label.key for one in stored} == sent
    assert stored.count() == len(sent) == Item.objects.filter(state="answered").count()
    assert AnnotationRevision.objects.count() == len(sent)
    assert not QuarantinedAnswer.objects.filter(resolved_at=None).exists()
    assert run.status == "finished"
    assert run.token >= 2
    gate = GateRun.objects.get()
    assert (gate.run, gate.candidate) == (run, run.candidate)
    assert gate.verdict in {"PASS", "HOLD"}
    assert ModelVersion.objects.filter(campaign=campaign).count() == 2
    accuracy = {e.language.tag: e.accuracy for e in run.candidate.evaluations.all()}
    assert min(accuracy.values()) > 0.8
    # Whatever we did not kill has outlived all of it.
    assert {one.name: one.deaths for one in service.supervisor.processes if one.deaths} == {}
