"""The light page's doors: the plain form, the script's, and who may come in."""

import json
import re
import uuid
from datetime import timedelta
from html import unescape

import pytest
from django.test import Client
from django.utils import timezone

from annotation.models import (
    Annotation,
    Annotator,
    CampaignLanguage,
    Guideline,
    QuarantinedAnswer,
    Reservation,
)
from tests.make import (
    make_annotator,
    make_campaign,
    make_item,
    make_language,
    make_sample,
    make_user,
)

pytestmark = pytest.mark.django_db
TEXT = "Ñu ngi <b>fi</b> & \u202eback\u202c"


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    heard: list[int] = []
    monkeypatch.setattr("annotation.views.light.mirror_soon", heard.append)
    monkeypatch.setattr("annotation.views.light.push_soon", lambda pk: None)
    monkeypatch.setattr("annotation.views.light._has_desk", lambda: False)
    return heard


@pytest.fixture
def home() -> CampaignLanguage:
    make_language("wo", script="Latn", autonym="Wolof")
    campaign = make_campaign(languages=("wo",), status="running", slug="mail")
    home = campaign.languages.get()
    for number in range(3):
        make_item(make_sample(campaign, text=f"{TEXT} {number}"), priority=number)
    Guideline.objects.create(campaign_language=home, version=1, text="Choose.\n\nOne only.")
    return home


@pytest.fixture
def awa(home: CampaignLanguage) -> Annotator:
    return make_annotator("awa")


def signed_in(who: Annotator) -> Client:
    client = Client()
    client.force_login(who.user)
    return client


def fields(page: str) -> dict[str, str]:
    found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page)
    return {name: unescape(value) for name, value in found if name != "csrfmiddlewaretoken"}


def config(page: str) -> dict[str, str]:
    return json.loads(re.search(r'id="config" type="application/json">(.*?)</script>', page)[1])


def post(client: Client, path: str, told: object):
    return client.post(f"/answer/mail/wo/{path}/", told, content_type="application/json")


def test_a_plain_form_is_answered_changed_and_taken_back_without_a_script(home, awa, asked):
    client = signed_in(awa)
    page = client.get("/answer/mail/wo/").content.decode()
    assert 'lang="wo-Latn" dir="auto"' in page
    assert "Ñu ngi &lt;b&gt;fi&lt;/b&gt;" in page
    answered = client.post("/answer/mail/wo/", fields(page) | {"answer": "label:admin"})
    given = Annotation.objects.get()
    assert (given.label.key, given.guideline_version, given.source) == ("admin", 1, "light")
    assert asked == [home.pk]
    again = client.post("/answer/mail/wo/", fields(page) | {"answer": "label:admin"})
    assert again.status_code == 302
    assert Annotation.objects.count() == 1

    after = client.get(answered.url).content.decode()
    assert fields(after)["item"] != fields(page)["item"]
    change = re.search(r'href="(\?change=[^"]+)"', after)[1]
    before = client.get(f"/answer/mail/wo/{change}").content.decode()
    assert fields(before)["item"] == fields(page)["item"]
    assert 'value="label:admin" data-key="1" aria-current="true"' in before
    client.post("/answer/mail/wo/", fields(before) | {"answer": "flag:unclear", "note": "who?"})
    given.refresh_from_db()
    assert (given.flag, given.note, given.revision) == ("unclear", "who?", 2)
    before = client.get(f"/answer/mail/wo/{change}").content.decode()
    client.post("/answer/mail/wo/", fields(before) | {"answer": "take_back"})
    given.refresh_from_db()
    assert given.state == "deleted"


def test_the_script_fetches_ahead_and_is_told_what_became_of_each_answer(home, awa, asked):
    client = signed_in(awa)
    person = config(client.get("/answer/mail/wo/").content.decode())["person"]
    batch = post(client, "batch", {"most": 25}).json()
    assert [one["text"] for one in batch["items"]] == [f"{TEXT} {n}" for n in range(3)]
    assert set(batch["items"][0]) == {"item", "text"}
    first, second, third = (one["item"] for one in batch["items"])
    told = [
        {"uid": str(uuid.uuid4()), "item": first, "label": "admin"},
        {"uid": str(uuid.uuid4()), "item": second, "label": "nonsense"},
        {"uid": str(uuid.uuid4()), "item": str(uuid.uuid4()), "label": "admin"},
        {"uid": str(uuid.uuid4()), "item": third, "flag": "offensive"},
    ]
    for expected in (
        ["stored", "refused", "refused", "stored"],
        ["same", "refused", "refused", "same"],
    ):
        answer = post(client, "answers", {"person": person, "answers": told})
        assert answer.status_code == 200
        assert [one["outcome"] for one in answer.json()["receipts"]] == expected
    receipts = answer.json()["receipts"]
    assert [one["uid"] for one in receipts] == [one["uid"] for one in told]
    assert "no label “nonsense”" in receipts[1]["detail"]
    assert receipts[2]["reason"] == "not_found"
    assert Annotation.objects.count() == 2
    assert QuarantinedAnswer.objects.count() == 1
    assert asked == [home.pk]


def test_guesses_at_other_peoples_texts_find_nothing(home, awa):
    moussa = make_annotator("moussa")
    page = signed_in(awa).get("/answer/mail/wo/").content.decode()
    signed_in(awa).post("/answer/mail/wo/", fields(page) | {"answer": "label:admin"})
    stranger = signed_in(moussa)
    person = config(stranger.get("/answer/mail/wo/").content.decode())["person"]
    guess = fields(page) | {"uid": str(uuid.uuid4()), "answer": "label:dates"}
    assert stranger.post("/answer/mail/wo/", guess).status_code == 404
    assert stranger.get(f"/answer/mail/wo/?change={fields(page)['uid']}").status_code == 404
    assert stranger.get("/answer/mail/wo/?change=nothing").status_code == 404
    told = {"uid": str(uuid.uuid4()), "item": fields(page)["item"], "label": "dates"}
    answer = post(stranger, "answers", {"person": person, "answers": [told]})
    assert answer.status_code == 404
    assert Annotation.objects.get().annotator == awa


def test_answers_wait_for_the_person_who_gave_them(home, awa):
    moussa = signed_in(make_annotator("moussa"))
    item = post(moussa, "batch", {}).json()["items"][0]["item"]
    person = config(signed_in(awa).get("/answer/mail/wo/").content.decode())["person"]
    told = {"uid": str(uuid.uuid4()), "item": item, "label": "admin"}
    answer = post(moussa, "answers", {"person": person, "answers": [told]})
    assert (answer.status_code, answer.json()["code"]) == (409, "other_person")
    assert not Annotation.objects.exists()


def test_the_script_is_told_why_it_is_not_let_in(home, awa):
    told = {"person": "", "answers": []}
    assert post(Client(), "answers", told).status_code == 401
    assert post(Client(), "batch", {}).json()["code"] == "signed_out"
    lee = Client()
    lee.force_login(make_user("lee"))
    assert (post(lee, "answers", told).status_code, lee.get("/answer/mail/wo/").status_code) == (
        403,
        403,
    )
    client = signed_in(awa)
    assert post(client, "answers", "[1]").status_code == 422
    assert post(client, "answers", "{").status_code == 422
    assert client.post("/answer/mail/xx/batch/", {}).status_code == 404
    awa.user.consents.update(ended_at="2026-01-01T00:00Z")
    assert post(client, "answers", told).json()["code"] == "consent"
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(awa.user)
    assert post(strict, "answers", told).status_code == 403


def test_no_page_and_no_answer_waits_for_a_label_studio_that_hangs(home, awa, monkeypatch):
    """Whatever the gateway would do, it is not called: a worker is asked to."""
    wanted: list[tuple[int, int, int]] = []

    def hangs(*_told: object, **_more: object) -> None:
        raise AssertionError("Label Studio was called while somebody waits.")

    monkeypatch.setattr("annotation.gateways.accounts.httpx.Client", hangs)
    monkeypatch.setattr("annotation.views.light._has_desk", lambda: True)
    monkeypatch.setattr(
        "annotation.views.light.keep_soon", lambda *ids, most: wanted.append((*ids, most))
    )
    ours = list(home.items.order_by("priority"))
    home.desk_project_id = 7
    home.save()
    for number, item in enumerate(ours):
        item.desk_task_id, item.state = number + 1, "pushed"
        item.save()
    client = signed_in(awa)
    page = client.get("/answer/mail/wo/").content.decode()
    assert "Texts are being fetched for you" in page
    assert "Look again" in page
    assert wanted == [(awa.pk, home.pk, 25)]
    told = post(client, "batch", {"most": 5}).json()
    assert (told["items"], told["more"]) == ([], True)
    assert wanted[1:] == [(awa.pk, home.pk, 5)]
    # As the worker leaves it when Label Studio has said that it keeps one.
    until = timezone.now() + timedelta(hours=1)
    Reservation.objects.create(item=ours[0], annotator=awa, until=until, locked_until=until)
    told = post(client, "batch", {"most": 5}).json()
    assert [one["item"] for one in told["items"]] == [str(ours[0].uid)]
    given = [{"uid": str(uuid.uuid4()), "item": str(ours[0].uid), "label": "admin"}]
    said = post(client, "answers", {"person": told["person"], "answers": given}).json()
    assert said["receipts"][0]["outcome"] == "stored"
    assert client.post("/answer/mail/wo/back/").status_code == 302


def test_what_was_fetched_and_is_not_wanted_is_given_back(home, awa):
    client = signed_in(awa)
    assert len(post(client, "batch", {}).json()["items"]) == 3
    moussa = signed_in(make_annotator("moussa"))
    assert post(moussa, "batch", {}).json()["items"] == []
    assert client.post("/answer/mail/wo/back/").status_code == 302
    assert len(post(moussa, "batch", {}).json()["items"]) == 3


def test_the_kept_page_holds_no_text_and_the_worker_knows_the_shell(home, awa):
    client = signed_in(awa)
    kept = client.get("/answer/mail/wo/", headers={"X-Keep-Page": "yes"}).content.decode()
    assert "Ñu ngi" not in kept
    assert fields(kept)["item"] == ""
    worker = client.get("/answer/worker.js")
    assert worker["Content-Type"].startswith("text/javascript")
    assert b"/static/annotation/light.js" in worker.content.splitlines()[0]


def test_the_page_is_marked_when_what_stands_around_the_texts_changes(home, awa):
    client = signed_in(awa)
    before = post(client, "batch", {}).json()["shell"]
    assert before == post(client, "batch", {}).json()["shell"]
    Guideline.objects.create(campaign_language=home, version=2, text="Choose well.")
    assert post(client, "batch", {}).json()["shell"] != before
