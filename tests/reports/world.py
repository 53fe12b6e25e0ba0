"""The world that random walks of reports go through."""

import uuid
from typing import Any

from django.utils import timezone

from annotation.actions.reports.table import Actor
from annotation.models import Report, ReportEvent, User
from learning.models import Deployment, ModelVersion
from tests.make import make_annotator, make_campaign, make_sample, make_user

By = ReportEvent.By
NOW = timezone.now()


class World:
    """A campaign with two languages, four speakers, a coordinator, a model, and some reports."""

    def __init__(self) -> None:
        slug = f"walk-{uuid.uuid4().hex[:12]}"  # several processes may each make one
        self.campaign = make_campaign(slug=slug, languages=("wo", "qu"), status="running")
        self.now = NOW
        self.made = 0
        self.natives = [
            self._native(f"{name}-{self.campaign.pk}", tag)
            for name, tag in (("awa", "wo"), ("ibou", "wo"), ("inti", "qu"), ("killa", "qu"))
        ]
        self.lead = Actor(By.COORDINATOR, make_user(f"lead-{self.campaign.pk}"))
        self.version = self._version(1)
        self.samples = [make_sample(self.campaign, tag) for tag in ("wo", "qu") for _ in range(12)]
        self.pks: list[int] = []
        self.seen: set[tuple[str, str]] = set()

    def _native(self, name: str, tag: str) -> User:
        make_user(name)
        return make_annotator(name, tag).user

    @classmethod
    def of(cls, campaign: Any) -> "World":
        """The world of a campaign that another process has made."""
        world = cls.__new__(cls)
        world.campaign, world.now, world.made, world.seen = campaign, NOW, 0, set()
        names = ("awa", "ibou", "inti", "killa")
        users = {one.username: one for one in User.objects.all()}
        world.natives = [users[f"{name}-{campaign.pk}"] for name in names]
        world.lead = Actor(By.COORDINATOR, users[f"lead-{campaign.pk}"])
        world.version = campaign.model_versions.order_by("-number")[0]
        world.samples = list(campaign.samples.order_by("pk")[:24])
        world.pks = list(campaign.reports.order_by("pk").values_list("pk", flat=True))
        return world

    def _version(self, number: int) -> ModelVersion:
        version = ModelVersion.objects.create(
            campaign=self.campaign, number=number, digest=f"{number:064d}", network="tiny", path="-"
        )
        Deployment.objects.create(
            campaign=self.campaign, number=number, version=version, kind="promotion"
        )
        return version

    @property
    def reports(self) -> list[Report]:
        return list(Report.objects.filter(pk__in=self.pks).order_by("pk"))

    def pick(self, number: int) -> Report:
        return Report.objects.get(pk=self.pks[number % len(self.pks)])
