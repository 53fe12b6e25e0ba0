"""The JSON API: who may what by which key, lists by key, calls that come twice, and its schema."""

import io
import json
import sys
from datetime import timedelta
from typing import Any
from uuid import uuid4

import jsonschema
import pytest
from django.core.management import CommandError, call_command
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from annotation.actions import agreed_files
from annotation.actions.keys import create_key, digest_of, revoke_key
from annotation.api import imports
from annotation.models import (
    Annotation,
    ApiKey,
    Campaign,
    Consensus,
    IdempotentCall,
    Item,
    Membership,
    SampleImport,
    Scope,
    User,
)
from config.management.commands.openapi import FILE, written
from learning import api as predicting
from learning.models import Deployment, ModelVersion, Trial
from tests.make import (
    make_annotator,
    make_campaign,
    make_item,
    make_language,
    make_sample,
    make_user,
)
from training.models import Evaluation

pytestmark = pytest.mark.django_db

SCHEMA = json.loads(FILE.read_text())
OPERATIONS = sorted(
    (method, path.removeprefix("/api/v1"))
    for path, operations in SCHEMA["paths"].items()
    for method in operations
)
# What each asks of a key; a door that is not here fails the test below.
SCOPES = {
    "list_campaigns": "read",
    "get_campaign": "read",
    "list_languages": "read",
    "create_import": "import",
    "get_import": "import",
    "list_refused": "import",
    "list_items": "export",
    "list_answers": "export",
    "list_versions": "read",
    "get_version": "read",
    "create_prediction": "predict",
    "get_prediction": "predict",
    "list_evaluations": "read",
    "list_gates": "read",
    "get_agreed": "export",
    "get_marks": "export",
    "get_corrections": "export",
    "create_folder": "import",
    "list_webhooks": "webhooks",
    "create_webhook": "webhooks",
    "get_webhook": "webhooks",
    "change_webhook": "webhooks",
    "remove_webhook": "webhooks",
    "turn_webhook_secret": "webhooks",
    "ping_webhook": "webhooks",
    "list_deliveries": "webhooks",
}
NEWS_BODY = {"url": "https://news.example/here", "state": "stopped"}
CSV = b"text,language\nNanga def?,wo\n"


@pytest.fixture
def mood() -> Campaign:
    return make_campaign(languages=("wo", "qu"), slug="mood")


@pytest.fixture
def noor(mood: Campaign) -> User:
    person = make_user("noor")
    Membership.objects.create(user=person, campaign=mood, role="admin")
    return person


def call(
    secret: str, path: str, *, method: str = "get", body: Any = None, **headers: str
) -> HttpResponse:
    given = {"Authorization": f"Bearer {secret}", **headers}
    kind = "application/octet-stream" if isinstance(body, bytes) else "application/json"
    data = body if isinstance(body, bytes) else json.dumps(body or {})
    return Client().generic(
        method.upper(), f"/api/v1{path}", data, content_type=kind, headers=given
    )


def opened(user: User, *scopes: str, **more: Any) -> str:
    return create_key(user, name="script", scopes=scopes or tuple(Scope.values), **more)[1]


def validate(answer: HttpResponse, path: str, method: str) -> dict[str, Any]:
    """Hold what was answered against the schema that is committed."""
    told: dict[str, Any] = answer.json()
    told_of = SCHEMA["paths"][f"/api/v1{path}"][method]["responses"][str(answer.status_code)]
    schema = told_of["content"]["application/json"]["schema"]
    jsonschema.validate(told, {**schema, "components": SCHEMA["components"]})
    return told


def filled(path: str, campaign: Campaign) -> str:
    return path.format(slug=campaign.slug, number=1, uid=uuid4(), tag="wo")


def test_the_committed_schema_is_what_is_served() -> None:
    assert FILE.read_text() == written()
    assert Client().get("/api/v1/openapi.json").json() == SCHEMA


def test_every_door_is_known_with_the_scope_that_it_asks_for() -> None:
    known = {
        SCHEMA["paths"][f"/api/v1{path}"][method]["operationId"] for method, path in OPERATIONS
    }
    assert known == set(SCOPES)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_no_door_opens_to_a_wrong_key_scope_person_or_campaign(
    method: str, path: str, mood: Campaign, noor: User
) -> None:
    scope = SCOPES[SCHEMA["paths"][f"/api/v1{path}"][method]["operationId"]]
    here, body = filled(path, mood), {"text": "a", "language": "wo", **NEWS_BODY}
    here += "?filename=a.csv" if scope == "import" else ""
    revoked, secret = create_key(noor, name="old", scopes=[scope])
    revoke_key(revoked, now=timezone.now())
    ended = opened(noor, scope, expires_at=timezone.now() - timedelta(seconds=1))
    for wrong in ("", "vernacular_nothing", secret, ended):
        answer = call(wrong, here, method=method, body=body)
        assert (answer.status_code, answer.json()["title"]) == (401, "not_signed_in")
        assert answer["Content-Type"] == "application/problem+json"
        assert answer["WWW-Authenticate"].startswith("Bearer")
    others = [one for one in Scope.values if one != scope]
    refused = call(opened(noor, *others), here, method=method, body=body)
    assert (refused.status_code, refused.json()["title"]) == (403, "not_allowed")
    lee, elsewhere = make_user("lee"), make_campaign(slug="elsewhere")
    for foreign in (opened(lee), opened(noor, campaign=elsewhere)):
        answer = call(foreign, here, method=method, body=body)
        if path == "/campaigns":
            assert answer.json()["items"] == []
        else:
            assert answer.status_code == 404


def test_a_key_may_never_more_than_its_person(mood: Campaign, noor: User) -> None:
    secret = opened(noor)
    assert call(secret, "/campaigns/mood/answers").status_code == 200
    Membership.objects.filter(user=noor).update(role="coordinator")
    assert call(secret, "/campaigns/mood").status_code == 200
    assert call(secret, "/campaigns/mood/answers").status_code == 403
    User.objects.filter(pk=noor.pk).update(is_active=False)
    assert call(secret, "/campaigns/mood").status_code == 401
    assert not ApiKey.objects.filter(digest=secret).exists()
    assert ApiKey.objects.get().digest == digest_of(secret)


def test_a_list_is_read_to_its_end_by_key_and_none_is_twice(mood: Campaign, noor: User) -> None:
    items = [make_item(make_sample(mood)) for _ in range(5)]
    label = mood.labels.get(key="dates")
    Consensus.objects.create(
        sample=items[0].sample, people=[0, 0, 1], label=label, confidence=0.9, weight=1, answers=2,
        revisions=[], aggregator="x",
    )  # fmt: skip
    secret, after, seen = opened(noor), "", []
    while after is not None:
        path = f"/campaigns/mood/items?language=wo&limit=2&after={after}"
        told = validate(call(secret, path), "/campaigns/{slug}/items", "get")
        seen += told["items"]
        after = told["next"]
        if len(seen) == 2:  # what is there first pushes nothing over to the next page
            Item.objects.filter(pk=items[0].pk).update(state="withdrawn")
    assert [row["id"] for row in seen] == [str(one.uid) for one in items]
    assert (seen[0]["consensus"]["label"], seen[1]["consensus"]) == ("dates", None)
    assert call(secret, "/campaigns/mood/items?language=qu").json() == {"items": [], "next": None}


@pytest.mark.parametrize("wrong", ["after=x", "after=-1", f"after={9**30}", "limit=0", "limit=x"])
def test_what_does_not_fit_is_refused_as_a_problem(wrong: str, mood: Campaign, noor: User) -> None:
    answer = call(opened(noor), f"/campaigns?{wrong}")
    problem = answer.json()
    jsonschema.validate(problem, SCHEMA["components"]["schemas"]["Problem"])
    assert (answer.status_code, problem["status"], problem["title"]) == (422, 422, "invalid_input")
    assert wrong.split("=")[0] in json.dumps(problem)


def test_answers_name_nobody_and_tell_nothing_of_what_was_taken_back(
    mood: Campaign, noor: User
) -> None:
    awa = make_annotator("awa-ndiaye")
    for number, state in enumerate(("answered", "withdrawn"), start=1):
        Annotation.objects.create(
            item=make_item(make_sample(mood)), annotator=awa, desk_annotation_id=number,
            state=state, label=mood.labels.get(key="admin"), note="my cousin",
        )  # fmt: skip
    answer = call(opened(noor), "/campaigns/mood/answers")
    given, taken_back = validate(answer, "/campaigns/{slug}/answers", "get")["items"]
    assert (given["label"], given["note"], given["person"]) == ("admin", "my cousin", awa.user_id)
    assert (taken_back["state"], taken_back["label"], taken_back["note"]) == ("withdrawn", None, "")
    assert b"ndiaye" not in answer.content.lower()
    assert answer["Cache-Control"] == "no-store"


def send(secret: str, body: bytes = CSV, *, query: str = "", **headers: str) -> HttpResponse:
    path = (
        f"/campaigns/mood/imports?filename=a.csv&default=licence=CC0-1.0&default=source=Us{query}"
    )
    return call(secret, path, method="post", body=body, **headers)


def test_a_file_comes_in_once_however_often_it_is_sent_under_one_key(
    mood: Campaign, noor: User, django_capture_on_commit_callbacks: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    asked: list[int] = []
    monkeypatch.setattr(imports, "soon", lambda _task, *, import_id: asked.append(import_id))
    secret, name = opened(noor), {"Idempotency-Key": "4711"}
    with django_capture_on_commit_callbacks(execute=True):
        first, again = send(secret, **name), send(secret, **name)
    told = validate(first, "/campaigns/{slug}/imports", "post")
    assert (first.status_code, again.status_code, told) == (202, 202, again.json())
    job = SampleImport.objects.get()
    assert (asked, job.created_by, job.options["defaults"]["source"]) == ([job.pk], noor, "Us")
    assert call(secret, first["Location"].removeprefix("/api/v1")).json()["status"] == "queued"
    other = send(secret, CSV + b"Jamm rekk,wo\n", **name)
    assert (other.status_code, other.json()["title"]) == (409, "conflict")
    twice = send(secret)
    assert twice.status_code == 409
    assert "import" in twice.json()["detail"]
    assert IdempotentCall.objects.count() == SampleImport.objects.count() == 1


def test_what_was_refused_may_be_sent_again_under_the_same_key(mood: Campaign, noor: User) -> None:
    secret, name = opened(noor), {"Idempotency-Key": "4711"}
    refused = send(secret, query="&on_error=shout", **name)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["where"][-1] == "on_error"
    assert send(secret, **name).status_code == 202


def test_a_file_that_is_too_large_or_makes_no_sense_is_refused(
    mood: Campaign, noor: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = opened(noor)
    assert send(secret, query="&column=text").status_code == 422
    assert not SampleImport.objects.exists()
    empty, image = send(secret, b""), send(secret, b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    told = [validate(one, "/campaigns/{slug}/imports", "post") for one in (empty, image)]
    assert [one["status"] for one in told] == ["failed", "failed"]
    assert "empty" in told[0]["error"]
    SampleImport.objects.all().delete()
    monkeypatch.setattr(imports, "MOST_BYTES", 10)
    assert send(secret).status_code == 413
    assert not SampleImport.objects.exists()


def test_one_file_of_what_is_agreed_is_written_at_a_time(mood: Campaign, noor: User) -> None:
    secret, path = opened(noor), "/campaigns/mood/agreed?format=csv"
    with agreed_files.alone():
        busy = call(secret, path)
    assert (busy.status_code, busy.json()["title"], busy["Retry-After"]) == (409, "busy", "60")
    # Whatever became of the one before, the next is let in.
    assert call(secret, "/campaigns/mood/agreed?format=shout").status_code == 422
    assert call(secret, path).status_code == 200


@pytest.mark.parametrize("format", ["parquet", "datasets"])
def test_a_process_of_the_pages_never_holds_the_library_of_parquet(
    format: str, mood: Campaign, noor: User, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, path = opened(noor), f"/campaigns/mood/agreed?format={format}"
    client.force_login(noor)
    Consensus.objects.create(
        sample=make_sample(mood), people={}, label=mood.labels.get(key="dates"), confidence=0.9,
        weight=0.5, answers=2, revisions=[], aggregator="majority",
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # whoever imports it here fails
    begins = b"PAR1" if format == "parquet" else b"PK"
    assert b"".join(call(secret, path)).startswith(begins)
    page = f"/campaigns/mood/publication/agreed/{format}/"
    assert b"".join(client.get(page)).startswith(begins)
    with agreed_files.alone():
        assert client.get(page)["Location"] == "/campaigns/mood/publication/"
    monkeypatch.setattr(agreed_files, "LONGEST_S", 0.001)
    assert (call(secret, path).status_code, client.get(page).status_code) == (503, 302)


def serve(campaign: Campaign) -> ModelVersion:
    version = ModelVersion.objects.create(campaign=campaign, number=1, digest="ab" * 32, path="a/b")
    Deployment.objects.create(campaign=campaign, number=1, version=version, kind="initial")
    return version


def test_versions_and_what_gold_says_of_them(mood: Campaign, noor: User) -> None:
    version = serve(mood)
    Evaluation.objects.create(
        version=version, language=make_language("wo"), gold_digest="x", items=50, accuracy=0.8,
        accuracy_low=0.7, accuracy_high=0.9, answers={},
    )  # fmt: skip
    secret = opened(noor)
    path = "/campaigns/{slug}/versions"
    assert validate(call(secret, "/campaigns/mood/versions"), path, "get")["items"][0]["serving"]
    told = call(secret, "/campaigns/mood/versions/1/evaluations")
    (row,) = validate(told, f"{path}/{{number}}/evaluations", "get")["items"]
    assert (row["language"], row["accuracy"]) == ("wo", {"value": 0.8, "low": 0.7, "high": 0.9})
    assert row["kappa"]["value"] is None
    for number in ("2", "0", str(9**25)):
        assert call(secret, f"/campaigns/mood/versions/{number}").status_code == 404


def test_a_text_is_answered_by_a_worker_at_once_or_found_later(
    mood: Campaign, noor: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(mood)
    secret, path = opened(noor), "/campaigns/{slug}/predictions"
    said = {"label": "dates", "version": 1}

    def answered(_task: object, *, trial_id: int) -> None:
        done = {"state": "done", "answer": said, "answered_at": timezone.now()}
        Trial.objects.filter(pk=trial_id).update(**done)

    monkeypatch.setattr(predicting, "soon", answered)
    body = {"text": "Ci altine la", "language": "wo"}
    there = call(secret, "/campaigns/mood/predictions", method="post", body=body)
    assert (there.status_code, validate(there, path, "post")["answer"]) == (200, said)
    monkeypatch.setattr(predicting, "PATIENCE_S", 0)
    monkeypatch.setattr(predicting, "soon", lambda _task, *, trial_id: None)
    later = call(secret, "/campaigns/mood/predictions", method="post", body=body)
    assert (later.status_code, later.json()["state"]) == (202, "waiting")
    answered(None, trial_id=Trial.objects.get(uid=later.json()["id"]).pk)
    found = call(secret, later["Location"].removeprefix("/api/v1"))
    assert found.json()["answer"] == said
    body["language"] = "fr"
    assert call(secret, "/campaigns/mood/predictions", method="post", body=body).status_code == 404


def test_keys_are_made_listed_and_revoked_by_command(
    mood: Campaign, noor: User, capsys: pytest.CaptureFixture[str]
) -> None:
    out = io.StringIO()
    call_command(
        "api_key", "create", "nightly", "--user", "noor", "--campaign", "mood", "--scope", "read",
        stdout=out,
    )  # fmt: skip
    secret = out.getvalue().strip()
    assert call(secret, "/campaigns/mood").status_code == 200
    call_command("api_key", "list")
    listed = capsys.readouterr().out
    assert "nightly" in listed
    assert secret not in listed
    call_command("api_key", "revoke", str(ApiKey.objects.get().pk))
    assert call(secret, "/campaigns/mood").status_code == 401
    with pytest.raises(CommandError, match="lee"):
        call_command("api_key", "create", "x", "--user", "lee", "--scope", "read")


def test_a_nul_in_an_address_is_refused_before_it_is_looked_up(client: Client) -> None:
    client.force_login(make_user("noor", staff=True))
    for address in ("/campaigns/?q=%00", "/campaigns/a%00b/"):
        assert client.get(address).status_code == 400
    told = client.get("/api/v1/campaigns/a%00b")
    assert (told.status_code, told["Content-Type"]) == (404, "application/problem+json")


def test_parameters_of_the_api_hold_no_nul_and_others_are_not_looked_at(
    mood: Campaign, noor: User
) -> None:
    secret = opened(noor)
    assert call(secret, "/campaigns?after=%00").status_code == 422
    assert call(secret, "/campaigns/mood/items?language=%00").status_code == 422
    assert send(secret, query="&default=source=%00").status_code == 422
    assert call(secret, "/campaigns?nothing=%00").status_code == 200
