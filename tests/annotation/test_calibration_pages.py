"""Pages of calibration: a plain form that can be sent twice, and whose notes are whose."""

import re

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation.actions.campaigns import set_guideline
from annotation.actions.gold_care import make_example, set_rule
from annotation.actions.groups import open_group
from annotation.actions.sessions import begin_session, question_of
from annotation.actions.standings import stand, standing_of
from annotation.models import (
    Annotator,
    CalibrationSession,
    CampaignLanguage,
    Concern,
    DriftChart,
    GoldItem,
    GroupAnswer,
    GroupRemark,
    GroupSession,
    Guideline,
    Recalibration,
)
from tests.annotation.calibrating import NOW, go_through, make_home, say, wrong_key
from tests.make import make_annotator, make_user

pytestmark = pytest.mark.django_db
GUIDE = "General.\n\nAdmin is about offices.\n\nDates are days; accounts are money."


@pytest.fixture
def home() -> CampaignLanguage:
    home = make_home()
    set_guideline(home, text=GUIDE)
    return home


@pytest.fixture
def awa() -> Annotator:
    return make_annotator()


@pytest.fixture
def noor(client: Client) -> Client:
    client.force_login(make_user(staff=True))
    return client


def signed_in(who: Annotator) -> Client:
    client = Client()
    client.force_login(who.user)
    return client


def at(name: str, home: CampaignLanguage, *more: object) -> str:
    return reverse(name, args=(home.campaign.slug, home.language.tag, *more))


def said(page: object) -> str:
    body = re.sub(r"</?bdi[^>]*>", "", page.content.decode())  # type: ignore[attr-defined]
    text = re.sub(r"<[^>]+>", " ", body)
    return " ".join(text.split())


def test_a_newcomer_reads_begins_and_answers_with_plain_forms(
    home: CampaignLanguage, awa: Annotator
) -> None:
    admin = home.campaign.labels.get(key="admin")
    set_rule(home, label=admin, text="Whatever an office wants.")
    make_example(GoldItem.objects.filter(label=admin)[0], explanation="The office asks.")
    client = signed_in(awa)
    page = client.get(at("calibrate", home))
    assert "The office asks." in said(page)
    assert "Whatever an office wants." in said(page)
    page = client.post(at("calibration_begin", home), {"kind": "qualify"}, follow=True)
    session = CalibrationSession.objects.get()
    asked = question_of(session)
    assert asked is not None
    assert asked.gold.sample.text in said(page)
    assert "<script" not in page.content.decode().split("<main", 1)[1]
    here = at("calibration_session", home, session.pk)
    sent = {"position": "0", "label": wrong_key(asked)}
    for _ in range(2):
        page = client.post(here, sent, follow=True)
    assert "Held to be right here" in said(page)
    session.refresh_from_db()
    assert (session.right, session.wrong) == (0, 1)


def test_another_device_goes_on_at_the_same_text(home: CampaignLanguage, awa: Annotator) -> None:
    session = begin_session(awa, home, kind="qualify", now=NOW)
    say(session)
    asked = question_of(session)
    assert asked is not None
    page = signed_in(awa).get(at("calibrate", home))
    there = at("calibration_session", home, session.pk)
    assert there in page.content.decode()
    assert asked.gold.sample.text in said(signed_in(awa).get(there))


def test_the_result_names_confusions_and_paragraphs_and_no_percentage(
    home: CampaignLanguage, awa: Annotator
) -> None:
    session = go_through(awa, home, right=False, now=timezone.now())
    page = signed_in(awa).get(at("calibration_session", home, session.pk))
    assert "where “Dates” is held to be right" in said(page) or "where “Accounts”" in said(page)
    assert re.search(r"\?version=1#p[123]", page.content.decode())
    assert "%" not in said(page)
    assert "The next session opens" in said(page)


def test_nobody_sees_another_persons_session_or_note(
    home: CampaignLanguage, awa: Annotator
) -> None:
    session = go_through(awa, home)
    note = concern_of(home, awa)
    inti = signed_in(make_annotator("inti"))
    assert inti.get(at("calibration_session", home, session.pk)).status_code == 404
    assert inti.get(at("concern", home, note.pk)).status_code == 404
    person = at("calibration_person", home, awa.pk)
    assert inti.get(person).status_code == 403
    assert inti.get(reverse("calibration", args=(home.campaign.slug,))).status_code == 403
    assert Client().get(at("calibrate", home)).status_code == 302


def concern_of(home: CampaignLanguage, who: Annotator) -> Concern:
    chart = DriftChart.objects.create(
        annotator=who, campaign_language=home, kind="gold", limit=3, began_at=NOW, alarmed=True
    )
    return Concern.objects.create(
        annotator=who,
        campaign_language=home,
        kind="gold",
        chart=chart,
        confusions=[[0, 2, 3]],
        opened_at=NOW,
    )


def test_a_note_is_read_answered_and_decided_by_a_person(
    home: CampaignLanguage, awa: Annotator, noor: Client
) -> None:
    stand(awa, home.campaign, state="qualified", reason="Test.", now=NOW)
    note = concern_of(home, awa)
    client = signed_in(awa)
    assert at("concern", home, note.pk) in client.get(at("calibrate", home)).content.decode()
    page = client.get(at("concern", home, note.pk))
    assert "“Dates” where “Admin” is expected: 3 texts." in said(page)
    client.post(at("concern", home, note.pk), {"says": "Other dialect."})
    page = noor.get(at("calibration_person", home, awa.pk))
    assert "Other dialect." in said(page)
    assert "They have read the note." in said(page)
    sent = {"outcome": "supervised", "remark": "We spoke."}
    for _ in range(2):
        noor.post(at("concern_decide", home, note.pk), sent)
    assert standing_of(awa, home.campaign).state == "supervised"
    assert "We spoke." in said(client.get(at("concern", home, note.pk)))


def test_a_guideline_has_addresses_and_shows_what_is_new(
    home: CampaignLanguage, awa: Annotator
) -> None:
    set_guideline(home, text=GUIDE.replace("offices", "offices and taxes"), recalibrate=True)
    assert Recalibration.objects.get().paragraphs == [1]
    page = signed_in(awa).get(at("guideline", home))
    body = page.content.decode()
    assert [f'id="p{n}"' in body for n in (1, 2, 3, 4)] == [True, True, True, False]
    assert body.count("new in this version") == 1
    old = signed_in(awa).get(at("guideline", home) + "?version=1")
    assert "offices and taxes" not in said(old)
    assert signed_in(awa).get(at("guideline", home) + "?version=9").status_code == 404


def test_an_objection_reaches_the_coordinator_who_retires_the_item(
    home: CampaignLanguage, awa: Annotator, noor: Client
) -> None:
    session = begin_session(awa, home, kind="qualify", now=NOW)
    answer = say(session, right=False)
    signed_in(awa).post(
        at("calibration_objection", home, answer.pk), {"says": "It is a date here."}
    )
    page = noor.get(at("calibration_language", home))
    assert "It is a date here." in said(page)
    noor.post(at("gold_retire", home, answer.gold_id), {"reason": ""})
    answer.gold.refresh_from_db()
    assert answer.gold.retired_at is None
    for reason in ("Wrong.", "Again."):
        noor.post(at("gold_retire", home, answer.gold_id), {"reason": reason})
    answer.gold.refresh_from_db()
    assert answer.gold.retired_at is not None
    assert answer.gold.retirement.reason == "Wrong."


def test_too_little_gold_is_said_plainly_to_the_admin(awa: Annotator, noor: Client) -> None:
    few = make_home(gold=1)
    assert "under 60: provisional" in said(
        noor.get(reverse("calibration", args=(few.campaign.slug,)))
    )
    page = said(noor.get(at("calibration_language", few)))
    assert "1 text with a known answer is there for people; 60 are wanted." in page
    assert "No gold has these labels, so nobody is tested on them: Accounts, Dates" in page


def test_settings_are_checked_and_saved(home: CampaignLanguage, noor: Client) -> None:
    there = reverse("calibration_settings", args=(home.campaign.slug,))
    form = {
        "calibrate": "on",
        "qualify_low": "0.60",
        "qualify_high": "0.80",
        "qualify_alpha": "0.05",
        "qualify_beta": "0.10",
        "qualify_cap": "60",
        "qualify_after_hours": "12",
        "most_answers": "5",
        "subjective": "on",
    }
    assert noor.get(there).status_code == 200
    refused = noor.post(there, form)
    assert refused.status_code == 422
    assert "one answer has no spread" in said(refused)
    type(home.campaign).objects.update(answers_per_item=2)
    assert noor.post(there, form | {"qualify_low": "0.80"}).status_code == 422
    assert noor.post(there, form).status_code == 302
    home.campaign.refresh_from_db()
    assert (home.campaign.qualify_cap, str(home.campaign.qualify_low)) == (60, "0.60")
    assert (home.campaign.most_answers, home.campaign.subjective) == (5, True)
    assert noor.post(there, form | {"most_answers": "26"}).status_code == 422


def test_where_opinions_are_asked_for_the_page_says_what_is_not_watched(
    home: CampaignLanguage, awa: Annotator, noor: Client
) -> None:
    there = at("calibration_person", home, awa.pk)
    DriftChart.objects.create(
        annotator=awa, campaign_language=home, kind="surprise", limit=12, began_at=NOW
    )
    assert "as far as it surprises" in said(noor.get(there))
    type(home.campaign).objects.update(subjective=True)
    page = said(noor.get(there))
    assert "answers beside others&#x27; are not watched" in page or "others' are not" in page
    assert "as far as it surprises" not in page


def test_a_group_answers_alone_then_sees_all_and_changes_the_guideline(
    home: CampaignLanguage, awa: Annotator, noor: Client
) -> None:
    inti = make_annotator("inti")
    noor.post(
        at("group_open", home),
        {"title": "Week 1", "members": [awa.pk, inti.pk], "texts": "gold", "number": "2"},
    )
    group = GroupSession.objects.get()
    assert group.texts.count() == 2
    there = at("group", home, group.pk)
    one, other = signed_in(awa), signed_in(inti)
    assert 'name="label" value="dates"' in one.get(there).content.decode()
    for position in ("0", "1"):
        one.post(there, {"position": position, "label": "dates", "why": "A day is named."})
    other.post(there, {"position": "0", "label": "admin"})
    assert "A day is named." not in said(other.get(there))
    assert "A day is named." not in said(noor.get(there))
    noor.post(at("group_side", home, group.pk))
    assert "A day is named." in said(other.get(there))
    assert "People differ on 1 of 2 texts." in said(other.get(there))
    other.post(there, {"position": "1", "label": "admin"})
    assert GroupAnswer.objects.count() == 3
    for _ in range(2):
        for says in ("Unclear.", "Sent from the page before."):
            other.post(at("group_remark", home, group.pk), {"says": says, "token": "t1"})
    assert GroupRemark.objects.count() == 2
    close = {"conclusion": "Days first.", "guideline": GUIDE + "\n\nDays first.", "recalibrate": ""}
    for _ in range(2):
        noor.post(at("group_conclude", home, group.pk), close)
    group.refresh_from_db()
    assert group.state == "closed"
    assert group.led_to is not None
    assert (group.led_to.version, Guideline.objects.count()) == (2, 2)
    assert group.led_to.recalibration.paragraphs == [3]
    assert signed_in(make_annotator("lee", "qu")).get(there).status_code == 403


def test_a_group_needs_two_people_and_texts(home: CampaignLanguage, noor: Client) -> None:
    awa, inti = make_annotator(), make_annotator("inti")
    sent = {"title": "Week 1", "members": [awa.pk], "texts": "gold"}
    page = noor.post(at("group_open", home), sent)
    assert page.status_code == 422
    assert "Choose two people at least" in said(page)
    sent = {"title": "Week 1", "members": [awa.pk, inti.pk], "texts": "disputed"}
    assert "There is no such text" in said(noor.post(at("group_open", home), sent))
    for _ in range(2):
        open_group(home, title="W", members=[awa, inti], number=2, disputed=False)
    assert GroupSession.objects.count() == 1


def test_whoever_is_not_through_is_led_to_calibration_and_then_to_work(
    home: CampaignLanguage, awa: Annotator
) -> None:
    home.campaign.status = "running"
    home.campaign.save()
    client = signed_in(awa)
    answering = reverse("answer", args=(home.campaign.slug, "wo"))
    assert answering not in client.get(reverse("me")).content.decode()
    assert at("calibrate", home) in client.get(reverse("me")).content.decode()
    assert client.get(answering)["Location"] == at("calibrate", home)
    stand(awa, home.campaign, state="supervised", reason="Test.", now=NOW)
    assert answering in client.get(reverse("me")).content.decode()


def test_a_new_guideline_asks_again_only_where_the_coordinator_says_so(
    home: CampaignLanguage, noor: Client
) -> None:
    there = at("guideline_edit", home)
    assert "recalibrate" in noor.get(there).content.decode()
    noor.post(there, {"text": GUIDE + "\n\nMore."})
    assert not Recalibration.objects.exists()
    noor.post(there, {"text": GUIDE + "\n\nMore.\n\nYet more.", "recalibrate": "on"})
    asked = Recalibration.objects.get()
    assert (asked.guideline.version, asked.paragraphs) == (3, [4])
