"""The doors for workers: each may be called at any time, with nothing to do, and twice."""

from datetime import timedelta

import pytest
from django.utils import timezone

import annotation.tasks
import learning.tasks
import training.tasks
from annotation.actions.reports.intake import Telling, receive
from annotation.models import Report
from learning.models import Trial
from tests.make import make_campaign, make_language

pytestmark = pytest.mark.django_db


def test_the_timetable_takes_reports_and_trials_on_and_may_come_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    campaign = make_campaign(languages=("wo",))
    now = timezone.now()
    receive(campaign, telling=Telling(text="Xam naa ko", tag="wo"), key="k", client="c", now=now)
    lost = now - timedelta(seconds=60)
    trial = Trial.objects.create(
        campaign=campaign, language=make_language("wo"), text="Xam naa ko", asked_at=lost
    )
    given: list[int] = []
    monkeypatch.setattr(
        learning.tasks.answer_trial, "delay", lambda *, trial_id: given.append(trial_id)
    )
    for _ in range(2):
        annotation.tasks.tend_reports()
        annotation.tasks.send_report_letters()
        learning.tasks.tend_trials()
        learning.tasks.reproduce_reports()
        training.tasks.look_at_report_fixes()
        training.tasks.tend_report_fixes()
    assert Report.objects.get().state == "awaiting_triage"
    assert given == [trial.pk]  # and not a second time before it can have been lost again
    learning.tasks.answer_trial(trial_id=trial.pk)
    trial.refresh_from_db()
    assert (trial.state, trial.error) == ("failed", "No model serves here yet.")
