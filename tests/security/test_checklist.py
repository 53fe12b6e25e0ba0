"""The checklist of `config/SECURITY.md`: every test that it names is there to be run."""

import ast
import re
from pathlib import Path

from config.env import ROOT

LIST = ROOT / "config/SECURITY.md"
NAMED = re.compile(r"`(?P<file>tests/[\w/]+\.py)(?:::(?P<test>\w+))?`")


def inside_of(file: Path) -> set[str]:
    found = ast.walk(ast.parse(file.read_text()))
    return {
        one.name for one in found if isinstance(one, ast.FunctionDef) and one.name[:5] == "test_"
    }


def lines() -> list[str]:
    """The lines of the tables that say what holds them."""
    parts, holding = [], False
    for line in LIST.read_text().splitlines():
        holding = "| held by |" in line or (holding and line.startswith("|"))
        if holding and "held by" not in line and not line.startswith("|---"):
            parts.append(line)
    return parts


def test_every_line_names_a_test_that_exists_or_says_that_none_holds_it() -> None:
    known: dict[str, set[str]] = {}
    wrong = []
    for line in lines():
        _, _, _, held, _ = (one.strip() for one in line.split("|"))
        named = list(NAMED.finditer(held))
        if not named and not held.startswith("read") and "not met" not in line:
            wrong.append(f"{line[:60]}: names no test")
        for one in named:
            file = ROOT / one["file"]
            inside = known.setdefault(one["file"], inside_of(file) if file.exists() else set())
            if not inside or (one["test"] and one["test"] not in inside):
                wrong.append(f"{line[:60]}: there is no {one[0]}")
    assert not wrong, "\n".join(wrong)
    assert len(known) > 20
