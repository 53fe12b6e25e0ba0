"""The page of a smaller version: size, speed, every language; and the button that asks for one."""

import pytest
from django.test import Client
from django.urls import reverse

from learning.actions.serving import serving_version
from learning.models import ModelVersion
from tests.make import make_user
from training.models import GateRun, TrainingRun

pytestmark = pytest.mark.django_db

TOLD = {
    "kind": "quantise",
    "bytes_before": 4_000_000,
    "bytes_after": 1_000_000,
    "texts_timed": 200,
    "texts_per_second_before": 20.0,
    "texts_per_second_after": 61.5,
}


@pytest.fixture
def shrunk(campaign) -> GateRun:
    gate = GateRun.objects.filter(run__campaign=campaign).order_by("pk").last()
    assert gate
    TrainingRun.objects.filter(pk=gate.run_id).update(kind="quantise")
    ModelVersion.objects.filter(pk=gate.candidate_id).update(manifest={"compression": TOLD})
    return gate


def test_page_tells_size_speed_and_the_change_in_every_language(noor, campaign, shrunk) -> None:
    page = noor.get(reverse("version_detail", args=[campaign.slug, shrunk.candidate.number]))
    text = page.content.decode()
    assert "What became smaller, and what it cost" in text
    assert "61.5" in text
    assert "0.25" in text or ".25" in text
    for check in shrunk.checks.select_related("language"):
        assert check.language.autonym in text
    other = noor.get(reverse("version_detail", args=[campaign.slug, shrunk.champion.number]))
    assert "What became smaller" not in other.content.decode()


def test_button_opens_one_run_and_says_so(noor, campaign) -> None:
    serving = serving_version(campaign)
    page = reverse("version_detail", args=[campaign.slug, serving.number])
    assert "Make it smaller" in noor.get(page).content.decode()
    ask = reverse("compress", args=[campaign.slug])
    for _ in range(2):
        answer = noor.post(ask, {"kind": "quantise"}, follow=True)
        assert answer.redirect_chain[-1][0] == page
    run = TrainingRun.objects.exclude(kind="update").get()
    assert (run.kind, run.base, run.status) == ("quantise", serving, "queued")
    text = answer.content.decode()
    assert "A worker is at it" in text
    assert reverse("run_detail", args=[campaign.slug, run.pk]) in text
    refused = noor.post(ask, {"kind": "squash"}, follow=True)
    assert "There is no way to compress" in refused.content.decode()


def test_only_staff_may_ask_for_it(client: Client, campaign) -> None:
    client.force_login(make_user("lee"))
    answer = client.post(reverse("compress", args=[campaign.slug]), {"kind": "quantise"})
    assert answer.status_code in (302, 403, 404)
    assert not TrainingRun.objects.exclude(kind="update").exists()
