"""Pages that show where languages stand: who sees them, what they tell, and what they never tell."""

import csv
import json
from datetime import timedelta
from xml.etree import ElementTree

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from annotation.models import (
    Annotator,
    Campaign,
    Consensus,
    Consent,
    Objection,
    SampleImport,
    User,
)
from learning.models import SelectionGain
from tests.make import make_sample, make_user
from tests.training.pages import text_of
from tests.training.pages_made import dress, many
from training.actions.public_pages import set_public
from training.models import CaseCheck, PublicPage, RegressionCase

pytestmark = pytest.mark.django_db
ATOM = "{http://www.w3.org/2005/Atom}"


@pytest.fixture(autouse=True)
def _nothing_kept() -> None:
    cache.clear()


@pytest.fixture
def stranger() -> Client:
    return Client()


@pytest.fixture
def shown(campaign: Campaign, lead: User) -> Campaign:
    dress(campaign)
    set_public(campaign, shown=True, actor=lead, now=timezone.now())
    return campaign


PAGES = ("", "all.csv", "ar/", "ar/data.json", "ar/feed.xml")


def test_nothing_is_public_until_an_admin_says_so(
    noor: Client, stranger: Client, campaign: Campaign
) -> None:
    lee = Client()
    lee.force_login(make_user("lee"))
    there = f"/languages/{campaign.slug}/"
    for page in PAGES:
        assert stranger.get(there + page).status_code == 404
        assert lee.get(there + page).status_code == 404
        assert noor.get(there + page).status_code == 200
    assert "A preview" in text_of(noor, there)
    assert campaign.title not in text_of(stranger, "/languages/")
    publish = f"/campaigns/{campaign.slug}/public/"
    assert lee.post(publish, {"shown": "1"}).status_code == 403
    assert not PublicPage.objects.filter(shown=True).exists()
    noor.post(publish, {"shown": "1"})
    for page in PAGES:
        assert stranger.get(there + page).status_code == 200
    assert "العربية" in text_of(stranger, "/languages/")
    assert "A preview" not in text_of(noor, there)
    noor.post(publish, {"shown": "0"})
    assert stranger.get(there).status_code == 404


def test_a_language_page_tells_numbers_with_intervals_and_no_text_of_anybody(
    stranger: Client, shown: Campaign
) -> None:
    page = text_of(stranger, f"/languages/{shown.slug}/ar/")
    for words in ("95 % interval", "Calibration error", "Lebu", "× ", "regression case"):
        assert words in page
    assert "&lt; 5" in page
    for text in shown.samples.filter(language__tag="ar").values_list("text", flat=True):
        assert text not in page
    assert len(page.encode()) < 30_000
    told = stranger.get(f"/languages/{shown.slug}/ar/data.json").json()
    assert told["accuracy"]["low"] < told["accuracy"]["value"] < told["accuracy"]["high"]
    assert told["people"] == "< 5"
    assert [(one["kind"], one["items"]) for one in told["slices"]] == [
        ("romanised", 71),
        ("switched", 71),
        ("no_marks", 71),
        ("dialect", 44),
    ]
    assert [one["version"] for one in told["history"]] == [1, 2, 5]


def test_a_page_that_did_not_change_is_not_sent_again_and_a_name_goes_at_once(
    stranger: Client, shown: Campaign
) -> None:
    there = f"/languages/{shown.slug}/ar/"
    person = Annotator.objects.get(language__tag="ar")
    first = stranger.get(there)
    assert f"Person {person.pk}" in first.content.decode()
    mark = first["ETag"]
    again = stranger.get(there, headers={"If-None-Match": f"W/{mark}"})
    assert (again.status_code, again.content) == (304, b"")
    Consent.objects.filter(user=person.user).update(name_me=False)
    after = stranger.get(there, headers={"If-None-Match": mark})
    assert after.status_code == 200
    assert f"Person {person.pk}" not in after.content.decode()


def test_the_feed_tells_each_version_that_began_to_serve(stranger: Client, shown: Campaign) -> None:
    answer = stranger.get(f"/languages/{shown.slug}/ar/feed.xml")
    root = ElementTree.fromstring(answer.content)  # noqa: S314 - our own bytes
    titles = [one.findtext(f"{ATOM}title") for one in root.iter(f"{ATOM}entry")]
    assert titles == ["Version 5 serves", "Version 2 serves", "Version 1 serves"]
    assert "95 %" in (root.find(f"{ATOM}entry").findtext(f"{ATOM}summary") or "")


def test_cases_are_told_as_what_serves_answered_them(stranger: Client, shown: Campaign) -> None:
    label, language = shown.labels.first(), shown.languages.get(language__tag="ar").language
    gate = shown.training_runs.get(round__number=4).gate
    for k in range(3):
        case = RegressionCase.objects.create(
            campaign=shown, language=language, text=f"t{k}", digest=str(k)
        )
        if k < 2:
            CaseCheck.objects.create(
                gate=gate,
                case=case,
                champion_label=label,
                candidate_label=label,
                champion_right=False,
                candidate_right=k == 0,
            )
    told = stranger.get(f"/languages/{shown.slug}/ar/data.json").json()["regression_cases"]
    assert told == {"total": 3, "run": 2, "green": 1}


def test_two_hundred_languages_cost_no_more_queries_than_five(stranger: Client) -> None:
    many(5, slug="few")
    many(200, slug="lots")
    asked = {}
    for slug in ("few", "lots"):
        for page in ("", "am-ML/"):
            with CaptureQueriesContext(connection) as seen:
                text_of(stranger, f"/languages/{slug}/{page}")
            asked[slug + page] = len(seen)
    assert asked["few"] == asked["lots"] <= 12
    assert asked["fewam-ML/"] == asked["lotsam-ML/"] <= 32
    with CaptureQueriesContext(connection) as again:
        text_of(stranger, "/languages/lots/am-ML/")
    assert len(again) <= 6
    page = text_of(stranger, "/languages/lots/?sort=gap")
    assert "Page 1 of 2" in page
    assert 'href="?page=2&amp;sort=gap"' in page
    packed = stranger.get("/languages/lots/", headers={"Accept-Encoding": "gzip"})
    assert packed["Content-Encoding"] == "gzip"
    assert len(packed.content) < 60_000


def test_languages_are_found_and_sorted_by_the_address_alone(stranger: Client) -> None:
    many(60, slug="lots")

    def names(query: str) -> list[str]:
        answer = stranger.get(f"/languages/lots/all.csv?{query}")
        return [
            row["name"]
            for row in csv.DictReader(answer.getvalue().decode("utf-8-sig").splitlines())
        ]

    assert names("q=language+007") == ["Language 007"]
    assert names("show=behind") == ["Language 025"]
    assert names("")[0] == "Language 025"
    assert names("sort=name&down=1")[0] == "Language 059"
    tokens = names("sort=tokens&down=1")
    assert (tokens[0], tokens[-1]) == ("Language 000", "Language 059")
    page = text_of(stranger, "/languages/lots/?sort=name")
    assert 'aria-sort="ascending"' in page
    assert "?sort=name&amp;down=1" in page
    assert "1 language is falling behind" in page
    assert "No language fits" in text_of(stranger, "/languages/lots/?q=nowhere")


def test_time_of_fewer_than_five_people_is_told_to_nobody_outside(
    stranger: Client, noor: Client
) -> None:
    campaign = many(3, slug="few")
    alone = campaign.languages.order_by("pk")[0].language
    for person in Annotator.objects.filter(language=alone)[2:]:
        person.annotations.all().delete()

    def row(client: Client) -> dict[str, str]:
        rows = csv.DictReader(
            client.get("/languages/few/all.csv").getvalue().decode("utf-8-sig").splitlines()
        )
        return next(one for one in rows if one["language"] == alone.tag)

    outside, inside = row(stranger), row(noor)
    assert (outside["people"], outside["seconds"], outside["seconds_per_point"]) == ("< 5", "", "")
    assert (inside["people"], inside["seconds"]) == ("2", "80")
    assert float(inside["seconds_per_point"]) > 0


def test_monday_tells_what_happened_since_the_last_visit(noor: Client, campaign: Campaign) -> None:
    there = f"/campaigns/{campaign.slug}/"
    first = text_of(noor, there)
    assert "The last 7 days" in first
    assert "7 rows were refused." in first
    session = noor.session
    old = (timezone.now() - timedelta(days=3)).isoformat()
    session["visits"] = {campaign.slug: (None, old)}
    session.save()
    page = text_of(noor, there)
    assert "Since you last looked" in page
    assert "Gate on version 5: pass." in page
    # Three days ago the file of two days ago had not come in; a month shows it too.
    assert "9993 rows came in" in page
    assert "The last 30 days" in text_of(noor, f"{there}?days=30")
    # The same visit, a minute later.
    assert "Since you last looked" in text_of(noor, there)


def test_every_table_of_a_campaign_is_a_file(noor: Client, campaign: Campaign) -> None:
    there = f"/campaigns/{campaign.slug}/"
    page = text_of(noor, there)
    found = {}
    for name in ("languages", "trends", "cost", "gains", "outlook", "rounds"):
        address = f"{there}tables/{name}.csv"
        assert address in page
        answer = noor.get(address)
        found[name] = list(csv.DictReader(answer.getvalue().decode("utf-8-sig").splitlines()))
    assert len(found["languages"]) == 14
    assert [row["gate"] for row in found["rounds"]] == ["", "PASS", "BLOCK", "HOLD", "PASS"]
    gain = next(row for row in found["gains"] if row["language"] == "am")
    assert (gain["gain"], gain["labels"]) == ("0.03", "24")
    assert noor.get(f"{there}tables/secrets.csv").status_code == 404
    lee = Client()
    lee.force_login(make_user("lee"))
    assert lee.get(f"{there}tables/rounds.csv").status_code == 403


def test_choosing_is_drawn_beside_chance_and_a_file_that_comes_in_is_seen(
    noor: Client, campaign: Campaign
) -> None:
    there = f"/campaigns/{campaign.slug}/"
    assert "is coming in" not in text_of(noor, f"{there}live/")
    campaign.imports.update(status=SampleImport.Status.RUNNING, bytes_read=600_000)
    live = text_of(noor, f"{there}live/")
    assert "is coming in" in live
    assert 'value="600000"' in live
    page = text_of(noor, there)
    drawn = SelectionGain.objects.filter(value__isnull=False).count()
    assert drawn == 10
    assert page.count("chosen against random labels") == drawn


def test_json_holds_what_the_page_says(stranger: Client, shown: Campaign) -> None:
    told = json.loads(stranger.get(f"/languages/{shown.slug}/wo/data.json").content)
    page = text_of(stranger, f"/languages/{shown.slug}/wo/")
    assert f"{told['accuracy']['value']:.2f}" in page
    assert all(sentence in page for sentence in told["missing"])
    assert told["labels"] == 0
    assert told["people"] == "0"


def test_monday_says_which_language_falls_behind_and_what_waits_for_a_decision(
    noor: Client,
) -> None:
    campaign = many(60, slug="lots")
    home = campaign.languages.order_by("pk")[3]
    texts = [make_sample(campaign, home.language.tag, f"text {n}") for n in range(3)]
    Consensus.objects.create(
        sample=texts[0],
        people=[0.5, 0.5],
        label=campaign.labels.get(key="good"),
        confidence=0.5,
        weight=0.0,
        answers=3,
        disputed=True,
        revisions=[],
        aggregator="x",
    )
    for text in texts[1:]:
        Objection.objects.create(sample=text, kind="offensive", voices=1, opened_at=timezone.now())
    page = text_of(noor, "/campaigns/lots/")
    assert "Language 025 is falling behind the other languages: look at what it lacks." in page
    assert f"/languages/lots/{campaign.languages.order_by('pk')[25].language.tag}/" in page
    assert "1 text waits for somebody to decide what it says." in page
    assert "2 texts were called unfit and wait for a decision." in page
    assert page.count(f"/campaigns/lots/languages/{home.language.tag}/") == 2
    # Fifty languages at a time; what it cost in all counts every one.
    assert page.count('data-label="Trend"') == 50
    assert text_of(noor, "/campaigns/lots/?languages=2").count('data-label="Trend"') == 10
