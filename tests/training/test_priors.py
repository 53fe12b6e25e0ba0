"""Priors: what the serving version may say about samples that people answered."""

from itertools import count
from typing import Any

import pytest

from annotation.models import Annotation, Campaign, Sample
from learning.models import ModelVersion, Prediction, Temperature
from tests.make import make_annotator, make_campaign, make_item, make_language, make_sample
from training.actions.priors import priors_of
from training.models import DataSnapshot, SnapshotRow, TrainingRun

pytestmark = pytest.mark.django_db
_ids = count(1)


@pytest.fixture
def campaign() -> Campaign:
    return make_campaign()


@pytest.fixture
def version(campaign: Campaign) -> ModelVersion:
    version = ModelVersion.objects.create(
        campaign=campaign, number=1, digest="1", network="starter", path="x"
    )
    Temperature.objects.create(version=version, language=make_language("wo"), value=2.0, gold=40)
    return version


def answered(campaign: Campaign, version: ModelVersion, **over: Any) -> Sample:
    sample = make_sample(campaign, "wo")
    Prediction.objects.create(
        version=version, sample=sample, logits=[2.0, 0.0, 0.0], margin=0.5, label_position=0
    )
    annotator = make_annotator("awa") if not Annotation.objects.exists() else None
    Annotation.objects.create(
        item=make_item(sample),
        annotator=annotator or Annotation.objects.all()[0].annotator,
        desk_annotation_id=next(_ids),
        desk_updated_at="2026-05-01T00:00:00.000000Z",
        label=campaign.labels.all()[0],
        **({"state": "answered"} | over),
    )
    return sample


def priors(version: ModelVersion) -> dict[int, list[float]]:
    return priors_of(version, language=make_language("wo"))


def test_they_are_calibrated_probabilities_of_answered_samples(
    campaign: Campaign, version: ModelVersion
) -> None:
    sample = answered(campaign, version)
    answered(campaign, version, state="skipped")
    (only,) = priors(version).items()
    assert only[0] == sample.pk
    assert only[1] == pytest.approx([0.5761, 0.2119, 0.2119], abs=1e-4)


def test_without_a_temperature_from_gold_the_version_has_no_say(
    campaign: Campaign, version: ModelVersion
) -> None:
    answered(campaign, version)
    Temperature.objects.update(gold=0)
    assert priors(version) == {}


def test_a_version_has_no_say_on_what_it_was_trained_on(
    campaign: Campaign, version: ModelVersion
) -> None:
    learned, new = answered(campaign, version), answered(campaign, version)
    snapshot = DataSnapshot.objects.create(
        campaign=campaign, digest="s", samples=1, fresh_samples=1
    )
    SnapshotRow.objects.create(
        snapshot=snapshot,
        sample=learned,
        target=[1, 0, 0],
        weight=1,
        fresh=True,
        revisions=[],
        aggregator="x",
    )
    TrainingRun.objects.create(
        campaign=campaign, snapshot=snapshot, base=version, candidate=version, seed=1
    )
    assert set(priors(version)) == {new.pk}
