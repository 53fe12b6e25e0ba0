"""Every kind of question walks the whole loop, with a real Label Studio as its desk."""

import io
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.utils import timezone

from annotation.actions.campaigns import LabelSpec, create_campaign, start_campaign
from annotation.actions.entry import enter_desk
from annotation.actions.imports import run_import
from annotation.actions.intake import sweep
from annotation.actions.uploads import queue_import
from annotation.gateways.label_studio import LabelStudioDesk
from annotation.models import Annotation, Campaign, Consensus, Item, QuarantinedAnswer
from learning.actions.answering import answer_with
from tests.journeys.kinds import KINDS, Kind
from tests.make import make_annotator, make_language, make_user
from tests.training.wheel import Wheel
from training.actions.exports import export_version
from training.models import Evaluation, GateRun, TrainingRun

pytestmark = [pytest.mark.label_studio, pytest.mark.django_db]


class RealWheel(Wheel):
    """Turns a campaign at a real Label Studio, where one speaker answers all that is asked."""

    def __init__(self, campaign: Campaign, kind: Kind, server: Any) -> None:
        super().__init__(campaign)
        self.desk, self.kind, self.url = LabelStudioDesk(**server.access), kind, server.url
        user = make_user(f"awa-{uuid.uuid4().hex[:8]}")
        self.speaker = make_annotator(user.username)

    def answer(self, *, wrong: int = 0) -> None:
        """Come in by the link of the button and answer over Label Studio's own interface."""
        open_ = Item.objects.filter(state=Item.State.PUSHED).select_related("sample")
        for home in self.campaign.languages.filter(items__in=open_).distinct():
            link = enter_desk(self.speaker.user, home=home, desk=self.desk, now=timezone.now())
            with httpx.Client(base_url=self.url, timeout=30) as session:
                assert session.get(link).status_code == 200
                for item in open_.filter(campaign_language=home).order_by("pk"):
                    result = self.kind.answer(item.sample.text)
                    body = {"result": result, "lead_time": 2.0, "unique_id": str(uuid.uuid4())}
                    told = session.post(f"/api/tasks/{item.desk_task_id}/annotations/", json=body)
                    assert told.status_code == 201, told.text

    def sweep(self) -> None:
        """Bring home what is new."""
        for home in self.campaign.languages.exclude(desk_project_id=None):
            sweep(home, desk=self.desk, now=timezone.now())


@pytest.fixture
def wheels(label_studio: Any) -> Iterator[Any]:
    made: list[RealWheel] = []

    def make(kind: Kind) -> RealWheel:
        make_language("wo", name="Wolof")
        campaign = create_campaign(
            slug=f"walk-{kind.name}",
            title=kind.name.title(),
            question="?",
            labels=[LabelSpec(key, key.title()) for key in kind.labels],
            languages=["wo"],
            objective=kind.name,
            items_per_round=12,
            max_rounds=1,
            gate_looks=1,
            **kind.settings,
        )
        # Small steps on few texts: what is looked at is that it walks, not how far.
        campaign.recipe = {"epochs": 2, "least_steps": 10, "curve_points": 1}
        campaign.save()
        made.append(RealWheel(campaign, kind, label_studio))
        return made[-1]

    yield make
    for wheel in made:
        for home in wheel.campaign.languages.exclude(desk_project_id=None):
            wheel.desk.delete_project(home.desk_project_id)


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_of_question_walks_the_loop_at_a_real_label_studio(
    name: str, wheels: Any, tmp_path: Path
) -> None:
    wheel = wheels(KINDS[name])
    campaign = wheel.campaign
    brought = queue_import(campaign, file=io.BytesIO(KINDS[name].file()), filename="rows.jsonl")
    run_import(brought.pk, now=timezone.now)
    brought.refresh_from_db()
    assert (brought.status, brought.rows_refused) == ("done", 0), brought.error
    start_campaign(campaign)
    wheel.turn(until=lambda: GateRun.objects.exists(), most=30)

    asked = Item.objects.filter(campaign_language__campaign=campaign)
    assert asked.exclude(state=Item.State.ANSWERED).count() == 0
    assert not QuarantinedAnswer.objects.exists()
    assert Annotation.objects.answered().count() == asked.count()
    run = TrainingRun.objects.get()
    assert (run.status, run.error) == ("finished", "")
    assert Consensus.objects.count() == asked.exclude(kind=Item.Kind.GOLD).count() > 8
    judged = Evaluation.objects.filter(version=run.candidate, split="gate").get()
    assert judged.items == 12
    assert judged.accuracy is not None
    text = asked.filter(kind=Item.Kind.GOLD).first() or asked.first()
    (said,) = answer_with(run.candidate, texts=[text.sample.text], languages=["wo"])
    assert said.label
    assert 0 <= said.confidence <= 1
    card = export_version(run.candidate, folder=tmp_path / "out")
    assert set(card["labels"]) == set(KINDS[name].labels)
