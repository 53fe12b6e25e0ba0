"""How the demo command ends when something goes wrong."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from annotation.models import Campaign
from config.demo import preparing
from config.demo.preparing import DemoError, choose_languages
from config.management.commands import demo
from learning.models import ModelVersion, Round

pytestmark = pytest.mark.django_db


@pytest.fixture
def nothing_starts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SimpleNamespace:
    """The command with its parts all said to run."""
    layout = SimpleNamespace(var=tmp_path, web_url="", desk_url="")
    stack = SimpleNamespace(
        layout=layout, seconds=0.0, label_studio_url="http://127.0.0.1:9", check=lambda: None
    )

    @contextmanager
    def running(*_: Any, **__: Any) -> Iterator[Any]:
        yield stack

    monkeypatch.setattr(demo, "running_stack", running)
    monkeypatch.setattr(preparing, "ensure_texts", lambda *_, **__: None)
    monkeypatch.setattr(preparing, "ensure_people", lambda *_, **__: None)
    monkeypatch.setattr(demo, "start_campaign", lambda campaign: None)
    return stack


def test_a_round_that_fails_is_an_error_of_the_command(nothing_starts: SimpleNamespace) -> None:
    campaign = preparing.ensure_campaign(("ug", "ky"))
    version = ModelVersion.objects.create(
        campaign=campaign, number=1, digest="1", network="starter", path="x"
    )
    Round.objects.create(
        campaign=campaign,
        version=version,
        number=1,
    )

    def fail() -> None:
        note = "Training failed: out of memory"
        Round.objects.update(status=Round.Status.FAILED, note=note)

    nothing_starts.check = fail
    with pytest.raises(
        CommandError, match="Round 1 failed: Training failed: out of memory"
    ) as told:
        call_command("demo", "--once", "--rounds=1")
    assert told.value.returncode == 1
    assert "worker-default.log" in str(told.value)


@pytest.mark.parametrize("arguments", [["--rounds=0"], ["--languages=15"], ["--languages=-1"]])
def test_numbers_that_make_no_sense_are_refused_before_anything_starts(
    arguments: list[str],
) -> None:
    with pytest.raises(CommandError, match="takes a number from 1"):
        call_command("demo", "--once", *arguments)


def test_a_demo_keeps_the_languages_that_it_began_with() -> None:
    assert choose_languages(3) == ("ug", "hsb", "ky")
    assert len(choose_languages()) >= 12
    preparing.ensure_campaign(choose_languages(3))
    assert choose_languages() == choose_languages(3) == ("ug", "hsb", "ky")
    assert Campaign.objects.get().items_per_round == 3 * preparing.ITEMS_OF_A_LANGUAGE
    with pytest.raises(DemoError, match=r"begun with 3 languages.*reset"):
        choose_languages(4)
