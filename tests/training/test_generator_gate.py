"""People decide which generator serves: nothing else does, and what they decided is kept."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import DatabaseError, transaction
from django.test import Client
from django.utils import timezone

from annotation.errors import ConflictError, InvalidInputError
from annotation.models import Annotation, Annotator, Campaign, Withdrawal
from learning.actions import generating
from learning.actions.generators import (
    deploy_generator,
    generator_named,
    register_generator,
    serving_generator,
)
from learning.models import GeneratorDeployment, GeneratorVersion
from learning.networks import writing
from tests.make import make_annotator, make_campaign, make_item, make_sample, make_user
from training.actions.blind import Written
from training.actions.comparing_generators import (
    Sides,
    ask_to_compare,
    enough_alike,
    judge_comparison,
    prompts_of,
    put_files_to_people,
)
from training.actions.generator_promotion import (
    promote_generator,
    rollback_generator,
    undo_generator,
)
from training.actions.pruning import check_all_weights, needed_digests
from training.actions.writing_comparisons import due_comparisons, write_comparison
from training.models import BlindCheck, BlindComparison, BlindVerdict, GeneratorLesson

pytestmark = pytest.mark.django_db


@pytest.fixture
def home(settings: Any, tmp_path: Path) -> Campaign:
    settings.MEDIA_ROOT, settings.WEIGHTS_DIR = tmp_path / "media", tmp_path / "weights"
    return make_campaign(slug="ours", languages=("wo",), labels=(), objective="ratings")


def made(home: Campaign, tmp_path: Path, number: int) -> GeneratorVersion:
    """A generator whose bytes nobody opens; the first serves."""
    folder = tmp_path / f"folder{number}"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(bytes([number]))
    base = generator_named("ours@1") if number > 1 else None
    found = register_generator(home, folder=folder, network="toy", base=base, manifest={})
    if number == 1:
        deploy_generator(found, kind="initial", reason="The first.")
    return found


def written(
    version: GeneratorVersion, word: str, *, number: int = 20, tag: str = "wo", begin: int = 0
) -> Written:
    outputs = {(tag, f"source {n}"): f"{word} {n}" for n in range(begin, begin + number)}
    return Written(str(version), outputs, frozenset([version.digest]))


def compared(home: Campaign, tmp_path: Path, **over: Any) -> BlindComparison:
    old, new = made(home, tmp_path, 1), made(home, tmp_path, 2)
    sides = Sides(over.get("candidate") or written(new, "new"), written(old, "old"))
    put_files_to_people(new, old, sides=sides, slug="which", licence="CC0-1.0", now=timezone.now())
    return BlindComparison.objects.get()


def chosen(comparison: BlindComparison, *, by: list[Annotator], wins: bool) -> None:
    """Have people choose on every pair that they have not seen, always for one of the sides."""
    campaign = comparison.campaign
    assert campaign is not None
    labels = {one.key: one for one in campaign.labels.all()}
    winner = str(comparison.candidate if wins else comparison.champion)
    for sample in campaign.samples.all():
        key = "first" if sample.meta["first"] == winner else "second"
        item = sample.items.first() or make_item(sample)
        Annotation.objects.bulk_create(
            Annotation(
                item=item,
                annotator=person,
                label=labels[key],
                answer={"label": key},
                state=Annotation.State.ANSWERED,
                desk_annotation_id=1_000 * sample.pk + person.pk,
                desk_updated_at="2026-01-01T00:00:00Z",
            )
            for person in by
        )


def people(*names: str) -> list[Annotator]:
    return [make_annotator(name, "wo") for name in names]


def test_the_database_itself_lets_no_generator_serve_that_people_did_not_pass(
    home: Campaign, tmp_path: Path
) -> None:
    comparison = compared(home, tmp_path)
    candidate = comparison.candidate
    for kind, words in (
        ("promotion", "people did not pass"),
        ("rollback", "never served"),
        ("initial", "only the first"),
    ):
        with pytest.raises(DatabaseError, match=words), transaction.atomic():
            deploy_generator(candidate, kind=kind, reason="it has the better chrF")
    # Nor does a verdict pass that nobody's choice is behind.
    facts: dict[str, Any] = {"comparison": comparison, "alpha": 0.05, "margin": 0.05}
    digests = {"candidate_digest": candidate.digest, "champion_digest": "x"}
    with pytest.raises(DatabaseError), transaction.atomic():
        BlindVerdict.objects.create(look=0, choices=0, verdict="PASS", **facts, **digests)
    verdict = BlindVerdict.objects.create(look=1, choices=1, verdict="PASS", **facts, **digests)
    numbers = {
        "share": 1,
        "low": 0.9,
        "high": 1,
        "harm_p": 1,
        "language": home.languages.get().language,
    }
    with pytest.raises(DatabaseError), transaction.atomic():
        BlindCheck.objects.create(
            verdict_of=verdict, choices=0, raters=0, verdict="PASS", sentence="", **numbers
        )
    check = BlindCheck.objects.create(
        verdict_of=verdict, choices=9, raters=2, verdict="HOLD", sentence="", **numbers
    )
    with pytest.raises(DatabaseError, match="people did not pass"), transaction.atomic():
        deploy_generator(candidate, kind="promotion", reason="one language held it")
    moved = GeneratorDeployment.objects.get()
    for row, change in (
        (verdict, {"verdict": "PASS"}),
        (check, {"low": 1}),
        (moved, {"reason": ""}),
    ):
        rows = type(row).objects.filter(pk=row.pk)
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            rows.update(**change)
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            rows.delete()


def test_a_better_chrf_alone_holds_and_without_new_choices_no_look_is_spent(
    home: Campaign, tmp_path: Path
) -> None:
    old, new = made(home, tmp_path, 1), made(home, tmp_path, 2)
    right = Written("right", written(new, "new").outputs)
    sides = Sides(written(new, "new"), written(old, "old"), right)
    put_files_to_people(new, old, sides=sides, slug="which", licence="CC0-1.0", now=timezone.now())
    comparison = BlindComparison.objects.get()
    assert comparison.metrics["wo"]["chrf"][1] > 0.3
    assert judge_comparison(comparison).verdict == "HOLD"
    first = people("awa", "ibou")
    chosen(comparison, by=first, wins=True)
    looks = [judge_comparison(comparison) for _ in range(2)]
    assert [(one.look, one.verdict) for one in looks] == [(1, "HOLD")] * 2
    with pytest.raises(ConflictError, match="people say HOLD"):
        promote_generator(comparison)
    chosen(comparison, by=people("c", "d", "e", "f"), wins=True)
    assert judge_comparison(comparison).verdict == "PASS"
    assert promote_generator(comparison).version == new
    assert promote_generator(comparison).number == 2
    assert serving_generator(home) == new
    undo_generator(home, number=2, actor=None)
    with pytest.raises(ConflictError, match="not the newest"):
        undo_generator(home, number=2, actor=None)
    rollback_generator(home, to_version=new, actor=None, reason="it was better after all")
    assert serving_generator(home) == new
    assert {old.digest, new.digest} <= needed_digests()
    assert [one.trouble for one in check_all_weights(repair=False)] == ["", ""]


def test_harm_blocks_for_good_and_three_looks_are_all(home: Campaign, tmp_path: Path) -> None:
    comparison = compared(home, tmp_path)
    for name in ("awa", "ibou", "coumba"):
        chosen(comparison, by=people(name), wins=name != "ibou")
        judge_comparison(comparison)
    assert comparison.verdicts.order_by("look").values_list("look", "verdict")[2] == (3, "HOLD")
    chosen(comparison, by=people("demba"), wins=False)
    with pytest.raises(ConflictError, match="looked at 3 times"):
        judge_comparison(comparison)


def test_who_loses_every_choice_is_blocked(home: Campaign, tmp_path: Path) -> None:
    comparison = compared(home, tmp_path)
    chosen(comparison, by=people("a", "b", "c", "d", "e", "f"), wins=False)
    assert judge_comparison(comparison).verdict == "BLOCK"
    assert judge_comparison(comparison).look == 1


def test_a_language_that_nobody_compared_holds_unless_nothing_changed_there(
    home: Campaign, tmp_path: Path
) -> None:
    assert enough_alike(margin=0.05, alpha=0.05 / 3) == 39
    other = make_campaign(languages=("qu",), labels=()).languages.get().language
    home.languages.create(language=other)
    old, new = made(home, tmp_path, 1), made(home, tmp_path, 2)
    same = written(new, "same", number=38, tag="qu").outputs
    sides = Sides(
        Written("ours@2", written(new, "new").outputs | same, frozenset([new.digest])),
        Written("ours@1", written(old, "old").outputs | same, frozenset([old.digest])),
    )
    put_files_to_people(new, old, sides=sides, slug="which", licence="CC0-1.0", now=timezone.now())
    comparison = BlindComparison.objects.get()
    chosen(comparison, by=people("a", "b", "c", "d", "e", "f"), wins=True)
    found = judge_comparison(comparison)
    assert (found.verdict, found.record["uncompared"]) == ("HOLD", ["qu"])
    assert found.checks.get().verdict == "PASS"


def test_what_was_not_written_by_these_weights_is_not_compared(
    home: Campaign, tmp_path: Path
) -> None:
    old, new = made(home, tmp_path, 1), made(home, tmp_path, 2)
    right, silent = written(new, "new"), written(new, "new", number=19)
    stray = Written(right.system, right.outputs, frozenset(["", new.digest]))
    usual: dict[str, Any] = {"slug": "which", "licence": "CC0-1.0", "now": timezone.now()}
    for sides, why in (
        (stray, "does not say that these weights"),
        (silent, "wrote nothing for 1 of 20"),
    ):
        with pytest.raises(InvalidInputError, match=why):
            put_files_to_people(new, old, sides=Sides(sides, written(old, "old")), **usual)
    with pytest.raises(ConflictError, match="does not serve"):
        put_files_to_people(new, new, sides=Sides(right, right), **usual)
    assert not BlindComparison.objects.exists()
    assert not Campaign.objects.filter(slug="which").exists()


def test_what_learned_answers_that_were_taken_back_does_not_begin_to_serve(
    home: Campaign, tmp_path: Path, client: Client
) -> None:
    comparison = compared(home, tmp_path)
    chosen(comparison, by=people("a", "b", "c", "d", "e", "f"), wins=True)
    assert judge_comparison(comparison).verdict == "PASS"
    awa = make_annotator("awa", "wo")
    item = make_item(make_sample(home, "wo", "said"))
    said = Annotation.objects.create(
        item=item,
        annotator=awa,
        answer={},
        desk_annotation_id=7,
        desk_updated_at="2026-01-01T00:00:00Z",
    )
    GeneratorLesson.objects.create(
        version=comparison.candidate, annotation=said, revision=1, person="p-1"
    )
    said.withdrawal = Withdrawal.objects.create(annotator=awa, answers=1)
    said.save()
    with pytest.raises(ConflictError, match="taken back since"):
        promote_generator(comparison)
    client.force_login(make_user("noor", staff=True))
    assert (
        "learned what was taken back" in client.get("/campaigns/ours/generators/").content.decode()
    )


def test_a_page_asks_and_a_worker_has_both_write(
    home: Campaign, tmp_path: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(home, tmp_path, 1)
    made(home, tmp_path, 2)

    def write(
        folder: str, sources: list[str], tags: list[str], **_: object
    ) -> list[writing.Written]:
        told = (Path(folder) / "model.safetensors").read_bytes()[0]
        return [writing.Written(text=f"{told} says {source}") for source in sources]

    monkeypatch.setattr(generating, "open_for_writing", lambda folder: folder)
    monkeypatch.setattr(writing, "write", write)
    for n in range(3):
        make_sample(home, "wo", f"output {n}\u0004source {'abc'[n]}")
    assert sorted(prompts_of(home)) == [("wo", f"source {one}") for one in "abc"]
    client.force_login(make_user("noor", staff=True))
    page = "/campaigns/ours/generators/"
    asked = {"candidate": "2", "licence": "CC0-1.0", "answers": "2"}
    bad = SimpleUploadedFile("prompts.csv", b"source,language\nabc,fr\n")
    client.post(f"{page}compare/", asked | {"prompts": bad})
    assert ": not of this campaign." in client.get(page).content.decode()
    for _ in range(2):  # asked twice, written once
        client.post(f"{page}compare/", asked)
    comparison = BlindComparison.objects.get()
    assert len(comparison.prompts) == 3
    assert "A worker has both write." in client.get(page).content.decode()
    (work,) = due_comparisons(now=timezone.now())
    told = write_comparison(work.kwargs["comparison_id"], now=timezone.now)
    assert told is not None
    assert told.error == ""
    assert told.campaign is not None
    assert (told.campaign.slug, told.campaign.answers_per_item) == ("ours-2-or-1", 2)
    assert due_comparisons(now=timezone.now()) == []
    assert "The campaign that asks people" in client.get(page).content.decode()


def test_languages_that_come_before_anybody_chose_make_no_look(
    home: Campaign, tmp_path: Path
) -> None:
    comparison = compared(home, tmp_path)
    first = judge_comparison(comparison)
    other = make_campaign(languages=("qu",), labels=()).languages.get().language
    assert comparison.campaign is not None
    comparison.campaign.languages.create(language=other)
    assert judge_comparison(comparison) == first
    chosen(comparison, by=people("awa", "ibou"), wins=True)
    assert judge_comparison(comparison).look == 1


def test_of_two_workers_over_one_comparison_only_who_holds_it_has_people_asked(
    home: Campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(home, tmp_path, 1)
    candidate = made(home, tmp_path, 2)
    prompts = [("wo", f"source {one}") for one in "abc"]
    pk = ask_to_compare(candidate, prompts=prompts, licence="CC0-1.0").pk
    later = timezone.now() + timedelta(hours=1)
    taken: list[Campaign | None] = []

    def write(
        folder: str, sources: list[str], tags: list[str], **_: object
    ) -> list[writing.Written]:
        if not taken:  # the first is slow, and another worker takes over meanwhile
            taken.append(None)
            other = write_comparison(pk, now=lambda: later)
            taken.append(other.campaign if other else None)
        told = (Path(folder) / "model.safetensors").read_bytes()[0]
        return [writing.Written(text=f"{told} says {source}") for source in sources]

    monkeypatch.setattr(generating, "open_for_writing", lambda folder: folder)
    monkeypatch.setattr(writing, "write", write)
    told = write_comparison(pk, now=timezone.now)
    assert told is not None
    assert told.campaign is not None
    assert (told.campaign, told.finished_at, told.error) == (taken[1], later, "")
    assert Campaign.objects.count() == 2


def test_a_verdict_promotes_once_and_a_new_one_promotes_again(
    home: Campaign, tmp_path: Path, client: Client
) -> None:
    first = compared(home, tmp_path)
    old, new = first.champion, first.candidate
    everybody = people("a", "b", "c", "d", "e", "f")
    chosen(first, by=everybody, wins=True)
    judge_comparison(first)
    assert promote_generator(first).number == 2
    rollback_generator(home, to_version=old, actor=None, reason="people complained")
    with pytest.raises(ConflictError, match="ours@1 serves now"):
        promote_generator(first)
    client.force_login(make_user("noor", staff=True))
    page, button = "/campaigns/ours/generators/", "Let generator 2 serve"
    assert button not in client.get(page).content.decode()
    # Other prompts: what people chose on before is learned by now.
    sides = Sides(written(new, "new", begin=20), written(old, "old", begin=20))
    put_files_to_people(new, old, sides=sides, slug="anew", licence="CC0-1.0", now=timezone.now())
    second = BlindComparison.objects.get(campaign__slug="anew")
    chosen(second, by=everybody, wins=True)
    assert judge_comparison(second).verdict == "PASS"
    assert button in client.get(page).content.decode()
    for _ in range(2):  # asked twice, moved once
        client.post(f"{page}{second.pk}/promote/")
    assert serving_generator(home) == new
    moves = home.generator_deployments.order_by("number").values_list("kind", flat=True)
    assert list(moves) == ["initial", "promotion", "rollback", "promotion"]


def test_a_language_that_came_after_the_verdict_is_compared_first(
    home: Campaign, tmp_path: Path
) -> None:
    comparison = compared(home, tmp_path)
    chosen(comparison, by=people("a", "b", "c", "d", "e", "f"), wins=True)
    assert judge_comparison(comparison).verdict == "PASS"
    other = make_campaign(languages=("qu",), labels=()).languages.get().language
    came = home.languages.create(language=other)
    with pytest.raises(ConflictError, match="in qu, which came after the verdict"):
        promote_generator(comparison)
    assert serving_generator(home) == comparison.champion
    came.active = False
    came.save()
    assert promote_generator(comparison).version == comparison.candidate
