"""What is cut short where hundreds knock a second is still known by its id, by our name, and by its line."""

import logging
import socket
from types import SimpleNamespace

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.urls import reverse

from annotation.models import CampaignLanguage, DeskEvent
from config.postgresql.base import DatabaseWrapper
from tests.make import make_campaign


@pytest.mark.django_db
def test_a_nudge_goes_straight_and_keeps_its_id_and_its_line(client, settings, monkeypatch, caplog):
    settings.ENV = settings.ENV.model_copy(update={"webhook_secret": "the-secret"})
    monkeypatch.setattr("annotation.views.webhook.sweep_soon", lambda _: None)
    home = CampaignLanguage.objects.get(campaign=make_campaign(languages=("wo",)))
    told = {"Authorization": "Bearer the-secret", "X-Request-ID": "known-from-elsewhere"}
    path = reverse("desk_hook", args=[home.pk])
    with caplog.at_level(logging.INFO):
        answer = client.post(path, b"{}", content_type="application/json", headers=told)
    assert (answer.status_code, answer["X-Request-ID"]) == (204, "known-from-elsewhere")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert not answer.cookies
    assert [one for one in caplog.records if path in str(one.msg)]
    strange = client.post(
        path, b"{}", content_type="application/json", headers=told | {"Host": "x"}
    )
    assert strange.status_code == 400
    assert client.post("/hooks/nowhere/", headers=told).status_code == 404
    assert DeskEvent.objects.count() == 1


def test_a_connection_whose_server_has_gone_is_seen_at_its_socket():
    ours, theirs = socket.socketpair()
    held = SimpleNamespace(closed=False, broken=False, fileno=ours.fileno)
    wrapper = DatabaseWrapper({})
    wrapper.connection = held
    assert wrapper._is_quiet()
    theirs.close()
    assert not wrapper._is_quiet()
    held.closed = True
    assert not wrapper._is_quiet()
    ours.close()


@pytest.mark.django_db
def test_a_person_is_found_by_number_and_within_a_relation_only_there(django_assert_num_queries):
    people = get_user_model()
    awa, budi = (people.objects.create(username=name) for name in ("awa", "budi"))
    team = Group.objects.create(name="team")
    team.user_set.add(awa)
    with django_assert_num_queries(1):
        assert people.objects.get(pk=budi.pk).username == "budi"
    with pytest.raises(people.DoesNotExist):
        people.objects.get(pk=budi.pk + 1)
    with pytest.raises(people.DoesNotExist):
        team.user_set.get(pk=budi.pk)
