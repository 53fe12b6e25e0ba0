"""Reports walked at random: whatever anybody tries, in any order, the invariants hold."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotation.actions.reports import timers
from annotation.actions.reports.table import RULES
from annotation.models import ReportState
from annotation.models.reports import OPEN
from tests.reports.walks import DEEDS, stroll
from tests.reports.world import World

pytestmark = pytest.mark.django_db
DEED = st.tuples(st.integers(0, len(DEEDS) - 1), st.integers(0, 100_000))


def test_every_open_state_has_a_timer_and_every_state_can_be_taken_back() -> None:
    assert set(timers._TIMERS) == set(OPEN)
    there = set(ReportState) - {ReportState.NEW, ReportState.WITHDRAWN}
    assert {start for start, to in RULES if to == ReportState.WITHDRAWN} == there


@pytest.fixture
def world(db: None) -> World:
    return World()


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(deeds=st.lists(DEED, min_size=8, max_size=14))
def test_whatever_is_tried_the_invariants_hold(world: World, deeds: list[tuple[int, int]]) -> None:
    stroll(world, deeds)
