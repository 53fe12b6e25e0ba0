"""Agreement on the people page: whose answers count, and when nothing is shown."""

from datetime import UTC, datetime

import pytest
from django.test import Client

from annotation.actions.agreement import Group, measure_agreement
from annotation.models import Annotation, Annotator, Campaign
from tests.make import make_annotator, make_campaign, make_item, make_sample, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign() -> Campaign:
    return make_campaign(languages=("wo",), slug="moods")


@pytest.fixture
def pair() -> list[Annotator]:
    return [make_annotator("awa"), make_annotator("fatou")]


def give(
    campaign: Campaign,
    pair: list[Annotator],
    *,
    times: int,
    differ: int = 0,
    version: int = 1,
    day: int = 16,
) -> None:
    """Let the pair answer so many new samples, the first few differently."""
    labels = list(campaign.labels.order_by("position"))
    came = datetime(2026, 11, day, 12, tzinfo=UTC)
    for number in range(times):
        item = make_item(make_sample(campaign), state="answered")
        for place, person in enumerate(pair):
            answer(item, person, labels[(number + (place and number < differ)) % 2], version, came)


def answer(item, person, label, version=1, came=None, **over) -> Annotation:  # type: ignore[no-untyped-def]
    made = Annotation.objects.create(
        item=item,
        annotator=person,
        desk_annotation_id=Annotation.objects.count() + 1,
        **({"state": "answered"} | over),
        label=label,
        desk_updated_at=f"2026-11-{Annotation.objects.count():06d}",
        guideline_version=version,
    )
    if came:
        Annotation.objects.filter(pk=made.pk).update(created_at=came)
    return made


def only(campaign: Campaign) -> Group:
    homes = campaign.languages.select_related("language")
    return measure_agreement(campaign, homes=homes).groups[0]


def test_agreement_is_measured_by_language_guideline_and_week(
    campaign: Campaign, pair: list[Annotator]
) -> None:
    give(campaign, pair, times=40, version=1, day=2)
    give(campaign, pair, times=30, differ=9, version=2, day=16)
    give(campaign, pair, times=5, version=3, day=18)
    found = only(campaign)
    assert found.found.double == 75
    assert found.found.raw.value == pytest.approx(66 / 75)
    assert [(part.name, part.found.raw.value) for part in found.guidelines] == [
        ("2", pytest.approx(0.7)),
        ("1", 1.0),
    ]
    assert [(part.name, part.found.double) for part in found.weeks] == [
        ("2026-W47", 35),
        ("2026-W45", 40),
    ]
    assert only(campaign) == found


def test_a_persons_newest_answer_counts_and_skipped_ones_are_told_apart(
    campaign: Campaign, pair: list[Annotator]
) -> None:
    give(campaign, pair, times=30, differ=1)
    first = Annotation.objects.order_by("pk").first()
    other = Annotation.objects.order_by("pk")[1]
    again = make_item(first.item.sample, kind="repeat", state="answered")
    answer(again, first.annotator, other.label)
    answer(make_item(make_sample(campaign)), pair[0], None, state="skipped")
    found = only(campaign)
    assert (found.found.raw.value, found.found.double, found.skipped) == (1.0, 30, 1)


def test_people_who_left_do_not_count(campaign: Campaign, pair: list[Annotator]) -> None:
    give(campaign, pair, times=30)
    Annotator.objects.filter(pk=pair[0].pk).update(active=False)
    assert not only(campaign).found.enough
    assert only(campaign).found.double == 0


def test_the_page_shows_agreement_or_says_that_it_is_not_enough(
    client: Client, campaign: Campaign, pair: list[Annotator]
) -> None:
    client.force_login(make_user("noor", staff=True))
    give(campaign, pair, times=29, differ=3)
    page = client.get("/campaigns/moods/people/").content.decode()
    assert page.count("not enough") == 3
    give(campaign, pair, times=1)
    page = client.get("/campaigns/moods/people/").content.decode()
    assert "not enough" not in page
    assert "0.90 (0.80–1.00)" in page
    assert "2026-W47" in page


def test_one_class_alone_has_no_alpha(
    client: Client, campaign: Campaign, pair: list[Annotator]
) -> None:
    client.force_login(make_user("noor", staff=True))
    give(campaign, pair, times=30)
    Annotation.objects.update(label=campaign.labels.first())
    page = client.get("/campaigns/moods/people/").content.decode()
    assert "undefined: one class only" in page
