"""Numbers of a large campaign: kept, told with their age, counted anew by one worker at a time."""

from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from annotation.actions import agreement, kept_numbers, people_tables
from annotation.actions.agreement import known_agreement, measure_agreement
from annotation.actions.people_tables import given_by
from annotation.models import Annotation, Annotator, Campaign, KeptNumbers
from tests.make import (
    make_annotator,
    make_campaign,
    make_gold,
    make_item,
    make_language,
    make_sample,
    make_user,
)
from training.actions import counts
from training.actions.counts import (
    SPENT,
    TEXTS,
    claim_counts,
    lately,
    pool_of,
    renew_count,
    spent_in,
    texts_in,
)

pytestmark = pytest.mark.django_db
LATER = timedelta(seconds=61)


@pytest.fixture
def campaign() -> Campaign:
    return make_campaign(languages=("wo", "yo"), slug="moods")


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five rows are many, and three answers."""
    for module in (kept_numbers, counts, people_tables):
        monkeypatch.setattr(module, "MANY_ROWS", 5)
    monkeypatch.setattr(agreement, "MANY_ANSWERS", 3)
    monkeypatch.setattr(kept_numbers, "perf_counter", lambda: 0.0)


@pytest.fixture
def noor() -> Client:
    make_user("noor", staff=True)
    client = Client()
    client.force_login(make_user("noor2", staff=True, is_superuser=True))
    return client


def give(campaign: Campaign, *, times: int, people: int = 1, differ: int = 0) -> None:
    """Let so many people answer so many new texts, all but the first few alike."""
    labels = list(campaign.labels.order_by("position"))
    asked = [Annotator.objects.filter(user__username=f"p{n}").first() for n in range(people)]
    who = [one or make_annotator(f"p{n}") for n, one in enumerate(asked)]
    for number in range(times):
        item = make_item(make_sample(campaign), state="answered")
        for place, person in enumerate(who):
            Annotation.objects.create(
                item=item,
                annotator=person,
                uid=uuid4(),
                state="answered",
                label=labels[(number + (place > 0 and number < differ)) % 2],
                lead_seconds=6.0,
            )


def renew_counts(now: datetime) -> int:
    """What the timetable has workers do."""
    claimed = claim_counts(now)
    for campaign, name in claimed:
        renew_count(campaign, name=name, now=now)
    return len(claimed)


def pool(campaign: Campaign, now: datetime) -> int:
    home = campaign.languages.get(language__tag="wo")
    told = texts_in([campaign], now=now)[home.pk].pool
    assert pool_of(home) == told
    return told


def test_a_small_campaign_is_counted_at_every_look(campaign: Campaign) -> None:
    now = timezone.now()
    for number in range(1, 4):
        make_sample(campaign)
        assert pool(campaign, now) == number
    assert renew_counts(now) == 0
    assert not KeptNumbers.objects.exists()


@pytest.mark.usefixtures("large")
def test_a_large_one_is_counted_anew_when_it_is_time(campaign: Campaign) -> None:
    now = timezone.now()
    for _ in range(5):
        make_sample(campaign)
    assert pool(campaign, now) == 5
    make_sample(campaign)
    assert pool(campaign, now) == 5
    assert renew_counts(now + timedelta(seconds=30)) == 0
    assert renew_counts(now + LATER) == 1
    assert pool(campaign, now) == 6
    assert KeptNumbers.objects.get().taken_at >= now + LATER


@pytest.mark.usefixtures("large")
def test_a_language_that_joined_since_is_counted_at_the_look(campaign: Campaign) -> None:
    now = timezone.now()
    for _ in range(5):
        make_sample(campaign)
    assert pool(campaign, now) == 5
    home = campaign.languages.create(language=make_language("ha"))
    for number in range(3):
        make_sample(campaign, "ha", text=f"sannu {number}")
    make_item(make_sample(campaign, "ha"), state="answered")
    assert texts_in([campaign], now=now)[home.pk] == (4, 3, 1, 1)
    make_sample(campaign, "ha")
    assert texts_in([campaign], now=now)[home.pk] == (4, 3, 1, 1)  # kept as all others are
    renew_counts(now + LATER)
    assert texts_in([campaign], now=now)[home.pk] == (5, 4, 1, 1)
    assert pool(campaign, now) == 5


@pytest.mark.usefixtures("large")
def test_what_takes_long_is_counted_seldomer(campaign: Campaign) -> None:
    now = timezone.now()
    for _ in range(5):
        make_sample(campaign)
    pool(campaign, now)
    KeptNumbers.objects.update(took_s=10.0)
    assert renew_counts(now + timedelta(seconds=499)) == 0
    assert renew_counts(now + timedelta(seconds=501)) == 1


@pytest.mark.usefixtures("large")
def test_two_workers_do_not_count_the_same_and_a_killed_one_is_no_end(campaign: Campaign) -> None:
    now = timezone.now()
    for _ in range(5):
        make_sample(campaign)
    pool(campaign, now)
    KeptNumbers.objects.update(begun_at=now + LATER)
    assert renew_counts(now + LATER) == 0
    assert renew_counts(now + LATER + timedelta(hours=1, seconds=1)) == 1


@pytest.mark.usefixtures("large")
def test_a_campaign_that_is_small_again_is_counted_at_the_look(campaign: Campaign) -> None:
    now = timezone.now()
    for _ in range(5):
        make_sample(campaign)
    pool(campaign, now)
    campaign.samples.first().delete()
    assert renew_counts(now + LATER) == 1
    assert not KeptNumbers.objects.exists()
    assert pool(campaign, now) == 4


@pytest.mark.usefixtures("large")
def test_a_large_file_is_counted_before_anybody_looks(campaign: Campaign) -> None:
    campaign.imports.create(filename="a.csv", rows_kept=5, status="done")
    for _ in range(5):
        make_sample(campaign)
    renew_counts(timezone.now())
    kept = KeptNumbers.objects.filter(value__isnull=False)
    assert list(kept.values_list("name", flat=True)) == [TEXTS]
    # What was found to be little is not counted again within the minute, and at the look it is.
    assert claim_counts(timezone.now()) == []
    give(campaign, times=1)
    home = campaign.languages.get(language__tag="wo")
    assert spent_in([campaign], now=timezone.now())[home.pk].answers == 1


@pytest.mark.usefixtures("large")
def test_answers_are_kept_by_language_and_the_other_campaign_is_not(campaign: Campaign) -> None:
    now = timezone.now()
    small = make_campaign(languages=("wo",), slug="small")
    give(campaign, times=3, people=2)
    give(small, times=1)
    for _ in range(2):
        told = spent_in([campaign, small], now=now)
        wolof, other = campaign.languages.get(language__tag="wo"), small.languages.get()
        assert told == {wolof.pk: (6, 2, 36.0), other.pk: (1, 1, 6.0)}
        give(campaign, times=1)
        Annotation.objects.filter(item__campaign_language=wolof).order_by("-pk").first().delete()
    give(campaign, times=1)
    give(small, times=1)
    told = spent_in([campaign, small], now=now)
    assert (told[wolof.pk].answers, told[other.pk].answers) == (6, 2)
    assert KeptNumbers.objects.get(name=SPENT).campaign == campaign


@pytest.mark.usefixtures("large")
def test_answers_of_people_and_of_the_last_days_are_kept(campaign: Campaign, noor: Client) -> None:
    campaign.imports.create(filename="a.csv", rows_kept=5, status="done")
    give(campaign, times=3, people=2)
    now = timezone.now()
    Annotation.objects.filter(annotator__user__username="p1").update(
        created_at=now - timedelta(days=10)
    )
    renew_counts(now)
    give(campaign, times=1, people=2)
    p0, p1 = (Annotator.objects.get(user__username=name) for name in ("p0", "p1"))
    assert given_by([p0, p1], campaign=campaign) == {p0.pk: 3, p1.pk: 3}
    month = lately(campaign, since=now - timedelta(days=30), days=30)
    assert month == (6, 2, 36.0)
    # Three in a week are few, so these are counted at the look.
    assert lately(campaign, since=now - timedelta(days=7), days=7).answers == 5
    page = noor.get("/campaigns/moods/?days=30").content.decode()
    assert "<dt>Answers</dt><dd>6</dd>" in page
    people = noor.get("/campaigns/moods/people/people.csv")
    told = b"".join(people.streaming_content).decode() if people.status_code == 200 else ""
    assert "p0" in told


@pytest.mark.usefixtures("large")
def test_agreement_that_is_kept_says_what_was_measured(campaign: Campaign) -> None:
    give(campaign, times=40, people=2, differ=7)
    homes = list(campaign.languages.select_related("language"))
    measured = measure_agreement(campaign, homes=homes)
    for _ in range(2):
        known = known_agreement(campaign, homes=homes, now=timezone.now())
        assert known.groups == measured.groups
    assert known.at is not None
    assert known.groups[0].found.raw.value == pytest.approx(33 / 40)
    only = known_agreement(campaign, homes=homes[1:], now=timezone.now())
    assert [group.language.tag for group in only.groups] == ["yo"]


@pytest.mark.usefixtures("large")
def test_pages_say_when_it_was_counted_and_a_small_campaign_says_nothing(
    campaign: Campaign, noor: Client
) -> None:
    addresses = ("/campaigns/moods/", "/campaigns/moods/people/")
    for address in addresses:
        assert "are counted now and then" not in noor.get(address).content.decode()
    give(campaign, times=6, people=2)
    noor.get("/campaigns/")
    for address in addresses:
        noor.get(address)
        page = noor.get(address).content.decode()
        assert "are counted now and then" in page
    listed = noor.get("/campaigns/").content.decode()
    assert "<dd>12</dd>" in listed


@pytest.mark.usefixtures("large")
def test_a_second_look_at_a_large_campaign_counts_nothing(
    campaign: Campaign, noor: Client, django_assert_max_num_queries
) -> None:
    give(campaign, times=6, people=2)
    noor.get("/campaigns/moods/")
    with django_assert_max_num_queries(200) as asked:
        noor.get("/campaigns/moods/")
        noor.get("/campaigns/")
        noor.get("/languages/moods/")
    whole = [one["sql"] for one in asked if "COUNT(" in one["sql"] and "LIMIT" not in one["sql"]]
    big = [sql for sql in whole if 'FROM "annotation_sample"' in sql]
    assert big == []


@pytest.mark.usefixtures("large")
def test_what_took_a_worker_long_is_kept_however_little_it_found(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign.imports.create(filename="a.csv", rows_kept=5, status="done")
    clock = iter(range(1000))
    monkeypatch.setattr(kept_numbers, "perf_counter", lambda: float(next(clock)))
    renew_counts(timezone.now())
    assert KeptNumbers.objects.get(name=SPENT).value == []


@pytest.mark.usefixtures("large")
def test_one_count_that_fails_keeps_none_of_the_others_and_is_tried_within_the_hour(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign.imports.create(filename="a.csv", rows_kept=5, status="done")
    now = timezone.now()
    claimed = claim_counts(now)
    assert {name for _, name in claimed} >= {TEXTS, SPENT}
    assert claim_counts(now + LATER) == []
    renew_count(campaign.pk, name=SPENT, now=now)
    again = claim_counts(now + timedelta(minutes=61))
    assert (campaign.pk, TEXTS) in again


@pytest.mark.usefixtures("large")
def test_a_language_that_came_since_is_not_said_to_have_no_texts(campaign: Campaign) -> None:
    for _ in range(5):
        make_sample(campaign)
    pool(campaign, timezone.now())
    late = campaign.languages.create(language=make_language("ha"))
    make_sample(campaign, "ha")
    assert pool_of(late) == 1


def test_the_queue_counts_what_it_lists_and_not_what_examines_people(
    campaign: Campaign, noor: Client
) -> None:
    for _ in range(3):
        make_item(make_sample(campaign))
    make_item(make_gold(campaign).sample, kind="gold")
    campaign.languages.filter(language__tag="yo").update(active=False)
    make_item(make_sample(campaign, "yo"))
    page = noor.get("/campaigns/moods/queue/").context["page"]
    assert page.paginator.count == len(page.object_list) == 4
    asked = noor.get("/campaigns/moods/queue/?language=wo").context["page"]
    assert asked.paginator.count == len(asked.object_list) == 3
