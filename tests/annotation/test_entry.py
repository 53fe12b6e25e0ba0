"""One click into Label Studio: who gets a link, who is told why not, and how members keep step."""

import ast

import pytest
from django.test import Client
from django.utils import timezone, translation

from annotation.actions import health
from annotation.actions.entry import (
    accounts_of_team,
    enter_desk,
    homes_of,
    keep_members,
    words_at_the_desk,
)
from annotation.actions.invitations import invite, open_invitation
from annotation.actions.people import ensure_desk_account, join_team, leave_team
from annotation.errors import ConflictError, OverlayMissingError
from annotation.gateways.accounts import in_turn
from annotation.models import Annotator, Campaign, CampaignLanguage, Consent, Invitation
from config.bootstrap import ROOT
from tests.fakes import FakeLabelingDesk
from tests.make import make_annotator, make_campaign, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> FakeLabelingDesk:
    desk = FakeLabelingDesk()
    monkeypatch.setattr("annotation.views.desk.open_door", lambda **_: desk)
    return desk


@pytest.fixture
def home(desk: FakeLabelingDesk) -> CampaignLanguage:
    home = make_campaign(languages=("wo",), status=Campaign.Status.RUNNING).languages.get()
    home.desk_project_id = desk.create_project(title="x", marker="m", config="", instruction="")
    home.save()
    return home


def person(name: str) -> Annotator:
    """Somebody whom the desk does not know yet."""
    make_user(name)
    return make_annotator(name)


def keep(home: CampaignLanguage, desk: FakeLabelingDesk) -> set[int] | None:
    return keep_members(home, desk=desk, now=timezone.now())


def members(home: CampaignLanguage, desk: FakeLabelingDesk) -> set[int]:
    return desk.projects[home.desk_project_id or 0].members


def address(home: CampaignLanguage) -> str:
    return f"/desk/{home.campaign.slug}/{home.language.tag}/"


def test_awa_is_sent_on_with_an_account_that_is_made_when_it_is_needed(home, desk, client):
    awa = person("awa").user
    client.force_login(awa)
    for _ in range(2):
        answer = client.get(address(home))
        awa.refresh_from_db()
        link = f"http://desk.localhost/go/{awa.desk_user_id}-{home.desk_project_id}/"
        assert (answer.status_code, answer["Location"]) == (302, link)
        assert (answer["Referrer-Policy"], "no-store" in answer["Cache-Control"]) == (
            "no-referrer",
            True,
        )
    assert members(home, desk) == {awa.desk_user_id}
    assert desk.calls.count("create_account") == 1


def test_lee_and_strangers_get_no_link_and_whoever_has_not_agreed_is_asked_first(
    home, desk, client
):
    assert client.get(address(home))["Location"].startswith("/sign-in/")
    client.force_login(make_user("lee"))
    assert client.get(address(home)).status_code == 403
    inti = person("inti").user
    Consent.objects.filter(user=inti).delete()
    client.force_login(inti)
    assert client.get(address(home))["Location"] == "/consent/"
    assert "entry_link" not in desk.calls
    assert members(home, desk) == set()


def test_members_follow_the_team_and_a_hand_that_changed_them_is_put_right(home, desk):
    awa, inti = person("awa"), person("inti")
    for one in (awa, inti):
        ensure_desk_account(one.user, desk=desk)
    both = {awa.user.desk_user_id, inti.user.desk_user_id}
    assert keep(home, desk) == keep(home, desk) == both == members(home, desk)
    desk.projects[home.desk_project_id].members = {1}
    assert keep(home, desk) == both
    leave_team(inti)
    assert keep(home, desk) == {awa.user.desk_user_id}
    Consent.objects.filter(user=awa.user).update(ended_at=timezone.now())
    assert keep(home, desk) == set()
    join_team(inti.user, language=home.language, now=timezone.now())
    assert keep(home, desk) == {inti.user.desk_user_id}
    assert homes_of(inti.user) == [home.pk]


def test_whoever_left_gets_no_link_even_with_the_page_still_open(home, desk):
    awa = person("awa")
    assert enter_desk(awa.user, home=home, desk=desk, now=timezone.now())
    leave_team(awa)
    with pytest.raises(ConflictError):
        enter_desk(awa.user, home=home, desk=desk, now=timezone.now())
    assert accounts_of_team(home) == set()


def test_newcomers_of_a_campaign_with_sessions_stay_outside_until_they_are_through(home, desk):
    Campaign.objects.update(calibrate=True)
    home.refresh_from_db()
    awa = person("awa")
    with pytest.raises(ConflictError, match="comes first"):
        enter_desk(awa.user, home=CampaignLanguage.objects.get(), desk=desk, now=timezone.now())
    assert members(home, desk) == set()


def test_a_desk_without_our_overlay_is_told_of_in_words_and_works_on(home, desk, client):
    desk.overlay = False
    awa = person("awa").user
    assert keep(home, desk) is None
    with pytest.raises(OverlayMissingError):
        enter_desk(awa, home=home, desk=desk, now=timezone.now())
    client.force_login(awa)
    page = client.get(address(home))
    assert page.status_code == 501
    assert "/user/login/" in page.content.decode()
    assert f"/answer/{home.campaign.slug}/wo/" in page.content.decode()
    assert "PYTHONPATH" not in page.content.decode()
    noor = make_user("noor", staff=True)
    make_annotator("noor")
    staff = Client()
    staff.force_login(noor)
    assert "PYTHONPATH" in staff.get(address(home)).content.decode()
    parts = {one.name: one for one in health.report(timezone.now())}
    assert parts["Way into Label Studio"].health is health.Health.WARN
    desk.overlay = True
    assert keep(home, desk) is not None
    parts = {one.name: one for one in health.report(timezone.now())}
    assert parts["Way into Label Studio"].health is health.Health.GOOD


def test_a_desk_that_is_away_or_has_no_project_yet_is_said_and_nothing_is_lost(home, desk, client):
    client.force_login(person("awa").user)
    with desk.down():
        page = client.get(address(home))
    assert (page.status_code, "does not answer" in page.content.decode()) == (503, True)
    CampaignLanguage.objects.update(desk_project_id=None)
    page = client.get(address(home))
    assert (page.status_code, "Nothing has been put" in page.content.decode()) == (409, True)
    assert keep(CampaignLanguage.objects.get(), desk) is None
    assert client.get("/desk/nowhere/wo/").status_code in (403, 404)


def test_revoking_a_personal_link_ends_the_visits_at_the_desk_that_began_before(
    home, desk, client, monkeypatch
):
    asked: list[list[int]] = []
    monkeypatch.setattr("annotation.views.invitations.members_soon", asked.append)
    ticket = invite(home.campaign, name="Awa", languages=[home.language], actor=None)
    awa = open_invitation(ticket.invitation, now=timezone.now())
    make_annotator(awa.username)
    for one in (awa, person("inti").user):
        ensure_desk_account(one, desk=desk)
    project = desk.projects[home.desk_project_id]
    keep(home, desk)
    assert project.since == {}
    client.force_login(make_user("noor", staff=True))
    people = f"/campaigns/{home.campaign.slug}/people/invitations/{ticket.invitation.pk}/"
    client.post(f"{people}renew/")
    awa.refresh_from_db()
    revoked = Invitation.objects.get(pk=ticket.invitation.pk).revoked_at
    assert asked == [[home.pk]]
    keep(home, desk)
    # Nobody else, and no visit that begins after it.
    assert project.since == {awa.desk_user_id: revoked}
    assert enter_desk(awa, home=home, desk=desk, now=timezone.now())
    assert project.since == {awa.desk_user_id: revoked}


def test_the_desks_own_pages_are_told_the_words_of_whoever_enters(home, desk, client):
    client.force_login(person("awa").user)
    client.cookies["django_language"] = client.cookies["language"] = "ar"
    client.get(address(home), headers={"Accept-Language": "ar"})
    said = desk.words
    assert (said["lang"], said["dir"]) == ("ar", "rtl")
    with translation.override(None):
        assert words_at_the_desk() == overlays_own_words()


def overlays_own_words() -> dict[str, str]:
    """What the overlay says to whom no link told anything; it runs elsewhere, so it is read."""
    source = (ROOT / "config/desk/overlay/pages.py").read_text()
    (told,) = (
        node.value
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ENGLISH"
    )
    return ast.literal_eval(told)


def test_no_more_than_a_few_pages_wait_for_label_studio_and_the_next_says_so(
    home: CampaignLanguage, desk: FakeLabelingDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("annotation.gateways.accounts.TURN_S", 0)
    client = Client()
    client.force_login(person("awa").user)
    with in_turn(), in_turn():
        refused = client.get(address(home))
        assert (refused.status_code, "try it again in a minute" in refused.content.decode()) == (
            503,
            True,
        )
    assert client.get(address(home)).status_code == 302
