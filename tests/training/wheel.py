"""A campaign whose words tell the label, and somebody who does at once what workers would."""

from collections.abc import Callable
from typing import Any

import numpy as np
from django.utils import timezone

from annotation.actions.desk import prepare_desk
from annotation.actions.intake import sweep
from annotation.actions.queue import push_items
from annotation.models import Campaign, CampaignLanguage, Item
from learning.actions.duplicates import find_duplicates
from learning.actions.looks import look_closer
from learning.actions.scoring import score_shard
from learning.actions.versions import initial_version
from tests.fakes import FakeLabelingDesk
from tests.make import LABELS, make_annotator, make_campaign, make_gold, make_sample
from training.actions import cycle, gates, runs
from training.actions.dispatches import Work

Now = timezone.now


def words(label: str, rng: np.random.Generator) -> str:
    """A text of that label: two telling words among others, and nearly never the same twice."""
    told = [f"{label}{n}" for n in rng.integers(0, 3, 2)]
    return " ".join([*told, *(f"n{n}" for n in rng.integers(0, 500, 4))])


def make_wheel(
    *,
    gold: int = 90,
    dev: int = 12,
    pool: int = 90,
    tags: tuple[str, ...] = ("wo", "qu"),
    **over: Any,
) -> Campaign:
    """A running campaign with gold, a pool and one speaker in each language."""
    rng = np.random.default_rng(0)
    fields: dict[str, Any] = {
        "items_per_round": 28,
        "status": "running",
        "network": "tiny",
        # The gold here is for one look at the whole risk; three looks want more of it.
        "gate_looks": 1,
    } | over
    campaign = make_campaign(languages=tags, **fields)
    for tag in tags:
        make_annotator({"wo": "awa", "qu": "inti"}.get(tag, tag), tag)
        for n in range(gold + dev):
            label = LABELS[n % 3]
            make_gold(campaign, tag, label, "gate" if n < gold else "dev", text=words(label, rng))
        for n in range(pool):
            make_sample(campaign, tag, words(LABELS[n % 3], rng))
    return campaign


class Wheel:
    """Everything that real processes do, in one: the desk, its speakers, the workers."""

    def __init__(self, campaign: Campaign) -> None:
        self.campaign = campaign
        self.desk = FakeLabelingDesk()
        self.done: list[str] = []
        self._swept: list[Any] = []

    def turn(self, *, answering: bool = True, until: Callable[[], bool], most: int = 200) -> None:
        """Tick, work, answer, sweep; again until what is waited for is there."""
        for _ in range(most):
            if until():
                return
            for work in cycle.advance(self.campaign, now=Now()):
                self.work(work)
            if answering:
                self.answer()
            self.sweep()
        raise AssertionError(f"it does not get there: {self.state()}")

    def sweep(self) -> None:
        """Fetch what is new at the desk, as a nudge would have it done; nothing new, nothing."""
        tasks = [task for project in self.desk.projects.values() for task in project.tasks.values()]
        if (now := [task.updated_at for task in tasks]) == self._swept:
            return
        for home in self.campaign.languages.all():
            if home.desk_project_id:
                sweep(home, desk=self.desk, now=Now())
        self._swept = now

    def state(self) -> list[Any]:
        """Where the rounds are."""
        return list(self.campaign.rounds.values_list("number", "status", "note"))

    def work(self, work: Work) -> None:
        """Do one piece of work as its worker would."""
        self.done.append(work.task.rpartition(".")[2])
        self.__getattribute__(f"_{self.done[-1]}")(**work.kwargs)

    def answer(self, *, wrong: int = 10) -> None:
        """Have every open item answered by what its words tell, one in ``wrong`` amiss."""
        open_ = Item.objects.filter(
            campaign_language__campaign=self.campaign, state=Item.State.PUSHED
        ).select_related("sample__language")
        for item in open_.order_by("uid"):
            user = item.sample.language.annotators.get().user
            told = LABELS.index(item.sample.text.split()[0].rstrip("0123456789"))
            if item.pk % wrong == 0:
                told = (told + 1) % len(LABELS)
            assert item.desk_task_id
            self.desk.annotate(item.desk_task_id, user_id=user.desk_user_id, label=LABELS[told])

    def _prepare(self, campaign_id: int) -> None:
        initial_version(Campaign.objects.get(pk=campaign_id))

    def _score_shard(self, shard_id: int) -> None:
        score_shard(shard_id, now=Now)

    def _find_duplicates(self, search_id: int) -> None:
        find_duplicates(search_id, now=Now)

    def _look_closer(self, look_id: int) -> None:
        look_closer(look_id, now=Now)

    def _push(self, campaign_language_id: int) -> None:
        home = CampaignLanguage.objects.get(pk=campaign_language_id)
        push_items(prepare_desk(home, desk=self.desk), desk=self.desk, now=Now())

    def _train(self, run_id: int) -> None:
        runs.train(run_id, now=Now, should_stop=lambda: False)

    def _judge(self, run_id: int) -> None:
        gates.try_to_judge(run_id, now=Now())
