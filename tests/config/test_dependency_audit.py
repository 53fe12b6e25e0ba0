"""Known holes in what we pin: told, unless accepted; a list that is away is neither good nor bad."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from config import dependency_audit
from config.dependency_audit import Audited, audit, audit_environment
from config.management.commands import check_all

HOLE = {"id": "GHSA-1", "aliases": ["CVE-7"], "fix_versions": ["5.2.20"]}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with two lists of pins."""
    monkeypatch.setattr(dependency_audit, "install", lambda _environment: False)
    (tmp_path / "docker").mkdir()
    (tmp_path / "constraints.txt").write_text("django==5.2.19\n")
    (tmp_path / "docker/label-studio.lock").write_text(
        "# a remark\nredis==5.2.1 ; sys_platform == 'linux'\n"
    )
    accept(tmp_path)
    return tmp_path


def accept(root: Path, *names: str) -> None:
    lines = [f'{name} = "not asked by us"' for name in names]
    told = ["[project.optional-dependencies]", 'audit = ["a"]', "[tool.audit.accepted]", *lines]
    (root / "pyproject.toml").write_text("\n".join(told))


def say(root: Path, *, told: Any = None, error: str = "") -> None:
    """Have pip-audit say something; it notes what it was given to look at."""
    program = audit_environment(root).folder / "bin/pip-audit"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(
        f"#!{sys.executable}\nimport sys\n"
        f"asked = open(sys.argv[sys.argv.index('--requirement') + 1]).read()\n"
        f"open({str(root / 'asked')!r}, 'a').write(asked + '|')\n"
        f"print({'' if told is None else json.dumps(told)!r})\n"
        f"sys.exit({error!r} or 0)\n"
    )
    program.chmod(0o755)


def test_a_hole_is_named_with_its_remedy_unless_it_was_accepted(root: Path) -> None:
    found = {"dependencies": [{"name": "django", "version": "5.2.19", "vulns": [HOLE]}]}
    say(root, told=found)
    ours, desks = audit(root)
    assert (ours.pins, ours.looked) == ("constraints.txt", True)
    assert ours.holes == ("django 5.2.19: GHSA-1, mended in 5.2.20",)
    assert desks.pins == "docker/label-studio.lock"
    assert (root / "asked").read_text() == "django==5.2.19|redis==5.2.1|"
    accept(root, "CVE-7")
    assert [one.holes for one in audit(root)] == [(), ()]


def test_a_list_that_is_away_is_said_to_be_and_another_failure_is_one(root: Path) -> None:
    say(root, error="ServiceError: Max retries exceeded with url: /v1/querybatch")
    away = next(audit(root))
    assert not away.looked
    assert dependency_audit.could_not_look(away)
    say(root, error="error: unrecognized arguments: --format")
    assert not dependency_audit.could_not_look(next(audit(root)))


@pytest.mark.parametrize(
    ("one", "failed"),
    [
        (Audited("pins", looked=True), False),
        (Audited("pins", looked=True, holes=("django 5: GHSA-1",)), True),
        (Audited("pins", looked=False, why="ConnectionError: away"), False),
        (Audited("pins", looked=False, why="a strange word"), True),
    ],
)
def test_the_check_fails_for_holes_and_not_for_want_of_a_network(
    one: Audited, failed: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(check_all, "checks", list)
    monkeypatch.setattr(check_all, "audit", lambda _root: [one])
    if failed:
        with pytest.raises(SystemExit):
            call_command("check_all", "--audit")
    else:
        call_command("check_all", "--audit")
    said = capsys.readouterr().out
    assert ("FAILED" in said) == failed
    assert ("NOT LOOKED" in said) == (not one.looked and not failed)
