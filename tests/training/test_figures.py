"""Figures that a worker takes: calibration error, slices, gain, and what a tokenizer does to words."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from django.utils import timezone
from tokenizers import Tokenizer, models, pre_tokenizers

from annotation.models import Campaign, Language
from learning.gateways import weights
from learning.methods.pieces import premiums
from learning.models import Deployment, ModelVersion
from tests.make import make_campaign, make_gold, make_sample
from training.actions.figures import due_figures, take_figures
from training.methods.gaps import Ends, falls_behind
from training.models import Evaluation, LanguageFigures

pytestmark = pytest.mark.django_db
NOW = timezone.now()
GOLD = 260
UNKNOWN = "[UNK]"


@pytest.fixture(autouse=True)
def _folders(settings, tmp_path: Path) -> None:
    settings.WEIGHTS_DIR = tmp_path / "weights"


def version_of(campaign: Campaign, *, number: int, folder: Path) -> ModelVersion:
    """A version whose tokenizer knows English words whole and cuts all else into letters."""
    letters = {chr(code): code for code in range(33, 127)}
    words = {"red": 200, "green": 201, "blue": 202, UNKNOWN: 203}
    made = Tokenizer(
        models.WordPiece(
            words | {f"##{c}": 300 + n for c, n in letters.items()} | letters, unk_token=UNKNOWN
        )
    )
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    folder.mkdir()
    made.save(str(folder / "tokenizer.json"))
    (folder / "number").write_text(str(number))
    digest = weights.store(folder)
    version = ModelVersion.objects.create(
        campaign=campaign, number=number, digest=digest, network="x", path=weights.path_of(digest)
    )
    Deployment.objects.create(campaign=campaign, number=number, version=version, kind="promotion")
    return version


def evaluation(
    version: ModelVersion, *, right: float, sure: float, digest: str = "g"
) -> Evaluation:
    language = Language.objects.get(tag="wo")
    dice = np.random.default_rng(1)
    gold = version.campaign.samples.filter(language=language, gold__isnull=False).order_by("pk")
    answers = {
        str(pk): [0 if dice.random() < right else 1, sure, sure]
        for pk in gold.values_list("pk", flat=True)
    }
    return Evaluation.objects.create(
        version=version, language=language, gold_digest=digest, items=len(answers), answers=answers
    )


@pytest.fixture
def campaign() -> Campaign:
    made = make_campaign(languages=("wo", "en"))
    for k in range(GOLD):
        make_gold(
            made,
            "wo",
            text=f"gold {k}",
            dialect="Lebu" if k < 40 else "",
        )
    return made


def test_figures_tell_a_boastful_version_from_an_honest_one(
    campaign: Campaign, tmp_path: Path
) -> None:
    first = version_of(campaign, number=1, folder=tmp_path / "a")
    evaluation(first, right=0.5, sure=0.95)
    boastful = take_figures(first, now=NOW)
    told = LanguageFigures.objects.get(version=first, language__tag="wo")
    assert len(boastful) == 2
    assert told.ece_items == GOLD
    assert told.ece_low < told.ece < told.ece_high
    assert told.ece > 0.3
    assert told.gain is None
    better = version_of(campaign, number=2, folder=tmp_path / "b")
    evaluation(better, right=0.9, sure=0.9)
    take_figures(better, now=NOW)
    told = LanguageFigures.objects.get(version=better, language__tag="wo")
    assert told.ece < 0.06
    assert (told.since, told.gain_items) == (first, GOLD)
    assert 0.2 < told.gain_low < told.gain < told.gain_high
    parts = {(part["kind"], part["name"]): part["items"] for part in told.slices}
    assert parts == {("dialect", "Lebu"): 40}


def test_a_tokenizer_is_told_by_what_it_does_to_each_language(
    campaign: Campaign, tmp_path: Path
) -> None:
    for k in range(40):
        make_sample(campaign, "en", "red green blue red green blue", group=f"g{k}")
        make_sample(campaign, "wo", "xonq wert baxa xonq wert baxa", group=f"g{k}")
    version = version_of(campaign, number=1, folder=tmp_path / "a")
    take_figures(version, now=NOW)
    rows = {row.language.tag: row for row in version.figures.select_related("language")}
    assert rows["en"].whole_words == 1.0
    assert rows["en"].tokens_per_word == 1.0
    assert rows["wo"].whole_words < 0.1
    assert rows["wo"].premium == pytest.approx(4.0)
    assert rows["en"].premium == pytest.approx(1.0)
    assert rows["wo"].parallel == 40


def test_figures_are_due_once_and_again_when_gold_was_measured_anew(
    campaign: Campaign, tmp_path: Path
) -> None:
    version = version_of(campaign, number=1, folder=tmp_path / "a")
    assert [work.kwargs["version_id"] for work in due_figures()] == [version.pk]
    take_figures(version, now=NOW)
    assert due_figures() == []
    evaluation(version, right=0.8, sure=0.8)
    assert len(due_figures()) == 1
    take_figures(version, now=NOW)
    take_figures(version, now=NOW + timedelta(hours=1))
    assert due_figures() == []
    assert version.figures.count() == 2


def test_what_cannot_be_opened_costs_the_tokenizer_figures_alone(
    campaign: Campaign, tmp_path: Path
) -> None:
    version = version_of(campaign, number=1, folder=tmp_path / "a")
    evaluation(version, right=0.9, sure=0.9)
    ModelVersion.objects.filter(pk=version.pk).update(path="not/there")
    version.refresh_from_db()
    take_figures(version, now=NOW)
    told = LanguageFigures.objects.get(version=version, language__tag="wo")
    assert told.ece is not None
    assert told.whole_words is None
    assert due_figures() == []


def test_premiums_hold_where_languages_share_few_texts_and_their_intervals_keep_their_word() -> (
    None
):
    rng = np.random.default_rng(0)
    true = {"a": 1.0, "b": 1.5, "c": 2.2}
    held = 0
    for _ in range(60):
        size = rng.integers(5, 60, 300)
        tokens = {
            tag: {
                str(g): max(1, round(size[g] * times * rng.lognormal(0, 0.1)))
                for g in range(300)
                if tag == "b" or (g < 150) == (tag == "a")
            }
            for tag, times in true.items()
        }
        found = premiums(tokens)
        assert all(found[tag].value == pytest.approx(true[tag], rel=0.06) for tag in true)
        held += sum(found[tag].low <= true[tag] <= found[tag].high for tag in "bc")
    assert 0.9 <= held / 120 <= 1.0


def test_no_alarm_among_equal_languages_and_one_where_one_falls_behind() -> None:
    rng = np.random.default_rng(3)

    def ends(share: float, items: int = 300) -> Ends:
        seen = rng.binomial(items, share) / items
        half = 1.96 * (seen * (1 - seen) / items) ** 0.5
        return Ends(seen, seen - half, seen + half)

    from training.methods.gaps import difference

    def alarms(path: list[float]) -> float:
        rung = 0
        for _ in range(400):
            gaps = [difference(ends(0.85), ends(share)) for share in path]
            rung += falls_behind(gaps)
        return rung / 400

    # Fresh gold every time, the hardest case: no oftener than one in a hundred.
    assert alarms([0.8, 0.8, 0.8]) < 0.01
    assert alarms([0.8, 0.65, 0.65]) > 0.8
    assert alarms([0.8, 0.8, 0.65]) < 0.05
