"""Every table on a page is to be had as a file: by its own address, or by the page's."""

import csv
import io
import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from annotation.actions.webhooks import add_webhook
from annotation.models import Campaign, PublicDoor
from config.env import ROOT
from tests.make import make_campaign, make_user
from tests.rich import make_rich_campaign
from training.actions.news import NEWS

COMPRESSED = {"accept-encoding": "gzip, deflate, br"}  # as every browser asks
# Tables without a name of their own: what gives them as a file, or why nothing does.
ELSEWHERE = {
    "annotation/_agreement.html": ["people_table"],
    "annotation/_curve.html": ["- a picture's numbers: run_csv has a run's, a person's stay here"],
    "annotation/audit.html": ["audit_csv"],
    "annotation/import_create.html": ["campaign_table"],
    "annotation/import_detail.html": ["import_refused_csv"],
    "annotation/judgements.html": ["judgements_csv"] * 3,
    "annotation/language_desk.html": ["- one text's answers, decided there", "hours_csv"],
    "annotation/people.html": ["people_table"] * 2,
    "annotation/queue.html": ["queue_csv"],
    "annotation/report_detail.html": ["- texts of reports leave no copies, so that all is erased"],
    "annotation/reports_queue.html": ["- texts of reports leave no copies, so that all is erased"],
    "annotation/reports_several.html": ["- a look at what is about to be done"],
    "learning/_outlook.html": ["campaign_table"],
    "learning/round_detail.html": ["round_table"] * 2,
    "training/_labels.html": ["version_labels"],
    "training/_run_curves.html": ["- run_csv, on the page that shows it"],
    "training/campaign_detail.html": ["campaign_table"] * 5,
    "training/cases.html": ["campaign_table"],
    "training/gate_detail.html": ["gate_csv"],
    "training/parity.html": ["campaign_languages_csv"],
    "training/run_detail.html": ["gate_csv"],
    "training/run_list.html": ["campaign_table"],
    "training/version_list.html": ["campaign_table"] * 2,
}


def templates() -> list[Path]:
    return sorted(p for app in ("annotation", "learning", "training") for p in ROOT.glob(f"{app}/templates/{app}/*.html"))  # fmt: skip


def test_every_table_of_every_template_has_its_file_or_a_reason() -> None:
    wrong, seen = [], set()
    everything = "".join(path.read_text() for path in templates())
    for path in templates():
        page, name = path.read_text(), f"{path.parent.name}/{path.name}"
        tables = re.findall(r"<table([^>]*)>", page)
        for table in tables:
            if named := re.search(r'id="([a-z]+(?:-[a-z]+)*)', table):
                wrong += [] if f"csv_link '{named[1]}'" in page else [f"{name}: {named[1]}"]
        told = ELSEWHERE.get(name, [])
        seen |= {name} if told else set()
        if len(told) != sum("id=" not in table for table in tables):
            wrong.append(f"{name}: a table without a file")
        doors = [one for one in told if not one.startswith("- ")]
        wrong += [f"{name}: {one}" for one in doors if f"url '{one}'" not in everything]
    assert not wrong
    assert seen == set(ELSEWHERE)


@pytest.mark.django_db
def test_a_table_comes_as_the_page_shows_it_to_whoever_may_see_the_page(client: Client) -> None:
    campaign = make_rich_campaign()
    client.force_login(make_user("noor", staff=True))
    rows = table(client, campaign, "quota/?csv=quota")
    assert rows[0][:4] == ["Language", "Now", "New", "Difference"]
    assert [row[0].split()[0] for row in rows[1:]][:2] == ["አማርኛ", "العربية"]
    # What stands in a field is what one would write there; buttons and forms are no part of it.
    campaign.languages.filter(language__tag="ar").update(most_per_round=17)
    assert table(client, campaign, "quota/?csv=quota")[2][-2:] == ["1", "17"]
    picks = table(client, campaign, "rounds/1/?csv=looks&language=ar")
    assert picks[1][:3] == ["Several passes of the network", "840", "10"]
    moves = list(csv.reader(io.StringIO(body(client, "/languages/messages/ar/?csv=history"))))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT.+", moves[1][1])
    assert client.get("/campaigns/messages/quota/?csv=nothing")["Content-Type"].startswith("text/html")  # fmt: skip
    listed = list(csv.reader(io.StringIO(body(client, "/campaigns/?csv=campaigns"))))
    assert dict(zip(*listed, strict=True))["languages"] == "14"
    client.force_login(make_user("lee"))
    assert client.get("/campaigns/messages/quota/?csv=quota").status_code == 403


@pytest.mark.django_db
def test_a_page_that_is_sent_compressed_gives_its_tables_too(client: Client) -> None:
    campaign = make_rich_campaign()
    PublicDoor.objects.update_or_create(campaign=campaign, defaults={"open": True})
    card = reverse("public_card", args=[campaign.slug, 1])
    assert client.get(card, headers=COMPRESSED)["Content-Encoding"] == "gzip"
    assert body(client, f"{card}?csv=quality", headers=COMPRESSED).startswith("Language,")
    assert client.get(f"{card}?csv=none", headers=COMPRESSED).status_code == 200


@pytest.mark.django_db
def test_nothing_in_a_file_runs(client: Client) -> None:
    campaign = make_campaign(title="=SUM(A1)")
    client.force_login(make_user("noor", staff=True))
    assert "'=SUM(A1)" in body(client, "/campaigns/?csv=campaigns")
    add_webhook(campaign, url="https://example.org/?a=1", kinds=[], news=NEWS)
    page = f"/campaigns/{campaign.slug}/webhooks/?csv=addresses"
    assert "https://example.org" in body(client, page)


def table(client: Client, campaign: Campaign, page: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(body(client, f"/campaigns/{campaign.slug}/{page}"))))


def body(client: Client, address: str, **asked: Any) -> str:
    answer = client.get(address, **asked)
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer["Content-Disposition"]
    return b"".join(answer.streaming_content).decode().removeprefix("\ufeff")
