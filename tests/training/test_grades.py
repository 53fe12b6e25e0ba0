"""Grades in order: a version that is off by one is told from one that is off by four."""

import pytest
from django.test import Client

from tests.make import make_gold, make_user
from tests.training.test_gold_calls import TEXTS, make_run
from training.actions.cards import quality_of
from training.actions.evaluation import evaluate

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_networks")]


@pytest.mark.parametrize(("kind", "graded"), [("grades", True), ("classes", False)])
def test_a_version_of_graded_texts_shows_how_far_off_it_is(
    client: Client, kind: str, graded: bool
) -> None:
    campaign, run = make_run(gold=20)
    campaign.objective = kind
    campaign.save()
    for text in TEXTS[:20]:
        make_gold(campaign, "wo", "dates", text=f"gate {text}")
    evaluate(run.base, campaign=campaign)
    kappa, low, high = quality_of(run.base)["wo"]["kappa"]
    assert (kappa is not None) == graded
    if graded:
        assert -1 <= low <= kappa <= high <= 1
    client.force_login(make_user("lead", staff=True))
    page = client.get(f"/campaigns/{campaign.slug}/versions/{run.base.number}/").content.decode()
    assert ("Weighted kappa" in page) == graded
