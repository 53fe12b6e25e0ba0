"""The audit: every change by those who lead is written down, and nothing takes it away again."""

import csv
import io
import json

import pytest
from django.db import IntegrityError, connection, models, transaction
from django.test import Client

from annotation.actions.auditing import moved, record, state_of
from annotation.actions.keys import create_key
from annotation.models import AuditEntry, Membership, Objection, Scope, User
from config.audited_commands import audited
from tests.make import make_campaign, make_language, make_sample, make_user
from training.models import RegressionCase

pytestmark = pytest.mark.django_db


@pytest.fixture
def noor() -> User:
    return make_user("noor", staff=True, is_superuser=True)


def test_the_database_keeps_what_was_written(noor: User) -> None:
    entry = record("x", actor=noor)
    # What is to be looked at when a transaction ends would stand in the way of some of them.
    connection.check_constraints()
    tries = ["UPDATE annotation_auditentry SET action = 'y'", "DELETE FROM annotation_auditentry"]
    tries += ["TRUNCATE annotation_auditentry"] if connection.vendor == "postgresql" else []
    for sql in tries:
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            connection.cursor().execute(sql)
    if connection.vendor == "sqlite":
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            connection.cursor().execute(
                "REPLACE INTO annotation_auditentry SELECT * FROM annotation_auditentry"
            )
    assert AuditEntry.objects.get() == entry


def test_a_change_says_who_what_where_and_from_what_to_what(client: Client, noor: User) -> None:
    campaign = make_campaign(slug="mood", status="running")
    held = Membership.objects.create(
        user=make_user("awa"), campaign=campaign, language=make_language("wo"), role="annotator"
    )
    client.force_login(noor)
    client.post(
        f"/campaigns/mood/people/roles/{held.pk}/end/", headers={"X-Request-ID": "request-17"}
    )
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.action, entry.campaign) == (noor, "membership_end", "mood")
    assert entry.changed[f"membership {held.pk}.active"] == [True, False]
    assert entry.wrote["annotation_membership"] == [0, 1, 0]
    assert (entry.named["pk"], entry.request_id) == (held.pk, "request-17")
    client.post("/campaigns/mood/pause/")
    changed = AuditEntry.objects.first().changed[f"campaign {campaign.pk}.status"]
    assert changed == ["running", "paused"]


def test_djangos_admin_and_keys_are_audited_and_secrets_are_not_told(
    client: Client, noor: User
) -> None:
    awa = make_user("awa", email="awa@example.org")
    client.force_login(noor)
    form = client.get(f"/admin/annotation/user/{awa.pk}/change/").context["adminform"].form
    told = {name: form.initial.get(name) or "" for name in form.fields}
    told |= {"email": "other@example.org", "is_staff": "on", "name": "Aminata", "desk_user_id": ""}
    told |= {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    told |= {"last_login_0": "", "last_login_1": "", "groups": [], "user_permissions": []}
    answer = client.post(f"/admin/annotation/user/{awa.pk}/change/", told)
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    entry = AuditEntry.objects.get(action="admin:annotation_user_change")
    assert entry.changed[f"user {awa.pk}.is_staff"] == [False, True]
    for name in ("email", "name"):
        assert entry.changed[f"user {awa.pk}.{name}"] == ["•••", "•••"]
    make_campaign(slug="mood", languages=("wo",))
    key, secret = create_key(noor, name="nightly", scopes=tuple(Scope.values))
    Client().generic(
        "POST",
        "/api/v1/campaigns/mood/imports?filename=a.csv",
        b"text,language,licence\nNanga def?,wo,CC0-1.0\n",
        content_type="application/octet-stream",
        headers={"Authorization": f"Bearer {secret}"},
    )
    entry = AuditEntry.objects.first()
    assert (entry.actor, entry.key, entry.action) == (noor, key.pk, "api:create_import")
    assert secret not in str(AuditEntry.objects.values())


def test_no_word_that_somebody_typed_is_in_an_entry_and_that_it_moved_is(noor: User) -> None:
    campaign = make_campaign(slug="mood")
    sample = make_sample(campaign, text="my aunt's words")
    case = RegressionCase(text="my aunt's words", source="hers")
    rows: list[models.Model] = [sample, case, Objection(decision="", state="open"), campaign]
    before = state_of(rows)
    sample.text, sample.dialect, campaign.title = "her other words", "hers", "Mood"
    case.text, case.source = "her other words", "aunt"
    rows[2].decision, rows[2].state = "her words", "kept"  # type: ignore[attr-defined]
    found = moved(before, state_of(rows))
    told = json.dumps(record("x", actor=noor, changed=found).changed)
    assert not [word for word in ("aunt", "other", "her", "words") if word in told]
    assert found[f"sample {sample.pk}.text"] == ["•••", "•••"]
    assert found["objection None.state"] == ["open", "kept"]
    assert found[f"campaign {campaign.pk}.title"][1] == "Mood"


def test_refusals_looks_and_own_affairs_leave_nothing(client: Client) -> None:
    lee = make_user("lee")
    make_campaign(slug="mood")
    client.force_login(lee)
    client.post("/campaigns/mood/start/")
    client.get("/me/")
    client.post("/sign-out/")
    assert not AuditEntry.objects.exists()


def test_commands_are_audited_without_words_that_may_be_somebodys(noor: User) -> None:
    make_campaign(slug="mood", languages=("wo",))
    line = [
        "manage.py",
        "add_annotator",
        "wo",
        "--name",
        "Aminata",
        "--email=a@example.org",
        "mood",
        "7",
    ]
    with pytest.raises(SystemExit):
        _fail_after_a_change(line)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.campaign, entry.actor) == ("manage.py add_annotator", "mood", None)
    assert entry.named["arguments"] == "wo --name ••• --email=••• mood 7"
    assert (entry.named["ended"], bool(entry.named["by"])) == ("failed", True)
    assert entry.wrote == {"annotation_user": [1, 0, 0]}
    with audited(["manage.py", "list_campaigns"]):
        User.objects.count()
    assert AuditEntry.objects.count() == 1


def _fail_after_a_change(line: list[str]) -> None:
    with audited(line):
        make_user("awa")
        raise SystemExit(1)


def test_pages_and_files_tell_it_to_those_who_lead_and_run_nothing(client: Client) -> None:
    campaign, lead = make_campaign(slug="mood"), make_user("lead")
    Membership.objects.create(user=lead, campaign=campaign, role="admin")
    for number in range(102):
        record("=1+1" if number else "<script>x</script>", actor=lead, campaign="mood")
    record("elsewhere", actor=lead, campaign="other")
    client.force_login(lead)
    page = client.get("/campaigns/mood/audit/")
    assert len(page.context["entries"]) == 100
    older = client.get(f"/campaigns/mood/audit/?before={page.context['older']}")
    assert len(older.context["entries"]) == 2
    assert "<script>x" not in older.content.decode()
    told = b"".join(client.get("/campaigns/mood/audit.csv")).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(told)))
    assert len(rows) == 102
    assert rows[0]["action"] == "'=1+1"
    assert client.get("/audit/").status_code == 403
    client.force_login(make_user("root", staff=True))
    assert "elsewhere" in client.get("/audit/").content.decode()
