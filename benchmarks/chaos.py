"""Chaos: parts are killed, frozen, restarted, cut off, out of disk and out of time while people work.

``python -m benchmarks.chaos --chunk 7 --minutes 7``: a whole installation on PostgreSQL behind its proxy,
in a network and mounts of its own; people answer on the light page and at Label Studio, a program brings
files in, rounds are scored, trained and judged, backups are taken; meanwhile faults are drawn by the seed
7, up to three at once, until the time is over. Then everything that was sent is compared with what is
stored. A chunk is written to ``.cache/chaos``; ``--gather`` makes ``results/chaos.json`` of all of them;
``--until 200`` suffers one chunk after another, leaving out those that are written, until there are so many
faults, and gathers; ``--quick`` suffers three faults and writes nothing. Needs root on Linux, nginx,
PostgreSQL, iptables, a C compiler, and an installed Label Studio. Nothing of a chunk outlives it.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from threading import Event
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CHUNKS = ROOT / ".cache/chaos"
NEEDED = ("unshare", "iptables", "setpriv", "ip", "mount", "openssl", "cc")
GOLD = 24
POOL = 250
SETTLE_S = 300.0
# To start, to settle and to compare: past that a chunk is ended, and the next one begun.
BESIDES_S = 900.0
SPOILED_IN_A_ROW = 3


def main() -> int:
    """Suffer a chunk, or gather all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunk", type=int, default=1, help="number and seed of this chunk")
    parser.add_argument("--minutes", type=float, default=7.0, help="how long faults go on")
    parser.add_argument("--faults", type=int, default=10**6, help="most faults")
    parser.add_argument("--quick", action="store_true", help="three faults; writes nothing")
    parser.add_argument("--keep", action="store_true", help="leave the logs where they are")
    parser.add_argument("--gather", action="store_true", help="make one result of all chunks")
    parser.add_argument("--until", type=int, help="chunk after chunk until so many faults")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.gather:
        return gather()
    if options.until:
        return chunks(options.until, minutes=options.minutes)
    if not options.inside:
        _go_inside()
    if options.quick:
        options.faults = 3
    folder = Path(tempfile.mkdtemp(prefix="chaos.", dir="/tmp"))
    folder.chmod(0o755)
    try:
        told = chunk(folder, options)
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
    say(told)
    if not options.quick:
        CHUNKS.mkdir(parents=True, exist_ok=True)
        (CHUNKS / f"{options.chunk}.json").write_text(json.dumps(told, indent=1))
    return 0 if told["met"] else 1


def chunks(wanted: int, *, minutes: float) -> int:
    """Suffer chunks until there are so many faults; one that came to nothing spoils no other."""
    number, spoiled = 0, 0
    while len(_suffered()) < wanted and spoiled < SPOILED_IN_A_ROW:
        number += 1
        written = CHUNKS / f"{number}.json"
        if written.exists():
            continue
        tell(f"chunk {number}: {len(_suffered())} of {wanted} faults so far")
        command = [sys.executable, "-m", "benchmarks.chaos", f"--chunk={number}"]
        command += [f"--minutes={minutes}"]
        with subprocess.Popen(command, cwd=ROOT) as one:
            try:
                one.wait(minutes * 60 + BESIDES_S)
            except subprocess.TimeoutExpired:
                one.kill()  # and with it all that it started, since they share its world
        spoiled = 0 if written.exists() else spoiled + 1
    return gather()


def _suffered() -> list[dict[str, Any]]:
    paths = sorted(CHUNKS.glob("*.json"))
    return [one for path in paths for one in json.loads(path.read_text())["faults"]]


def _go_inside() -> None:
    """Begin anew in a network, mounts and processes of our own, which all end with us."""
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if os.geteuid() or missing:
        sys.exit(f"This needs root and these programs: {', '.join(missing or NEEDED)}.")
    again = [sys.executable, "-m", "benchmarks.chaos", *sys.argv[1:], "--inside"]
    world = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    os.execvp("unshare", ["unshare", *world, "--", *again])


def chunk(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Start it all, hurt it, compare."""
    from benchmarks.chaos_stack import QUICK

    os.system("ip link set lo up")
    os.environ |= QUICK | {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "VERNACULAR_VAR_DIR": str(folder / "var"),
    }
    # What secrets are read from lies on the disk that is mounted a moment later.
    (folder / "log").mkdir()
    from benchmarks.chaos_stack import mounted, running_stack

    with mounted(folder):
        from config.secret_file import ensure_secrets

        ensure_secrets(folder / "var")
        import django

        django.setup()
        with running_stack(folder) as stack:
            return _suffer(stack, options)


def _suffer(stack: Any, options: argparse.Namespace) -> dict[str, Any]:
    from benchmarks.chaos_faults import Injector, plan
    from benchmarks.chaos_ledger import counts, settled, wrong
    from benchmarks.chaos_people import Ledger
    from benchmarks.chaos_setting import people_of, set_up

    ledger, kept = Ledger(), stack.folder / "backups"
    kept.mkdir()
    tell(f"up after {time.process_time():.0f} CPU s; setting up")
    set_up(stack, gold=GOLD, pool=POOL, seed=options.chunk)
    people, backups = people_of(stack, ledger=ledger, backups=kept, seed=options.chunk)
    injector = Injector(stack, people, backups)
    suffered: list[Any] = []
    for one in (*people, backups):
        one.start()
    _until(stack, lambda: not injector._lacking(0.0, 0.0), seconds=90)
    tell("all work; faults begin")
    until, enough = time.monotonic() + options.minutes * 60, Event()
    # Whoever ends it from outside still learns what came of what was suffered.
    signal.signal(signal.SIGTERM, lambda *_: enough.set())
    seen = {(one["part"], one["kind"]) for one in _suffered()}
    for faults in plan(Random(options.chunk), seen=seen):
        over = enough.is_set() or time.monotonic() > until
        if over or len(suffered) + len(faults) > options.faults:
            break
        injector.suffer(faults)
        suffered += faults
        for fault in faults:
            tell(
                f"{len(suffered):3} {fault.part:<15} {fault.kind:<10} {fault.jump or '':>6}"
                f" {fault.seconds:5.1f} s  {','.join(fault.during):<40} said {fault.said}"
                f"  back after {fault.recovered_s:5.1f} s {fault.waited_for}"
            )
    for one in (*people, backups):
        one.leaving.set()
    calm = _until(stack, lambda: settled(ledger), seconds=SETTLE_S)
    found = wrong(ledger, backups=kept)
    found += [f"{one.name}: {one.broken}" for one in people if one.broken]
    if not calm:
        found.append(f"not settled after {SETTLE_S:.0f} s: {len(ledger.unheard)} not heard")
    return {
        "chunk": options.chunk,
        "faults": [one.record() for one in suffered],
        "wrong": found,
        "died_by_themselves": stack.died,
        "counts": counts(ledger),
        "met": not found and all(one.met for one in suffered),
    }


def _until(stack: Any, happened: Any, *, seconds: float) -> bool:
    from django.db import Error, connection

    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        stack.look()
        try:
            if happened():
                return True
        except Error:
            connection.close()
        time.sleep(0.3)
    return False


def tell(line: str) -> None:
    """For whoever waits."""
    print(time.strftime("%H:%M:%S"), line, flush=True)


def say(told: dict[str, Any]) -> None:
    """What came of a chunk."""
    faults = told["faults"]
    slowest = max((one["recovered_s"] for one in faults), default=0.0)
    tell(f"{len(faults)} faults, slowest back after {slowest:.1f} s; {told['counts']}")
    for line in told["wrong"]:
        tell(f"WRONG: {line}")
    for one in faults:
        if not one["met"]:
            tell(f"NOT MET: {one}")
    tell(f"met: {told['met']}")


def gather() -> int:
    """One result of all chunks."""
    from benchmarks.chaos_gather import gathered

    return gathered(CHUNKS)


if __name__ == "__main__":
    sys.exit(main())
