"""The list of versions: each number with its interval, thousands of them a page at a time; and doors that tell what they did."""

import pytest
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from annotation.methods.charts import Estimate
from annotation.models import Annotation, Campaign
from learning.models import ModelVersion
from tests.make import make_user
from tests.rich import make_rich_campaign
from tests.training.pages import text_of
from training.actions.review import review_of
from training.actions.standings import standings_of
from training.actions.version_rows import version_rows
from training.models import Evaluation, LearnedAnswer, TrainingRun

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign() -> Campaign:
    return make_rich_campaign()


@pytest.fixture
def noor(client: Client) -> Client:
    client.force_login(make_user("noor", staff=True))
    return client


def test_mean_and_worst_language_have_intervals_of_the_gates_gold_alone(
    noor: Client, campaign: Campaign
) -> None:
    version = campaign.model_versions.get(number=5)
    (row,) = version_rows([version])
    of_gate = Evaluation.objects.filter(version=version, split="gate")
    values = {e.language.tag: e for e in of_gate.select_related("language")}
    mean = sum(e.accuracy for e in values.values()) / len(values)
    assert row.mean.value == pytest.approx(mean)
    assert row.mean.low < mean < row.mean.high
    widest = max(e.accuracy_high - e.accuracy_low for e in values.values())
    assert row.mean.high - row.mean.low < widest
    worst = min(values.values(), key=lambda e: e.accuracy)
    assert row.worst == Estimate(worst.accuracy, worst.accuracy_low, worst.accuracy_high)
    assert row.worst_language == worst.language
    one = of_gate.first()
    one.pk, one.split, one.accuracy = None, "dev", 0.01
    one.save()
    assert version_rows([version]) == [row]
    told = text_of(noor, f"/campaigns/{campaign.slug}/versions/")
    assert f"{row.mean.value:.2f} ({row.mean.low:.2f}–{row.mean.high:.2f})" in told
    assert f"{worst.accuracy:.2f} ({worst.accuracy_low:.2f}–{worst.accuracy_high:.2f})" in told
    bare = ModelVersion(campaign=campaign, number=9)
    assert version_rows([bare])[0].mean == Estimate()


def test_pages_of_campaigns_and_runs_never_show_what_was_measured_on_development_gold(
    campaign: Campaign,
) -> None:
    run = TrainingRun.objects.get(campaign=campaign, round__number=4)
    versions = [run.candidate, run.base]
    shown = {"rounds": campaign.rounds.all(), "serving": run.candidate, "now": timezone.now()}
    told = standings_of(campaign, **shown)
    checks = review_of(run).checks
    for one in Evaluation.objects.filter(version__in=versions):
        one.pk, one.split, one.accuracy = None, "dev", 0.99
        one.save()
    assert standings_of(campaign, **shown) == told
    assert review_of(run).checks == checks
    assert all(row.after.value and row.after.value < 0.98 for row in checks)


def test_thousands_of_versions_are_shown_a_page_at_a_time(noor: Client, campaign: Campaign) -> None:
    there = f"/campaigns/{campaign.slug}/versions/"
    with CaptureQueriesContext(connection) as few:
        noor.get(there)
    base = campaign.model_versions.get(number=5)
    ModelVersion.objects.bulk_create(
        ModelVersion(campaign=campaign, number=n, digest=f"{n:064d}", base=base, path="-")
        for n in range(6, 1006)
    )
    with CaptureQueriesContext(connection) as many:
        told = text_of(noor, there)
    assert len(many) <= len(few) + 2
    assert "Page 1 of 21" in told
    assert "Version 1005" in told
    assert len(told) < 60_000
    assert "Version 3</a>" in text_of(noor, there + "?page=21")


def learned(campaign: Campaign) -> Annotation:
    answer = Annotation.objects.filter(item__campaign_language__campaign=campaign).first()
    assert answer
    run = TrainingRun.objects.get(campaign=campaign, candidate__number=5)
    LearnedAnswer.objects.create(snapshot=run.snapshot, annotation=answer, revision=1, person="p-1")
    return answer


def test_a_person_who_cannot_be_made_out_is_not_taken_for_everybody(
    noor: Client, campaign: Campaign
) -> None:
    answer = learned(campaign)
    there = f"/campaigns/{campaign.slug}/texts/{answer.item.sample.uid}/"
    for told in ("", "nobody", "9" * 30, "²"):
        assert noor.post(there, {"annotator": told}).status_code == 404
    answer.refresh_from_db()
    assert (answer.state, answer.item.sample.withdrawn_at) == ("answered", None)


def test_taking_back_says_what_it_did(noor: Client, campaign: Campaign) -> None:
    answer = learned(campaign)
    there = f"/campaigns/{campaign.slug}/texts/{answer.item.sample.uid}/"
    reason = {"annotator": answer.annotator_id, "reason": "At her wish."}
    said = [str(m) for m in get_messages(noor.post(there, reason).wsgi_request)]
    assert said[0].startswith("1 answer is taken back. Learned by these versions")
    assert f"{campaign.title} 5" in said[0]
    assert answer.annotator.withdrawals.get().reason == "At her wish."
    again = noor.post(there, reason, follow=True).content.decode()
    assert "No answer was left to take back." in again
