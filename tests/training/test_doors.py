"""Who may open which door: every address of ours, for everybody."""

import re
from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from annotation.models import Annotator, Campaign
from tests.make import make_annotator, make_user
from tests.rich import make_rich_campaign
from training.models import TrainingRun

pytestmark = pytest.mark.django_db

# Name of the address, and what answers there: an open page, or one for staff to read or to post.
OPEN = {"healthz", "readyz", "sign_in"}
TO_READ = {
    "campaigns",
    "campaign_create",
    "campaign_detail",
    "campaign_live",
    "campaign_finish",
    "cases",
    "gate_csv",
    "gate_detail",
    "gate_json",
    "gate_settings",
    "guideline_edit",
    "import_create",
    "import_detail",
    "import_live",
    "import_refused_csv",
    "maintenance_declare",
    "people",
    "person_add",
    "quarantine",
    "quota",
    "recipe",
    "round_detail",
    "person_trace",
    "run_abort",
    "run_curves",
    "run_detail",
    "run_live",
    "text_trace",
    "versions",
    "version_card",
    "version_confidence",
    "version_detail",
    "version_labels",
    "version_roll_back",
    "health",
}
TO_POST = {
    "campaign_start",
    "campaign_pause",
    "case_from_gold",
    "case_switch",
    "compress",
    "gate_agree",
    "gate_serve",
    "language_keep_open",
    "language_let_stop",
    "person_activate",
    "person_deactivate",
    "quarantine_lay_aside",
    "quota_undo",
    "recipe_undo",
    "train_now",
    "version_measure",
    "version_undo",
    "waiver_create",
    "waiver_revoke",
}
# Wants to know what to look up, and sends those on who do not say.
TO_FIND = {"text_find", "version_compare"}
STAFF = sorted(TO_READ | TO_POST | TO_FIND)


@pytest.fixture
def campaign() -> Campaign:
    return make_rich_campaign()


@pytest.fixture
def noor(client: Client) -> Client:
    client.force_login(make_user("noor", staff=True))
    return client


@pytest.fixture
def awa(client: Client) -> Client:
    client.force_login(make_annotator("awa", "wo").user)
    return client


@pytest.fixture
def lee(client: Client) -> Client:
    client.force_login(make_user("lee"))
    return client


def address(name: str, campaign: Campaign) -> str:
    run = TrainingRun.objects.filter(campaign=campaign).first()
    person = Annotator.objects.filter(language__campaigns__campaign=campaign).first()
    strange = campaign.languages.get(language__tag="ar").quarantine.first()
    assert run
    assert person
    assert strange
    imported = campaign.imports.get()
    known = {
        "slug": campaign.slug,
        "uid": campaign.samples.order_by("pk").first().uid,
        "waiver": 1,
        "tag": "ar",
        "number": {"round_detail": 1, "version_roll_back": 1}.get(name, 1),
        "pk": {
            **dict.fromkeys(("gate_csv", "gate_detail", "gate_json", "gate_serve"), run.pk),
            **dict.fromkeys(("maintenance_declare", "waiver_create", "waiver_revoke"), run.pk),
            **dict.fromkeys(("run_abort", "run_curves", "run_detail", "run_live"), run.pk),
            "person_trace": person.pk,
            "quarantine_lay_aside": strange.pk,
            "person_activate": person.pk,
            "person_deactivate": person.pk,
        }.get(name, imported.pk),
    }
    wanted = re.findall(r"<(?:\w+:)?(\w+)>", _routes()[name])
    return reverse(name, kwargs={key: known[key] for key in wanted})


def _routes() -> dict[str, str]:
    def walk(patterns: list[URLPattern | URLResolver], before: str) -> Iterator[tuple[str, str]]:
        for pattern in patterns:
            route = before + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                if pattern.namespace is None:
                    yield from walk(pattern.url_patterns, route)
            else:
                yield str(pattern.name), route

    return dict(walk(get_resolver().url_patterns, ""))


def test_strangers_are_sent_to_sign_in(client: Client, campaign: Campaign) -> None:
    for name in STAFF:
        for answer in (client.get(address(name, campaign)), client.post(address(name, campaign))):
            assert answer.status_code == 302, name
            assert answer["Location"].startswith("/sign-in/"), name


def test_awa_the_annotator_is_told_no_in_plain_words(awa: Client, campaign: Campaign) -> None:
    before = (campaign.status, campaign.rounds.filter(close_asked_at=None).count())
    for name in STAFF:
        for answer in (awa.get(address(name, campaign)), awa.post(address(name, campaign))):
            assert answer.status_code == 403, name
            assert "for those who lead campaigns" in answer.content.decode(), name
    campaign.refresh_from_db()
    assert (campaign.status, campaign.rounds.filter(close_asked_at=None).count()) == before


def test_lee_who_has_no_business_here_is_told_no(lee: Client, campaign: Campaign) -> None:
    for name in STAFF:
        assert lee.get(address(name, campaign)).status_code == 403, name
        assert lee.post(address(name, campaign)).status_code == 403, name


def test_noor_reads_every_page(noor: Client, campaign: Campaign) -> None:
    for name in sorted(TO_READ):
        assert noor.get(address(name, campaign)).status_code == 200, name


def test_what_writes_does_not_answer_to_get(noor: Client, campaign: Campaign) -> None:
    for name in sorted(TO_POST):
        assert noor.get(address(name, campaign)).status_code == 405, name


def test_posts_without_the_token_are_refused(campaign: Campaign) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_user("noor", staff=True))
    for name in sorted(TO_POST):
        assert client.post(address(name, campaign)).status_code == 403, name


def test_open_doors_are_open(client: Client) -> None:
    for name in sorted(OPEN):
        assert client.get(reverse(name)).status_code in (200, 503), name


def test_what_does_not_exist_is_not_found(noor: Client, campaign: Campaign) -> None:
    for name in ("campaign_detail", "run_detail", "round_detail", "versions"):
        there = address(name, campaign).replace(campaign.slug, "no-such")
        assert noor.get(there).status_code == 404, name


def test_rows_of_another_campaign_are_not_found_under_this_one(
    noor: Client, campaign: Campaign
) -> None:
    other = Campaign.objects.create(slug="other", title="Other", question="?")
    for name in ("run_detail", "import_detail", "import_refused_csv", "quarantine_lay_aside"):
        there = address(name, campaign).replace(campaign.slug, other.slug)
        answer = noor.post(there) if name in TO_POST else noor.get(there)
        assert answer.status_code == 404, name


def test_a_polling_partial_sends_the_whole_page_to_sign_in(
    client: Client, campaign: Campaign
) -> None:
    answer = client.get(address("campaign_live", campaign), headers={"HX-Request": "true"})
    assert answer.status_code == 204
    assert answer["HX-Redirect"] == "/sign-in/"


def test_sign_in_goes_home_and_sign_out_back(client: Client) -> None:
    make_user("noor", staff=True)
    answer = client.post("/sign-in/", {"username": "noor", "password": "secret"})
    assert answer["Location"] == "/"
    assert client.post("/sign-out/")["Location"] == "/sign-in/"
    assert client.get("/campaigns/").status_code == 302


def test_sign_in_never_leads_to_a_foreign_host(client: Client) -> None:
    make_user("noor", staff=True)
    answer = client.post(
        "/sign-in/?next=https://evil.example/",
        {"username": "noor", "password": "secret", "next": "https://evil.example/"},
    )
    assert answer["Location"] == "/"


def test_admin_lists_open_for_noor_and_let_nobody_write_history(
    client: Client, campaign: Campaign
) -> None:
    client.force_login(make_user("root", staff=True, is_superuser=True))
    from django.contrib import admin

    for model in admin.site._registry:
        meta = model._meta
        base = f"/admin/{meta.app_label}/{meta.model_name}/"
        assert client.get(base).status_code == 200, base
    for path in ("annotation/annotationrevision", "learning/deployment", "training/gaterun"):
        assert client.get(f"/admin/{path}/add/").status_code == 403
