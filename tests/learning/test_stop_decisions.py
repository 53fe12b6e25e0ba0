"""Decisions about stopping as they are written: once, replayable, taken back, advice by default."""

from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, transaction

from annotation.models import CampaignLanguage, GoldItem, Item, Sample
from learning.actions.outlook import keep_open
from learning.actions.pools import active_languages, preview_quota
from learning.actions.stop_sets import stop_set
from learning.actions.stopping import (
    Outcomes,
    decide_stops,
    policy_of,
    replayed,
    versions_compared,
)
from learning.models import ModelVersion, Round, StopDecision, StopReading
from tests.make import make_campaign, make_item, make_user

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
STOP_SET = 120


class Story:
    """A campaign whose rounds are told by hand: who agreed with whom, and who was right."""

    def __init__(self, **over) -> None:
        self.campaign = make_campaign(languages=("wo", "qu"), **over)
        self.homes = {
            home.language.tag: home for home in self.campaign.languages.select_related("language")
        }
        self.samples = {tag: [s.pk for s in self.texts(tag, STOP_SET)] for tag in self.homes}
        self.gold = {tag: self._gold(tag) for tag in self.homes}
        self.right: dict[str, dict[int, dict[int, bool]]] = {tag: {} for tag in self.homes}
        self.version = self._version(dict.fromkeys(self.homes, 0))

    def texts(self, tag: str, count: int) -> list[Sample]:
        home = self.homes[tag]
        return Sample.objects.bulk_create(
            Sample(campaign=self.campaign, language=home.language, text=str(n), digest=str(n))
            for n in range(count)
        )

    def _gold(self, tag: str) -> list[int]:
        labels = list(self.campaign.labels.order_by("position"))
        texts = self.texts(tag, 600)
        GoldItem.objects.bulk_create(
            GoldItem(sample=sample, label=labels[n % 3]) for n, sample in enumerate(texts)
        )
        return [sample.pk for sample in texts]

    def _version(self, moved: dict[str, int], *, wrong: dict[str, int] | None = None):
        number = self.campaign.model_versions.count() + 1
        version = ModelVersion.objects.create(
            campaign=self.campaign, number=number, digest=f"{number:064d}", network="tiny", path="."
        )
        for tag, home in self.homes.items():
            said = {
                str(pk): (n + (number if n < moved[tag] else 0)) % 3
                for n, pk in enumerate(self.samples[tag])
            }
            StopReading.objects.create(version=version, language=home.language, answers=said)
            errors = (wrong or {}).get(tag, 60)
            self.right[tag][version.pk] = {pk: n >= errors for n, pk in enumerate(self.gold[tag])}
        return version

    def round(self, *, answered: int = 400, moved=None, wrong=None) -> dict[str, StopDecision]:
        """Close one more round and return what it says of each language."""
        before = self.version
        number = self.campaign.rounds.count() + 1
        round_ = Round.objects.create(
            campaign=self.campaign, number=number, version=before, status="closed", opened_at=NOW
        )
        for tag, home in self.homes.items():
            Item.objects.bulk_create(
                Item(campaign_language=home, sample=sample, kind="acquisition", state="answered")
                for sample in self.texts(tag, answered)
            )
        none = dict.fromkeys(self.homes, 0)
        self.version = self._version(none | (moved or {}), wrong=wrong)
        return self.decide(round_)

    def decide(self, round_: Round) -> dict[str, StopDecision]:
        outcomes = {
            home.language_id: Outcomes(
                self.right[tag],
                {version: dict.fromkeys(right, 0) for version, right in self.right[tag].items()},
            )
            for tag, home in self.homes.items()
        }
        said = decide_stops(round_, candidate=self.version, outcomes=outcomes)
        return {row.campaign_language.language.tag: row for row in said}


def until_stopped(story: Story, *, answered: int = 400) -> dict[str, StopDecision]:
    for _ in range(3):
        said = story.round(answered=answered)
    return said


def test_settled_language_may_stop_and_one_that_still_changes_goes_on() -> None:
    story = Story()
    for number in range(3):
        said = story.round(moved={"qu": 30})
        assert said["wo"].verdict == ("stop" if number == 2 else "go_on"), said["wo"].guards
    assert (said["wo"].cause, said["qu"].cause) == ("learned", "")
    assert [g["name"] for g in said["qu"].guards if not g["holds"]] == ["agreement"]
    assert said["wo"].labels == 1200
    assert said["wo"].gain_low == 0 <= said["wo"].gain <= said["wo"].gain_high < 0.01
    assert said["wo"].facts["f_bound"] == 0.0


def test_asked_twice_it_is_said_once_and_replayed_it_is_the_same() -> None:
    story = Story()
    said = until_stopped(story)
    again = story.decide(said["wo"].round)
    assert {row.pk for row in again.values()} == {row.pk for row in said.values()}
    assert StopDecision.objects.count() == 6
    for home in story.homes.values():
        rows = home.stop_decisions.order_by("round__number")
        told = replayed(home, policy=policy_of(story.campaign))
        assert [d.verdict for d in told] == [row.verdict for row in rows]
        assert [g.holds for g in told[-1].guards] == [g["holds"] for g in rows.last().guards]


def test_it_is_advice_until_the_campaign_stops_by_itself() -> None:
    story = Story()
    until_stopped(story)
    assert [home.language.tag for home in active_languages(story.campaign)] == ["qu", "wo"]
    story.campaign.stop_automatically = True
    story.campaign.save()
    assert active_languages(story.campaign) == []

    keep_open(story.homes["wo"], by=make_user())
    assert [home.language.tag for home in active_languages(story.campaign)] == ["wo"]
    assert [row.tag for row in preview_quota(story.campaign)] == ["wo"]
    assert story.round()["wo"].kept_open  # it holds for later rounds
    assert keep_open(story.homes["wo"], by=None, kept=False).kept_open_by is None
    assert active_languages(story.campaign) == []


def test_language_that_falls_is_asked_again() -> None:
    story = Story(stop_automatically=True)
    until_stopped(story)
    assert active_languages(story.campaign) == []
    said = story.round(answered=0, wrong={"qu": 150})
    assert (said["wo"].verdict, said["qu"].verdict) == ("stop", "go_on")
    assert [g["name"] for g in said["qu"].guards if not g["holds"]] == ["drift"]
    assert [home.language.tag for home in active_languages(story.campaign)] == ["qu"]


def test_budget_stops_and_raising_it_opens_at_once() -> None:
    story = Story(most_labels_per_language=5, stop_automatically=True)
    said = story.round(answered=5, moved={"wo": 60, "qu": 60})
    assert {row.cause for row in said.values()} == {"budget"}
    assert active_languages(story.campaign) == []
    story.campaign.most_labels_per_language = 6
    assert len(active_languages(story.campaign)) == 2


def test_rising_curve_goes_on_and_says_what_a_hundred_labels_would_buy() -> None:
    story = Story()
    for errors in (120, 90, 60):
        said = story.round(answered=100, wrong={"wo": errors, "qu": 60})
    assert said["wo"].verdict == "go_on"
    assert said["wo"].gain == pytest.approx(0.05)
    assert 0.02 < said["wo"].gain_low < said["wo"].gain_high < 0.08
    assert "gain" in [g["name"] for g in said["wo"].guards if not g["holds"]]


def test_without_gold_or_readings_nothing_stops() -> None:
    story = Story()
    StopReading.objects.all().delete()
    for _ in range(3):
        said = story.round()
        StopReading.objects.all().delete()
    assert {row.verdict for row in said.values()} == {"go_on"}
    story.right = {tag: {} for tag in story.homes}
    round_ = Round.objects.create(campaign=story.campaign, number=9, version=story.version)
    told = story.decide(round_)["wo"]
    assert (told.verdict, told.gain, told.facts["quality"]) == ("go_on", None, None)


def test_only_a_few_versions_have_to_be_remembered() -> None:
    story = Story()
    for _ in range(5):
        story.round(answered=3)
    newest = list(story.campaign.model_versions.order_by("-number").values_list("pk", flat=True))
    assert versions_compared(story.campaign) == set(newest[:3])


def test_stop_set_stays_but_for_what_was_asked() -> None:
    story = Story()
    home = story.homes["wo"]
    first = list(stop_set(home))
    assert len(first) == STOP_SET
    assert first == sorted(first, key=lambda sample: sample.uid.hex)
    make_item(first[7])
    assert list(stop_set(home)) == first[:7] + first[8:]


def test_stop_without_a_cause_cannot_be_written() -> None:
    story = Story()
    row = story.round(answered=1)["wo"]
    row.verdict = "stop"
    with pytest.raises(IntegrityError), transaction.atomic():
        row.save()
    assert CampaignLanguage.objects.count() == 2
