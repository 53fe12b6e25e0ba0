"""The languages of the pages: catalogues that fit, drafts that say so, a choice that stays."""

import os
import re
from pathlib import Path

import polib
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import translation

from annotation.actions.interfaces import share_translated
from annotation.models import User
from config import texts
from config.env import ROOT
from config.interfaces import compile_stale, find_interfaces, merged
from config.texts import Text, faults, find_texts, update

SHIPPED = [
    pytest.param(path, id=f"{tag}-{path.relative_to(ROOT).parts[0]}")
    for tag, one in find_interfaces().items()
    for path in one.files
]


def catalogue(*entries: polib.POEntry, forms: int = 2) -> polib.POFile:
    made = polib.POFile()
    made.metadata = {"Plural-Forms": f"nplurals={forms}; plural=(n != 1);"}
    made.extend(entries)
    return made


@pytest.mark.parametrize("path", SHIPPED)
def test_every_shipped_text_fits_its_original_and_the_drafts_say_what_they_are(path: Path) -> None:
    shipped = polib.pofile(str(path), encoding="utf-8")
    assert list(faults(shipped)) == []
    assert shipped.metadata["X-Draft"] == "machine-made, to be reviewed by native speakers"
    assert shipped.translated_entries()


def test_at_least_four_languages_beside_english_cover_what_annotators_see() -> None:
    interfaces = find_interfaces()
    assert set(interfaces) >= {"en", "ar", "es", "fr", "sw"}
    assert [one.tag for one in interfaces.values() if one.right_to_left] == ["ar"]
    assert not interfaces["en"].draft
    assert all(one.draft for one in interfaces.values() if one.tag != "en")
    assert min(share_translated(tag).seen for tag in ("ar", "es", "fr", "sw")) >= 90


@pytest.mark.parametrize(
    "entry",
    [
        polib.POEntry(msgid="%(n)s of %(all)s", msgstr="%(n)s sur %(tout)s"),
        polib.POEntry(msgid="{n} waiting", msgstr="en attente"),
        polib.POEntry(msgid="<bdi>%(a)s</bdi> left", msgstr="%(a)s va"),
        polib.POEntry(msgid="Go", msgstr="Va {{ user.password }}"),
        polib.POEntry(msgid="%(n)s a", msgid_plural="%(n)s as", msgstr_plural={0: "%(n)s a"}),
        polib.POEntry(msgid="from %(low).2f on", msgstr="à partir de %(bas).2f"),
        polib.POEntry(
            msgid="%(n)s a", msgid_plural="%(n)s as", msgstr_plural={0: "%(n)s a", 1: ""}
        ),
    ],
)
def test_a_text_that_would_break_a_page_is_found(entry: polib.POEntry) -> None:
    assert list(faults(catalogue(entry))) != []


def test_what_is_not_translated_yet_is_no_fault() -> None:
    plural = polib.POEntry(msgid="a", msgid_plural="as", msgstr_plural={0: "", 1: ""})
    assert list(faults(catalogue(polib.POEntry(msgid="Go", msgstr=""), plural))) == []


def test_texts_are_found_in_pages_in_code_and_as_choices() -> None:
    found = find_texts("annotation")
    assert found["Sign out"].is_seen
    assert found["On %(times)s text of %(shown)s of that kind."].plural
    assert found["Saved on this phone"].is_seen
    assert found["can't judge"].is_seen
    assert not found["ISO 15924: Latn, Arab."].is_seen
    # The same word in another context is another text.
    assert found["however bad\4All"].is_seen
    assert "between the parts of a list\4, " in find_texts("learning")
    assert "95 %% certainty" in next(one for one in found if one.startswith("Skill, as your"))


def test_updating_adds_what_is_new_and_loses_nothing_that_was_said() -> None:
    held = catalogue(
        polib.POEntry(msgid="Old", msgstr="Vieux"), polib.POEntry(msgid="Kept", msgstr="Gardé")
    )
    there = {
        "Kept": Text("Kept", places=[("a.html", 1)], is_seen=True),
        "New": Text("New", "News", places=[("a.html", 2)], is_seen=True),
        "Admin's": Text("Admin's", places=[("b.html", 1)]),
    }
    assert update(held, there, everything=False) == (1, 1)
    assert {one.msgid: one.obsolete for one in held} == {"Kept": 0, "New": 0, "Old": True}
    assert {one.msgid: one.msgstr for one in held}["Old"] == "Vieux"
    assert update(held, there, everything=True) == (1, 0)
    assert update(held, there, everything=True) == (0, 0)
    # What has got a plural is asked for anew: nothing that was said without one is ever found.
    there["Kept"] = Text("Kept", "Several kept", places=[("a.html", 1)], is_seen=True)
    assert update(held, there, everything=True) == (1, 0)
    assert {one.msgid: one.msgid_plural for one in held if not one.obsolete}["Kept"]
    # What was gone, or had a plural for a while, and is back says what it said.
    there |= {"Kept": Text("Kept", places=[("a.html", 1)]), "Old": Text("Old", places=[("b", 1)])}
    update(held, there, everything=False)
    said = {one.msgid: one.msgstr for one in held if not one.obsolete}
    assert (said["Kept"], said["Old"]) == ("Gardé", "Vieux")


def test_a_fuzzy_mark_hides_nothing_and_the_communitys_word_goes_first(tmp_path: Path) -> None:
    shipped, own = tmp_path / "shipped.po", tmp_path / "own.po"
    catalogue(
        polib.POEntry(msgid="Go on", msgstr="Draft", flags=["fuzzy"]),
        polib.POEntry(msgid="Skip", msgstr="Passer"),
    ).save(str(shipped))
    catalogue(polib.POEntry(msgid="Skip", msgstr="Ours")).save(str(own))
    target = tmp_path / "made.mo"
    target.write_bytes(merged([shipped, own]))
    said = {one.msgid: one.msgstr for one in polib.mofile(str(target))}
    assert said == {"Go on": "Draft", "Skip": "Ours"}


def test_catalogues_are_compiled_once_and_again_when_they_change(tmp_path: Path) -> None:
    source = tmp_path / "wo.po"
    made = catalogue(polib.POEntry(msgid="Sent", msgstr="Yónnee nañu ko"))
    made.metadata |= {"X-Own-Name": "Wolof", "X-Direction": "ltr"}
    made.save(str(source))
    found = {"wo": find_interfaces(tmp_path)["wo"]}
    assert (found["wo"].name, found["wo"].draft) == ("Wolof", False)
    assert compile_stale(found, folder=tmp_path / "out") == ["wo"]
    assert compile_stale(found, folder=tmp_path / "out") == []
    later = (tmp_path / "out/wo/LC_MESSAGES/django.mo").stat().st_mtime_ns + 10**9
    os.utime(source, ns=(later, later))
    assert compile_stale(found, folder=tmp_path / "out") == ["wo"]


def test_a_community_begins_its_own_language_and_is_told_what_does_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(settings, "VAR_DIR", tmp_path)
    monkeypatch.setattr(settings, "LOCALE_PATHS", [tmp_path / "locale"])
    few = {"{n} waiting": Text("{n} waiting", places=[("a.html", 1)], is_seen=True)}
    monkeypatch.setattr(texts, "find_texts", lambda _app: few)
    monkeypatch.setattr("config.management.commands.translations.find_texts", lambda _app: few)
    with pytest.raises(CommandError, match="Say which"):
        call_command("translations", "new", "wo")
    call_command("translations", "new", "wo", "--name", "Wolof")
    path = tmp_path / "translations/wo.po"
    wrong = polib.pofile(str(path))
    wrong[0].msgstr = "{m} yaa ngi xaar"
    wrong.save()
    with pytest.raises(CommandError, match="do not fit: 1"):
        call_command("translations", "check", "wo")
    wrong[0].msgstr = "{n} yaa ngi xaar"
    wrong.save()
    call_command("translations", "check", "wo")
    call_command("translations", "status", "wo")
    assert "1 of 1 that annotators see" in capsys.readouterr().out
    assert (tmp_path / "locale/wo/LC_MESSAGES/django.mo").is_file()


@pytest.mark.parametrize(
    ("tag", "word"),
    [("ar", "تسجيل الدخول"), ("fr", "Se connecter"), ("sw", "Ingia"), ("es", "Iniciar sesión")],
)
def test_a_stranger_is_spoken_to_as_the_browser_asks(
    client: Client, db: None, tag: str, word: str
) -> None:
    page = client.get(
        "/sign-in/", headers={"Accept-Language": f"{tag}-XX,en;q=0.5"}
    ).content.decode()
    direction = "rtl" if tag == "ar" else "ltr"
    assert re.search(rf'<html lang="{tag}" dir="{direction}">', page)
    assert f"<h1>{word}</h1>" in page
    # What a machine wrote says so, and where to help.
    assert 'class="interface-draft"' in page


def test_english_is_no_draft_and_every_page_offers_the_others(client: Client, db: None) -> None:
    page = client.get("/sign-in/").content.decode()
    assert 'class="interface-draft"' not in page
    assert '<button name="speak" value="ar" lang="ar" dir="rtl">العربية</button>' in page
    assert '<button name="speak" value="en" lang="en" dir="ltr" aria-current="true">' in page


def test_a_choice_is_kept_on_the_device_and_with_the_person(client: Client, db: None) -> None:
    awa = User.objects.create_user("awa")
    client.force_login(awa)
    reply = client.post("/interface/", {"speak": "sw", "next": "/interface/?a=1"})
    assert (reply.status_code, reply["Location"]) == (302, "/interface/?a=1")
    awa.refresh_from_db()
    assert awa.interface == "sw"
    assert '<html lang="sw"' in client.get("/interface/").content.decode()
    elsewhere = Client()
    elsewhere.force_login(awa)
    first = elsewhere.get("/interface/", headers={"Accept-Language": "fr"})
    assert '<html lang="sw"' in first.content.decode()
    assert first.cookies[settings.LANGUAGE_COOKIE_NAME].value == "sw"
    # The next request, somebody else's, is spoken to in its own language.
    assert '<html lang="en"' in Client().get("/interface/").content.decode()


@pytest.mark.parametrize("told", [{"speak": "xx"}, {}, {"speak": "fr", "next": "//evil.example/"}])
def test_nobody_is_led_astray_by_a_forged_choice(
    client: Client, db: None, told: dict[str, str]
) -> None:
    reply = client.post("/interface/", told)
    assert "evil" not in reply.get("Location", "")
    assert reply.status_code == (302 if "next" in told else 200)


def test_numbers_and_plurals_follow_the_language() -> None:
    with translation.override("ar"):
        said = [
            translation.ngettext("%(n)s text waits for you.", "%(n)s texts wait for you.", n)
            % {"n": n}
            for n in (1, 2, 3, 11)
        ]
    assert len(set(said)) == 4
    assert said[1].startswith("نصان")
