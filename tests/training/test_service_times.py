"""How long reports wait, as pages tell it: those that still wait counted in, small numbers not out."""

import math
from datetime import timedelta
from fractions import Fraction

import numpy as np
import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.models import Campaign, Language, PublicDoor, Report, ReportEvent
from tests.make import make_campaign, make_user
from tests.training.pages import text_of
from training.actions.public_pages import set_public
from training.actions.service_times import service_of
from training.methods.waits import median_wait

pytestmark = pytest.mark.django_db
NOW = timezone.now()


@pytest.fixture
def campaign() -> Campaign:
    cache.clear()
    return make_campaign(languages=("wo", "qu", "ha"), slug="told")


def tell(campaign: Campaign, tag: str, *steps: tuple[str, float], severity: int = 2) -> Report:
    """A report with its steps: a state, and how many days ago it came to it."""
    number = Report.objects.count()
    report = Report.objects.create(
        campaign=campaign,
        language=Language.objects.get(tag=tag),
        tag=tag,
        input_text="Baatu-jàll bi",
        digest=str(number),
        key=str(number),
        follow_digest=str(number),
        severity=severity,
        received_at=NOW - timedelta(days=steps[0][1]),
    )
    before, last = "new", ""
    for k, (state, days) in enumerate(steps, 1):
        ReportEvent.objects.create(
            report=report,
            number=k,
            from_state=before,
            to_state=state,
            by="system",
            reason="right" if state.startswith("closed") else "",
            at=NOW - timedelta(days=days),
            previous=last,
            hash=f"{number}-{k}",
        )
        before, last = state, f"{number}-{k}"
    return report


def test_those_that_still_wait_are_counted_in_and_our_questions_are_not(
    campaign: Campaign,
) -> None:
    tell(campaign, "wo", ("received", 10), ("confirmed", 8))
    for _ in range(5):
        # A week of it was the reporter's.
        asked = (("needs_info", 9), ("awaiting_triage", 2), ("confirmed", 1))
        tell(campaign, "wo", ("received", 10), *asked)
    for _ in range(4):
        tell(campaign, "wo", ("received", 10), severity=3)
    tell(campaign, "wo", ("received", 50), ("closed_spam", 1))
    found = service_of([campaign], now=NOW)
    wolof = found[campaign.pk, Language.objects.get(tag="wo").pk]
    assert (wolof.reports, wolof.open, wolof.urgent) == (10, 10, 4)
    assert wolof.decided
    assert wolof.decided.value == pytest.approx(2.0)
    assert (wolof.decided.done, wolof.decided.all) == (6, 10)
    assert wolof.mended
    assert wolof.mended.value is None


def test_a_language_is_slow_only_if_it_was_thirty_days_ago_as_well(campaign: Campaign) -> None:
    for _ in range(20):
        tell(campaign, "wo", ("received", 90), ("closed_not_a_defect", 89))
    for _ in range(6):
        tell(campaign, "qu", ("received", 90), ("closed_not_a_defect", 80))
    for _ in range(6):
        tell(campaign, "ha", ("received", 20), ("closed_not_a_defect", 10))
    found = service_of([campaign], now=NOW)
    slow = {
        tag: found[campaign.pk, Language.objects.get(tag=tag).pk].slow for tag in ("wo", "qu", "ha")
    }
    assert slow == {"wo": False, "qu": True, "ha": False}
    # Whoever looks after them is told, where all languages stand and on Monday.
    noor = Client()
    noor.force_login(make_user("noor", staff=True))
    assert "Reports of 1 language wait for too long" in text_of(noor, "/languages/told/")
    assert "wait much longer than elsewhere: decide them." in text_of(noor, "/campaigns/told/")
    shown = noor.get("/languages/told/all.csv?show=slow").getvalue().decode("utf-8-sig")
    assert [line.split(",")[1] for line in shown.splitlines()[1:]] == ["qu"]


def test_a_language_page_tells_of_reports_and_points_at_nobody(campaign: Campaign) -> None:
    PublicDoor.objects.create(campaign=campaign, open=True)
    set_public(campaign, shown=True, actor=make_user("noor", staff=True), now=NOW)
    for _ in range(6):
        tell(campaign, "wo", ("received", 10), ("confirmed", 8))
    tell(campaign, "qu", ("received", 10))
    told = Client().get("/languages/told/wo/data.json").json()["reports"]
    assert (told["open"], told["median_days"]["decision"]["value"]) == ("6", pytest.approx(2.0))
    assert Client().get("/languages/told/qu/data.json").json()["reports"]["open"] == "< 5"
    page = text_of(Client(), "/languages/told/wo/")
    assert "Days to a decision" in page
    assert "/report/told/" in page
    assert "Baatu" not in page
    csv = Client().get("/languages/told/all.csv").getvalue().decode()
    assert "days_to_decision" in csv.splitlines()[0]


def test_the_interval_of_a_median_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(300):
        waits, until = rng.exponential(10 / np.log(2), 80), rng.uniform(5, 40, 80)
        found = median_wait(np.minimum(waits, until).tolist(), done=(waits <= until).tolist())
        high = float("inf") if found.high is None else found.high
        held += found.low is not None and found.low <= 10 <= high
    assert 0.92 <= held / 300 <= 0.985


def by_hand(waited: list[int], done: list[bool]) -> tuple[float | None, ...]:
    """Kaplan and Meier's median in fractions, Brookmeyer and Crowley's ends from the book."""
    left, greenwood = Fraction(1), 0.0
    median = low = high = None
    for t in sorted({w for w, over in zip(waited, done, strict=True) if over}):
        risk = sum(w >= t for w in waited)
        ends = sum(w == t and over for w, over in zip(waited, done, strict=True))
        left *= 1 - Fraction(ends, risk)
        if median is None and left <= Fraction(1, 2):
            median = float(t)
        if left == 0:
            low = float(t) if low is None else low
            break  # no variance: the upper curve is not known from here on
        greenwood += ends / (risk * (risk - ends))
        # log(-log S) is nearly normal; the median may be wherever that of one half is not refuted.
        z = (math.log(-math.log(left)) - math.log(math.log(2))) * -math.log(left)
        if low is None and z >= -1.959963984540054 * math.sqrt(greenwood):
            low = float(t)
        if high is None and z >= 1.959963984540054 * math.sqrt(greenwood):
            high = float(t)
    return median, low, high


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.integers(1, 25), st.integers(0, 3).map(bool)), min_size=5, max_size=60)
)
def test_a_median_wait_is_what_comes_out_by_hand(told: list[tuple[int, bool]]) -> None:
    waited, done = [w for w, _ in told], [over for _, over in told]
    found = median_wait(waited, done=done)
    if sum(done) < 5:
        assert (found.value, found.low, found.high) == (None, None, None)
        return
    assert (found.value, found.low, found.high) == by_hand(waited, done)
    # What is cut off later than everything that was done tells of nothing but who waits.
    longer = [w if over else w + 100 for w, over in told]
    assert (median_wait(longer, done=done).value or math.inf) >= (found.value or math.inf)
