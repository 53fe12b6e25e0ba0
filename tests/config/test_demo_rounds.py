"""The demo prepared, watched and told: asked twice nothing doubles, and trouble is named."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from annotation.actions.imports import run_import
from annotation.models import Annotator, Campaign, GoldItem, SampleImport, User
from annotation.tasks import run_import as run_import_task
from config.demo import preparing
from config.demo.material import LANGUAGES, read_texts
from config.demo.preparing import DemoError, everybody, password_of
from config.demo.report import outcome_of, render
from config.demo.rounds import Crews, Moment, languages_with_work, look, run_rounds
from learning.models import Deployment, ModelVersion, Round
from tests.fakes import FakeLabelingDesk
from tests.make import make_campaign, make_gold, make_item, make_sample, make_user
from training.models import Evaluation

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 5, 1, tzinfo=UTC)


def nothing() -> None:
    """A check that finds everything well."""


def test_the_campaign_is_made_once_with_all_its_languages() -> None:
    campaign = preparing.ensure_campaign()
    assert preparing.ensure_campaign() == campaign
    languages = [home.language for home in campaign.languages.select_related("language")]
    assert {language.tag for language in languages} == set(LANGUAGES)
    assert len({language.script for language in languages}) >= 5
    assert [language.tag for language in languages if language.direction == "rtl"] == ["ug"]
    assert all(home.guidelines.exists() for home in campaign.languages.all())


def test_the_texts_come_in_once_through_a_worker(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.MEDIA_ROOT = tmp_path / "uploads"
    asked = []

    def worker(*, import_id: int) -> None:
        asked.append(import_id)
        run_import(import_id, now=lambda: NOW)

    monkeypatch.setattr(run_import_task, "delay", worker)
    campaign = preparing.ensure_campaign()
    texts = read_texts(LANGUAGES[-3:])
    for _ in range(2):
        preparing.ensure_texts(campaign, texts=texts, folder=tmp_path / "demo", check=nothing)
    assert len(asked) == 1
    assert campaign.samples.count() == len(texts)
    gold = GoldItem.objects.filter(sample__campaign=campaign)
    assert gold.count() == sum(bool(text.part) for text in texts)
    assert {sample.source.licence for sample in campaign.samples.all()[:5] if sample.source} == {
        "BSD-3-Clause"
    }


def test_an_import_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign = make_campaign()

    def worker(*, import_id: int) -> None:
        SampleImport.objects.filter(pk=import_id).update(status="failed", error="Disk full.")

    monkeypatch.setattr(run_import_task, "delay", worker)
    SampleImport.objects.create(campaign=campaign, filename="a", path="a", format="jsonl")
    with pytest.raises(DemoError, match="Disk full"):
        preparing.ensure_texts(campaign, texts=[], folder=tmp_path, check=nothing)


@pytest.mark.django_db(transaction=True)
def test_people_sign_up_once_and_the_admin_may_answer_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(preparing, "SIGN_UPS_AT_ONCE", 1)
    desk = FakeLabelingDesk()
    make_user("admin", staff=True)
    preparing.ensure_campaign()
    for _ in range(2):
        preparing.ensure_people(open_desk=lambda: desk, secret="s", check=nothing)  # noqa: S106
    simulated = Annotator.objects.filter(kind=Annotator.Kind.SIMULATED)
    assert simulated.count() == len(everybody())
    assert Annotator.objects.filter(user__username="admin").count() == len(LANGUAGES)
    assert User.objects.get(username="admin").desk_user_id == 1
    assert len(desk.accounts) == len(everybody()) + 1


def test_passwords_are_this_installations_own() -> None:
    one, other = (password_of("sim", secret=secret) for secret in ("a", "b"))
    assert one != other
    assert one == password_of("sim", secret="a")  # noqa: S106 - not one
    assert len(one) >= 20


class StillCrews(Crews):
    """Crews in which nobody does anything."""

    def __init__(self) -> None:
        super().__init__(gather=lambda home: pytest.fail("nobody is wanted"))


def make_version(campaign: Campaign, number: int = 1) -> ModelVersion:
    return ModelVersion.objects.create(
        campaign=campaign, number=number, digest=str(number), network="starter", path="x"
    )


def make_round(campaign: Campaign, **over: Any) -> Round:
    version = campaign.model_versions.first() or make_version(campaign)
    return Round.objects.create(campaign=campaign, version=version, **({"number": 1} | over))


def watch(campaign: Campaign, *, show: Callable[[Moment], None] | None = None) -> Moment:
    return run_rounds(
        campaign,
        wanted=1,
        crews=StillCrews(),
        check=nothing,
        show=show or (lambda moment: None),
        patience_s=0.5,
    )


def test_a_run_ends_when_the_rounds_are_closed() -> None:
    campaign = make_campaign()
    make_round(campaign, status=Round.Status.CLOSED)
    assert watch(campaign).closed == 1


def test_every_step_is_shown() -> None:
    campaign = make_campaign()
    number = make_round(campaign, status=Round.Status.COLLECTING).pk
    seen: list[Moment] = []

    def show(moment: Moment) -> None:
        seen.append(moment)
        following = (Round.Status.TRAINING, Round.Status.JUDGING, Round.Status.CLOSED)
        Round.objects.filter(pk=number).update(status=following[len(seen) - 1])

    assert watch(campaign, show=show).closed == 1
    assert [moment.step for moment in seen] == ["collecting answers", "training", "judging"]


def test_a_round_that_fails_ends_the_demo_with_its_reason() -> None:
    campaign = make_campaign()
    make_round(campaign, status=Round.Status.TRAINING)

    def fail(_: Moment) -> None:
        note = "Training failed: out of memory"
        Round.objects.update(status=Round.Status.FAILED, note=note)

    with pytest.raises(DemoError, match="Round 1 failed: Training failed: out of memory"):
        watch(campaign, show=fail)


def test_a_round_that_failed_in_an_earlier_run_is_history() -> None:
    campaign = make_campaign()
    make_round(campaign, status=Round.Status.FAILED, note="Training failed: out of memory")

    def open_another(_: Moment) -> None:
        if not campaign.rounds.filter(number=2).exists():
            make_round(campaign, number=2, status=Round.Status.CLOSED)

    assert watch(campaign, show=open_another).number == 2


def test_a_standstill_is_told_with_the_step_it_stands_at() -> None:
    campaign = make_campaign()
    make_round(campaign, status=Round.Status.SELECTING)
    with pytest.raises(
        DemoError, match=r"Nothing has moved .* round 1 was at “selecting”.*worker-default"
    ):
        watch(campaign)


def test_what_went_wrong_with_people_reaches_the_watcher() -> None:
    class BrokenCrew:
        counts = None

        def has_somebody_back(self) -> bool:
            return False

        def work(self, *, most: int) -> int:
            raise DemoError("The desk is gone.")

    crews = Crews(gather=lambda home: BrokenCrew())  # type: ignore[arg-type,return-value]
    crews.tend({1: 5}, now=0.0)
    crews._pool.shutdown(wait=True)
    with pytest.raises(DemoError, match="The desk is gone"):
        crews.tend({1: 5}, now=1.0)


def test_whoever_found_nothing_rests_until_there_is_something_new() -> None:
    class IdleCrew:
        calls = 0

        def has_somebody_back(self) -> bool:
            return False

        def work(self, *, most: int) -> int:
            IdleCrew.calls += 1
            return 0

    crews = Crews(gather=lambda home: IdleCrew())  # type: ignore[arg-type,return-value]

    def settle(with_work: dict[int, int], now: float) -> int:
        crews.tend(with_work, now=now)
        for job in list(crews._busy.values()):
            job.result()
        crews.tend(with_work, now=now)
        return IdleCrew.calls

    assert settle({1: 5}, 0.0) == 1
    assert settle({1: 5}, 1.0) == 1
    assert settle({1: 6}, 1.0) == 2
    assert settle({1: 6}, 100.0) == 3
    assert settle({}, 200.0) == 3


def test_work_is_where_items_lie_at_the_desk() -> None:
    campaign = make_campaign()
    pushed = make_item(make_sample(campaign, "wo"), state="pushed", desk_task_id=1)
    make_item(make_sample(campaign, "qu"), state="answered", desk_task_id=1)
    assert languages_with_work(campaign) == {pushed.campaign_language_id: pushed.pk}
    assert look(campaign).number == 0


def make_evaluation(version: ModelVersion, tag: str, said: dict[int, int]) -> None:
    language = version.campaign.languages.get(language__tag=tag).language
    Evaluation.objects.create(
        version=version,
        language=language,
        gold_digest="x",
        items=len(said),
        macro_f1=0.5,
        macro_f1_low=0.4,
        macro_f1_high=0.6,
        answers={str(pk): [best, 0.5, 0.5] for pk, best in said.items()},
    )


def f1(pairs: list[tuple[int, int]]) -> float:
    """Macro-F1 by the book."""
    scores = []
    for one in sorted({truth for truth, _ in pairs}):
        right = sum(truth == said == one for truth, said in pairs)
        told = sum(said == one for _, said in pairs)
        there = sum(truth == one for truth, _ in pairs)
        scores.append(2 * right / (told + there))
    return sum(scores) / len(scores)


def test_the_outcome_compares_the_first_version_with_the_one_that_serves() -> None:
    campaign = make_campaign()
    rng = np.random.default_rng(0)
    labels = ["admin", "accounts", "dates"]
    first, second = make_version(campaign, 1), make_version(campaign, 2)
    means = {first: 0.0, second: 0.0}
    gold = {
        tag: [make_gold(campaign, tag, labels[n % 3], group=f"g{n}") for n in range(12)]
        for tag in ("wo", "qu")
    }
    for version, right in ((first, 0.2), (second, 0.9)):
        for tag, items in gold.items():
            said = {
                item.sample_id: n % 3 if rng.random() < right else (n + 1) % 3
                for n, item in enumerate(items)
            }
            make_evaluation(version, tag, said)
            means[version] += f1([(n % 3, best) for n, best in enumerate(said.values())]) / 2
        Deployment.objects.create(campaign=campaign, number=version.number, version=version)
    outcome = outcome_of(campaign)
    assert outcome.before.value == pytest.approx(means[first])
    assert outcome.after.value == pytest.approx(means[second])
    assert outcome.gain.value == pytest.approx(means[second] - means[first])
    assert outcome.gain.low < outcome.gain.value < outcome.gain.high
    table = render(outcome)
    assert "wo wo" in table
    assert "no gate has judged it yet" in table
