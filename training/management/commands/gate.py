"""``gate``: hold a run's candidate against what serves, and say the verdict."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from training.actions.gates import judge
from training.management.choosing import complaints, run_numbered
from training.models import GateCheck, GateRun

LINE = "  {:<14} {:<6} {:>5}  {:<26} {:>6} {:>7} {:>8}"


class Command(BaseCommand):
    """The loop judges its rounds' runs by itself; this is for runs apart, and for a second look."""

    help = (
        "Judge the candidate of a training run against the version that it started from: PASS, HOLD"
        " (with the gold items that are missing), BLOCK or VOID, language by language. A verdict is"
        " written down and does not change; nothing is promoted by this."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which run, for whom."""
        parser.add_argument("run", type=int, help="number of the training run, as train prints it")
        parser.add_argument("--json", action="store_true", help="for programs")

    def handle(self, **options: Any) -> None:
        """Judge, or read the verdict that is there."""
        run = run_numbered(options["run"])
        with complaints():
            gate = judge(run.pk, now=timezone.now())
        checks = list(gate.checks.select_related("language"))
        if options["json"]:
            self.stdout.write(json.dumps(_record(gate, checks), ensure_ascii=False, indent=2))
            return
        self.stdout.write(f"{gate.verdict}: {gate.candidate} against {gate.champion}")
        for reason in gate.reasons:
            self.stdout.write(f"  {reason}")
        if checks:
            heads = ("language", "", "gold", "difference (90 %)", "fixed", "broken", "missing")
            self.stdout.write(LINE.format(*heads))
        for check in checks:
            self.stdout.write(_line(check))
        if gate.verdict == "PASS":
            self.stdout.write(f"Next: manage.py promote {run.pk}")


def _line(check: GateCheck) -> str:
    told = f"{check.delta:+.3f} ({check.delta_low:+.3f} to {check.delta_high:+.3f})"
    return LINE.format(
        check.language.tag,
        check.verdict,
        check.items,
        told,
        check.fixed,
        check.broken,
        check.items_missing,
    )


def _record(gate: GateRun, checks: list[GateCheck]) -> dict[str, Any]:
    columns = ("verdict", "items", "delta", "delta_low", "delta_high", "harm_p", "fixed", "broken")
    return {
        "run": gate.run_id,
        "verdict": gate.verdict,
        "candidate": gate.candidate.number,
        "champion": gate.champion.number,
        "margin": gate.margin,
        "reasons": gate.reasons,
        "languages": [
            {"language": check.language.tag}
            | {name: getattr(check, name) for name in columns}
            | {"items_missing": check.items_missing}
            for check in checks
        ],
    }
