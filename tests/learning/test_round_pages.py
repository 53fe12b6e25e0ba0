"""A round's page and a version's confidence: what was looked at, how far picks lie, what is kept."""

import pytest
from django.test import Client

from annotation.models import Campaign
from tests.make import make_user
from tests.rich import make_rich_campaign

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign() -> Campaign:
    return make_rich_campaign()


@pytest.fixture
def noor(client: Client) -> Client:
    client.force_login(make_user("noor", staff=True))
    return client


def page_of(client: Client, path: str) -> str:
    answer = client.get(f"/campaigns/messages/{path}")
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_round_tells_its_mixture_what_it_looked_at_and_how_far_each_pick_lies(
    noor: Client, campaign: Campaign
) -> None:
    page = page_of(noor, "rounds/1/")
    assert '<bdi dir="ltr">batch_bald 75 %</bdi>, <bdi dir="ltr">margin 25 %</bdi>' in page
    looks = page.split("Looked at more closely")[1].split("</table>")[0]
    assert "Several passes of the network" in looks
    assert ">840<" in looks
    assert "failed</span>" in looks
    assert "No masked head." in looks
    assert "Looked at more closely" not in page_of(noor, "rounds/2/")


def test_pick_shows_the_nearest_text_in_its_own_language_and_direction(
    noor: Client, campaign: Campaign
) -> None:
    near = campaign.samples.filter(language__tag="ar")[0].text
    picks = page_of(noor, "rounds/1/?language=ar").split('id="picks"')[1]
    assert f'<span class="sample" lang="ar-Arab" dir="auto">{near}</span>' in picks
    assert "distance" in picks
    assert ">0.31<" in picks
    without = page_of(noor, "rounds/1/?language=am").split('id="picks"')[1]
    assert "0.31" not in without
    assert "Distance is 1 minus the cosine" not in without


def test_what_is_asked_again_can_be_shown_alone(noor: Client, campaign: Campaign) -> None:
    picks = page_of(noor, "rounds/1/?slot=relabel").split('id="picks"')[1]
    assert picks.count("asked again</td>") == 1
    assert 'lang="bn-Beng"' in picks


def test_confidence_is_told_per_language_with_intervals_and_broken_promises(
    noor: Client, campaign: Campaign
) -> None:
    assert 'href="/campaigns/messages/versions/2/confidence/"' in page_of(noor, "versions/2/")
    page = page_of(noor, "versions/2/confidence/")
    assert page.count("0.92 (0.88–0.95)") == 13
    assert page.count("0.71 (0.65–0.77)") == 1
    kabyle = page.split("Kabyle")[1].split("</tr>")[0]
    assert kabyle.count("broken</span>") == 1
    assert "too little gold" in kabyle
    assert "never" in kabyle
    assert page.count("broken</span>") == 1
    assert page.count("1.62") == 14
    assert "Nothing was fitted" in page_of(noor, "versions/1/confidence/")
