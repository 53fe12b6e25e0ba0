"""One round of a real campaign through real parts, while things break: nothing lost, nothing double."""

import io
import json
from collections.abc import Callable

import httpx
import numpy as np
import pytest

from annotation.actions.campaigns import LabelSpec, create_campaign, start_campaign
from annotation.actions.imports import queue_import
from annotation.actions.people import ensure_annotator
from annotation.gateways.label_studio import open_desk
from annotation.models import Annotation, Campaign, DeskEvent, Item, Language, SampleImport
from annotation.tasks import run_import
from config.demo.crew import Visitor
from learning.models import ModelVersion, Prediction, Round
from tests.servers import LiveService
from training.models import TrainingRun

pytestmark = [pytest.mark.redis, pytest.mark.label_studio, pytest.mark.timeout(600)]

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
    "VERNACULAR_SCORING_SHARD": "60",
}


def corpus() -> bytes:
    """Rows in two languages: 80 to ask and 60 gold each, told apart by the words they use."""
    rng = np.random.default_rng(7)
    rows = []
    for tag in PEOPLE:
        for number in range(140):
            subject = ("weather", "food")[number % 2]
            words = " ".join(f"{tag}{word}" for word in rng.choice(WORDS[subject], 3))
            row = {"id": f"{tag}-{number}", "language": tag, "text": f"{words} {tag}{number}"}
            known = {"label": subject, "split": "dev" if number % 4 else "gate"}
            rows.append(row | (known if number >= 80 else {}))
    return "\n".join(json.dumps(row | {"licence": "CC0-1.0"}) for row in rows).encode()


def truth_of(text: str) -> str:
    return "weather" if any(word in text for word in WORDS["weather"]) else "food"


def make_running_campaign() -> Campaign:
    return create_campaign(
        slug="journey",
        title="Weather or food",
        question="What is it about?",
        labels=[LabelSpec("weather", "Weather"), LabelSpec("food", "Food")],
        languages=list(PEOPLE),
        items_per_round=24,
        max_rounds=1,
    )


def answer_everything(service: LiveService, *, tag: str, project: int) -> dict[str, str]:
    """Answer as one person until the desk is empty; uid to label, as it was sent."""
    visitor = Visitor(
        url=service.label_studio_url,
        email=f"{PEOPLE[tag]}@vernacular.localhost",
        password=PASSWORD,
    )
    sent = {}
    while (task := visitor.next_task(project)) is not None and task.uid not in sent:
        sent[task.uid] = truth_of(task.text)
        visitor.answer(task, label=sent[task.uid], reading_s=1.0)
        visitor.answer(task, label=sent[task.uid], reading_s=1.0)
    visitor.close()
    return sent


def import_while_the_worker_dies(service: LiveService, *, campaign: Campaign) -> None:
    job = queue_import(campaign, file=io.BytesIO(corpus()), filename="corpus.jsonl")
    run_import.delay(import_id=job.pk)
    service.kill("worker-default")
    service.start("worker-default")
    imports = SampleImport.objects.filter(pk=job.pk, status="done")
    service.wait_until(imports.exists)
    assert campaign.samples.count() == 280


def score_while_the_worker_dies(service: LiveService, *, campaign: Campaign) -> None:
    service.wait_until(Prediction.objects.exists, seconds=90)
    service.kill("worker-gpu")
    service.start("worker-gpu")
    collecting = Round.objects.filter(campaign=campaign, status="collecting")
    service.wait_until(collecting.exists, seconds=120)
    version = ModelVersion.objects.get(campaign=campaign)
    assert Prediction.objects.filter(version=version).count() == 280
    pushed = Item.objects.filter(state="pushed")
    service.wait_until(lambda: pushed.count() == Item.objects.count() > 0, seconds=90)


def answer_while_redis_and_the_desk_go_away(
    service: LiveService, *, campaign: Campaign
) -> dict[str, str]:
    """Nobody hears the nudges of the first language; before the second the desk restarts."""
    projects = {home.language.tag: home.desk_project_id for home in campaign.languages.all()}
    service.kill("redis")
    sent = answer_everything(service, tag="wo", project=projects["wo"] or 0)
    service.kill("label-studio")
    service.start("redis")
    service.start("label-studio")
    return sent | answer_everything(service, tag="qu", project=projects["qu"] or 0)


def forge_a_nudge(service: LiveService, *, home_id: int) -> None:
    answer = httpx.post(
        f"{service.web_url}/hooks/label-studio/{home_id}/",
        headers={"Authorization": "Bearer somebody-else"},
        json={"action": "ANNOTATION_CREATED"},
        timeout=20,
    )
    assert answer.status_code == 401
    assert DeskEvent.objects.filter(accepted=False).count() == 1


def train_while_the_worker_dies(service: LiveService, *, campaign: Campaign) -> TrainingRun:
    runs = TrainingRun.objects.filter(campaign=campaign)
    service.wait_until(runs.exclude(status="queued").exists, seconds=120)
    service.kill("worker-gpu")
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
    sent = answer_while_redis_and_the_desk_go_away(service, campaign=campaign)
    forge_a_nudge(service, home_id=campaign.languages.get(language__tag="wo").pk)
    run = train_while_the_worker_dies(service, campaign=campaign)

    stored = Annotation.objects.answered().select_related("item", "label")
    assert {str(one.item.uid): one.label.key for one in stored} == sent
    assert stored.count() == len(sent) == Item.objects.filter(state="answered").count()
    assert run.status == "finished"
    assert run.gate.verdict in {"PASS", "HOLD"}
    assert ModelVersion.objects.filter(campaign=campaign).count() == 2
    accuracy = {e.language.tag: e.accuracy for e in run.candidate.evaluations.all()}
    assert min(accuracy.values()) > 0.8
