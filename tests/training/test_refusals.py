"""What a terminal is told when a command cannot do it: one clear line with the way out, no traceback."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from config.env import env
from tests.training.test_runs import make_run
from training.models import TrainingRun

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tiny_networks")]
NUMBERS = ("gate", "promote", "abort_run", "train_run")


def refused(*words: str) -> str:
    with pytest.raises(CommandError) as caught:
        call_command(*words)
    told = str(caught.value)
    assert "\n" not in told.strip()
    return told


def test_in_an_empty_database_every_command_says_what_there_is_not() -> None:
    for words in (
        ("train", "x"),
        ("evaluate", "x", "1"),
        ("compare", "x", "1", "2"),
        ("rollback", "x", "--reason", "r"),
        ("rollback", "x", "--undo"),
        ("export_version", "x", "1", "nowhere"),
        ("set_recipe", "x", "epochs=3"),
        ("compress", "x", "--kind", "prune"),
        ("merge_adapters", "x", "--languages", "wo", "--plain"),
    ):
        assert "no campaign 'x'" in refused(*words), words
    for name in NUMBERS:
        for number in ("1", "9" * 25):
            assert f"no training run {number}" in refused(name, number), name
    assert "choose from 'quantise', 'prune', 'distil'" in refused("compress", "x", "--kind", "zip")
    assert "Name a person" in refused("withdraw")


def test_in_the_midst_of_a_campaign_they_say_what_is_missing_and_what_to_do() -> None:
    run = make_run(rows=6)
    slug = run.campaign.slug
    assert "has no candidate" in refused("gate", str(run.pk))
    assert f"manage.py gate {run.pk}" in refused("promote", str(run.pk))
    assert "before what serves now" in refused("rollback", slug, "--reason", "worse")
    assert "before the first" in refused("rollback", slug, "--undo")
    assert "serves already" in refused("rollback", slug, "v1", "--reason", "worse")
    assert "needs a reason" in refused("rollback", slug, "v1", "--reason", " ")
    assert "same on both sides" in refused("compare", slug, "1", "1")
    assert "It has versions 1 to 1" in refused("compare", slug, "1", "9" * 5000)
    assert "learned nothing yet" in refused("compress", slug, "--kind", "prune")
    assert "Known are: method" in refused("train", slug, "--set", "epoch=1")
    later = timezone.now() + timedelta(seconds=env().lease_seconds)
    TrainingRun.objects.filter(pk=run.pk).update(
        status="running", lease_until=later, started_at=timezone.now()
    )
    assert f"Another worker has run {run.pk}" in refused("train", slug)
