"""An installation with people's answers in it is brought up to date, and not a word of it changes.

``upgrade/before-reports.sql.gz`` is one as it was before reports, keys, trials and generators came
(annotation 0027, learning 0013, training 0016), with a campaign that is asked at both desks.
"""

import gzip
import os
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from config.env import ROOT

BEFORE = Path(__file__).parent / "upgrade/before-reports.sql.gz"
# What migrating itself writes down.
KEPT_BY_DJANGO = {"django_migrations", "django_content_type", "auth_permission"}
Rows = Mapping[str, list[dict[str, Any]]]


def rows(file: Path) -> Rows:
    """Every row of every table, by the names of its columns."""
    with closing(sqlite3.connect(file)) as opened:
        opened.row_factory = sqlite3.Row
        named = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        tables = [name for (name,) in opened.execute(named)]
        return {
            name: [dict(row) for row in opened.execute(f'SELECT * FROM "{name}" ORDER BY 1')]  # noqa: S608
            for name in tables
        }


def run(var: Path, *arguments: str) -> str:
    own = {
        "VERNACULAR_VAR_DIR": str(var),
        "VERNACULAR_DATABASE_URL": "",
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=os.environ | own,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_installation_from_before_is_brought_up_to_date_with_all_that_is_in_it(
    tmp_path: Path,
) -> None:
    file = tmp_path / "vernacular.sqlite3"
    with closing(sqlite3.connect(file)) as opened:
        opened.executescript(gzip.decompress(BEFORE.read_bytes()).decode())
    before = rows(file)
    run(tmp_path, "-m", "django", "migrate", "--skip-checks", "--verbosity=0")
    after = rows(file)
    assert len(before["annotation_annotation"]) == 2
    for table in before.keys() - KEPT_BY_DJANGO:
        assert len(after[table]) == len(before[table]), table
        for was, now in zip(before[table], after[table], strict=True):
            assert {name: now[name] for name in was.keys() & now.keys()} == {
                name: was[name] for name in was.keys() & now.keys()
            }, table
            assert was.keys() <= now.keys(), table
