"""Names have no form: a moderator masks them by hand, sealed, undone in time, gone with the report."""

from datetime import timedelta

import pytest
from django.apps import apps
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation.actions import personal_data
from annotation.actions.reports import following, masking, merging, originals, timers
from annotation.actions.reports.alike import keep_likenesses
from annotation.actions.reports.intake import Telling, receive
from annotation.actions.reports.table import Actor
from annotation.actions.reports.transitions import StepError
from annotation.errors import ConflictError
from annotation.methods.private import hand_masked
from annotation.methods.texts import digest
from annotation.models import (
    Campaign,
    Report,
    ReportEvent,
    ReportImprint,
    ReportMask,
    ReportOriginal,
    User,
)
from learning.actions.report_reproducing import keep
from tests.make import make_campaign, make_user
from training.actions.cases import add_written_case
from training.actions.report_collecting import keep_case

pytestmark = pytest.mark.django_db
TOLD = "Awa Ndiaye te AWA dafa ni Awadi dem na"


@pytest.fixture
def boss() -> User:
    return make_user("boss", staff=True)


@pytest.fixture
def report() -> Report:
    campaign: Campaign = make_campaign(slug="here", languages=("wo",), objective="ratings")
    telling = Telling(text=TOLD, tag="wo", description="Awa Ndiaye moom la")
    got = receive(campaign, telling=telling, key="k", client="n.b", now=timezone.now()).report
    timers.tend(timezone.now())
    got.refresh_from_db()
    got.messages.create(kind="answer", text="Waaw, Awa", at=timezone.now())
    got.reproductions.create(
        version_number=1, version_digest="1", label="", told={"name": "Awa Ndiaye la"},
        still_wrong=True, at=timezone.now(),
    )  # fmt: skip
    return got


def page_of(client: Client, report: Report) -> str:
    return client.get(reverse("report_detail", args=["here", "wo", report.pk])).content.decode()


def test_a_name_is_masked_wherever_a_report_says_it_and_put_back_by_whoever_masked_it(
    client: Client, report: Report, boss: User
) -> None:
    client.force_login(boss)
    act = reverse("report_act", args=["here", "wo", report.pk])
    there = page_of(client, report)
    client.post(act, {"act": "mask", "words": "awa\nAwa Ndiaye\n"})
    report.refresh_from_db()
    assert (report.input_text, report.description) == (
        "[…] te […] dafa ni Awadi dem na",
        "[…] moom la",
    )
    assert report.messages.get().text == "Waaw, […]"
    assert report.reproductions.get().said == "[…] la"
    hidden = page_of(client, report)
    assert "Ndiaye" in there
    assert "Ndiaye" not in hidden
    assert hidden.count("5 places masked by hand") == 2  # told at once, and in the log
    # What stood there lies sealed, as the originals that a machine masked.
    mask, original = ReportMask.objects.get(), ReportOriginal.objects.get()
    assert "Ndiaye" not in f"{mask.sealed}{original.sealed}"
    other = make_user("other", staff=True)
    with pytest.raises(StepError, match="Somebody else masked it"):
        masking.undo_mask(report, user=other, now=timezone.now())
    client.post(act, {"act": "unmask"})
    report.refresh_from_db()
    assert (report.input_text, report.masked) == (TOLD, False)
    assert report.reproductions.get().said == "Awa Ndiaye la"
    assert not ReportOriginal.objects.exists()
    assert "undone" in page_of(client, report)
    client.post(act, {"act": "mask", "words": "Penda"})
    assert ReportMask.objects.count() == 1  # nobody of that name is there


def test_what_speakers_and_moderators_wrote_about_it_is_masked_too(
    report: Report, boss: User
) -> None:
    now = timezone.now()
    report.votes.create(voter=boss, verdict="yes", note="Awa is no place", at=now)
    week = now + timedelta(days=7)
    report.workarounds.create(note="until Awa is asked", made_by=boss, made_at=now, expires_at=week)
    Report.objects.filter(pk=report.pk).update(public_note="Thank you, Awa")
    report.refresh_from_db()
    told = ["Awa is no place", "until Awa is asked", "Thank you, Awa"]
    for act, found in (
        (lambda: masking.mask_words(report, told="Awa", user=boss, now=now), "[…]"),
        (lambda: masking.undo_mask(report, user=boss, now=now), "Awa"),
    ):
        act()
        said = [report.votes.get().note, report.workarounds.get().note, report.public_note]
        assert said == [one.replace("Awa", found) for one in told]


def test_a_mask_that_is_undone_brings_back_no_note_that_was_changed_or_erased_since(
    report: Report, boss: User
) -> None:
    now, gone = timezone.now(), make_user("gone")
    for voter in (boss, gone):
        report.votes.create(voter=voter, verdict="yes", note="Awa is no place", at=now)
    Report.objects.filter(pk=report.pk).update(public_note="Thank you, Awa")
    report.refresh_from_db()
    masking.mask_words(report, told="Awa", user=boss, now=now)
    report.votes.filter(voter=boss).update(note="not any more")
    Report.objects.filter(pk=report.pk).update(public_note="Closed")
    personal_data.erase(gone, actor=None, now=now)
    masking.undo_mask(report, user=boss, now=now)
    assert set(report.votes.values_list("note", flat=True)) == {"not any more", ""}
    assert (report.public_note, report.description) == ("Closed", "Awa Ndiaye moom la")


def test_two_who_read_the_original_undo_a_mask_and_nobody_once_its_time_is_over(
    report: Report, boss: User
) -> None:
    now, other = timezone.now(), make_user("other", staff=True)
    mask = masking.mask_words(report, told="Awa Ndiaye", user=boss, now=now)[0]
    masking.mask_words(report, told="Awa", user=other, now=now)
    third = make_user("third", staff=True)
    for user in (other, third):
        originals.ask_for(report, user=user, now=now)
    assert originals.standing(report, user=third, now=now).texts[0] == TOLD
    masking.undo_mask(report, user=third, now=now)
    assert report.input_text == "[…] te AWA dafa ni Awadi dem na"
    timers.tend(mask.expires_at + timedelta(minutes=1))
    mask.refresh_from_db()
    assert (mask.sealed, ReportOriginal.objects.exists()) == ("", False)
    with pytest.raises(StepError, match="gone"):
        masking.undo_mask(report, user=boss, now=mask.expires_at)


def test_what_stood_under_a_mask_goes_with_a_report_that_is_taken_back(
    report: Report, boss: User
) -> None:
    masking.mask_words(report, told="Awa", user=boss, now=timezone.now())
    following.withdraw(report, now=timezone.now())
    assert not ReportMask.objects.exists()
    with pytest.raises(StepError):
        masking.undo_mask(report, user=boss, now=timezone.now())


def test_words_that_a_version_marked_in_a_text_are_masked_with_it(
    client: Client, boss: User
) -> None:
    campaign = make_campaign(slug="here", languages=("wo",), labels=("per",), objective="spans")
    telling = Telling(text=TOLD, tag="wo")
    report = receive(campaign, telling=telling, key="k", client="n.b", now=timezone.now()).report
    timers.tend(timezone.now())
    told = {"name": "per: Awa Ndiaye", "value": [[0, 10, "per"]], "confidence": 0.5}
    made = report.reproductions.create(
        version_number=1, version_digest="1", label="per", told=told, still_wrong=True,
        at=timezone.now(),
    )  # fmt: skip
    masking.mask_words(report, told="Awa Ndiaye\nper", user=boss, now=timezone.now())
    made.refresh_from_db()
    assert (made.label, made.told) == ("per", told | {"name": "[…]: […]"})
    client.force_login(boss)
    assert "Ndiaye" not in page_of(client, report)
    masking.undo_mask(report, user=boss, now=timezone.now())
    made.refresh_from_db()
    assert made.told == told


def also(report: Report, *, key: str, reasons: tuple[str, ...] = ()) -> Report:
    telling = Telling(text=TOLD, tag="wo", reasons=reasons)
    found = receive(
        report.campaign, telling=telling, key=key, client=f"{key}.c", now=timezone.now()
    ).report
    timers.tend(timezone.now())
    found.refresh_from_db()
    return found


def test_all_who_told_the_same_are_masked_and_put_back_together(report: Report, boss: User) -> None:
    follower, beside = also(report, key="same"), also(report, key="other", reasons=("insult",))
    assert (follower.state, beside.state) == ("merged", "awaiting_triage")
    masking.mask_words(report, told="Awa Ndiaye\nAwa", user=boss, now=timezone.now())
    late = also(report, key="late")
    lead = Actor(ReportEvent.By.ADMIN, boss)
    assert (late.state, ReportMask.objects.count()) == ("quarantined", 4)
    merging.unmerge(Report.objects.get(pk=follower.pk), actor=lead, now=timezone.now())
    plain = digest(TOLD)
    for one in Report.objects.all():
        assert "Awa " not in one.input_text
        # Who guesses a name could try it on a digest.
        assert one.digest != plain
    assert Report.objects.values("digest").distinct().count() == 1
    masking.undo_mask(late, user=boss, now=timezone.now())
    for one in Report.objects.all():
        assert (one.input_text, one.digest) == (TOLD, plain)
    assert not masking.standing_masks(report).exists()


def test_what_is_told_again_once_the_seal_is_over_waits_for_a_moderator(
    report: Report, boss: User
) -> None:
    mask = masking.mask_words(report, told="Awa", user=boss, now=timezone.now())[0]
    timers.tend(mask.expires_at + timedelta(minutes=1))
    assert also(report, key="late").state == "quarantined"


def test_what_was_written_of_words_that_were_masked_meanwhile_is_dropped(
    report: Report, boss: User
) -> None:
    seen, now = Report.objects.get(pk=report.pk), timezone.now()
    masking.mask_words(report, told="Awa", user=boss, now=now)
    kept = {
        "version_number": 2,
        "version_digest": "2",
        "label": "",
        "still_wrong": True,
        "now": now,
    }
    told = {"name": "Awa la"}
    with pytest.raises(ConflictError):
        keep(seen, told=told, **kept)
    assert not report.reproductions.filter(version_number=2).exists()
    keep_likenesses(seen, found=[], numbers=b"Awa", version_digest="", now=now)
    assert not ReportImprint.objects.exists()
    keep(report, told=told, **kept)
    assert report.reproductions.filter(version_number=2).exists()
    keep_likenesses(report, found=[], numbers=b"", version_digest="", now=now)
    assert ReportImprint.objects.exists()


@pytest.mark.parametrize(
    "text", ["Awa  Ndiaye!", "awa\nNDIAYE!", "Awa\u00a0Ndiaye!", "awa_ndiaye!", "_Awa Ndiaye!"]
)
def test_a_name_is_masked_whatever_stands_between_its_words(text: str) -> None:
    told, places = hand_masked(text, words=["Awa Ndiaye"])
    assert (told.strip("_"), places) == ("[…]!", 1)
    assert hand_masked("Awadi Ndiaye2 MAwa Ndiaye", words=["Awa Ndiaye", "Ndiaye 2"])[1] == 0


def test_the_words_of_a_case_that_a_report_brought_are_erased_by_hand(
    client: Client, report: Report, boss: User
) -> None:
    Report.objects.filter(pk=report.pk).update(consent_test=True)
    case = add_written_case(
        report.campaign, tag="wo", text=TOLD, predicate="people", told=["Awa Ndiaye"]
    )
    keep_case(report, case=case, own_words=False, by=None, now=timezone.now())
    masking.mask_words(report, told="Awa Ndiaye", user=boss, now=timezone.now())
    client.force_login(boss)
    there = reverse("report_case", args=["here", "wo", report.pk])
    assert "look at them too" in page_of(client, report)
    assert "Ndiaye" in client.get(there).content.decode()
    client.post(there, {"erase": case.pk + 1})
    assert "Ndiaye" in client.get(there).content.decode()
    for _ in range(2):
        client.post(there, {"erase": case.pk})
    assert "Ndiaye" not in client.get(there).content.decode()
    for model in apps.get_app_config("training").get_models():
        assert not [row for row in model.objects.values() if "Ndiaye" in str(row)], model
    last = case.versions.last()
    assert last is not None
    assert (last.state, last.made_by, last.told) == ("retired", boss, [])
