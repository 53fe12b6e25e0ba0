"""The house itself: names, sizes, knobs and the README hold what HOUSE and readers expect."""

import re
import shutil
import subprocess

import pytest

from config.env import ROOT, Env

README = (ROOT / "README.md").read_text()


GIT = shutil.which("git") or "git"


def tracked(*patterns: str) -> list[str]:
    """Return the files of the checkout that match."""
    listed = subprocess.run(
        [GIT, "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


@pytest.mark.parametrize("knob", sorted(Env.model_fields))
def test_every_knob_is_in_the_readme(knob: str) -> None:
    assert f"| `{knob}` |" in README


def test_no_room_is_called_after_nothing() -> None:
    vague = re.compile(r"(^|/)(utils?|helpers?|core|base|common|misc)(\.py|/)")
    assert [name for name in tracked("*.py") if vague.search(name)] == []


def test_no_file_outgrows_its_idea() -> None:
    long = {
        name: lines
        for name in tracked("*.py")
        if "/migrations/" not in name
        and (lines := len((ROOT / name).read_text().splitlines()))
        > (500 if name.startswith("tests/") else 400)
    }
    assert long == {}


def test_nothing_speaks_of_one_machine() -> None:
    place = re.compile(r"/(work|root|home/\w+|tmp/w)/")
    kinds = ("*.py", "*.md", "*.toml", "*.html", "*.sh", ".ci/*", "*.json")
    guilty = [
        name
        for name in tracked(*kinds)
        if name != "tests/test_house.py" and place.search((ROOT / name).read_text(errors="replace"))
    ]
    assert guilty == []
