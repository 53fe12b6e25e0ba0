"""Words of a report in what writes: covered before whoever judges, and gone everywhere once taken back."""

import pytest
from django.apps import apps
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation.actions.reports.following import withdraw
from annotation.actions.retention import forget_what_is_over
from annotation.models import Campaign, PublicDoor, Report
from tests.make import make_annotator, make_campaign
from tests.reports.test_welfare import outside_of_covers
from tests.reports.test_writing import generator, tell
from training.actions.cases import add_written_case
from training.actions.report_collecting import forget_words, keep_case
from training.actions.report_writing import decide
from training.models import RegressionCase, WritingCheck

pytestmark = pytest.mark.django_db
HARD = "yow dof nga de"


@pytest.fixture
def home() -> Campaign:
    found = make_campaign(
        slug="ours", languages=("wo",), labels=tuple("12345"), objective="ratings"
    )
    PublicDoor.objects.create(campaign=found, open=True)
    return found


def reported(home: Campaign, *, predicate: str) -> tuple[Report, RegressionCase, WritingCheck]:
    """A hard report with its case, for which the second generator has written."""
    first, second = generator(home, 1), generator(home, 2)
    report, now = tell(home, HARD, reasons=["insult"]), timezone.now()
    told = [HARD] if predicate == "lacks" else []
    case = add_written_case(home, tag="wo", text=HARD, predicate=predicate, told=told)
    keep_case(report, case=case, own_words=False, by=None, now=now)
    for version in (first, second):
        case.written.create(version=version, texts=[f"{HARD} rekk"], languages=["wo"], at=now)
    check = WritingCheck.objects.create(report=report, version=second, against=first, opened_at=now)
    return report, case, check


def test_no_word_of_a_report_that_was_taken_back_is_left_with_its_case(home: Campaign) -> None:
    report, case, check = reported(home, predicate="lacks")
    assert decide(check, now=timezone.now()).cases == [[case.pk, "", False]]
    # As checks were written that were decided before.
    WritingCheck.objects.filter(pk=check.pk).update(cases=[[case.pk, f"{HARD} rekk", False]])
    user, now = make_annotator("awa", "wo").user, timezone.now()
    case.disputes.create(user=user, number=1, note=f"{HARD} is right", at=now)
    withdraw(report, now=now)
    assert forget_words(now) == 1
    for model in apps.get_app_config("training").get_models():
        assert not [row for row in model.objects.values() if HARD in str(row)], model
    check.refresh_from_db()
    assert check.cases == [[case.pk, "", False]]


def test_what_an_older_release_left_of_a_report_goes_by_itself(home: Campaign) -> None:
    report, case, check = reported(home, predicate="lacks")
    user, now = make_annotator("awa", "wo").user, timezone.now()
    withdraw(report, now=now)
    forget_words(now)
    assert (forget_words(now), forget_what_is_over(now)) == (0, 0)
    WritingCheck.objects.filter(pk=check.pk).update(cases=[[case.pk, f"{HARD} rekk", False]])
    assert forget_words(now) == 1
    case.written.update(texts=[HARD])
    case.versions.update(told=[HARD])
    case.disputes.create(user=user, number=1, note=HARD, at=now)
    assert forget_words(now) == 1
    report.messages.create(kind="answer", text=HARD, at=now)
    report.votes.create(voter=user, verdict="yes", note=HARD, at=now)
    report.reproductions.create(
        version_number=1, version_digest="1", label=HARD, still_wrong=True, at=now
    )
    made = {"made_by": user, "made_at": now, "expires_at": now}
    report.workarounds.create(note=HARD, ended_at=now, **made)
    assert forget_what_is_over(now) == 4
    for app in ("annotation", "training"):
        for model in apps.get_app_config(app).get_models():
            assert not [row for row in model.objects.values() if HARD in str(row)], model


def test_whoever_judges_what_is_written_meets_hard_words_covered(home: Campaign) -> None:
    _report, _case, check = reported(home, predicate="people")
    check.probes.create(source=f"{HARD} kay", old_text=HARD, new_text="b", new_first=True)
    page = Client()
    page.force_login(make_annotator("awa", "wo").user)
    there = reverse("report_writings", args=["ours", "wo"])
    for asks in ("Only the first is right", 'name="grade"'):
        shown = page.get(there).content.decode()
        assert HARD in shown
        assert asks in shown
        assert HARD not in outside_of_covers(shown).replace(f"hidden>{HARD}", "")
        page.post(there, {"probe": check.probes.get().pk, "choice": "first"})
