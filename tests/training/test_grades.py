"""Grades in order: a version that is off by one is told from one that is off by four."""

import pytest
from django.test import Client

from tests.make import make_gold, make_user
from tests.training.test_gold_calls import TEXTS, make_run
from training.actions.cards import quality_of
from training.actions.evaluation import evaluate
from training.models import Evaluation

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


def test_the_label_that_is_missed_is_told_beside_the_mean(client: Client) -> None:
    campaign, run = make_run(gold=20)
    for text in TEXTS[:20]:
        make_gold(campaign, "wo", "dates", text=f"gate {text}")
    (row,) = (one for one in evaluate(run.base, campaign=campaign) if one.items)
    labels = row.by_label
    assert labels["dates"]["gold"] == 20
    found = sum(told["gold"] * (told["recall"][0] or 0) for told in labels.values())
    assert found == pytest.approx(row.accuracy * row.items)
    # What was measured when only means were kept is told label by label when it is looked at next.
    Evaluation.objects.update(by_label={})
    (again,) = (one for one in evaluate(run.base, campaign=campaign) if one.items)
    assert (again.pk, again.by_label) == (row.pk, labels)
    assert quality_of(run.base)["wo"]["by_label"] == labels
    client.force_login(make_user("lead", staff=True))
    there = f"/campaigns/{campaign.slug}/versions/{run.base.number}/"
    page = client.get(there).content.decode()
    assert "Each label by itself" in page
    lines = b"".join(client.get(f"{there}labels.csv")).decode("utf-8-sig").splitlines()
    assert lines[0].startswith("language,label,name,gold,f1,f1_low,f1_high,precision")
    assert len(lines) == 1 + len(labels)
    assert any(line.startswith("wo,dates,") and ",20," in line for line in lines)
