"""One click into Label Studio: who gets a link, who is told why not, and how members keep step."""

import pytest
from django.test import Client
from django.utils import timezone

from annotation.actions import health
from annotation.actions.entry import accounts_of_team, enter_desk, homes_of, keep_members
from annotation.actions.people import ensure_desk_account, join_team, leave_team
from annotation.errors import ConflictError, OverlayMissingError
from annotation.models import Annotator, Campaign, CampaignLanguage, Consent
from tests.fakes import FakeLabelingDesk
from tests.make import make_annotator, make_campaign, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> FakeLabelingDesk:
    desk = FakeLabelingDesk()
    monkeypatch.setattr("annotation.views.desk.open_door", lambda: desk)
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
