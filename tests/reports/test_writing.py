"""What a generator writes is tried, reported, seen again, and mended, and stays so."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation.actions.reports import timers
from annotation.actions.reports.intake import Telling, receive
from annotation.errors import ConflictError
from annotation.methods.texts import glued
from annotation.models import (
    Annotation,
    Annotator,
    Campaign,
    Consensus,
    PublicDoor,
    Report,
    ReportState,
    Sample,
    User,
)
from learning import tasks
from learning.actions import trying
from learning.actions.generators import deploy_generator, serving_generator
from learning.actions.report_reproducing import reproduce_due
from learning.actions.served_writing import write_with
from learning.models import GeneratorVersion, Trial
from tests.learning.generators import tiny_generator
from tests.make import (
    make_annotator,
    make_campaign,
    make_item,
    make_sample,
    make_user,
)
from training.actions import report_care
from training.actions.generator_promotion import promote_generator
from training.actions.language_story import Cases, story_of
from training.actions.report_writing import judge_writing
from training.actions.written_cases import (
    asked_of,
    held_to_cases,
    put_cases,
    rate,
    to_rate,
)
from training.models import (
    BlindComparison,
    BlindVerdict,
    CaseVersion,
    GeneratorLesson,
    WritingCheck,
    WritingChoice,
    WrittenAnswer,
)

pytestmark = pytest.mark.django_db
State = ReportState
ASKED = "naka lañuy def ceebu jën bu neex"


class Told(NamedTuple):
    text: str
    finished: bool = True
    log_probability: float = -0.5
    problem: str = ""


class Pens:
    """What each generator writes, by its number, for a source and a seed."""

    def __init__(self) -> None:
        self.of: dict[int, Callable[[str, int | None], str]] = {}

    def __call__(
        self, version: GeneratorVersion, *, sources: Any, languages: Any, seed: int | None = None
    ) -> list[Told]:
        return [Told(self.of[version.number](source, seed)) for source in sources]


@pytest.fixture
def pens(monkeypatch: pytest.MonkeyPatch) -> Pens:
    found = Pens()
    for place in (
        "learning.actions.served_writing",
        "training.actions.written_cases",
        "training.actions.report_writing",
    ):
        monkeypatch.setattr(f"{place}.write_with", found)
    monkeypatch.setattr("learning.views.trials.soon", lambda *_, **__: None)
    monkeypatch.setattr("learning.views.trials.PATIENCE_S", 0)
    monkeypatch.setattr("training.actions.generator_promotion.folder_of", lambda _: None)
    found.of = {1: lambda _s, _n: "Xamuma ko", 2: lambda s, _n: f"Tontu bu baax ci {s}"}
    return found


@pytest.fixture
def home() -> Campaign:
    found = make_campaign(
        slug="ours", languages=("wo",), labels=tuple("12345"), objective="ratings"
    )
    PublicDoor.objects.create(campaign=found, open=True)
    return found


def generator(home: Campaign, number: int) -> GeneratorVersion:
    found = GeneratorVersion.objects.create(
        campaign=home,
        number=number,
        digest=f"{number:064d}",
        network="toy",
        base=home.generators.first(),
        identity="-",
        path="-",
    )
    if number == 1:
        deploy_generator(found, kind="initial", reason="The first.")
    return found


def tell(home: Campaign, text: str = ASKED, **over: Any) -> Report:
    fields = {"text": text, "tag": "wo", "consent_test": True, "reasons": ["meaning"]} | over
    got = receive(
        home,
        telling=Telling(**fields),
        key=f"key {home.reports.count()}",
        client=f"client {home.reports.count()}",
        now=timezone.now(),
    )
    timers.tend(timezone.now())
    got.report.refresh_from_db()
    return got.report


def speakers(*names: str) -> list[User]:
    return [make_annotator(name, "wo").user for name in names]


def confirmed(home: Campaign, **over: Any) -> Report:
    report = tell(home, output="Xamuma ko", **over)
    assert reproduce_due(now=timezone.now()) == 1
    for user in User.objects.filter(username__in=("binta", "coumba")):
        client = Client()
        client.force_login(user)
        there = reverse("report_votes", args=["ours", "wo"])
        assert "Xamuma ko" in client.get(there).content.decode()
        client.post(there, {"report": report.pk, "verdict": "yes"})
    report.refresh_from_db()
    assert report.state == State.CONFIRMED
    return report


def passed(home: Campaign, candidate: GeneratorVersion, *, over: int = 1) -> BlindComparison:
    """People let it pass: the very rows that their choices leave."""
    made = BlindComparison.objects.create(
        home=home,
        candidate=candidate,
        champion=home.generators.get(number=over),
        margin=0.05,
        finished_at=timezone.now(),
    )
    verdict = BlindVerdict.objects.create(
        comparison=made,
        look=1,
        alpha=0.05,
        margin=0.05,
        choices=40,
        candidate_digest=candidate.digest,
        champion_digest=made.champion.digest,
        verdict="PASS",
    )
    verdict.checks.create(
        language=home.languages.get().language,
        choices=40,
        raters=2,
        share=0.9,
        low=0.8,
        high=0.95,
        harm_p=1.0,
        verdict="PASS",
        sentence="-",
    )
    return made


def test_nothing_can_be_tried_where_nothing_writes_and_what_writes_is_tried_and_told_of(
    home: Campaign, pens: Pens, client: Client
) -> None:
    page = client.get(reverse("try", args=["ours"])).content.decode()
    assert "No model that writes serves yet" in page
    assert "<textarea" not in page
    generator(home, 1)
    page = client.post(reverse("try", args=["ours"]), {"language": "wo", "text": ASKED})
    trying.answer_trial(Trial.objects.get().pk, now=timezone.now())
    shown = client.get(page.url).content.decode()
    assert "Xamuma ko" in shown
    assert "This is wrong" in shown
    card = client.get(reverse("generator_card", args=["ours", 1])).content.decode()
    assert "Generator 1" in card
    filled = {"fill": "1", "text": ASKED, "language": "wo", "output": "Xamuma ko"}
    form = client.post(reverse("report", args=["ours"]), filled).content.decode()
    assert '<textarea id="expected_words"' in form
    assert 'value="Xamuma ko"' in form
    report = tell(home, output="Xamuma ko", version_number=1)
    assert reproduce_due(now=timezone.now()) == 1
    seen = report.reproductions.get()
    assert (seen.said, seen.still_wrong, seen.told["same"]) == ("Xamuma ko", True, True)
    right = tell(home, f"{ASKED} tey", expected=" xamuma  KO")
    reproduce_due(now=timezone.now())
    assert not right.reproductions.get().still_wrong
    client.force_login(make_user("noor", staff=True, is_superuser=True))
    assert (
        "Xamuma ko"
        in client.get(reverse("report_detail", args=["ours", "wo", report.pk])).content.decode()
    )


def test_a_visitors_text_is_written_once_and_others_wait_without_a_thread(
    home: Campaign, pens: Pens, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator(home, 1)
    now, tag = timezone.now(), home.languages.get().language
    first, second = (
        trying.ask(home, language=tag, text=text, client="c", now=now) for text in ("a", "b")
    )
    asked, written = [], []

    def write(source: str, _seed: int | None) -> str:
        written.append(source)
        for one in (first, second):  # both come again meanwhile, and whoever brings them goes on
            tasks.answer_trial(trial_id=one.pk)
        return "Waaw"

    pens.of[1] = write
    monkeypatch.setattr(tasks.answer_trial, "delay", lambda *, trial_id: asked.append(trial_id))
    for _ in range(2):
        tasks.answer_trial(trial_id=first.pk)
    assert (written, asked) == (["a"], [second.pk])
    later = now + trying.LOST * 2
    Trial.objects.filter(pk=second.pk).update(claimed_at=now)  # by a worker elsewhere
    assert trying.tend_trials(now=later) == []
    trying.answer_trial(second.pk, now=later)
    assert written == ["a"]
    gone = now + trying.CLAIMED
    assert [trying.tend_trials(now=gone) for _ in range(2)] == [[second.pk], []]
    trying.answer_trial(second.pk, now=gone)
    assert written == ["a", "b"]


def test_no_more_texts_wait_than_somebody_will_answer(
    home: Campaign, pens: Pens, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trying, "MOST_WAITING", 2)
    generator(home, 1)
    there, told = reverse("api_try", args=["ours"]), {"language": "wo", "text": ASKED}
    for _ in range(2):
        assert client.post(there, told, "application/json").status_code == 202
    # Who asked first gives up first: so long it takes at most until there is room.
    Trial.objects.filter(pk=Trial.objects.earliest("pk").pk).update(
        asked_at=timezone.now() - trying.GIVEN_UP + trying.LOST * 15
    )
    full = client.post(there, told, "application/json")
    assert full.status_code == 429
    assert 140 < int(full["Retry-After"]) <= 150
    assert "full_of_trials" in full.json()["type"]
    assert "in 3 minutes" in full.json()["detail"]
    trying.answer_trial(Trial.objects.first().pk, now=timezone.now())
    assert client.post(there, told, "application/json").status_code == 202


def neighbours(home: Campaign, number: int) -> list[Sample]:
    return [
        make_sample(home, "wo", glued([f"tontu {n}", f"naka lañuy def ñam wu neex {n} ci tey"]))
        for n in range(number)
    ]


def taught(home: Campaign, report: Report) -> GeneratorVersion:
    """A generator learned what people corrected for a report."""
    found = generator(home, 2)
    links = report.links.filter(kind="neighbour").select_related("sample")
    demba = Annotator.objects.get(user__username="demba")
    for link in links:
        item = link.item or make_item(link.sample, kind="report")
        told = Annotation.objects.create(
            item=item,
            annotator=demba,
            desk_annotation_id=item.pk,
            state="answered",
            label=home.labels.first(),
            desk_updated_at="2026-01-01T00:00:00Z",
        )
        GeneratorLesson.objects.create(version=found, annotation=told, revision=1, person="p")
        Consensus.objects.create(
            sample=link.sample,
            people=[0.9, 0.1],
            label=home.labels.first(),
            confidence=0.9,
            weight=1,
            answers=2,
            revisions=[],
            aggregator="made",
        )
    return found


def judged(client: Client, report: Report, *, better: bool) -> None:
    """Somebody says of all that waits, by the page, which is right, and rates what is to be rated."""
    there = reverse("report_writings", args=["ours", "wo"])
    for _ in range(60):
        context = client.get(there).context
        probe, rated = context["probe"], context["rated"]
        if probe is None and rated is None:
            return
        if probe is not None:
            new = context["sides"].index(probe.new_text)
            choice = ("first", "second")[new if better else 1 - new]
            client.post(there, {"probe": probe.pk, "choice": choice})
        else:
            grade = 5 if rated[1].startswith("Tontu") else 1
            client.post(there, {"case": rated[0].pk, "text": rated[1], "grade": grade})
    raise AssertionError("it never ends")


def in_the_loop(home: Campaign) -> Report:
    """It was confirmed, has its case, and texts like it wait for people; its twin does not."""
    twin = make_sample(home, "wo", glued(["Xamuma ko dara", f"{ASKED}."]))
    neighbours(home, 46)
    report = confirmed(home)
    Report.objects.filter(pk=report.pk).update(planned=22)
    report_care.tend(timezone.now())
    report.refresh_from_db()
    assert report.state == State.COLLECTING
    case = report.cases.get().case
    assert (case.text, case.versions.get().predicate) == (ASKED, "people")
    assert not report.links.filter(sample=twin).exists()
    return report


def tended(report: Report) -> str:
    """What the timetable does for it; twice, as a worker may be asked twice."""
    for _ in range(2):
        report_care.tend(timezone.now())
    report.refresh_from_db()
    return str(report.state)


def judged_by(user: User, check: WritingCheck, *, times: int = 2) -> None:
    """All that waits for somebody, without a page; each word given twice is one."""
    for probe in check.probes.all():
        for _ in range(times):
            choice = "first" if probe.new_first else "second"
            judge_writing(probe, user=user, choice=choice, now=timezone.now())
    for case, text in to_rate(check.report.campaign, language=check.report.language, user=user):
        grade = 5 if text.startswith("Tontu") else 1
        for _ in range(2):
            rate(case, text=text, user=user, grade=grade, now=timezone.now())


def told_to(version: GeneratorVersion) -> set[str]:
    return {one.annotation.item.sample.text for one in version.lessons.all()}


def released_by_hand(report: Report) -> None:
    """The database releases nothing that was proven on another generator than what serves."""
    event = {"from_state": report.state, "to_state": State.RELEASED, "by": "system"}
    with pytest.raises(IntegrityError), transaction.atomic():
        report.log.create(
            **event,
            number=report.events + 1,
            at=timezone.now(),
            previous=report.last_hash,
            hash="0" * 64,
        )


def kept_out(report: Report, candidate: GeneratorVersion, pens: Pens) -> None:
    """Another one that writes what was found wrong is kept out, and opens the report again."""
    third = generator(report.campaign, 3)
    pens.of[3] = pens.of[1]
    put_cases(third, now=timezone.now())
    held = held_to_cases(third, champion=candidate)
    assert [one.case for one in held.broken] == [report.cases.get().case]
    assert not held.finding.holds
    BlindComparison.objects.create(
        home=report.campaign, candidate=third, champion=candidate, margin=0.05
    )
    assert tended(report) == State.REOPENED
    assert report.log.filter(reason="red_again").count() == 1


def test_a_report_of_what_was_written_goes_round_and_its_like_is_never_learned(
    home: Campaign, pens: Pens
) -> None:
    users = speakers("binta", "coumba", "demba")
    generator(home, 1)
    report = in_the_loop(home)
    candidate = taught(home, report)
    comparison = passed(home, candidate)
    assert tended(report) == State.VERIFYING
    # People rate first what was written for the case: until then nobody lets it serve.
    with pytest.raises(ConflictError, match="wait"):
        promote_generator(comparison)
    check = WritingCheck.objects.get()
    assert check.probes.count() >= 20
    assert not any(one.source in text for one in check.probes.all() for text in told_to(candidate))
    judged_by(users[0], check)
    client = Client()
    client.force_login(users[1])
    judged(client, report, better=True)
    assert tended(report) == State.FIX_PENDING_RELEASE
    check.refresh_from_db()
    assert (check.state, check.reasons) == ("passed", [])
    released_by_hand(report)
    promote_generator(comparison)
    assert tended(report) == State.RELEASED
    steps = report.log.values_list("to_state", flat=True)
    assert len(steps) == len(set(steps))  # none was taken twice
    assert report.links.filter(kind="version", ref__startswith="green").count() == 1
    kept_out(report, candidate, pens)


def test_a_case_that_differs_over_seeds_is_held_to_two_of_three(home: Campaign, pens: Pens) -> None:
    from training.actions.cases import add_written_case

    first = generator(home, 1)
    case = add_written_case(home, tag="wo", text=ASKED, predicate="lacks", told=["xamuma"])
    pens.of[1] = lambda _s, seed: "Xamuma" if seed == 1 else "Waaw"
    for _ in range(2):
        put_cases(first, now=timezone.now())
    assert WrittenAnswer.objects.get().texts == ["Waaw", "Xamuma", "Waaw"]
    assert [one.of_three for one in case.versions.all()] == [False, True]
    assert [one.right for one in asked_of(first)] == [True]
    pens.of[2] = lambda _s, seed: "Waaw" if seed is None else "Xamuma"
    second = generator(home, 2)
    put_cases(second, now=timezone.now())
    assert [one.right for one in asked_of(second)] == [False]
    story = story_of(home.languages.get(), now=timezone.now())
    assert story.cases == Cases(total=1, green=1, run=1)
    assert CaseVersion.objects.count() == 2


def test_nobody_judges_or_rates_what_mends_a_report_of_their_own(
    home: Campaign, pens: Pens
) -> None:
    (awa,) = speakers("awa")
    first, second = generator(home, 1), generator(home, 2)
    report = tell(home)
    Report.objects.filter(pk=report.pk).update(user=awa)
    check = WritingCheck.objects.create(
        report=report, version=second, against=first, opened_at=timezone.now()
    )
    probe = check.probes.create(source="s", old_text="a", new_text="b", new_first=True)
    with pytest.raises(IntegrityError), transaction.atomic():
        WritingChoice.objects.create(probe=probe, user=awa, choice="both", at=timezone.now())
    assert to_rate(home, language=report.language, user=awa) == []


@pytest.mark.parametrize("short", [True, False])
def test_what_was_reported_teaches_no_generator_however_short_it_is(
    home: Campaign, pens: Pens, short: bool
) -> None:
    from training.actions.cases import add_written_case
    from training.actions.corrections import corrections_of
    from training.actions.gold_marks import GoldMarks

    source = "Jamm ngam?" if short else ASKED
    like = make_sample(home, "wo", glued(["Jamm rekk, alhamdulilaay", f"{source} "]))
    other = make_sample(home, "wo", glued(["Jamm rekk, alhamdulilaay", "Ana waa kër ga?"]))
    assert not GoldMarks.of(home).near(like)
    add_written_case(home, tag="wo", text=source, predicate="people")
    marks = GoldMarks.of(home)
    assert (marks.near(like), marks.near(other)) == (True, False)
    assert list(corrections_of(home)) == []


def test_a_real_network_writes_for_a_visitor_and_draws_by_its_seed(
    home: Campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = generator(home, 1)
    folder = tiny_generator(tmp_path / "tiny", kind="llama")
    monkeypatch.setattr("learning.actions.served_writing.folder_of", lambda _: folder)
    monkeypatch.setattr("learning.actions.served_writing.LONGEST", 8)
    sources = ["abc", "naka nga def", "lan la"]

    def said(seed: int | None) -> list[str]:
        told = write_with(version, sources=sources, languages=["wo"] * 3, seed=seed)
        assert not any(one.problem for one in told)
        return [one.text for one in told]

    assert said(None) == said(None)
    drawn = [said(seed) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert serving_generator(home) == version
