"""What the pages say, and what their buttons do."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from annotation.models import Campaign, User
from learning.gateways.weights import path_of, store
from learning.models import Round
from tests.make import make_campaign
from tests.rich import EVIL, LANGUAGES
from tests.training.pages import text_of
from training.models import TrainingRun

pytestmark = pytest.mark.django_db


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
    assert queries(noor, f"/campaigns/{small.slug}/") <= 53
    assert queries(noor, f"/campaigns/{campaign.slug}/") <= 62
    assert queries(noor, "/campaigns/") <= 14
    assert queries(noor, f"/campaigns/{campaign.slug}/rounds/1/") <= 12
    assert queries(noor, f"/campaigns/{campaign.slug}/people/") <= 21
    assert queries(noor, f"/campaigns/{campaign.slug}/quarantine/") <= 7
    assert queries(noor, f"/campaigns/{campaign.slug}/versions/") <= 16
    run = TrainingRun.objects.latest("pk")
    assert queries(noor, f"/campaigns/{campaign.slug}/runs/{run.pk}/") <= 12


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
    assert '<span class="sample" lang="ar-Arab" dir="auto">' in page
    assert 'lang="wo-Latn" dir="auto"' not in page


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
    assert '<html lang="ar" dir="rtl">' in text_of(noor, "/campaigns/")
    # What nobody has translated is given whole in English.
    noor.cookies[settings.LANGUAGE_COOKIE_NAME] = "he"
    assert '<html lang="en" dir="ltr">' in text_of(noor, "/campaigns/")


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
        "names = 'torch transformers sklearn label_studio_sdk pyarrow scipy.special scipy.sparse';"
        "heavy = set(names.split()) & set(sys.modules);"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
