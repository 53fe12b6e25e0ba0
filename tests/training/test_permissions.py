"""Every address, tried as everybody: who comes in, who is told no, who is asked to sign in."""

import re
from uuid import UUID

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, resolve, reverse

from annotation.actions.health import Health, PartHealth
from annotation.models import Annotator, Consent, Membership, User
from annotation.permissions import (
    ABILITIES,
    Ability,
    campaigns_with,
    languages_with,
    may,
    may_manage,
    team_of,
)
from tests.make import make_annotator, make_campaign, make_consent, make_language, make_user
from tests.rich import make_rich_campaign
from training.models import TrainingRun

pytestmark = pytest.mark.django_db

ROLES = (
    *("stranger", "reporter", "annotator", "coordinator", "neighbour"),
    *("admin", "outsider", "staff"),
)
# Pages of languages are open where an admin says so (tests/training/test_language_pages.py).
# Who comes in by each kind of door. The neighbour coordinates another language of the campaign,
# the outsider is admin of another campaign.
COMING_IN = {
    "open": set(ROLES),
    "signed in": set(ROLES) - {"stranger"},
    "operate": {"staff"},
    "lead": {"admin", "staff"},
    "watch": {"coordinator", "neighbour", "admin", "staff"},
    "watch anywhere": {"coordinator", "neighbour", "admin", "outsider", "staff"},
    "people": {"coordinator", "neighbour", "admin", "staff"},
    "of one language": {"coordinator", "admin", "staff"},
    "answer": {"annotator", "coordinator", "staff"},
}
DOORS = {
    "open": """
        desk_hook healthz readyz metrics sign_in sign_out home go answer_worker letters_stop letters_yes credits
        interface report_index report report_follow report_feed report_worker report_letters_stop
        api_report api_report_state openapi
        try trial api_try api_trial public_card
        languages languages_csv campaign_languages campaign_languages_csv language_page
        language_json language_feed
    """,
    "signed in": """
        second_step_ask second_step second_step_off
        me consent about_me group group_remark letters own_json own_csv take_back
    """,
    "operate": "campaign_create health audit audit_csv",
    "lead": """
        campaign_audit campaign_audit_csv agreed_file webhooks webhook_act webhook_again
        campaign_start campaign_pause campaign_finish train_now quota quota_undo
        import_create import_detail import_live import_refused_csv
        quarantine_csv
        person_add person_trace text_find text_trace quarantine quarantine_lay_aside
        language_keep_open language_let_stop run_abort gate_settings gate_agree gate_serve
        gate_predictions waiver_create waiver_revoke maintenance_declare cases case_from_gold
        case_switch compress version_undo version_measure version_roll_back recipe recipe_undo
        calibration_settings publication judgements judgements_csv blind reports_door
        languages_publish
        generator_compare generator_judge generator_promote generator_undo generator_roll_back
    """,
    "watch": """
        campaign_detail campaign_live round_detail run_detail run_live run_curves
        gate_detail gate_csv gate_json versions version_detail version_card version_labels
        version_compare version_confidence reports_overview campaign_table
        queue queue_csv runs run_csv round_table generators
    """,
    "watch anywhere": "campaigns keys key_revoke",
    "people": """
        people invite invitation_renew invitation_revoke membership_end person_deactivate
        people_table person_activate calibration reports_every reports_several
    """,
    "of one language": """
        guideline_edit language_desk dispute_decide dispute_undo objection_decide hours_csv
        catalogue_review
        calibration_language label_rule worked_example gold_retire calibration_person
        concern_decide group_open group_side group_conclude
        reports_queue report_detail report_act report_case
    """,
    "answer": """
        answer answer_batch answer_answers answer_back desk_entry guideline calibrate
        calibration_begin calibration_session calibration_objection concern report_votes report_probes report_item
    """,
}
VALUES = {"slug": "here", "tag": "wo", "token": "x" * 43, "uid": UUID(int=1), "name": "rounds"}


def patterns(resolver: URLResolver) -> list[URLPattern]:
    """Every address but those of Django's own admin, which lets in staff alone by itself."""
    found: list[URLPattern] = []
    for entry in resolver.url_patterns:
        if isinstance(entry, URLPattern):
            # Django's own way to sign in leads to ours.
            found += [entry] if entry.name != "admin_sign_in" else []
        elif entry.namespace not in ("admin", "api"):  # keys: tests/config/test_api.py
            found.extend(patterns(entry))
    return found


ADDRESSES = {entry.name: entry for entry in patterns(get_resolver())}


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


def outcome(answer: HttpResponse) -> str:
    if answer.status_code == 500:  # 503 tells honestly that a part is not there
        return "broken"
    if answer.status_code == 403:
        return "no"
    if answer.status_code == 401:  # what scripts are told, who follow no redirects
        return "sign in"
    to = answer.headers.get("Location", "") or answer.headers.get("HX-Redirect", "")
    return "sign in" if to.startswith(reverse("sign_in")) else "in"


def test_every_address_is_behind_one_kind_of_door() -> None:
    told = [name for names in DOORS.values() for name in names.split()]
    assert sorted(told) == sorted(set(told))
    assert set(told) == set(ADDRESSES), "a new address needs its line in DOORS"


@pytest.mark.parametrize("role", ROLES)
def test_who_comes_in_where(
    role: str, client: Client, people: dict[str, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    there = PartHealth("Redis", Health.GOOD, "")
    monkeypatch.setattr("annotation.views.health.check_broker", lambda: there)
    if role in people:
        client.force_login(people[role])
    client.raise_request_exception = False
    wrong = {}
    for door, names in DOORS.items():
        for name in names.split():
            asked = {key: VALUES.get(key, 1) for key in ADDRESSES[name].pattern.converters}
            wanted = "in" if role in COMING_IN[door] else "no"
            wanted = "sign in" if wanted == "no" and role == "stranger" else wanted
            address = reverse(name, kwargs=asked)
            answer = client.get(address)
            if answer.status_code == 405 and wanted != "in":
                answer = client.post(address)  # a door that opens to nothing else
            seen = outcome(answer)
            if seen != wanted:
                wrong[name] = f"{seen}, not {wanted}"
    assert wrong == {}


def test_a_polling_part_of_a_page_sends_the_whole_page_to_sign_in(
    client: Client, people: dict[str, User]
) -> None:
    answer = client.get("/campaigns/here/live/", headers={"HX-Request": "true"})
    assert (answer.status_code, outcome(answer)) == (204, "sign in")


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
    doors = {name: door for door, names in DOORS.items() for name in names.split()}
    offered = set()
    for page in pages:
        answer = client.get(f"/campaigns/{campaign.slug}/{page}")
        assert answer.status_code == 200, page
        for address in re.findall(r'(?:href|action)="(/[^"#?]*)', answer.content.decode()):
            match = resolve(address) if not address.startswith("/static/") else None
            refused = match and role not in COMING_IN[doors[match.url_name]]
            elsewhere = match and wolof and match.kwargs.get("tag", "wo") != "wo"
            if refused or elsewhere:
                offered.add(f"{page or 'campaign'}: {match.url_name} {match.kwargs.get('tag', '')}")
    assert sorted(offered) == []
