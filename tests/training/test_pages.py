"""What the pages say, and what their buttons do."""

import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from kombu.exceptions import OperationalError

from annotation import tasks
from annotation.models import Campaign, QuarantinedAnswer, SampleImport, User
from learning.gateways.weights import path_of, store
from learning.models import Round
from tests.make import make_campaign, make_sample, make_user
from tests.rich import EVIL, LANGUAGES, make_rich_campaign
from training.models import TrainingRun

pytestmark = pytest.mark.django_db


@pytest.fixture
def lead() -> User:
    return make_user("noor", staff=True)


@pytest.fixture
def noor(client: Client, lead: User) -> Client:
    client.force_login(lead)
    return client


@pytest.fixture
def campaign(lead: User) -> Campaign:
    return make_rich_campaign(lead=lead)


def text_of(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return str(answer.content.decode())


def queries(client: Client, address: str) -> int:
    with CaptureQueriesContext(
        connection,
    ) as seen:
        client.get(address)
    return len(seen)


def test_an_empty_house_says_what_to_do_next(noor: Client) -> None:
    assert "Create the first campaign" in text_of(noor, "/campaigns/")


def test_the_campaign_page_says_where_each_language_stands(
    noor: Client, campaign: Campaign
) -> None:
    page = text_of(noor, f"/campaigns/{campaign.slug}/")
    for _tag, name, own, *_rest in LANGUAGES:
        assert name in page
        assert own in page
    assert "7 of 14 items answered" in page
    assert "Nobody can answer in Central Atlas Tamazight, Wolof" in page
    assert "No guideline yet in Upper Sorbian, Kabyle." in page
    assert "3 answers do not fit the question" in page
    assert page.count('class="spark"') == len(LANGUAGES)
    newest = campaign.deployments.first()
    assert newest
    wolof = newest.version.evaluations.get(language__tag="wo")
    low, high = wolof.accuracy_low, wolof.accuracy_high
    assert f"{wolof.accuracy:.2f} ({low:.2f}–{high:.2f})" in page


def test_pages_do_not_ask_more_of_the_database_when_there_is_more_to_show(
    noor: Client, campaign: Campaign
) -> None:
    small = make_campaign(languages=("wo",), slug="small")
    # The rich one has rounds, runs and gates; what those cost is the only difference.
    assert queries(noor, f"/campaigns/{small.slug}/") <= 32
    assert queries(noor, f"/campaigns/{campaign.slug}/") <= 36
    assert queries(noor, "/campaigns/") <= 10
    assert queries(noor, f"/campaigns/{campaign.slug}/rounds/1/") <= 8
    assert queries(noor, f"/campaigns/{campaign.slug}/people/") <= 7
    assert queries(noor, f"/campaigns/{campaign.slug}/quarantine/") <= 7
    assert queries(noor, f"/campaigns/{campaign.slug}/versions/") <= 9
    run = TrainingRun.objects.latest("pk")
    assert queries(noor, f"/campaigns/{campaign.slug}/runs/{run.pk}/") <= 9


def test_the_gate_is_told_in_words_and_numbers(noor: Client, campaign: Campaign) -> None:
    held = TrainingRun.objects.get(round__number=2)
    page = text_of(noor, f"/campaigns/{campaign.slug}/runs/{held.pk}/")
    assert "Not enough evidence yet that no language loses" in page
    assert "−0.041 (−0.071 to −0.011)" in page
    assert "Kabyle</bdi> 120" in page
    assert page.count('role="img"') >= len(LANGUAGES) + 1
    passed = TrainingRun.objects.get(round__number=4)
    assert "It was promoted." in text_of(noor, f"/campaigns/{campaign.slug}/runs/{passed.pk}/")


def test_nothing_in_a_text_comes_alive(noor: Client, campaign: Campaign) -> None:
    imported = campaign.imports.get()
    for path in ("rounds/1/", f"imports/{imported.pk}/", "quarantine/"):
        page = text_of(noor, f"/campaigns/{campaign.slug}/{path}")
        assert EVIL not in page, path
        assert "&lt;b&gt;bold&lt;/b&gt;" in page, path


def test_every_text_carries_its_language_and_direction(noor: Client, campaign: Campaign) -> None:
    page = text_of(noor, f"/campaigns/{campaign.slug}/rounds/2/?language=ar")
    assert '<span class="sample" lang="ar" dir="auto">' in page
    assert 'lang="wo" dir="auto"' not in page


def test_train_now_asks_once(noor: Client, campaign: Campaign) -> None:
    noor.post(f"/campaigns/{campaign.slug}/train-now/")
    first = campaign.rounds.get(number=5).close_asked_at
    assert first
    noor.post(f"/campaigns/{campaign.slug}/train-now/")
    assert campaign.rounds.get(number=5).close_asked_at == first
    assert "Train now" not in text_of(noor, f"/campaigns/{campaign.slug}/")


def test_train_now_says_no_when_nothing_collects(noor: Client, campaign: Campaign) -> None:
    campaign.rounds.filter(number=5).update(status=Round.Status.TRAINING)
    answer = noor.post(f"/campaigns/{campaign.slug}/train-now/", follow=True)
    assert "No round is collecting answers now." in answer.content.decode()
    assert campaign.rounds.get(number=5).close_asked_at is None


def test_the_live_part_reloads_the_page_only_when_something_ended(
    noor: Client, campaign: Campaign
) -> None:
    there = f"/campaigns/{campaign.slug}/live/"
    same = noor.get(there, {"seen": "running-5-collecting"})
    assert "HX-Refresh" not in same.headers
    assert "7 of 14" in same.content.decode()
    assert noor.get(there, {"seen": "running-5-selecting"})["HX-Refresh"] == "true"


def test_what_the_desk_fails_at_is_said_on_the_page_and_the_health_page(
    noor: Client, campaign: Campaign
) -> None:
    there, fine = f"/campaigns/{campaign.slug}/", text_of(noor, "/health/")
    assert "desk error" not in text_of(noor, there)
    assert "0 without errors" in fine
    assert "answers wait in messages: 3" in fine
    error = "Label Studio said no (status 403): limit."
    now = timezone.now()
    for tag, project in (("wo", None), ("ar", 7), ("he", 8)):
        homes = campaign.languages.filter(language__tag=tag)
        homes.update(desk_error=error, desk_error_at=now, desk_project_id=project)
    page = text_of(noor, there)
    assert page.count("desk error</span>") == 3
    assert f"No project could be made at the desk for Wolof: {error}" in page
    assert f"The desk fails in Arabic, Hebrew: {error} What was answered is safe" in page
    health = text_of(noor, "/health/")
    assert f"messages ar, messages he, messages wo: {error}" in health
    assert "It is tried again by itself" in health


def test_a_language_that_is_paused_or_out_is_marked(noor: Client, campaign: Campaign) -> None:
    campaign.languages.filter(language__tag="ka").update(active=False)
    campaign.languages.filter(language__tag="ta").update(most_per_round=0)
    page = text_of(noor, f"/campaigns/{campaign.slug}/")
    assert page.count("takes no part</span>") == 1
    assert page.count("paused</span>") == 1


def test_refused_nudges_are_seen(noor: Client, campaign: Campaign) -> None:
    noor.post(f"/hooks/label-studio/{campaign.languages.first().pk}/", {}, "application/json")
    assert "1 refused within a day" in text_of(noor, "/health/")
    campaign.languages.update(swept_at=timezone.now() - timedelta(hours=1))
    assert "no answers were fetched lately" in text_of(noor, "/health/")


def test_start_without_texts_says_what_is_missing(noor: Client) -> None:
    draft = make_campaign(slug="draft")
    page = noor.post("/campaigns/draft/start/", follow=True).content.decode()
    assert "no sample to ask about" in page
    draft.refresh_from_db()
    assert draft.status == "draft"
    make_sample(draft)
    noor.post("/campaigns/draft/start/")
    noor.post("/campaigns/draft/start/")
    draft.refresh_from_db()
    assert draft.status == "running"
    noor.post("/campaigns/draft/pause/")
    draft.refresh_from_db()
    assert draft.status == "paused"
    noor.get("/campaigns/draft/finish/")
    draft.refresh_from_db()
    assert draft.status == "paused"
    noor.post("/campaigns/draft/finish/")
    draft.refresh_from_db()
    assert draft.status == "finished"


def form(**over: str) -> dict[str, str]:
    return {
        "title": "Mood",
        "slug": "",
        "question": "How does it sound?",
        "labels": "good = Good\n\nbad",
        "languages": "wo\nzh-Hant\n",
        "items_per_round": "40",
        "floor_per_language": "4",
        "answers_per_item": "2",
        "train_when_answered": "0.9",
        "max_rounds": "",
        "audit_share": "0.10",
        "gold_share": "0.10",
        "margin": "0.03",
        "network": "starter",
        "seed": "1",
        "step": "guidelines",
    } | over


def test_a_campaign_is_made_from_the_form(noor: Client, lead: User) -> None:
    answer = noor.post("/campaigns/new/", form(guideline="Read twice."))
    assert answer["Location"] == "/campaigns/mood/"
    made = Campaign.objects.get(slug="mood")
    assert made.created_by == lead
    assert made.answers_per_item == 2
    assert list(made.labels.values_list("key", "name")) == [("good", "Good"), ("bad", "bad")]
    assert [home.guidelines.get().text for home in made.languages.all()] == ["Read twice."] * 2


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("labels", "only = One", "two labels at least"),
        ("labels", "a = A\na = B", "there twice"),
        ("labels", "a = A\nb c d", "Line 2 is not key = Name"),
        ("languages", "wo\nWO", "there twice"),
        ("languages", "not a tag", "Line 1 is no language tag"),
        ("languages", "wo\nxyz", "No registry knows"),
        ("languages", "", "required"),
        ("slug", "new", "taken by a page"),
        ("title", "أسئلة", "Latin letters"),
        ("audit_share", "0.01", "greater than or equal to 0.1"),
        ("items_per_round", "0", "greater than or equal to 1"),
        ("items_per_round", "many", "whole number"),
        ("margin", "0.5", "less than or equal to 0.1"),
    ],
)
def test_what_is_wrong_is_said_at_the_field(
    field: str, value: str, words: str, noor: Client
) -> None:
    answer = noor.post("/campaigns/new/", form(**{field: value}))
    assert answer.status_code == 422
    wrong = "slug" if field == "title" else field
    assert words in str(answer.context["form"].errors[wrong])
    assert not Campaign.objects.exists()


def test_each_language_gets_the_guideline_that_was_written_for_it(noor: Client) -> None:
    first = noor.post("/campaigns/new/", form(step="campaign"))
    page = first.content.decode()
    assert "Wolof" in page
    assert 'name="guideline-zh-Hant"' in page
    assert not Campaign.objects.exists()
    carried = {field: value for field, value in first.context["carried"] if field.startswith("la")}
    assert carried == {"labels": form()["labels"], "languages": form()["languages"]}
    own = {"guideline": "Read twice.", "guideline-zh-Hant": "請讀兩次。"}
    back = noor.post("/campaigns/new/", form(back="1", **own) | {"step": ""})
    assert "請讀兩次。" in back.content.decode()
    assert not Campaign.objects.exists()
    noor.post("/campaigns/new/", form(**own))
    homes = Campaign.objects.get(slug="mood").languages.all()
    assert {home.language.tag: home.guidelines.get().text for home in homes} == {
        "wo": "Read twice.",
        "zh-Hant": "請讀兩次。",
    }


def test_the_same_name_twice_is_refused(noor: Client) -> None:
    noor.post("/campaigns/new/", form())
    answer = noor.post("/campaigns/new/", form())
    assert "exists already" in answer.content.decode()
    assert Campaign.objects.count() == 1


def test_a_guideline_gets_its_next_version(noor: Client, campaign: Campaign) -> None:
    there = f"/campaigns/{campaign.slug}/guidelines/ar/"
    noor.post(there, {"text": "اقرأ مرتين"})
    home = campaign.languages.get(language__tag="ar")
    assert list(home.guidelines.values_list("version", "text"))[-1] == (2, "اقرأ مرتين")
    assert noor.post(there, {"text": "  "}).status_code == 422
    assert home.guidelines.count() == 2


def test_a_file_is_queued_and_its_worker_called_even_if_nobody_hears(
    noor: Client,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Callable[..., Any],
) -> None:
    called: list[int] = []

    def apply_async(*, kwargs: dict[str, int], retry: bool) -> None:
        called.append(kwargs["import_id"])
        raise OperationalError("the broker is away")

    monkeypatch.setattr(tasks.run_import, "apply_async", apply_async)
    make_campaign(slug="filled", languages=("wo",))
    data = {
        "file": SimpleUploadedFile("mine.csv", b"words\nsalaam\n"),
        "format": "",
        "column_text": "words",
        "default_language": "wo",
        "default_licence": "CC-BY-4.0",
        "default_source": "radio",
        "on_error": "refuse_all",
    }
    with django_capture_on_commit_callbacks(execute=True):
        answer = noor.post("/campaigns/filled/imports/", data)
    row = SampleImport.objects.get()
    assert answer["Location"] == f"/campaigns/filled/imports/{row.pk}/"
    assert called == [row.pk]
    assert row.on_error == "refuse_all"
    assert row.options["columns"] == {"text": "words"}
    wanted = {"language": "wo", "licence": "CC-BY-4.0", "source": "radio"}
    assert row.options["defaults"] == wanted


def test_a_file_that_cannot_be_read_is_refused_at_the_door(noor: Client) -> None:
    make_campaign(slug="filled", languages=("wo",))
    data = {"file": SimpleUploadedFile("mine.exe", b"MZ"), "on_error": "keep_good"}
    answer = noor.post("/campaigns/filled/imports/", data)
    assert answer.status_code == 422
    assert not SampleImport.objects.exists()


def test_a_file_comes_in_again_only_with_the_tick(noor: Client) -> None:
    make_campaign(slug="filled", languages=("wo",))
    told = {"default_language": "wo", "default_licence": "CC-BY-4.0", "on_error": "keep_good"}

    def send(**tick: str) -> int:
        file = SimpleUploadedFile("mine.csv", b"text\nsalaam\n")
        return noor.post("/campaigns/filled/imports/", {"file": file, **told, **tick}).status_code

    assert [send(), send(), send(again="on")] == [302, 422, 302]
    assert SampleImport.objects.count() == 2


def test_refused_rows_come_as_csv_without_formulas(noor: Client, campaign: Campaign) -> None:
    imported = campaign.imports.get()
    answer = noor.get(f"/campaigns/{campaign.slug}/imports/{imported.pk}/refused.csv")
    lines = b"".join(answer).decode("utf-8-sig").splitlines()
    assert lines[0] == "row,field,reason,excerpt"
    assert len(lines) == 8
    assert lines[2].endswith(",'=SUM(A1:A9)")


def test_a_quarantined_answer_is_laid_aside_and_kept(noor: Client, campaign: Campaign) -> None:
    strange = QuarantinedAnswer.objects.first()
    assert strange
    noor.post(f"/campaigns/{campaign.slug}/quarantine/{strange.pk}/lay-aside/")
    strange.refresh_from_db()
    assert strange.resolved_at
    assert text_of(noor, f"/campaigns/{campaign.slug}/quarantine/").count("<article") == 2
    assert text_of(noor, f"/campaigns/{campaign.slug}/quarantine/?show=all").count("<article") == 3


def test_simulated_people_are_marked(noor: Client, campaign: Campaign) -> None:
    page = text_of(noor, f"/campaigns/{campaign.slug}/people/")
    assert page.count("simulated</span>") == 4
    assert "0.95 (0.85–1.00)" in page


def test_rollback_asks_first_and_is_one_more_row(
    noor: Client, lead: User, campaign: Campaign, tmp_path: Path
) -> None:
    (tmp_path / "network.json").write_text("{}")
    digest = store(tmp_path)
    campaign.model_versions.filter(number=1).update(digest=digest, path=path_of(digest))
    there = f"/campaigns/{campaign.slug}/versions/1/roll-back/"
    assert "Let version 1 serve again?" in text_of(noor, there)
    assert campaign.deployments.count() == 3
    noor.post(there, {"reason": "It was kinder."})
    newest = campaign.deployments.first()
    assert newest
    assert (newest.version.number, newest.kind) == (1, "rollback")
    assert (newest.reason, newest.actor) == ("It was kinder.", lead)
    noor.post(there, {"reason": "Again."})
    noor.post(there.replace("1", "2"), {"reason": " "})
    assert campaign.deployments.count() == 4


def test_rollback_to_a_version_that_never_served_is_not_offered_nor_done(
    noor: Client, campaign: Campaign
) -> None:
    # Version 3 was held by its gate: a way back must not become a way round the gate.
    answer = noor.post(f"/campaigns/{campaign.slug}/versions/3/roll-back/", {"reason": "x"})
    assert answer.status_code in (302, 404)
    assert campaign.deployments.count() == 3


def test_the_page_runs_the_way_the_interface_language_runs(noor: Client) -> None:
    noor.cookies[settings.LANGUAGE_COOKIE_NAME] = "ar"
    # Nothing of ours is translated into Arabic yet, so nobody is given half of it.
    assert '<html lang="en" dir="ltr">' in text_of(noor, "/campaigns/")
    with override_settings(LANGUAGES=[("en", "English"), ("ar", "Arabic")]):
        assert '<html lang="ar" dir="rtl">' in text_of(noor, "/campaigns/")


def test_pages_hold_no_inline_script_or_style(noor: Client, campaign: Campaign) -> None:
    for path in ("", f"runs/{TrainingRun.objects.latest('pk').pk}/", "people/", "imports/"):
        page = text_of(noor, f"/campaigns/{campaign.slug}/{path}")
        assert " style=" not in page
        assert "<style" not in page
        assert page.count("<script") == page.count("<script src=")


def test_the_web_loads_no_network() -> None:
    code = (
        "import os, sys, django; os.environ['DJANGO_SETTINGS_MODULE'] = 'config.settings';"
        "django.setup(); import config.urls, config.wsgi;"
        "heavy = {'torch', 'transformers', 'sklearn', 'label_studio_sdk'} & set(sys.modules);"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
