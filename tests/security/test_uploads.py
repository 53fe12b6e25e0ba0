"""What comes in whole: archives that are meant to do harm, and files that are too large."""

import io
import json
import struct
import zipfile
from functools import partial
from pathlib import Path
from typing import BinaryIO

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client

from annotation.actions import folders, uploads
from annotation.actions.folders import queue_archive
from annotation.actions.keys import create_key
from annotation.actions.uploads import TooLargeError, queue_import
from annotation.errors import InvalidInputError
from annotation.models import Campaign, Membership, SampleImport, Scope, User
from config import uploads as bounds
from tests.make import make_campaign, make_user

pytestmark = pytest.mark.django_db
ROWS = "text,licence,source\nJàmm rekk,CC0-1.0,us\n"


@pytest.fixture
def mood() -> Campaign:
    return make_campaign(slug="mood", languages=("wo",))


def packed(**files: str) -> io.BytesIO:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name.replace("__", "/").replace("_csv", ".csv"), text)
    whole.seek(0)
    return whole


def left_behind() -> list[Path]:
    folder = Path(settings.MEDIA_ROOT)
    return [*folder.iterdir()] if folder.exists() else []


def refused(mood: Campaign, archive: io.BytesIO, why: str) -> None:
    before = left_behind()
    with pytest.raises(InvalidInputError, match=why):
        queue_archive(mood, archive=archive, defaults={"language": "wo"})
    assert (left_behind(), SampleImport.objects.count()) == (before, 0)


def test_an_archive_becomes_one_import_a_file_with_the_part_that_it_is(mood: Campaign) -> None:
    archive = packed(greetings__wo__train_csv=ROWS, greetings__wo__test_csv=f"{ROWS}\n")
    made = queue_archive(mood, archive=archive, defaults={"language": "wo"})
    found = {one.filename: one.options for one in made}
    assert found["train.csv"]["without"] == ["label", "spans", "split"]
    assert found["test.csv"]["defaults"] == {"split": "gate", "language": "wo"}


@pytest.mark.parametrize("kind", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_unpacks_all_at_once_however_little_is_asked_for_is_refused(
    kind: int, mood: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", kind) as archive:
        archive.writestr("a.csv", ROWS)
    monkeypatch.setattr(zipfile.ZipFile, "open", None)  # nothing of it is even opened
    refused(mood, whole, "deflate")


def test_a_pattern_of_a_stranger_is_matched_name_by_name(
    mood: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    def header(*patterns: str) -> str:
        named = json.dumps([{"config_name": "wo", "data_files": list(patterns)}])
        return f"---\nconfigs: {named}\n---\n"

    deep = {"/".join([*"a" * 25, "x.csv"]): ROWS, "b.csv": f"{ROWS}\n"}
    for patterns, why in (
        (["/".join(["**", "a"] * 3 + ["x.csv"])], "one .* are the most"),
        (["*/" * 12 + "x.csv"], "12 parts are the most"),
        (["b.csv"] * 501, "more than 500"),
    ):
        archive = packed(**deep, **{"README.md": header(*patterns)})
        refused(mood, archive, why)
    globbed: list[str] = []
    monkeypatch.setattr(Path, "glob", lambda *told: globbed.append(told[1]))
    archive = packed(**deep, **{"README.md": header("**/a/x.csv", "?.csv", "b.csv")})
    made = queue_archive(mood, archive=archive)
    assert (sorted(one.filename for one in made), globbed) == (["b.csv", "x.csv"], [])


def test_nobody_waits_while_files_are_unpacked_and_copied(
    mood: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    noor = make_user("noor")
    Membership.objects.create(user=noor, campaign=mood, role="admin")
    secret = create_key(noor, name="script", scopes=list(Scope.values))[1]
    depths: list[int] = []
    copy = uploads._copy

    def copied(file: BinaryIO) -> tuple[Path, str, int]:
        depths.append(len(connection.atomic_blocks))
        return copy(file)

    monkeypatch.setattr(uploads, "_copy", copied)
    before, held = len(connection.atomic_blocks), len(left_behind())
    folder = packed(train_csv=ROWS, test_csv=f"{ROWS}\n").getvalue()
    sent = {"folders?filename=a.zip": folder, "imports?filename=a.csv": f"{ROWS}\n\n".encode()}
    for number, (door, body) in enumerate(sent.items()):
        call = partial(
            Client().post, f"/api/v1/campaigns/mood/{door}&default=language=wo", body,
            content_type="application/octet-stream",
            headers={"Authorization": f"Bearer {secret}", "Idempotency-Key": f"{number}"},
        )  # fmt: skip
        first, again = call(), call()
        assert (first.status_code, first.json()) == (202, again.json())
        assert ("items" in first.json()) == door.startswith("folders")
    assert set(depths) == {before}
    # What was copied for an answer that stood already is gone again.
    assert len(left_behind()) - held == SampleImport.objects.count() == 3


def test_an_entry_without_a_name_breaks_nothing(mood: Campaign) -> None:
    whole, nameless = io.BytesIO(), zipfile.ZipInfo("a")
    nameless.filename = ""
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr(nameless, ROWS)
    refused(mood, whole, "no ZIP")


@pytest.mark.parametrize("name", ["../../a.csv", "/etc/a.csv", "C:\\..\\a.csv", "a\nb.csv"])
def test_no_name_in_an_archive_leads_anywhere(name: str, mood: Campaign) -> None:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr(name, ROWS)
    refused(mood, whole, "leads elsewhere")


def test_a_bomb_is_stopped_by_what_comes_out_of_it(
    mood: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "MOST_BYTES", 100_000)
    bomb = packed(a_csv="text\n" + "0" * 5_000_000)
    assert len(bomb.getvalue()) < 10_000
    told = bytearray(bomb.getvalue())
    at = told.index(b"PK\x01\x02") + 24
    told[at : at + 4] = struct.pack("<I", 5)  # it lies about its size
    for one in (bomb, io.BytesIO(told)):
        refused(mood, one, "more than 100,000 bytes|cannot? be read|no ZIP")


def test_a_long_list_of_files_is_refused_before_it_is_read(
    mood: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "MOST_FILES", 3)
    refused(mood, packed(**{f"a{number}_csv": ROWS for number in range(4)}), "more than 3 files")
    long = packed(a_csv=ROWS, b_csv=ROWS, c_csv=ROWS)
    monkeypatch.setattr(folders, "_MOST_DIRECTORY", 100)
    monkeypatch.setattr(zipfile, "ZipFile", None)
    refused(mood, long, "files in the archive")


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"PK\x05\x06" + b"\0" * 18, b"x" * 99])
def test_what_is_no_archive_is_told_so(data: bytes, mood: Campaign) -> None:
    refused(mood, io.BytesIO(data), "ZIP|no file of data")


def test_a_file_has_a_most_size_wherever_it_comes_in(
    mood: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    noor = make_user("noor")
    Membership.objects.create(user=noor, campaign=mood, role="admin")
    # Whether a form has its token is looked at first, and for that it is read.
    client = Client(enforce_csrf_checks=True)
    client.cookies[settings.CSRF_COOKIE_NAME] = "a" * 32
    monkeypatch.setattr(uploads, "MOST_BYTES", 20)
    before = left_behind()
    with pytest.raises(TooLargeError):
        queue_import(mood, file=io.BytesIO(ROWS.encode()), filename="a.csv")
    monkeypatch.setattr(bounds, "FORM_AROUND_IT", 10)
    monkeypatch.setattr(bounds, "OF_STRANGERS", 10)
    for person in (None, noor):
        if person:
            client.force_login(person)
        sent = SimpleUploadedFile("a.csv", ROWS.encode())
        assert client.post("/campaigns/mood/imports/", {"file": sent}).status_code == 400
    assert left_behind() == before


def test_only_who_brings_samples_sends_more_than_a_stranger_and_only_there(
    mood: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_user("ada")
    Membership.objects.create(user=make_user("noor"), campaign=mood, role="admin")
    make_campaign(slug="other", languages=("wo",))
    monkeypatch.setattr(bounds, "OF_STRANGERS", 10)
    found = {}
    for name in ("ada", "noor"):
        for page in ("mood/imports", "other/imports", "mood/generators/compare"):
            client = Client(enforce_csrf_checks=True)
            client.cookies[settings.CSRF_COOKIE_NAME] = "a" * 32
            client.force_login(User.objects.get(username=name))
            sent = SimpleUploadedFile("a.csv", ROWS.encode())
            answer = client.post(f"/campaigns/{page}/", {"file": sent})
            found[name, page] = answer.status_code
    # Its form was read, and has no token.
    assert found.pop(("noor", "mood/imports")) == 403
    assert set(found.values()) == {400}


def test_a_page_takes_a_folder_as_an_archive(mood: Campaign, client: Client) -> None:
    noor = make_user("noor")
    Membership.objects.create(user=noor, campaign=mood, role="admin")
    client.force_login(noor)
    sent = SimpleUploadedFile("f.zip", packed(train_csv=ROWS, test_csv=f"{ROWS}\n").getvalue())
    form = {"file": sent, "default_language": "wo", "on_error": "keep_good"}
    answer = client.post("/campaigns/mood/imports/", form)
    assert (answer.status_code, SampleImport.objects.count()) == (302, 2)
