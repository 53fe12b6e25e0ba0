"""What more labels would buy, and what choosing them gained: on the page, in words and numbers."""

import json
from io import StringIO

import pytest
from django.core.management import call_command
from django.test import Client

from annotation.models import Campaign
from learning.actions.outlook import outlook_of
from learning.actions.pools import active_languages
from learning.actions.quota_settings import preview_proposal, propose
from learning.models import SelectionGain, StopDecision
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


def rows(client: Client, campaign: Campaign) -> dict[str, str]:
    """The outlook's lines by language tag."""
    page = client.get(f"/campaigns/{campaign.slug}/").content.decode()
    lines = page.split('id="outlook"')[1].split("</section>")[0].split("<tr>")[2:]
    tags = campaign.languages.values_list("language__tag", flat=True)
    return dict(zip(tags, lines, strict=True))


def test_each_language_is_told_with_its_interval(noor: Client, campaign: Campaign) -> None:
    told = rows(noor, campaign)
    assert "+0.012 (+0.001 to +0.031)" in told["am"]
    assert "go on" in told["am"]
    assert "accuracy is known to ±0.061, needed ±0.050" in told["am"]
    assert "not known yet: what labels still add" in told["am"]
    assert "may have fallen" not in told["am"]
    assert "not known yet" in told["ff-Adlm"]
    assert "may stop" in told["bn"]
    assert "more labels would hardly teach anything" in told["bn"]
    assert "not measured yet" in told["wo"]


@pytest.mark.parametrize(
    ("tag", "figure", "words"),
    [
        ("am", "+0.030 (+0.010 to +0.050)", "choosing helps"),
        ("ar", "−0.050 (−0.070 to −0.030)", "choosing does worse than chance"),
        ("bn", "+0.010 (−0.010 to +0.030)", "no difference shown"),
        ("ff-Adlm", "24 labels on each side", "not enough yet"),
    ],
)
def test_selection_is_compared_with_chance_whatever_comes_of_it(
    tag: str, figure: str, words: str, noor: Client, campaign: Campaign
) -> None:
    told = rows(noor, campaign)[tag]
    assert figure in told
    assert words in told


def test_the_newest_round_is_the_one_that_counts(campaign: Campaign) -> None:
    home = campaign.languages.get(language__tag="am")
    newer = campaign.rounds.get(number=5)
    SelectionGain.objects.create(round=newer, campaign_language=home, labels=40, gold=240)
    row = next(row for row in outlook_of(campaign) if row.home == home)
    assert row.gain
    assert (row.gain.labels, row.shown) == (40, "unknown")


def test_advice_stops_nothing_until_the_campaign_lets_it_and_a_person_may_object(
    noor: Client, campaign: Campaign
) -> None:
    assert (
        "no language stops by itself" in noor.get(f"/campaigns/{campaign.slug}/").content.decode()
    )
    assert "Keep it open" not in rows(noor, campaign)["bn"]
    proposal = propose(campaign, values={"stop_automatically": True})
    shown = {row.home.language.tag: row for row in preview_proposal(campaign, proposal).rows}
    assert shown["bn"].stopped
    assert shown["bn"].new is None
    Campaign.objects.update(stop_automatically=True)
    campaign.refresh_from_db()
    assert "bn" not in {home.language.tag for home in active_languages(campaign)}
    told = rows(noor, campaign)["bn"]
    assert "stopped" in told
    assert "Keep it open" in told
    noor.post(f"/campaigns/{campaign.slug}/languages/bn/keep-open/")
    assert "bn" in {home.language.tag for home in active_languages(campaign)}
    decision = StopDecision.objects.get(campaign_language__language__tag="bn")
    assert decision.kept_open_by
    assert decision.kept_open_by.username == "noor"
    assert "kept open" in rows(noor, campaign)["bn"]
    noor.post(f"/campaigns/{campaign.slug}/languages/bn/let-stop/")
    assert "bn" not in {home.language.tag for home in active_languages(campaign)}


def test_nothing_is_said_before_a_round_was_looked_back_on(
    noor: Client, campaign: Campaign
) -> None:
    StopDecision.objects.all().delete()
    SelectionGain.objects.all().delete()
    assert 'id="outlook"' not in noor.get(f"/campaigns/{campaign.slug}/").content.decode()
    answer = noor.post(f"/campaigns/{campaign.slug}/languages/bn/keep-open/", follow=True)
    assert "No round has said yet" in answer.content.decode()


def test_the_command_tells_the_same(campaign: Campaign) -> None:
    out = StringIO()
    call_command("inspect_campaign", campaign.slug, stdout=out)
    lines = {line.split()[0]: line for line in out.getvalue().split("Outlook")[1].splitlines()[1:]}
    assert "+0.012 (+0.001 to +0.031)" in lines["am"]
    assert "+0.030 (+0.010 to +0.050)" in lines["am"]
    assert "may stop" in lines["bn"]
    assert lines["ff-Adlm"].count("not known yet") == 2
    out = StringIO()
    call_command("inspect_campaign", campaign.slug, "--json", stdout=out)
    told = {row["language"]: row for row in json.loads(out.getvalue())["outlook"]}
    assert told["ar"]["selection_shown"] == "worse"
    assert told["ar"]["selection_gain"] == pytest.approx([-0.05, -0.07, -0.03])
