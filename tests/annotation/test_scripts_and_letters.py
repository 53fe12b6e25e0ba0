"""What a language brings to a page: its script for the browser, a font, its special characters."""

import json
import re
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from django.utils import translation

from annotation.actions.invitations import invite
from annotation.methods.fonts import SCRIPTS
from annotation.models import Language
from annotation.templatetags.words import interval, number, sample_text, signed, size
from tests.make import make_annotator, make_campaign, make_item, make_language, make_sample

pytestmark = pytest.mark.django_db


LETTERS = {
    "Adlm": "𞤀",
    "Aran": "ے",
    "Bugi": "ᨀ",
    "Ethi": "ሰ",
    "Java": "ꦲ",
    "Mymr": "က",
    "Nkoo": "ߊ",
    "Tfng": "ⴰ",
}


def ranges(face: str) -> list[range]:
    """The code points that a face is fetched for."""
    told = re.search(r"unicode-range: ([^;]+);", face)
    assert told, "fetched for every text"
    pairs = [part.strip()[2:].split("-") for part in told[1].split(",")]
    return [range(int(one[0], 16), int(one[-1], 16) + 1) for one in pairs]


def read(path: str) -> bytes:
    found = finders.find(f"annotation/{path}")
    assert isinstance(found, str), path
    return Path(found).read_bytes()


def test_every_script_that_brings_a_font_has_one_with_its_licence_and_only_its_own_range() -> None:
    css = read("fonts/fonts.css").decode()
    faces = re.findall(r"@font-face \{(.*?)\}", css)
    assert len(faces) == len(SCRIPTS)
    for script in SCRIPTS:
        face = next(one for one in faces if f'"Vernacular {script}"' in one)
        # The device's own font goes first; text is shown meanwhile; no Latin text fetches it.
        assert face.index("local(") < face.index(f'url("{script.lower()}.woff2")')
        assert "font-display: swap" in face
        covered = ranges(face)
        assert any(ord(LETTERS[script]) in one for one in covered)
        assert not any(ord(letter) in one for letter in "aé –’" for one in covered)
        assert read(f"fonts/{script.lower()}.woff2")[:4] == b"wOF2"
        assert b"SIL Open Font License" in read(f"fonts/{script.lower()}.LICENSE.txt")
        for page in ("light.css", "style.css"):
            assert f'"Vernacular {script}"' in read(page).decode()


def test_a_sample_names_its_language_with_its_script_and_finds_its_own_direction() -> None:
    buginese = Language(tag="bug", script="Bugi")
    said = sample_text("ᨅᨔ", buginese)
    assert said == '<span class="sample" lang="bug-Bugi" dir="auto">ᨅᨔ</span>'


@pytest.mark.parametrize(
    ("told", "expected"),
    [("", ["ɓ", "ɗ", "ƙ", "ƴ", "ʼ"]), ("ɓ ʼy", ["ɓ", "ʼy"]), ("–", []), ("-", [])],
)
def test_the_admin_decides_which_letters_stand_under_text_fields(
    told: str, expected: list[str]
) -> None:
    assert Language(tag="ha", script="Latn", characters=told).letters == expected


def test_numbers_are_written_as_the_language_does() -> None:
    with translation.override("fr"):
        assert "0,61 (0,57–0,65)" in interval(0.61, 0.57, 0.65)
        assert size(1_500_000) == "1,5 MB"
    assert "0.61 (0.57–0.65)" in interval(0.61, 0.57, 0.65)
    assert "+0.030 (−0.010 to +0.070)" in signed(0.03, -0.01, 0.07)
    assert ">0.00<" in number(-0.001)
    assert (size(10_700), size(999)) == ("11 KB", "999 B")


def light_page(monkeypatch: pytest.MonkeyPatch, tag: str, *, script: str) -> tuple[Client, str]:
    """Somebody before a text of a language on the light page, and where that is."""
    monkeypatch.setattr("annotation.views.light._has_desk", lambda: False)
    monkeypatch.setattr("annotation.views.light.push_soon", lambda pk: None)
    make_language(tag, script=script)
    campaign = make_campaign(languages=(tag,), status="running", slug="mail")
    make_item(make_sample(campaign, text="ⴰⵡⴰⵍ", tag=tag))
    client = Client()
    client.force_login(make_annotator("awa", tag=tag).user)
    return client, f"/answer/mail/{tag}/"


def test_the_light_page_brings_a_font_only_where_one_is_needed_and_letters_where_there_are_some(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client, address = light_page(monkeypatch, "tzm", script="Tfng")
    page = client.get(address).content.decode()
    # Held back until there is something to read: the script turns it on.
    assert (
        '<link id="fonts" rel="stylesheet" href="/static/annotation/fonts/fonts.css" media="print">'
        in page
    )
    assert 'lang="tzm-Tfng" dir="auto"' in page
    assert 'data-characters="ⴰ ⴱ ⴳ' in page
    assert "characters.js" in page
    Language.objects.filter(tag="tzm").update(script="Latn", characters="–")
    page = client.get(address).content.decode()
    assert "fonts.css" not in page
    assert "characters.js" not in page
    told = json.loads(
        client.get("/answer/worker.js").content.splitlines()[0].decode()[len("const KEPT = ") : -1]
    )
    assert told["fonts"] == "/static/annotation/fonts/"
    assert not any("fonts" in one for one in told["shell"])


def test_the_light_page_speaks_the_interface_language_while_texts_keep_theirs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client, address = light_page(monkeypatch, "tzm", script="Tfng")
    english = client.post(f"{address}batch/", {}, content_type="application/json").json()
    client.post("/interface/", {"speak": "ar", "next": address})
    page = client.get(address).content.decode()
    assert '<html lang="ar" dir="rtl">' in page
    assert '<p id="text" class="sample" lang="tzm-Tfng" dir="auto"' in page
    assert "لا أستطيع الحكم" in page
    assert "\\u0645\\u062d\\u0641\\u0648\\u0638" in page or "محفوظ على هذا الهاتف" in page
    # What a phone keeps is marked as another page, so that it is fetched anew.
    arabic = client.post(f"{address}batch/", {}, content_type="application/json").json()
    assert arabic["shell"] != english["shell"]


def test_a_personal_link_speaks_as_its_invitation_until_told_otherwise_right_there() -> None:
    make_language("wo")
    campaign = make_campaign(languages=("wo",))
    languages = list(Language.objects.filter(tag="wo"))
    ticket = invite(campaign, name="Awa", languages=languages, interface="fr", actor=None)
    path = "/" + ticket.address.split("/", 3)[3]
    client = Client()
    assert '<html lang="fr" dir="ltr">' in client.get(path).content.decode()
    reply = client.post("/interface/", {"speak": "ar", "next": path})
    assert reply["Location"] == f"{path}?interface=ar"
    assert '<html lang="ar" dir="rtl">' in client.get(reply["Location"]).content.decode()
    # Somebody else's link on the same device speaks their invitation's language.
    assert '<html lang="fr" dir="ltr">' in client.get(path).content.decode()
    client.post(reply["Location"])
    assert '<html lang="ar" dir="rtl">' in client.get("/consent/").content.decode()
    ticket.invitation.refresh_from_db()
    assert ticket.invitation.user
    assert ticket.invitation.user.interface == "ar"
