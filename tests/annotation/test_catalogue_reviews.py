"""Reviews of translations: in as a catalogue, judged by speakers, home with their word in it."""

from pathlib import Path

import polib
import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client

from annotation.actions.catalogue_reviews import review
from annotation.errors import InvalidInputError
from annotation.methods.texts import glued
from annotation.models import Campaign, CampaignLanguage, Consensus, Sample
from tests.annotation.bringing import bring
from tests.make import make_campaign, make_user

pytestmark = pytest.mark.django_db

PO = """# Wolof, by the village
msgid ""
msgstr "Language: wo\\n"

#: menu.c:7
msgid "Save"
msgstr "Denc"

msgctxt "door"
msgid "Open"
msgstr ""
"Ubbi"

msgid "Close"
msgstr   "Tëj"

#, c-format
msgid "%d text"
msgid_plural "%d texts"
msgstr[0] "%d mbind"
msgstr[1] "%d i mbind"

msgid "Quit"
msgstr "Génn"
"""


@pytest.fixture
def home() -> CampaignLanguage:
    campaign = make_campaign(objective="pairs", labels=("right", "wrong"), languages=("wo",))
    assert bring(campaign, PO, "wo.po").rows_kept == 5
    assert Sample.objects.filter(text=glued(["%d i mbind", "%d texts"])).exists()
    say(campaign, "Denc", "wrong", 0.97)
    say(campaign, "Ubbi", "right", 0.99)
    say(campaign, "Tëj", "wrong", 0.6)
    say(campaign, "%d i mbind", "wrong", 0.9)
    return campaign.languages.get()


def say(campaign: Campaign, text: str, label: str, confidence: float) -> None:
    sample = Sample.objects.get(campaign=campaign, text__startswith=text)
    Consensus.objects.create(
        sample=sample, people=[1 - confidence, confidence], confidence=confidence, weight=1,
        label=campaign.labels.get(key=label), answers=3, revisions=[], aggregator="test",
    )  # fmt: skip


def test_what_speakers_found_wrong_is_fuzzy_and_every_other_byte_is_as_it_was(
    home: CampaignLanguage,
) -> None:
    found = review(home, data=PO.encode(), wrong=["wrong"])
    assert (found.wrong, found.right, found.unsure, found.changed, found.unasked) == (2, 1, 1, 0, 1)
    meant = {entry.msgid: entry for entry in polib.pofile(found.data.decode())}
    assert [name for name, entry in meant.items() if entry.fuzzy] == ["Save", "%d text"]
    assert meant["Save"].tcomment == "Vernacular: speakers say “Wrong”"
    kept = found.data.decode().splitlines()
    assert [line for line in PO.splitlines() if line not in kept] == ["#, c-format"]
    Consensus.objects.filter(confidence=0.97).update(confidence=0.98, answers=9)
    again = review(home, data=found.data, wrong=["wrong"])
    assert again.data == found.data


def test_a_translation_that_was_changed_since_is_not_blamed_for_the_old_one(
    home: CampaignLanguage,
) -> None:
    newer = PO.replace('"Denc"', '"Denc ko"').encode()
    found = review(home, data=newer, wrong=["wrong"])
    assert (found.wrong, found.changed) == (1, 1)
    assert b'msgid "Save"\nmsgstr "Denc ko"' in found.data


@pytest.mark.parametrize(
    ("data", "wrong", "least", "told"),
    [
        (PO.encode(), ["bad"], 0.8, "right, wrong"),
        (PO.encode(), ["right", "wrong"], 0.8, "not all of them"),
        (PO.encode(), ["wrong"], 0.2, "between 0.5 and 1"),
        ("msgid".encode("utf-16"), ["wrong"], 0.8, "Save it as UTF-8"),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_remedy(
    home: CampaignLanguage, data: bytes, wrong: list[str], least: float, told: str
) -> None:
    with pytest.raises(InvalidInputError, match=told):
        review(home, data=data, wrong=wrong, least=least)


def test_the_page_counts_first_and_then_hands_the_file_out(
    home: CampaignLanguage, client: Client
) -> None:
    client.force_login(make_user("lead", staff=True))
    page = f"/campaigns/{home.campaign.slug}/languages/wo/catalogue/"
    assert page in client.get(f"/campaigns/{home.campaign.slug}/languages/wo/").content.decode()

    def post(step: str, data: bytes = PO.encode()) -> bytes:
        file = SimpleUploadedFile("wo.po", data)
        told = {"file": file, "wrong": ["wrong"], "least": "0.8", "step": step}
        answer = client.post(page, told)
        assert answer.status_code == 200
        return bytes(answer.content)

    assert b"<dd>2</dd>" in post("count")
    assert post("download") == review(home, data=PO.encode(), wrong=["wrong"]).data
    assert b"Save it as UTF-8" in post("download", "msgid".encode("utf-16"))
    assert b"review_catalogue takes more" in post("download", b"#\n" * 1_600_000)


def test_the_command_writes_a_new_file_and_never_over_another(
    home: CampaignLanguage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, reviewed = tmp_path / "wo.po", tmp_path / "reviewed.po"
    source.write_bytes(PO.encode())
    told = (home.campaign.slug, "wo", str(source), str(reviewed), "--wrong", "wrong")
    call_command("review_catalogue", *told)
    assert "2 wrong, now fuzzy; 1 right" in capsys.readouterr().out
    assert reviewed.read_bytes() == review(home, data=PO.encode(), wrong=["wrong"]).data
    with pytest.raises(CommandError, match="File exists"):
        call_command("review_catalogue", *told)


def test_the_campaign_that_ships_takes_a_catalogue_as_it_is() -> None:
    shipped = settings.BASE_DIR / "config" / "campaigns" / "review-of-translations.toml"
    call_command("create_campaign", "strings", source=str(shipped), language=["wo"])
    campaign = Campaign.objects.get(slug="strings")
    assert bring(campaign, PO, "wo.po").rows_kept == 5
