"""A network that writes goes round: it serves, people correct it, it learns, people compare, it changes."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from annotation.actions.campaigns import create_campaign
from annotation.actions.desk import prepare_desk
from annotation.actions.imports import run_import
from annotation.actions.intake import sweep
from annotation.actions.queue import push_items
from annotation.actions.uploads import queue_import
from annotation.models import Campaign, Item
from annotation.objectives import ratings
from learning.actions.generators import serving_generator
from tests.fakes import FakeLabelingDesk, choice
from tests.learning.generators import tiny_generator
from tests.make import make_annotator, make_item, make_language, make_user
from training.models import BlindComparison

pytestmark = pytest.mark.django_db

RIGHT = "jjjj"
PEOPLE = 6
# As many as show by themselves that a language in which nothing changed has lost nothing.
PROMPTS = {"wo": 18, "qu": 39}


def told(*args: str, **options: Any) -> str:
    out = StringIO()
    call_command(*args, **options, stdout=out, stderr=out)
    return out.getvalue()


def lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def words(number: int, *, tag: str, begin: str) -> list[dict[str, str]]:
    letters = "abcdefghiklmnopqrst"
    return [
        {"language": tag, "source": f"{begin}{letters[n % 19]}{letters[n // 19]}"}
        for n in range(number)
    ]


def ask(campaign: Campaign, desk: FakeLabelingDesk, answer: Any, *, people: int) -> None:
    """Put every text before so many people of its language, and fetch what they say."""
    for sample in campaign.samples.filter(items=None):
        make_item(sample)
    for home in campaign.languages.all():
        push_items(prepare_desk(home, desk=desk), desk=desk, now=timezone.now())
        items = Item.objects.filter(campaign_language=home).select_related("sample")
        users = [one.user for one in home.language.annotators.order_by("pk")[:people]]
        for item in items:
            for at, user in enumerate(users):
                result = answer(item.sample.text, at)
                desk.annotate(
                    item.desk_task_id, user_id=user.desk_user_id, label="x", result=result
                )
        sweep(home, desk=desk, now=timezone.now())


def corrected(text: str, at: int) -> Any:
    return ratings.result_of({"ratings": dict.fromkeys(ratings.ASPECTS, 2), "corrected": RIGHT})


def preferred(text: str, at: int) -> Any:
    """Whoever chooses sees two texts and no names; two of six call a tie now and then."""
    first, second, _ = text.split("\u0004")
    one, other = first.count("j"), second.count("j")
    if one == other or (at < 2 and sum(map(ord, text)) % 9 == at):
        return choice("tie")
    return choice("first" if one > other else "second")


def wrote(name: str, sources: Path, out: Path) -> Path:
    call_command("generate", name, str(sources), str(out), longest=6, stdout=StringIO())
    return out


class Assistant:
    """A campaign with speakers of two languages, a desk, and a coordinator at the page of its generators."""

    page = "/campaigns/our-assistant/generators/"

    def __init__(self, folder: Path, client: Client) -> None:
        self.folder, self.client, self.desk = folder, client, FakeLabelingDesk()
        for tag, count in (("wo", PEOPLE), ("qu", 1)):
            make_language(tag)
            for n in range(count):
                make_annotator(f"{tag}{n}", tag)
        self.home = create_campaign(
            slug="our-assistant", title="Ours", question="?", labels=[], languages=["wo", "qu"],
            objective="ratings",
        )  # fmt: skip
        client.force_login(make_user("noor", staff=True))
        self.sources = lines(folder / "sources.jsonl", words(8, tag="wo", begin="t"))

    def serves(self) -> int:
        """The number of the generator that serves."""
        version = serving_generator(self.home)
        return version.number if version else 0

    def shown(self) -> str:
        return self.client.get(self.page).content.decode()

    def begin(self) -> None:
        """One serves and writes, and people say how it should have been said."""
        assert "register_generator our-assistant" in self.shown()
        tiny = tiny_generator(self.folder / "tiny", kind="m2m", width=32, seed=3)
        assert "@1 serves" in told("register_generator", "our-assistant", str(tiny), home="en")
        first = wrote("our-assistant@serving", self.sources, self.folder / "first.jsonl")
        usual = {"licence": "CC0-1.0"}
        with first.open("rb") as file:
            brought = queue_import(self.home, file=file, filename="first.jsonl", defaults=usual)
        assert run_import(brought.pk, now=timezone.now).rows_kept == 8
        ask(self.home, self.desk, corrected, people=1)

    def learn(self) -> None:
        """What people corrected makes a candidate, in an adapter of its language."""
        corrections, taught = self.folder / "corrections.jsonl", self.folder / "taught"
        assert "8 corrections" in told("export_corrections", "our-assistant", str(corrections))
        knobs = ["lr=0.03", "epochs=10", "batch=4", "rank=8", "curve_points=1", "pieces=1"]
        told(
            "teach_generator", "our-assistant@serving", str(corrections), str(taught),
            method="lora", set=knobs,
        )  # fmt: skip
        assert "@2; 8 answers" in told("register_generator", "our-assistant", str(taught))
        candidate, champion = self.home.generators.order_by("-number")
        assert candidate.base == champion

    def compare(self) -> BlindComparison:
        """Both write for prompts that nobody corrected; chrF says what it likes and opens nothing."""
        rows = [row for tag, n in PROMPTS.items() for row in words(n, tag=tag, begin="p")]
        prompts = lines(self.folder / "prompts.jsonl", rows)
        new, old = (
            wrote(f"our-assistant@{n}", prompts, self.folder / f"v{n}.jsonl") for n in (2, 1)
        )
        right = lines(self.folder / "right.jsonl", [row | {"output": RIGHT} for row in rows])
        sides = {"candidate": f"our-assistant@2={new}", "champion": f"our-assistant@1={old}"}
        made = told(
            "compare_generators", "which", **sides, licence="CC0-1.0", answers=PEOPLE, right=right
        )
        assert "18 pairs" in made
        found = BlindComparison.objects.get()
        same = {tag: {"prompts": n, "same": n * (tag == "qu")} for tag, n in PROMPTS.items()}
        assert found.tally == same
        assert found.metrics["wo"]["chrf"][1] > 0.3
        with pytest.raises(CommandError, match=r"in every language \(HOLD, look 0"):
            told("judge_generators", "which")
        with pytest.raises(CommandError, match="people say HOLD"):
            told("promote_generator", "our-assistant@2")
        return found

    def decide(self, comparison: BlindComparison) -> None:
        """People choose, not knowing which is which, and the verdict is kept."""
        campaign = comparison.campaign
        assert campaign is not None
        left = {one.meta["first"] for one in campaign.samples.all()}
        assert left == {"our-assistant@1", "our-assistant@2"}
        ask(campaign, self.desk, preferred, people=PEOPLE)
        assert self.client.get("/campaigns/which/blind/").headers["Location"] == self.page
        for _ in range(2):  # asked twice, judged once
            self.client.post(f"{self.page}{comparison.pk}/judge/")
        nobody, verdict = comparison.verdicts.order_by("look")
        assert (nobody.verdict, nobody.look, nobody.choices) == ("HOLD", 0, 0)
        assert (verdict.verdict, verdict.look, verdict.choices) == ("PASS", 1, 18 * PEOPLE)
        assert verdict.record["unchanged"] == {"qu": 39}
        check = verdict.checks.get()
        assert (check.raters, check.verdict) == (PEOPLE, "PASS")
        assert 0.45 < check.low < check.share <= 1
        assert f"{check.share:.2f}" in self.shown()

    def change(self, comparison: BlindComparison) -> None:
        """It serves, by somebody's hand, and the way back is one more row."""
        assert "Let generator 2 serve" in self.shown()
        self.client.post(f"{self.page}{comparison.pk}/promote/")
        assert self.serves() == 2
        said = wrote("our-assistant@serving", self.sources, self.folder / "second.jsonl")
        outputs = [json.loads(line)["output"] for line in said.read_text().splitlines()]
        assert all(RIGHT in one for one in outputs)
        self.client.post(f"{self.page}undo/", {"number": 2})
        assert self.serves() == 1
        assert "@2 serves again" in told("rollback_generator", "our-assistant", undo=True)
        moves = self.home.generator_deployments.order_by("number")
        kinds = ["initial", "promotion", "rollback", "rollback"]
        assert [one.kind for one in moves] == kinds
        assert [str(one.actor) for one in moves][1:3] == ["Noor", "Noor"]


def test_a_generator_learns_from_people_and_serves_when_they_say_so(
    settings: Any, tmp_path: Path, client: Client
) -> None:
    settings.MEDIA_ROOT, settings.WEIGHTS_DIR = tmp_path / "media", tmp_path / "weights"
    ours = Assistant(tmp_path, client)
    ours.begin()
    ours.learn()
    comparison = ours.compare()
    assert ours.serves() == 1
    ours.decide(comparison)
    ours.change(comparison)
    listed = told("generators", "our-assistant")
    assert "from our-assistant@1, 8 answers learned, serves" in listed
    assert "our-assistant@2 or our-assistant@1 in 'which': PASS" in listed
