"""`python3 manage.py demo --once`, as a person runs it: to the table, gone, and once more."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from config.bootstrap import ROOT
from config.demo.material import LANGUAGES
from config.services import free_port
from tests.servers import processes_of

pytestmark = [pytest.mark.redis, pytest.mark.label_studio, pytest.mark.timeout(1200)]
TAGS = LANGUAGES[:2]
METRIC = r"\d?\.\d\d \[\d?\.\d\d, \d?\.\d\d\]"
ROW = re.compile(
    rf"^(?P<tag>\w+) .*?  +(?P<labels>\d+)  (?P<before>{METRIC}) +(?P<after>{METRIC})"
    r" +(?P<verdict>PASS|HOLD|BLOCK|VOID) +(?P<why>accuracy [+-]\d.*mended, \d+ broken.*)$",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Shown:
    """What a run of the demo left on the screen, and how it ended."""

    code: int
    text: str

    @property
    def labels(self) -> dict[str, int]:
        """Language to labels bought, as the table has them."""
        return {row["tag"]: int(row["labels"]) for row in ROW.finditer(self.text)}

    @property
    def gates(self) -> list[str]:
        """What is said of each round's gate."""
        return re.findall(r"^Gate of round \d+: .*$", self.text, re.MULTILINE)

    @property
    def ready_s(self) -> float:
        """When the campaign was there with its texts and people."""
        found = re.search(r"^Campaign .* simulated people\. \((\d+) s\)$", self.text, re.MULTILINE)
        assert found is not None, self.text
        return float(found[1])


def run_demo(var: Path, *arguments: str) -> Shown:
    port = free_port(21700 + os.getpid() % 300)
    command = [sys.executable, "manage.py", "demo", "--once", *arguments]
    command += [f"--port={port}", f"--label-studio-port={port + 1}"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ
        | {
            "VERNACULAR_VAR_DIR": str(var),
            "VERNACULAR_DATABASE_URL": "",
            "VERNACULAR_TICK_SECONDS": "1",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=590,
    )
    return Shown(done.returncode, done.stdout)


def test_the_demo_ends_with_its_table_leaves_nothing_running_and_goes_on_later(
    tmp_path: Path, label_studio_installed: None
) -> None:
    first = run_demo(tmp_path, "--rounds=1", f"--languages={len(TAGS)}")
    assert first.code == 0, first.text
    assert set(first.labels) == set(TAGS), first.text
    assert min(first.labels.values()) > 0
    assert re.search(rf"^mean over languages +{sum(first.labels.values())} ", first.text, re.M)
    assert [gate.split(".")[0] for gate in first.gates] in (
        [f"Gate of round 1: {verdict}"] for verdict in ("PASS", "HOLD", "BLOCK", "VOID")
    )
    assert processes_of(tmp_path) == []
    assert (tmp_path / "up.lock").read_text() == ""

    again = run_demo(tmp_path, "--rounds=2")
    assert again.code == 0, again.text
    assert set(again.labels) == set(TAGS), again.text
    assert all(again.labels[tag] > first.labels[tag] for tag in TAGS)
    assert again.gates[0] == first.gates[0]
    assert len(again.gates) == 2
    assert again.ready_s < first.ready_s
    assert processes_of(tmp_path) == []
