"""Who may what, and that no page offers more; every address as everybody: tests/security."""

import re

import pytest
from django.test import Client
from django.urls import resolve, reverse

from annotation.models import Annotation, Annotator, Campaign, Consent, Membership, User
from annotation.permissions import (
    ABILITIES,
    Ability,
    campaigns_with,
    languages_with,
    may,
    may_manage,
    team_of,
)
from tests.make import (
    make_annotator,
    make_campaign,
    make_consent,
    make_item,
    make_language,
    make_sample,
    make_user,
)
from tests.rich import make_rich_campaign
from tests.security.doors import DOORS
from training.models import TrainingRun

pytestmark = pytest.mark.django_db

ROLES = (
    *("stranger", "reporter", "annotator", "coordinator", "neighbour"),
    *("admin", "outsider", "staff"),
)


@pytest.fixture
def people() -> dict[str, User]:
    here = make_campaign(slug="here", languages=("wo", "qu"))
    there = make_campaign(slug="there", languages=("wo",))
    wo, qu = make_language("wo"), make_language("qu")
    roles = {
        "reporter": (here, wo, "reporter"),
        "annotator": (here, wo, "annotator"),
        "coordinator": (here, wo, "coordinator"),
        "neighbour": (here, qu, "coordinator"),
        "admin": (here, None, "admin"),
        "outsider": (there, None, "admin"),
    }
    found = {name: make_user(name, staff=name == "staff") for name in ROLES if name != "stranger"}
    for name, (campaign, language, role) in roles.items():
        Membership.objects.create(user=found[name], campaign=campaign, language=language, role=role)
        make_consent(found[name])
    for name in ("annotator", "coordinator"):
        Annotator.objects.create(user=found[name], language=wo, everywhere=False)
    return found


def test_a_polling_part_of_a_page_sends_the_whole_page_to_sign_in(
    client: Client, people: dict[str, User]
) -> None:
    answer = client.get("/campaigns/here/live/", headers={"HX-Request": "true"})
    assert answer.status_code == 204
    assert answer.headers["HX-Redirect"].startswith(reverse("sign_in"))


def test_nobody_but_staff_operates() -> None:
    assert not any(Ability.OPERATE in abilities for abilities in ABILITIES.values())


def test_abilities_hold_in_their_campaign_and_language_alone(people: dict[str, User]) -> None:
    here, there = (people["staff"], people["outsider"])
    campaign = campaigns_with(here, Ability.WATCH).get(slug="here")
    wo, qu, ar = (make_language(tag) for tag in ("wo", "qu", "ar"))
    lead = people["coordinator"]
    assert may(lead, Ability.GUIDE, campaign=campaign, language=wo)
    assert not may(lead, Ability.GUIDE, campaign=campaign, language=qu)
    assert set(languages_with(lead, Ability.GUIDE, campaign=campaign)) == {wo}
    assert set(languages_with(people["admin"], Ability.GUIDE, campaign=campaign)) == {wo, qu}
    assert not languages_with(there, Ability.GUIDE, campaign=campaign)
    assert [found.slug for found in campaigns_with(there, Ability.WATCH)] == ["there"]
    assert not may(people["annotator"], Ability.ANSWER, language=ar)
    Membership.objects.filter(user=lead).update(active=False)
    assert not may(lead, Ability.GUIDE, campaign=campaign, language=wo)
    here.is_active = False
    assert not may(here, Ability.REPORT)


def test_a_team_is_who_agreed_and_answers_there(people: dict[str, User]) -> None:
    wo = make_language("wo")
    here, there = (
        campaigns_with(people["staff"], Ability.WATCH).get(slug=s) for s in ("here", "there")
    )
    assert {who.user for who in team_of(here, wo)} == {people["annotator"], people["coordinator"]}
    Membership.objects.filter(campaign=here).delete()
    added = make_annotator("added", "wo")
    invited = make_annotator("invited", "wo", everywhere=False)
    Membership.objects.create(user=invited.user, campaign=here, language=wo, role="annotator")
    assert set(team_of(here, wo)) == {added, invited}
    assert set(team_of(there, wo)) == {added}
    assert may(added.user, Ability.ANSWER, campaign=there, language=wo)
    assert not may(invited.user, Ability.ANSWER, campaign=there, language=wo)
    Consent.objects.filter(user=invited.user).update(train=False)
    added.active = False
    added.save()
    assert not team_of(here, wo)
    assert not may(added.user, Ability.ANSWER, campaign=there, language=wo)


def test_nobody_acts_for_those_above_or_elsewhere(people: dict[str, User]) -> None:
    lead, admin = people["coordinator"], people["admin"]
    assert may_manage(lead, people["annotator"])
    assert may_manage(admin, lead)
    assert not may_manage(people["neighbour"], people["annotator"])
    assert not may_manage(lead, admin)
    assert not may_manage(admin, people["staff"])
    assert not may_manage(admin, people["outsider"])
    assert not may_manage(lead, make_annotator("added", "wo").user)  # answers in both campaigns
    assert may_manage(people["staff"], admin)


@pytest.mark.parametrize("role", ["coordinator", "admin"])
def test_no_page_offers_what_its_door_refuses(role: str, client: Client) -> None:
    campaign = make_rich_campaign()
    person = make_user(role)
    wolof = make_language("wo") if role == "coordinator" else None
    Membership.objects.create(user=person, campaign=campaign, language=wolof, role=role)
    client.force_login(person)
    run = TrainingRun.objects.get(campaign=campaign, round__number=2).pk
    pages = (
        "",
        "people/",
        "people/invite/",
        "versions/",
        "versions/5/",
        "versions/compare/?a=2&b=5",
    )
    pages += ("versions/2/confidence/", "rounds/1/", f"runs/{run}/", f"runs/{run}/gate/")
    offered = set()
    for page in pages:
        answer = client.get(f"/campaigns/{campaign.slug}/{page}")
        assert answer.status_code == 200, page
        for address in re.findall(r'(?:href|action)="(/[^"#?]*)', answer.content.decode()):
            match = resolve(address) if not address.startswith("/static/") else None
            refused = match and not DOORS[match.url_name].lets_in(role)
            elsewhere = match and wolof and match.kwargs.get("tag", "wo") != "wo"
            if refused or elsewhere:
                offered.add(f"{page or 'campaign'}: {match.url_name} {match.kwargs.get('tag', '')}")
    assert sorted(offered) == []


def test_nobody_takes_back_answers_of_campaigns_that_they_do_not_lead(
    client: Client, people: dict[str, User]
) -> None:
    awa = people["annotator"].annotators.get()
    for slug in ("here", "there"):
        _answer(awa, slug)
    for person, taken in ((people["admin"], 0), (people["staff"], 2)):
        client.force_login(person)
        answer = client.post(f"/campaigns/here/people/{awa.pk}/answers/")
        assert answer.status_code == 302
        assert Annotation.objects.exclude(withdrawal=None).count() == taken


def _answer(annotator: Annotator, slug: str) -> None:
    campaign = Campaign.objects.get(slug=slug)
    item = make_item(make_sample(campaign))
    Annotation.objects.create(
        item=item,
        annotator=annotator,
        label=campaign.labels.first(),
        desk_annotation_id=item.pk,
        desk_updated_at="2026",
    )
