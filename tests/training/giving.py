"""A group that answers in Wolof, what its answers became, and versions measured on the same gold."""

from typing import Any

from django.utils import timezone

from annotation.models import Annotation, Annotator, Campaign, CampaignLanguage
from learning.models import Deployment, ModelVersion
from tests.make import (
    make_annotator,
    make_campaign,
    make_consent,
    make_gold,
    make_item,
    make_sample,
)
from training.actions.evaluation import gold_of
from training.models import DataSnapshot, Evaluation, LearnedAnswer, TrainingRun


def make_group(*, gold: int = 100, **over: Any) -> tuple[CampaignLanguage, list[Annotator]]:
    """Awa and Ibou, who answer in Wolof, in a campaign that goes on."""
    campaign = make_campaign(**({"languages": ("wo",), "status": "running"} | over))
    people = [make_annotator(name, "wo") for name in ("awa", "ibou")]
    for number in range(gold):
        make_gold(campaign, label=("admin", "accounts")[number % 2])
    return campaign.languages.get(), people


def give(who: Annotator, home: CampaignLanguage, **over: Any) -> Annotation:
    """One answer on a text of its own."""
    sample = make_sample(home.campaign, home.language.tag)
    fields = {
        "item": make_item(sample, state="answered"),
        "annotator": who,
        "desk_annotation_id": sample.pk + 50_000,
        "desk_updated_at": "2026-11-01",
        "state": "answered",
        "lead_seconds": 60.0,
    }
    fields |= over
    if fields["state"] == "answered":
        fields.setdefault("label", home.campaign.labels.get(key="admin"))
        fields.setdefault("answer", {"label": "admin"})
    return Annotation.objects.create(**fields)


def version(campaign: Campaign, *, right: int, measured: int | None = None) -> ModelVersion:
    """A version that serves from now on, right on so many of the first gold items."""
    number = campaign.model_versions.count() + 1
    made = ModelVersion.objects.create(
        campaign=campaign, number=number, digest=f"{number:064d}", network="tiny", path=f"v{number}"
    )
    gold = gold_of(campaign, split="gate")[0]
    said = [t if n < right else (t + 1) % 3 for n, t in enumerate(gold.truth)]
    told = list(zip(gold.samples, said, strict=True))[:measured]
    Evaluation.objects.create(
        version=made,
        language=gold.language,
        gold_digest=f"gold as it was for version {number}",
        items=len(told),
        answers={str(sample): [label, 0.5, 0.5] for sample, label in told},
    )
    deploy(campaign, made)
    return made


def deploy(campaign: Campaign, made: ModelVersion) -> None:
    number = campaign.deployments.count() + 1
    Deployment.objects.create(campaign=campaign, number=number, version=made, kind="promotion")


def learn(answers: list[Annotation], *, base: ModelVersion, candidate: ModelVersion) -> TrainingRun:
    """Have a version come from another by these answers."""
    campaign = base.campaign
    snapshot = DataSnapshot.objects.create(
        campaign=campaign, digest=candidate.digest, samples=1, fresh_samples=1, against=base
    )
    # It was taken while its base served.
    began = base.deployments.latest("number").created_at
    DataSnapshot.objects.filter(pk=snapshot.pk).update(created_at=began)
    LearnedAnswer.objects.bulk_create(
        LearnedAnswer(snapshot=snapshot, annotation=one, revision=one.revision, person="p")
        for one in answers
    )
    return TrainingRun.objects.create(
        campaign=campaign,
        snapshot=snapshot,
        base=base,
        candidate=candidate,
        status="finished",
        seed=1,
        finished_at=timezone.now(),
    )


def allow(who: Annotator, **purposes: bool) -> None:
    """Have somebody agree to more than training."""
    consent = make_consent(who.user)
    for name, given in purposes.items():
        setattr(consent, name, given)
    consent.save()
