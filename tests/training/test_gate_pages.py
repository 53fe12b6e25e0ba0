"""The gate's pages: a verdict for people who are no statisticians, and who may answer for a hold."""

import csv
import io
from datetime import timedelta

import pytest
from django.utils import timezone

from annotation.models import CampaignLanguage
from learning.actions.serving import deploy, serving_version
from tests.make import make_language, make_user
from tests.rich import make_rich_campaign
from training.actions.gate_settings import keep_track
from training.actions.promotion import promote
from training.models import GateCheck, GateRun, TrainingRun, Waiver

pytestmark = pytest.mark.django_db


@pytest.fixture
def noor(client):
    client.force_login(make_user("noor", staff=True))
    return client


@pytest.fixture
def root(client):
    client.force_login(make_user("root", staff=True, is_superuser=True))
    return client


@pytest.fixture
def held():
    """A held candidate whose champion serves, with looks left."""
    campaign = make_rich_campaign()
    run = TrainingRun.objects.get(round__number=2)
    gate = run.gate
    deploy(campaign, version=gate.champion, kind="rollback", reason="as it was then")
    GateRun.objects.filter(pk=gate.pk).update(looks=3)
    return GateRun.objects.get(pk=gate.pk)


def address(gate, tail="gate/"):
    return f"/campaigns/{gate.run.campaign.slug}/runs/{gate.run_id}/{tail}"


def test_the_page_says_why_what_next_and_what_to_do(noor, held):
    page = noor.get(address(held)).content.decode()
    assert "May version 3 take the place of version 2?" in page
    assert "Version 2 serves on." in page
    assert "the gate looks again by itself (look 2 of 3)" in page
    assert "Import gold: texts whose answer two native speakers have agreed on." in page
    assert page.count('role="img"') == 14
    assert "Kabyle: hold; −4.1 points, between −7.1 and −1.1" in page
    # What failed comes first, and nothing waits for colours to be told apart.
    assert page.index("Kabyle: hold") < page.index("Wolof: pass")


def test_csv_and_json_say_the_same(noor, held):
    rows = list(
        csv.DictReader(
            io.StringIO(noor.get(address(held, "gate.csv")).getvalue().decode("utf-8-sig"))
        )
    )
    told = noor.get(address(held, "gate.json")).json()
    assert len(rows) == len(told["languages"]) == 14
    assert [row["language"] for row in rows] == [one["language"] for one in told["languages"]]
    kabyle = next(row for row in rows if row["language"] == "kab")
    assert (kabyle["verdict"], kabyle["items_missing"], kabyle["margin"]) == ("HOLD", "120", "0.03")
    assert told["candidate"]["sha256"] == held.candidate_digest


def test_two_hundred_languages_cost_no_more_queries(noor, held, django_assert_max_num_queries):
    campaign = held.run.campaign
    for number in range(186):
        language = make_language(f"x-l{number:03d}")
        CampaignLanguage.objects.create(campaign=campaign, language=language)
        GateCheck.objects.create(
            gate=held,
            language=language,
            items=100,
            fixed=1,
            broken=1,
            delta=0,
            delta_low=-0.02,
            delta_high=0.02,
            harm_p=0.5,
            champion_z=2,
            verdict="PASS",
        )
    with django_assert_max_num_queries(22):
        page = noor.get(address(held)).content.decode()
    assert page.count('role="img"') == 200


def test_only_an_admin_grants_a_waiver_and_only_on_a_hold(noor, held):
    form = {"name": "Dr. Awa", "reason": "The election is tomorrow.", "days": "3"}
    page = noor.post(address(held, "gate/waive/"), form, follow=True).content.decode()
    assert "Only an admin can grant a waiver." in page
    assert not Waiver.objects.exists()
    noor.force_login(make_user("root", staff=True, is_superuser=True))
    blocked = TrainingRun.objects.get(round__number=3).gate
    page = noor.post(address(blocked, "gate/waive/"), form, follow=True).content.decode()
    assert "A gate that says BLOCK cannot be waived." in page
    assert noor.post(address(held, "gate/waive/"), form | {"reason": " "}).status_code == 422
    assert not Waiver.objects.exists()


def test_a_waived_candidate_serves_and_says_who_answers_for_it(root, held, monkeypatch):
    monkeypatch.setattr("training.actions.promotion._check", lambda version: None)
    form = {"name": "Dr. Awa", "reason": "The election is tomorrow.", "days": "3"}
    page = root.post(address(held, "gate/waive/"), form, follow=True).content.decode()
    assert "Dr. Awa answers for it until" in page
    assert serving_version(held.run.campaign) == held.champion
    page = root.post(address(held, "gate/serve/"), follow=True).content.decode()
    assert serving_version(held.run.campaign) == held.candidate
    assert "Version 3 serves now." in page


def test_a_waiver_that_ran_out_or_was_taken_back_lets_nothing_through(root, held):
    from annotation.errors import ConflictError

    admin = make_user("boss", staff=True, is_superuser=True)
    now = timezone.now()
    waiver = Waiver.objects.create(
        gate=held,
        name="Awa",
        reason="why",
        granted_by=admin,
        granted_at=now - timedelta(days=2),
        expires_at=now - timedelta(days=1),
    )
    with pytest.raises(ConflictError, match="says HOLD"):
        promote(held)
    Waiver.objects.filter(pk=waiver.pk).update(expires_at=now + timedelta(days=1))
    root.post(address(held, f"gate/waivers/{waiver.pk}/revoke/"))
    with pytest.raises(ConflictError, match="says HOLD"):
        promote(held)


def test_cases_are_made_by_the_page_and_from_gold(noor, held):
    campaign = held.run.campaign
    there = f"/campaigns/{campaign.slug}/cases/"
    form = {
        "language": "wo",
        "text": "Tànnal baatu-jàll",
        "expected": ["accounts"],
        "source": "Sam",
    }
    assert "Tànnal baatu-jàll" in noor.post(there, form, follow=True).content.decode()
    case = campaign.regression_cases.get()
    assert [label.key for label in case.expected.all()] == ["accounts"]
    noor.post(f"{there}{case.pk}/switch/")
    case.refresh_from_db()
    assert not case.active
    noor.post(there, form)
    assert campaign.regression_cases.get().active
    gold = campaign.samples.filter(gold__isnull=False).first()
    noor.post(f"{there}from-gold/", {"sample": str(gold.pk)})
    assert campaign.regression_cases.get(gold=gold.gold).text == gold.text
    page = noor.post(f"{there}from-gold/", {"sample": "nobody"}, follow=True).content.decode()
    assert "No gold text has the number or id nobody." in page


def test_the_gate_settings_are_kept_and_bounded(noor, held):
    there = f"/campaigns/{held.run.campaign.slug}/gate/"
    form = {"margin": "0.02", "gate_metric": "macro-f1", "gate_looks": "2", "case_rule": "hold"}
    noor.post(there, form | {"gold_at_once": "40", "parity_blocks": "on"})
    campaign = type(held.run.campaign).objects.get(pk=held.run.campaign_id)
    assert (campaign.gate_metric, campaign.gate_looks, campaign.parity_blocks) == (
        "macro-f1",
        2,
        True,
    )
    assert noor.post(there, form | {"gate_looks": "9"}).status_code == 422


def test_the_first_row_of_all_shows_what_the_campaign_was_made_with(noor, held):
    campaign = held.run.campaign
    type(campaign).objects.filter(pk=campaign.pk).update(gate_looks=1)
    campaign.refresh_from_db()
    keep_track(campaign, now=timezone.now())
    page = noor.get(f"/campaigns/{campaign.slug}/gate/").content.decode()
    assert "beside what is usual" in page
    assert "<bdi>3</bdi> → <bdi>1</bdi>" in page


def test_a_wider_margin_is_wished_for_by_one_admin_and_agreed_to_by_another(noor, client, held):
    there = f"/campaigns/{held.run.campaign.slug}/gate/"
    form = {"margin": "0.05", "gate_metric": "accuracy", "gate_looks": "3", "case_rule": "hold"}
    answer = noor.post(there, form | {"gold_at_once": "40"})
    assert (answer.status_code, "Only an admin" in answer.content.decode()) == (422, True)

    def margin():
        return str(type(held.run.campaign).objects.get(pk=held.run.campaign_id).margin)

    client.force_login(make_user("ada", staff=True, is_superuser=True))
    page = client.post(there, form | {"gold_at_once": "40"}, follow=True).content.decode()
    assert "Ada wishes for a margin of 0.050." in page
    assert ">Agree<" not in page
    assert margin() == "0.030"
    client.force_login(make_user("bo", staff=True, is_superuser=True))
    assert ">Agree<" in client.get(there).content.decode()
    wish = held.run.campaign.gate_changes.get(wish=True)
    page = client.post(f"{there}agree/{wish.number}/", follow=True).content.decode()
    assert margin() == "0.050"
    assert page.index("Agrees to wish 3:") < page.index("A wish, until a second admin agrees:")
    assert (
        "<bdi>regression cases</bdi>: <bdi>the candidate is blocked</bdi> → <bdi>the candidate is held"
        in page
    )


def test_a_run_that_was_not_judged_yet_can_be_declared_maintenance(noor, held):
    run = TrainingRun.objects.get(round__number=2)
    there = address(held, "maintenance/")
    assert there not in noor.get(address(held, "")).content.decode()
    run.gates.all().delete()
    assert there in noor.get(address(held, "")).content.decode()
    assert noor.post(there, {"name": "Noor", "reason": ""}).status_code == 422
    form = {"name": "Noor", "reason": "a library changed"}
    page = noor.post(there, form, follow=True).content.decode()
    assert "Declared maintenance by Noor: a library changed" in page


def test_strangers_and_annotators_see_nothing_of_it(client, held):
    for tail in ("gate/", "gate.csv", "gate.json", "gate/predictions.jsonl"):
        assert client.get(address(held, tail)).status_code == 302
    client.force_login(make_user("lee"))
    for tail in ("gate/", "gate.csv", "gate.json"):
        assert client.get(address(held, tail)).status_code == 403
    assert client.post(address(held, "gate/serve/")).status_code == 403
