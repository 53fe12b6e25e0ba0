"""What comes in, by its pages: files, answers that do not fit, people."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from kombu.exceptions import OperationalError

from annotation import tasks
from annotation.models import Campaign, QuarantinedAnswer, SampleImport
from tests.make import make_campaign
from tests.training.pages import text_of

pytestmark = pytest.mark.django_db


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
