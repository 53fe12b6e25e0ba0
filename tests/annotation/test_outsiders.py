"""Who was let go, does not agree any more, or answers elsewhere: what is closed to and about them."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation.models import (
    Annotator,
    CampaignLanguage,
    Consent,
    GroupAnswer,
    GroupRemark,
    GroupSession,
    GroupText,
    Membership,
)
from tests.make import (
    make_annotator,
    make_campaign,
    make_language,
    make_sample,
    make_user,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def home() -> CampaignLanguage:
    return make_campaign(slug="speech", languages=("wo",)).languages.get()


@pytest.fixture
def awa(home: CampaignLanguage) -> Annotator:
    return member("awa", home)


@pytest.fixture
def group(home: CampaignLanguage, awa: Annotator) -> GroupSession:
    made = GroupSession.objects.create(campaign_language=home, title="Week 1")
    made.members.set([awa, member("ibou", home)])
    GroupText.objects.create(session=made, sample=make_sample(home.campaign), position=0)
    return made


def member(name: str, home: CampaignLanguage) -> Annotator:
    found = make_annotator(name, "wo", everywhere=False)
    Membership.objects.create(
        user=found.user, campaign=home.campaign, language=home.language, role="annotator"
    )
    return found


def signed_in(who: Annotator) -> Client:
    client = Client()
    client.force_login(who.user)
    return client


@pytest.mark.parametrize("how", ["let go", "role ended"])
def test_who_was_let_go_neither_reads_nor_writes_in_a_group_session(
    how: str, awa: Annotator, group: GroupSession
) -> None:
    client, here = signed_in(awa), reverse("group", args=["speech", "wo", group.pk])
    assert client.get(here).status_code == 200
    if how == "let go":
        Annotator.objects.filter(pk=awa.pk).update(active=False)
    else:
        Membership.objects.filter(user=awa.user).update(active=False)
    assert client.get(here).status_code == 403
    assert client.post(here, {"position": "0", "label": "dates"}).status_code == 403
    GroupSession.objects.update(state="discussing")
    said = client.post(f"{here}remark/", {"says": "Still here.", "token": "t1"})
    assert said.status_code == 403
    assert not GroupAnswer.objects.exists()
    assert not GroupRemark.objects.exists()


def test_who_agrees_no_more_is_asked_before_a_group_session_goes_on(
    awa: Annotator, group: GroupSession
) -> None:
    Consent.objects.filter(user=awa.user).update(ended_at=timezone.now())
    client, here = signed_in(awa), reverse("group", args=["speech", "wo", group.pk])
    assert client.get(here).url == "/consent/"
    assert client.post(here, {"position": "0", "label": "dates"}).url == "/consent/"
    assert not GroupAnswer.objects.exists()


def test_a_coordinator_sees_nobody_of_another_campaign(
    home: CampaignLanguage, awa: Annotator
) -> None:
    lead = make_user("lead")
    wo = make_language("wo")
    Membership.objects.create(user=lead, campaign=home.campaign, language=wo, role="coordinator")
    client = Client()
    client.force_login(lead)
    there = make_campaign(slug="there", languages=("wo",)).languages.get()
    stranger = member("stranger", there)
    for who, status in ((awa, 200), (stranger, 404)):
        page = reverse("calibration_person", args=["speech", "wo", who.pk])
        assert client.get(page).status_code == status
    # Who was judged here is still known here, after they left.
    awa.standings.create(campaign=home.campaign, state="qualified", since=timezone.now())
    Membership.objects.filter(user=awa.user).update(active=False)
    page = reverse("calibration_person", args=["speech", "wo", awa.pk])
    assert client.get(page).status_code == 200
