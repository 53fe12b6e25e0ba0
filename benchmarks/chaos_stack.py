"""The stack that :mod:`benchmarks.chaos` hurts: all that one machine runs, each part within reach.

It lives in a network and mounts of its own (``unshare``): a part is cut off by the kernel dropping
what it sends, a disk is a small tmpfs, a clock is a small library before the processes of one part.
PostgreSQL and Redis listen on ports there, and a real nginx with our own file stands before the pages.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from config.desk_service import DeskAccount, prepare_data
from config.services import Layout, all_processes, answers_http, find_redis
from config.stack import adopted
from config.supervisor import Process, Supervisor

WEB, DESK, REDIS, POSTGRES, PROXY, PLAIN = 8100, 8180, 6379, 5432, 8443, 8080
WORKERS = ("worker-default", "worker-io", "worker-gpu", "worker-gpu-2")
PARTS = ("web", *WORKERS, "beat", "redis", "postgres", "label-studio", "proxy")
# Whoever has a port is cut off by it, everybody else by the group that they run as.
PORTS = {"redis": REDIS, "postgres": POSTGRES, "label-studio": DESK, "proxy": PROXY}
GROUPS = {name: 62000 + number for number, name in enumerate(PARTS)}
DISKS = {"var": 900, "postgres": 500}
DATABASE = f"postgresql://test@127.0.0.1:{POSTGRES}/chaos"
QUICK = {
    "VERNACULAR_TICK_SECONDS": "2",
    "VERNACULAR_SWEEP_SECONDS": "5",
    "VERNACULAR_LABEL_STUDIO_TIMEOUT": "5",
    "VERNACULAR_LEASE_SECONDS": "8",
    "VERNACULAR_SCORING_SHARD": "400",
    "VERNACULAR_TRUSTED_PROXIES": "1",
    "VERNACULAR_DATABASE_URL": DATABASE,
    "VERNACULAR_REDIS_URL": f"redis://127.0.0.1:{REDIS}/0",
    "OMP_NUM_THREADS": "1",
}


@dataclass
class ChaosStack:
    """The running parts, and how each is hurt and healed."""

    folder: Path
    layout: Layout
    supervisor: Supervisor
    died: int = 0

    @property
    def proxy_url(self) -> str:
        """Where people come in."""
        return f"https://127.0.0.1:{PROXY}"

    def process(self, name: str) -> Process:
        """One part."""
        return next(one for one in self.supervisor.processes if one.name == name)

    def look(self) -> None:
        """Start again what died, as an engine does that restarts without end."""
        before = sum(one.deaths for one in self.supervisor.processes)
        self.supervisor.poll()
        self.died += max(0, sum(one.deaths for one in self.supervisor.processes) - before)

    def settle(self) -> None:
        """Forget the deaths of the last fault, so that the next is waited for as long."""
        for one in self.supervisor.processes:
            one.deaths = 0

    def hold_down(self, name: str) -> None:
        """Kill a part outright; it stays away until it is let up."""
        process = self.process(name)
        process.again_at = float("inf")
        _signal(process, signal.SIGKILL)

    def stop(self, name: str) -> None:
        """Ask a part to leave in good order; it stays away until it is let up."""
        process = self.process(name)
        process.again_at = float("inf")
        self.supervisor.stop_one(process)

    def let_up(self, name: str) -> None:
        """Let whoever looks after the parts start it again."""
        self.process(name).again_at = 0.0

    def freeze(self, name: str) -> None:
        """Stop a part and all its children in the middle of what they do."""
        _signal(self.process(name), signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """Let them go on."""
        _signal(self.process(name), signal.SIGCONT)

    def cut_off(self, name: str) -> None:
        """Drop whatever the part sends and, where it has a port, whatever is sent to it."""
        for rule in _rules(name):
            subprocess.run(["iptables", "-A", "OUTPUT", *rule], check=True)

    def join(self, name: str) -> None:
        """Let it speak again."""
        for rule in _rules(name):
            subprocess.run(["iptables", "-D", "OUTPUT", *rule], check=True)

    def fill(self, disk: str) -> None:
        """Leave no byte free on a disk."""
        with (self.folder / disk / "ballast").open("wb") as ballast, suppress(OSError):
            while True:
                ballast.write(bytes(2**20))
                ballast.flush()

    def make_room(self, disk: str) -> None:
        """Take the ballast away."""
        (self.folder / disk / "ballast").unlink()

    def set_clock(self, name: str, *, seconds: int) -> None:
        """Move the clock of one part."""
        _clock(self.folder, name).write_text(f"{seconds:+d}\n")


def _rules(name: str) -> list[list[str]]:
    if name in PORTS:
        port = str(PORTS[name])
        ways = (["--dport", port], ["--sport", port])
        return [["-p", "tcp", *way, "-j", "DROP"] for way in ways]
    return [["-m", "owner", "--gid-owner", str(GROUPS[name]), "-j", "DROP"]]


def _signal(process: Process, number: int) -> None:
    """Reach a part with all its children, whatever group they made for themselves."""
    if process.popen is None:
        return
    pids = [process.popen.pid]
    for pid in pids:  # grows while children are found
        with suppress(OSError):
            pids += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
    if number == signal.SIGKILL:
        process.popen.wait()


def _clock(folder: Path, name: str) -> Path:
    return folder / "clocks" / name


@contextmanager
def mounted(folder: Path) -> Iterator[None]:
    """Small disks, so that they can be full."""
    for disk, size in DISKS.items():
        (folder / disk).mkdir(parents=True)
        mount = [
            "mount",
            "-t",
            "tmpfs",
            "-o",
            f"size={size}m,mode=755",
            "chaos",
            str(folder / disk),
        ]
        subprocess.run(mount, check=True)
    try:
        yield
    finally:
        for disk in DISKS:
            subprocess.run(["umount", "-l", folder / disk], check=False)


@contextmanager
def running_stack(folder: Path) -> Iterator[ChaosStack]:
    """Everything started on empty tables, stopped afterwards."""
    (folder / "clocks").mkdir()
    _build_clock(folder)
    for name in PARTS:
        _clock(folder, name).write_text("+0\n")
    account = DeskAccount(
        email="admin@vernacular.localhost",
        password="a-password-for-chaos",
        token="0123456789abcdef0123456789abcdef01234567",
        entry_key="a-key-for-chaos-that-nobody-else-knows",
    )
    layout = Layout(
        var=folder / "var",
        web_port=WEB,
        label_studio_port=DESK,
        redis_url=QUICK["VERNACULAR_REDIS_URL"],
        account=account,
    )
    prepare_data(folder / "var/label-studio")
    processes = _processes(folder, layout)
    supervisor = Supervisor(processes, log_dir=folder / "log", take_signals=False)
    supervisor.open()
    try:
        with adopted(layout):
            _start(supervisor)
            yield ChaosStack(folder, layout, supervisor)
    finally:
        for process in processes:
            _signal(process, signal.SIGKILL)
        supervisor.stop()


def _processes(folder: Path, layout: Layout) -> list[Process]:
    ours = all_processes(layout)
    gpu = next(one for one in ours if one.name == "worker-gpu")
    sign = layout.var / "run/gpu2@vernacular.ready"
    second = replace(
        gpu,
        name="worker-gpu-2",
        command=[word.replace("gpu@", "gpu2@") for word in gpu.command],
        before=lambda: sign.unlink(missing_ok=True),
        ready=sign.exists,
    )
    ours.insert(ours.index(gpu) + 1, second)
    for one in ours:
        one.command = ["setpriv", f"--regid={GROUPS[one.name]}", "--clear-groups", *one.command]
        one.environment = {**one.environment, **_with_clock(folder, one.name)}
        if one.name != "label-studio":
            one.needs = ["redis", "postgres"]
    processes = [_postgres(folder / "postgres"), _redis(folder), *ours, _proxy(folder, layout)]
    for one in processes:
        one.restarts, one.ready_s = 10**6, 600.0
        one.grace_s = min(one.grace_s, 20.0)
    return processes


def _with_clock(folder: Path, name: str) -> Mapping[str, str]:
    return {"LD_PRELOAD": str(folder / "clock.so"), "CHAOS_CLOCK": str(_clock(folder, name))}


def _build_clock(folder: Path) -> None:
    source = Path(__file__).with_name("chaos_clock.c")
    built = ["cc", "-O2", "-shared", "-fPIC", "-o", str(folder / "clock.so"), str(source), "-ldl"]
    subprocess.run(built, check=True)


def _postgres(folder: Path) -> Process:
    from tests.servers import find_postgres

    programs = find_postgres()
    if programs is None:
        sys.exit("This needs a PostgreSQL (Debian, Ubuntu: apt install postgresql).")
    data = folder / "data"
    as_server = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    data.mkdir(mode=0o700)
    subprocess.run(["chown", "-R", "postgres:postgres", str(folder)], check=True)
    made = [
        str(programs / "initdb"),
        "-D",
        str(data),
        "-U",
        "test",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--no-sync",
    ]
    clean = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    subprocess.run(
        [*as_server, *made], check=True, stdout=subprocess.DEVNULL, env=clean, cwd=folder
    )
    command = [*as_server, str(programs / "postgres"), "-D", str(data), "-p", str(POSTGRES)]
    settings = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": str(folder),
        "max_wal_size": "128MB",
        "min_wal_size": "32MB",
        "shared_buffers": "64MB",
    }
    command += [word for pair in settings.items() for word in ("-c", "=".join(pair))]
    return Process(
        name="postgres", command=command, environment=clean, cwd=folder, ready=_postgres_answers
    )


def _postgres_answers() -> bool:
    import psycopg

    url = DATABASE.replace("/chaos", "/postgres")
    try:
        with psycopg.connect(url, connect_timeout=2):
            return True
    except psycopg.Error:
        return False


def _redis(folder: Path) -> Process:
    command = [str(find_redis()), "--port", str(REDIS), "--bind", "127.0.0.1", "--dir", str(folder)]
    command += ["--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"]
    return Process(
        name="redis", command=command, environment=dict(os.environ), ready=_redis_answers
    )


def _redis_answers() -> bool:
    import redis

    try:
        with redis.Redis(port=REDIS, socket_timeout=1, socket_connect_timeout=1) as client:
            return bool(client.ping())
    except (redis.RedisError, OSError):
        return False


def _proxy(folder: Path, layout: Layout) -> Process:
    from tests.servers import proxy_command

    place = folder / "proxy"
    place.mkdir()
    command = proxy_command(
        place,
        pages=f"127.0.0.1:{layout.web_port}",
        desk=f"127.0.0.1:{layout.label_studio_port}",
        name="127.0.0.1",
        ports=(PROXY, PLAIN),
    )
    return Process(
        name="proxy",
        command=command,
        environment=dict(os.environ),
        ready=lambda: answers_http(f"http://127.0.0.1:{PLAIN}/alive"),
    )


def _start(supervisor: Supervisor) -> None:
    """The database first: the others want tables."""
    import psycopg

    supervisor.spawn("postgres")
    until = time.monotonic() + 60
    while not _postgres_answers():
        if time.monotonic() > until:
            sys.exit(supervisor.log_path(supervisor.processes[0]).read_text())
        time.sleep(0.1)
    with psycopg.connect(DATABASE.replace("/chaos", "/postgres"), autocommit=True) as server:
        server.execute("CREATE DATABASE chaos")
    from django.core.management import call_command

    call_command("migrate", verbosity=0, skip_checks=True)
    supervisor.start()
