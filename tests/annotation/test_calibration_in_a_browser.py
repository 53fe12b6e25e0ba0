"""Calibration in a real browser: on a narrow phone, right to left, without scripts, for everybody."""

from typing import TYPE_CHECKING

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation.actions.campaigns import set_guideline
from annotation.actions.gold_care import make_example, set_rule
from annotation.actions.groups import answer_text, open_group, put_side_by_side, remark
from annotation.actions.sessions import begin_session, object_to, question_of
from annotation.actions.watching import watch
from annotation.models import (
    CalibrationSession,
    CampaignLanguage,
    Concern,
    GoldItem,
    User,
)
from tests.annotation.calibrating import answer, ask_gold, go_through
from tests.make import LABELS, make_annotator, make_campaign, make_gold, make_language, make_user

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
    from pytest_django.fixtures import SettingsWrapper
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LONG = "Rindfleischetikettierungsüberwachungsaufgabenübertragungsgesetz"
TEXT = "متى يفتح مكتب الشؤون الإدارية أبوابه يوم الخميس؟"
TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def make_scene() -> CampaignLanguage:
    """An Arabic language in which everything has happened once."""
    make_language("ar", script="Arab", direction="rtl", autonym="العربية", name="Arabic")
    campaign = make_campaign(
        languages=("ar", "wo"), calibrate=True, title=LONG, slug="mail", status="running"
    )
    home = CampaignLanguage.objects.get(campaign=campaign, language__tag="ar")
    for number in range(36):
        make_gold(campaign, "ar", LABELS[number % 3], text=f"{TEXT} {number} {LONG}")
    set_guideline(home, text=f"عام.\n\nAdmin: {TEXT}\n\nDates and accounts: {LONG * 3}")
    set_rule(home, label=campaign.labels.get(key="admin"), text=TEXT)
    make_example(GoldItem.objects.order_by("pk")[0], explanation=TEXT)
    awa, inti = make_annotator("awa", "ar"), make_annotator("inti", "ar")
    now = timezone.now()
    go_through(awa, home, right=False, now=now)
    object_to(CalibrationSession.objects.get().answers.order_by("-position")[0], says=LONG)
    go_through(inti, home, now=now)
    for gold in GoldItem.objects.filter(session_answers=None, example=None)[:4]:
        wrong = "dates" if gold.label.key != "dates" else "admin"
        answer(ask_gold(home, gold), inti, wrong)
    watch(home, now=now)
    make_group(home)
    return home


def make_group(home: CampaignLanguage) -> None:
    people = [make_annotator(name, "ar") for name in ("binta", "coumba")]
    group = open_group(home, title=LONG, members=people, number=3, disputed=False)
    for text in group.texts.all():
        for who, key in zip(people, ("dates", "admin"), strict=True):
            answer_text(text, annotator=who, fields={"label": [key]}, why=LONG, now=timezone.now())
    put_side_by_side(group)
    remark(group, author=people[0].user, says=LONG, token=str(group.pk), text=group.texts.first())


def addresses(home: CampaignLanguage) -> dict[str, list[str]]:
    """Pages by who looks at them."""
    here = (home.campaign.slug, "ar")
    done = CalibrationSession.objects.get(annotator__user__username="awa")
    note = Concern.objects.get()
    group = home.group_sessions.get()

    def at(name: str, *more: object) -> str:
        return reverse(name, args=(*here, *more))

    return {
        "awa": [at("calibrate"), at("calibration_session", done.pk), at("guideline")],
        "inti": [at("concern", note.pk)],
        "noor": [
            reverse("calibration", args=("mail",)),
            reverse("calibration_settings", args=("mail",)),
            at("calibration_language"),
            at("calibration_person", note.annotator_id),
            at("group_open"),
            at("group", group.pk),
        ],
    }


def page_of(browser: "Browser", server: "LiveServer", *, who: str) -> "Page":
    client = Client()
    client.force_login(User.objects.get(username=who))
    cookies = {
        settings.SESSION_COOKIE_NAME: client.cookies[settings.SESSION_COOKIE_NAME].value,
        settings.LANGUAGE_COOKIE_NAME: "ar",
    }
    context = browser.new_context(viewport={"width": 320, "height": 800}, color_scheme="dark")
    context.add_cookies(
        [{"name": name, "value": value, "url": server.url} for name, value in cookies.items()]
    )
    return context.new_page()


def test_every_page_of_calibration_is_readable_by_all_and_never_too_wide(
    browser: "Browser", live_server: "LiveServer", settings: "SettingsWrapper"
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    settings.LANGUAGES = [("en", "English"), ("ar", "Arabic")]
    make_user("noor", staff=True)
    pages = addresses(make_scene())
    complaints: list[str] = []
    for who, there in pages.items():
        page = page_of(browser, live_server, who=who)
        for address in there:
            page.goto(live_server.url + address)
            page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
            found = Axe().run(page)
            if found.violations_count:
                complaints.append(f"{address}\n{found.generate_report()}")
            for width in (1280, 320):
                page.set_viewport_size({"width": width, "height": 800})
                if page.evaluate(TOO_WIDE) > 0:
                    complaints.append(f"{address} is too wide at {width}")
        page.context.close()
    assert not complaints, "\n".join(complaints)


def test_a_session_is_held_on_a_phone_without_scripts_and_ended_on_another(
    browser: "Browser", live_server: "LiveServer"
) -> None:
    home = make_scene()
    fatou = make_annotator("fatou", "ar")
    session = begin_session(fatou, home, kind="qualify", now=timezone.now())
    for turn in range(2):
        phone = browser.new_context(
            viewport={"width": 320, "height": 640}, java_script_enabled=False
        )
        client = Client()
        client.force_login(fatou.user)
        key = client.cookies[settings.SESSION_COOKIE_NAME].value
        phone.add_cookies(
            [{"name": settings.SESSION_COOKIE_NAME, "value": key, "url": live_server.url}]
        )
        page = phone.new_page()
        page.goto(f"{live_server.url}/calibrate/mail/ar/")
        page.get_by_role("link", name="Go on where you were").click()
        for _ in range(3):
            asked = question_of(session)
            assert asked
            with page.expect_navigation():
                page.locator(f".answers button[value={asked.truth.key}]").click()
        assert session.answers.filter(label__isnull=False).count() == 3 * (turn + 1)
        # Whoever goes back is shown what waits now, not what is answered.
        page.go_back()
        page.get_by_text(f"Text {3 * (turn + 1) + 1} of").wait_for()
        phone.close()
