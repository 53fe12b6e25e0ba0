"""What a model wrote walks the whole loop with a tiny network: a file, a round, people, the gate."""

import io

import pytest
from django.test import Client
from django.utils import timezone

from annotation.actions.campaigns import create_campaign, start_campaign
from annotation.actions.imports import run_import
from annotation.actions.uploads import queue_import
from annotation.models import Annotation, Campaign, Consensus, Item, QuarantinedAnswer
from tests.journeys.kinds import KINDS, Kind
from tests.make import make_annotator, make_language, make_user
from tests.training.wheel import Wheel
from training.actions.corrections import corrections_of, preferences_of
from training.models import Evaluation, GateRun, TrainingRun

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_networks")]


class Judging(Wheel):
    """Speakers judge as the kind's own example does."""

    def __init__(self, campaign: Campaign, kind: Kind) -> None:
        super().__init__(campaign)
        self.kind = kind

    def answer(self, *, wrong: int = 0) -> None:
        for item in Item.objects.filter(state=Item.State.PUSHED).select_related("sample"):
            user = item.campaign_language.language.annotators.get().user
            result = self.kind.answer(item.sample.text)
            assert item.desk_task_id
            self.desk.annotate(
                item.desk_task_id, user_id=user.desk_user_id, label="x", result=result
            )


@pytest.mark.parametrize("name", ["ratings", "preferences"])
def test_what_a_model_wrote_walks_the_loop(name: str, client: Client, settings, tmp_path) -> None:
    settings.MEDIA_ROOT = tmp_path / "media"
    make_language("wo", name="Wolof")
    make_annotator("awa")
    campaign = create_campaign(
        slug=name, title=name, question="?", labels=[], languages=["wo"], objective=name,
        network="tiny", items_per_round=12, max_rounds=1, gate_looks=1,
    )  # fmt: skip
    brought = queue_import(campaign, file=io.BytesIO(KINDS[name].file()), filename="rows.jsonl")
    assert run_import(brought.pk, now=timezone.now).rows_refused == 0
    start_campaign(campaign)
    wheel = Judging(campaign, KINDS[name])
    wheel.turn(until=lambda: GateRun.objects.exists(), most=30)
    assert not QuarantinedAnswer.objects.exists()
    run = TrainingRun.objects.get()
    assert (run.status, run.error) == ("finished", "")
    asked = Item.objects.exclude(kind=Item.Kind.GOLD).count()
    assert Consensus.objects.count() == asked > 8
    judged = Evaluation.objects.get(version=run.candidate, split="gate")
    before = Evaluation.objects.get(version=run.base, split="gate")
    assert judged.items == 12
    # Five words tell the grade; which of two halves is the good one a bag of words cannot.
    assert name == "preferences" or judged.accuracy > before.accuracy
    assert (judged.kappa is not None) == (name == "ratings")
    # What was said beside the label is there for whoever learns to write.
    if name == "ratings":
        rated = Annotation.objects.answered().filter(answer__has_key="corrected")
        trained = [one.annotation for one in corrections_of(campaign)]
        gold = rated.filter(item__kind=Item.Kind.GOLD).values_list("pk", flat=True)
        assert set(trained) == set(rated.values_list("pk", flat=True)) - set(gold)
        assert trained
    else:
        assert len(list(preferences_of(campaign))) == asked
    client.force_login(make_user("lead", staff=True))
    assert client.get(f"/campaigns/{name}/judgements/wo/").status_code == 200
