"""Keys for programs: everybody makes their own, sees them, and nobody touches another's."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from annotation.actions import keys
from annotation.actions.keys import TooManyCallsError, count_call, create_key
from annotation.models import ApiKey, Membership
from tests.make import make_campaign, make_user

pytestmark = pytest.mark.django_db
PAGE = "/me/keys/"


@pytest.fixture
def noor(client: Client) -> Client:
    campaign = make_campaign(slug="ours")
    make_campaign(slug="theirs")
    user = make_user("noor")
    Membership.objects.create(user=user, campaign=campaign, role="admin")
    client.force_login(user)
    return client


def test_a_key_that_is_made_on_the_page_opens_once_shown_until_it_is_revoked(noor: Client) -> None:
    form = {
        "name": "Nightly =export",
        "scopes": ["read", "export"],
        "campaign": "ours",
        "days": "30",
    }
    made = noor.post(PAGE, form).content.decode()
    secret = re.search(r"vernacular_[\w-]+", made)
    assert secret is not None
    key = ApiKey.objects.get()
    assert key.scopes == ["export", "read"]
    assert key.expires_at is not None
    assert timedelta(days=29) < key.expires_at - timezone.now() <= timedelta(days=30)
    assert secret[0] not in noor.get(PAGE).content.decode()
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {secret[0]}"}
    assert Client().get("/api/v1/campaigns/ours", **bearer).status_code == 200  # type: ignore[arg-type]
    noor.post(f"{PAGE}{key.pk}/revoke/")
    assert Client().get("/api/v1/campaigns/ours", **bearer).status_code == 401  # type: ignore[arg-type]


def test_nobody_makes_a_key_for_what_they_may_not_or_revokes_anothers(noor: Client) -> None:
    refused = noor.post(PAGE, {"name": "a", "scopes": ["read"], "campaign": "theirs"})
    assert refused.status_code == 422
    assert noor.post(PAGE, {"name": "a", "scopes": []}).status_code == 422
    key, _ = create_key(make_user("lee"), name="of Lee", scopes=["read"])
    assert noor.post(f"{PAGE}{key.pk}/revoke/").status_code == 404
    assert "of Lee" not in noor.get(PAGE).content.decode()
    stranger = Client()
    stranger.force_login(key.user)
    assert stranger.get(PAGE).status_code == 403


def test_a_key_that_is_used_too_often_waits_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "MOST_CALLS", 3)
    monkeypatch.setattr(keys, "_calls", {})
    user, now = make_user("noor", staff=True), timezone.now()
    key, secret = create_key(user, name="fast", scopes=["read"])
    other, _ = create_key(user, name="slow", scopes=["read"])
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {secret}"}
    answers = [Client().get("/api/v1/campaigns", **bearer) for _ in range(4)]  # type: ignore[arg-type]
    assert [one.status_code for one in answers] == [200, 200, 200, 429]
    assert answers[3]["Retry-After"] == "60"
    assert answers[3].json()["title"] == "too_many_calls"
    count_call(other, now=now)
    count_call(key, now=now + timedelta(minutes=2))
    for _ in range(2):
        count_call(other, now=now)
    with pytest.raises(TooManyCallsError):
        count_call(other, now=now)
