"""Drift: each answer enters its chart once, an alarm is told privately, people decide what follows."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from annotation.actions.concerns import decide_concern, reply_to
from annotation.actions.consensus import refit
from annotation.actions.second_looks import look_again
from annotation.actions.sessions import begin_session, offer_to
from annotation.actions.standings import stand, standing_of
from annotation.actions.watching import homes_to_watch, watch
from annotation.errors import ConflictError, InvalidInputError
from annotation.models import (
    Annotation,
    Annotator,
    CampaignLanguage,
    Concern,
    DriftChart,
    DriftPoint,
    GoldItem,
    Item,
    SecondLook,
    Standing,
    WeeklyCounts,
)
from tests.annotation.calibrating import NOW, answer, ask_gold, go_through, make_home, say
from tests.make import make_annotator, make_item, make_sample, make_user

pytestmark = pytest.mark.django_db
ANSWERED = Item.State.ANSWERED


@pytest.fixture
def home() -> CampaignLanguage:
    return make_home(gold=24)


@pytest.fixture
def awa(home: CampaignLanguage) -> Annotator:
    return make_annotator()


def answer_gold(
    home: CampaignLanguage, who: Annotator, *, right: bool, number: int = 1
) -> list[Annotation]:
    """Answer so many gold items of the daily queue that nobody was asked or shown yet."""
    fresh = GoldItem.objects.filter(
        sample__items=None, session_answers=None, sample__campaign=home.campaign
    )
    given = []
    for gold in list(fresh.select_related("label").order_by("pk")[:number]):
        other = "dates" if gold.label.key != "dates" else "admin"
        key = gold.label.key if right else other
        given.append(answer(ask_gold(home, gold), who, key))
    return given


def alarmed(home: CampaignLanguage, who: Annotator) -> Concern:
    answer_gold(home, who, right=False, number=4)
    watch(home, now=NOW)
    return Concern.objects.get(annotator=who, closed_at=None)


def test_each_answer_to_hidden_gold_counts_once(home: CampaignLanguage, awa: Annotator) -> None:
    answer_gold(home, awa, right=False, number=2)
    assert watch(home, now=NOW).gold == 2
    level = DriftChart.objects.get(kind="gold").level
    assert watch(home, now=NOW).gold == 0
    chart = DriftChart.objects.get(kind="gold")
    assert (chart.level, chart.seen, chart.alarmed) == (level, 2, False)
    answer_gold(home, awa, right=True)
    watch(home, now=NOW)
    assert DriftChart.objects.get(kind="gold").level < level


def test_an_alarm_is_one_private_note_and_changes_no_standing(
    home: CampaignLanguage, awa: Annotator
) -> None:
    stand(awa, home.campaign, state="qualified", reason="Test.", now=NOW)
    answer_gold(home, awa, right=False, number=4)
    assert watch(home, now=NOW).alarms == 1
    assert watch(home, now=NOW).alarms == 0
    concern = Concern.objects.get()
    assert concern.kind == "gold"
    assert sum(times for _, _, times in concern.confusions) == 4
    assert standing_of(awa, home.campaign).state == "qualified"
    assert offer_to(awa, home, now=NOW).kind == "refresh"


def test_a_second_chart_at_its_alarm_writes_no_second_note(
    home: CampaignLanguage, awa: Annotator
) -> None:
    concern = alarmed(home, awa)
    DriftChart.objects.create(
        annotator=awa,
        campaign_language=home,
        kind="surprise",
        limit=12,
        level=13,
        alarmed=True,
        began_at=NOW,
    )
    assert watch(home, now=NOW).alarms == 0
    assert list(Concern.objects.all()) == [concern]
    go_through(awa, home, kind="refresh")
    assert watch(home, now=NOW).alarms == 0


def test_a_refresher_that_goes_well_closes_the_note(home: CampaignLanguage, awa: Annotator) -> None:
    concern = alarmed(home, awa)
    session = go_through(awa, home, kind="refresh")
    assert len(session.plan) == 8
    concern.refresh_from_db()
    assert (concern.outcome, concern.decided_by) == ("well", None)
    assert not DriftChart.objects.filter(ended_at=None).exists()
    answer_gold(home, awa, right=False)
    watch(home, now=NOW)
    assert DriftChart.objects.get(ended_at=None, kind="gold").seen == 1


def test_after_a_poor_refresher_a_person_decides_and_nobody_is_shut_out(
    home: CampaignLanguage, awa: Annotator
) -> None:
    stand(awa, home.campaign, state="qualified", reason="Test.", now=NOW)
    concern, noor = alarmed(home, awa), make_user(staff=True)
    go_through(awa, home, kind="refresh", right=False)
    concern.refresh_from_db()
    assert concern.closed_at is None
    assert standing_of(awa, home.campaign).state == "qualified"
    for _ in range(2):
        decide_concern(concern, outcome="supervised", remark="We spoke.", actor=noor, now=NOW)
    assert standing_of(awa, home.campaign).state == "supervised"
    with pytest.raises(ConflictError, match="decided that already"):
        decide_concern(concern, outcome="well", remark="", actor=noor, now=NOW)


def test_the_database_takes_no_supervision_that_nobody_decided(
    home: CampaignLanguage, awa: Annotator
) -> None:
    concern = alarmed(home, awa)
    with pytest.raises(IntegrityError), transaction.atomic():
        Concern.objects.filter(pk=concern.pk).update(outcome="supervised", closed_at=NOW)


def test_a_person_can_answer_their_note(home: CampaignLanguage, awa: Annotator) -> None:
    concern = alarmed(home, awa)
    with pytest.raises(InvalidInputError):
        reply_to(concern, says="  ", now=NOW)
    for _ in range(2):
        replied = reply_to(concern, says="The texts are of another dialect.", now=NOW)
    assert replied.reply == "The texts are of another dialect."
    later = reply_to(concern, says="And of another time.", now=NOW + timedelta(hours=1))
    assert (later.replied_at, later.read_at) == (NOW + timedelta(hours=1), NOW)


def test_what_was_taken_back_leaves_the_chart_as_if_it_had_never_come(
    home: CampaignLanguage, awa: Annotator
) -> None:
    first, second = answer_gold(home, awa, right=False, number=2)
    watch(home, now=NOW)
    Annotation.objects.filter(pk=first.pk).update(state="withdrawn")
    assert watch(home, now=NOW).removed == 1
    taken = DriftChart.objects.get()
    counted = WeeklyCounts.objects.get().counts
    # The same with somebody who only ever gave the second.
    other = make_home(gold=24)
    gold = second.item.sample.gold
    like = GoldItem.objects.filter(sample__campaign=other.campaign, label__key=gold.label.key)[0]
    answer(ask_gold(other, like), awa, second.label.key if second.label else "")
    watch(other, now=NOW)
    never = DriftChart.objects.get(campaign_language=other)
    assert (taken.level, taken.seen) == (never.level, never.seen) == (taken.level, 1)
    assert counted == WeeklyCounts.objects.get(campaign_language=other).counts


def test_gold_whose_answer_somebody_was_told_is_no_sign_of_anything(
    home: CampaignLanguage, awa: Annotator
) -> None:
    session = begin_session(awa, home, kind="qualify", now=NOW)
    told = say(session)
    item = ask_gold(home, told.gold)
    answer(item, awa, "dates")
    inti = make_annotator("inti")
    answer(item, inti, "dates")
    watch(home, now=NOW)
    assert list(DriftPoint.objects.values_list("chart__annotator", flat=True)) == [inti.pk]


def test_the_same_gold_answered_again_counts_no_second_time(
    home: CampaignLanguage, awa: Annotator
) -> None:
    gold = GoldItem.objects.all()[0]
    answer(ask_gold(home, gold, state=ANSWERED), awa, "dates")
    watch(home, now=NOW)
    answer(ask_gold(home, gold, state=ANSWERED), awa, "dates")
    assert watch(home, now=NOW).gold == 0


def overlap(home: CampaignLanguage, people: list[Annotator], keys: list[str]) -> None:
    item = make_item(make_sample(home.campaign), state=ANSWERED)
    for who, key in zip(people, keys, strict=True):
        answer(item, who, key)


def test_answers_beside_others_surprise_only_who_stands_alone(
    home: CampaignLanguage, awa: Annotator
) -> None:
    inti, sam = make_annotator("inti"), make_annotator("sam")
    people = [awa, inti, sam]
    for number in range(24):
        agreed = ("admin", "accounts", "dates")[number % 3]
        overlap(home, people, [agreed, agreed, agreed])
    refit(home.campaign, language=home.language, now=NOW)
    assert watch(home, now=NOW).surprise == 72
    Annotation.objects.update(created_at=NOW - timedelta(days=8))
    for number in range(12):
        agreed, other = ("admin", "dates")[number % 2], ("dates", "admin")[number % 2]
        overlap(home, people, [other, agreed, agreed])
    refit(home.campaign, language=home.language, now=NOW)
    watch(home, now=NOW)
    assert watch(home, now=NOW).surprise == 0
    levels = dict(
        DriftChart.objects.filter(kind="surprise").values_list("annotator__user__username", "level")
    )
    assert levels["awa"] > 12
    assert max(levels["inti"], levels["sam"]) < 3
    assert Concern.objects.get().annotator == awa


def test_an_answer_waits_until_the_consensus_knows_of_it(
    home: CampaignLanguage, awa: Annotator
) -> None:
    inti = make_annotator("inti")
    overlap(home, [awa, inti], ["dates", "dates"])
    assert watch(home, now=NOW).surprise == 0
    refit(home.campaign, language=home.language, now=NOW)
    assert watch(home, now=NOW).surprise == 2


def test_an_answer_changed_since_waits_for_the_next_refit(
    home: CampaignLanguage, awa: Annotator
) -> None:
    inti = make_annotator("inti")
    overlap(home, [awa, inti], ["dates", "dates"])
    refit(home.campaign, language=home.language, now=NOW)
    changed = Annotation.objects.get(annotator=awa)
    changed.revision, changed.label = 2, home.campaign.labels.get(key="admin")
    changed.save()
    assert watch(home, now=NOW).surprise == 1
    refit(home.campaign, language=home.language, now=NOW)
    assert watch(home, now=NOW).surprise == 1
    assert DriftPoint.objects.get(annotation=changed).said == 0


def test_only_campaigns_that_ask_for_sessions_are_watched(home: CampaignLanguage) -> None:
    make_home(gold=0, calibrate=False)
    make_home(gold=0, status="finished")
    assert homes_to_watch() == [home.pk]


def test_what_a_supervised_person_answered_is_asked_of_one_more_once(
    home: CampaignLanguage, awa: Annotator
) -> None:
    inti = make_annotator("inti")
    for who, state in ((awa, "supervised"), (inti, "qualified")):
        stand(who, home.campaign, state=state, reason="Test.", now=NOW - timedelta(days=900))
    item = make_item(make_sample(home.campaign), state=ANSWERED, desk_task_id=7)
    answer(item, awa, "dates")
    other = make_item(make_sample(home.campaign), state=ANSWERED, desk_task_id=8)
    answer(other, inti, "dates")
    assert look_again(home) == 1
    assert look_again(home) == 0
    item.refresh_from_db()
    assert (item.wanted, item.state) == (2, Item.State.PUSHED)
    assert SecondLook.objects.get().item == item


def test_where_nobody_else_may_answer_nobody_is_asked(
    home: CampaignLanguage, awa: Annotator
) -> None:
    make_annotator("inti")
    stand(awa, home.campaign, state="supervised", reason="Test.", now=NOW - timedelta(days=900))
    item = make_item(make_sample(home.campaign), state=ANSWERED)
    answer(item, awa, "dates")
    assert Standing.objects.count() == 1
    assert look_again(home) == 0


def test_what_was_answered_before_supervision_began_is_left_alone(
    home: CampaignLanguage, awa: Annotator
) -> None:
    inti = make_annotator("inti")
    stand(inti, home.campaign, state="qualified", reason="Test.", now=NOW)
    item = make_item(make_sample(home.campaign), state=ANSWERED)
    given = answer(item, awa, "dates")
    later = given.created_at + timedelta(minutes=1)
    stand(awa, home.campaign, state="supervised", reason="Test.", now=later)
    assert look_again(home) == 0
