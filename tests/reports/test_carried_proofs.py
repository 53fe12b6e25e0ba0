"""A generator's proof is carried on to what came from it, or people check anew."""

import pytest
from django.db import transaction
from django.utils import timezone

from annotation.models import Campaign, ReportState, User
from learning.models import GeneratorVersion
from tests.reports.test_writing import (
    Pens,
    generator,
    home,
    in_the_loop,
    judged_by,
    passed,
    pens,
    speakers,
    taught,
    tended,
)
from training.actions.generator_promotion import promote_generator
from training.actions.written_cases import put_cases, rate, to_rate
from training.models import GeneratorLesson, WritingCheck, WrittenAnswer

__all__ = ["home", "pens"]
pytestmark = pytest.mark.django_db
State = ReportState


def serves(home: Campaign, later: GeneratorVersion, *, users: list[User], base: int) -> None:
    """A generator that came from another is let serve, once its cases are written and rated."""
    GeneratorVersion.objects.filter(pk=later.pk).update(base=home.generators.get(number=base))
    comparison = passed(home, later)
    put_cases(later, now=timezone.now())
    for user in users:
        for case, text in to_rate(home, language=home.languages.get().language, user=user):
            rate(case, text=text, user=user, grade=5, now=timezone.now())
    promote_generator(comparison)


def test_a_proof_is_carried_on_to_what_came_from_the_generator_that_was_proven(
    home: Campaign, pens: Pens
) -> None:
    """A later one serves before the proven one did: it is proven by what it writes, or anew."""
    users = speakers("binta", "coumba", "demba")
    generator(home, 1)
    report = in_the_loop(home)
    passed(home, taught(home, report))
    assert tended(report) == State.VERIFYING
    for user in users[:2]:
        judged_by(user, WritingCheck.objects.get())
    assert tended(report) == State.FIX_PENDING_RELEASE
    last, later = WritingCheck.objects.order_by("pk").last, generator(home, 3)
    before = transaction.savepoint()
    pens.of[3] = pens.of[2]
    serves(home, later, users=users[:2], base=2)
    assert tended(report) == State.RELEASED
    assert (last().version, last().state) == (later, "passed")
    # It writes otherwise: people check it as they did the other.
    transaction.savepoint_rollback(before)
    pens.of[3] = lambda s, n: f"{pens.of[2](s, n)} kay"
    serves(home, later, users=users[:2], base=2)
    before = transaction.savepoint()
    assert tended(report) == State.VERIFYING
    assert (last().version, last().state) == (later, "judging")
    for user in users[:2]:
        judged_by(user, last(), times=1)
    assert tended(report) == State.RELEASED
    # What it writes for the case is wrong: the fix is lost, and looked for anew.
    transaction.savepoint_rollback(before)
    WrittenAnswer.objects.filter(version=later).update(texts=["Xamuma ko"] * 3)
    assert tended(report) == State.COLLECTING
    assert report.log.filter(to_state=State.TRAINING, reason="red_again").exists()


def test_a_sibling_that_serves_is_compared_once_and_holds_nothing_up(
    home: Campaign, pens: Pens
) -> None:
    """A later one that did not come from the proven one writes otherwise: the report has a way on."""
    users = speakers("binta", "coumba", "demba")
    generator(home, 1)
    report = in_the_loop(home)
    proven = passed(home, taught(home, report)).candidate
    tended(report)
    for user in users[:2]:
        judged_by(user, WritingCheck.objects.get())
    assert tended(report) == State.FIX_PENDING_RELEASE
    asked: list[str] = []

    def otherwise(source: str, seed: int | None) -> str:
        asked.append(source)
        return f"{pens.of[2](source, seed)} kay"

    pens.of[3] = otherwise
    sibling = generator(home, 3)
    serves(home, sibling, users=users[:2], base=1)
    assert tended(report) == State.TRAINING
    asked.clear()
    assert (tended(report), asked) == (State.TRAINING, [])
    # What was proven serves after all.
    before = transaction.savepoint()
    promote_generator(passed(home, proven, over=3))
    tended(report)
    assert tended(report) == State.RELEASED
    # Or the sibling had learned the same: people check it as they did the other.
    transaction.savepoint_rollback(before)
    for lesson in proven.lessons.all():
        GeneratorLesson.objects.create(
            version=sibling, annotation=lesson.annotation, revision=1, person="p"
        )
    assert tended(report) == State.VERIFYING
    check = WritingCheck.objects.get(version=sibling)
    for user in users[:2]:
        judged_by(user, check, times=1)
    assert tended(report) == State.RELEASED
