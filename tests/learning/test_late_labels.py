"""Labels that come late, twice, in part, in any order or under another version move no batch."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import transaction

from annotation.actions.desk import prepare_desk
from annotation.actions.intake import sweep
from annotation.actions.queue import push_items
from annotation.models import Annotation, AnnotationRevision, Campaign, CampaignLanguage, Item
from learning.actions.rounds import open_round, select_round
from learning.actions.serving import deploy
from learning.actions.versions import initial_version, register_version
from learning.models import Deployment, QuotaAccount, Round
from tests.fakes import FakeLabelingDesk
from tests.learning.scored import NOW, score
from tests.learning.tiny import TinyNetwork
from tests.make import make_annotator, make_campaign, make_sample

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_networks")]
PEOPLE = {"wo": "awa", "qu": "inti"}
KEYS = ("admin", "accounts", "dates")


class Desk:
    """A desk with two speakers, and whoever asks and sweeps."""

    def __init__(self, campaign: Campaign) -> None:
        self.campaign, self.desk = campaign, FakeLabelingDesk()

    def round(self) -> Round:
        """Open the next round, choose, and push it."""
        Round.objects.update(status="closed")
        chosen = select_round(open_round(self.campaign, now=NOW), now=NOW)
        for home in self.campaign.languages.select_related("language"):
            push_items(prepare_desk(home, desk=self.desk), desk=self.desk, now=NOW)
        return chosen

    def items(self, round_: Round) -> list[Item]:
        chosen = Item.objects.filter(pick__round=round_).order_by("pk")
        return list(chosen.select_related("sample__language"))

    def answer(self, items: list[Item]) -> list[int]:
        """Have each item answered by its language's speaker; return the desk's numbers."""
        told = []
        for item in items:
            item.refresh_from_db()
            user = item.sample.language.annotators.get().user
            label = KEYS[item.sample_id % 3]
            told.append(
                self.desk.annotate(item.desk_task_id, user_id=user.desk_user_id, label=label)
            )
        return told

    def sweep(self) -> None:
        for home in self.campaign.languages.all():
            sweep(home, desk=self.desk, now=NOW)

    def promote(self, folder: Any) -> None:
        """Let another version serve, and score the pool with it."""
        network = TinyNetwork(KEYS, seed=9)
        folder.mkdir(exist_ok=True)
        network.save(folder)
        version = register_version(
            self.campaign, folder=folder, network="tiny", base=None, manifest={"labels": KEYS}
        )
        deploy(self.campaign, version=version, kind=Deployment.Kind.PROMOTION, reason="Better.")
        score(version)


def orderly(desk: Desk, folder: Any) -> None:
    """Every answer comes home before the next round opens."""
    for number in range(3):
        desk.answer(desk.items(desk.round()))
        desk.sweep()
        if number == 1:
            desk.promote(folder)


def messy(desk: Desk, folder: Any) -> None:
    """Half of them backwards, the others rounds later, under another version, and twice."""
    late: list[Item] = []
    for number in range(3):
        items = desk.items(desk.round())
        desk.answer(items[::-2])
        desk.sweep()
        late += items[::-1][1::2]
        if number == 1:
            desk.promote(folder)
    numbers = desk.answer(late)
    for _ in range(2):
        desk.sweep()
        # Told once more from the beginning, and one of them touched without being changed.
        CampaignLanguage.objects.update(swept_until="")
        Item.objects.filter(pk=late[0].pk).update(state="pushed")
        desk.desk.edit(numbers[0], label=KEYS[late[0].sample_id % 3])
    desk.sweep()


@contextmanager
def undone() -> Iterator[None]:
    """Take back whatever is written meanwhile."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def test_next_batch_is_that_of_an_uninterrupted_run(tmp_path: Any) -> None:
    campaign = make_campaign(items_per_round=10, floor_per_language=2, languages=("wo", "qu"))
    for tag, name in PEOPLE.items():
        make_annotator(name, tag)
        for number in range(36):
            make_sample(campaign, tag, text=f"{tag} text {number % 33}")
    score(initial_version(campaign))
    told: list[Any] = []
    stories: tuple[Callable[[Desk, Any], None], ...] = (orderly, messy)
    for story in stories:
        with undone():
            desk = Desk(campaign)
            story(desk, tmp_path / "other")
            last = desk.round()
            asked = list(Item.objects.values_list("sample__language", "sample__digest"))
            assert len(asked) == len(set(asked)) == 40
            answers = Annotation.objects.answered().values_list("item__sample", "label__key")
            assert len(answers) == 30
            assert all(key == KEYS[sample % 3] for sample, key in answers)
            accounts = QuotaAccount.objects.order_by("campaign_language")
            ledger = list(accounts.values_list("debt", "owed", "audit_carry"))
            assert all(abs(debt) < 1 for debt, *_ in ledger)
            picks = last.picks.order_by("item__sample")
            batch = picks.values_list("item__sample", "slot", "rank", "propensity", "rationale")
            told.append((last.request_digest, ledger, list(batch), sorted(answers)))
            assert AnnotationRevision.objects.count() >= 30
    assert told[0] == told[1]
