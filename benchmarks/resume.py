"""Killed and taken up again: ``python -m benchmarks.resume [--quick]``.

A database and a folder of their own, campaigns of two languages, and training runs that processes
of the product claim, train and register, as its workers do. A process is killed by SIGKILL a
random moment after a random step; another one takes the run up when the lease has run out. What
is told: whether the digest of the candidate is that of the run that nobody disturbed, and how
many steps were done twice. Then checkpoints are cut short; two processes are sent to one run at
once; a process is stopped, another takes over, and the first one wakes up; and one of two
processes that train a run together, under `torchrun`, is killed. Processes are forked from one
that has read its libraries, all but those of the last case.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import report

KINDS = ("starter", "encoder")
METHODS = ("update", "ewc")
# Of each of two networks and two methods: twenty kills in all.
TRIALS = 5
INTERVAL = 10
LEASE_S = 1.0
TAGS = ("qu", "wo")
WORDS = ("sun moon", "river stone", "bird leaf")
RECIPE = {"batch": 16, "epochs": 3, "least_steps": 0, "checkpoint_steps": INTERVAL}
POINTS = {"curve_points": 4, "fisher_rows": 32}
WEIGHTS = "model.safetensors"


@dataclass
class Case:
    """One kind of disturbance: how often it was tried, how often the weights were the same."""

    row: str
    trials: int = 0
    equal: int = 0
    steps: int = 0
    most_redone: int = 0
    allowed: int = INTERVAL
    most_apart: float = 0.0
    cpu_s: float = 0.0

    @property
    def met(self) -> bool:
        """Whether every trial ended with the same weights and few steps were done twice."""
        return self.equal == self.trials and self.most_redone <= self.allowed

    def record(self) -> dict[str, Any]:
        """Return plain names and numbers."""
        return {**asdict(self), "cpu_s": round(self.cpu_s, 1), "met": self.met}

    def __str__(self) -> str:
        return (
            f"{self.row:<44} {self.equal:>3} of {self.trials:<3} equal   redone <= {self.most_redone}"
            f" of {self.steps}   apart {self.most_apart:.1e}   {report.SAID[self.met]}"
        )


def main() -> None:
    """Try every case and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the starter, few trials, no file")
    parser.add_argument("--only", choices=KINDS, help="one network; the rows of others stay")
    parser.add_argument("--method", choices=METHODS, help="one method; the rows of others stay")
    options = parser.parse_args()
    kinds = (options.only,) if options.only else KINDS[:1] if options.quick else KINDS
    methods = (options.method,) if options.method else METHODS[:1] if options.quick else METHODS
    cases: list[Case] = []
    with installation() as home:
        for kind in kinds:
            campaign = made_campaign(kind, home=home)
            for method in methods:
                runs = Runs(campaign, kind, method)
                found = tried(runs, trials=2 if options.quick else TRIALS)
                cases += found
                if not options.quick:
                    rows = [*kept(but=f"{kind}, {method}:"), *found]
                    rows.sort(key=lambda case: case.row)
                    print(report.write("resume", rows))
    if not all(case.met for case in cases):
        raise SystemExit("not every case is met")


def kept(*, but: str) -> list[Case]:
    """Return the rows that were written down before, without those of one network and method."""
    path = report.RESULTS / "resume.json"
    rows = json.loads(path.read_text())["rows"] if path.exists() else []
    found = [Case(**{name: row[name] for name in Case.__annotations__}) for row in rows]
    return [case for case in found if not case.row.startswith(but)]


def tried(runs: "Runs", *, trials: int) -> list[Case]:
    """Try every disturbance on runs of one kind and method."""
    rng = np.random.default_rng(7)
    name = f"{runs.kind}, {runs.method}"
    found = [
        runs.case(f"{name}: SIGKILL at a random step", runs.killed, trials=trials, rng=rng),
        runs.case(
            f"{name}: newest checkpoint cut short", runs.cut, trials=trials // 4 + 1, rng=rng
        ),
        runs.case(f"{name}: two processes at once", runs.raced, trials=trials // 4 + 1, rng=rng),
        runs.case(f"{name}: stopped past its lease, then woken", runs.woken, trials=1, rng=rng),
    ]
    if runs.method == METHODS[0] and trials == TRIALS:
        row = f"{name}: one of two under torchrun killed"
        found.append(runs.case(row, runs.teamed, trials=1, rng=rng))
    return found


@contextmanager
def installation() -> Iterator[Path]:
    """Be in an installation of one's own, with everything imported that forked ones need."""
    with tempfile.TemporaryDirectory(prefix="resume-") as place:
        os.environ |= {
            "VERNACULAR_VAR_DIR": place,
            "VERNACULAR_DEVICE": "cpu",
            "VERNACULAR_TORCH_THREADS": "1",
            "VERNACULAR_LEASE_SECONDS": str(LEASE_S),
            "VERNACULAR_LOG_LEVEL": "ERROR",
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "OMP_NUM_THREADS": "1",
        }
        import django

        django.setup()
        import torch
        from django.core.management import call_command

        torch.set_num_threads(1)
        call_command("migrate", verbosity=0)
        yield Path(place)


def made_campaign(kind: str, *, home: Path) -> Any:
    """Make a campaign with gold to look at, and a snapshot, a third of it fresh."""
    from learning.actions.versions import initial_version
    from tests.learning.encoders import tiny_encoder
    from tests.make import LABELS, make_campaign, make_gold, make_sample
    from training.models import DataSnapshot, SnapshotRow

    rng = np.random.default_rng(3)
    network = "starter" if kind == "starter" else str(tiny_encoder(home / "tiny"))
    campaign = make_campaign(languages=TAGS, network=network)
    snapshot = DataSnapshot.objects.create(
        campaign=campaign, digest=kind, samples=300, fresh_samples=100
    )
    for number in range(300):
        label = int(rng.integers(0, 3))
        text = f"{WORDS[label]} {'abcdefgh'[rng.integers(0, 8)]} {number}"
        target = [0.9 if k == label else 0.05 for k in range(3)]
        sample = make_sample(campaign, TAGS[number % 4 > 0], text)
        SnapshotRow.objects.create(
            snapshot=snapshot,
            sample=sample,
            target=target,
            weight=float(rng.uniform(0.2, 1.0)),
            fresh=number % 3 == 0,
            revisions=[],
            aggregator="made",
        )
    for number in range(40):
        label, text = number % 3, f"{WORDS[number % 3]} gold {number}"
        make_gold(campaign, TAGS[number % 2], LABELS[label], "dev", text=text)
    initial_version(campaign)
    return campaign


class Runs:
    """Runs of one campaign by one method: what is expected of them, and what disturbs them."""

    def __init__(self, campaign: Any, kind: str, method: str) -> None:
        self.campaign, self.kind, self.method = campaign, kind, method
        # Who drops out at random draws for two parts of a batch, be it one process or two.
        own = {"lr": 1e-3, "pieces": 2} if kind == "encoder" else {}
        # A method that sees fresh rows alone goes through them twice as often: as many steps.
        epochs = 2 * RECIPE["epochs"] if method == "ewc" else RECIPE["epochs"]
        self.settings = RECIPE | POINTS | own | {"method": method, "epochs": epochs}
        run = self.opened()
        seen = Process(run.pk).rest()
        run.refresh_from_db()
        self.expected, self.steps = run.candidate, run.steps_total
        assert seen == list(range(1, self.steps + 1)), seen

    def opened(self) -> Any:
        """Return a run on the same data with the same seed."""
        from learning.actions.serving import serving_version
        from training.models import TrainingRun

        base = serving_version(self.campaign)
        assert base
        return TrainingRun.objects.create(
            campaign=self.campaign,
            snapshot=self.campaign.snapshots.get(),
            base=base,
            seed=11,
            settings=self.settings,
        )

    def case(
        self,
        row: str,
        disturb: Callable[[Any, np.random.Generator], int],
        *,
        trials: int,
        rng: np.random.Generator,
    ) -> Case:
        """Disturb so many runs; each returns how many steps it did twice."""
        case, before = Case(row, trials, steps=self.steps), os.times()
        case.allowed = 2 * INTERVAL if disturb == self.cut else INTERVAL
        for _ in range(trials):
            run = self.opened()
            case.most_redone = max(case.most_redone, disturb(run, rng))
            run.refresh_from_db()
            apart = self.apart(run)
            case.most_apart = max(case.most_apart, apart)
            # Two processes sum in another order than one: as near as CONTINUAL asks of them.
            case.equal += apart <= 1e-3 if "torchrun" in row else run.candidate == self.expected
        after = os.times()
        case.cpu_s = sum(after[:4]) - sum(before[:4])
        print(case, flush=True)
        return case

    def apart(self, run: Any) -> float:
        """Return how far the run's weights are from those that are expected."""
        from safetensors.numpy import load_file

        from learning.gateways.weights import open_weights

        if run.candidate is None:
            return float("inf")
        one, other = (
            load_file(open_weights(version.path, digest=version.digest) / WEIGHTS)
            for version in (run.candidate, self.expected)
        )
        gaps = [np.abs(one[name].astype(float) - other[name]).max(initial=0.0) for name in one]
        return float(max(gaps))

    def killed(self, run: Any, rng: np.random.Generator) -> int:
        """Kill a process somewhere, have another one take the run up."""
        first = Process(run.pk)
        last = first.until(int(rng.integers(1, self.steps)))
        time.sleep(rng.uniform(0, 0.03))
        last = max([last, *first.kill()])
        return _redone(last, self.taken_up(run))

    def cut(self, run: Any, rng: np.random.Generator) -> int:
        """Kill a process and cut its newest checkpoint short."""
        from training.actions.checkpoints import run_folder

        first = Process(run.pk)
        last = first.until(int(rng.integers(2 * INTERVAL, self.steps)))
        last = max([last, *first.kill()])
        found = sorted(run_folder(run).glob("step-*.checkpoint"))
        if found:
            content = found[-1].read_bytes()
            found[-1].write_bytes(content[: int(rng.integers(0, len(content)))])
        return _redone(last, self.taken_up(run))

    def raced(self, run: Any, rng: np.random.Generator) -> int:
        """Send two processes to a run at the same moment; one of them finds it taken."""
        both = [Process(run.pk, begin=False) for _ in range(2)]
        for process in both:
            process.begin()
        seen = [process.rest() for process in both]
        run.refresh_from_db()
        assert run.token == 1, run.token
        assert sorted(map(len, seen)) == [0, self.steps], seen
        return 0

    def woken(self, run: Any, rng: np.random.Generator) -> int:
        """Stop a process past its lease, have another one finish, and wake the first."""
        first = Process(run.pk)
        last = first.until(int(rng.integers(INTERVAL, self.steps - INTERVAL)))
        os.kill(first.pid, signal.SIGSTOP)
        redone = _redone(last, self.taken_up(run))
        run.refresh_from_db()
        before = (2, run.candidate_id, run.finished_at)
        os.kill(first.pid, signal.SIGCONT)
        after = first.rest()
        run.refresh_from_db()
        assert (run.token, run.candidate_id, run.finished_at) == before
        assert len(after) <= INTERVAL, "it went on although the run was somebody else's"
        return redone

    def teamed(self, run: Any, rng: np.random.Generator) -> int:
        """Kill one of two processes that train together; one alone takes the run up."""
        from training.actions.launching import command

        launcher = subprocess.Popen(
            command(run.pk, count=2), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while run.step < INTERVAL + 2:
            assert launcher.poll() is None, launcher.returncode
            time.sleep(0.05)
            run.refresh_from_db()
        last = run.step
        os.kill(_children(launcher.pid)[-1], signal.SIGKILL)
        assert launcher.wait() != 0
        run.refresh_from_db()
        return _redone(max(last, run.step), self.taken_up(run))

    def taken_up(self, run: Any) -> list[int]:
        """Wait until the lease has run out, train on, and return the steps that this took."""
        time.sleep(LEASE_S + 0.2)
        return Process(run.pk).rest()


def _redone(last: int, seen: list[int]) -> int:
    """Return how many steps were done again; a run that was over before the kill has none."""
    return max(0, last - seen[0] + 1) if seen else 0


def _children(pid: int) -> list[int]:
    return sorted(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


class Process:
    """A process that trains a run as a worker does and tells every step."""

    def __init__(self, run_id: int, *, begin: bool = True) -> None:
        from django.db import connections

        connections.close_all()  # no process may share a connection with another
        told, tell = os.pipe()
        wait, start = os.pipe()
        sys.stdout.flush()
        self.pid = os.fork()
        if not self.pid:
            os.close(told)
            os.close(start)
            os.read(wait, 1)
            os._exit(_trained(run_id, tell=tell))
        os.close(tell)
        os.close(wait)
        self._start, self._told = start, os.fdopen(told)
        if begin:
            self.begin()

    def begin(self) -> None:
        """Let it claim the run."""
        os.write(self._start, b".")
        os.close(self._start)

    def until(self, step: int) -> int:
        """Wait for a step; return the last one that was told."""
        for line in self._told:
            if int(line) >= step:
                return int(line)
        return 0

    def kill(self) -> list[int]:
        """Kill it; return the steps that it had still told."""
        os.kill(self.pid, signal.SIGKILL)
        return self.rest()

    def rest(self) -> list[int]:
        """Wait for its end; return the steps that were told meanwhile."""
        with self._told as lines:
            steps = [int(line) for line in lines]
        os.waitpid(self.pid, 0)
        return steps


def _trained(run_id: int, *, tell: int) -> int:
    """Train in a forked process, telling every step before the run's row is told."""
    from django.utils import timezone

    from training.actions import claims, runs

    see = claims.Claim.see

    def seen(claim: claims.Claim, step: int, *, steps: int, curve: list[Any]) -> None:
        os.write(tell, f"{step}\n".encode())
        see(claim, step, steps=steps, curve=curve)

    claims.Claim.see = seen  # type: ignore[method-assign, assignment]
    runs.train(run_id, now=timezone.now, should_stop=lambda: False)
    return 0


if __name__ == "__main__":
    main()
