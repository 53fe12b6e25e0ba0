"""Hidden gold and sessions: what somebody was told is hidden from them no more."""

from datetime import timedelta

import pytest

from annotation.actions.sessions import begin_session
from annotation.actions.standings import stand
from annotation.models import WorkedExample
from learning.actions.gold import draw_gold
from learning.actions.rounds import open_round
from learning.actions.versions import initial_version
from learning.models import Round
from tests.annotation.calibrating import NOW, make_home, say
from tests.make import make_annotator, make_gold

pytestmark = pytest.mark.django_db


@pytest.mark.usefixtures("tiny_networks")
def test_hidden_gold_is_drawn_from_what_fewest_were_told() -> None:
    home = make_home(gold=3, gold_share="0.50")
    awa, inti = make_annotator(), make_annotator("inti")
    for who in (awa, inti):
        stand(who, home.campaign, state="supervised", reason="Test.", now=NOW)
    initial_version(home.campaign)
    round_: Round = open_round(home.campaign, now=NOW)
    session = begin_session(awa, home, kind="qualify", now=NOW + timedelta(days=9))
    say(session)
    told = set(session.answers.values_list("gold__sample", flat=True))
    drawn = draw_gold(home, round_=round_, beside=6)
    assert {one.sample_id: one.wanted for one in drawn[:1]} == {drawn[0].sample_id: 2}
    assert drawn[0].sample_id not in told
    assert {one.wanted for one in drawn[1:]} == {1}
    # What all of them were told is hidden from nobody.
    inti.delete()
    assert [one.sample_id for one in draw_gold(home, round_=round_, beside=6)] == [
        drawn[0].sample_id
    ]


@pytest.mark.usefixtures("tiny_networks")
def test_a_worked_example_is_never_hidden_gold() -> None:
    home = make_home(gold=0, gold_share="0.50")
    stand(make_annotator(), home.campaign, state="qualified", reason="Test.", now=NOW)
    initial_version(home.campaign)
    round_ = open_round(home.campaign, now=NOW)
    gold = make_gold(home.campaign, "wo")
    assert len(draw_gold(home, round_=round_, beside=6)) == 1
    WorkedExample.objects.create(campaign_language=home, gold=gold, explanation="See?")
    assert draw_gold(home, round_=round_, beside=6) == []
