"""A backup, rehearsed: taken while others write, damaged, restored into a fresh place, compared."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from annotation.errors import ConflictError, InvalidInputError, NotFoundError
from annotation.models import CampaignLanguage
from config.backup import manifest, postgres, sqlite
from config.backup.manifest import DamagedBackupError
from config.backup.places import Place
from config.backup.restoring import newest, restore
from config.backup.taking import take
from learning.gateways import weights
from learning.models import ModelVersion
from tests.make import make_campaign

NOW = timezone.now()


def make_desk(path: Path) -> None:
    """A Label Studio's database, as far as a backup looks at it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as desk, desk:
        desk.execute("PRAGMA journal_mode=WAL")
        desk.execute("CREATE TABLE task (id INTEGER PRIMARY KEY, data TEXT)")
        desk.execute("INSERT INTO task (data) VALUES ('Nanga def?')")


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def place(tmp_path: Path, transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Place:
    """An installation with a campaign, a version, embeddings, an upload and people at the desk."""
    var = tmp_path / "var"
    here = Place(
        var=var,
        database=str(connection.settings_dict["NAME"]),
        desk_database=str(var / "label-studio/label_studio.sqlite3"),
        weights=var / "weights",
        embeddings=var / "embeddings",
        uploads=var / "uploads",
    )
    monkeypatch.setattr(settings, "WEIGHTS_DIR", here.weights)
    campaign = make_campaign(languages=("wo",), slug="mood")
    CampaignLanguage.objects.update(desk_project_id=4)
    put(tmp_path / "network/model.safetensors", "weights" * 999)
    digest = weights.store(tmp_path / "network")
    ModelVersion.objects.create(
        campaign=campaign, number=1, digest=digest, path=weights.path_of(digest)
    )
    put(var / "weights/beside/run-1/step-3.checkpoint", "half way")
    put(var / "embeddings/1/0.safetensors", "numbers")
    put(var / "embeddings/1/.arriving-x", "half a file")
    put(var / "uploads/a.csv", "text\nNanga def?\n")
    put(var / "translations/wo.po", 'msgid ""')
    put(var / "secrets.json", '{"secret_key": "s"}')
    make_desk(Path(here.desk_database))
    return here


@pytest.fixture
def fresh(tmp_path: Path) -> Place:
    """Another machine, on which nothing was ever stored."""
    var = tmp_path / "other"
    return Place(
        var=var,
        database=str(var / "vernacular.sqlite3"),
        desk_database=str(var / "label-studio/label_studio.sqlite3"),
        weights=var / "weights",
        embeddings=var / "embeddings",
        uploads=var / "uploads",
    )


def rows(database: str, asked: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(database)) as opened:
        return opened.execute(asked).fetchall()


pytestmark = pytest.mark.skipif(
    connection.vendor != "sqlite", reason="the rehearsal of PostgreSQL brings its own databases"
)


def test_a_restored_installation_is_the_one_that_was_backed_up(
    place: Place, fresh: Place, tmp_path: Path
) -> None:
    take(tmp_path / "kept", now=NOW, place=place)
    make_campaign(slug="later")
    told = restore(newest(tmp_path / "kept"), place=fresh, now=NOW)
    slugs = rows(fresh.database, "SELECT slug FROM annotation_campaign")
    assert slugs == [("mood",)]
    assert rows(fresh.desk_database, "SELECT data FROM task") == [("Nanga def?",)]
    kept = [name for name in told.files if "/" in name]
    assert len(kept) == 5
    trees = fresh.trees
    for name in kept:
        folder, inside = name.split("/", 1)
        was, now = place.trees[folder] / inside, trees[folder] / inside
        assert now.read_bytes() == was.read_bytes()
    assert (fresh.var / "secrets.json").stat().st_mode & 0o077 == 0
    # The next push looks at what the desk has instead of putting texts there twice.
    doubt = rows(fresh.database, "SELECT pushing_until FROM annotation_campaignlanguage")
    assert doubt == [("2000-01-01 00:00:00",)]


def test_both_databases_are_held_at_the_moment_they_were_pinned(tmp_path: Path) -> None:
    make_desk(tmp_path / "a.sqlite3")
    with sqlite.pinned(str(tmp_path / "a.sqlite3")) as write:
        with closing(sqlite3.connect(tmp_path / "a.sqlite3")) as other, other:
            other.execute("INSERT INTO task (data) VALUES ('later')")
        write(tmp_path, "copy")
    assert rows(str(tmp_path / "copy.sqlite3"), "SELECT data FROM task") == [("Nanga def?",)]
    assert not (tmp_path / "copy.sqlite3-wal").exists()


@pytest.mark.parametrize("harm", ["changed", "missing", "added"])
def test_a_damaged_backup_is_named_before_anything_is_touched(
    harm: str, place: Place, fresh: Place, tmp_path: Path
) -> None:
    point = take(tmp_path / "kept", now=NOW, place=place)
    target = point / "uploads/a.csv"
    if harm == "missing":
        target.unlink()
    else:
        put(target if harm == "changed" else point / "uploads/b.csv", "text\nNanga dee?\n")
    with pytest.raises(DamagedBackupError, match=r"uploads/[ab]\.csv"):
        restore(point, place=fresh, now=NOW)
    assert not fresh.var.exists()


def test_what_is_there_is_replaced_only_if_asked_and_its_files_are_set_aside(
    place: Place, fresh: Place, tmp_path: Path
) -> None:
    point = take(tmp_path / "kept", now=NOW, place=place)
    restore(point, place=fresh, now=NOW)
    put(fresh.uploads / "a.csv", "mine")
    with pytest.raises(ConflictError, match="--yes"):
        restore(point, place=fresh, now=NOW)
    assert (fresh.uploads / "a.csv").read_text() == "mine"
    restore(point, place=fresh, now=NOW, overwrite=True)
    assert (fresh.uploads / "a.csv").read_text() == "text\nNanga def?\n"
    (aside,) = fresh.uploads.glob(".before-restore-*/a.csv")
    assert aside.read_text() == "mine"
    assert next(fresh.var.glob(".before-restore-*/vernacular.sqlite3"))


def test_only_the_newest_stay_and_share_what_never_changes(place: Place, tmp_path: Path) -> None:
    taken = [
        take(tmp_path / "kept", now=NOW + timedelta(days=day), place=place, keep=2)
        for day in range(3)
    ]
    assert manifest.points(tmp_path / "kept") == taken[1:]
    inside = next(name for name in manifest.read(taken[1]).files if name.endswith(".safetensors"))
    one, two = (point / inside for point in taken[1:])
    assert one.samefile(two)
    checkpoint = "weights/beside/run-1/step-3.checkpoint"
    assert not (taken[1] / checkpoint).samefile(taken[2] / checkpoint)
    assert [manifest.check(point).made_at for point in taken[1:]]


def test_a_version_without_its_weights_makes_no_backup(place: Place, tmp_path: Path) -> None:
    version = ModelVersion.objects.get()
    (Path(settings.WEIGHTS_DIR) / version.path / "model.safetensors").unlink()
    with pytest.raises(ConflictError, match="check_weights"):
        take(tmp_path / "kept", now=timezone.now(), place=place)
    assert manifest.points(tmp_path / "kept") == []


def test_a_backup_of_a_newer_release_or_another_kind_is_refused(
    place: Place, fresh: Place, tmp_path: Path
) -> None:
    point = take(tmp_path / "kept", now=NOW, place=place)
    elsewhere = replace(fresh, database="postgresql://nobody@/nowhere")
    with pytest.raises(InvalidInputError, match="VERNACULAR_DATABASE_URL"):
        restore(point, place=elsewhere, now=NOW)
    told = json.loads((point / "manifest.json").read_text())
    told["migrations"].append(["annotation", "9999_later"])
    (point / "manifest.json").write_text(json.dumps(told))
    with pytest.raises(InvalidInputError, match=r"annotation\.9999_later"):
        restore(point, place=fresh, now=NOW)
    with pytest.raises(NotFoundError):
        restore(tmp_path / "nothing", place=fresh, now=NOW)


def test_the_commands_take_check_and_refuse(
    place: Place,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(Place, "here", lambda: place)
    kept = tmp_path / "kept"
    call_command("backup", str(kept), keep=3)
    call_command("restore", str(kept), check=True)
    assert "is whole" in capsys.readouterr().out
    with pytest.raises(CommandError, match="database"):
        call_command("restore", str(kept))


@pytest.fixture
def servers(postgres: str) -> tuple[str, str]:
    """Two databases on a real server, the first with rows that are hard to get right."""
    urls = []
    with psycopg.connect(postgres, autocommit=True) as server:
        for name in ("held", "fresh"):
            server.execute(f"DROP DATABASE IF EXISTS {name}".encode())
            server.execute(f"CREATE DATABASE {name}".encode())
            urls.append(postgres.replace("/postgres?", f"/{name}?"))
    with psycopg.connect(urls[0]) as held:
        held.execute(
            "CREATE TABLE annotation_campaignlanguage"
            " (id serial PRIMARY KEY, desk_project_id bigint, pushing_until timestamptz,"
            " patrolled_at timestamptz)"
        )
        told_before = "INSERT INTO annotation_campaignlanguage (desk_project_id, patrolled_at)"
        held.execute(f"{told_before} VALUES (4, now()), (NULL, NULL)".encode())
        held.execute("CREATE EXTENSION pg_trgm")
        held.execute("CREATE TABLE said (at timestamptz, how float8, what text, raw bytea)")
        held.execute("CREATE INDEX said_like ON said USING gin (what gin_trgm_ops)")
        held.execute("INSERT INTO said VALUES (now(), 0.1 + 0.2, E'Ɓàlá\\n''', '\\xff00')")
    return urls[0], urls[1]


@pytest.mark.postgres
def test_postgresql_comes_back_row_by_row_from_the_moment_it_was_pinned(
    servers: tuple[str, str], place: Place, fresh: Place, tmp_path: Path
) -> None:
    held, empty = servers
    place = replace(place, database=held, desk_database=held)
    before = postgres.sums(held)
    with postgres.pinned(held) as write:
        with psycopg.connect(held) as other:
            other.execute("INSERT INTO said (what) VALUES ('later')")
        assert write(tmp_path, "pinned")["tables"] == before
    point = take(tmp_path / "kept", now=NOW, place=place)
    told = manifest.read(point).databases["database"]
    fresh = replace(fresh, database=empty)
    (point / "label-studio.dump").unlink()
    text = json.loads((point / "manifest.json").read_text())
    del text["databases"]["label-studio"], text["files"]["label-studio.dump"]
    (point / "manifest.json").write_text(json.dumps(text))
    restore(point, place=fresh, now=NOW)
    restored = postgres.sums(empty)
    assert restored["said"] == told["tables"]["said"]
    assert restored["said"][0] == 2
    with psycopg.connect(empty) as opened:
        marked = opened.execute("SELECT pushing_until IS NULL FROM annotation_campaignlanguage")
        assert sorted(marked.fetchall()) == [(False,), (True,)]
        # All that a desk has is read anew, not what is new since a time that it has not seen.
        patrolled = opened.execute("SELECT count(patrolled_at) FROM annotation_campaignlanguage")
        assert patrolled.fetchone() == (0,)
        with pytest.raises(ConflictError, match="1 others"):
            restore(point, place=fresh, now=NOW, overwrite=True)
