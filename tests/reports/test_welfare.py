"""Welfare: hard texts stand behind a cover everywhere, as a person likes it, and a day has an end."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation.actions.reports import timers, welfare
from annotation.actions.reports.intake import Telling, receive
from annotation.models import Campaign, Report, ReportGlance, ReportSight, User
from learning.models import ModelVersion
from tests.make import make_annotator, make_campaign, make_sample, make_user
from training.actions.cases import add_case
from training.actions.report_collecting import keep_case

pytestmark = pytest.mark.django_db
HARD, WORDS = "yow dof nga de, demal fale", "lii dañu ma saaga"
COVER = '<details class="veil">'


@pytest.fixture
def campaign() -> Campaign:
    return make_campaign(slug="here", languages=("wo",))


@pytest.fixture
def boss() -> User:
    return make_user("boss", staff=True)


@pytest.fixture
def office(boss: User) -> Client:
    client = Client()
    client.force_login(boss)
    return client


def tell(campaign: Campaign, text: str = HARD, **over: Any) -> Report:
    number, now = Report.objects.count(), timezone.now()
    fields = {"text": text, "tag": "wo", "description": WORDS, "reasons": ["insult"]} | over
    telling = Telling(**fields)
    got = receive(campaign, telling=telling, key=f"{number}", client=f"n{number}.b", now=now)
    timers.tend(now)
    got.report.refresh_from_db()
    return got.report


def page(office: Client, report: Report) -> str:
    there = reverse("report_detail", args=["here", "wo", report.pk])
    return office.get(there).content.decode()


def outside_of_covers(told: str) -> str:
    parts = told.split(COVER)
    return parts[0] + "".join(one.partition("</details>")[2] for one in parts[1:])


def test_hard_words_stand_behind_a_cover_wherever_somebody_meets_them(
    campaign: Campaign, office: Client
) -> None:
    hard = tell(campaign, expected="saaga bu bon", output="saaga")
    like = tell(campaign, f"{HARD} kay", description="dañu ñu saaga ñun ñaar")
    mild = tell(campaign, "mu ngi fi rekk", reasons=["idiom"], description="")
    held = tell(campaign, "woo ma +221 77 123 45 67", reasons=["idiom"], description=WORDS)
    stray = tell(campaign, "saaga bu ci biti", tag="Pulaar")
    shown = page(office, hard)
    assert f"wo/{like.pk}/" in shown
    for words in (HARD, WORDS, "saaga bu bon"):
        assert words in shown
        assert words not in outside_of_covers(shown)
    assert COVER not in page(office, mild)
    assert held.state == "quarantined"
    assert WORDS not in outside_of_covers(page(office, held))
    overview = office.get(reverse("reports_overview", args=["here"])).content.decode()
    assert stray.input_text in overview
    assert stray.input_text not in outside_of_covers(overview)
    for tab in ("triage", "moderator"):
        rows = office.get(reverse("reports_queue", args=["here", "wo"]), {"tab": tab})
        assert HARD not in rows.content.decode()


def test_somebody_may_have_one_kind_shown_at_once_and_no_other(
    campaign: Campaign, office: Client, boss: User
) -> None:
    insult, unsafe = tell(campaign), tell(campaign, "naanal lii", reasons=["unsafe"])
    act = reverse("report_act", args=["here", "wo", insult.pk])
    office.post(act, {"act": "veil", "kind": ["insult", "nonsense"]})
    assert COVER in page(office, insult)
    office.post(act, {"act": "veil", "kind": ["insult"]})
    assert COVER not in page(office, insult)
    assert COVER in page(office, unsafe)
    assert welfare.veil_of(insult, user=make_user("other"), now=timezone.now()).covered
    office.post(act, {"act": "veil"})
    assert COVER in page(office, insult)


def test_a_day_has_an_end_that_whoever_likes_puts_off(
    campaign: Campaign, office: Client, boss: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings.ENV, "hard_texts_a_day", 2)
    told = [tell(campaign, text, description="") for text in ("dof nga", "reew lool", "sàcc bi")]
    seen = [page(office, one) for one in told]
    assert "dof nga" in page(office, told[0])  # once seen, it counts no more
    assert "sàcc bi" not in seen[2]
    assert "2 hard texts" in seen[2]
    assert not ReportGlance.objects.filter(report=told[2]).exists()  # it was not before them
    awa = make_annotator("awa", "wo")
    assert not welfare.veil_of(told[2], user=awa.user, now=timezone.now()).kept
    office.post(reverse("report_act", args=["here", "wo", told[2].pk]), {"act": "more"})
    assert "sàcc bi" in page(office, told[2])
    tomorrow = timezone.now() + timedelta(days=1)
    timers.tend(tomorrow)
    assert not ReportSight.objects.exists()
    assert boss.moderator_wish.more_on != tomorrow.date()
    monkeypatch.setattr(settings.ENV, "hard_texts_a_day", 0)
    assert not any(one.kept for one in welfare.veils_of(told, user=boss, now=tomorrow).values())


def test_hard_words_are_no_milder_where_they_became_a_case(
    campaign: Campaign, office: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings.ENV, "hard_texts_a_day", 1)
    mild = add_case(campaign, tag="wo", text="mu ngi fi rekk", expected=["admin"])
    hard = [
        keep_case(
            tell(campaign, text, consent_test=True),
            case=made,
            own_words=False,
            by=None,
            now=timezone.now(),
        )
        for text in (HARD, "reew nga lool")
        for made in [add_case(campaign, tag="wo", text=text, expected=["admin"])]
    ]
    awa = Client()
    awa.force_login(make_annotator("awa", "wo").user)
    theirs = reverse("language_cases", args=["here", "wo"])
    mine = [reverse("case_detail", args=["here", one.case.pk]) for one in hard]
    lead = Client()
    lead.force_login(make_user("lead", staff=True))
    listed = reverse("cases", args=["here"])
    for client, pages in ((awa, [theirs, theirs]), (office, mine), (lead, [listed, listed])):
        first, second = (client.get(there).content.decode() for there in pages)
        assert HARD in first
        assert HARD not in outside_of_covers(first)
        assert "reew nga lool" not in first + second  # that is enough for today
        assert "1 hard text" in second
        client.post(pages[1], {"more": "1"})
        more = client.get(pages[1]).content.decode()
        assert "reew nga lool" in more
        assert "reew nga lool" not in outside_of_covers(more)
    assert mild.text in outside_of_covers(awa.get(theirs).content.decode())
    assert mild.text in outside_of_covers(
        office.get(reverse("case_detail", args=["here", mild.pk])).content.decode()
    )


def test_what_is_like_a_hard_report_is_covered_where_its_fix_is_judged(campaign: Campaign) -> None:
    hard, now = tell(campaign), timezone.now()
    old, new = (
        ModelVersion.objects.create(
            campaign=campaign, number=number, digest=f"{number:064d}", network="tiny", path="-"
        )
        for number in (1, 2)
    )
    check = hard.verifications.create(version=new, against=old, opened_at=now)
    first, second = campaign.labels.all()[:2]
    sample = make_sample(campaign, "wo", f"{HARD} kay")
    check.probes.create(sample=sample, old_label=first, new_label=second, new_first=True)
    awa = Client()
    awa.force_login(make_annotator("awa", "wo").user)
    there = reverse("report_probes", args=["here", "wo"])
    shown = awa.get(there).content.decode()
    assert 'name="choice"' in shown
    assert sample.text in shown
    assert sample.text not in outside_of_covers(shown)
    assert str(first) not in outside_of_covers(shown).partition('name="probe"')[2]
