"""What the pages of versions say, and what their buttons do."""

import json
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext

from annotation.models import Annotation, Annotator, Campaign, GoldItem, User
from learning.gateways.weights import path_of, store
from tests.make import make_consent, make_item, make_user
from tests.rich import make_rich_campaign
from training import tasks
from training.actions.evaluation import gold_of
from training.actions.lineage import Origins
from training.models import DataSnapshot, Evaluation, SnapshotRow

pytestmark = pytest.mark.django_db


@pytest.fixture
def lead() -> User:
    return make_user("noor", staff=True)


@pytest.fixture
def noor(client: Client, lead: User) -> Client:
    client.force_login(lead)
    return client


@pytest.fixture
def campaign(lead: User, tmp_path: Path) -> Campaign:
    """Version 5 serves, by run 4; every version has bytes that are there."""
    found = make_rich_campaign(lead=lead)
    for version in found.model_versions.all():
        folder = tmp_path / str(version.number)
        folder.mkdir()
        (folder / "network.json").write_text(str(version.number))
        digest = store(folder)
        found.model_versions.filter(pk=version.pk).update(digest=digest, path=path_of(digest))
    return found


def page(client: Client, campaign: Campaign, path: str = "") -> str:
    answer = client.get(f"/campaigns/{campaign.slug}/{path}")
    assert answer.status_code == 200, path
    return str(answer.content.decode())


def learned(campaign: Campaign) -> Annotation:
    """An answer that the newest run's snapshot brought."""
    run = campaign.training_runs.order_by("-pk").first()
    sample = campaign.samples.filter(language__tag="wo", gold=None).first()
    user = make_user("awa-wolof", desk_user_id=88_001)
    awa = Annotator.objects.create(user=user, language=sample.language)
    make_consent(user)
    answer = Annotation.objects.create(
        item=make_item(sample, state="answered"),
        annotator=awa,
        desk_annotation_id=77_001,
        state="answered",
        label=campaign.labels.first(),
        desk_updated_at="",
    )
    snapshot = DataSnapshot.objects.create(
        campaign=campaign, digest="d" * 64, samples=1, fresh_samples=1, against=run.base
    )
    row = SnapshotRow(
        snapshot=snapshot,
        sample=sample,
        target=[1, 0, 0, 0],
        weight=1,
        fresh=True,
        revisions=[[answer.pk, 1]],
        aggregator="test",
    )
    row.save()
    origins = Origins.of(campaign)
    origins.write(snapshot, rows=[row])
    DataSnapshot.objects.filter(pk=snapshot.pk).update(provenance=origins.provenance([row]))
    run.snapshot = snapshot
    run.save(update_fields=["snapshot"])
    return answer


def test_one_click_rolls_back_after_a_confirmation_and_one_more_undoes_it(
    noor: Client, lead: User, campaign: Campaign
) -> None:
    before = campaign.deployments.count()
    told = page(noor, campaign, "versions/")
    assert "Version 5 serves" in told
    assert "<summary>Roll back to version 2</summary>" in told
    assert "Undo" not in told
    reason = "The version that served answers worse than before."
    noor.post(f"/campaigns/{campaign.slug}/versions/2/roll-back/", {"reason": reason})
    newest = campaign.deployments.first()
    assert newest
    assert (newest.version.number, newest.reason, newest.actor) == (2, reason, lead)
    told = page(noor, campaign, "versions/")
    assert "Undo the rollback" in told
    there = f"/campaigns/{campaign.slug}/versions/undo/"
    noor.post(there, {"number": newest.number})
    again = campaign.deployments.first()
    assert again
    assert (again.version.number, again.number) == (5, before + 2)
    # A page that somebody left open moves nothing any more.
    noor.post(there, {"number": newest.number})
    noor.post(there, {"number": "x"})
    assert campaign.deployments.count() == before + 2


def test_a_version_has_a_card_for_people_and_for_programs(noor: Client, campaign: Campaign) -> None:
    learned(campaign)
    told = page(noor, campaign, "versions/5/")
    wolof = Evaluation.objects.get(version__number=5, language__tag="wo")
    assert f"{wolof.accuracy:.2f} ({wolof.accuracy_low:.2f}–{wolof.accuracy_high:.2f})" in told
    assert "not stated" in told
    assert "Worst in" in told
    assert "versions/compare/?a=2&amp;b=5" in told
    card = json.loads(noor.get(f"/campaigns/{campaign.slug}/versions/5/card.json").content)
    assert card["quality"]["wo"]["accuracy"][0] == wolof.accuracy
    assert card["learned_from"]["languages"] == {"wo": {"samples": 1, "answers": 1, "people": 1}}
    assert card["serves"]
    assert card["base_chain"] == [2, 1]
    assert noor.get(f"/campaigns/{campaign.slug}/versions/99/").status_code == 404


def test_compare_shows_only_what_was_measured_on_the_same_gold(
    noor: Client, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[object] = []
    monkeypatch.setattr(tasks, "send", sent.extend)
    there = "versions/compare/?a=2&b=5"
    told = page(noor, campaign, there)
    assert "In 14 languages the two were not both measured" in told
    noor.post(f"/campaigns/{campaign.slug}/versions/measure/", {"a": "2", "b": "5"})
    assert len(sent) == 2
    gold = {g.language.tag: g for g in gold_of(campaign, split=GoldItem.Split.GATE)}["wo"]
    for number, labels in ((2, [0, 1, 1]), (5, [gold.truth[0], gold.truth[1], 1])):
        version = campaign.model_versions.get(number=number)
        Evaluation.objects.create(
            version=version,
            language=gold.language,
            gold_digest=gold.digest,
            items=3,
            accuracy=0.5,
            accuracy_low=0.1,
            accuracy_high=0.9,
            answers={str(s): [k, 0.5, 0.5] for s, k in zip(gold.samples, labels, strict=True)},
        )
    told = page(noor, campaign, there)
    assert "In 13 languages" in told
    assert told.count('role="img"') == 1
    fixed = sum(k != t for k, t in zip([0, 1], gold.truth[:2], strict=True))
    assert f'data-label="Mended">{fixed}<' in told
    assert noor.get(f"/campaigns/{campaign.slug}/versions/compare/?a=2").status_code == 302
    assert noor.get(f"/campaigns/{campaign.slug}/versions/compare/?a=2&b=2").status_code == 302


def test_where_a_persons_answers_went_and_taking_them_back(
    noor: Client, lead: User, campaign: Campaign
) -> None:
    answer = learned(campaign)
    there = f"people/{answer.annotator_id}/answers/"
    told = page(noor, campaign, there)
    assert "version 5" in told
    assert "Take 1 answer back" in told
    assert "taken back since" not in page(noor, campaign, "versions/5/")
    noor.post(f"/campaigns/{campaign.slug}/{there}", {"reason": "She asked for it."})
    answer.refresh_from_db()
    assert (answer.state, answer.withdrawal and answer.withdrawal.actor) == ("withdrawn", lead)
    told = page(noor, campaign, there)
    assert "She asked for it." in told
    assert "back</summary>" not in told
    for path in ("versions/", "versions/5/"):
        told = page(noor, campaign, path)
        assert "This version learned from 1 answer that was taken back since." in told
        assert "roll back to version 2" in told
    assert "taken back since" not in page(noor, campaign, "versions/2/")
    assert "Version 5 serves and learned from answers" in page(noor, campaign)


def test_a_text_is_found_by_what_the_desk_shows_and_taken_back_for_one_or_for_all(
    noor: Client, campaign: Campaign
) -> None:
    answer = learned(campaign)
    sample = answer.item.sample
    found = noor.get(f"/campaigns/{campaign.slug}/texts/", {"uid": str(answer.item.uid)})
    there = f"texts/{sample.uid}/"
    assert found.headers["Location"] == f"/campaigns/{campaign.slug}/{there}"
    told = page(noor, campaign, there)
    assert f'lang="wo-Latn" dir="auto">{sample.text}' in told
    noor.post(f"/campaigns/{campaign.slug}/{there}", {"annotator": answer.annotator_id})
    answer.refresh_from_db()
    sample.refresh_from_db()
    assert (answer.state, sample.withdrawn_at) == ("withdrawn", None)
    noor.post(f"/campaigns/{campaign.slug}/{there}", {})
    sample.refresh_from_db()
    assert sample.withdrawn_at
    for uid in ("nonsense", "00000000-0000-4000-8000-000000000000"):
        lost = noor.get(f"/campaigns/{campaign.slug}/texts/", {"uid": uid}, follow=True)
        assert "No text of this campaign" in lost.content.decode()


PATHS = ("versions/", "versions/5/", "versions/compare/?a=2&b=5", "versions/2/roll-back/")


def test_pages_hold_no_inline_script_or_style_and_turn_round(
    noor: Client, campaign: Campaign
) -> None:
    answer = learned(campaign)
    traces = (f"people/{answer.annotator_id}/answers/", f"texts/{answer.item.sample.uid}/")
    noor.cookies[settings.LANGUAGE_COOKIE_NAME] = "ar"
    with override_settings(LANGUAGES=[("en", "English"), ("ar", "Arabic")]):
        for path in (*PATHS, *traces):
            told = page(noor, campaign, path)
            assert 'dir="rtl"' in told
            assert " style=" not in told
            assert "<script>" not in told


def test_pages_ask_the_database_no_more_for_more_versions(noor: Client, campaign: Campaign) -> None:
    learned(campaign)
    for path, most in (("versions/", 16), ("versions/5/", 60), (PATHS[2], 26)):
        with CaptureQueriesContext(connection) as seen:
            page(noor, campaign, path)
        assert len(seen) <= most, (path, len(seen))


def test_only_staff_see_versions_or_take_answers_back(client: Client, campaign: Campaign) -> None:
    answer = learned(campaign)
    client.force_login(make_user("lee"))
    there = f"people/{answer.annotator_id}/answers/"
    for path in (*PATHS, there, "versions/5/card.json"):
        assert client.get(f"/campaigns/{campaign.slug}/{path}").status_code == 403
    assert client.post(f"/campaigns/{campaign.slug}/{there}").status_code == 403
    assert (
        client.post(f"/campaigns/{campaign.slug}/versions/undo/", {"number": "3"}).status_code
        == 403
    )
    answer.refresh_from_db()
    assert answer.state == "answered"
