"""The house itself: names, sizes, knobs and the README hold what HOUSE and readers expect."""

import re
import shlex
import shutil
import subprocess

import pytest
from django.core.management import get_commands, load_command_class

from config.env import ROOT, Env

README = (ROOT / "README.md").read_text()
APPS = ("config", "annotation", "learning", "training")


def told_commands() -> list[list[str]]:
    """Every ``manage.py`` line of the README's code blocks, in words."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    start = "python3 manage.py "
    return [shlex.split(one, comments=True)[2:] for one in lines if one.startswith(start)]


@pytest.mark.parametrize("words", told_commands(), ids=" ".join)
def test_every_line_of_the_readme_is_one_that_its_command_takes(words: list[str]) -> None:
    name, *arguments = words
    command = load_command_class(get_commands()[name], name)
    command.create_parser("manage.py", name).parse_args(arguments)


def test_the_readme_shows_commands_and_names_them_all() -> None:
    assert len(told_commands()) >= 7
    own = {name for name, app in get_commands().items() if app in APPS}
    assert [name for name in sorted(own) if not re.search(rf"`{name}\b", README)] == []


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
    # Django looks for a database's backend under this name.
    named_by_others = {"config/postgresql/base.py"}
    found = {name for name in tracked("*.py") if vague.search(name)}
    assert found - named_by_others == set()


def test_no_file_is_hidden_by_a_folder_of_its_name() -> None:
    assert [name for name in tracked("*.py") if (ROOT / name[:-3] / "__init__.py").exists()] == []


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
